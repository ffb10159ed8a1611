/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private interconnect between the dma-bufs of VFIO PCI devices and KVM, the
 * second one beside vfio_pci_dma_buf_iommufd_map(): the two exchange the
 * physical addresses of BARs, for which dma-buf has no interface. The exporter
 * tells KVM's attachments from others, as a VM keeps the MMIO of a device that
 * a TSM has bound for it, when everybody else loses it.
 */
#ifndef _LINUX_VFIO_PCI_KVM_H
#define _LINUX_VFIO_PCI_KVM_H

#include <linux/types.h>

struct device;
struct dma_buf;
struct dma_buf_attachment;
struct kvm;

/**
 * struct vfio_pci_kvm_importer - KVM's side of an attachment
 * @kvm: VM that the device has to belong to
 * @invalidate: Called with the lock of the reservation object held. When it
 *	returns, the VM has no mapping of the dma-buf any more. Not called any
 *	more when nothing but the importer itself keeps @kvm alive.
 *
 * Lives as long as the attachment.
 */
struct vfio_pci_kvm_importer {
	struct kvm *kvm;
	void (*invalidate)(struct vfio_pci_kvm_importer *importer);
};

/**
 * struct vfio_pci_kvm_range - Pages of a dma-buf that are contiguous in the BAR
 * @pgoff: Offset of the first one in the dma-buf, in pages
 * @npages: How many there are
 * @pfn: PFN of the first one
 */
struct vfio_pci_kvm_range {
	pgoff_t pgoff;
	unsigned long npages;
	unsigned long pfn;
};

/**
 * struct vfio_pci_kvm_ops - What VFIO offers to KVM
 * @attach: Attach to a dma-buf, which may be revoked. dma_buf_detach() undoes
 *	it. Process context, takes the lock of the reservation object.
 *	Returns the attachment, -EINVAL for the dma-buf of another exporter,
 *	-ENODEV if the device was closed, -EPERM if it does not belong to the
 *	VM of the importer, -ENOMEM.
 * @get_range: Look up the page at an offset, and what is contiguous with it.
 *	Called with the lock of the reservation object held. The result is good
 *	until the next call of the importer's invalidate().
 *	Returns 0, -ENODEV while the dma-buf is revoked for the VM, -EACCES for
 *	a private mapping of a device that no TSM has bound, -ERANGE for an
 *	offset outside of the dma-buf.
 *
 * One object, so that one symbol_get() resolves, and keeps, both. VFIO does not
 * wait for the end of a mapping: there is none when invalidate() has returned.
 */
struct vfio_pci_kvm_ops {
	struct dma_buf_attachment *(*attach)(struct dma_buf *dmabuf,
					     struct device *dev,
					     struct vfio_pci_kvm_importer *importer);
	int (*get_range)(struct dma_buf_attachment *attachment, pgoff_t pgoff,
			 bool private, struct vfio_pci_kvm_range *range);
};

extern const struct vfio_pci_kvm_ops vfio_pci_dma_buf_kvm_ops;

#endif
