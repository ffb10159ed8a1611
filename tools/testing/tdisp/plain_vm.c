// SPDX-License-Identifier: GPL-2.0-only
/*
 * A provider of VMs where KVM has none, as on arm64: any VM passes for one of type
 * TSM_VM_SW_PROTECTED, and none has MMIO that a TSM could validate. For tests of
 * what needs a VM, and no memslot of it.
 */
#include <linux/module.h>
#include <linux/string.h>
#include <linux/tsm-vm.h>

static int plain_validate(struct kvm *kvm)
{
	return 0;
}

static int plain_get_handle(struct kvm *kvm, struct tsm_vm_handle *handle)
{
	memset(handle, 0, sizeof(*handle));
	return 0;
}

static int plain_find_mmio(struct kvm *kvm, u64 gpa, u64 size, u64 *pa)
{
	return -ENOENT;
}

/* As nothing of it was found, nothing of it is mapped */
static int plain_unmap_mmio(struct kvm *kvm, u64 gpa, u64 size)
{
	return 0;
}

static struct tsm_vm_provider plain_provider = {
	.type = TSM_VM_SW_PROTECTED,
	.owner = THIS_MODULE,
	.validate = plain_validate,
	.get_handle = plain_get_handle,
	.find_mmio = plain_find_mmio,
	.unmap_mmio = plain_unmap_mmio,
};

static int __init plain_init(void)
{
	int rc = tsm_vm_register(&plain_provider);

	if (!rc)
		pr_warn("test module: takes any VM, and protects none\n");
	return rc;
}
module_init(plain_init);

static void __exit plain_exit(void)
{
	tsm_vm_unregister(&plain_provider);
}
module_exit(plain_exit);

/* The loader taints the kernel with TAINT_TEST */
MODULE_INFO(test, "Y");
MODULE_DESCRIPTION("VMs for tests of TSMs, where KVM provides none");
MODULE_LICENSE("GPL");
