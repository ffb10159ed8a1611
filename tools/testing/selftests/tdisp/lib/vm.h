/* SPDX-License-Identifier: GPL-2.0-only */
/* A VM with private memory, without vCPUs, that devices are associated with */
#ifndef SELFTESTS_TDISP_LIB_VM_H
#define SELFTESTS_TDISP_LIB_VM_H

/**
 * struct vm - A VM
 * @kvm_fd: /dev/kvm
 * @vm_fd: the VM, of type KVM_X86_SW_PROTECTED_VM
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

#endif /* SELFTESTS_TDISP_LIB_VM_H */
