// SPDX-License-Identifier: GPL-2.0-only
/*
 * A PSP with SEV-TIO in software, below the driver of the real one: module, VMs
 * that it knows, faults, and what tests get to see of it. It protects nothing,
 * the session with the device has no cipher.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/device/faux.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/tsm-vm.h>
#include <linux/uaccess.h>

#include "fw_vm.h"
#include "psp_model.h"
#include "../../../drivers/crypto/ccp/psp-dev.h"
#include "../../../drivers/crypto/ccp/sev-dev.h"

#define PSP_FIRST_ASID	64

struct psp_sizes psp_sizes = {
	.req_min = 0x1000, .req_max = 0x1000,
	.scratch_min = 0x1000, .scratch_max = 0x4000,
	.out_min = 0x1000, .out_max = 0x6000,
	.rsp_min = 0x1000, .rsp_max = 0x2000,
	.devctx = 0x2000, .tdictx = 0x1800,
};
module_param_named(req_max, psp_sizes.req_max, uint, 0444);
MODULE_PARM_DESC(req_max, "Size of the buffer for requests that TIO_STATUS tells");
module_param_named(rsp_min, psp_sizes.rsp_min, uint, 0444);
MODULE_PARM_DESC(rsp_min, "Least size of the buffer for responses");
module_param_named(rsp_max, psp_sizes.rsp_max, uint, 0444);
MODULE_PARM_DESC(rsp_max, "Size of the buffer for responses");
module_param_named(out_max, psp_sizes.out_max, uint, 0444);
MODULE_PARM_DESC(out_max, "Size of the buffer for results");

bool psp_no_report;
module_param_named(no_report, psp_no_report, bool, 0644);
MODULE_PARM_DESC(no_report, "TIO_TDI_BIND does not put the report out");

bool psp_force_silent;
module_param_named(force_silent, psp_force_silent, bool, 0644);
MODULE_PARM_DESC(force_silent, "What is forced sends nothing to the device");

u32 psp_expand_to;
module_param_named(expand_to, psp_expand_to, uint, 0644);
MODULE_PARM_DESC(expand_to, "Size of the buffer for results that commands want");

/**
 * struct psp_guest - A VM that the firmware knows
 * @node: in psp_guests
 * @kvm: the VM, only compared
 * @gctx: its context page
 * @asid: its ASID
 */
struct psp_guest {
	struct list_head node;
	struct kvm *kvm;
	void *gctx;
	u32 asid;
};

static LIST_HEAD(psp_guests);
static u32 psp_next_asid = PSP_FIRST_ASID;

static struct faux_device *psp_faux;
static struct dentry *psp_debugfs;
static void *psp_status_page;
static struct sp_device psp_sp;
static struct psp_device psp_psp;
static struct sev_device psp_sev;

u32 psp_guest_asid(u64 gctx)
{
	struct psp_guest *guest;

	list_for_each_entry(guest, &psp_guests, node)
		if (__pa(guest->gctx) == gctx)
			return guest->asid;
	return 0;
}

static struct psp_guest *psp_find_guest(struct kvm *kvm)
{
	struct psp_guest *guest;

	lockdep_assert_held(&fw_lock);

	list_for_each_entry(guest, &psp_guests, node)
		if (guest->kvm == kvm)
			return guest;
	return NULL;
}

/* A VM is launched, as far as the firmware knows, when it is bound */
static int psp_vm_get_handle(struct kvm *kvm, struct tsm_vm_handle *handle)
{
	struct psp_guest *guest, *new;

	new = kzalloc_obj(*new);
	if (!new)
		return -ENOMEM;
	new->gctx = psp_model_alloc_page(GFP_KERNEL);
	if (!new->gctx) {
		kfree(new);
		return -ENOMEM;
	}
	new->kvm = kvm;

	scoped_guard(mutex, &fw_lock) {
		guest = psp_find_guest(kvm);
		if (!guest) {
			guest = new;
			guest->asid = psp_next_asid++;
			psp_rmp_use(PHYS_PFN(__pa(guest->gctx)),
				    PSP_PAGE_CONTEXT);
			list_add(&guest->node, &psp_guests);
			new = NULL;
		}
	}
	if (new) {
		psp_model_free_page(new->gctx);
		kfree(new);
	}
	handle->snp.gctx_paddr = __pa(guest->gctx);
	handle->snp.asid = guest->asid;
	return 0;
}

static struct tsm_vm_provider psp_vm_provider = {
	.type = TSM_VM_SNP,
	.owner = THIS_MODULE,
	.validate = fw_vm_validate,
	.get_handle = psp_vm_get_handle,
	.find_mmio = fw_vm_find_mmio,
	.unmap_mmio = fw_vm_unmap_mmio,
};

static int psp_state_show(struct seq_file *s, void *unused)
{
	u32 nr_devs = 0, nr_tdis = 0, bound = 0;
	u32 firmware, context, guest, leaked;
	struct psp_dev *dev;
	struct psp_tdi *tdi;

	guard(mutex)(&fw_lock);
	psp_rmp_verify("state");
	psp_rmp_count(&firmware, &context, &guest, &leaked);
	list_for_each_entry(dev, &psp_devs, node) {
		nr_devs++;
		list_for_each_entry(tdi, &dev->tdis, node) {
			nr_tdis++;
			bound += tdi->bound;
		}
	}
	fw_log_counters(s);
	seq_printf(s, "firmware %u\ncontext %u\nguest %u\nleaked %u\n", firmware,
		   context, guest, leaked);
	seq_printf(s, "devices %u\ntdis %u\nbound %u\n", nr_devs, nr_tdis, bound);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(psp_state);

/* "N": a TDI of guest number N, from 0 in the order of their first bind, faults */
static ssize_t psp_fence_write(struct file *file, const char __user *ubuf,
			       size_t count, loff_t *ppos)
{
	struct psp_dev *dev;
	u32 nr;
	int rc;

	rc = kstrtou32_from_user(ubuf, count, 0, &nr);
	if (rc)
		return rc;
	guard(mutex)(&fw_lock);
	list_for_each_entry(dev, &psp_devs, node)
		psp_fence(dev, PSP_FIRST_ASID + nr);
	return count;
}

static const struct file_operations psp_fence_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = psp_fence_write,
};

/* "CMD FLAGS": see psp_raw(); not to be sent is ENODEV, a status is EIO */
static ssize_t psp_raw_write(struct file *file, const char __user *ubuf,
			     size_t count, loff_t *ppos)
{
	char line[32] = {};
	u32 cmd, flags;
	int status;

	if (*ppos || count >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, ubuf, count))
		return -EFAULT;
	if (sscanf(line, "%i %i", &cmd, &flags) != 2)
		return -EINVAL;
	status = psp_raw(cmd, flags, __pa(psp_status_page));
	if (status < 0)
		return status;
	return status ? -EIO : count;
}

static const struct file_operations psp_raw_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = psp_raw_write,
};

static void psp_guests_free(void)
{
	struct psp_guest *guest, *next;

	list_for_each_entry_safe(guest, next, &psp_guests, node) {
		scoped_guard(mutex, &fw_lock)
			psp_rmp_use(PHYS_PFN(__pa(guest->gctx)),
				    PSP_PAGE_FIRMWARE);
		psp_model_free_page(guest->gctx);
		list_del(&guest->node);
		kfree(guest);
	}
}

/* What the driver's probe would have set up */
static int __init psp_device_init(void)
{
	psp_sp.psp_data = &psp_psp;
	psp_psp.sev_data = &psp_sev;
	psp_sev.dev = &psp_faux->dev;
	psp_sev.snp_initialized = true;
	dev_set_drvdata(&psp_faux->dev, &psp_sp);

	psp_status_page = psp_model_alloc_page(GFP_KERNEL);
	if (!psp_status_page)
		return -ENOMEM;
	sev_tsm_init_locked(&psp_sev, psp_status_page);
	return psp_sev.tsmdev ? 0 : -EIO;
}

static void psp_device_exit(void)
{
	sev_tsm_uninit(&psp_sev);
	kfree(psp_sev.tio_status);
	/* What follows is the model's own */
	psp_dead = false;
	fw_inject_none();
	psp_guests_free();
	psp_model_free_page(psp_status_page);
	psp_cmd_exit();
	psp_rmp_exit();
}

static int __init psp_init(void)
{
	int rc;

	pr_warn("test module, null cipher: protects nothing and nobody\n");

	psp_faux = faux_device_create(KBUILD_MODNAME, NULL, NULL);
	if (!psp_faux)
		return -ENODEV;
	psp_debugfs = debugfs_create_dir(KBUILD_MODNAME, NULL);
	rc = fw_log_init(psp_debugfs, NULL);
	rc = rc ?: tsm_vm_register(&psp_vm_provider);
	if (rc)
		goto err_exit_log;

	debugfs_create_file("state", 0400, psp_debugfs, NULL, &psp_state_fops);
	debugfs_create_file("raw", 0200, psp_debugfs, NULL, &psp_raw_fops);
	debugfs_create_file("fence", 0200, psp_debugfs, NULL, &psp_fence_fops);

	rc = psp_device_init();
	if (!rc)
		return 0;

	psp_device_exit();
	tsm_vm_unregister(&psp_vm_provider);
err_exit_log:
	debugfs_remove(psp_debugfs);
	fw_log_exit();
	faux_device_destroy(psp_faux);
	return rc;
}
module_init(psp_init);

static void __exit psp_exit(void)
{
	psp_device_exit();
	debugfs_remove(psp_debugfs);
	tsm_vm_unregister(&psp_vm_provider);
	fw_log_exit();
	faux_device_destroy(psp_faux);
}
module_exit(psp_exit);

/* The loader taints the kernel with TAINT_TEST */
MODULE_INFO(test, "Y");
MODULE_DESCRIPTION("Model of AMD's PSP for an emulated TDISP device, protects nothing");
MODULE_LICENSE("GPL");
