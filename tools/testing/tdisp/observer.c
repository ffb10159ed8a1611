// SPDX-License-Identifier: GPL-2.0-only
/* The observer beside the test device, see observer.h */
#include <linux/io.h>
#include <linux/pci.h>

#include "observer.h"
#include "tdisp-testdev.h"

int observer_map(struct observer *obs)
{
	struct pci_dev *pdev __free(pci_dev_put) =
		pci_get_device(TDISP_TESTDEV_VENDOR, TDISP_TESTCTL_DEVICE,
			       NULL);
	int rc;

	if (!pdev)
		return 0;
	rc = pci_enable_device_mem(pdev);
	if (rc)
		return rc;
	obs->regs = pci_iomap(pdev, TDISP_CTL_BAR, TDISP_CTL_BAR_SIZE);
	if (!obs->regs) {
		pci_disable_device(pdev);
		return -ENOMEM;
	}
	obs->pdev = no_free_ptr(pdev);
	return 0;
}

void observer_unmap(struct observer *obs)
{
	if (!obs->regs)
		return;
	pci_iounmap(obs->pdev, obs->regs);
	obs->regs = NULL;
	pci_disable_device(obs->pdev);
	pci_dev_put(obs->pdev);
}

void observer_dma(const struct observer *obs, u16 rid, bool on)
{
	if (obs->regs)
		writel(rid | (on ? TDISP_CTL_DMA_ON : 0),
		       obs->regs + TDISP_CTL_DMA_SWITCH);
}
