/* SPDX-License-Identifier: GPL-2.0-only */
/* A VM with private memory, without vCPUs, that devices are associated with */
#ifndef SELFTESTS_TDISP_LIB_VM_H
#define SELFTESTS_TDISP_LIB_VM_H

#include <stdbool.h>
#include <linux/types.h>

struct kvm_userspace_memory_region2;

#define VM_DMABUF_SLOT	1

/**
 * struct vm - A VM
 * @kvm_fd: /dev/kvm
 * @vm_fd: the VM, of type KVM_X86_SW_PROTECTED_VM where there is that, or else an
 *	ordinary one, which plain_vm.ko takes for it
 * @vfio_fd: its kvm-vfio device
 */
struct vm {
	int kvm_fd;
	int vm_fd;
	int vfio_fd;
};

/* 0, or a negative errno: -EOPNOTSUPP if KVM lacks the VM type */
int vm_create(struct vm *vm);
/* Of a type that need not be one with private memory, KVM_X86_*_VM */
int vm_create_type(struct vm *vm, unsigned long type);
void vm_close(struct vm *vm);
/* Associate a VFIO device with the VM, and end that */
int vm_add_vfio(struct vm *vm, int device_fd);
int vm_del_vfio(struct vm *vm, int device_fd);

/* Does KVM have memslots on a dma-buf? */
bool vm_has_dmabuf(struct vm *vm);
int vm_set_region(struct vm *vm, struct kvm_userspace_memory_region2 *mem);
/* The slot VM_DMABUF_SLOT; no length to delete it */
int vm_set_dmabuf(struct vm *vm, int dmabuf, u64 off, u64 gpa, u64 len);
int vm_set_private(struct vm *vm, u64 gpa, u64 len, bool private);

#endif /* SELFTESTS_TDISP_LIB_VM_H */
