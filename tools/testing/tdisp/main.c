// SPDX-License-Identifier: GPL-2.0-only
/*
 * Soft TSM: a link TSM that drives an emulated TDISP device over its DOE
 * mailbox, as the firmware of a confidential computing platform would. It
 * exists to test what is above it. The session has no cipher, the host can read
 * and forge everything: it takes the test device only, taints the kernel, and
 * says so.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#define dev_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/device/faux.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci-doe.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/tsm.h>
#include <linux/uaccess.h>

#include "internal.h"
#include "tdisp-testdev.h"

/**
 * struct soft_sub - A function other than function 0
 * @tsm: what the core knows
 * @fn: what debugfs knows
 */
struct soft_sub {
	struct pci_tsm tsm;
	struct soft_fn fn;
};

/*
 * Functions with a TSM context, for debugfs, which cannot take the locks of the
 * core in its order: innermost, it only finds the function and pins its DSM.
 */
static DEFINE_MUTEX(soft_fns_lock);
static LIST_HEAD(soft_fns);

static struct faux_device *soft_faux;
static struct dentry *soft_debugfs;
static struct tsm_dev *soft_tsm_dev;

static void soft_fn_add(struct soft_fn *fn, struct pci_dev *pdev,
			struct soft_dsm *dsm)
{
	fn->pdev = pdev;
	fn->dsm = dsm;
	soft_held_adopt(pdev);
	guard(mutex)(&soft_fns_lock);
	list_add_tail(&fn->node, &soft_fns);
}

static void soft_fn_del(struct soft_fn *fn)
{
	guard(mutex)(&soft_fns_lock);
	list_del(&fn->node);
}

/* What calls itself a test device may be talked to without a cipher */
static const struct pci_device_id soft_ids[] = {
	{ PCI_DEVICE(TDISP_TESTDEV_VENDOR, TDISP_TESTDEV_DEVICE) },
	{}
};

static struct pci_tsm *soft_probe_pf0(struct tsm_dev *tsm_dev,
				      struct pci_dev *pdev)
{
	if (!pci_match_id(soft_ids, pdev)) {
		pci_info(pdev, "not a test device\n");
		return NULL;
	}

	struct soft_dsm *dsm __free(kfree) = kzalloc_obj(*dsm);
	if (!dsm)
		return NULL;
	if (pci_tsm_pf0_constructor(pdev, &dsm->pf0, tsm_dev))
		return NULL;
	if (pci_find_doe_mailbox(pdev, PCI_VENDOR_ID_PCI_SIG,
				 PCI_DOE_FEATURE_SSESSION) !=
	    dsm->pf0.doe_mb) {
		pci_info(pdev, "no secured session in the CMA mailbox\n");
		pci_tsm_pf0_destructor(&dsm->pf0);
		return NULL;
	}

	kref_init(&dsm->kref);
	soft_fn_add(&dsm->fn, pdev, dsm);
	return &no_free_ptr(dsm)->pf0.base_tsm;
}

static struct pci_tsm *soft_probe_sub(struct tsm_dev *tsm_dev,
				      struct pci_dev *pdev)
{
	struct soft_sub *sub __free(kfree) = kzalloc_obj(*sub);
	struct pci_tsm *dsm_tsm;

	if (!sub)
		return NULL;
	if (pci_tsm_link_constructor(pdev, &sub->tsm, tsm_dev))
		return NULL;

	dsm_tsm = sub->tsm.dsm_dev->tsm;
	soft_fn_add(&sub->fn, pdev,
		    container_of(dsm_tsm, struct soft_dsm, pf0.base_tsm));
	return &no_free_ptr(sub)->tsm;
}

static struct pci_tsm *soft_probe(struct tsm_dev *tsm_dev,
				  struct pci_dev *pdev)
{
	if (is_pci_tsm_pf0(pdev))
		return soft_probe_pf0(tsm_dev, pdev);
	return soft_probe_sub(tsm_dev, pdev);
}

static void soft_dsm_free(struct kref *kref)
{
	struct soft_dsm *dsm = container_of(kref, struct soft_dsm, kref);

	pci_tsm_pf0_destructor(&dsm->pf0);
	kfree(dsm);
}

static void soft_dsm_put(struct soft_dsm *dsm)
{
	if (dsm)
		kref_put(&dsm->kref, soft_dsm_free);
}

DEFINE_FREE(soft_dsm, struct soft_dsm *, soft_dsm_put(_T))

static void soft_remove(struct pci_tsm *tsm)
{
	if (tsm->dsm_dev == tsm->pdev) {
		struct soft_dsm *dsm = container_of(tsm, struct soft_dsm,
						    pf0.base_tsm);

		soft_fn_del(&dsm->fn);
		soft_dsm_put(dsm);
	} else {
		struct soft_sub *sub = container_of(tsm, struct soft_sub, tsm);

		soft_fn_del(&sub->fn);
		kfree(sub);
	}
}

static struct pci_tsm_ops soft_ops = {
	.probe = soft_probe,
	.remove = soft_remove,
	.connect = soft_connect,
	.disconnect = soft_disconnect,
	.bind = soft_bind,
	.unbind = soft_unbind,
	.guest_req = soft_guest_req,
	.tvm_arch = SOFT_TSM_TVM_ARCH,
};

/* Find a function by its name, and pin it and its DSM */
static struct soft_dsm *soft_find_fn(const char *name, struct pci_dev **pdev)
{
	struct soft_fn *fn;

	guard(mutex)(&soft_fns_lock);
	list_for_each_entry(fn, &soft_fns, node) {
		if (sysfs_streq(name, pci_name(fn->pdev))) {
			kref_get(&fn->dsm->kref);
			*pdev = pci_dev_get(fn->pdev);
			return fn->dsm;
		}
	}
	return NULL;
}

/* Let go of a function in quarantine, once it is confirmed to be unlocked */
static int soft_release(struct soft_dsm *dsm, struct pci_dev *pdev)
{
	int rc;

	ACQUIRE(mutex_kill, lock)(&dsm->pf0.lock);
	rc = ACQUIRE_ERR(mutex_kill, &lock);
	if (rc)
		return rc;

	/* Nobody binds a function in quarantine, and nobody else releases it */
	if (!pci_tsm_quarantined(pdev))
		return -EINVAL;
	if (!dsm->connected)
		return -ENOTCONN;

	rc = soft_tdi_stop(dsm, pdev);
	if (rc)
		return rc;
	soft_held_free(pdev);
	pci_tsm_quarantine_release(pdev);
	return 0;
}

static ssize_t soft_release_write(struct file *file, const char __user *ubuf,
				  size_t count, loff_t *ppos)
{
	struct pci_dev *found = NULL;
	char name[32] = {};
	int rc;

	if (*ppos || count >= sizeof(name))
		return -EINVAL;
	if (copy_from_user(name, ubuf, count))
		return -EFAULT;

	struct soft_dsm *dsm __free(soft_dsm) = soft_find_fn(name, &found);
	struct pci_dev *pdev __free(pci_dev_put) = found;
	if (!dsm)
		return -ENXIO;

	rc = soft_release(dsm, pdev);
	return rc ?: count;
}

static const struct file_operations soft_release_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = soft_release_write,
};

static int __init soft_init(void)
{
	int rc;

	pr_warn("test module, null cipher: protects nothing and nobody\n");

	soft_faux = faux_device_create(KBUILD_MODNAME, NULL, NULL);
	if (!soft_faux)
		return -ENODEV;
	rc = soft_bench_init();
	if (rc)
		goto err_destroy_faux;

	soft_debugfs = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_bool("hold", 0600, soft_debugfs, &soft_hold);
	debugfs_create_file("release", 0200, soft_debugfs, NULL,
			    &soft_release_fops);

	/* A device can be connected from here on */
	soft_tsm_dev = tsm_register(&soft_faux->dev, &soft_ops);
	if (IS_ERR(soft_tsm_dev)) {
		rc = PTR_ERR(soft_tsm_dev);
		goto err_remove_debugfs;
	}
	return 0;

err_remove_debugfs:
	debugfs_remove(soft_debugfs);
	soft_bench_exit();
err_destroy_faux:
	faux_device_destroy(soft_faux);
	return rc;
}
module_init(soft_init);

static void __exit soft_exit(void)
{
	tsm_unregister(soft_tsm_dev);
	debugfs_remove(soft_debugfs);
	soft_held_leak();
	soft_bench_exit();
	faux_device_destroy(soft_faux);
}
module_exit(soft_exit);

/* The loader taints the kernel with TAINT_TEST */
MODULE_INFO(test, "Y");
MODULE_DESCRIPTION("Link TSM for an emulated TDISP device, protects nothing");
MODULE_LICENSE("GPL");
