// SPDX-License-Identifier: GPL-2.0-only
/*
 * A TDX module with TDX Connect in software, below the driver for the real one:
 * module, VMs that it knows, and what tests get to see of it. It protects
 * nothing, the session with the device has no cipher.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/tsm-vm.h>
#include <linux/uaccess.h>
#include <trace/events/tsm.h>

#include <asm/tdx.h>

#include "fw_vm.h"
#include "observer.h"
#include "tdxm.h"
#include "tdxm_driver.h"

/* Metadata field TDX_FEATURES0: TDX Connect, and the extension it needs */
#define FEATURE_TDXCONNECT	BIT_ULL(6)
#define FEATURE_EXT		BIT_ULL(39)

module_param_named(seed, tdxm_seed, uint, 0444);
MODULE_PARM_DESC(seed, "Of what is random: which calls are interrupted");
module_param_named(interrupts, tdxm_interrupts, uint, 0644);
MODULE_PARM_DESC(interrupts, "Per cent of the calls that are interrupted");

module_param_named(ext_pages, tdxm_ext_wanted, uint, 0444);
MODULE_PARM_DESC(ext_pages, "Pages that the extension of the module wants");

static bool tdxm_no_connect;
module_param_named(no_connect, tdxm_no_connect, bool, 0444);
MODULE_PARM_DESC(no_connect, "The module does not report TDX Connect");

static bool tdxm_not_configured;
module_param_named(not_configured, tdxm_not_configured, bool, 0444);
MODULE_PARM_DESC(not_configured, "Nobody has turned TDX Connect on at boot");

static struct tdx_sys_info tdxm_info;
static struct dentry *tdxm_debugfs;
/* In place of the IOMMU */
struct observer tdxm_observer;

const struct tdx_sys_info *tdxm_sysinfo(void)
{
	return &tdxm_info;
}

bool tdxm_configured(void)
{
	return !tdxm_not_configured;
}

static struct tdxm_td *tdxm_find_td_of(struct kvm *kvm)
{
	struct tdxm_td *td;

	lockdep_assert_held(&fw_lock);

	list_for_each_entry(td, &tdxm_tds, node)
		if (td->kvm == kvm)
			return td;
	return NULL;
}

/* A VM is a TD, as far as the module knows, when it is bound */
static int tdxm_td_create(struct kvm *kvm)
{
	struct tdxm_td *td;

	td = kzalloc_obj(*td);
	if (!td)
		return -ENOMEM;
	td->kvm = kvm;
	td->tdr = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!td->tdr || tdxm_page_take(page_to_pfn(td->tdr), false)) {
		if (td->tdr)
			__free_page(td->tdr);
		kfree(td);
		return -ENOMEM;
	}
	list_add(&td->node, &tdxm_tds);
	return 0;
}

static int tdxm_vm_get_handle(struct kvm *kvm, struct tsm_vm_handle *handle)
{
	int rc;

	guard(mutex)(&fw_lock);
	if (!tdxm_find_td_of(kvm)) {
		rc = tdxm_td_create(kvm);
		if (rc)
			return rc;
	}
	handle->tdx.tdr_paddr = page_to_phys(tdxm_find_td_of(kvm)->tdr);
	return 0;
}

static struct tsm_vm_provider tdxm_vm_provider = {
	.type = TSM_VM_TDX,
	.owner = THIS_MODULE,
	.validate = fw_vm_validate,
	.get_handle = tdxm_vm_get_handle,
	.find_mmio = fw_vm_find_mmio,
	.unmap_mmio = fw_vm_unmap_mmio,
};

/* A call of the driver of the IOMMU, in the trace like those of the TSM driver */
static int tdxm_iommu_call(struct device *dev, u16 leaf, const char *name)
{
	u64 start = trace_tsm_fw_call_enabled() ? ktime_get_ns() : 0;
	u64 status;
	int rc;

	do {
		struct tdx_module_args args = {
			.rcx = pci_dev_id(to_pci_dev(dev)),
		};

		status = tdxm_seamcall(leaf, &args);
	} while (status == TDXM_RESUMABLE || status == TDXM_BUSY);
	rc = status ? -EIO : 0;
	trace_tsm_fw_call(dev, name, rc, status, start);
	return rc;
}

/* In place of the driver of the IOMMU, which knows no trusted tables */
int tdxm_iommu_dma(struct device *dev, bool on)
{
	int rc;

	if (on)
		return tdxm_iommu_call(dev, TDXM_DMAR_ADD, "TDH_DMAR_ADD");
	rc = tdxm_iommu_call(dev, TDXM_DMAR_BLOCK, "TDH_DMAR_BLOCK");
	rc = rc ?: tdxm_iommu_call(dev, TDXM_IQINV, "TDH_IQINV");
	return rc ?: tdxm_iommu_call(dev, TDXM_DMAR_REMOVE, "TDH_DMAR_REMOVE");
}

static int tdxm_state_show(struct seq_file *s, void *unused)
{
	u32 owned, dirty;

	guard(mutex)(&fw_lock);
	tdxm_page_verify("state", true);
	tdxm_page_count(&owned, &dirty);
	fw_log_counters(s);
	seq_printf(s, "owned %u\ndirty %u\n", owned, dirty);
	seq_printf(s, "sessions %zu\nstreams %zu\ntds %zu\n",
		   list_count_nodes(&tdxm_spdms),
		   list_count_nodes(&tdxm_streams),
		   list_count_nodes(&tdxm_tds));
	tdxm_tdi_count(s);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(tdxm_state);

/* "FUNCTION OP": what the TD of a TDI asks for, TDXM_GUEST_* */
static ssize_t tdxm_guest_write(struct file *file, const char __user *ubuf,
				size_t count, loff_t *ppos)
{
	char line[32] = {};
	u32 func_id, op;
	int rc;

	if (*ppos || count >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, ubuf, count))
		return -EFAULT;
	if (sscanf(line, "%i %i", &func_id, &op) != 2)
		return -EINVAL;
	rc = tdxm_guest_call(func_id, op);
	return rc ?: count;
}

static const struct file_operations tdxm_guest_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = tdxm_guest_write,
};

/*
 * "LEAF": what the driver does not do, a call about the first session, stream,
 * TDI and TD at the wrong time, without pages. A status is EIO, none ENODEV.
 */
static ssize_t tdxm_raw_write(struct file *file, const char __user *ubuf,
			      size_t count, loff_t *ppos)
{
	struct tdx_module_args args;
	int rc;
	u16 leaf;

	rc = kstrtou16_from_user(ubuf, count, 0, &leaf);
	if (rc)
		return rc;
	scoped_guard(mutex, &fw_lock)
		rc = tdxm_raw_args(leaf, &args);
	if (rc)
		return rc;
	return tdxm_seamcall(leaf, &args) ? -EIO : count;
}

static const struct file_operations tdxm_raw_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = tdxm_raw_write,
};

static void tdxm_tds_free(void)
{
	struct tdxm_td *td, *next;

	list_for_each_entry_safe(td, next, &tdxm_tds, node) {
		list_del(&td->node);
		__free_page(td->tdr);
		kfree(td);
	}
}

static void tdxm_forget(void)
{
	fw_inject_none();
	tdxm_tdi_exit();
	tdxm_link_exit();
	tdxm_page_exit();
	tdxm_tds_free();
}

static int __init tdxm_init(void)
{
	int rc;

	pr_warn("test module, null cipher: protects nothing and nobody\n");

	tdxm_call_init();
	if (!tdxm_no_connect)
		tdxm_info.features.tdx_features0 = FEATURE_TDXCONNECT |
						   FEATURE_EXT;
	tdxm_debugfs = debugfs_create_dir(KBUILD_MODNAME, NULL);
	rc = fw_log_init(tdxm_debugfs, NULL);
	if (rc)
		goto err_remove_debugfs;
	debugfs_create_file("state", 0400, tdxm_debugfs, NULL,
			    &tdxm_state_fops);
	debugfs_create_file("guest", 0200, tdxm_debugfs, NULL,
			    &tdxm_guest_fops);
	debugfs_create_file("raw", 0200, tdxm_debugfs, NULL, &tdxm_raw_fops);
	rc = observer_map(&tdxm_observer);
	if (rc)
		goto err_free_log;
	rc = tsm_vm_register(&tdxm_vm_provider);
	if (rc)
		goto err_unmap;
	rc = tdxm_tdi_init();
	if (rc)
		goto err_unregister;
	rc = tdxm_driver_init();
	if (!rc)
		return 0;

	tdxm_forget();
err_unregister:
	tsm_vm_unregister(&tdxm_vm_provider);
err_unmap:
	observer_unmap(&tdxm_observer);
err_free_log:
	debugfs_remove(tdxm_debugfs);
	fw_log_exit();
	return rc;

err_remove_debugfs:
	debugfs_remove(tdxm_debugfs);
	return rc;
}
module_init(tdxm_init);

static void __exit tdxm_exit(void)
{
	tdxm_driver_exit();
	/* What follows is the model's own */
	debugfs_remove(tdxm_debugfs);
	tdxm_forget();
	tsm_vm_unregister(&tdxm_vm_provider);
	observer_unmap(&tdxm_observer);
	fw_log_exit();
}
module_exit(tdxm_exit);

/* The loader taints the kernel with TAINT_TEST */
MODULE_INFO(test, "Y");
MODULE_DESCRIPTION("Model of the TDX module for an emulated TDISP device, protects nothing");
MODULE_LICENSE("GPL");
