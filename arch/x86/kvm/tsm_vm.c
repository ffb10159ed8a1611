// SPDX-License-Identifier: GPL-2.0-only
/*
 * What backends of TEE Security Managers get to know of a VM, and do to its
 * private MMIO, see <linux/tsm-vm.h>.
 */
#include <linux/array_size.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/tsm-vm.h>

#include "tsm_vm.h"

static int tsm_vm_validate_type(struct kvm *kvm, unsigned long type)
{
	return kvm->arch.vm_type == type ? 0 : -EINVAL;
}

static int sw_protected_validate(struct kvm *kvm)
{
	return tsm_vm_validate_type(kvm, KVM_X86_SW_PROTECTED_VM);
}

/* No firmware knows it */
static int sw_protected_get_handle(struct kvm *kvm, struct tsm_vm_handle *handle)
{
	memset(handle, 0, sizeof(*handle));
	return 0;
}

static int sw_protected_find_mmio(struct kvm *kvm, u64 gpa, u64 size, u64 *pa)
{
	return kvm_dmabuf_find_private(kvm, gpa, size, pa);
}

static int sw_protected_unmap_mmio(struct kvm *kvm, u64 gpa, u64 size)
{
	return kvm_dmabuf_unmap_private(kvm, gpa, size);
}

/* SNP guests are kvm-amd's, TDs kvm-intel's */
static struct tsm_vm_provider providers[] = {
	{
		.type = TSM_VM_SW_PROTECTED,
		.owner = THIS_MODULE,
		.validate = sw_protected_validate,
		.get_handle = sw_protected_get_handle,
		.find_mmio = sw_protected_find_mmio,
		.unmap_mmio = sw_protected_unmap_mmio,
	},
};

/**
 * kvm_x86_private_mmio() - Can a vCPU of the VM map private MMIO?
 * @kvm: the VM
 *
 * Return: 0, or -EOPNOTSUPP
 */
int kvm_x86_private_mmio(struct kvm *kvm)
{
	switch (kvm->arch.vm_type) {
	case KVM_X86_SW_PROTECTED_VM:
	/* The RMP keeps the guest from what the backend did not give to it */
	case KVM_X86_SNP_VM:
		return 0;
	/* The secure EPT has no entries for MMIO, see vmx/tsm_vm.c */
	case KVM_X86_TDX_VM:
	default:
		return -EOPNOTSUPP;
	}
}

int kvm_x86_tsm_vm_init(void)
{
	int i, r;

	for (i = 0; i < ARRAY_SIZE(providers); i++) {
		r = tsm_vm_register(&providers[i]);
		if (r)
			goto err_unregister;
	}
	return 0;

err_unregister:
	while (i--)
		tsm_vm_unregister(&providers[i]);
	return r;
}

void kvm_x86_tsm_vm_exit(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(providers); i++)
		tsm_vm_unregister(&providers[i]);
}
