// SPDX-License-Identifier: GPL-2.0-only
/*
 * Policy of the soft TSM for the requests of a guest about its TDI. The core
 * has checked the architecture, iommufd the sizes; who else calls is not known
 * here, so the sizes are checked again.
 */
#include <linux/build_bug.h>
#include <linux/iommufd.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/pci.h>
#include <linux/pfn.h>
#include <linux/string.h>
#include <linux/tsm-vm.h>

#include "internal.h"

/* START was answered: the owner hears of it if the TDI is in ERROR all the same */
static int soft_tdi_started(struct soft_dsm *dsm, struct soft_tdi *tdi)
{
	u8 state;
	int rc;

	rc = soft_tdi_state(dsm, tdi->base.pdev, &state);
	if (rc)
		return rc;
	if (state == TDISP_STATE_ERROR)
		pci_tsm_tdi_error(&tdi->base);
	if (state != tdisp_next_state(TDISP_START_INTERFACE))
		return soft_outcome(dsm, SOFT_TSM_CODE_WRONG_STATE);
	return 0;
}

static int soft_req_set_tdi_state(struct soft_dsm *dsm, struct soft_tdi *tdi,
				  struct pci_tsm_req *req)
{
	const struct iommu_tsm_req_set_tdi_state *arg = req->req;
	struct pci_dev *pdev = tdi->base.pdev;
	struct tdisp_span body;
	size_t len;
	int rc;

	if (req->req_len != sizeof(*arg))
		return -EINVAL;
	if (arg->state != IOMMU_TSM_TDI_RUN)
		return -EOPNOTSUPP;

	len = tdisp_req_start(SOFT_VDM(dsm), soft_function_id(pdev),
			      tdi->nonce);
	rc = soft_tdisp(dsm, pdev, len, &body);
	if (rc)
		return rc;
	rc = soft_outcome(dsm, tdisp_rsp_empty(body));
	if (rc)
		return rc;
	return soft_tdi_started(dsm, tdi);
}

/*
 * What firmware would check before it lets the guest map the range. Bus addresses
 * are physical ones on a machine with a test device.
 */
static int soft_req_validate_mmio(struct soft_tdi *tdi, struct pci_tsm_req *req)
{
	const struct iommu_tsm_req_validate_mmio *arg = req->req;
	struct tdisp_span report = {
		.data = tdi->report.data,
		.len = tdi->report.len,
	};
	u64 pa, page, size;

	if (req->req_len != sizeof(*arg) || arg->gpa_base >= arg->gpa_top)
		return -EINVAL;
	size = arg->gpa_top - arg->gpa_base;
	if (tdi->vm->find_mmio(tdi->base.kvm, arg->gpa_base, size, &pa))
		return -EINVAL;

	page = PHYS_PFN(pa) + SOFT_TSM_MMIO_OFFSET;
	if (arg->pa_base && arg->pa_base != page << PAGE_SHIFT)
		return -EINVAL;
	if (!tdisp_report_has_tee(report, page, size >> PAGE_SHIFT))
		return -EINVAL;
	return 0;
}

static struct soft_obj *soft_find_obj(struct soft_dsm *dsm,
				      struct soft_tdi *tdi, u32 type)
{
	switch (type) {
	case IOMMU_TSM_OBJECT_VCA:
		return &dsm->vca;
	case IOMMU_TSM_OBJECT_CERT:
		return &dsm->cert;
	case IOMMU_TSM_OBJECT_MEAS:
		return &dsm->meas;
	case IOMMU_TSM_OBJECT_REPORT:
		return &tdi->report;
	default:
		return NULL;
	}
}

static int soft_req_read_object(struct soft_dsm *dsm, struct soft_tdi *tdi,
				struct pci_tsm_req *req)
{
	const struct iommu_tsm_req_read_object *arg = req->req;
	struct soft_obj *obj;

	if (req->req_len != sizeof(*arg))
		return -EINVAL;
	obj = soft_find_obj(dsm, tdi, arg->type);
	if (!obj || arg->__reserved)
		return -EOPNOTSUPP;
	if (arg->offset > obj->len)
		return -EINVAL;

	req->resp_len = min_t(u64, req->resp_size, obj->len - arg->offset);
	memcpy(req->resp, obj->data + arg->offset, req->resp_len);
	return 0;
}

static int soft_req_object_info(struct soft_dsm *dsm, struct soft_tdi *tdi,
				struct pci_tsm_req *req)
{
	const struct iommu_tsm_req_object_info *arg = req->req;
	struct soft_obj *obj;

	if (req->req_len != sizeof(*arg) || req->resp_size < sizeof(obj->len))
		return -EINVAL;
	obj = soft_find_obj(dsm, tdi, arg->type);
	if (!obj)
		return -EOPNOTSUPP;

	memcpy(req->resp, &obj->len, sizeof(obj->len));
	req->resp_len = sizeof(obj->len);
	return 0;
}

/* The other objects are fixed while the device is connected or bound */
static int soft_req_regen_object(struct soft_dsm *dsm, struct soft_tdi *tdi,
				 struct pci_tsm_req *req)
{
	const struct iommu_tsm_req_regen_object *arg = req->req;

	BUILD_BUG_ON(sizeof(arg->nonce) != SOFT_TSM_MEAS_NONCE_SIZE);

	if (req->req_len != sizeof(*arg))
		return -EINVAL;
	if (arg->type != IOMMU_TSM_OBJECT_MEAS || arg->flags)
		return -EOPNOTSUPP;
	return soft_measure(dsm, arg->nonce);
}

static int soft_msg_get_tdi_state(struct soft_dsm *dsm, struct soft_tdi *tdi,
				  struct pci_tsm_req *req)
{
	struct soft_tsm_msg_tdi_state rsp;
	u8 state;
	int rc;

	if (req->resp_size < sizeof(rsp))
		return -EINVAL;

	rc = soft_tdi_state(dsm, tdi->base.pdev, &state);
	if (rc)
		return rc;
	if (state == TDISP_STATE_ERROR)
		pci_tsm_tdi_error(&tdi->base);
	rsp.state = state;
	memcpy(req->resp, &rsp, sizeof(rsp));
	req->resp_len = sizeof(rsp);
	return 0;
}

static int soft_req_guest_msg(struct soft_dsm *dsm, struct soft_tdi *tdi,
			      struct pci_tsm_req *req)
{
	const struct soft_tsm_msg *msg = req->req;

	if (req->req_len < sizeof(*msg))
		return -EINVAL;
	if (msg->__reserved)
		return -EOPNOTSUPP;

	switch (msg->type) {
	case SOFT_TSM_MSG_GET_TDI_STATE:
		if (req->req_len != sizeof(*msg))
			return -EINVAL;
		return soft_msg_get_tdi_state(dsm, tdi, req);
	case SOFT_TSM_MSG_ENABLE_DMA:
		if (req->req_len != sizeof(*msg))
			return -EINVAL;
		return soft_trusted_dma(tdi, true);
	default:
		return -EOPNOTSUPP;
	}
}

static int soft_req(struct soft_dsm *dsm, struct soft_tdi *tdi,
		    struct pci_tsm_req *req)
{
	switch (req->op) {
	case IOMMU_VDEVICE_TSM_REQ_VALIDATE_MMIO:
		return soft_req_validate_mmio(tdi, req);
	case IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE:
		return soft_req_set_tdi_state(dsm, tdi, req);
	case IOMMU_VDEVICE_TSM_REQ_READ_OBJECT:
		return soft_req_read_object(dsm, tdi, req);
	case IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT:
		return soft_req_regen_object(dsm, tdi, req);
	case IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO:
		return soft_req_object_info(dsm, tdi, req);
	case IOMMU_VDEVICE_TSM_REQ_GUEST_MSG:
		return soft_req_guest_msg(dsm, tdi, req);
	default:
		return -EOPNOTSUPP;
	}
}

int soft_guest_req(struct pci_tdi *base, struct pci_tsm_req *req)
{
	struct soft_dsm *dsm = to_soft_dsm(base->pdev);
	int rc;

	lockdep_assert_held(&dsm->pf0.lock);

	dsm->code = 0;
	dsm->client = base->client;
	rc = soft_req(dsm, to_soft_tdi(base), req);
	dsm->client = NULL;
	req->tsm_code = dsm->code;
	return rc;
}
