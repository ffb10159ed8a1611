// SPDX-License-Identifier: GPL-2.0-only
/*
 * Physical devices (PDEV) of the RMM, and the IDE stream between two of them, the
 * endpoint and its root port (DEN0137 A9.3): connect and disconnect.
 */
#define dev_fmt(fmt) "CCA: " fmt

#include <linux/bitfield.h>
#include <linux/io.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pci-doe.h>

#include "cca.h"

/*
 * The last exchange with a device may fail, and be aborted: then it can be
 * stopped without one.
 */
#define CCA_STOP_TRIES		2

u64 cca_pdev_pa(const struct cca_pdev *p)
{
	return page_to_phys(p->granule);
}

static u64 cca_routing_id(struct pci_dev *pdev)
{
	return (u64)pci_domain_nr(pdev->bus) << 16 | pci_dev_id(pdev);
}

static int cca_pdev_call(struct cca_dsm *dsm, struct cca_pdev *p, u32 fid,
			 u64 arg)
{
	struct rmi_regs regs = { .x = { 0, cca_pdev_pa(p), arg } };

	return rmi_call(&dsm->rmi, fid, &regs);
}

static int cca_pdev_expect(struct cca_dsm *dsm, struct cca_pdev *p,
			   enum rmi_pdev_state want)
{
	struct rmi_regs regs = { .x = { 0, cca_pdev_pa(p) } };
	int rc;

	rc = rmi_call(&dsm->rmi, RMI_PDEV_GET_STATE, &regs);
	if (rc)
		return rc;
	if (regs.x[1] == want)
		return 0;
	pci_info(p->pdev, "PDEV in state %llu, not %u\n", regs.x[1], want);
	return -EIO;
}

/* Exchange that a call has started, with the state that it should lead to */
static int cca_pdev_comm(struct cca_dsm *dsm, struct cca_pdev *p,
			 enum rmi_pdev_state want)
{
	int rc;

	rc = cca_comm_pdev(dsm, p);
	return rc ?: cca_pdev_expect(dsm, p, want);
}

/* The administrator sees what it costs that granules did not come back */
void cca_account(struct cca_dsm *dsm)
{
	pci_tsm_hold_memory(dsm->tsm.base_tsm.pdev,
			    dsm->rmi.lost * RMI_GRANULE_SIZE);
	dsm->rmi.lost = 0;
}

/* Nobody can use what the RMM keeps, nor free it */
static void cca_pdev_leak(struct cca_dsm *dsm, struct cca_pdev *p)
{
	unsigned long nr = 1 + p->mem.nr;

	pci_err(p->pdev, "PDEV kept by the RMM, %lu granules lost, status %llu\n",
		nr, dsm->rmi.status);
	pci_tsm_hold_memory(dsm->tsm.base_tsm.pdev, nr * RMI_GRANULE_SIZE);
	rmi_mem_init(&p->mem);
	p->granule = NULL;
	p->pdev = NULL;
}

static void cca_pdev_free(struct cca_dsm *dsm, struct cca_pdev *p)
{
	if (p->mem.nr) {
		cca_pdev_leak(dsm, p);
		return;
	}
	rmi_granule_free(&dsm->rmi, p->granule);
	p->granule = NULL;
	p->pdev = NULL;
}

static int cca_pdev_create(struct cca_dsm *dsm, struct cca_pdev *p,
			   struct pci_dev *pdev,
			   const struct rmi_pdev_params *params)
{
	void *page = dsm->comm.req;
	struct rmi_regs regs = {};
	struct page *granule;
	int rc;

	granule = rmi_granule_alloc(&dsm->rmi);
	if (IS_ERR(granule))
		return PTR_ERR(granule);
	p->pdev = pdev;
	p->granule = granule;
	rmi_mem_init(&p->mem);

	rmi_encode_pdev_params(page, params, dsm->rmi.variant);
	regs.x[1] = cca_pdev_pa(p);
	regs.x[2] = virt_to_phys(page);
	rc = rmi_call_mem(&dsm->rmi, RMI_PDEV_CREATE, &regs, &p->mem);
	if (rc) {
		if (!rmi_undo_create(&dsm->rmi, granule, &p->mem))
			cca_pdev_leak(dsm, p);
		p->granule = NULL;
		p->pdev = NULL;
		return rc;
	}
	/* An exchange is pending from the start */
	p->busy = true;
	return 0;
}

static int cca_pdev_abort(struct cca_dsm *dsm, struct cca_pdev *p)
{
	int rc;

	if (!p->busy)
		return 0;
	rc = cca_pdev_call(dsm, p, RMI_PDEV_ABORT, 0);
	/* It was complete, and nobody could say so */
	if (rc == -EIO && dsm->rmi.status == RMI_ERROR_DEVICE)
		rc = 0;
	if (!rc)
		p->busy = false;
	return rc;
}

static int cca_pdev_stop(struct cca_dsm *dsm, struct cca_pdev *p)
{
	int rc;

	for (int i = 0; i < CCA_STOP_TRIES; i++) {
		rc = cca_pdev_abort(dsm, p);
		rc = rc ?: cca_pdev_call(dsm, p, RMI_PDEV_STOP, 0);
		if (rc)
			return rc;
		p->busy = true;
		rc = cca_pdev_comm(dsm, p, RMI_PDEV_STOPPED);
		if (!rc)
			return 0;
		pci_dbg(p->pdev, "PDEV not stopped: %d, status %llu\n", rc,
			dsm->rmi.status);
	}
	return rc;
}

static void cca_pdev_destroy(struct cca_dsm *dsm, struct cca_pdev *p)
{
	struct rmi_regs regs = {};
	int rc;

	if (!p->granule)
		return;
	rc = cca_pdev_stop(dsm, p);
	if (!rc) {
		regs.x[1] = cca_pdev_pa(p);
		rc = rmi_call_mem(&dsm->rmi, RMI_PDEV_DESTROY, &regs, &p->mem);
	}
	if (rc)
		cca_pdev_leak(dsm, p);
	else
		cca_pdev_free(dsm, p);
}

/* Functions of the device, and virtual ones, have requester IDs next to its own */
static u32 cca_rid_top(struct pci_dev *pdev)
{
	int pos = pci_find_ext_capability(pdev, PCI_EXT_CAP_ID_SRIOV);
	int nr_vf = pci_sriov_get_totalvfs(pdev);
	u32 top = (pci_dev_id(pdev) | 7) + 1;
	u16 offset, stride;

	if (pos && nr_vf > 0) {
		pci_read_config_word(pdev, pos + PCI_SRIOV_VF_OFFSET, &offset);
		pci_read_config_word(pdev, pos + PCI_SRIOV_VF_STRIDE, &stride);
		top = max_t(u32, top, pci_dev_id(pdev) + offset +
				      stride * (nr_vf - 1) + 1);
	}
	return min_t(u32, top, U16_MAX);
}

static int cca_ep_create(struct cca_dsm *dsm)
{
	struct pci_dev *pdev = dsm->tsm.base_tsm.pdev;
	bool on_chip = pci_pcie_type(pdev) == PCI_EXP_TYPE_RC_END;
	u32 max_order = FIELD_GET(RMI_FEATURE_MAX_VDEVS_ORDER, dsm->features);
	struct rmi_pdev_params params = {
		.spdm = true,
		.category = on_chip ? RMI_PDEV_ENDPOINT_ON_CHIP :
				      RMI_PDEV_ENDPOINT_OFF_CHIP,
		.pdev_id = cca_routing_id(pdev),
		.routing_id = cca_routing_id(pdev),
		.rid_base = pci_dev_id(pdev),
		.rid_top = cca_rid_top(pdev),
		.hash = RMI_HASH_SHA_384,
	};

	params.max_vdevs_order = min_t(u32, max_order,
				       order_base_2(params.rid_top -
						    params.rid_base + 1));
	return cca_pdev_create(dsm, &dsm->ep, pdev, &params);
}

static int cca_ep_set_key(struct cca_dsm *dsm)
{
	struct rmi_public_key key;
	int rc;

	rc = cca_find_key(dsm->cert.data, dsm->cert.len, &key);
	rc = rc ?: rmi_encode_public_key(dsm->comm.req, &key);
	if (rc) {
		pci_info(dsm->ep.pdev, "no key of a kind that RMMs know\n");
		return rc;
	}
	rc = cca_pdev_call(dsm, &dsm->ep, RMI_PDEV_SET_PUBKEY,
			   virt_to_phys(dsm->comm.req));
	if (!rc)
		dsm->ep.busy = true;
	return rc;
}

/* Version, certificates, key, session */
static int cca_ep_up(struct cca_dsm *dsm)
{
	int rc;

	rc = cca_ep_create(dsm);
	rc = rc ?: cca_pdev_comm(dsm, &dsm->ep, RMI_PDEV_NEEDS_KEY);
	rc = rc ?: cca_ep_set_key(dsm);
	return rc ?: cca_pdev_comm(dsm, &dsm->ep, RMI_PDEV_READY);
}

static int cca_rp_up(struct cca_dsm *dsm)
{
	struct pci_dev *rp = pcie_find_root_port(dsm->ep.pdev);
	struct rmi_pdev_params params = {
		.category = RMI_PDEV_ROOT_PORT,
		.pdev_id = cca_routing_id(rp),
		.routing_id = cca_routing_id(rp),
		.rid_base = pci_dev_id(rp),
		.rid_top = min(pci_dev_id(rp) + 1, U16_MAX),
		.hash = RMI_HASH_SHA_384,
	};
	int rc;

	rc = cca_pdev_create(dsm, &dsm->rp, rp, &params);
	return rc ?: cca_pdev_comm(dsm, &dsm->rp, RMI_PDEV_READY);
}

static void cca_stream_range(struct rmi_stream_params *params,
			     const struct pci_bus_region *region)
{
	u64 top = (u64)region->end + 1;

	if (top <= region->start)
		return;
	params->ranges[params->nr_ranges].base = region->start;
	params->ranges[params->nr_ranges++].top = top;
}

static int cca_stream_call(struct cca_dsm *dsm, u32 fid)
{
	struct rmi_regs regs = { .x = { 0, cca_pdev_pa(&dsm->ep),
					cca_pdev_pa(&dsm->rp), dsm->stream } };

	return rmi_call(&dsm->rmi, fid, &regs);
}

/* The part that all changes of a stream end with */
static int cca_stream_finish(struct cca_dsm *dsm)
{
	int rc;

	rc = cca_comm_stream(dsm);
	rc = rc ?: cca_stream_call(dsm, RMI_STREAM_COMPLETE);
	if (!rc)
		dsm->stream_moving = false;
	return rc;
}

static void cca_stream_started(struct cca_dsm *dsm)
{
	dsm->stream_moving = true;
	dsm->ep.busy = true;
	dsm->rp.busy = true;
}

static int cca_stream_connect(struct cca_dsm *dsm)
{
	struct pci_ide_partner *rp = &dsm->ide->partner[PCI_IDE_RP];
	struct rmi_stream_params params = {
		.type = RMI_STREAM_NCOH,
		.pdev_1 = cca_pdev_pa(&dsm->ep),
		.pdev_2 = cca_pdev_pa(&dsm->rp),
		.ide_sid = dsm->ide->stream_id,
	};
	struct rmi_regs regs = {};
	int rc;

	cca_stream_range(&params, &rp->mem_assoc);
	cca_stream_range(&params, &rp->pref_assoc);
	rc = rmi_encode_stream_params(dsm->comm.req, &params);
	if (rc)
		return rc;
	regs.x[1] = virt_to_phys(dsm->comm.req);
	rc = rmi_call(&dsm->rmi, RMI_STREAM_CONNECT, &regs);
	if (rc)
		return rc;
	dsm->stream = regs.x[1];
	dsm->stream_live = true;
	cca_stream_started(dsm);
	return cca_stream_finish(dsm);
}

/* What is aborted has left the stream */
static int cca_stream_abort(struct cca_dsm *dsm)
{
	int rc;

	rc = cca_pdev_abort(dsm, &dsm->ep);
	rc = rc ?: cca_pdev_abort(dsm, &dsm->rp);
	if (!rc) {
		dsm->stream_moving = false;
		dsm->stream_live = false;
	}
	return rc;
}

static int cca_stream_disconnect(struct cca_dsm *dsm)
{
	int rc;

	if (!dsm->stream_live)
		return 0;
	if (dsm->ep.busy || dsm->rp.busy)
		return cca_stream_abort(dsm);
	if (dsm->stream_moving) {
		rc = cca_stream_call(dsm, RMI_STREAM_COMPLETE);
		if (rc)
			return rc;
		dsm->stream_moving = false;
	}

	rc = cca_stream_call(dsm, RMI_STREAM_DISCONNECT);
	if (rc)
		return rc;
	cca_stream_started(dsm);
	rc = cca_stream_finish(dsm);
	/* A device that does not answer has no say in it */
	if (rc && (dsm->ep.busy || dsm->rp.busy))
		return cca_stream_abort(dsm);
	if (!rc)
		dsm->stream_live = false;
	return rc;
}

/**
 * cca_key_refresh() - Change the keys of the stream, for an unlock that wants it
 * @dsm: the device
 * @fid: RMI_STREAM_KEY_REFRESH or RMI_STREAM_KEY_PURGE
 *
 * Context: DSM lock held.
 * Return: 0 or an error as of cca_comm_pdev().
 */
int cca_key_refresh(struct cca_dsm *dsm, u32 fid)
{
	int rc;

	lockdep_assert_held(&dsm->tsm.lock);

	if (!dsm->stream_live)
		return -ENXIO;
	rc = cca_stream_call(dsm, fid);
	if (rc)
		return rc;
	cca_stream_started(dsm);
	return cca_stream_finish(dsm);
}

/* The caller undoes it, on failure too */
static int cca_ide_up(struct cca_dsm *dsm)
{
	struct pci_dev *pdev = dsm->ep.pdev;
	struct pci_dev *rp = pcie_find_root_port(pdev);
	struct pci_ide *ide;
	int rc;

	ide = pci_ide_stream_alloc(pdev);
	if (!ide)
		return -ENOSPC;
	dsm->ide = ide;
	ide->stream_id = ide->host_bridge_stream;
	ide->partner[PCI_IDE_EP].default_stream = 1;

	/* In the order that pci_ide_stream_release() reverses */
	rc = pci_ide_stream_register(ide);
	if (rc)
		return rc;
	pci_ide_stream_setup(pdev, ide);
	pci_ide_stream_setup(rp, ide);

	rc = cca_rp_up(dsm);
	rc = rc ?: cca_stream_connect(dsm);
	rc = rc ?: pci_ide_stream_enable(pdev, ide);
	return rc ?: pci_ide_stream_enable(rp, ide);
}

/* Keys are not used any more before the stream is disabled */
static void cca_ide_down(struct cca_dsm *dsm)
{
	int rc;

	rc = cca_stream_disconnect(dsm);
	if (rc)
		pci_info(dsm->tsm.base_tsm.pdev,
			 "stream not disconnected: %d, status %llu\n", rc,
			 dsm->rmi.status);
	dsm->stream_live = false;
	dsm->stream_moving = false;
	cca_pdev_destroy(dsm, &dsm->rp);
	if (dsm->ide)
		pci_ide_stream_release(dsm->ide);
	dsm->ide = NULL;
}

/* Undo cca_dsm_up(), or the part of it that was done, in reverse order */
static void cca_dsm_down(struct cca_dsm *dsm)
{
	lockdep_assert_held(&dsm->tsm.lock);

	cca_ide_down(dsm);
	cca_pdev_destroy(dsm, &dsm->ep);
	cca_object_clear(&dsm->cert);
	cca_object_clear(&dsm->vca);
	cca_comm_free(dsm);
}

static bool cca_has_link(struct pci_dev *pdev)
{
	return pdev->ide_cap && pci_pcie_type(pdev) == PCI_EXP_TYPE_ENDPOINT;
}

/* The caller undoes it, on failure too */
static int cca_dsm_up(struct cca_dsm *dsm)
{
	int rc;

	rc = cca_comm_alloc(dsm);
	rc = rc ?: cca_ep_up(dsm);
	if (rc || !cca_has_link(dsm->ep.pdev))
		return rc;
	return cca_ide_up(dsm);
}

/**
 * cca_connect() - Make a device known to the RMM, with a session and a stream
 * @pdev: function 0
 *
 * Context: DSM lock held. Ended by fatal signals, between two messages.
 * Return: 0, or an error: then the RMM has nothing of it, or what it keeps is lost.
 */
int cca_connect(struct pci_dev *pdev)
{
	struct cca_dsm *dsm = to_cca_dsm(pdev);
	int rc;

	lockdep_assert_held(&dsm->tsm.lock);

	if (pci_find_doe_mailbox(pdev, PCI_VENDOR_ID_PCI_SIG,
				 PCI_DOE_FEATURE_SSESSION) !=
	    dsm->tsm.doe_mb) {
		pci_info(pdev, "no secured session in the CMA mailbox\n");
		return -ENXIO;
	}

	dsm->rmi.status = RMI_SUCCESS;
	dsm->rmi.killable = true;
	rc = cca_dsm_up(dsm);
	dsm->rmi.killable = false;
	if (rc) {
		pci_info_ratelimited(pdev, "connect failed: %d, status %llu\n",
				     rc, dsm->rmi.status);
		cca_dsm_down(dsm);
	}
	cca_account(dsm);
	return rc;
}

/**
 * cca_disconnect() - Undo cca_connect()
 * @pdev: function 0
 *
 * Context: DSM lock held, not interrupted by signals.
 */
void cca_disconnect(struct pci_dev *pdev)
{
	struct cca_dsm *dsm = to_cca_dsm(pdev);

	cca_held_retry(dsm);
	cca_dsm_down(dsm);
	cca_account(dsm);
}
