// SPDX-License-Identifier: GPL-2.0-only
/*
 * TDs for the backend of TDX Connect, see <linux/tsm-vm.h>. The backend cannot ask
 * for them: how KVM knows a TD is private to kvm-intel.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/tsm-vm.h>

#include "tdx.h"

static struct kvm_tdx *tsm_vm_tdx(struct kvm *kvm)
{
	return container_of(kvm, struct kvm_tdx, kvm);
}

/*
 * The type comes first: only a VM of this module's is a struct kvm_tdx. The root
 * page is there, and has a key, from when the TD is initialised until the VM goes;
 * a device is for a TD that runs.
 *
 * None is for one yet: the calls of the TDX module that map MMIO in the secure EPT,
 * and unmap it, are not public. kvm_x86_private_mmio() says so to faults, too.
 */
static int tdx_vm_validate(struct kvm *kvm)
{
	struct kvm_tdx *kvm_tdx;

	if (kvm->arch.vm_type != KVM_X86_TDX_VM)
		return -EINVAL;
	kvm_tdx = tsm_vm_tdx(kvm);
	if (READ_ONCE(kvm_tdx->state) != TD_STATE_RUNNABLE ||
	    READ_ONCE(kvm_tdx->hkid) <= 0 || kvm->vm_dead)
		return -EINVAL;
	return -EOPNOTSUPP;
}

static int tdx_vm_get_handle(struct kvm *kvm, struct tsm_vm_handle *handle)
{
	handle->tdx.tdr_paddr = page_to_phys(tsm_vm_tdx(kvm)->td.tdr_page);
	return 0;
}

static int tdx_vm_find_mmio(struct kvm *kvm, u64 gpa, u64 size, u64 *pa)
{
	return kvm_dmabuf_find_private(kvm, gpa, size, pa);
}

static int tdx_vm_unmap_mmio(struct kvm *kvm, u64 gpa, u64 size)
{
	return kvm_dmabuf_unmap_private(kvm, gpa, size);
}

static struct tsm_vm_provider tdx_vm_provider = {
	.type = TSM_VM_TDX,
	.owner = THIS_MODULE,
	.validate = tdx_vm_validate,
	.get_handle = tdx_vm_get_handle,
	.find_mmio = tdx_vm_find_mmio,
	.unmap_mmio = tdx_vm_unmap_mmio,
};

static bool tdx_vm_registered;

/* Where there are no TDs, there is nobody to provide them */
int tdx_tsm_vm_init(void)
{
	int r;

	if (!enable_tdx)
		return 0;
	r = tsm_vm_register(&tdx_vm_provider);
	tdx_vm_registered = !r;
	return r;
}

void tdx_tsm_vm_exit(void)
{
	if (tdx_vm_registered)
		tsm_vm_unregister(&tdx_vm_provider);
	tdx_vm_registered = false;
}
