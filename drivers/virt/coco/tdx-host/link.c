// SPDX-License-Identifier: GPL-2.0-only
/*
 * The link to a device: SPDM session, IDE stream and its keys, in the order in
 * which the TDX module wants them to come and go.
 *
 *	connect		TDH.SPDM.CREATE, .CONNECT, TDH.IDE.STREAM.CREATE, the
 *			endpoint is set up, .KM SETUP, the endpoint is enabled
 *	disconnect	.KM STOP, .BLOCK, [what is left of TDIs], .DELETE,
 *			TDH.SPDM.DISCONNECT, .DELETE
 *
 * The root port's half of the stream is programmed by the module.
 */
#define dev_fmt(fmt) "TDX Connect: " fmt

#include <linux/bitfield.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pci_regs.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "connect.h"

/* PCI_IDE_RESERVED_STREAM_ID is for nobody */
#define TDX_MAX_STREAM_ID	(PCI_IDE_RESERVED_STREAM_ID - 1)

/* FUNCTION_ID of TDISP: the requester ID, with the segment in flit mode */
u32 tdx_func_id(struct pci_dev *pdev)
{
	u32 id = FIELD_PREP(TDX_FUNC_ID_RID, pci_dev_id(pdev));

	if (pdev->fm_enabled)
		id |= TDX_FUNC_ID_SEGMENT_VALID |
		      FIELD_PREP(TDX_FUNC_ID_SEGMENT,
				 pci_domain_nr(pdev->bus));
	return id;
}

static u64 leaf_spdm_create(struct tdx_dsm *dsm, const void *arg, u64 *out)
{
	return tdh_spdm_create(tdx_func_id(dsm->pf0.base_tsm.pdev),
			       *(const u64 *)arg, out);
}

static u64 leaf_spdm_connect(struct tdx_dsm *dsm, const void *arg, u64 *out)
{
	const u64 *pa = arg;

	return tdh_spdm_connect(dsm->spdm_id, pa[0], __pa(dsm->resp),
				__pa(dsm->req), pa[1], out);
}

static u64 leaf_spdm_disconnect(struct tdx_dsm *dsm, const void *arg, u64 *out)
{
	return tdh_spdm_disconnect(dsm->spdm_id, __pa(dsm->resp),
				   __pa(dsm->req), out);
}

static u64 leaf_spdm_delete(struct tdx_dsm *dsm, const void *arg, u64 *out)
{
	return tdh_spdm_delete(dsm->spdm_id, *(const u64 *)arg, out);
}

static u64 leaf_stream_create(struct tdx_dsm *dsm, const void *arg, u64 *out)
{
	u64 rp_ide_id;

	return tdh_ide_stream_create(arg, out, &rp_ide_id);
}

static u64 leaf_stream_km(struct tdx_dsm *dsm, const void *arg, u64 *out)
{
	return tdh_ide_stream_km(dsm->spdm_id, dsm->stream_id,
				 *(const enum tdx_ide_km_op *)arg,
				 __pa(dsm->resp), __pa(dsm->req), out);
}

static u64 leaf_stream_block(struct tdx_dsm *dsm, const void *arg, u64 *out)
{
	return tdh_ide_stream_block(dsm->spdm_id, dsm->stream_id);
}

static u64 leaf_stream_delete(struct tdx_dsm *dsm, const void *arg, u64 *out)
{
	return tdh_ide_stream_delete(dsm->spdm_id, dsm->stream_id,
				     *(const u64 *)arg);
}

static int tdx_link_leaf(struct tdx_dsm *dsm, const char *name,
			 tdx_leaf_fn leaf, const void *arg, u64 *out)
{
	return tdx_leaf(dsm, dsm->pf0.base_tsm.pdev, name, leaf, arg, out);
}

/* What is not given back is the module's for good */
static void tdx_link_pages_free(struct tdx_dsm *dsm, struct tdx_pages *pages)
{
	struct pci_dev *pdev = dsm->pf0.base_tsm.pdev;
	size_t kept = tdx_pages_free(pages);

	if (!kept)
		return;
	pci_err(pdev, "%zu bytes kept for the TDX module, status %#llx\n", kept,
		dsm->status);
	pci_tsm_hold_memory(pdev, kept);
}

/* The pages that come back are those that went, or none */
static bool tdx_pages_match(const struct tdx_pages *pages, u64 released)
{
	u64 pa = page_to_phys(pages->nr == 1 ? pages->page[0] : pages->list);
	const __le64 *list = page_address(pages->list);

	if (released != TDX_HPA_ARRAY(pa, pages->nr))
		return false;
	if (pages->nr == 1)
		return true;
	for (unsigned int i = 0; i < pages->nr; i++) {
		unsigned int j;

		for (j = 0; j < pages->nr; j++)
			if (le64_to_cpu(list[j]) == page_to_phys(pages->page[i]))
				break;
		if (j == pages->nr)
			return false;
	}
	return true;
}

/* The caller undoes it, on failure too */
static int tdx_spdm_create(struct tdx_dsm *dsm)
{
	u64 mt;
	int rc;

	rc = tdx_pages_alloc(&dsm->spdm_mt, dsm->info->spdm_mt_pages);
	if (rc)
		return rc;
	mt = tdx_pages_give(&dsm->spdm_mt);
	rc = tdx_link_leaf(dsm, "TDH_SPDM_CREATE", leaf_spdm_create, &mt,
			   &dsm->spdm_id);
	if (rc) {
		if (rc == -EIO)
			tdx_pages_not_given(&dsm->spdm_mt);
		return rc;
	}
	dsm->spdm = true;
	return 0;
}

/*
 * Pages for device information are the host's, the module writes to them. No
 * more than for the call: the host has a copy.
 */
static int tdx_devinfo(struct tdx_dsm *dsm, u64 config)
{
	u64 pa[2] = { config };
	struct tdx_pages pages;
	u64 len;
	int rc;

	rc = tdx_pages_alloc(&pages, dsm->info->devinfo_pages);
	if (rc)
		return rc;
	pa[1] = tdx_pages_give(&pages);
	rc = tdx_link_leaf(dsm, "TDH_SPDM_CONNECT", leaf_spdm_connect, pa,
			   &len);
	tdx_pages_not_given(&pages);
	if (!rc)
		rc = tdx_blob_read(&dsm->devinfo, &pages, len);
	tdx_pages_free(&pages);
	return rc;
}

static int tdx_spdm_connect(struct tdx_dsm *dsm)
{
	struct tdx_spdm_config *config;
	int rc;

	config = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!config)
		return -ENOMEM;
	/* No heartbeat: nobody would send it */
	config->vmm_spdm_cap = cpu_to_le32(TDX_SPDM_CAP_KEY_UPD);
	config->cert_slot_mask = BIT(0);
	dsm->session = true;
	rc = tdx_devinfo(dsm, __pa(config));
	free_page((unsigned long)config);
	return rc;
}

/* Undo of both, or of what was done of it */
static void tdx_spdm_down(struct tdx_dsm *dsm)
{
	u64 out, release;

	tdx_blob_clear(&dsm->devinfo);
	/* With or without the consent of the device */
	if (dsm->session)
		tdx_link_leaf(dsm, "TDH_SPDM_DISCONNECT", leaf_spdm_disconnect,
			      NULL, &out);
	dsm->session = false;
	if (dsm->spdm) {
		release = tdx_pages_release_list(&dsm->spdm_mt);
		if (!tdx_link_leaf(dsm, "TDH_SPDM_DELETE", leaf_spdm_delete,
				   &release, &out) &&
		    tdx_pages_match(&dsm->spdm_mt, out))
			tdx_pages_take_back(&dsm->spdm_mt);
		dsm->spdm = false;
	}
	tdx_link_pages_free(dsm, &dsm->spdm_mt);
}

/*
 * What the root port is to be programmed with. TEE memory is prefetchable and
 * above 4 GiB: of the two windows of the port only that one can have any, and
 * the module takes one.
 */
static void tdx_stream_describe(struct tdx_dsm *dsm,
				struct tdx_ide_stream *stream)
{
	struct pci_ide_partner *partner = &dsm->ide->partner[PCI_IDE_RP];
	struct pci_dev *pdev = dsm->ide->pdev;
	struct pci_dev *rp = pcie_find_root_port(pdev);
	struct pci_ide_regs regs;
	u16 last;

	/* The other functions of the device, of which the core knows VFs only */
	last = PCI_DEVID(pdev->bus->number, PCI_DEVFN(PCI_SLOT(pdev->devfn), 7));
	partner->rid_end = max(partner->rid_end, last);
	partner->mem_assoc = (struct pci_bus_region){ 0, -1 };
	pci_ide_stream_to_regs(rp, dsm->ide, &regs);

	*stream = (struct tdx_ide_stream){
		.rp_info = FIELD_PREP(TDX_IDE_RP_DEVFN, rp->devfn) |
			   TDX_IDE_RP_SELECTIVE,
		.spdm_id = dsm->spdm_id,
		.control = FIELD_PREP(PCI_IDE_SEL_CTL_ID,
				      dsm->ide->host_bridge_stream),
		.rid = { regs.rid1, regs.rid2 },
	};
	if (!regs.nr_addr)
		return;
	stream->addr[0] = regs.addr[0].assoc1;
	stream->addr[1] = regs.addr[0].assoc2;
	stream->addr[2] = regs.addr[0].assoc3;
}

static int tdx_stream_create(struct tdx_dsm *dsm)
{
	struct tdx_ide_stream stream;
	int rc;

	rc = tdx_pages_alloc(&dsm->ide_mt, dsm->info->ide_mt_pages);
	if (rc)
		return rc;
	tdx_stream_describe(dsm, &stream);
	stream.mt = tdx_pages_give(&dsm->ide_mt);
	rc = tdx_link_leaf(dsm, "TDH_IDE_STREAM_CREATE", leaf_stream_create,
			   &stream, &dsm->stream_id);
	if (rc) {
		if (rc == -EIO)
			tdx_pages_not_given(&dsm->ide_mt);
		return rc;
	}
	dsm->stream = true;
	return dsm->stream_id <= TDX_MAX_STREAM_ID ? 0 : -EBADMSG;
}

/* Nothing gets through the stream from then on, and it stays that way */
int tdx_stream_block(struct tdx_dsm *dsm)
{
	u64 out;
	int rc;

	if (!dsm->stream || dsm->blocked)
		return 0;
	rc = tdx_link_leaf(dsm, "TDH_IDE_STREAM_BLOCK", leaf_stream_block, NULL,
			   &out);
	dsm->blocked = !rc;
	return rc;
}

static void tdx_stream_delete(struct tdx_dsm *dsm)
{
	bool blocked = dsm->stream && !tdx_stream_block(dsm);
	u64 out, release;

	/* In any case: nobody knows of @dsm->tdis after this */
	tdx_held_retry(dsm);
	if (blocked) {
		release = tdx_pages_release_list(&dsm->ide_mt);
		if (!tdx_link_leaf(dsm, "TDH_IDE_STREAM_DELETE",
				   leaf_stream_delete, &release, &out))
			tdx_pages_take_back(&dsm->ide_mt);
	}
	dsm->stream = false;
	dsm->blocked = false;
	tdx_link_pages_free(dsm, &dsm->ide_mt);
}

/* Undo tdx_ide_up(), or what was done of it */
static void tdx_ide_down(struct tdx_dsm *dsm)
{
	const enum tdx_ide_km_op stop = TDX_IDE_KM_STOP;
	u64 out;

	if (!dsm->ide)
		return;
	/* Of a stream that is blocked there is nothing left to stop */
	if (dsm->keys && !dsm->blocked)
		tdx_link_leaf(dsm, "TDH_IDE_STREAM_KM", leaf_stream_km, &stop,
			      &out);
	dsm->keys = false;
	tdx_stream_delete(dsm);
	pci_ide_stream_release(dsm->ide);
	dsm->ide = NULL;
}

/* The caller undoes it, on failure too */
static int tdx_ide_up(struct tdx_dsm *dsm)
{
	const enum tdx_ide_km_op setup = TDX_IDE_KM_SETUP;
	struct pci_dev *pdev = dsm->pf0.base_tsm.pdev;
	u64 out;
	int rc;

	/* A root complex integrated endpoint has no link */
	if (!pdev->ide_cap || pci_pcie_type(pdev) != PCI_EXP_TYPE_ENDPOINT)
		return 0;

	dsm->ide = pci_ide_stream_alloc(pdev);
	if (!dsm->ide)
		return -ENOSPC;
	rc = tdx_stream_create(dsm);
	if (rc)
		return rc;
	dsm->ide->stream_id = dsm->stream_id;
	dsm->ide->partner[PCI_IDE_EP].default_stream = 1;
	rc = pci_ide_stream_register(dsm->ide);
	if (rc)
		return rc;
	pci_ide_stream_setup(pdev, dsm->ide);

	dsm->keys = true;
	rc = tdx_link_leaf(dsm, "TDH_IDE_STREAM_KM", leaf_stream_km, &setup,
			   &out);
	if (rc)
		return rc;
	return pci_ide_stream_enable(pdev, dsm->ide);
}

static int tdx_up(struct tdx_dsm *dsm)
{
	int rc;

	dsm->req = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	dsm->resp = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!dsm->req || !dsm->resp)
		return -ENOMEM;
	rc = tdx_spdm_create(dsm);
	rc = rc ?: tdx_spdm_connect(dsm);
	return rc ?: tdx_ide_up(dsm);
}

static void tdx_down(struct tdx_dsm *dsm)
{
	tdx_ide_down(dsm);
	tdx_spdm_down(dsm);
	free_page((unsigned long)dsm->resp);
	free_page((unsigned long)dsm->req);
	dsm->resp = NULL;
	dsm->req = NULL;
}

/**
 * tdx_connect() - Open a session with a device, and an IDE stream
 * @pdev: function 0
 *
 * Context: DSM lock held. A fatal signal ends it between two messages.
 * Return: 0, or an error, then there is neither.
 */
int tdx_connect(struct pci_dev *pdev)
{
	struct tdx_dsm *dsm = to_tdx_dsm(pdev);
	int rc;

	lockdep_assert_held(&dsm->pf0.lock);

	dsm->status = 0;
	dsm->killable = true;
	rc = tdx_up(dsm);
	dsm->killable = false;
	if (rc) {
		pci_info_ratelimited(pdev, "connect failed: %d, status %#llx\n",
				     rc, dsm->status);
		tdx_down(dsm);
	}
	return rc;
}

/**
 * tdx_disconnect() - Undo tdx_connect()
 * @pdev: function 0
 *
 * A device that does not answer is left to itself: the stream is blocked in any
 * case, and the module needs nobody's consent to delete what it has.
 *
 * Context: DSM lock held.
 */
void tdx_disconnect(struct pci_dev *pdev)
{
	struct tdx_dsm *dsm = to_tdx_dsm(pdev);

	lockdep_assert_held(&dsm->pf0.lock);
	tdx_down(dsm);
}
