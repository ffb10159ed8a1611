// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls of the TDX module: which there are and which registers they use, those
 * that the module interrupts, and those that have the host carry messages.
 */
#include <linux/build_bug.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pfn.h>
#include <linux/prandom.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "tdxm.h"

#define LEAF_NUMBER	GENMASK_ULL(15, 0)

/* Metadata fields, from the fact sheet, not from the driver */
#define FIELD_EXT_POOL		0x3100000100000000ULL
#define FIELD_EXT_REQUIRED	0x3100000100000001ULL
#define FIELD_IDE_MT		0x3000000100000001ULL
#define FIELD_SPDM_MT		0x3000000100000002ULL
#define FIELD_IOMMU_MT		0x3000000100000003ULL
#define FIELD_DEVINFO		0x3000000100000007ULL

#define DOE_HDR		8

/* What the module wants. More than one page, and one, in turn */
#define TDXM_SPDM_PAGES		3
#define TDXM_STREAM_PAGES	1
#define TDXM_DEVINFO_PAGES	4

/* Registers of a call, in the order of struct tdx_module_args */
enum {
	RCX = BIT(0),
	RDX = BIT(1),
	R8 = BIT(2),
	R9 = BIT(3),
	R10 = BIT(4),
	R11 = BIT(5),
	R12 = BIT(6),
	R13 = BIT(7),
	R14 = BIT(8),
};

/**
 * struct tdxm_desc - A call
 * @leaf: its number
 * @name: for people
 * @regs: registers that it uses, others are 0
 * @resumable: it may return early
 * @start: checks state, and does it unless there are messages to exchange
 */
struct tdxm_desc {
	u16 leaf;
	const char *name;
	u16 regs;
	bool resumable;
	u64 (*start)(struct tdxm_call *c);
};

u32 tdxm_seed;
u32 tdxm_interrupts;
u32 tdxm_ext_wanted = 600;
static struct rnd_state tdxm_rnd;
static bool tdxm_ext_done;
static u32 tdxm_ext_pages;

/* The call that was interrupted last, and has to be issued again */
static struct {
	bool pending;
	u16 leaf;
	struct tdx_module_args args;
} tdxm_interrupted;

static u64 tdxm_sys_rd(struct tdxm_call *c)
{
	switch (c->args->rdx) {
	case FIELD_EXT_POOL:
		c->args->r8 = tdxm_ext_wanted;
		return TDXM_OK;
	case FIELD_EXT_REQUIRED:
		c->args->r8 = !tdxm_ext_done;
		return TDXM_OK;
	case FIELD_IDE_MT:
		c->args->r8 = TDXM_STREAM_PAGES;
		return TDXM_OK;
	case FIELD_SPDM_MT:
		c->args->r8 = TDXM_SPDM_PAGES;
		return TDXM_OK;
	case FIELD_IOMMU_MT:
		c->args->r8 = 1;
		return TDXM_OK;
	case FIELD_DEVINFO:
		c->args->r8 = TDXM_DEVINFO_PAGES;
		return TDXM_OK;
	default:
		fw_violation("field %#llx", c->args->rdx);
		return TDXM_OPERAND_INVALID;
	}
}

/* HPA_LIST_INFO: first entry, page, last entry */
static u64 tdxm_ext_mem_add(struct tdxm_call *c)
{
	u64 info = c->args->rcx, pa = info & GENMASK_ULL(51, 12);
	u32 first = (info & GENMASK_ULL(11, 3)) >> 3, last = info >> 55;
	const __le64 *list;

	if (info & (GENMASK_ULL(2, 0) | GENMASK_ULL(54, 52)) || first > last ||
	    !tdxm_host_page(pa)) {
		fw_violation("list of pages %#llx", info);
		return TDXM_OPERAND_INVALID;
	}
	list = page_address(pfn_to_page(PHYS_PFN(pa)));
	for (u32 i = first; i <= last; i++) {
		u64 status = tdxm_page_take(PHYS_PFN(le64_to_cpu(list[i])),
					    true);

		if (status)
			return status;
		tdxm_ext_pages++;
	}
	return TDXM_OK;
}

static u64 tdxm_ext_init(struct tdxm_call *c)
{
	if (tdxm_ext_done || tdxm_ext_pages < tdxm_ext_wanted)
		return fw_refuse(TDXM_OPERAND_INVALID, "extension");
	tdxm_ext_done = true;
	return TDXM_OK;
}

/* From the fact sheet, not from the driver */
static const struct tdxm_desc tdxm_descs[] = {
	{ TDXM_SYS_RD, "SYS_RD", RDX, false, tdxm_sys_rd },
	{ TDXM_PHYMEM_PAGE_WBINVD, "PHYMEM_PAGE_WBINVD", RCX, false,
	  tdxm_page_wbinvd },
	{ TDXM_EXT_INIT, "EXT_INIT", 0, true, tdxm_ext_init },
	{ TDXM_EXT_MEM_ADD, "EXT_MEM_ADD", RCX, true, tdxm_ext_mem_add },
	{ TDXM_SPDM_CREATE, "SPDM_CREATE", RCX | RDX, true, tdxm_spdm_create },
	{ TDXM_SPDM_DELETE, "SPDM_DELETE", RCX | RDX, true, tdxm_spdm_delete },
	{ TDXM_SPDM_CONNECT, "SPDM_CONNECT", RCX | RDX | R8 | R9 | R10, true,
	  tdxm_spdm_connect },
	{ TDXM_SPDM_DISCONNECT, "SPDM_DISCONNECT", RCX | RDX | R8, true,
	  tdxm_spdm_disconnect },
	{ TDXM_SPDM_MNG, "SPDM_MNG", RCX | RDX | R8 | R9 | R10 | R11, true,
	  tdxm_spdm_mng },
	{ TDXM_STREAM_CREATE, "IDE_STREAM_CREATE", RCX | RDX | R8 | R9 | R10 |
	  R11 | R12 | R13 | R14, true, tdxm_stream_create },
	{ TDXM_STREAM_BLOCK, "IDE_STREAM_BLOCK", RCX | RDX, true,
	  tdxm_stream_block },
	{ TDXM_STREAM_DELETE, "IDE_STREAM_DELETE", RCX | RDX | R8, true,
	  tdxm_stream_delete },
	{ TDXM_STREAM_KM, "IDE_STREAM_KM", RCX | RDX | R8 | R9 | R10, true,
	  tdxm_stream_km },

	/* Registers as the driver has them, there is nothing else to go by */
	{ TDXM_TDI_CREATE, "TDI_CREATE", RCX | RDX | R8 | R9 | R10, true,
	  tdxm_tdi_create },
	{ TDXM_TDI_LOCK, "TDI_LOCK", RCX | RDX | R8, true, tdxm_tdi_lock },
	{ TDXM_TDI_START, "TDI_START", RCX | RDX | R8, true, tdxm_tdi_start },
	{ TDXM_TDI_STOP, "TDI_STOP", RCX | RDX | R8, true, tdxm_tdi_stop },
	{ TDXM_TDI_STATE, "TDI_STATE", RCX | RDX | R8, true, tdxm_tdi_state },
	{ TDXM_TDI_REPORT, "TDI_REPORT", RCX | RDX | R8 | R9, true,
	  tdxm_tdi_report },
	{ TDXM_TDI_REMOVE, "TDI_REMOVE", RCX | RDX, true, tdxm_tdi_remove },
	{ TDXM_MMIO_MT_ADD, "MMIO_MT_ADD", RCX | RDX | R8, true,
	  tdxm_mmio_mt_add },
	{ TDXM_MMIO_MT_SET, "MMIO_MT_SET", RCX | RDX | R8, true,
	  tdxm_mmio_mt_set },
	{ TDXM_MMIO_MT_REMOVE, "MMIO_MT_REMOVE", RCX | RDX, true,
	  tdxm_mmio_mt_remove },
	{ TDXM_DMAR_ADD, "DMAR_ADD", RCX, true, tdxm_dmar_add },
	{ TDXM_DMAR_BLOCK, "DMAR_BLOCK", RCX, true, tdxm_dmar_block },
	{ TDXM_IQINV, "IQINV", RCX, true, tdxm_iqinv },
	{ TDXM_DMAR_REMOVE, "DMAR_REMOVE", RCX, true, tdxm_dmar_remove },
	{ TDXM_TD_TEARDOWN, "TD_TEARDOWN", RCX, false, tdxm_td_teardown },
};

static const struct tdxm_desc *tdxm_desc(u16 leaf)
{
	for (int i = 0; i < ARRAY_SIZE(tdxm_descs); i++)
		if (tdxm_descs[i].leaf == leaf)
			return &tdxm_descs[i];
	return NULL;
}

const char *tdxm_leaf_name(u16 leaf)
{
	const struct tdxm_desc *desc = tdxm_desc(leaf);

	return desc ? desc->name : "?";
}

static bool tdxm_same(u16 leaf, const struct tdx_module_args *args, u16 leaf2,
		      const struct tdx_module_args *args2)
{
	return leaf == leaf2 && !memcmp(args, args2, sizeof(*args));
}

/* Is it what the module waits for? */
static struct tdxm_job *tdxm_find_job(u16 leaf,
				      const struct tdx_module_args *args)
{
	struct tdxm_spdm *spdm;

	list_for_each_entry(spdm, &tdxm_spdms, node)
		if (spdm->job && tdxm_same(spdm->job->leaf, &spdm->job->args,
					   leaf, args))
			return spdm->job;
	return NULL;
}

static void tdxm_job_free(struct tdxm_job *job)
{
	kfree(job->msg);
	kfree(job);
}

/* The next thing that the module says */
static u64 tdxm_job_wait(struct tdxm_job *job, struct tdx_module_args *args)
{
	struct tdxm_spdm *spdm = job->spdm;
	u64 code;

	wait_for_completion(&job->to_host);
	args->rcx = job->out;
	if (!job->done) {
		spdm->job = job;
		return TDXM_SPDM_REQUEST;
	}
	spdm->job = NULL;
	code = job->code;
	tdxm_job_free(job);
	if (!code)
		return TDXM_OK;
	fw_log("  device: code %#llx", code);
	return TDXM_SPDM_ERROR | (code & U32_MAX);
}

void tdxm_job_cancel(struct tdxm_spdm *spdm)
{
	struct tdxm_job *job = spdm->job;

	if (!job)
		return;
	job->cancelled = true;
	complete(&job->to_fw);
	while (!job->done)
		wait_for_completion(&job->to_host);
	spdm->job = NULL;
	tdxm_job_free(job);
}

static void tdxm_job_work(struct work_struct *work)
{
	struct tdxm_job *job = container_of(work, struct tdxm_job, work);

	job->out = 0;
	job->code = job->run(job);
	job->done = true;
	complete(&job->to_host);
}

/* Have the host send @len bytes of job->msg */
u64 tdxm_exchange(struct requester *r, u8 type, size_t len,
		  struct tdisp_span *rsp)
{
	struct tdxm_job *job = r->job;
	size_t want;

	if (job->cancelled)
		return SOFT_TSM_CODE_NO_ANSWER;
	memset(job->req, 0, PAGE_SIZE);
	put_unaligned_le16(PCI_VENDOR_ID_PCI_SIG, job->req);
	job->req[2] = type;
	put_unaligned_le32(DIV_ROUND_UP(DOE_HDR + len, 4), job->req + 4);
	memcpy(job->req + DOE_HDR, job->msg, len);
	job->out = DOE_HDR + len;

	complete(&job->to_host);
	wait_for_completion(&job->to_fw);
	job->out = 0;
	if (job->cancelled)
		return SOFT_TSM_CODE_NO_ANSWER;

	want = (get_unaligned_le32(job->resp + 4) & GENMASK(17, 0)) * 4;
	if (want < DOE_HDR || want > PAGE_SIZE ||
	    get_unaligned_le16(job->resp) != PCI_VENDOR_ID_PCI_SIG) {
		fw_violation("%s: response of %zu bytes",
			     tdxm_leaf_name(job->leaf), want);
		return SOFT_TSM_CODE_MALFORMED;
	}
	/* That is how the host says that there is none */
	if (want == DOE_HDR)
		return SOFT_TSM_CODE_NO_ANSWER;
	if (job->resp[2] != type)
		return SOFT_TSM_CODE_MALFORMED;
	rsp->len = want - DOE_HDR;
	memcpy(job->rsp, job->resp + DOE_HDR, rsp->len);
	rsp->data = job->rsp;
	return 0;
}

/* Put @len bytes into the pages for the result, at @off */
u64 tdxm_job_output(struct tdxm_job *job, u32 off, const void *data, u32 len)
{
	if ((u64)off + len > (u64)job->output.nr * PAGE_SIZE)
		return SOFT_TSM_CODE_UNSUPPORTED;
	while (len) {
		u32 in = offset_in_page(off);
		u32 n = min_t(u32, len, PAGE_SIZE - in);
		u64 pfn = job->output.pfn[off / PAGE_SIZE];

		memcpy(page_address(pfn_to_page(pfn)) + in, data, n);
		data += n;
		off += n;
		len -= n;
	}
	return 0;
}

static bool tdxm_chance(void)
{
	return prandom_u32_state(&tdxm_rnd) % 100 < tdxm_interrupts;
}

u64 tdxm_job_start(struct tdxm_call *c, struct tdxm_spdm *spdm,
		   struct tdxm_tdi *tdi, u64 resp, u64 req, u64 output,
		   u64 (*run)(struct tdxm_job *job))
{
	struct tdxm_job *job;
	u64 status;

	if (spdm->job) {
		fw_violation("%s was left waiting",
			     tdxm_leaf_name(spdm->job->leaf));
		tdxm_job_cancel(spdm);
	}
	if (!tdxm_host_page(resp) || !tdxm_host_page(req) || req == resp) {
		fw_violation("%s: pages %#llx, %#llx", c->name, resp, req);
		return TDXM_OPERAND_INVALID;
	}
	if (spdm->connected && c->leaf != TDXM_SPDM_MNG) {
		spdm->refresh |= !spdm->fresh && tdxm_chance();
		if (spdm->refresh)
			return TDXM_KEY_REFRESH;
		spdm->fresh = false;
	}

	job = kzalloc_obj(*job);
	if (!job)
		return TDXM_BUSY;
	job->msg = kzalloc(SOFT_MAX_REQ, GFP_KERNEL);
	if (!job->msg) {
		tdxm_job_free(job);
		return TDXM_BUSY;
	}
	if (output) {
		status = tdxm_pages_get(output, &job->output);
		if (status) {
			tdxm_job_free(job);
			return status;
		}
	}
	job->leaf = c->leaf;
	job->args = *c->args;
	job->spdm = spdm;
	job->tdi = tdi;
	job->run = run;
	job->req = page_address(pfn_to_page(PHYS_PFN(req)));
	job->resp = page_address(pfn_to_page(PHYS_PFN(resp)));
	INIT_WORK(&job->work, tdxm_job_work);
	init_completion(&job->to_host);
	init_completion(&job->to_fw);
	spdm->requester.job = job;
	spdm->requester.msg = job->msg;
	queue_work(system_dfl_wq, &job->work);
	return tdxm_job_wait(job, c->args);
}

static void tdxm_check_regs(const struct tdxm_desc *desc,
			    const struct tdx_module_args *args)
{
	const u64 *reg = &args->rcx;

	BUILD_BUG_ON(offsetof(struct tdx_module_args, r14) != 8 * sizeof(u64));
	for (int i = 0; i < sizeof(*args) / sizeof(u64); i++)
		if (reg[i] && !(desc->regs & BIT(i)))
			fw_violation("%s: register %d is %#llx", desc->name, i,
				     reg[i]);
}

/* Whatever was interrupted goes on as the same call, and as no other */
static void tdxm_check_resumed(u16 leaf, const struct tdx_module_args *args)
{
	if (!tdxm_interrupted.pending)
		return;
	if (!tdxm_same(tdxm_interrupted.leaf, &tdxm_interrupted.args, leaf,
		       args)) {
		if (tdxm_interrupted.args.rcx != args->rcx)
			return;
		fw_violation("%s comes in place of %s, which was interrupted",
			     tdxm_leaf_name(leaf),
			     tdxm_leaf_name(tdxm_interrupted.leaf));
	}
	tdxm_interrupted.pending = false;
}

static u64 tdxm_interrupt(const struct tdxm_desc *desc,
			  const struct tdx_module_args *args)
{
	if (!desc->resumable || tdxm_interrupted.pending || !tdxm_chance())
		return TDXM_OK;
	if (tdxm_chance())
		return TDXM_BUSY;
	tdxm_interrupted.pending = true;
	tdxm_interrupted.leaf = desc->leaf;
	tdxm_interrupted.args = *args;
	return TDXM_RESUMABLE;
}

u64 tdxm_seamcall(u64 fn, struct tdx_module_args *args)
{
	u16 leaf = fn & LEAF_NUMBER;
	const struct tdxm_desc *desc = tdxm_desc(leaf);
	struct tdxm_call call;
	struct tdxm_job *job;
	u64 status;

	guard(mutex)(&fw_lock);
	if (!desc || fn & ~LEAF_NUMBER) {
		fw_violation("leaf %#llx is unknown", fn);
		return TDXM_OPERAND_INVALID;
	}
	tdxm_page_verify(desc->name, false);
	tdxm_check_regs(desc, args);
	tdxm_check_resumed(leaf, args);
	tdxm_tdi_seen(leaf, args);
	status = tdxm_interrupt(desc, args);
	if (status)
		return status;

	job = tdxm_find_job(leaf, args);
	if (job) {
		complete(&job->to_fw);
		status = tdxm_job_wait(job, args);
	} else {
		status = fw_injected(leaf);
		if (status)
			fw_log("%s injected %#llx", desc->name, status);
		call = (struct tdxm_call){ leaf, args, desc->name };
		status = status ?: desc->start(&call);
	}
	/* Not in the log: as often as there are pages, and messages */
	if (leaf == TDXM_SYS_RD || leaf == TDXM_PHYMEM_PAGE_WBINVD ||
	    status == TDXM_SPDM_REQUEST)
		return status;
	if (!status)
		fw_log("%s ok", desc->name);
	else
		fw_log("%s status %#llx", desc->name, status);
	return status;
}

void tdxm_call_init(void)
{
	prandom_seed_state(&tdxm_rnd, tdxm_seed);
}
