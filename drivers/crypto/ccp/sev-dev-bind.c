// SPDX-License-Identifier: GPL-2.0-only
/*
 * TEE device interfaces (TDIs) of SEV-TIO for the TSM core: bind, requests of
 * the guest, unbind, in the order that the firmware wants, see
 * Documentation/driver-api/pci/sev-tio.rst.
 *
 * The rule of it all: a TDI whose DMA hits what is no longer the guest's fences
 * all I/O of the guest. So the PSP takes the TDI back first, then the device has
 * to say itself that it is unlocked, and what the guest had is taken away after
 * that. Where either is missing, the function is quarantined, and all that the
 * PSP may still own is kept: context pages, and the RMP entries of the BARs.
 */
#define dev_fmt(fmt) "SEV-TIO: " fmt

#include <linux/bitfield.h>
#include <linux/cleanup.h>
#include <linux/gfp.h>
#include <linux/iommufd.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pfn.h>
#include <linux/psp.h>
#include <linux/random.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/tsm.h>
#include <trace/events/tsm.h>

#include <asm/sev.h>

#include "sev-dev.h"
#include "sev-dev-tdi.h"

/*
 * Tries of an unforced unbind. The one after an exchange that failed may have to
 * end it first.
 */
#define TIO_UNBIND_TRIES	3

#define TIO_FUNCTION_SEGMENT		GENMASK(23, 16)
#define TIO_FUNCTION_SEGMENT_VALID	BIT(24)

#define TIO_FENCE_DMA_NONE		0
#define TIO_FENCE_DMA_ERROR		1
#define TIO_FENCE_DMA_DEFAULT		3
#define TIO_FENCE_MMIO_FENCED		3

#define TIO_MEAS_NONCE_SIZE		32

/* Messages of a guest about a TDI, the response is the next number */
enum tio_msg_type {
	TIO_MSG_TDI_INFO_REQ = 19,
	TIO_MSG_MMIO_VALIDATE_REQ = 21,
	TIO_MSG_MMIO_CONFIG_REQ = 23,
	TIO_MSG_SDTE_WRITE_REQ = 25,
};

/**
 * struct tio_mmio - MMIO of a TDI that the RMP has as the guest's
 * @node: in tio_bound::mmio
 * @pfn: first page
 * @npages: number of pages
 */
struct tio_mmio {
	struct list_head node;
	u64 pfn;
	u64 npages;
};

/**
 * struct tio_bound - A function that is bound, or could not be unbound
 * @base: what the core knows. Of one that could not be unbound, @base.pdev with
 *	  a reference
 * @tdi: what the PSP knows
 * @node: in tio_dsm::tdis, or in the list of what is lost
 * @vm: what KVM does for the VM, NULL once that is done
 * @mmio: struct tio_mmio
 * @report: device interface report, fixed from LOCK on
 * @asked: the PSP was asked to bind it
 * @ran: the PSP was asked to start it
 * @stopped: it is the PSP's no longer, and the device says that it is unlocked
 * @dma: the owner lets it reach private memory
 */
struct tio_bound {
	struct pci_tdi base;
	struct tio_tdi tdi;
	struct list_head node;
	const struct tsm_vm_provider *vm;
	struct list_head mmio;
	struct tio_evidence report;
	bool asked;
	bool ran;
	bool stopped;
	bool dma;
};

/* A function other than function 0 */
struct tio_sub {
	struct pci_tsm tsm;
};

/* What firmware may own for good: nobody is left who could ask for it */
static DEFINE_MUTEX(tio_lost_lock);
static LIST_HEAD(tio_lost);

static struct tio_dsm *to_tio_dsm(struct pci_dev *pdev)
{
	struct pci_tsm *tsm = pdev->tsm->dsm_dev->tsm;

	return container_of(tsm, struct tio_dsm, tsm.base_tsm);
}

static struct tio_bound *to_tio_bound(struct pci_tdi *tdi)
{
	return container_of(tdi, struct tio_bound, base);
}

/* FUNCTION_ID of TDISP: the requester ID, with the segment in flit mode */
static u32 tio_function_id(struct pci_dev *pdev)
{
	u32 id = pci_dev_id(pdev);

	if (pdev->fm_enabled)
		id |= TIO_FUNCTION_SEGMENT_VALID |
		      FIELD_PREP(TIO_FUNCTION_SEGMENT,
				 pci_domain_nr(pdev->bus));
	return id;
}

static void tio_evidence_clear(struct tio_evidence *ev)
{
	kvfree(ev->data);
	ev->data = NULL;
	ev->len = 0;
}

/* Keep what the last command put out */
static int tio_evidence_take(struct tio_dsm *dsm, struct tio_evidence *ev,
			     u32 id)
{
	void *data;
	u32 len;
	int rc;

	rc = tio_read_output(dsm, id, &data, &len);
	if (rc)
		return rc;
	tio_evidence_clear(ev);
	ev->data = data;
	ev->len = len;
	return 0;
}

/* Forget what is known of a device, and give back what only that was for */
void tio_evidence_free(struct tio_dsm *dsm)
{
	lockdep_assert_held(&dsm->tsm.lock);

	tio_evidence_clear(&dsm->cert);
	tio_evidence_clear(&dsm->meas);
	snp_free_firmware_page(dsm->guest_resp);
	dsm->guest_resp = NULL;
}

static int tio_state(struct tio_dsm *dsm, struct tio_bound *b, u8 *state)
{
	int rc;

	rc = tio_tdi_status(dsm, &b->tdi, state);
	if (!rc)
		trace_tsm_tdi_state(b->base.pdev, *state);
	return rc;
}

/* Does the device say that the TDI is in this state? */
static int tio_expect_state(struct tio_dsm *dsm, struct tio_bound *b, u8 want)
{
	u8 state;
	int rc;

	rc = tio_state(dsm, b, &state);
	if (rc)
		return rc;
	if (state == want)
		return 0;
	pci_info(b->base.pdev, "TDI in state %u, not %u\n", state, want);
	return -EIO;
}

/* A range of MMIO at a time: it has a page or many thousands */
static void tio_trace_rmp(struct tio_bound *b, const char *name, int rc,
			  u64 start)
{
	trace_tsm_fw_call(&b->base.pdev->dev, name, rc, 0, start);
}

static int tio_mmio_share_range(struct tio_mmio *mmio)
{
	for (; mmio->npages; mmio->npages--) {
		if (rmp_make_shared(mmio->pfn + mmio->npages - 1, PG_LEVEL_4K))
			return -EIO;
		cond_resched();
	}
	return 0;
}

/*
 * Undo of MMIO: after the TDI was stopped, and nobody maps it any more. What the
 * RMP keeps is left in the list.
 */
static int tio_mmio_share(struct tio_bound *b)
{
	struct tio_mmio *mmio, *next;

	list_for_each_entry_safe(mmio, next, &b->mmio, node) {
		u64 start = tio_trace_start();
		int rc;

		rc = tio_mmio_share_range(mmio);
		tio_trace_rmp(b, "RMPUPDATE_SHARED", rc, start);
		if (rc)
			return rc;
		list_del(&mmio->node);
		kfree(mmio);
	}
	return 0;
}

static bool tio_mmio_overlaps(struct tio_bound *b, u64 pfn, u64 npages)
{
	struct tio_mmio *mmio;

	list_for_each_entry(mmio, &b->mmio, node)
		if (pfn < mmio->pfn + mmio->npages && mmio->pfn < pfn + npages)
			return true;
	return false;
}

/*
 * Have the RMP give MMIO to the guest: it has to be the guest's, in pages of
 * 4 KiB and immutable, before the PSP validates it on a message of the guest.
 */
static int tio_mmio_assign(struct tio_bound *b, u64 gpa, u64 pfn, u64 npages)
{
	u64 start = tio_trace_start();
	struct tio_mmio *mmio;

	mmio = kzalloc_obj(*mmio, GFP_KERNEL_ACCOUNT);
	if (!mmio)
		return -ENOMEM;
	mmio->pfn = pfn;
	list_add(&mmio->node, &b->mmio);

	for (; mmio->npages < npages; mmio->npages++) {
		/* Says -EFAULT, which is for bad addresses of user space */
		if (rmp_make_private(pfn + mmio->npages,
				     gpa + PFN_PHYS(mmio->npages), PG_LEVEL_4K,
				     b->tdi.asid, true))
			goto err;
		cond_resched();
	}
	tio_trace_rmp(b, "RMPUPDATE_PRIVATE", 0, start);
	return 0;

err:
	tio_trace_rmp(b, "RMPUPDATE_PRIVATE", -EIO, start);
	/*
	 * What has become the guest's stays that until the TDI is unbound: the
	 * list has it.
	 */
	if (!mmio->npages) {
		list_del(&mmio->node);
		kfree(mmio);
	}
	return -EIO;
}

/* Is it worth another try, or did the PSP refuse? */
static bool tio_unbind_again(struct tio_dsm *dsm, int rc)
{
	if (rc == -EIO)
		return dsm->data.psp_ret == SEV_RET_SPDM_ERROR;
	return rc == -ETIMEDOUT;
}

static int tio_unbind_graceful(struct tio_dsm *dsm, struct tio_bound *b)
{
	int rc;

	for (int i = 0; i < TIO_UNBIND_TRIES; i++) {
		rc = tio_tdi_unbind(dsm, &b->tdi, false);
		if (!rc || !pci_device_is_present(b->base.pdev) ||
		    !tio_unbind_again(dsm, rc))
			break;
	}
	return rc;
}

/*
 * Have the PSP take the TDI back. If a bind has failed, it may have none, and says
 * so: the device has to confirm it.
 */
static int tio_stop_psp(struct tio_dsm *dsm, struct tio_bound *b)
{
	int rc;

	rc = tio_unbind_graceful(dsm, b);
	if (rc == -EIO &&
	    dsm->data.psp_ret == SEV_RET_SEV_STATUS_INVALID_TDI_STATE)
		rc = tio_expect_state(dsm, b, TIO_TDISP_UNLOCKED);
	if (rc)
		rc = tio_tdi_unbind(dsm, &b->tdi, true);
	return rc;
}

/* What counts is what the device says after that */
static int tio_stop(struct tio_dsm *dsm, struct tio_bound *b)
{
	int rc;

	if (b->stopped)
		return 0;
	/* Whatever state it is in, it is not one that the PSP was asked for */
	if (!b->asked) {
		b->stopped = true;
		return 0;
	}
	rc = tio_stop_psp(dsm, b);
	if (rc)
		return rc;
	rc = tio_expect_state(dsm, b, TIO_TDISP_UNLOCKED);
	/* The PSP has let go, and there is nothing left of the device */
	if (rc && pci_device_is_present(b->base.pdev))
		return rc;
	b->stopped = true;
	return 0;
}

static int tio_reclaim(struct tio_dsm *dsm, struct tio_bound *b)
{
	if (!b->tdi.ctx.sla)
		return 0;
	return tio_tdi_reclaim(dsm, &b->tdi);
}

static bool tio_guest_has_tdis(struct tio_dsm *dsm, u32 asid)
{
	struct tio_bound *b;

	/* What is held has no guest any more, and its ASID may be another one's */
	list_for_each_entry(b, &dsm->tdis, node)
		if (b->vm && b->tdi.asid == asid)
			return true;
	return false;
}

/*
 * A fault of a TDI has closed the root complex to the guest. That can be undone
 * when the guest has no TDI of the device any more. It is of no consequence for
 * this TDI if it cannot.
 */
static void tio_fence_recover(struct tio_dsm *dsm, struct tio_bound *b)
{
	struct pci_dev *pdev = b->base.pdev;
	u64 status, dma, mmio;
	int rc;

	if (!b->ran || tio_guest_has_tdis(dsm, b->tdi.asid))
		return;

	rc = tio_fence_status(dsm, b->tdi.asid, &status);
	if (rc) {
		pci_warn(pdev, "no fence status of ASID %u: %d, status %#x\n",
			 b->tdi.asid, rc, dsm->data.psp_ret);
		return;
	}
	dma = FIELD_GET(TIO_FENCE_DMA, status);
	mmio = FIELD_GET(TIO_FENCE_MMIO, status);
	/* Without TDIs, all are fenced by default */
	if (dma == TIO_FENCE_DMA_DEFAULT ||
	    (dma == TIO_FENCE_DMA_NONE && mmio != TIO_FENCE_MMIO_FENCED))
		return;

	pci_warn(pdev, "ASID %u is fenced, DMA %llu, MMIO %llu\n", b->tdi.asid,
		 dma, mmio);
	rc = tio_fence_clear(dsm, b->tdi.gctx_paddr);
	if (rc)
		pci_err(pdev, "ASID %u stays fenced: %d, status %#x\n",
			b->tdi.asid, rc, dsm->data.psp_ret);
}

static size_t tio_ctx_size(struct tio_dsm *dsm)
{
	return PAGE_ALIGN(dsm->sev->tio_status->tdictx_size);
}

static void tio_bound_free(struct tio_bound *b)
{
	if (b->vm)
		tsm_vm_put(b->vm);
	tio_evidence_clear(&b->report);
	WARN_ON_ONCE(b->tdi.ctx.sla || !list_empty(&b->mmio));
	kfree(b);
}

/* What the PSP says to it, for whoever has to find out */
static void tio_log_psp(struct tio_dsm *dsm, struct tio_bound *b)
{
	struct pci_dev *pdev = b->base.pdev;
	struct tio_dev_status dev;
	struct tio_tdi_info info;

	if (b->tdi.ctx.sla && !tio_tdi_info(dsm, &b->tdi, &info))
		pci_info(pdev, "PSP has TDI in status %lu, for ASID %u\n",
			 FIELD_GET(TIO_TDI_INFO_STATUS, info.meas_flags),
			 info.asid);
	if (!tio_dev_status(dsm, &dev))
		pci_info(pdev, "PSP has %u TDIs, %u bound, flags %#x, command %#x pending\n",
			 dev.tdi_count, dev.bound_tdi_count, dev.flags,
			 dev.request_pending_command);
}

/* The PSP may own what belongs to the TDI: keep it, until the PSP lets go */
static void tio_hold(struct tio_dsm *dsm, struct tio_bound *b)
{
	struct pci_dev *pdev = b->base.pdev;

	pci_warn(pdev, "TDI kept, %s, %s\n",
		 b->stopped ? "stopped" : "not stopped",
		 b->tdi.ctx.sla ? "with its context" : "without context");
	tio_log_psp(dsm, b);
	if (b->tdi.ctx.sla)
		pci_tsm_hold_memory(pdev, tio_ctx_size(dsm));
	pci_dev_get(pdev);
	b->base.client = NULL;
	b->base.kvm = NULL;
	tsm_vm_put(b->vm);
	b->vm = NULL;
	tio_evidence_clear(&b->report);
	if (list_empty(&b->node))
		list_add(&b->node, &dsm->tdis);
}

static int tio_take_back(struct tio_dsm *dsm, struct tio_bound *b)
{
	int rc;

	rc = tio_stop(dsm, b);
	rc = rc ?: tio_reclaim(dsm, b);
	return rc ?: tio_mmio_share(b);
}

static bool tio_same_fn(struct pci_dev *a, struct pci_dev *b)
{
	return pci_domain_nr(a->bus) == pci_domain_nr(b->bus) &&
	       pci_dev_id(a) == pci_dev_id(b);
}

/*
 * The device is about to be disconnected: the last time that the PSP can be asked
 * for TDIs that it kept. What it still keeps is lost.
 */
void tio_held_retry(struct tio_dsm *dsm)
{
	struct tio_bound *b, *next;

	lockdep_assert_held(&dsm->tsm.lock);

	list_for_each_entry_safe(b, next, &dsm->tdis, node) {
		struct pci_dev *pdev = b->base.pdev;
		bool ctx = b->tdi.ctx.sla;
		int rc;

		rc = tio_take_back(dsm, b);
		if (ctx && !b->tdi.ctx.sla)
			pci_tsm_hold_memory(pdev, -(long)tio_ctx_size(dsm));
		if (rc) {
			pci_err(pdev, "TDI lost: %d, status %#x\n", rc,
				dsm->data.psp_ret);
			guard(mutex)(&tio_lost_lock);
			list_move(&b->node, &tio_lost);
			continue;
		}
		/* Its guest may be gone, which had the fence, if there was one */
		list_del_init(&b->node);
		pci_tsm_quarantine_release(pdev);
		tio_bound_free(b);
		pci_dev_put(pdev);
	}
}

/*
 * A function that was removed with a TDI that is held comes back, and the device has
 * stayed connected: it is the new one that waits for it.
 */
static void tio_held_move(struct tio_dsm *dsm, struct pci_dev *pdev)
{
	struct tio_bound *b;

	lockdep_assert_held(&dsm->tsm.lock);

	list_for_each_entry(b, &dsm->tdis, node) {
		struct pci_dev *old = b->base.pdev;

		if (b->vm || old == pdev || !tio_same_fn(old, pdev))
			continue;
		b->base.pdev = pci_dev_get(pdev);
		b->tdi.pdev = pdev;
		if (b->tdi.ctx.sla) {
			pci_tsm_hold_memory(pdev, tio_ctx_size(dsm));
			pci_tsm_hold_memory(old, -(long)tio_ctx_size(dsm));
		}
		pci_tsm_quarantine(pdev);
		pci_dev_put(old);
	}
}

/* A function that was removed with a TDI that is lost comes back as another one */
void tio_held_adopt(struct pci_dev *pdev)
{
	struct tio_bound *b;

	guard(mutex)(&tio_lost_lock);
	list_for_each_entry(b, &tio_lost, node)
		if (b->base.pdev != pdev && tio_same_fn(b->base.pdev, pdev))
			pci_tsm_quarantine(pdev);
}

struct pci_tsm *tio_sub_probe(struct pci_dev *pdev, struct tsm_dev *tsmdev)
{
	struct tio_sub *sub __free(kfree) = kzalloc_obj(*sub);

	if (!sub)
		return NULL;
	if (pci_tsm_link_constructor(pdev, &sub->tsm, tsmdev))
		return NULL;
	tio_held_move(to_tio_dsm(sub->tsm.dsm_dev), pdev);
	tio_held_adopt(pdev);
	return &no_free_ptr(sub)->tsm;
}

void tio_sub_remove(struct pci_tsm *tsm)
{
	kfree(container_of(tsm, struct tio_sub, tsm));
}

/*
 * The PSP is said to put the report out when it binds, too. If it does not, the
 * report of another TDI may still be there: ask for it.
 */
static int tio_take_report(struct tio_dsm *dsm, struct tio_bound *b)
{
	int rc;

	rc = tio_tdi_report(dsm, &b->tdi);
	if (rc)
		return rc;
	return tio_evidence_take(dsm, &b->report, SPDM_DOBJ_ID_REPORT);
}

static int tio_lock(struct tio_dsm *dsm, struct tio_bound *b)
{
	int rc;

	/* Otherwise it is somebody else who locked it, and may unlock it */
	rc = tio_expect_state(dsm, b, TIO_TDISP_UNLOCKED);
	if (rc)
		return rc;

	b->asked = true;
	rc = tio_tdi_bind(dsm, &b->tdi, b->base.tdi_id, false);
	if (rc)
		return rc;
	rc = tio_take_report(dsm, b);
	if (rc)
		return rc;
	return tio_expect_state(dsm, b, TIO_TDISP_LOCKED);
}

static struct tio_bound *tio_bound_alloc(struct kvm *kvm)
{
	const struct tsm_vm_provider *vm;
	struct tsm_vm_handle handle;
	struct tio_bound *b;
	int rc;

	vm = tsm_vm_get(TSM_VM_SNP, kvm);
	if (IS_ERR(vm))
		return ERR_CAST(vm);
	rc = vm->get_handle(kvm, &handle);
	if (rc)
		goto err_put_vm;

	b = kzalloc_obj(*b, GFP_KERNEL_ACCOUNT);
	if (!b) {
		rc = -ENOMEM;
		goto err_put_vm;
	}
	b->vm = vm;
	b->tdi.gctx_paddr = handle.snp.gctx_paddr;
	b->tdi.asid = handle.snp.asid;
	INIT_LIST_HEAD(&b->node);
	INIT_LIST_HEAD(&b->mmio);
	return b;

err_put_vm:
	tsm_vm_put(vm);
	return ERR_PTR(rc);
}

/**
 * tio_bind() - Lock a function for a guest
 * @pdev: function of a device that is connected
 * @client: owner of the binding
 * @kvm: SNP guest
 * @tdi_id: requester ID of the function in the guest
 *
 * Context: DSM lock held.
 * Return: the binding, or an error: then the function is as before, or
 * quarantined.
 */
struct pci_tdi *tio_bind(struct pci_dev *pdev, struct pci_tsm_client *client,
			 struct kvm *kvm, u32 tdi_id)
{
	struct tio_dsm *dsm = to_tio_dsm(pdev);
	struct tio_bound *b;
	int rc, undo;

	lockdep_assert_held(&dsm->tsm.lock);

	if (tdi_id > U16_MAX)
		return ERR_PTR(-ERANGE);
	b = tio_bound_alloc(kvm);
	if (IS_ERR(b))
		return ERR_CAST(b);

	b->tdi.pdev = pdev;
	rc = tio_tdi_create(dsm, &b->tdi, tio_function_id(pdev));
	if (rc) {
		pci_info_ratelimited(pdev, "no TDI: %d, status %#x\n", rc,
				     dsm->data.psp_ret);
		tio_bound_free(b);
		return ERR_PTR(rc);
	}
	pci_tsm_tdi_constructor(pdev, &b->base, client, kvm, tdi_id);

	dsm->client = client;
	rc = tio_lock(dsm, b);
	dsm->client = NULL;
	if (!rc) {
		list_add(&b->node, &dsm->tdis);
		return &b->base;
	}

	pci_info_ratelimited(pdev, "bind failed: %d, status %#x\n", rc,
			     dsm->data.psp_ret);
	undo = tio_take_back(dsm, b);
	if (undo) {
		pci_info(pdev, "TDI not taken back: %d, status %#x\n", undo,
			 dsm->data.psp_ret);
		tio_hold(dsm, b);
		pci_tsm_quarantine(pdev);
	} else {
		tio_bound_free(b);
	}
	return ERR_PTR(rc);
}

/**
 * tio_unbind() - Take a function back from its guest
 * @base: the binding, is freed
 *
 * The owner's part is done in any case: a TDI that cannot be stopped is the last
 * that should keep its access.
 *
 * Context: DSM lock held.
 * Return: 0, or an error if the PSP, or the RMP, did not let go of it.
 */
int tio_unbind(struct pci_tdi *base)
{
	struct tio_bound *b = to_tio_bound(base);
	struct pci_dev *pdev = base->pdev;
	struct tio_dsm *dsm = to_tio_dsm(pdev);
	int rc;

	lockdep_assert_held(&dsm->tsm.lock);

	rc = tio_stop(dsm, b);
	pci_tsm_trusted_dma(base, false);
	if (!rc)
		rc = tio_reclaim(dsm, b);
	if (!rc) {
		list_del_init(&b->node);
		tio_fence_recover(dsm, b);
	}

	pci_tsm_revoke_mmio(base);
	/* There is nothing left of this device */
	WARN_ON_ONCE(b->vm->unmap_mmio(base->kvm, 0, PAGE_ALIGN_DOWN(U64_MAX)));
	if (b->stopped) {
		int share_rc = tio_mmio_share(b);

		rc = rc ?: share_rc;
	}
	if (rc) {
		pci_info(pdev, "unbind failed: %d, status %#x\n", rc,
			 dsm->data.psp_ret);
		tio_hold(dsm, b);
		return rc;
	}
	tio_bound_free(b);
	return 0;
}

static int tio_req_set_tdi_state(struct tio_dsm *dsm, struct tio_bound *b,
				 struct pci_tsm_req *req)
{
	const struct iommu_tsm_req_set_tdi_state *arg = req->req;
	u8 state;
	int rc;

	if (req->req_len != sizeof(*arg))
		return -EINVAL;
	if (arg->state != IOMMU_TSM_TDI_RUN)
		return -EOPNOTSUPP;

	rc = tio_expect_state(dsm, b, TIO_TDISP_LOCKED);
	if (rc)
		return rc;
	b->ran = true;
	rc = tio_tdi_bind(dsm, &b->tdi, b->base.tdi_id, true);
	if (rc)
		return rc;

	rc = tio_state(dsm, b, &state);
	if (rc)
		return rc;
	if (state == TIO_TDISP_ERROR)
		pci_tsm_tdi_error(&b->base);
	return state == TIO_TDISP_RUN ? 0 : -EIO;
}

/* The address comes from the memslot, never from who asks */
static int tio_req_validate_mmio(struct tio_bound *b, struct pci_tsm_req *req)
{
	const struct iommu_tsm_req_validate_mmio *arg = req->req;
	u64 pa, size;

	if (req->req_len != sizeof(*arg) || arg->gpa_base >= arg->gpa_top)
		return -EINVAL;
	size = arg->gpa_top - arg->gpa_base;
	if (b->vm->find_mmio(b->base.kvm, arg->gpa_base, size, &pa))
		return -EINVAL;
	if (arg->pa_base && arg->pa_base != pa)
		return -EINVAL;
	/* It may be of another device of the guest, or vectors */
	if (!pci_tsm_can_be_private(b->base.pdev, pa, size))
		return -EINVAL;
	if (tio_mmio_overlaps(b, PHYS_PFN(pa), size >> PAGE_SHIFT))
		return -EEXIST;
	return tio_mmio_assign(b, arg->gpa_base, PHYS_PFN(pa),
			       size >> PAGE_SHIFT);
}

/*
 * Private memory of the guest is reached through the IOMMU, whose driver has to
 * take part, and so has the owner. The PSP writes the secure device table only
 * after that, on a message of the guest.
 */
static int tio_req_enable_dma(struct tio_bound *b, struct pci_tsm_req *req)
{
	int rc;

	if (req->req_len)
		return -EINVAL;
	rc = pci_tsm_trusted_dma(&b->base, true);
	if (!rc)
		b->dma = true;
	return rc;
}

static int tio_req_disable_dma(struct tio_bound *b, struct pci_tsm_req *req)
{
	if (req->req_len)
		return -EINVAL;
	if (!b->dma)
		return -EOPNOTSUPP;
	b->dma = false;
	return pci_tsm_trusted_dma(&b->base, false);
}

static int tio_measure(struct tio_dsm *dsm, const u8 *nonce)
{
	int rc;

	rc = tio_dev_measurements(dsm, nonce);
	if (rc)
		return rc;
	return tio_evidence_take(dsm, &dsm->meas, SPDM_DOBJ_ID_MEASUREMENT);
}

static int tio_certificates(struct tio_dsm *dsm)
{
	int rc;

	rc = tio_dev_certificates(dsm);
	if (rc)
		return rc;
	return tio_evidence_take(dsm, &dsm->cert, SPDM_DOBJ_ID_CERTIFICATE);
}

/* Evidence about the device is asked for when somebody wants it first */
static int tio_get_evidence(struct tio_dsm *dsm, struct tio_bound *b, u32 type,
			    struct tio_evidence **ev)
{
	u8 nonce[TIO_MEAS_NONCE_SIZE];

	switch (type) {
	case IOMMU_TSM_OBJECT_CERT:
		*ev = &dsm->cert;
		return dsm->cert.data ? 0 : tio_certificates(dsm);
	case IOMMU_TSM_OBJECT_MEAS:
		*ev = &dsm->meas;
		if (dsm->meas.data)
			return 0;
		get_random_bytes(nonce, sizeof(nonce));
		return tio_measure(dsm, nonce);
	case IOMMU_TSM_OBJECT_REPORT:
		*ev = &b->report;
		return 0;
	default:
		/* The PSP keeps the transcript to itself */
		return -EOPNOTSUPP;
	}
}

static int tio_req_read_object(struct tio_dsm *dsm, struct tio_bound *b,
			       struct pci_tsm_req *req)
{
	const struct iommu_tsm_req_read_object *arg = req->req;
	struct tio_evidence *ev;
	int rc;

	if (req->req_len != sizeof(*arg))
		return -EINVAL;
	if (arg->__reserved)
		return -EOPNOTSUPP;
	rc = tio_get_evidence(dsm, b, arg->type, &ev);
	if (rc)
		return rc;
	if (arg->offset > ev->len)
		return -EINVAL;

	req->resp_len = min_t(u64, req->resp_size, ev->len - arg->offset);
	memcpy(req->resp, ev->data + arg->offset, req->resp_len);
	return 0;
}

static int tio_req_object_info(struct tio_dsm *dsm, struct tio_bound *b,
			       struct pci_tsm_req *req)
{
	const struct iommu_tsm_req_object_info *arg = req->req;
	struct tio_evidence *ev;
	int rc;

	if (req->req_len != sizeof(*arg) || req->resp_size < sizeof(ev->len))
		return -EINVAL;
	rc = tio_get_evidence(dsm, b, arg->type, &ev);
	if (rc)
		return rc;

	memcpy(req->resp, &ev->len, sizeof(ev->len));
	req->resp_len = sizeof(ev->len);
	return 0;
}

/* The other objects are fixed while the device is connected or bound */
static int tio_req_regen_object(struct tio_dsm *dsm, struct pci_tsm_req *req)
{
	const struct iommu_tsm_req_regen_object *arg = req->req;

	BUILD_BUG_ON(sizeof(arg->nonce) != TIO_MEAS_NONCE_SIZE);

	if (req->req_len != sizeof(*arg))
		return -EINVAL;
	if (arg->type != IOMMU_TSM_OBJECT_MEAS || arg->flags)
		return -EOPNOTSUPP;
	return tio_measure(dsm, arg->nonce);
}

/* What of a message the host can read: its header */
static bool tio_msg_valid(const struct snp_guest_msg_hdr *hdr, size_t len)
{
	return hdr->hdr_version == MSG_HDR_VER &&
	       hdr->hdr_sz == sizeof(*hdr) && hdr->msg_sz <= len - sizeof(*hdr);
}

static int tio_msg_may(struct tio_bound *b, u8 msg_type)
{
	switch (msg_type) {
	case TIO_MSG_TDI_INFO_REQ:
	case TIO_MSG_MMIO_VALIDATE_REQ:
	case TIO_MSG_MMIO_CONFIG_REQ:
		return 0;
	case TIO_MSG_SDTE_WRITE_REQ:
		return b->dma ? 0 : -EOPNOTSUPP;
	default:
		return -EOPNOTSUPP;
	}
}

static int tio_forward(struct tio_dsm *dsm, struct tio_bound *b, void *page,
		       u8 msg_type, struct pci_tsm_req *req)
{
	const struct snp_guest_msg_hdr *hdr;
	int rc;

	if (!dsm->guest_resp) {
		dsm->guest_resp = snp_alloc_firmware_page(GFP_KERNEL_ACCOUNT);
		if (!dsm->guest_resp)
			return -ENOMEM;
	}
	rc = tio_guest_request(dsm, &b->tdi, page, dsm->guest_resp);
	if (rc)
		return rc;

	hdr = dsm->guest_resp;
	if (!tio_msg_valid(hdr, PAGE_SIZE) || hdr->msg_type != msg_type + 1)
		return -EBADMSG;
	req->resp_len = sizeof(*hdr) + hdr->msg_sz;
	memcpy(req->resp, hdr, req->resp_len);
	return 0;
}

/*
 * A message from the guest to the PSP, encrypted. The response cannot be had a
 * second time, so there has to be room for any.
 */
static int tio_req_guest_msg(struct tio_dsm *dsm, struct tio_bound *b,
			     struct pci_tsm_req *req)
{
	const struct snp_guest_msg_hdr *hdr = req->req;
	void *page;
	int rc;

	if (req->req_len < sizeof(*hdr) || req->req_len > PAGE_SIZE ||
	    req->resp_size < PAGE_SIZE)
		return -EINVAL;
	if (!tio_msg_valid(hdr, req->req_len))
		return -EINVAL;
	rc = tio_msg_may(b, hdr->msg_type);
	if (rc)
		return rc;

	page = (void *)get_zeroed_page(GFP_KERNEL_ACCOUNT);
	if (!page)
		return -ENOMEM;
	memcpy(page, req->req, req->req_len);
	rc = tio_forward(dsm, b, page, hdr->msg_type, req);
	free_page((unsigned long)page);
	return rc;
}

static int tio_req(struct tio_dsm *dsm, struct tio_bound *b,
		   struct pci_tsm_req *req)
{
	switch (req->op) {
	case IOMMU_VDEVICE_TSM_REQ_VALIDATE_MMIO:
		return tio_req_validate_mmio(b, req);
	case IOMMU_VDEVICE_TSM_REQ_SET_TDI_STATE:
		return tio_req_set_tdi_state(dsm, b, req);
	case IOMMU_VDEVICE_TSM_REQ_SEV_ENABLE_DMA:
		return tio_req_enable_dma(b, req);
	case IOMMU_VDEVICE_TSM_REQ_SEV_DISABLE_DMA:
		return tio_req_disable_dma(b, req);
	case IOMMU_VDEVICE_TSM_REQ_READ_OBJECT:
		return tio_req_read_object(dsm, b, req);
	case IOMMU_VDEVICE_TSM_REQ_REGEN_OBJECT:
		return tio_req_regen_object(dsm, req);
	case IOMMU_VDEVICE_TSM_REQ_OBJECT_INFO:
		return tio_req_object_info(dsm, b, req);
	case IOMMU_VDEVICE_TSM_REQ_GUEST_MSG:
		return tio_req_guest_msg(dsm, b, req);
	default:
		return -EOPNOTSUPP;
	}
}

/**
 * tio_guest_req() - Do what a guest asks for
 * @base: the binding
 * @req: the request
 *
 * Context: DSM lock held.
 * Return: 0 or an error, with the status of the PSP in @req.
 */
int tio_guest_req(struct pci_tdi *base, struct pci_tsm_req *req)
{
	struct tio_dsm *dsm = to_tio_dsm(base->pdev);
	int rc;

	lockdep_assert_held(&dsm->tsm.lock);

	dsm->data.psp_ret = 0;
	dsm->client = base->client;
	rc = tio_req(dsm, to_tio_bound(base), req);
	dsm->client = NULL;
	req->tsm_code = dsm->data.psp_ret;
	return rc;
}
