// SPDX-License-Identifier: GPL-2.0-only
/* A vCPU that reads and writes words of a window, see vcpu.h */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/kvm.h>

#include "tdisp_lib.h"
#include "vcpu.h"

#define CODE_SLOT	0

#define CODE_GPA	0x1000
#define CODE_LEN	0x1000
#define CODE_READ	CODE_GPA
#define CODE_WRITE	(CODE_GPA + 0x100)

/* Then out of the guest by a port that nobody has */
static const u8 code_read[] = {
	0x66, 0x8b, 0x07,	/* mov	(%bx), %eax */
	0xe6, 0x10,		/* out	%al, $0x10 */
};

static const u8 code_write[] = {
	0x66, 0x89, 0x07,	/* mov	%eax, (%bx) */
	0xe6, 0x10,		/* out	%al, $0x10 */
};

static int set_segments(struct vcpu *vcpu)
{
	struct kvm_sregs sregs;

	if (ioctl(vcpu->fd, KVM_GET_SREGS, &sregs))
		return -errno;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	sregs.ds.base = VCPU_DATA_GPA;
	sregs.ds.selector = VCPU_DATA_GPA >> 4;
	return ioctl(vcpu->fd, KVM_SET_SREGS, &sregs) ? -errno : 0;
}

int vcpu_create(struct vcpu *vcpu, struct vm *vm)
{
	struct kvm_userspace_memory_region2 mem = {
		.slot = CODE_SLOT,
		.guest_phys_addr = CODE_GPA,
		.memory_size = CODE_LEN,
	};
	int size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	int rc;

	memset(vcpu, 0, sizeof(*vcpu));
	vcpu->fd = -1;
	vcpu->run = MAP_FAILED;
	vcpu->code = mmap(NULL, CODE_LEN, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (size < 0 || vcpu->code == MAP_FAILED)
		goto err;
	memcpy(vcpu->code + CODE_READ - CODE_GPA, code_read, sizeof(code_read));
	memcpy(vcpu->code + CODE_WRITE - CODE_GPA, code_write,
	       sizeof(code_write));

	mem.userspace_addr = (uintptr_t)vcpu->code;
	rc = vm_set_region(vm, &mem);
	if (rc)
		goto err_rc;

	vcpu->fd = ioctl(vm->vm_fd, KVM_CREATE_VCPU, 0);
	if (vcpu->fd < 0)
		goto err;
	vcpu->run_size = size;
	vcpu->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
			 vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		goto err;
	rc = set_segments(vcpu);
	if (rc)
		goto err_rc;
	return 0;

err:
	rc = -errno;
err_rc:
	vcpu_destroy(vcpu);
	return rc;
}

void vcpu_destroy(struct vcpu *vcpu)
{
	if (!vcpu->code)
		return;
	if (vcpu->run != MAP_FAILED)
		munmap(vcpu->run, vcpu->run_size);
	close_fd(&vcpu->fd);
	if (vcpu->code != MAP_FAILED)
		munmap(vcpu->code, CODE_LEN);
	vcpu->code = NULL;
}

static int run_at(struct vcpu *vcpu, u64 entry, u16 off, u32 *val)
{
	struct kvm_regs regs = {
		.rip = entry,
		.rbx = off,
		.rax = *val,
		.rflags = 2,
	};

	/* An exit for output that was not completed yet would move on */
	vcpu->run->immediate_exit = 1;
	ioctl(vcpu->fd, KVM_RUN, 0);
	vcpu->run->immediate_exit = 0;

	if (ioctl(vcpu->fd, KVM_SET_REGS, &regs))
		return -errno;
	if (ioctl(vcpu->fd, KVM_RUN, 0)) {
		if (errno == EFAULT &&
		    vcpu->run->exit_reason != KVM_EXIT_MEMORY_FAULT)
			return -EPROTO;
		return -errno;
	}
	if (vcpu->run->exit_reason != KVM_EXIT_IO)
		return -EPROTO;
	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs))
		return -errno;
	*val = regs.rax;
	return 0;
}

int vcpu_read(struct vcpu *vcpu, u16 off, u32 *val)
{
	*val = 0;
	return run_at(vcpu, CODE_READ, off, val);
}

int vcpu_write(struct vcpu *vcpu, u16 off, u32 val)
{
	return run_at(vcpu, CODE_WRITE, off, &val);
}
