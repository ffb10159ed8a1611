/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A vCPU of x86 in real mode that reads and writes words of a window, which a
 * memslot backs, see vm_set_dmabuf().
 */
#ifndef SELFTESTS_TDISP_LIB_VCPU_H
#define SELFTESTS_TDISP_LIB_VCPU_H

#include <stdbool.h>
#include <linux/types.h>

#include "vm.h"

struct kvm_run;

/* A segment of real mode */
#define VCPU_DATA_GPA	0x20000
#define VCPU_DATA_LEN	0x10000

/**
 * struct vcpu - A vCPU, the only one of its VM
 * @fd: the vCPU
 * @run: what it shares with KVM
 * @run_size: size of that
 * @code: memory with its program
 */
struct vcpu {
	int fd;
	struct kvm_run *run;
	size_t run_size;
	void *code;
};

/* 0 or a negative errno, all of these */
int vcpu_create(struct vcpu *vcpu, struct vm *vm);
void vcpu_destroy(struct vcpu *vcpu);
/*
 * An access at an offset in the window. -EFAULT if KVM_RUN says so, together
 * with KVM_EXIT_MEMORY_FAULT, -EPROTO for any exit that should not be
 */
int vcpu_read(struct vcpu *vcpu, u16 off, u32 *val);
int vcpu_write(struct vcpu *vcpu, u16 off, u32 val);

#endif /* SELFTESTS_TDISP_LIB_VCPU_H */
