/*
 * Without iommufd no device can be bound to a confidential VM
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "pci.h"
#include "pci-tsm.h"

bool vfio_pci_tsm_realize(VFIOPCIDevice *vdev, Error **errp)
{
    return true;
}

bool vfio_pci_tsm_map_bars(VFIOPCIDevice *vdev, Error **errp)
{
    return true;
}

void vfio_pci_tsm_exit(VFIOPCIDevice *vdev)
{
}

void vfio_pci_tsm_finalize(VFIOPCIDevice *vdev)
{
}

bool vfio_pci_tsm_pre_reset(VFIOPCIDevice *vdev)
{
    return true;
}

bool vfio_pci_tsm_blocks_reset(VFIOPCIDevice *vdev)
{
    return false;
}
