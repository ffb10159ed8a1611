// SPDX-License-Identifier: GPL-2.0-only
/*
 * TDX Connect: devices for trust domains. A link TSM, whose firmware is the TDX
 * module. Beside tdx-host.c, in a module of its own, as it needs PCI/TSM.
 *
 * Documentation/driver-api/pci/tdx-connect.rst says which of the numbers behind it
 * are known, and what that leaves out.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#define dev_fmt(fmt) "TDX Connect: " fmt

#include <linux/bitfield.h>
#include <linux/cacheflush.h>
#include <linux/device/faux.h>
#include <linux/err.h>
#include <linux/iommufd.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci-doe.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include <asm/cpu_device_id.h>
#include <asm/shared/tdx_errno.h>

#include "connect.h"

#define TDX_EXT_TRIES		1000000
/* Of memory, that the extension may have at most */
#define TDX_EXT_POOL_SHARE	16
#define TDX_LIST_MAX		(PAGE_SIZE / sizeof(__le64))

/* Set before the first device can be probed */
static struct tdx_info tdx_info;
static struct tsm_dev *tdx_tsm_dev;

static struct pci_tsm *tdx_pf0_probe(struct tsm_dev *tsm_dev,
				     struct pci_dev *pdev)
{
	struct tdx_dsm *dsm __free(kfree) = kzalloc_obj(*dsm);

	if (!dsm)
		return NULL;
	if (pci_tsm_pf0_constructor(pdev, &dsm->pf0, tsm_dev))
		return NULL;
	/* One mailbox for both kinds of messages */
	if (pci_find_doe_mailbox(pdev, PCI_VENDOR_ID_PCI_SIG,
				 PCI_DOE_FEATURE_SSESSION) != dsm->pf0.doe_mb) {
		pci_tsm_pf0_destructor(&dsm->pf0);
		return NULL;
	}
	dsm->info = &tdx_info;
	INIT_LIST_HEAD(&dsm->tdis);
	return &no_free_ptr(dsm)->pf0.base_tsm;
}

static struct pci_tsm *tdx_fn_probe(struct tsm_dev *tsm_dev,
				    struct pci_dev *pdev)
{
	struct pci_tsm *tsm __free(kfree) = kzalloc_obj(*tsm);

	if (!tsm)
		return NULL;
	if (pci_tsm_link_constructor(pdev, tsm, tsm_dev))
		return NULL;
	return_ptr(tsm);
}

static struct pci_tsm *tdx_probe(struct tsm_dev *tsm_dev, struct pci_dev *pdev)
{
	struct pci_tsm *tsm;

	if (is_pci_tsm_pf0(pdev))
		tsm = tdx_pf0_probe(tsm_dev, pdev);
	else
		tsm = tdx_fn_probe(tsm_dev, pdev);
	if (tsm)
		tdx_held_adopt(tsm);
	return tsm;
}

static void tdx_remove(struct pci_tsm *tsm)
{
	struct tdx_dsm *dsm;

	if (tsm->dsm_dev != tsm->pdev) {
		kfree(tsm);
		return;
	}
	dsm = container_of(tsm, struct tdx_dsm, pf0.base_tsm);
	pci_tsm_pf0_destructor(&dsm->pf0);
	kfree(dsm);
}

static struct pci_tsm_ops tdx_tsm_ops = {
	.probe = tdx_probe,
	.remove = tdx_remove,
	.connect = tdx_connect,
	.disconnect = tdx_disconnect,
	.bind = tdx_bind,
	.unbind = tdx_unbind,
	.guest_req = tdx_guest_req,
	.tvm_arch = IOMMU_TVM_ARCH_TDX,
};

/* A call about no device, on an occasion when nobody waits for it */
static int tdx_ext_call(u64 (*call)(u64 arg), u64 arg)
{
	u64 status;

	for (int i = 0; i < TDX_EXT_TRIES; i++) {
		status = call(arg) & TDX_SEAMCALL_STATUS_MASK;
		if (status == TDX_SUCCESS)
			return 0;
		if (status != TDX_INTERRUPTED_RESUMABLE &&
		    status != TDX_OPERAND_BUSY)
			break;
		cond_resched();
	}
	pr_err("extension of the TDX module: status %#llx\n", status);
	return -EIO;
}

/* The pages of a list go to the module for as long as it runs */
static int tdx_ext_add(u64 nr)
{
	u64 given = 0;
	__le64 *list;
	int rc = -ENOMEM;

	list = (void *)get_zeroed_page(GFP_KERNEL);
	if (!list)
		return -ENOMEM;
	for (; given < nr; given++) {
		struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);

		if (!page)
			goto err_free;
		clflush_cache_range(page_address(page), PAGE_SIZE);
		list[given] = cpu_to_le64(page_to_phys(page));
	}
	rc = tdx_ext_call(tdh_ext_mem_add,
			  __pa(list) |
			  FIELD_PREP(TDX_HPA_LIST_LAST, nr - 1));
	/* It may have taken some before it failed */
	if (rc)
		pr_err("%llu pages kept for the TDX module\n", nr);
	free_page((unsigned long)list);
	return rc;

err_free:
	while (given--)
		free_page((unsigned long)__va(le64_to_cpu(list[given])));
	free_page((unsigned long)list);
	return rc;
}

static u64 tdx_ext_init_call(u64 unused)
{
	return tdh_ext_init();
}

static int tdx_read(u64 field, u64 *val)
{
	if (!tdh_connect_sys_rd(field, val))
		return 0;
	pr_err("the TDX module does not have field %#llx\n", field);
	return -EIO;
}

/* What has been initialised is not, again */
static int tdx_ext_setup(void)
{
	u64 required, nr;
	int rc;

	rc = tdx_read(TDX_MD_EXT_REQUIRED, &required);
	if (rc || !required)
		return rc;
	rc = tdx_read(TDX_MD_EXT_POOL_PAGES, &nr);
	if (!rc && nr > totalram_pages() / TDX_EXT_POOL_SHARE) {
		pr_err("the TDX module wants %llu pages\n", nr);
		return -EINVAL;
	}
	for (; !rc && nr; nr -= min(nr, TDX_LIST_MAX))
		rc = tdx_ext_add(min(nr, TDX_LIST_MAX));
	return rc ?: tdx_ext_call(tdx_ext_init_call, 0);
}

static int tdx_read_pages(u64 field, unsigned int *nr)
{
	u64 val;
	int rc;

	rc = tdx_read(field, &val);
	if (rc)
		return rc;
	if (!val || val > TDX_HPA_ARRAY_MAX) {
		pr_err("field %#llx of the TDX module is %llu\n", field, val);
		return -EINVAL;
	}
	*nr = val;
	return 0;
}

static int tdx_read_info(struct tdx_info *info)
{
	int rc;

	rc = tdx_read_pages(TDX_MD_IDE_MT_PAGES, &info->ide_mt_pages);
	rc = rc ?: tdx_read_pages(TDX_MD_SPDM_MT_PAGES, &info->spdm_mt_pages);
	return rc ?: tdx_read_pages(TDX_MD_DEVINFO_PAGES, &info->devinfo_pages);
}

static int tdx_connect_probe(struct faux_device *fdev)
{
	const struct tdx_sys_info *sysinfo = tdx_get_sysinfo();
	const u64 needed = TDX_FEATURES0_TDXCONNECT | TDX_FEATURES0_EXT;
	struct tsm_dev *tsm_dev;
	int rc;

	if (!sysinfo || (sysinfo->features.tdx_features0 & needed) != needed)
		return -ENODEV;
	/* It would take pages, and never give them back */
	if (!tdx_connect_configured()) {
		dev_info(&fdev->dev, "not turned on at boot\n");
		return -ENODEV;
	}
	tdx_print_not_found(&fdev->dev);
	rc = tdx_ext_setup();
	rc = rc ?: tdx_read_info(&tdx_info);
	if (rc)
		return rc;
	tsm_dev = tsm_register(&fdev->dev, &tdx_tsm_ops);
	if (IS_ERR(tsm_dev))
		return PTR_ERR(tsm_dev);
	tdx_tsm_dev = tsm_dev;
	return 0;
}

static void tdx_connect_remove(struct faux_device *fdev)
{
	tsm_unregister(tdx_tsm_dev);
}

static const struct faux_device_ops tdx_connect_ops = {
	.probe = tdx_connect_probe,
	.remove = tdx_connect_remove,
};

static struct faux_device *tdx_connect_fdev;

static const struct x86_cpu_id tdx_connect_ids[] = {
	X86_MATCH_FEATURE(X86_FEATURE_TDX_HOST_PLATFORM, NULL),
	{}
};
MODULE_DEVICE_TABLE(x86cpu, tdx_connect_ids);

static int __init tdx_connect_init(void)
{
	if (!x86_match_cpu(tdx_connect_ids))
		return -ENODEV;
	/* There is none if its probe fails */
	tdx_connect_fdev = faux_device_create(KBUILD_MODNAME, NULL,
					      &tdx_connect_ops);
	return tdx_connect_fdev ? 0 : -ENODEV;
}
module_init(tdx_connect_init);

static void __exit tdx_connect_exit(void)
{
	faux_device_destroy(tdx_connect_fdev);
}
module_exit(tdx_connect_exit);

MODULE_DESCRIPTION("TDX Connect");
MODULE_LICENSE("GPL");
