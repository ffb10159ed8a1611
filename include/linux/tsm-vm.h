/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the backend of a link TSM needs of the VM that it binds a device for.
 * KVM knows the VM and the backend the firmware, like ccp and kvm-amd, and
 * neither can depend on the other.
 */
#ifndef __TSM_VM_H
#define __TSM_VM_H

#include <linux/errno.h>
#include <linux/list.h>
#include <linux/types.h>

struct kvm;
struct module;

/**
 * enum tsm_vm_type - Kinds of confidential VMs
 * @TSM_VM_SW_PROTECTED: KVM_X86_SW_PROTECTED_VM, without firmware, for tests
 * @TSM_VM_SNP: SEV-SNP guest
 * @TSM_VM_TDX: trust domain
 * @TSM_VM_CCA: realm
 */
enum tsm_vm_type {
	TSM_VM_SW_PROTECTED,
	TSM_VM_SNP,
	TSM_VM_TDX,
	TSM_VM_CCA,
};

/**
 * struct tsm_vm_handle - How firmware knows a VM
 * @snp: guest context page and ASID
 * @tdx: root page of the TD
 * @cca: realm descriptor
 *
 * The type of the VM says which one it is, a VM without firmware has none.
 */
struct tsm_vm_handle {
	union {
		struct {
			u64 gctx_paddr;
			u32 asid;
		} snp;
		struct {
			u64 tdr_paddr;
		} tdx;
		struct {
			u64 rd_paddr;
		} cca;
	};
};

/**
 * struct tsm_vm_provider - What KVM does for VMs of one type
 * @type: the type
 * @owner: stays while somebody uses the provider
 * @validate: Is it a VM of this type, ready for devices? 0, -EINVAL for one of
 *	another type, -EOPNOTSUPP if KVM cannot give devices to such VMs.
 * @get_handle: Fill in the handle of a VM that was validated. 0 or an error.
 * @find_mmio: Physical address of a page aligned range of guest physical
 *	addresses that is MMIO of a bound device of the VM. It comes from the
 *	memslot, not from user space. -ENOENT if it is anything else, or not
 *	contiguous.
 * @map_mmio: Optional. Have firmware map a page aligned range of MMIO of a TDI
 *	privately, at @gpa, where a fault of the vCPU cannot. @tdi is how firmware
 *	knows the TDI, of CCA the VDEV, and @pa comes from @find_mmio. 0, -EEXIST if
 *	part of it is mapped, or another error.
 * @unmap_mmio: Remove the private mappings of MMIO in a range of guest physical
 *	addresses, of devices whose owner has revoked it. What another device of
 *	the VM has there stays. 0 or an error.
 * @node: private to the TSM core
 *
 * Context: Called with the DSM lock held. The owner of the binding keeps the VM.
 * They take none of kvm->lock, vcpu->mutex and slots_lock, may sleep and take
 * kvm->srcu for read, mmu_lock, and the reservation object of a dma-buf. Without
 * an operation to map, a fault of the vCPU does that.
 */
struct tsm_vm_provider {
	enum tsm_vm_type type;
	struct module *owner;
	int (*validate)(struct kvm *kvm);
	int (*get_handle)(struct kvm *kvm, struct tsm_vm_handle *handle);
	int (*find_mmio)(struct kvm *kvm, u64 gpa, u64 size, u64 *pa);
	int (*map_mmio)(struct kvm *kvm, u64 tdi, u64 gpa, u64 size, u64 pa);
	int (*unmap_mmio)(struct kvm *kvm, u64 gpa, u64 size);
	struct list_head node;
};

#ifdef CONFIG_TSM
int tsm_vm_register(struct tsm_vm_provider *provider);
void tsm_vm_unregister(struct tsm_vm_provider *provider);
const struct tsm_vm_provider *tsm_vm_get(enum tsm_vm_type type, struct kvm *kvm);
void tsm_vm_put(const struct tsm_vm_provider *provider);
#else
static inline int tsm_vm_register(struct tsm_vm_provider *provider)
{
	return 0;
}

static inline void tsm_vm_unregister(struct tsm_vm_provider *provider)
{
}
#endif

#endif /* __TSM_VM_H */
