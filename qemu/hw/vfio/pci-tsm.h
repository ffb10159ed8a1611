/*
 * Devices that are bound to a confidential VM: hooks of vfio-pci
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef HW_VFIO_PCI_TSM_H
#define HW_VFIO_PCI_TSM_H

#include "hw/vfio/vfio-tsm.h"

struct VFIOPCIDevice;

/* After VFIO is attached, before BARs are registered */
bool vfio_pci_tsm_realize(struct VFIOPCIDevice *vdev, Error **errp);
/* In place of vfio_region_mmap() */
bool vfio_pci_tsm_map_bars(struct VFIOPCIDevice *vdev, Error **errp);
/* Both can be called more than once, and for a device without TSM */
void vfio_pci_tsm_exit(struct VFIOPCIDevice *vdev);
void vfio_pci_tsm_finalize(struct VFIOPCIDevice *vdev);
/* Unbind, as no device can be reset that is bound. False if it still is */
bool vfio_pci_tsm_pre_reset(struct VFIOPCIDevice *vdev);
bool vfio_pci_tsm_blocks_reset(struct VFIOPCIDevice *vdev);

#endif
