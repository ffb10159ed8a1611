/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Confidential VMs of a model of firmware: it says of any VM of a kind that exists
 * without hardware that it is one of its own. What KVM does for such a VM, it does.
 * For struct tsm_vm_provider, which tells what these are, and in what context.
 */
#ifndef TDISP_FW_VM_H
#define TDISP_FW_VM_H

#include <linux/types.h>

struct kvm;

int fw_vm_validate(struct kvm *kvm);
int fw_vm_find_mmio(struct kvm *kvm, u64 gpa, u64 size, u64 *pa);
int fw_vm_unmap_mmio(struct kvm *kvm, u64 gpa, u64 size);

#endif /* TDISP_FW_VM_H */
