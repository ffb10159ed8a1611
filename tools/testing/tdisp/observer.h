/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The observer beside the test device, tdisp-testctl: a module tells it what the
 * hardware of a platform would know.
 */
#ifndef TDISP_OBSERVER_H
#define TDISP_OBSERVER_H

#include <linux/types.h>

struct pci_dev;

/**
 * struct observer - Its registers
 * @pdev: holds a reference
 * @regs: NULL without an observer, nobody is told anything then
 */
struct observer {
	struct pci_dev *pdev;
	void __iomem *regs;
};

int observer_map(struct observer *obs);
void observer_unmap(struct observer *obs);
/*
 * The IOMMU's switch for the DMA of a function to private memory. One write: more
 * than one module may do it.
 */
void observer_dma(const struct observer *obs, u16 rid, bool on);

#endif /* TDISP_OBSERVER_H */
