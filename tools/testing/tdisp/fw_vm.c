// SPDX-License-Identifier: GPL-2.0-only
/* Confidential VMs of a model of firmware, see fw_vm.h */
#include <linux/err.h>
#include <linux/tsm-vm.h>

#include "fw_vm.h"

static const struct tsm_vm_provider *fw_vm_get(struct kvm *kvm)
{
	return tsm_vm_get(TSM_VM_SW_PROTECTED, kvm);
}

int fw_vm_validate(struct kvm *kvm)
{
	const struct tsm_vm_provider *vm = fw_vm_get(kvm);

	if (IS_ERR(vm))
		return PTR_ERR(vm);
	tsm_vm_put(vm);
	return 0;
}

int fw_vm_find_mmio(struct kvm *kvm, u64 gpa, u64 size, u64 *pa)
{
	const struct tsm_vm_provider *vm = fw_vm_get(kvm);
	int rc;

	if (IS_ERR(vm))
		return PTR_ERR(vm);
	rc = vm->find_mmio(kvm, gpa, size, pa);
	tsm_vm_put(vm);
	return rc;
}

int fw_vm_unmap_mmio(struct kvm *kvm, u64 gpa, u64 size)
{
	const struct tsm_vm_provider *vm = fw_vm_get(kvm);
	int rc;

	if (IS_ERR(vm))
		return PTR_ERR(vm);
	rc = vm->unmap_mmio(kvm, gpa, size);
	tsm_vm_put(vm);
	return rc;
}
