// SPDX-License-Identifier: GPL-2.0-only
/*
 * SNP guests for the backend of SEV-TIO, see <linux/tsm-vm.h>. The driver of the
 * PSP cannot ask for them: kvm-amd depends on it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/psp.h>
#include <linux/tsm-vm.h>

#include "svm.h"

/*
 * The type comes first: only a VM of this module's is a struct kvm_svm. There is
 * no context page before the launch has started, and none that a device can be
 * bound to before it is finished; it goes away with the VM.
 */
static int snp_validate(struct kvm *kvm)
{
	if (kvm->arch.vm_type != KVM_X86_SNP_VM)
		return -EINVAL;
	if (!READ_ONCE(kvm->arch.pre_fault_allowed) ||
	    !READ_ONCE(to_kvm_sev_info(kvm)->snp_context))
		return -EINVAL;
	return 0;
}

static int snp_get_handle(struct kvm *kvm, struct tsm_vm_handle *handle)
{
	struct kvm_sev_info *sev = to_kvm_sev_info(kvm);

	handle->snp.gctx_paddr = __psp_pa(sev->snp_context);
	handle->snp.asid = sev->asid;
	return 0;
}

static int snp_find_mmio(struct kvm *kvm, u64 gpa, u64 size, u64 *pa)
{
	return kvm_dmabuf_find_private(kvm, gpa, size, pa);
}

static int snp_unmap_mmio(struct kvm *kvm, u64 gpa, u64 size)
{
	return kvm_dmabuf_unmap_private(kvm, gpa, size);
}

static struct tsm_vm_provider snp_provider = {
	.type = TSM_VM_SNP,
	.owner = THIS_MODULE,
	.validate = snp_validate,
	.get_handle = snp_get_handle,
	.find_mmio = snp_find_mmio,
	.unmap_mmio = snp_unmap_mmio,
};

static bool snp_registered;

/* Where there are no SNP guests, there is nobody to provide them */
int svm_tsm_vm_init(void)
{
	int r;

	if (!(kvm_caps.supported_vm_types & BIT(KVM_X86_SNP_VM)))
		return 0;
	r = tsm_vm_register(&snp_provider);
	snp_registered = !r;
	return r;
}

void svm_tsm_vm_exit(void)
{
	if (snp_registered)
		tsm_vm_unregister(&snp_provider);
	snp_registered = false;
}
