// SPDX-License-Identifier: GPL-2.0-only
/*
 * An importer of dma-bufs for tests: maps one for another PCI function, and
 * gives the mapping up when the exporter says so. See dmabuf-importer.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/fs.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "dmabuf-importer.h"

MODULE_IMPORT_NS("DMA_BUF");

struct importer {
	/* One ioctl at a time */
	struct mutex lock;
	struct pci_dev *pdev;
	struct dma_buf *dmabuf;
	struct dma_buf_attachment *attach;
	/* Protected by the lock of the buffer, as the exporter calls with it held */
	struct sg_table *sgt;
	u32 invalidations;
};

static void importer_unmap_locked(struct importer *imp)
{
	dma_resv_assert_held(imp->dmabuf->resv);

	if (!imp->sgt)
		return;
	dma_buf_unmap_attachment(imp->attach, imp->sgt, DMA_BIDIRECTIONAL);
	imp->sgt = NULL;
}

static void importer_invalidate(struct dma_buf_attachment *attach)
{
	struct importer *imp = attach->importer_priv;

	imp->invalidations++;
	importer_unmap_locked(imp);
}

static const struct dma_buf_attach_ops importer_attach_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = importer_invalidate,
};

static int importer_attach(struct importer *imp, void __user *arg)
{
	struct tdisp_importer_attach args;
	struct dma_buf_attachment *attach;
	struct pci_dev *pdev;
	int rc;

	if (imp->attach)
		return -EBUSY;
	if (copy_from_user(&args, arg, sizeof(args)))
		return -EFAULT;
	if (args.rid > U16_MAX)
		return -EINVAL;

	pdev = pci_get_domain_bus_and_slot(0, args.rid >> 8, args.rid & 0xff);
	if (!pdev)
		return -ENODEV;
	imp->dmabuf = dma_buf_get(args.fd);
	if (IS_ERR(imp->dmabuf)) {
		rc = PTR_ERR(imp->dmabuf);
		goto err_put_pdev;
	}
	attach = dma_buf_dynamic_attach(imp->dmabuf, &pdev->dev,
					&importer_attach_ops, imp);
	if (IS_ERR(attach)) {
		rc = PTR_ERR(attach);
		goto err_put_buf;
	}
	imp->pdev = pdev;
	imp->attach = attach;
	return 0;

err_put_buf:
	dma_buf_put(imp->dmabuf);
err_put_pdev:
	imp->dmabuf = NULL;
	pci_dev_put(pdev);
	return rc;
}

static int importer_map(struct importer *imp)
{
	struct sg_table *sgt;
	int rc = 0;

	dma_resv_lock(imp->dmabuf->resv, NULL);
	if (imp->sgt) {
		rc = -EALREADY;
		goto out_unlock;
	}
	sgt = dma_buf_map_attachment(imp->attach, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt))
		rc = PTR_ERR(sgt);
	else
		imp->sgt = sgt;
out_unlock:
	dma_resv_unlock(imp->dmabuf->resv);
	return rc;
}

static int importer_unmap(struct importer *imp)
{
	int rc;

	dma_resv_lock(imp->dmabuf->resv, NULL);
	rc = imp->sgt ? 0 : -ENOENT;
	importer_unmap_locked(imp);
	dma_resv_unlock(imp->dmabuf->resv);
	return rc;
}

static int importer_status(struct importer *imp, void __user *arg)
{
	struct tdisp_importer_status status;

	dma_resv_lock(imp->dmabuf->resv, NULL);
	status.mapped = !!imp->sgt;
	status.invalidations = imp->invalidations;
	dma_resv_unlock(imp->dmabuf->resv);
	return copy_to_user(arg, &status, sizeof(status)) ? -EFAULT : 0;
}

static long importer_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg)
{
	struct importer *imp = file->private_data;

	guard(mutex)(&imp->lock);
	if (cmd == TDISP_IMPORTER_ATTACH)
		return importer_attach(imp, (void __user *)arg);
	if (!imp->attach)
		return -ENOTCONN;
	switch (cmd) {
	case TDISP_IMPORTER_MAP:
		return importer_map(imp);
	case TDISP_IMPORTER_UNMAP:
		return importer_unmap(imp);
	case TDISP_IMPORTER_STATUS:
		return importer_status(imp, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

static int importer_open(struct inode *inode, struct file *file)
{
	struct importer *imp;

	imp = kzalloc_obj(*imp);
	if (!imp)
		return -ENOMEM;
	mutex_init(&imp->lock);
	file->private_data = imp;
	return 0;
}

static int importer_release(struct inode *inode, struct file *file)
{
	struct importer *imp = file->private_data;

	if (imp->attach) {
		importer_unmap(imp);
		dma_buf_detach(imp->dmabuf, imp->attach);
		dma_buf_put(imp->dmabuf);
		pci_dev_put(imp->pdev);
	}
	mutex_destroy(&imp->lock);
	kfree(imp);
	return 0;
}

static const struct file_operations importer_fops = {
	.owner = THIS_MODULE,
	.open = importer_open,
	.release = importer_release,
	.unlocked_ioctl = importer_ioctl,
};

static struct miscdevice importer_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "tdisp-importer",
	.fops = &importer_fops,
	.mode = 0600,
};
module_misc_device(importer_misc);

MODULE_DESCRIPTION("Importer of dma-bufs for tests");
MODULE_LICENSE("GPL");
