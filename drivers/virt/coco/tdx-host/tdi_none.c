// SPDX-License-Identifier: GPL-2.0-only
/*
 * TEE device interfaces of TDX Connect where they are not to be had: no public
 * source has the numbers of the calls that create, lock, start, stop and remove
 * one, and a number that was guessed is not tried on a machine. tdi.c has what
 * comes in place of this, and is built into a model of the TDX module only.
 */
#define dev_fmt(fmt) "TDX Connect: " fmt

#include <linux/err.h>
#include <linux/pci.h>

#include "connect.h"

struct pci_tdi *tdx_bind(struct pci_dev *pdev, struct pci_tsm_client *client,
			 struct kvm *kvm, u32 tdi_id)
{
	dev_notice_once(&pdev->dev,
			"cannot be bound: the calls of the TDX module for that are not known\n");
	return ERR_PTR(-EOPNOTSUPP);
}

/* There is nothing to be unbound, nor to send requests to */
int tdx_unbind(struct pci_tdi *base)
{
	return -EOPNOTSUPP;
}

int tdx_guest_req(struct pci_tdi *base, struct pci_tsm_req *req)
{
	return -EOPNOTSUPP;
}

void tdx_held_retry(struct tdx_dsm *dsm)
{
}

void tdx_held_adopt(struct pci_tsm *tsm)
{
}

/* None of them is in here */
void tdx_print_not_found(struct device *dev)
{
}
