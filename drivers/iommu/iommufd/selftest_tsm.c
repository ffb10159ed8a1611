// SPDX-License-Identifier: GPL-2.0-only
/*
 * A TSM for mock devices, which are no PCI functions: tsm.c calls it where it
 * calls drivers/pci/tsm.c for the others. The first half of this file is what
 * that core does, as far as its callers can tell, the second one is a TSM
 * driver that is told by tools/testing/selftests/iommu how to behave.
 */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/mutex.h>
#include <linux/pci-tsm.h>
#include <linux/slab.h>

#include "iommufd_private.h"
#include "iommufd_test.h"
#include "selftest_tsm.h"

/* The one VM there is. Nobody looks into it */
static char mock_vm;
#define MOCK_KVM ((struct kvm *)&mock_vm)

/* TDIs that are bound, for tests whose device is gone */
static atomic_t mock_nr_bound = ATOMIC_INIT(0);

static void mock_count(u32 *counter)
{
	WRITE_ONCE(*counter, *counter + 1);
}

static struct pci_tdi *mock_bind(struct mock_tsm *mock,
				 struct pci_tsm_client *client,
				 struct kvm *kvm, u32 tdi_id);
static int mock_unbind(struct mock_tsm *mock, struct pci_tdi *tdi);
static int mock_guest_req(struct mock_tsm *mock,
			  struct pci_tsm_client *client,
			  struct pci_tsm_req *req);

/* In the place of pci_tsm_bind() */
int iommufd_test_tsm_bind(struct device *dev, struct pci_tsm_client *client,
			  struct kvm *kvm, u32 tdi_id)
{
	struct mock_tsm *mock = mock_dev_tsm(dev);
	struct pci_tdi *tdi;
	int rc;

	if (!kvm)
		return -EINVAL;

	rc = mutex_lock_killable(&mock->lock);
	if (rc)
		return rc;

	if (mock->held) {
		rc = -EUCLEAN;
		goto out_unlock;
	}
	if (!mock->connected) {
		rc = -ENXIO;
		goto out_unlock;
	}
	if (!mock->can_bind) {
		rc = -EOPNOTSUPP;
		goto out_unlock;
	}
	if (mock->tdi) {
		rc = mock->tdi->client == client ? -EALREADY : -EBUSY;
		goto out_unlock;
	}
	if (WARN_ON_ONCE(client->tdi)) {
		rc = -EBUSY;
		goto out_unlock;
	}

	if (client != &mock->other) {
		rc = client->ops->prepare(client);
		if (rc)
			goto out_unlock;
	}

	tdi = mock_bind(mock, client, kvm, tdi_id);
	if (IS_ERR(tdi)) {
		if (mock->held && client != &mock->other)
			client->ops->revoke_mmio(client);
		rc = PTR_ERR(tdi);
		goto out_unlock;
	}
	WRITE_ONCE(mock->tdi, tdi);
	client->tdi = tdi;
	atomic_inc(&mock_nr_bound);

out_unlock:
	mutex_unlock(&mock->lock);
	return rc;
}

/* The binding is gone for its owner in any case */
static int mock_tsm_unbind_locked(struct mock_tsm *mock)
{
	struct pci_tdi *tdi = mock->tdi;
	int rc;

	lockdep_assert_held(&mock->lock);

	tdi->client->tdi = NULL;
	WRITE_ONCE(mock->tdi, NULL);
	atomic_dec(&mock_nr_bound);
	rc = mock_unbind(mock, tdi);
	if (rc)
		WRITE_ONCE(mock->held, tdi);
	else
		kfree(tdi);
	return rc;
}

/* In the place of pci_tsm_unbind() */
int iommufd_test_tsm_unbind(struct device *dev, struct pci_tsm_client *client)
{
	struct mock_tsm *mock = mock_dev_tsm(dev);
	int rc = 0;

	mutex_lock(&mock->lock);
	if (client->tdi)
		rc = mock_tsm_unbind_locked(mock);
	mutex_unlock(&mock->lock);
	return rc;
}

/* In the place of pci_tsm_quarantined() */
bool iommufd_test_tsm_quarantined(struct device *dev)
{
	return READ_ONCE(mock_dev_tsm(dev)->held);
}

/* In the place of pci_tsm_can_bind() */
bool iommufd_test_tsm_can_bind(struct device *dev)
{
	struct mock_tsm *mock = mock_dev_tsm(dev);

	return READ_ONCE(mock->connected) && READ_ONCE(mock->can_bind);
}

static int mock_check_tvm_arch(struct mock_tsm *mock, u32 tvm_arch)
{
	if (tvm_arch == mock->tvm_arch)
		return 0;

	switch (tvm_arch) {
	case IOMMU_TVM_ARCH_CCA:
	case IOMMU_TVM_ARCH_SEV:
	case IOMMU_TVM_ARCH_TDX:
		return -EINVAL;
	default:
		return -EOPNOTSUPP;
	}
}

static int mock_tsm_guest_req(struct mock_tsm *mock,
			      struct pci_tsm_client *client,
			      struct pci_tsm_req *req)
{
	int rc;

	req->tsm_code = 0;
	req->resp_len = 0;
	req->reached = false;

	rc = mutex_lock_killable(&mock->lock);
	if (rc)
		return rc;

	if (!client->tdi) {
		rc = -ENOTCONN;
		goto out_unlock;
	}
	if (!mock->can_req) {
		rc = -EOPNOTSUPP;
		goto out_unlock;
	}
	rc = mock_check_tvm_arch(mock, req->tvm_arch);
	if (rc)
		goto out_unlock;

	req->reached = true;
	rc = mock_guest_req(mock, client, req);

out_unlock:
	mutex_unlock(&mock->lock);
	return rc;
}

/* In the place of pci_tsm_guest_req() */
int iommufd_test_tsm_guest_req(struct device *dev,
			       struct pci_tsm_client *client,
			       struct pci_tsm_req *req)
{
	struct mock_tsm *mock = mock_dev_tsm(dev);
	u32 linger_ms;
	int rc;

	atomic_inc(&mock->nr_callers);
	rc = mock_tsm_guest_req(mock, client, req);
	linger_ms = READ_ONCE(mock->linger_ms);
	if (linger_ms)
		msleep(linger_ms);
	atomic_dec(&mock->nr_callers);
	return rc;
}

/* What "disconnect" in sysfs, and the removal of a TSM or device, do */
static void mock_tsm_disconnect(struct mock_tsm *mock,
				enum pci_tsm_lost_reason reason)
{
	struct pci_tsm_client *client;

	lockdep_assert_held(&mock->lock);

	WRITE_ONCE(mock->connected, false);
	if (!mock->tdi)
		return;

	client = mock->tdi->client;
	mock_tsm_unbind_locked(mock);
	if (client == &mock->other)
		return;
	/* The owner is not allowed to sleep in there */
	non_block_start();
	client->ops->lost(client, reason);
	non_block_end();
}

/* The TSM hears from the device that the TDI is in ERROR */
static int mock_tsm_tdi_error(struct mock_tsm *mock)
{
	struct pci_tsm_client *client;

	lockdep_assert_held(&mock->lock);

	if (!mock->tdi || mock->tdi->client == &mock->other)
		return -ENOTCONN;

	client = mock->tdi->client;
	non_block_start();
	client->ops->tdi_error(client);
	non_block_end();
	return 0;
}

/*
 * One message to the device and its answer. Like a DOE exchange it is not
 * interrupted by anything.
 */
static void mock_exchange(struct mock_tsm *mock)
{
	mock_count(&mock->nr_exchanges);
	if (mock->delay_ms)
		msleep(mock->delay_ms);
}

/* Many of them. Between two the owner, or a fatal signal, can end it */
static int mock_exchanges(struct mock_tsm *mock, struct pci_tsm_client *client)
{
	unsigned int i;

	for (i = 0; i != MOCK_TSM_NR_EXCHANGES; i++) {
		if (pci_tsm_client_aborted(client))
			return -EINTR;
		mock_exchange(mock);
	}
	return 0;
}

static struct pci_tdi *mock_bind(struct mock_tsm *mock,
				 struct pci_tsm_client *client,
				 struct kvm *kvm, u32 tdi_id)
{
	struct pci_tdi *tdi;
	int rc;

	mock_count(&mock->nr_binds);
	if (WARN_ON(kvm != MOCK_KVM))
		return ERR_PTR(-EINVAL);

	tdi = kzalloc_obj(*tdi);
	if (!tdi)
		return ERR_PTR(-ENOMEM);

	rc = mock_exchanges(mock, client);
	if (!rc)
		rc = mock->next_bind_error;
	if (rc) {
		mock->next_bind_error = 0;
		/* The device says so, too */
		if (client != &mock->other)
			client->ops->tdi_error(client);
		/* Has to be undone, which a TSM may not be able to */
		if (mock->hold)
			WRITE_ONCE(mock->held, tdi);
		else
			kfree(tdi);
		return ERR_PTR(rc);
	}

	tdi->client = client;
	tdi->kvm = kvm;
	tdi->tdi_id = tdi_id;
	memset(mock->nonce, 0, sizeof(mock->nonce));
	WRITE_ONCE(mock->tdi_id, tdi_id);
	WRITE_ONCE(mock->tdi_state, IOMMU_TSM_TDI_LOCKED);
	return tdi;
}

static int mock_unbind(struct mock_tsm *mock, struct pci_tdi *tdi)
{
	mock_count(&mock->nr_unbinds);
	if (tdi->client != &mock->other)
		tdi->client->ops->revoke_mmio(tdi->client);
	mock_exchange(mock);
	if (mock->hold)
		return -EIO;
	WRITE_ONCE(mock->tdi_state, IOMMU_TSM_TDI_UNLOCKED);
	return 0;
}

/* There is no memslot to look into: 0, or at a fixed distance */
static int mock_validate_mmio(const struct iommu_tsm_req_validate_mmio *mmio)
{
	if (mmio->gpa_base >= mmio->gpa_top ||
	    !IS_ALIGNED(mmio->gpa_base | mmio->gpa_top, PAGE_SIZE))
		return -EINVAL;
	if (mmio->pa_base &&
	    mmio->pa_base != mmio->gpa_base + MOCK_TSM_MMIO_OFFSET)
		return -EINVAL;
	return 0;
}

static int mock_set_tdi_state(struct mock_tsm *mock,
			      struct pci_tsm_req *req)
{
	const struct iommu_tsm_req_set_tdi_state *set = req->req;

	if (set->state != IOMMU_TSM_TDI_RUN)
		return -EOPNOTSUPP;

	mock_exchange(mock);
	/* START_INTERFACE_REQUEST is for CONFIG_LOCKED only */
	if (mock->tdi_state != IOMMU_TSM_TDI_LOCKED) {
		req->tsm_code = MOCK_TSM_CODE_INVALID_STATE;
		return -EIO;
	}
	WRITE_ONCE(mock->tdi_state, IOMMU_TSM_TDI_RUN);
	return 0;
}

static int mock_object_size(u32 type, u32 *size)
{
	switch (type) {
	case IOMMU_TSM_OBJECT_VCA:
		*size = MOCK_TSM_VCA_SIZE;
		return 0;
	case IOMMU_TSM_OBJECT_CERT:
		*size = MOCK_TSM_CERT_SIZE;
		return 0;
	case IOMMU_TSM_OBJECT_MEAS:
		*size = MOCK_TSM_MEAS_SIZE;
		return 0;
	case IOMMU_TSM_OBJECT_REPORT:
		*size = MOCK_TSM_REPORT_SIZE;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int mock_read_object(struct mock_tsm *mock,
			    struct pci_tsm_req *req)
{
	const struct iommu_tsm_req_read_object *read = req->req;
	u8 *resp = req->resp;
	u32 size, pos, i;
	int rc;

	if (read->__reserved)
		return -EOPNOTSUPP;
	rc = mock_object_size(read->type, &size);
	if (rc)
		return rc;
	if (read->offset > size)
		return -EINVAL;

	pos = read->offset;
	req->resp_len = min_t(size_t, size - pos, req->resp_size);
	for (i = 0; i != req->resp_len; i++, pos++) {
		if (read->type == IOMMU_TSM_OBJECT_MEAS &&
		    pos < sizeof(mock->nonce))
			resp[i] = mock->nonce[pos];
		else
			resp[i] = mock_tsm_object_byte(read->type, pos);
	}
	return 0;
}

static int mock_regen_object(struct mock_tsm *mock,
			     struct pci_tsm_client *client,
			     const struct iommu_tsm_req_regen_object *regen)
{
	int rc;

	/* All others are fixed while the device is connected or bound */
	if (regen->flags || regen->type != IOMMU_TSM_OBJECT_MEAS)
		return -EOPNOTSUPP;

	rc = mock_exchanges(mock, client);
	if (rc)
		return rc;
	memcpy(mock->nonce, regen->nonce, sizeof(mock->nonce));
	return 0;
}

static int mock_object_info(struct pci_tsm_req *req)
{
	const struct iommu_tsm_req_object_info *info = req->req;
	u32 size;
	int rc;

	rc = mock_object_size(info->type, &size);
	if (rc)
		return rc;
	memcpy(req->resp, &size, sizeof(size));
	req->resp_len = sizeof(size);
	return 0;
}

/* The TSM sends it back */
static int mock_guest_msg(struct mock_tsm *mock, struct pci_tsm_req *req)
{
	if (req->req_len > req->resp_size)
		return -ENOSPC;

	mock_exchange(mock);
	memcpy(req->resp, req->req, req->req_len);
	req->resp_len = req->req_len;
	return 0;
}

static int mock_guest_req(struct mock_tsm *mock, struct pci_tsm_client *client,
			  struct pci_tsm_req *req)
{
	mock_count(&mock->nr_reqs);

	if (mock->next_req.armed) {
		mock->next_req.armed = false;
		req->tsm_code = mock->next_req.tsm_code;
		req->resp_len = min_t(size_t, mock->next_req.resp_len,
				      req->resp_size);
		memset(req->resp, MOCK_TSM_RESP_BYTE, req->resp_len);
		return mock->next_req.error;
	}

	/* Lengths of fixed size were checked by iommufd */
	switch (req->op) {
	case IOMMU_VDEVICE_TSM_REQ_VALIDATE_MMIO:
		return mock_validate_mmio(req->req);
	case IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE:
		return mock_set_tdi_state(mock, req);
	case IOMMU_VDEVICE_TSM_REQ_READ_OBJECT:
		return mock_read_object(mock, req);
	case IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT:
		return mock_regen_object(mock, client, req->req);
	case IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO:
		return mock_object_info(req);
	case IOMMU_VDEVICE_TSM_REQ_GUEST_MSG:
		return mock_guest_msg(mock, req);
	default:
		return -EOPNOTSUPP;
	}
}

static void mock_release_held(struct mock_tsm *mock)
{
	if (!mock->held)
		return;

	kfree(mock->held);
	WRITE_ONCE(mock->tdi_state, IOMMU_TSM_TDI_UNLOCKED);
	WRITE_ONCE(mock->held, NULL);
}

static int mock_tsm_ctl_locked(struct mock_tsm *mock,
			       const struct iommu_test_cmd *cmd)
{
	u32 value = cmd->tsm_ctl.value;

	switch (cmd->tsm_ctl.what) {
	case MOCK_TSM_CTL_CONNECT:
		if (value)
			WRITE_ONCE(mock->connected, true);
		else
			mock_tsm_disconnect(mock, PCI_TSM_LOST_DISCONNECT);
		return 0;
	case MOCK_TSM_CTL_LOSE:
		if (value < PCI_TSM_LOST_DISCONNECT ||
		    value > PCI_TSM_LOST_REMOVED)
			return -EINVAL;
		mock_tsm_disconnect(mock, value);
		return 0;
	case MOCK_TSM_CTL_TDI_ERROR:
		return mock_tsm_tdi_error(mock);
	case MOCK_TSM_CTL_CAN_BIND:
		WRITE_ONCE(mock->can_bind, value);
		return 0;
	case MOCK_TSM_CTL_CAN_REQ:
		mock->can_req = value;
		return 0;
	case MOCK_TSM_CTL_TVM_ARCH:
		mock->tvm_arch = value;
		return 0;
	case MOCK_TSM_CTL_NEXT_BIND:
		mock->next_bind_error = -(int)cmd->tsm_ctl.error;
		return 0;
	case MOCK_TSM_CTL_NEXT_REQ:
		mock->next_req.armed = true;
		mock->next_req.error = -(int)cmd->tsm_ctl.error;
		mock->next_req.tsm_code = cmd->tsm_ctl.tsm_code;
		mock->next_req.resp_len = cmd->tsm_ctl.resp_len;
		return 0;
	case MOCK_TSM_CTL_HOLD:
		mock->hold = value;
		if (!value)
			mock_release_held(mock);
		return 0;
	case MOCK_TSM_CTL_UNFIT:
		mock->unfit = value;
		return 0;
	case MOCK_TSM_CTL_DELAY:
		if (value > MOCK_TSM_MAX_DELAY_MS)
			return -EINVAL;
		mock->delay_ms = value;
		return 0;
	case MOCK_TSM_CTL_LINGER:
		if (value > MOCK_TSM_MAX_DELAY_MS)
			return -EINVAL;
		WRITE_ONCE(mock->linger_ms, value);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int mock_tsm_ctl(struct device *dev, const struct iommu_test_cmd *cmd)
{
	struct mock_tsm *mock = mock_dev_tsm(dev);
	int rc;

	if (cmd->tsm_ctl.error > MAX_ERRNO)
		return -EINVAL;
	if (cmd->tsm_ctl.what == MOCK_TSM_CTL_OCCUPY)
		return cmd->tsm_ctl.value ?
			       iommufd_test_tsm_bind(dev, &mock->other,
						     MOCK_KVM, 0) :
			       iommufd_test_tsm_unbind(dev, &mock->other);

	mutex_lock(&mock->lock);
	rc = mock_tsm_ctl_locked(mock, cmd);
	mutex_unlock(&mock->lock);
	return rc;
}

/* Waits for nobody: to be asked while others are in the middle of something */
static int mock_tsm_state(struct iommufd_ucmd *ucmd,
			  struct iommufd_device *idev)
{
	struct mock_tsm *mock = mock_dev_tsm(idev->dev);
	struct iommu_test_cmd *cmd = ucmd->cmd;
	u32 flags = 0;

	if (READ_ONCE(mock->connected))
		flags |= MOCK_TSM_STATE_CONNECTED;
	if (READ_ONCE(mock->tdi))
		flags |= MOCK_TSM_STATE_BOUND;
	if (READ_ONCE(mock->held))
		flags |= MOCK_TSM_STATE_QUARANTINED;
	mutex_lock(&idev->igroup->lock);
	if (idev->igroup->tsm_pins)
		flags |= MOCK_TSM_STATE_PINNED;
	mutex_unlock(&idev->igroup->lock);
	if (READ_ONCE(mock->prepared))
		flags |= MOCK_TSM_STATE_PREPARED;
	if (READ_ONCE(mock->revoked))
		flags |= MOCK_TSM_STATE_REVOKED;

	cmd->tsm_state.out_flags = flags;
	cmd->tsm_state.out_tdi_state = READ_ONCE(mock->tdi_state);
	cmd->tsm_state.out_tdi_id = READ_ONCE(mock->tdi_id);
	cmd->tsm_state.out_nr_binds = READ_ONCE(mock->nr_binds);
	cmd->tsm_state.out_nr_unbinds = READ_ONCE(mock->nr_unbinds);
	cmd->tsm_state.out_nr_reqs = READ_ONCE(mock->nr_reqs);
	cmd->tsm_state.out_nr_exchanges = READ_ONCE(mock->nr_exchanges);
	cmd->tsm_state.out_nr_callers = atomic_read(&mock->nr_callers);
	cmd->tsm_state.out_nr_bound = atomic_read(&mock_nr_bound);
	return iommufd_ucmd_respond(ucmd, sizeof(*cmd));
}

/* In the place of drivers/vfio/pci: all of them with the DSM or binding locked */
static int mock_driver_prepare(void *data)
{
	struct mock_tsm *mock = data;

	lockdep_assert_held(&mock->lock);

	if (mock->unfit)
		return -EBUSY;
	WRITE_ONCE(mock->prepared, true);
	return 0;
}

static void mock_driver_revoke_mmio(void *data)
{
	struct mock_tsm *mock = data;

	lockdep_assert_held(&mock->lock);

	WARN_ON(!mock->prepared);
	WRITE_ONCE(mock->revoked, true);
}

static void mock_driver_restore(void *data)
{
	struct mock_tsm *mock = data;

	WARN_ON(!mock->prepared);
	WRITE_ONCE(mock->revoked, false);
	WRITE_ONCE(mock->prepared, false);
}

static const struct iommufd_device_tsm_ops mock_driver_ops = {
	.prepare = mock_driver_prepare,
	.revoke_mmio = mock_driver_revoke_mmio,
	.restore = mock_driver_restore,
};

int iommufd_test_tsm(struct iommufd_ucmd *ucmd)
{
	struct iommu_test_cmd *cmd = ucmd->cmd;
	struct iommufd_device *idev;
	int rc = 0;

	idev = iommufd_get_device(ucmd, cmd->id);
	if (IS_ERR(idev))
		return PTR_ERR(idev);

	if (!iommufd_selftest_is_mock_dev(idev->dev)) {
		rc = -EINVAL;
		goto out_put_idev;
	}

	switch (cmd->op) {
	case IOMMU_TEST_OP_TSM_SET_KVM:
		iommufd_device_set_tsm_ops(idev, &mock_driver_ops,
					   mock_dev_tsm(idev->dev));
		iommufd_device_set_kvm(idev, cmd->tsm_set_kvm.present ?
						     MOCK_KVM :
						     NULL);
		break;
	case IOMMU_TEST_OP_TSM_CLOSE:
		/* VFIO's first step of a close, there is no way back */
		iommufd_device_tsm_close(idev);
		break;
	case IOMMU_TEST_OP_TSM_CTL:
		rc = mock_tsm_ctl(idev->dev, cmd);
		break;
	case IOMMU_TEST_OP_TSM_STATE:
		rc = mock_tsm_state(ucmd, idev);
		break;
	default:
		rc = -EOPNOTSUPP;
		break;
	}

out_put_idev:
	iommufd_put_object(ucmd->ictx, &idev->obj);
	return rc;
}

void mock_tsm_init(struct mock_tsm *mock)
{
	mutex_init(&mock->lock);
	mock->can_bind = true;
	mock->can_req = true;
	mock->tvm_arch = IOMMU_TEST_TVM_ARCH;
}

void mock_tsm_destroy(struct mock_tsm *mock)
{
	/* Who binds a device unbinds it before the device goes away */
	WARN_ON(mock->tdi && mock->tdi->client != &mock->other);

	mutex_lock(&mock->lock);
	if (mock->tdi)
		mock_tsm_unbind_locked(mock);
	mock_release_held(mock);
	mutex_unlock(&mock->lock);
	mutex_destroy(&mock->lock);
}
