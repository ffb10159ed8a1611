// SPDX-License-Identifier: GPL-2.0-only
/*
 * Devices of confidential VMs: the vDEVICE ties a physical device, the VM and
 * the virtual ID of the device together, which is what a TEE Security Manager
 * (TSM) has to know to bind the TEE Device Interface (TDI) to the VM, see PCIe
 * r7.0 section 11. The work is done by the TSM driver behind pci_tsm_bind().
 */
#include <linux/iommufd.h>
#include <linux/nospec.h>
#include <linux/pci.h>
#include <linux/pci-tsm.h>
#include <trace/events/tsm.h>

#include "iommufd_private.h"

static const u32 tsm_veventq_types[] = {
	IOMMU_VEVENTQ_TYPE_TSM,
	IOMMU_VEVENTQ_TYPE_DEFAULT
};

/* There is no hardware behind this type, hence nothing to do for a driver */
const struct iommufd_viommu_ops iommufd_tsm_viommu_ops = {
	.veventq_types = tsm_veventq_types,
};

/* What IOMMU_VIOMMU_ALLOC asks of a vIOMMU of type IOMMU_VIOMMU_TYPE_TSM */
int iommufd_tsm_viommu_check(const struct iommu_viommu_alloc *cmd,
			     const struct iommu_ops *ops,
			     struct iommufd_hwpt_paging *hwpt_paging)
{
	if (cmd->data_len)
		return -EOPNOTSUPP;
	/* The kernel destroys it when the last device detaches */
	if (hwpt_paging->auto_domain)
		return -EINVAL;
	if (hwpt_paging->common.domain->owner != ops)
		return -EINVAL;
	return 0;
}

/*
 * Where a binding can go from each state, and who moves it. All but the loss
 * happen with iommufd_device_tsm::lock held; the loss happens behind everybody's
 * back, also while a BIND has not yet returned. Who looks without
 * iommufd_device_tsm::state_lock may see the state from before a loss.
 */
static const u8 tsm_transitions[] = {
	/* BIND */
	[IOMMUFD_TSM_UNBOUND] = BIT(IOMMUFD_TSM_BOUND),
	/*
	 * UNBIND, vDEVICE destroyed, device closed, BIND that failed; and LOST
	 * by the TSM core: disconnect, TSM gone, device removed
	 */
	[IOMMUFD_TSM_BOUND] = BIT(IOMMUFD_TSM_UNBOUND) | BIT(IOMMUFD_TSM_LOST),
	/* UNBIND as acknowledgment, vDEVICE destroyed, device closed */
	[IOMMUFD_TSM_LOST] = BIT(IOMMUFD_TSM_UNBOUND),
};

static void tsm_set_state_locked(struct iommufd_device_tsm *tsm,
				 enum iommufd_tsm_state state)
{
	lockdep_assert_held(&tsm->state_lock);

	WARN_ON(!(tsm_transitions[tsm->state] & BIT(state)));
	WRITE_ONCE(tsm->state, state);
}

static void tsm_set_state(struct iommufd_device_tsm *tsm,
			  enum iommufd_tsm_state state)
{
	lockdep_assert_held(&tsm->lock);

	spin_lock(&tsm->state_lock);
	tsm_set_state_locked(tsm, state);
	spin_unlock(&tsm->state_lock);
}

static void tsm_set_vdev(struct iommufd_device_tsm *tsm,
			 struct iommufd_vdevice *vdev)
{
	spin_lock(&tsm->state_lock);
	WRITE_ONCE(tsm->vdev, vdev);
	spin_unlock(&tsm->state_lock);
}

static void tsm_report(struct iommufd_vdevice *vdev, u32 event, u32 reason)
{
	struct iommu_vevent_tsm vevent = {
		.virt_id = vdev->virt_id,
		.event = event,
		.reason = reason,
	};

	/* No queue, nobody wants to know. Full, the queue remembers that */
	iommufd_viommu_report_event(vdev->viommu, IOMMU_VEVENTQ_TYPE_TSM,
				    &vevent, sizeof(vevent));
}

/* Reports sleep on a lock of the vIOMMU, which the TSM core must not wait for */
static void tsm_event_work(struct work_struct *work)
{
	struct iommufd_device_tsm *tsm =
		container_of(work, struct iommufd_device_tsm, event_work);
	u32 pending[ARRAY_SIZE(tsm->pending)];
	struct iommufd_vdevice *vdev;
	u32 event;

	spin_lock(&tsm->state_lock);
	vdev = tsm->vdev;
	memcpy(pending, tsm->pending, sizeof(pending));
	memset(tsm->pending, 0, sizeof(tsm->pending));
	spin_unlock(&tsm->state_lock);

	/* iommufd_vdevice_tsm_destroy() waits for this work */
	if (!vdev)
		return;
	/* An error first, the loss of the binding is the end */
	if (pending[IOMMU_TSM_EVENT_TDI_ERROR])
		tsm_report(vdev, IOMMU_TSM_EVENT_TDI_ERROR,
			   pending[IOMMU_TSM_EVENT_TDI_ERROR]);
	for (event = 0; event != ARRAY_SIZE(pending); event++)
		if (pending[event] && event != IOMMU_TSM_EVENT_TDI_ERROR)
			tsm_report(vdev, event, pending[event]);
}

static void tsm_event(struct iommufd_device_tsm *tsm,
		      enum iommu_tsm_event event, u32 reason)
{
	lockdep_assert_held(&tsm->state_lock);

	tsm->pending[event] = reason;
	/* Otherwise BIND does, or has an error to tell instead */
	if (!tsm->binding)
		queue_work(system_dfl_wq, &tsm->event_work);
}

static void iommufd_tsm_tdi_error(struct pci_tsm_client *client)
{
	struct iommufd_device_tsm *tsm =
		container_of(client, struct iommufd_device_tsm, client);

	spin_lock(&tsm->state_lock);
	tsm_event(tsm, IOMMU_TSM_EVENT_TDI_ERROR, IOMMU_TSM_REASON_DEVICE);
	spin_unlock(&tsm->state_lock);
}

static void iommufd_tsm_lost(struct pci_tsm_client *client,
			     enum pci_tsm_lost_reason reason)
{
	struct iommufd_device_tsm *tsm =
		container_of(client, struct iommufd_device_tsm, client);

	spin_lock(&tsm->state_lock);
	tsm_set_state_locked(tsm, IOMMUFD_TSM_LOST);
	switch (reason) {
	case PCI_TSM_LOST_DISCONNECT:
		tsm_event(tsm, IOMMU_TSM_EVENT_UNBOUND,
			  IOMMU_TSM_REASON_DISCONNECT);
		break;
	case PCI_TSM_LOST_TSM_GONE:
		tsm_event(tsm, IOMMU_TSM_EVENT_UNBOUND,
			  IOMMU_TSM_REASON_TSM_GONE);
		break;
	case PCI_TSM_LOST_REMOVED:
		tsm_event(tsm, IOMMU_TSM_EVENT_LINK_LOST,
			  IOMMU_TSM_REASON_REMOVED);
		break;
	}
	spin_unlock(&tsm->state_lock);
}

/* Under the DSM lock, called by our own tsm_bind() */
static int iommufd_tsm_prepare(struct pci_tsm_client *client)
{
	struct iommufd_device_tsm *tsm =
		container_of(client, struct iommufd_device_tsm, client);
	const struct iommufd_device_tsm_ops *ops;
	int rc;

	lockdep_assert_held(&tsm->lock);

	/* Pairs with iommufd_device_set_tsm_ops(), for ops_data */
	ops = smp_load_acquire(&tsm->ops);
	/* Nobody would keep the host away from the device */
	if (!ops)
		return -EOPNOTSUPP;
	rc = ops->prepare(tsm->ops_data);
	if (!rc)
		tsm->prepared = true;
	return rc;
}

static void iommufd_tsm_revoke_mmio(struct pci_tsm_client *client)
{
	struct iommufd_device_tsm *tsm =
		container_of(client, struct iommufd_device_tsm, client);

	tsm->ops->revoke_mmio(tsm->ops_data);
}

static const struct pci_tsm_client_ops iommufd_tsm_client_ops = {
	.prepare = iommufd_tsm_prepare,
	.revoke_mmio = iommufd_tsm_revoke_mmio,
	.tdi_error = iommufd_tsm_tdi_error,
	.lost = iommufd_tsm_lost,
};

void iommufd_device_tsm_init(struct iommufd_device *idev)
{
	struct iommufd_device_tsm *tsm = &idev->tsm;

	mutex_init(&tsm->lock);
	refcount_set(&tsm->requests, 1);
	init_completion(&tsm->no_requests);
	spin_lock_init(&tsm->state_lock);
	INIT_WORK(&tsm->event_work, tsm_event_work);
	tsm->state = IOMMUFD_TSM_UNBOUND;
	tsm->client.ops = &iommufd_tsm_client_ops;
}

/**
 * iommufd_device_set_tsm_ops() - Tell how a device is protected while bound
 * @idev: Device returned by iommufd_device_bind()
 * @ops: What the driver of the device does for it
 * @data: To call @ops with
 *
 * A device whose driver does not call this cannot be bound. To be called when
 * the driver is ready for it, and not with anything else later; @ops is called
 * until iommufd_device_tsm_close() returns.
 *
 * Context: Any. Waits for nobody, least of all for a bind that is too early.
 */
void iommufd_device_set_tsm_ops(struct iommufd_device *idev,
				const struct iommufd_device_tsm_ops *ops,
				void *data)
{
	WRITE_ONCE(idev->tsm.ops_data, data);
	/* Pairs with iommufd_tsm_prepare() */
	smp_store_release(&idev->tsm.ops, ops);
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_set_tsm_ops, "IOMMUFD");

/**
 * iommufd_device_tsm_report() - Something happens to a device that may be bound
 * @idev: Device returned by iommufd_device_bind()
 * @event: One of enum iommu_tsm_event
 * @reason: One of enum iommu_tsm_event_reason
 *
 * For the driver of the device, who cannot prevent it. Only tells the owner of
 * the vDEVICE, and does nothing if the device is not bound.
 *
 * Context: Process context, does not sleep.
 */
void iommufd_device_tsm_report(struct iommufd_device *idev, u32 event,
			       u32 reason)
{
	struct iommufd_device_tsm *tsm = &idev->tsm;

	if (WARN_ON_ONCE(event >= ARRAY_SIZE(tsm->pending)))
		return;

	spin_lock(&tsm->state_lock);
	if (tsm->state == IOMMUFD_TSM_BOUND)
		tsm_event(tsm, event, reason);
	spin_unlock(&tsm->state_lock);
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_tsm_report, "IOMMUFD");

/**
 * iommufd_device_tsm_forget() - What happened to a device is over
 * @idev: Device returned by iommufd_device_bind()
 *
 * For the prepare op of the driver of the device: an error that was reported since
 * the bind began, of a TDI that was not locked yet, is none of the one that will be.
 * The driver makes sure that nothing of that kind is still under way.
 *
 * Context: Process context, does not sleep.
 */
void iommufd_device_tsm_forget(struct iommufd_device *idev)
{
	struct iommufd_device_tsm *tsm = &idev->tsm;

	lockdep_assert_held(&tsm->lock);

	spin_lock(&tsm->state_lock);
	tsm->pending[IOMMU_TSM_EVENT_TDI_ERROR] = 0;
	spin_unlock(&tsm->state_lock);
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_tsm_forget, "IOMMUFD");

/**
 * iommufd_device_tsm_capable() - Would it make sense to bind a device?
 * @idev: the device
 *
 * Return: true if it is connected to a TSM that can bind it. Takes no lock, the
 * answer may be out of date.
 */
bool iommufd_device_tsm_capable(struct iommufd_device *idev)
{
	if (iommufd_selftest_is_mock_dev(idev->dev))
		return iommufd_test_tsm_can_bind(idev->dev);
	return dev_is_pci(idev->dev) && pci_tsm_can_bind(to_pci_dev(idev->dev));
}

/*
 * From the start of a bind until the binding is gone, and its loss
 * acknowledged, nobody changes which domain the group is attached to.
 */
static int tsm_pin_group(struct iommufd_device *idev)
{
	struct iommufd_group *igroup = idev->igroup;
	int rc = 0;

	mutex_lock(&igroup->lock);
	if (igroup->tsm_blocks)
		rc = -EBUSY;
	else
		igroup->tsm_pins++;
	mutex_unlock(&igroup->lock);
	return rc;
}

static void tsm_unpin_group(struct iommufd_device *idev)
{
	mutex_lock(&idev->igroup->lock);
	WARN_ON(!idev->igroup->tsm_pins);
	idev->igroup->tsm_pins--;
	mutex_unlock(&idev->igroup->lock);
}

/**
 * iommufd_device_tsm_block_bind() - Nobody binds a device for a moment
 * @idev: Device returned by iommufd_device_bind()
 *
 * For drivers that detach the device on behalf of user space, which must not
 * happen to a device that is bound, nor to one that is being bound. A bind of a
 * detached device is as legal as that of a device that was never attached, but
 * not before the driver calls iommufd_device_tsm_allow_bind().
 *
 * Return: 0, or -EBUSY if the device, or another one of its group, is bound by a
 * TSM, or was and has to stay attached for now
 */
int iommufd_device_tsm_block_bind(struct iommufd_device *idev)
{
	struct iommufd_group *igroup = idev->igroup;
	int rc = 0;

	mutex_lock(&igroup->lock);
	if (igroup->tsm_pins)
		rc = -EBUSY;
	else
		igroup->tsm_blocks++;
	mutex_unlock(&igroup->lock);
	return rc;
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_tsm_block_bind, "IOMMUFD");

/**
 * iommufd_device_tsm_allow_bind() - End of iommufd_device_tsm_block_bind()
 * @idev: Device returned by iommufd_device_bind()
 */
void iommufd_device_tsm_allow_bind(struct iommufd_device *idev)
{
	struct iommufd_group *igroup = idev->igroup;

	mutex_lock(&igroup->lock);
	WARN_ON(!igroup->tsm_blocks);
	igroup->tsm_blocks--;
	mutex_unlock(&igroup->lock);
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_tsm_allow_bind, "IOMMUFD");

static bool tsm_can_bind(struct iommufd_device *idev)
{
	return dev_is_pci(idev->dev) || iommufd_selftest_is_mock_dev(idev->dev);
}

static bool tsm_is_quarantined(struct iommufd_device *idev)
{
	if (iommufd_selftest_is_mock_dev(idev->dev))
		return iommufd_test_tsm_quarantined(idev->dev);
	return dev_is_pci(idev->dev) &&
	       pci_tsm_quarantined(to_pci_dev(idev->dev));
}

/* Ended early because the device is being closed: the vDEVICE goes with it */
static int tsm_errno(struct iommufd_device *idev, int rc)
{
	if (rc == -EINTR && READ_ONCE(idev->tsm.client.aborting) &&
	    !fatal_signal_pending(current))
		return -ENOENT;
	return rc;
}

static int tsm_bind(struct iommufd_device *idev, u32 tdi_id)
{
	struct kvm *kvm = READ_ONCE(idev->tsm.kvm);

	if (iommufd_selftest_is_mock_dev(idev->dev))
		return iommufd_test_tsm_bind(idev->dev, &idev->tsm.client, kvm,
					     tdi_id);
	return pci_tsm_bind(to_pci_dev(idev->dev), &idev->tsm.client, kvm,
			    tdi_id);
}

static int tsm_unbind(struct iommufd_device *idev)
{
	if (iommufd_selftest_is_mock_dev(idev->dev))
		return iommufd_test_tsm_unbind(idev->dev, &idev->tsm.client);
	return pci_tsm_unbind(&idev->tsm.client);
}

/*
 * Give the host back what was closed. Not as long as a TSM may still let the VM,
 * or nobody, reach the device: -EUCLEAN then.
 */
static int tsm_restore(struct iommufd_device *idev)
{
	struct iommufd_device_tsm *tsm = &idev->tsm;

	lockdep_assert_held(&tsm->lock);

	if (tsm_is_quarantined(idev))
		return -EUCLEAN;
	if (tsm->prepared) {
		tsm->ops->restore(tsm->ops_data);
		trace_tsm_restore(idev->dev);
		tsm->prepared = false;
	}
	return 0;
}

/* The binding may be lost again before tsm_bind() returns */
static void tsm_bind_begin(struct iommufd_device_tsm *tsm)
{
	lockdep_assert_held(&tsm->lock);

	spin_lock(&tsm->state_lock);
	tsm_set_state_locked(tsm, IOMMUFD_TSM_BOUND);
	tsm->binding = true;
	spin_unlock(&tsm->state_lock);
}

/* What there was to report, when the bind fails, is told by the error */
static void tsm_bind_end(struct iommufd_device_tsm *tsm, int rc)
{
	lockdep_assert_held(&tsm->lock);

	spin_lock(&tsm->state_lock);
	tsm->binding = false;
	if (rc) {
		tsm_set_state_locked(tsm, IOMMUFD_TSM_UNBOUND);
		memset(tsm->pending, 0, sizeof(tsm->pending));
	} else if (memchr_inv(tsm->pending, 0, sizeof(tsm->pending))) {
		queue_work(system_dfl_wq, &tsm->event_work);
	}
	spin_unlock(&tsm->state_lock);
}

static int vdevice_bind_locked(struct iommufd_vdevice *vdev)
{
	struct iommufd_device *idev = vdev->idev;
	struct iommufd_device_tsm *tsm = &idev->tsm;
	int rc;

	lockdep_assert_held(&tsm->lock);

	if (tsm->closing)
		return -ENOENT;
	switch (READ_ONCE(tsm->state)) {
	case IOMMUFD_TSM_UNBOUND:
		break;
	case IOMMUFD_TSM_BOUND:
		return -EALREADY;
	case IOMMUFD_TSM_LOST:
		return -ENOTCONN;
	}

	if (!tsm_can_bind(idev) || !READ_ONCE(tsm->kvm))
		return -ENODEV;
	if (vdev->virt_id > U32_MAX)
		return -ERANGE;

	/* From here on it is up to this one to restore the device */
	tsm_set_vdev(tsm, vdev);
	/* Of a binding whose TSM let go only after its UNBIND, or did not yet */
	rc = tsm_restore(idev);
	if (rc)
		return rc;
	tsm_bind_begin(tsm);
	rc = tsm_bind(idev, vdev->virt_id);
	tsm_bind_end(tsm, rc);
	if (rc)
		tsm_restore(idev);
	return tsm_errno(idev, rc);
}

static int vdevice_bind(struct iommufd_vdevice *vdev)
{
	struct iommufd_device_tsm *tsm = &vdev->idev->tsm;
	int rc;

	rc = tsm_pin_group(vdev->idev);
	if (rc)
		return rc;
	rc = mutex_lock_killable(&tsm->lock);
	if (rc)
		goto out_unpin_group;
	rc = vdevice_bind_locked(vdev);
	mutex_unlock(&tsm->lock);
	/* Otherwise the pin is the binding's */
	if (!rc)
		return 0;

out_unpin_group:
	tsm_unpin_group(vdev->idev);
	return rc;
}

/* End the binding of the device, or acknowledge that it was lost, if any */
static int device_unbind(struct iommufd_device *idev)
{
	struct iommufd_device_tsm *tsm = &idev->tsm;
	bool prepared;
	int rc;

	mutex_lock(&tsm->lock);
	if (READ_ONCE(tsm->state) == IOMMUFD_TSM_UNBOUND) {
		/* An earlier UNBIND had to leave the device with the TSM */
		prepared = tsm->prepared;
		rc = tsm_restore(idev);
		mutex_unlock(&tsm->lock);
		return !rc && !prepared ? -ENOTCONN : rc;
	}
	/* Does nothing if the binding was, or just now is, lost */
	tsm_unbind(idev);
	tsm_set_state(tsm, IOMMUFD_TSM_UNBOUND);
	rc = tsm_restore(idev);
	/* What happened to this binding must not be taken for the next one */
	flush_work(&tsm->event_work);
	mutex_unlock(&tsm->lock);
	tsm_unpin_group(idev);
	return rc;
}

int iommufd_vdevice_tsm_op_ioctl(struct iommufd_ucmd *ucmd)
{
	struct iommu_vdevice_tsm_op *cmd = ucmd->cmd;
	struct iommufd_vdevice *vdev;
	int rc;

	if (cmd->flags)
		return -EOPNOTSUPP;

	vdev = iommufd_get_vdevice(ucmd, cmd->vdevice_id);
	if (IS_ERR(vdev))
		return PTR_ERR(vdev);

	if (vdev->viommu->type != IOMMU_VIOMMU_TYPE_TSM) {
		rc = -EOPNOTSUPP;
		goto out_put_vdev;
	}

	switch (cmd->type) {
	case IOMMU_VDEVICE_TSM_OP_BIND:
		rc = vdevice_bind(vdev);
		break;
	case IOMMU_VDEVICE_TSM_OP_UNBIND:
		rc = device_unbind(vdev->idev);
		break;
	default:
		rc = -EOPNOTSUPP;
		break;
	}

out_put_vdev:
	iommufd_put_object(ucmd->ictx, &vdev->obj);
	return rc;
}

/* Payloads and responses up to this size need no allocation */
#define TSM_REQ_INLINE_SIZE	64
#define TSM_REQ_MAX_SIZE	SZ_2M

/* What each operation of IOMMU_VDEVICE_TSM_REQ is made of */
struct tsm_req_desc {
	/* Exact, if not variable; a variable payload has at least one byte */
	size_t req_len;
	bool variable;
	/* Responses of fixed size have to fit */
	size_t min_resp_len;
	/* Exists on one architecture only, if not 0 */
	u32 tvm_arch;
};

static const struct tsm_req_desc tsm_req_descs[] = {
	[IOMMU_VDEVICE_TSM_REQ_VALIDATE_MMIO] = {
		.req_len = sizeof(struct iommu_tsm_req_validate_mmio),
	},
	[IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE] = {
		.req_len = sizeof(struct iommu_tsm_req_set_tdi_state),
	},
	[IOMMU_VDEVICE_TSM_REQ_SEV_ENABLE_DMA] = {
		.tvm_arch = IOMMU_TVM_ARCH_SEV,
	},
	[IOMMU_VDEVICE_TSM_REQ_SEV_DISABLE_DMA] = {
		.tvm_arch = IOMMU_TVM_ARCH_SEV,
	},
	[IOMMU_VDEVICE_TSM_REQ_READ_OBJECT] = {
		.req_len = sizeof(struct iommu_tsm_req_read_object),
	},
	[IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT] = {
		.req_len = sizeof(struct iommu_tsm_req_regen_object),
	},
	[IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO] = {
		.req_len = sizeof(struct iommu_tsm_req_object_info),
		.min_resp_len = sizeof(u32),
	},
	[IOMMU_VDEVICE_TSM_REQ_GUEST_MSG] = {
		.variable = true,
	},
};

/* The payload itself is checked by the TSM driver */
static int tsm_req_check(const struct pci_tsm_req *req)
{
	const struct tsm_req_desc *desc;

	if (!req->op || req->op >= ARRAY_SIZE(tsm_req_descs))
		return -EOPNOTSUPP;

	desc = &tsm_req_descs[array_index_nospec(req->op,
						 ARRAY_SIZE(tsm_req_descs))];
	if (desc->variable ? !req->req_len : req->req_len != desc->req_len)
		return -EINVAL;
	if (req->resp_size < desc->min_resp_len)
		return -EINVAL;
	if (desc->tvm_arch && req->tvm_arch != desc->tvm_arch)
		return -EINVAL;
	return 0;
}

/*
 * Who closes the device waits for the requests under way: whoever else destroys
 * the vDEVICE then has no reason to wait, and gives up after a while if it has.
 */
static bool tsm_request_begin(struct iommufd_device_tsm *tsm)
{
	return refcount_inc_not_zero(&tsm->requests);
}

static void tsm_request_end(struct iommufd_device_tsm *tsm)
{
	if (refcount_dec_and_test(&tsm->requests))
		complete_all(&tsm->no_requests);
}

static int tsm_guest_req(struct iommufd_device *idev,
			 struct pci_tsm_req *req)
{
	if (iommufd_selftest_is_mock_dev(idev->dev))
		return iommufd_test_tsm_guest_req(idev->dev, &idev->tsm.client,
						  req);
	return pci_tsm_guest_req(&idev->tsm.client, req);
}

/*
 * Look the vDEVICE up for no longer than the TSM takes: user memory, which may
 * take any time to access, is not touched in here.
 */
static int vdevice_guest_req(struct iommufd_ucmd *ucmd, u32 vdevice_id,
			     struct pci_tsm_req *req)
{
	struct iommufd_device_tsm *tsm;
	struct iommufd_vdevice *vdev;
	int rc;

	vdev = iommufd_get_vdevice(ucmd, vdevice_id);
	if (IS_ERR(vdev))
		return PTR_ERR(vdev);

	tsm = &vdev->idev->tsm;
	if (!tsm_request_begin(tsm)) {
		rc = -ENOENT;
		goto out_put_vdev;
	}

	/* The TSM core looks again, with the lock that makes it true */
	if (READ_ONCE(tsm->state) != IOMMUFD_TSM_BOUND) {
		rc = -ENOTCONN;
		goto out_request_end;
	}

	rc = tsm_req_check(req);
	if (rc)
		goto out_request_end;

	rc = tsm_errno(vdev->idev, tsm_guest_req(vdev->idev, req));

out_request_end:
	tsm_request_end(tsm);
out_put_vdev:
	iommufd_put_object(ucmd->ictx, &vdev->obj);
	return rc;
}

int iommufd_vdevice_tsm_req_ioctl(struct iommufd_ucmd *ucmd)
{
	struct iommu_vdevice_tsm_req *cmd = ucmd->cmd;
	u8 inline_req[TSM_REQ_INLINE_SIZE] __aligned(8);
	u8 inline_resp[TSM_REQ_INLINE_SIZE] __aligned(8) = {};
	struct pci_tsm_req req = {
		.op = cmd->op,
		.tvm_arch = cmd->tvm_arch,
		.req_len = cmd->req_len,
		.resp = inline_resp,
		.resp_size = cmd->resp_len,
	};
	void *req_buf = inline_req;
	void *big_resp = NULL;
	void *big_req = NULL;
	int rc;

	if (req.req_len > TSM_REQ_MAX_SIZE || req.resp_size > TSM_REQ_MAX_SIZE)
		return -EINVAL;
	if (!cmd->req_uptr != !cmd->req_len ||
	    !cmd->resp_uptr != !cmd->resp_len)
		return -EINVAL;

	if (req.req_len > sizeof(inline_req)) {
		big_req = kvmalloc(req.req_len, GFP_KERNEL_ACCOUNT);
		if (!big_req)
			return -ENOMEM;
		req_buf = big_req;
	}
	if (req.resp_size > sizeof(inline_resp)) {
		/* A driver that claims more than it wrote gives nothing away */
		big_resp = kvzalloc(req.resp_size, GFP_KERNEL_ACCOUNT);
		if (!big_resp) {
			rc = -ENOMEM;
			goto out_free_req;
		}
		req.resp = big_resp;
	}

	if (copy_from_user(req_buf, u64_to_user_ptr(cmd->req_uptr),
			   req.req_len)) {
		rc = -EFAULT;
		goto out_free_resp;
	}
	req.req = req_buf;

	rc = vdevice_guest_req(ucmd, cmd->vdevice_id, &req);
	if (!req.reached)
		goto out_free_resp;

	/* The request may have been carried out, tell as much as can be told */
	cmd->tsm_code = req.tsm_code;
	cmd->resp_len = req.resp_len;
	if (copy_to_user(u64_to_user_ptr(cmd->resp_uptr), req.resp,
			 req.resp_len))
		rc = -EFAULT;
	if (iommufd_ucmd_respond(ucmd, sizeof(*cmd)))
		rc = -EFAULT;

out_free_resp:
	kvfree(big_resp);
out_free_req:
	kvfree(big_req);
	return rc;
}

/* The vDEVICE has no other user left */
void iommufd_vdevice_tsm_destroy(struct iommufd_vdevice *vdev)
{
	struct iommufd_device_tsm *tsm = &vdev->idev->tsm;

	lockdep_assert_not_held(&vdev->idev->igroup->lock);

	/* Set by BIND, and there is none under way any more: never bound */
	if (READ_ONCE(tsm->vdev) != vdev)
		return;

	/* What happened until then is reported, nothing is after that */
	device_unbind(vdev->idev);
	tsm_set_vdev(tsm, NULL);
	cancel_work_sync(&tsm->event_work);
}

/**
 * iommufd_device_tsm_close() - Unbind a device that is about to be closed
 * @idev: Device returned by iommufd_device_bind()
 *
 * Whatever the owner does next to close the device, clear Bus Master Enable or
 * reset it, drives a TDI that is bound into the ERROR state. So this is the
 * first step of a close: it ends exchanges with the device that are under way,
 * unbinds, and prevents that anybody binds the device again before
 * iommufd_device_unbind().
 *
 * Context: Process context, not interrupted by signals. Exchanges messages with
 * the device. The caller may hold locks that are not taken below iommufd, like
 * the lock of a vfio_device_set.
 */
void iommufd_device_tsm_close(struct iommufd_device *idev)
{
	struct iommufd_device_tsm *tsm = &idev->tsm;
	bool first;

	pci_tsm_client_abort(&tsm->client);

	mutex_lock(&tsm->lock);
	first = !tsm->closing;
	tsm->closing = true;
	mutex_unlock(&tsm->lock);

	if (first)
		tsm_request_end(tsm);
	wait_for_completion(&tsm->no_requests);
	device_unbind(idev);

	/* If the TSM did not let go, the driver is told by nobody when it does */
	mutex_lock(&tsm->lock);
	tsm->prepared = false;
	mutex_unlock(&tsm->lock);
}
EXPORT_SYMBOL_NS_GPL(iommufd_device_tsm_close, "IOMMUFD");
