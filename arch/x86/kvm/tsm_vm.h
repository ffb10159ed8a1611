/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef __KVM_X86_TSM_VM_H
#define __KVM_X86_TSM_VM_H

struct kvm;

int kvm_x86_private_mmio(struct kvm *kvm);
int kvm_x86_tsm_vm_init(void);
void kvm_x86_tsm_vm_exit(void);

#endif /* __KVM_X86_TSM_VM_H */
