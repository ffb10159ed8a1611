// SPDX-License-Identifier: GPL-2.0-only
/* Link operations of the TSM core, and what the RMM has to be able to do */
#define dev_fmt(fmt) "CCA: " fmt

#include <linux/bitfield.h>
#include <linux/cleanup.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/iommufd.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/tsm.h>

#include "cca.h"

/* A function other than function 0 */
struct cca_sub {
	struct pci_tsm tsm;
};

/**
 * struct cca_host - The RMM
 * @tsm_dev: as the core knows it
 * @variant: version of its interface
 * @features: feature register 2
 */
static struct cca_host {
	struct tsm_dev *tsm_dev;
	enum rmi_variant variant;
	u64 features;
} cca_host;

static struct pci_tsm *cca_probe_pf0(struct tsm_dev *tsm_dev,
				     struct pci_dev *pdev)
{
	struct cca_dsm *dsm __free(kfree) = kzalloc_obj(*dsm);

	if (!dsm)
		return NULL;
	if (pci_tsm_pf0_constructor(pdev, &dsm->tsm, tsm_dev))
		return NULL;
	dsm->rmi.dev = &pdev->dev;
	dsm->rmi.variant = cca_host.variant;
	dsm->features = cca_host.features;
	rmi_mem_init(&dsm->ep.mem);
	rmi_mem_init(&dsm->rp.mem);
	INIT_LIST_HEAD(&dsm->vdevs);
	cca_held_adopt(&dsm->tsm.base_tsm);
	return &no_free_ptr(dsm)->tsm.base_tsm;
}

static struct pci_tsm *cca_probe_sub(struct tsm_dev *tsm_dev,
				     struct pci_dev *pdev)
{
	struct cca_sub *sub __free(kfree) = kzalloc_obj(*sub);

	if (!sub)
		return NULL;
	if (pci_tsm_link_constructor(pdev, &sub->tsm, tsm_dev))
		return NULL;
	cca_held_adopt(&sub->tsm);
	return &no_free_ptr(sub)->tsm;
}

static struct pci_tsm *cca_probe(struct tsm_dev *tsm_dev, struct pci_dev *pdev)
{
	if (is_pci_tsm_pf0(pdev))
		return cca_probe_pf0(tsm_dev, pdev);
	return cca_probe_sub(tsm_dev, pdev);
}

static void cca_remove(struct pci_tsm *tsm)
{
	struct cca_dsm *dsm;

	if (tsm->dsm_dev != tsm->pdev) {
		kfree(container_of(tsm, struct cca_sub, tsm));
		return;
	}
	dsm = container_of(tsm, struct cca_dsm, tsm.base_tsm);
	pci_tsm_pf0_destructor(&dsm->tsm);
	kfree(dsm);
}

static struct pci_tsm_ops cca_ops = {
	.probe = cca_probe,
	.remove = cca_remove,
	.connect = cca_connect,
	.disconnect = cca_disconnect,
	.bind = cca_bind,
	.unbind = cca_unbind,
	.guest_req = cca_guest_req,
	.tvm_arch = IOMMU_TVM_ARCH_CCA,
};

/* An RMM with version 2.0 that knows devices */
static int cca_host_probe(struct device *parent, u64 *features)
{
	struct rmi_ctx ctx = { .dev = parent };
	struct rmi_regs regs = { .x = { 0, RMI_ABI_2_0 } };
	int rc;

	rc = rmi_call(&ctx, RMI_VERSION, &regs);
	if (rc)
		return rc == -EIO ? -EPROTONOSUPPORT : rc;
	if (regs.x[1] > RMI_ABI_2_0 || regs.x[2] < RMI_ABI_2_0)
		return -EPROTONOSUPPORT;

	regs = (struct rmi_regs) { .x = { 0, RMI_FEATURES_DA } };
	rc = rmi_call(&ctx, RMI_FEATURES, &regs);
	if (rc)
		return rc;
	*features = regs.x[1];
	return *features & RMI_FEATURE_DA ? 0 : -EOPNOTSUPP;
}

/**
 * cca_host_start() - Offer the RMM to devices
 * @parent: device of the TSM
 * @variant: version of the RMM's interface
 *
 * Context: Process context, once until cca_host_stop().
 * Return: 0, -EPROTONOSUPPORT for an RMM with another version, -EOPNOTSUPP for one
 * without devices, or if there are calls that must not be made, or an error.
 */
int cca_host_start(struct device *parent, enum rmi_variant variant)
{
	struct tsm_dev *tsm_dev;
	int rc;

	rc = cca_host_probe(parent, &cca_host.features);
	if (rc)
		return rc;
	cca_host.variant = variant;
	tsm_dev = tsm_register(parent, &cca_ops);
	if (IS_ERR(tsm_dev))
		return PTR_ERR(tsm_dev);
	cca_host.tsm_dev = tsm_dev;
	return 0;
}

/* Disconnects all devices */
void cca_host_stop(void)
{
	tsm_unregister(cca_host.tsm_dev);
	cca_host.tsm_dev = NULL;
}
