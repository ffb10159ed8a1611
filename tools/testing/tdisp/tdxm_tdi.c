// SPDX-License-Identifier: GPL-2.0-only
/*
 * TDIs, what is theirs, and TDs. No public source has the calls of the current
 * ABI: the rules are those of the older one. What KVM does to the secure EPT, by
 * TDH.MMIO.MAP, .BLOCK, TDH.MEM.TRACK and TDH.MMIO.UNMAP, is taken from its trace
 * events: a VM that exists without hardware has no secure EPT.
 */
#include <linux/bitmap.h>
#include <linux/cleanup.h>
#include <linux/kvm_host.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/pfn.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include <trace/events/kvm.h>

#include "observer.h"
#include "tdxm.h"

/**
 * struct tdxm_sept - Private MMIO in the secure EPT of a TD
 * @node: in tdxm_septs
 * @kvm: the VM, only compared
 * @tdi: whose MMIO it is
 * @gfn: first page in the VM
 * @npages: size
 * @accepted: by the TD, which cannot use it before
 */
struct tdxm_sept {
	struct list_head node;
	struct kvm *kvm;
	struct tdxm_tdi *tdi;
	gfn_t gfn;
	u64 npages;
	bool accepted;
};

LIST_HEAD(tdxm_tdis);
LIST_HEAD(tdxm_tds);
/*
 * KVM's events come with a spinlock held. What they look at changes under this
 * one, beside fw_lock: the lists, tdxm_tdi::view, ::blocks and ::mmio_pages.
 */
static DEFINE_SPINLOCK(tdxm_sept_lock);
static LIST_HEAD(tdxm_septs);
/* Pages that were mapped, and gone without having been accepted */
static u32 tdxm_unaccepted;

static struct tdxm_tdi *tdxm_find_tdi(u64 func_id)
{
	struct tdxm_tdi *tdi;

	list_for_each_entry(tdi, &tdxm_tdis, node)
		if (tdi->func_id == func_id)
			return tdi;
	return NULL;
}

static struct tdxm_td *tdxm_find_td(u64 tdr)
{
	struct tdxm_td *td;

	list_for_each_entry(td, &tdxm_tds, node)
		if (page_to_phys(td->tdr) == tdr)
			return td;
	return NULL;
}

bool tdxm_stream_in_use(const struct tdxm_stream *stream)
{
	struct tdxm_tdi *tdi;

	list_for_each_entry(tdi, &tdxm_tdis, node)
		if (tdi->stream == stream)
			return true;
	return false;
}

/* May nothing be taken from it that the TD relies on? */
static bool tdxm_tdi_assigned(const struct tdxm_tdi *tdi)
{
	return tdi->view != TDISP_STATE_UNLOCKED && !tdi->stream->blocked;
}

static void tdxm_set_view(struct tdxm_tdi *tdi, u8 view)
{
	guard(spinlock)(&tdxm_sept_lock);
	tdi->view = view;
	tdi->tried = view == TDISP_STATE_UNLOCKED;
}

void tdxm_tdi_seen(u16 leaf, const struct tdx_module_args *args)
{
	struct tdxm_tdi *tdi;

	guard(spinlock)(&tdxm_sept_lock);
	list_for_each_entry(tdi, &tdxm_tdis, node) {
		if (leaf == TDXM_TDI_STOP && tdi->func_id == args->rcx)
			tdi->tried = true;
		if (leaf == TDXM_STREAM_BLOCK && tdi->stream->id == args->rdx)
			tdi->tried = true;
	}
}

static u64 tdxm_tdi_check_new(struct tdxm_call *c)
{
	struct tdxm_stream *stream = tdxm_find_stream(c->args->r8);
	u16 rid = c->args->rcx;

	if (tdxm_find_tdi(c->args->rcx))
		return fw_refuse(TDXM_TDI_INVALID_STATE, "TDI exists");
	if (!tdxm_find_td(c->args->rdx))
		return fw_refuse(TDXM_OPERAND_INVALID, "no TD");
	if (!stream || stream->spdm->id != c->args->r9)
		return fw_refuse(TDXM_OPERAND_INVALID, "stream");
	if (!stream->keys || stream->blocked)
		return fw_refuse(TDXM_STREAM_INVALID_STATE, "stream is closed");
	if (rid < stream->rid_base || rid > stream->rid_limit)
		return fw_refuse(TDXM_OPERAND_INVALID, "not of the stream");
	return TDXM_OK;
}

u64 tdxm_tdi_create(struct tdxm_call *c)
{
	struct tdxm_tdi *tdi;
	u64 status;

	status = tdxm_tdi_check_new(c);
	if (status)
		return status;
	tdi = kzalloc_obj(*tdi);
	if (!tdi)
		return TDXM_BUSY;
	status = tdxm_pages_get(c->args->r10, &tdi->mt);
	status = status ?: tdxm_pages_take(&tdi->mt);
	if (status) {
		kfree(tdi);
		return status;
	}
	tdi->func_id = c->args->rcx;
	tdi->td = tdxm_find_td(c->args->rdx);
	tdi->stream = tdxm_find_stream(c->args->r8);
	tdi->spdm = tdi->stream->spdm;
	INIT_LIST_HEAD(&tdi->blocks);
	tdi->td->nr_tdis++;
	guard(spinlock)(&tdxm_sept_lock);
	list_add(&tdi->node, &tdxm_tdis);
	return TDXM_OK;
}

/* The host may have it processed: it gets as far as the device lets it */
static u64 tdxm_run_lock(struct tdxm_job *job)
{
	struct requester *r = &job->spdm->requester;
	struct tdxm_tdi *tdi = job->tdi;
	u64 code;
	u8 state;

	code = requester_tdi_version(r, tdi->func_id);
	code = code ?: requester_tdi_state(r, tdi->func_id, &state);
	if (code)
		return code;
	if (state != TDISP_STATE_UNLOCKED)
		return SOFT_TSM_CODE_WRONG_STATE;
	/* From here on only a call of STOP undoes it */
	tdxm_set_view(tdi, TDISP_STATE_LOCKED);
	return requester_tdi_lock(r, tdi->func_id, 0, TDXM_MMIO_OFFSET,
				  tdi->nonce);
}

static u64 tdxm_tdi_job(struct tdxm_call *c, struct tdxm_tdi *tdi, u64 output,
			u64 (*run)(struct tdxm_job *job))
{
	return tdxm_job_start(c, tdi->spdm, tdi, c->args->rdx, c->args->r8,
			      output, run);
}

u64 tdxm_tdi_lock(struct tdxm_call *c)
{
	struct tdxm_tdi *tdi = tdxm_find_tdi(c->args->rcx);

	if (!tdi)
		return fw_refuse(TDXM_TDI_NOT_PRESENT, "TDI");
	if (tdi->view != TDISP_STATE_UNLOCKED || tdi->stream->blocked)
		return fw_refuse(TDXM_TDISP_INVALID_STATE, "not unlocked");
	return tdxm_tdi_job(c, tdi, 0, tdxm_run_lock);
}

static u64 tdxm_run_start(struct tdxm_job *job)
{
	struct tdxm_tdi *tdi = job->tdi;

	tdi->start_allowed = false;
	tdxm_set_view(tdi, TDISP_STATE_RUN);
	return requester_tdi_start(&job->spdm->requester, tdi->func_id,
				   tdi->nonce);
}

u64 tdxm_tdi_start(struct tdxm_call *c)
{
	struct tdxm_tdi *tdi = tdxm_find_tdi(c->args->rcx);

	if (!tdi)
		return fw_refuse(TDXM_TDI_NOT_PRESENT, "TDI");
	if (tdi->view != TDISP_STATE_LOCKED)
		return fw_refuse(TDXM_TDISP_INVALID_STATE, "not locked");
	/* The host cannot know whether the TD has, and finds out like this */
	if (!tdi->start_allowed)
		return TDXM_TDISP_INVALID_REQ_STS;
	return tdxm_tdi_job(c, tdi, 0, tdxm_run_start);
}

/* STOP may be refused where the device is unlocked already: what counts is that */
static u64 tdxm_run_stop(struct tdxm_job *job)
{
	struct requester *r = &job->spdm->requester;
	struct tdxm_tdi *tdi = job->tdi;
	u64 code, state_code;
	u8 state;

	code = requester_tdi_stop(r, tdi->func_id);
	state_code = requester_tdi_state(r, tdi->func_id, &state);
	if (state_code)
		return state_code;
	if (state != TDISP_STATE_UNLOCKED)
		return code ?: SOFT_TSM_CODE_WRONG_STATE;
	tdxm_set_view(tdi, TDISP_STATE_UNLOCKED);
	tdi->start_allowed = false;
	tdi->report_asked = false;
	return 0;
}

u64 tdxm_tdi_stop(struct tdxm_call *c)
{
	struct tdxm_tdi *tdi = tdxm_find_tdi(c->args->rcx);

	if (!tdi)
		return fw_refuse(TDXM_TDI_NOT_PRESENT, "TDI");
	return tdxm_tdi_job(c, tdi, 0, tdxm_run_stop);
}

static u64 tdxm_run_state(struct tdxm_job *job)
{
	u64 code;
	u8 state;

	code = requester_tdi_state(&job->spdm->requester, job->tdi->func_id,
				   &state);
	if (!code)
		job->out = state;
	return code;
}

u64 tdxm_tdi_state(struct tdxm_call *c)
{
	struct tdxm_tdi *tdi = tdxm_find_tdi(c->args->rcx);

	if (!tdi)
		return fw_refuse(TDXM_TDI_NOT_PRESENT, "TDI");
	return tdxm_tdi_job(c, tdi, 0, tdxm_run_state);
}

static u64 tdxm_run_report(struct tdxm_job *job)
{
	struct tdxm_tdi *tdi = job->tdi;
	u64 code;

	tdi->report_asked = false;
	code = requester_tdi_report(&job->spdm->requester, tdi->func_id,
				    &tdi->report);
	code = code ?: tdxm_job_output(job, 0, tdi->report.data,
				       tdi->report.len);
	job->out = tdi->report.len;
	return code;
}

u64 tdxm_tdi_report(struct tdxm_call *c)
{
	struct tdxm_tdi *tdi = tdxm_find_tdi(c->args->rcx);

	if (!tdi)
		return fw_refuse(TDXM_TDI_NOT_PRESENT, "TDI");
	if (tdi->view == TDISP_STATE_UNLOCKED)
		return fw_refuse(TDXM_TDISP_INVALID_STATE, "not locked");
	if (!tdi->report_asked)
		return TDXM_TDISP_INVALID_REQ_STS;
	return tdxm_tdi_job(c, tdi, c->args->r9, tdxm_run_report);
}

static void tdxm_tdi_free(struct tdxm_tdi *tdi)
{
	scoped_guard(spinlock, &tdxm_sept_lock)
		list_del(&tdi->node);
	tdi->td->nr_tdis--;
	kvfree(tdi->report.data);
	kfree(tdi);
}

u64 tdxm_tdi_remove(struct tdxm_call *c)
{
	struct tdxm_tdi *tdi = tdxm_find_tdi(c->args->rcx);

	if (!tdi)
		return fw_refuse(TDXM_TDI_NOT_PRESENT, "TDI");
	if (tdxm_tdi_assigned(tdi))
		return fw_refuse(TDXM_TDI_INVALID_STATE, "STOP was not called");
	if (tdi->mmio_pages)
		return fw_refuse(TDXM_TDI_HAS_MAPPED_MMIO, "MMIO is mapped");
	if (tdi->dmar != TDXM_DMAR_NONE)
		return fw_refuse(TDXM_TDI_HAS_MAPPED_DMA, "DMA is mapped");
	if (!list_empty(&tdi->blocks))
		return fw_refuse(TDXM_TDI_INVALID_STATE, "it has metadata");
	if (c->args->rdx >> 55 != tdi->mt.nr - 1 ||
	    !tdxm_host_page(c->args->rdx & GENMASK_ULL(51, 12))) {
		fw_violation("array for pages of a TDI %#llx", c->args->rdx);
		return TDXM_OPERAND_INVALID;
	}
	tdxm_pages_release(&tdi->mt);
	tdxm_tdi_free(tdi);
	return TDXM_OK;
}

static struct tdxm_block *tdxm_find_block(struct tdxm_tdi *tdi, u64 pfn)
{
	struct tdxm_block *block;

	list_for_each_entry(block, &tdi->blocks, node)
		if (pfn - block->pfn < TDXM_BLOCK_PAGES)
			return block;
	return NULL;
}

static struct tdxm_tdi *tdxm_mmio_owner(u64 pfn)
{
	struct tdxm_block *block;
	struct tdxm_tdi *tdi;

	list_for_each_entry(tdi, &tdxm_tdis, node) {
		block = tdxm_find_block(tdi, pfn);
		if (block && test_bit(pfn - block->pfn, block->set))
			return tdi;
	}
	return NULL;
}

u64 tdxm_mmio_mt_add(struct tdxm_call *c)
{
	struct tdxm_tdi *tdi = tdxm_find_tdi(c->args->rcx);
	u64 pa = c->args->rdx, mt = c->args->r8;
	struct tdxm_block *block;
	u64 status;

	if (!tdi)
		return fw_refuse(TDXM_TDI_NOT_PRESENT, "TDI");
	if (!IS_ALIGNED(pa, SZ_2M) || pfn_valid(PHYS_PFN(pa)) ||
	    !tdxm_host_page(mt)) {
		fw_violation("metadata in %#llx for MMIO at %#llx", mt, pa);
		return TDXM_OPERAND_INVALID;
	}
	if (tdxm_find_block(tdi, PHYS_PFN(pa)))
		return fw_refuse(TDXM_TDI_INVALID_STATE, "has metadata");
	block = kzalloc_obj(*block);
	if (!block)
		return TDXM_BUSY;
	status = tdxm_page_take(PHYS_PFN(mt), false);
	if (status) {
		kfree(block);
		return status;
	}
	block->pfn = PHYS_PFN(pa);
	block->mt = PHYS_PFN(mt);
	guard(spinlock)(&tdxm_sept_lock);
	list_add(&block->node, &tdi->blocks);
	return TDXM_OK;
}

u64 tdxm_mmio_mt_set(struct tdxm_call *c)
{
	struct tdxm_tdi *tdi = tdxm_find_tdi(c->args->rcx);
	u64 pfn = PHYS_PFN(c->args->rdx), npages = c->args->r8;
	struct tdxm_block *block;

	if (!tdi)
		return fw_refuse(TDXM_TDI_NOT_PRESENT, "TDI");
	block = tdxm_find_block(tdi, pfn);
	if (!block || !npages || !PAGE_ALIGNED(c->args->rdx) ||
	    pfn - block->pfn + npages > TDXM_BLOCK_PAGES) {
		fw_violation("MMIO %#llx without metadata", c->args->rdx);
		return TDXM_OPERAND_INVALID;
	}
	guard(spinlock)(&tdxm_sept_lock);
	for (u64 i = 0; i < npages; i++)
		if (tdxm_mmio_owner(pfn + i))
			return fw_refuse(TDXM_MMIO_OWNER_MISMATCH, "owned");
	bitmap_set(block->set, pfn - block->pfn, npages);
	return TDXM_OK;
}

u64 tdxm_mmio_mt_remove(struct tdxm_call *c)
{
	struct tdxm_tdi *tdi = tdxm_find_tdi(c->args->rcx);
	struct tdxm_block *block;

	if (!tdi)
		return fw_refuse(TDXM_TDI_NOT_PRESENT, "TDI");
	block = tdxm_find_block(tdi, PHYS_PFN(c->args->rdx));
	if (!block)
		return fw_refuse(TDXM_OPERAND_INVALID, "no metadata");
	if (tdxm_tdi_assigned(tdi))
		return fw_refuse(TDXM_TDISP_INVALID_STATE,
				 "STOP was not called");
	if (tdi->mmio_pages)
		return fw_refuse(TDXM_TDI_HAS_MAPPED_MMIO, "MMIO is mapped");
	scoped_guard(spinlock, &tdxm_sept_lock)
		list_del(&block->node);
	tdxm_page_release(block->mt);
	c->args->rcx = PFN_PHYS(block->mt);
	kfree(block);
	return TDXM_OK;
}

/* Nothing gets through before the TD has accepted the entry, or if it is blocked */
static void tdxm_set_dmar(struct tdxm_tdi *tdi, enum tdxm_dmar dmar)
{
	tdi->dmar = dmar;
	observer_dma(&tdxm_observer, tdi->func_id,
		     dmar == TDXM_DMAR_PRESENT && !tdi->stream->blocked);
}

/* Nor does anything of a stream that is */
void tdxm_stream_dma(struct tdxm_stream *stream)
{
	struct tdxm_tdi *tdi;

	list_for_each_entry(tdi, &tdxm_tdis, node)
		if (tdi->stream == stream)
			tdxm_set_dmar(tdi, tdi->dmar);
}

/* An entry of the trusted tables, as the driver of the IOMMU would make it */
static u64 tdxm_dmar_step(struct tdxm_call *c, enum tdxm_dmar from,
			  enum tdxm_dmar from2, enum tdxm_dmar to)
{
	struct tdxm_tdi *tdi = tdxm_find_tdi(c->args->rcx);

	if (!tdi)
		return fw_refuse(TDXM_TDI_NOT_PRESENT, "TDI");
	if (tdi->dmar != from && tdi->dmar != from2)
		return fw_refuse(TDXM_DMAR_INVALID_STATE, "state of DMA");
	if (to != TDXM_DMAR_PENDING && tdxm_tdi_assigned(tdi))
		return fw_refuse(TDXM_TDISP_INVALID_STATE,
				 "STOP was not called");
	tdxm_set_dmar(tdi, to);
	return TDXM_OK;
}

u64 tdxm_dmar_add(struct tdxm_call *c)
{
	return tdxm_dmar_step(c, TDXM_DMAR_NONE, TDXM_DMAR_NONE,
			      TDXM_DMAR_PENDING);
}

u64 tdxm_dmar_block(struct tdxm_call *c)
{
	return tdxm_dmar_step(c, TDXM_DMAR_PENDING, TDXM_DMAR_PRESENT,
			      TDXM_DMAR_BLOCKED);
}

u64 tdxm_iqinv(struct tdxm_call *c)
{
	return tdxm_dmar_step(c, TDXM_DMAR_BLOCKED, TDXM_DMAR_BLOCKED,
			      TDXM_DMAR_INVALIDATED);
}

u64 tdxm_dmar_remove(struct tdxm_call *c)
{
	return tdxm_dmar_step(c, TDXM_DMAR_INVALIDATED, TDXM_DMAR_INVALIDATED,
			      TDXM_DMAR_NONE);
}

/* The TD stays, as its VM does: only whether it could go is of interest */
u64 tdxm_td_teardown(struct tdxm_call *c)
{
	struct tdxm_td *td = tdxm_find_td(c->args->rcx);

	if (!td)
		return fw_refuse(TDXM_OPERAND_INVALID, "no TD");
	if (td->nr_tdis)
		return fw_refuse(TDXM_TD_ASSOCIATED_TDIS, "TD has TDIs");
	return TDXM_OK;
}

/* All that is mapped of its MMIO becomes the TD's. -EPERM if nothing waits for that */
static int tdxm_accept_mmio(struct tdxm_tdi *tdi)
{
	struct tdxm_sept *sept;
	u64 npages = 0;

	scoped_guard(spinlock, &tdxm_sept_lock) {
		list_for_each_entry(sept, &tdxm_septs, node) {
			if (sept->tdi != tdi || sept->accepted)
				continue;
			sept->accepted = true;
			npages += sept->npages;
		}
	}
	if (!npages)
		return -EPERM;
	fw_log("TDG accept MMIO");
	return 0;
}

/* What a TD asks the module for, past the host. -EPERM: not in this state */
int tdxm_guest_call(u32 func_id, u32 op)
{
	struct tdxm_tdi *tdi;

	guard(mutex)(&fw_lock);
	tdi = tdxm_find_tdi(func_id);
	if (!tdi)
		return -ENODEV;
	if (!tdxm_tdi_assigned(tdi))
		return -EPERM;
	switch (op) {
	case TDXM_GUEST_REPORT:
		tdi->report_asked = true;
		fw_log("TDG report");
		return 0;
	case TDXM_GUEST_START:
		if (tdi->view != TDISP_STATE_LOCKED)
			return -EPERM;
		tdi->start_allowed = true;
		fw_log("TDG start");
		return 0;
	case TDXM_GUEST_ACCEPT_DMA:
		if (tdi->dmar != TDXM_DMAR_PENDING)
			return -EPERM;
		tdxm_set_dmar(tdi, TDXM_DMAR_PRESENT);
		fw_log("TDG accept DMA");
		return 0;
	case TDXM_GUEST_ACCEPT_MMIO:
		return tdxm_accept_mmio(tdi);
	default:
		return -EINVAL;
	}
}

/*
 * Operands of a call about whatever there is. Where a page has to come along, none
 * does: it is refused before that matters, or it is a violation.
 */
int tdxm_raw_args(u16 leaf, struct tdx_module_args *args)
{
	struct tdxm_stream *stream =
		list_first_entry_or_null(&tdxm_streams, typeof(*stream), node);
	struct tdxm_tdi *tdi =
		list_first_entry_or_null(&tdxm_tdis, typeof(*tdi), node);
	struct tdxm_td *td =
		list_first_entry_or_null(&tdxm_tds, typeof(*td), node);
	struct tdxm_block *block;

	*args = (struct tdx_module_args){};
	switch (leaf) {
	case TDXM_SPDM_CREATE:
		args->rcx = stream ? stream->spdm->func_id : 0;
		return stream ? 0 : -ENODEV;
	case TDXM_SPDM_CONNECT:
	case TDXM_SPDM_DELETE:
	case TDXM_SPDM_DISCONNECT:
		args->rcx = stream ? stream->spdm->id : 0;
		return stream ? 0 : -ENODEV;
	case TDXM_STREAM_CREATE:
		args->rdx = stream ? stream->spdm->id : 0;
		return stream ? 0 : -ENODEV;
	case TDXM_STREAM_BLOCK:
	case TDXM_STREAM_DELETE:
	case TDXM_STREAM_KM:
		args->rcx = stream ? stream->spdm->id : 0;
		args->rdx = stream ? stream->id : 0;
		return stream ? 0 : -ENODEV;
	case TDXM_TD_TEARDOWN:
		args->rcx = td ? page_to_phys(td->tdr) : 0;
		return td ? 0 : -ENODEV;
	default:
		args->rcx = tdi ? tdi->func_id : 0;
		if (!tdi)
			return -ENODEV;
		block = list_first_entry_or_null(&tdi->blocks, typeof(*block),
						 node);
		if (leaf == TDXM_MMIO_MT_REMOVE && block)
			args->rdx = PFN_PHYS(block->pfn);
		return 0;
	}
}

void tdxm_tdi_count(struct seq_file *s)
{
	u32 tdis = 0, assigned = 0, mmio = 0, dmar = 0, blocks = 0, unaccepted;
	struct tdxm_sept *sept;
	struct tdxm_tdi *tdi;

	lockdep_assert_held(&fw_lock);

	list_for_each_entry(tdi, &tdxm_tdis, node) {
		tdis++;
		assigned += tdxm_tdi_assigned(tdi);
		mmio += tdi->mmio_pages;
		dmar += tdi->dmar != TDXM_DMAR_NONE;
		blocks += list_count_nodes(&tdi->blocks);
	}
	scoped_guard(spinlock, &tdxm_sept_lock) {
		unaccepted = tdxm_unaccepted;
		list_for_each_entry(sept, &tdxm_septs, node)
			unaccepted += sept->accepted ? 0 : sept->npages;
	}
	seq_printf(s, "tdis %u\nassigned %u\nmmio %u\ndmar %u\nblocks %u\nunaccepted %u\n",
		   tdis, assigned, mmio, dmar, blocks, unaccepted);
}

static void tdxm_sept_drop(struct tdxm_sept *sept)
{
	sept->tdi->mmio_pages -= sept->npages;
	if (!sept->accepted)
		tdxm_unaccepted += sept->npages;
	list_del(&sept->node);
	kfree(sept);
}

/* TDH.MMIO.MAP */
static void tdxm_on_map(void *data, struct kvm *kvm,
			const struct kvm_memory_slot *slot, gfn_t gfn,
			kvm_pfn_t pfn, unsigned int order, bool private)
{
	u64 npages = 1ULL << order, first = ALIGN_DOWN(pfn, npages);
	struct tdxm_sept *sept;
	struct tdxm_tdi *tdi;

	if (!private)
		return;

	guard(spinlock)(&tdxm_sept_lock);
	tdi = tdxm_mmio_owner(first);
	/* Of a device of another TSM, in the same machine */
	if (!tdi && list_empty(&tdxm_tdis))
		return;
	if (!tdi || tdi->td->kvm != kvm ||
	    tdxm_mmio_owner(first + npages - 1) != tdi) {
		fw_violation("MMIO %#llx mapped, which is not the TD's", first);
		return;
	}
	sept = kzalloc_obj(*sept, GFP_ATOMIC);
	if (!sept) {
		fw_violation("no memory to note a mapping");
		return;
	}
	sept->kvm = kvm;
	sept->tdi = tdi;
	sept->gfn = ALIGN_DOWN(gfn, npages);
	sept->npages = npages;
	list_add(&sept->node, &tdxm_septs);
	tdi->mmio_pages += npages;
	fw_log("MMIO_MAP %llu pages", npages);
}

/* TDH.MMIO.BLOCK, TDH.MEM.TRACK, TDH.MMIO.UNMAP: a block goes as a whole */
static void tdxm_on_zap(void *data, struct kvm *kvm,
			const struct kvm_gfn_range *range)
{
	struct tdxm_sept *sept, *next;

	guard(spinlock)(&tdxm_sept_lock);
	list_for_each_entry_safe(sept, next, &tdxm_septs, node) {
		if (sept->kvm != kvm || sept->gfn >= range->end ||
		    sept->gfn + sept->npages <= range->start)
			continue;
		if (tdxm_tdi_assigned(sept->tdi)) {
			/* It stays, and the TDI does, too */
			if (!sept->tdi->tried)
				fw_violation("MMIO unmapped before STOP");
			fw_log("MMIO_UNMAP refused");
			continue;
		}
		fw_log("MMIO_UNMAP %llu pages", sept->npages);
		tdxm_sept_drop(sept);
	}
}

int tdxm_tdi_init(void)
{
	int rc;

	rc = register_trace_kvm_dmabuf_map(tdxm_on_map, NULL);
	if (rc)
		return rc;
	rc = register_trace_kvm_dmabuf_zap(tdxm_on_zap, NULL);
	if (rc) {
		unregister_trace_kvm_dmabuf_map(tdxm_on_map, NULL);
		tracepoint_synchronize_unregister();
	}
	return rc;
}

/* A new module, which knows nothing */
void tdxm_tdi_exit(void)
{
	struct tdxm_block *block, *next_block;
	struct tdxm_sept *sept, *next_sept;
	struct tdxm_tdi *tdi, *next;

	unregister_trace_kvm_dmabuf_zap(tdxm_on_zap, NULL);
	unregister_trace_kvm_dmabuf_map(tdxm_on_map, NULL);
	tracepoint_synchronize_unregister();

	guard(mutex)(&fw_lock);
	list_for_each_entry_safe(sept, next_sept, &tdxm_septs, node)
		tdxm_sept_drop(sept);
	list_for_each_entry_safe(tdi, next, &tdxm_tdis, node) {
		list_for_each_entry_safe(block, next_block, &tdi->blocks, node)
			kfree(block);
		observer_dma(&tdxm_observer, tdi->func_id, false);
		tdxm_tdi_free(tdi);
	}
}
