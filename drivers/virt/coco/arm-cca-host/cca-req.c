// SPDX-License-Identifier: GPL-2.0-only
/*
 * Requests of a realm about a function that is bound: start it, map its MMIO,
 * evidence. The VMM has them from RHI calls of the realm.
 */
#define dev_fmt(fmt) "CCA: " fmt

#include <linux/build_bug.h>
#include <linux/io.h>
#include <linux/iommufd.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/pci.h>
#include <linux/random.h>
#include <linux/string.h>

#include "cca.h"

static int cca_req_set_tdi_state(struct cca_dsm *dsm, struct cca_vdev *v,
				 struct pci_tsm_req *req)
{
	const struct iommu_tsm_req_set_tdi_state *arg = req->req;
	int rc;

	if (req->req_len != sizeof(*arg))
		return -EINVAL;
	if (arg->state != IOMMU_TSM_TDI_RUN)
		return -EOPNOTSUPP;

	rc = cca_vdev_run(dsm, v, RMI_VDEV_START, 0);
	return rc ?: cca_vdev_expect(dsm, v, RMI_VDEV_STARTED);
}

/*
 * The realm asks to have MMIO mapped, and validates it itself. The address comes
 * from the memslot, never from who asks: what is delegated is lost for the host.
 */
static int cca_req_validate_mmio(struct cca_vdev *v, struct pci_tsm_req *req)
{
	const struct iommu_tsm_req_validate_mmio *arg = req->req;
	u64 pa, size;

	if (req->req_len != sizeof(*arg) || arg->gpa_base >= arg->gpa_top)
		return -EINVAL;
	size = arg->gpa_top - arg->gpa_base;
	if (v->vm->find_mmio(v->base.kvm, arg->gpa_base, size, &pa))
		return -EINVAL;
	if (arg->pa_base && arg->pa_base != pa)
		return -EINVAL;
	/* It may be of another device of the realm, or vectors */
	if (!pci_tsm_can_be_private(v->base.pdev, pa, size))
		return -EINVAL;
	if (!v->vm->map_mmio)
		return -EOPNOTSUPP;
	return v->vm->map_mmio(v->base.kvm, page_to_phys(v->granule),
			       arg->gpa_base, size, pa);
}

/**
 * cca_measure() - Get measurements
 * @dsm: the device
 * @v: the VDEV
 * @nonce: that they are for
 *
 * Context: DSM lock held.
 * Return: 0, or an error as of cca_comm_pdev(): then there are none.
 */
int cca_measure(struct cca_dsm *dsm, struct cca_vdev *v, const u8 *nonce)
{
	int rc;

	cca_object_clear(&v->meas);
	rmi_encode_measure_params(dsm->comm.req, nonce);
	rc = cca_vdev_run(dsm, v, RMI_VDEV_GET_MEASUREMENTS,
			  virt_to_phys(dsm->comm.req));
	if (rc)
		cca_object_clear(&v->meas);
	return rc;
}

/* Measurements are asked for when somebody wants them first */
static int cca_get_object(struct cca_dsm *dsm, struct cca_vdev *v, u32 type,
			  struct cca_object **obj)
{
	u8 nonce[RMI_MEASURE_NONCE_SIZE];

	switch (type) {
	case IOMMU_TSM_OBJECT_VCA:
		*obj = &dsm->vca;
		return 0;
	case IOMMU_TSM_OBJECT_CERT:
		*obj = &dsm->cert;
		return 0;
	case IOMMU_TSM_OBJECT_MEAS:
		*obj = &v->meas;
		if (v->meas.len)
			return 0;
		get_random_bytes(nonce, sizeof(nonce));
		return cca_measure(dsm, v, nonce);
	case IOMMU_TSM_OBJECT_REPORT:
		*obj = &v->report;
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

static int cca_req_read_object(struct cca_dsm *dsm, struct cca_vdev *v,
			       struct pci_tsm_req *req)
{
	const struct iommu_tsm_req_read_object *arg = req->req;
	struct cca_object *obj;
	int rc;

	if (req->req_len != sizeof(*arg))
		return -EINVAL;
	if (arg->__reserved)
		return -EOPNOTSUPP;
	rc = cca_get_object(dsm, v, arg->type, &obj);
	if (rc)
		return rc;
	if (arg->offset > obj->len)
		return -EINVAL;

	req->resp_len = min_t(u64, req->resp_size, obj->len - arg->offset);
	memcpy(req->resp, obj->data + arg->offset, req->resp_len);
	return 0;
}

static int cca_req_object_info(struct cca_dsm *dsm, struct cca_vdev *v,
			       struct pci_tsm_req *req)
{
	const struct iommu_tsm_req_object_info *arg = req->req;
	struct cca_object *obj;
	int rc;

	if (req->req_len != sizeof(*arg) || req->resp_size < sizeof(obj->len))
		return -EINVAL;
	rc = cca_get_object(dsm, v, arg->type, &obj);
	if (rc)
		return rc;

	memcpy(req->resp, &obj->len, sizeof(obj->len));
	req->resp_len = sizeof(obj->len);
	return 0;
}

/* The other objects are fixed while the device is connected or bound */
static int cca_req_regen_object(struct cca_dsm *dsm, struct cca_vdev *v,
				struct pci_tsm_req *req)
{
	const struct iommu_tsm_req_regen_object *arg = req->req;

	BUILD_BUG_ON(sizeof(arg->nonce) != RMI_MEASURE_NONCE_SIZE);

	if (req->req_len != sizeof(*arg))
		return -EINVAL;
	if (arg->type != IOMMU_TSM_OBJECT_MEAS || arg->flags)
		return -EOPNOTSUPP;
	return cca_measure(dsm, v, arg->nonce);
}

static int cca_req(struct cca_dsm *dsm, struct cca_vdev *v,
		   struct pci_tsm_req *req)
{
	switch (req->op) {
	case IOMMU_VDEVICE_TSM_REQ_VALIDATE_MMIO:
		return cca_req_validate_mmio(v, req);
	case IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE:
		return cca_req_set_tdi_state(dsm, v, req);
	case IOMMU_VDEVICE_TSM_REQ_READ_OBJECT:
		return cca_req_read_object(dsm, v, req);
	case IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT:
		return cca_req_regen_object(dsm, v, req);
	case IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO:
		return cca_req_object_info(dsm, v, req);
	default:
		return -EOPNOTSUPP;
	}
}

/**
 * cca_guest_req() - Do what a realm asks for
 * @base: the binding
 * @req: the request
 *
 * Context: DSM lock held.
 * Return: 0 or an error, with the status of the RMM in @req.
 */
int cca_guest_req(struct pci_tdi *base, struct pci_tsm_req *req)
{
	struct cca_dsm *dsm = to_cca_dsm(base->pdev);
	struct cca_vdev *v = to_cca_vdev(base);
	int rc, abort_rc;

	lockdep_assert_held(&dsm->tsm.lock);

	dsm->rmi.status = RMI_SUCCESS;
	dsm->rmi.client = base->client;
	rc = cca_req(dsm, v, req);
	dsm->rmi.client = NULL;
	req->tsm_code = dsm->rmi.status;
	if (!v->busy)
		return rc;

	/*
	 * An exchange that is not complete keeps all other functions of the device
	 * waiting. Aborted, the VDEV is in ERROR.
	 */
	abort_rc = cca_vdev_abort(dsm, v);
	if (abort_rc)
		pci_info(base->pdev, "VDEV not aborted: %d, status %llu\n",
			 abort_rc, dsm->rmi.status);
	pci_tsm_tdi_error(base);
	return rc;
}
