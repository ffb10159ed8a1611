// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices that a confidential VM owns: while a TEE Device Interface (TDI) is
 * bound, nobody on the host reaches its MMIO, and nothing that VFIO does on
 * behalf of its user, or on its own, changes the state that the VM has verified.
 * What the host cannot refuse is reported to the owner of the binding, which is
 * iommufd.
 *
 * Two reasons close a device, each with paths of its own, see
 * vfio_pci_tsm_closed() and enum vfio_pci_revoke:
 *
 *   VFIO_PCI_REVOKE_TSM_BOUND	from before a bind until after the unbind:
 *				mappings, region access, dma-bufs but for the
 *				VM's, changes of the configuration, resets
 *   VFIO_PCI_REVOKE_TSM_MMIO	from when the TSM takes the MMIO away from the
 *				VM: the dma-bufs of the VM, too
 *
 * Both stay when the binding is lost or the TSM does not let go of the device,
 * and end together, when the owner says so.
 *
 * Locking: vfio_pci_core_device::memory_lock protects the reasons. It nests in
 * the lock of the binding and in the DSM lock, so nobody calls iommufd or the TSM
 * core with it held. Reports come from contexts that may hold memory_lock, or
 * device locks: they take vfio_pci_core_device::tsm.lock only.
 */
#include <linux/iommufd.h>
#include <linux/pci.h>
#include <linux/vfio_pci_core.h>

#include "trace.h"
#include "vfio_pci_priv.h"

/*
 * LOCK_INTERFACE_REQUEST is for a function that decodes memory and is in D0.
 * It may master the bus or not: to set Bus Master Enable later is no violation
 * of TDISP, to clear it is.
 */
static bool vfio_pci_tsm_fit(struct vfio_pci_core_device *vdev)
{
	struct pci_dev *pdev = vdev->pdev;
	bool mem = true;
	u16 cmd;

	lockdep_assert_held_write(&vdev->memory_lock);

	if (vdev->tsm.rom_users || vdev->pm_runtime_engaged ||
	    pdev->current_state != PCI_D0 || !__vfio_pci_memory_enabled(vdev))
		return false;

	/* A reset that has ended until here is none of the TDI that is to be */
	iommufd_device_tsm_forget(vdev->tsm.idev);

	/* Not in the middle of a reset, and not left disabled by one */
	if (!pci_cfg_access_trylock(pdev))
		return false;
	if (!pdev->no_command_memory)
		mem = !pci_read_config_word(pdev, PCI_COMMAND, &cmd) &&
		      (cmd & PCI_COMMAND_MEMORY);
	pci_cfg_access_unlock(pdev);
	return mem;
}

static void vfio_pci_tsm_set_reasons(struct vfio_pci_core_device *vdev,
				     u8 reasons)
{
	lockdep_assert_held_write(&vdev->memory_lock);

	trace_vfio_pci_tsm_reasons(vdev->pdev, vdev->tsm.reasons, reasons);
	vdev->tsm.reasons = reasons;
}

static int vfio_pci_tsm_prepare(void *data)
{
	struct vfio_pci_core_device *vdev = data;
	int ret;

	/* Others may hold it for as long as a reset takes */
	ret = down_write_killable(&vdev->memory_lock);
	if (ret)
		return ret;
	if (vfio_pci_tsm_fit(vdev)) {
		vfio_pci_tsm_set_reasons(vdev, vdev->tsm.reasons |
					       VFIO_PCI_REVOKE_TSM_BOUND);
		vfio_pci_zap_bars(vdev);
		vfio_pci_dma_buf_revoke(vdev, VFIO_PCI_REVOKE_TSM_BOUND);
	} else {
		ret = -EBUSY;
	}
	up_write(&vdev->memory_lock);
	return ret;
}

static void vfio_pci_tsm_revoke_mmio(void *data)
{
	struct vfio_pci_core_device *vdev = data;

	down_write(&vdev->memory_lock);
	vfio_pci_tsm_set_reasons(vdev, vdev->tsm.reasons |
				       VFIO_PCI_REVOKE_TSM_MMIO);
	vfio_pci_dma_buf_revoke(vdev, VFIO_PCI_REVOKE_TSM_MMIO);
	up_write(&vdev->memory_lock);
}

static void vfio_pci_tsm_restore(void *data)
{
	struct vfio_pci_core_device *vdev = data;
	u8 reasons;

	down_write(&vdev->memory_lock);
	reasons = vdev->tsm.reasons;
	vfio_pci_tsm_set_reasons(vdev, 0);
	vfio_pci_dma_buf_restore(vdev, reasons);
	up_write(&vdev->memory_lock);
}

static const struct iommufd_device_tsm_ops vfio_pci_tsm_ops = {
	.prepare = vfio_pci_tsm_prepare,
	.revoke_mmio = vfio_pci_tsm_revoke_mmio,
	.restore = vfio_pci_tsm_restore,
};

/* The device is open and can be bound from now on */
void vfio_pci_tsm_open(struct vfio_pci_core_device *vdev)
{
	struct iommufd_device *idev = vdev->vdev.iommufd_device;

	lockdep_assert_held(&vdev->vdev.dev_set->lock);

	/* Migration reads and writes the state of the device, past the TSM */
	if (!idev || vdev->no_tsm || vdev->vdev.mig_ops)
		return;

	spin_lock(&vdev->tsm.lock);
	vdev->tsm.idev = idev;
	spin_unlock(&vdev->tsm.lock);
	iommufd_device_set_tsm_ops(idev, &vfio_pci_tsm_ops, vdev);
}

/* Nobody binds the device any more, and it is unbound */
void vfio_pci_tsm_close(struct vfio_pci_core_device *vdev)
{
	lockdep_assert_held(&vdev->vdev.dev_set->lock);

	spin_lock(&vdev->tsm.lock);
	vdev->tsm.idev = NULL;
	spin_unlock(&vdev->tsm.lock);
}

/*
 * Nobody has a way to its MMIO any more: ioeventfds were the last. If the TSM did
 * not let go of the device, nobody opens it either.
 */
void vfio_pci_tsm_forget(struct vfio_pci_core_device *vdev)
{
	lockdep_assert_held(&vdev->vdev.dev_set->lock);

	down_write(&vdev->memory_lock);
	vfio_pci_tsm_set_reasons(vdev, 0);
	up_write(&vdev->memory_lock);
}

/**
 * vfio_pci_tsm_keep_command() - What a user may write to a command register
 * @vdev: Device that is closed by a TSM
 * @cmd: what the user wants to write
 *
 * Clearing Memory Space Enable or Bus Master Enable drives a TDI into ERROR. The
 * former is what the user has made of it, as virtual functions have no such bit.
 *
 * Context: memory_lock held for write.
 * Return: @cmd without such a change
 */
u16 vfio_pci_tsm_keep_command(struct vfio_pci_core_device *vdev, u16 cmd)
{
	u16 virt = le16_to_cpu(*(__le16 *)&vdev->vconfig[PCI_COMMAND]);
	u16 phys;

	lockdep_assert_held_write(&vdev->memory_lock);

	if (pci_user_read_config_word(vdev->pdev, PCI_COMMAND, &phys))
		phys = PCI_COMMAND_MASTER;
	return cmd | (virt & PCI_COMMAND_MEMORY) | (phys & PCI_COMMAND_MASTER);
}

/*
 * To read a ROM is to enable its BAR before, and to disable it after that: both
 * are writes that a TDI does not survive. A device is not bound in between.
 */
bool vfio_pci_tsm_rom_get(struct vfio_pci_core_device *vdev)
{
	bool open;

	down_write(&vdev->memory_lock);
	open = !vfio_pci_tsm_closed(vdev);
	if (open)
		vdev->tsm.rom_users++;
	up_write(&vdev->memory_lock);
	return open;
}

void vfio_pci_tsm_rom_put(struct vfio_pci_core_device *vdev)
{
	down_write(&vdev->memory_lock);
	vdev->tsm.rom_users--;
	up_write(&vdev->memory_lock);
}

/**
 * vfio_pci_tsm_report() - Tell the owner of the binding, if there is one
 * @vdev: the device
 * @event: one of enum iommu_tsm_event
 * @reason: one of enum iommu_tsm_event_reason
 *
 * Context: Process context, any lock of VFIO may be held.
 */
void vfio_pci_tsm_report(struct vfio_pci_core_device *vdev, u32 event,
			 u32 reason)
{
	spin_lock(&vdev->tsm.lock);
	if (vdev->tsm.idev)
		iommufd_device_tsm_report(vdev->tsm.idev, event, reason);
	spin_unlock(&vdev->tsm.lock);
}
