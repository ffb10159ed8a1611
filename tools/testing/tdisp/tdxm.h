/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Model of the TDX module for TDX Connect, layers lowest first:
 *
 * tdxm_page.c	pages that the module owns
 * tdxm_link.c	sessions and streams
 * tdxm_tdi.c	TDIs, their MMIO and DMA
 * tdxm_call.c	calls: which there are, interrupted ones, messages to the device
 * tdxm_main.c	module, VMs, what tests get to see
 *
 * Nothing in here is taken from the driver under test, neither types nor
 * numbers: what both have to agree on stands here a second time, from the same
 * public facts. Rules of the TDI level are those of the older ABI of TDX-IO,
 * which is public, as no others are.
 */
#ifndef TDISP_TDXM_H
#define TDISP_TDXM_H

#include <linux/bitmap.h>
#include <linux/completion.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include <asm/shared/tdx.h>

#include "fw_log.h"
#include "requester.h"
#include "tdxm-inject.h"

struct kvm;
struct observer;
struct seq_file;

#define TDXM_OK			0ULL
#define TDXM_MAX_PAGES		512
#define TDXM_BLOCK_PAGES	512	/* of MMIO, per page of metadata */

/**
 * struct tdxm_pages - Pages that a call names
 * @nr: entries of @pfn
 * @list: page that lists them, 0 if one page stands for itself
 * @pfn: the pages
 */
struct tdxm_pages {
	u32 nr;
	u64 list;
	u64 pfn[TDXM_MAX_PAGES];
};

struct tdxm_job;

/**
 * struct tdxm_spdm - A session object
 * @node: in tdxm_spdms
 * @id: its number
 * @func_id: function 0 of the device
 * @mt: its pages
 * @requester: the session, and the stream
 * @cert: certificate chain, as SPDM has it
 * @connected: TDH.SPDM.CONNECT went through, and .DISCONNECT was not called
 * @refresh: it wants new keys
 * @fresh: it has got some, and has not used them
 * @job: call that waits for the device
 */
struct tdxm_spdm {
	struct list_head node;
	u64 id;
	u32 func_id;
	struct tdxm_pages mt;
	struct requester requester;
	struct requester_object cert;
	bool connected;
	bool refresh;
	bool fresh;
	struct tdxm_job *job;
};

/**
 * struct tdxm_stream - A stream object
 * @node: in tdxm_streams
 * @id: its number, of PCIe, too
 * @spdm: session with the device
 * @mt: its pages
 * @rid_base: first requester ID
 * @rid_limit: last requester ID
 * @keys: are in use
 * @blocked: lets nothing through
 */
struct tdxm_stream {
	struct list_head node;
	u64 id;
	struct tdxm_spdm *spdm;
	struct tdxm_pages mt;
	u16 rid_base;
	u16 rid_limit;
	bool keys;
	bool blocked;
};

/**
 * struct tdxm_td - A trust domain
 * @node: in tdxm_tds
 * @kvm: the VM, only compared
 * @tdr: its root page
 * @nr_tdis: TDIs that it has
 */
struct tdxm_td {
	struct list_head node;
	struct kvm *kvm;
	struct page *tdr;
	u32 nr_tdis;
};

enum tdxm_dmar { TDXM_DMAR_NONE, TDXM_DMAR_PENDING, TDXM_DMAR_PRESENT,
		 TDXM_DMAR_BLOCKED, TDXM_DMAR_INVALIDATED };

/**
 * struct tdxm_tdi - A TDI
 * @node: in tdxm_tdis
 * @func_id: the function
 * @td: whose it is
 * @spdm: session with the device
 * @stream: stream to it
 * @mt: its pages
 * @view: state of TDISP as far as calls of the host's tell: nobody has asked the
 *	  device
 * @nonce: of LOCK
 * @tried: STOP was called since LOCK, or the stream blocked, in vain or not
 * @report_asked: the TD has posted a request for the report
 * @start_allowed: the TD has authorised START
 * @report: device interface report
 * @dmar: its entry in the trusted tables of the IOMMU
 * @blocks: struct tdxm_block
 * @mmio_pages: mapped in the secure EPT
 */
struct tdxm_tdi {
	struct list_head node;
	u32 func_id;
	struct tdxm_td *td;
	struct tdxm_spdm *spdm;
	struct tdxm_stream *stream;
	struct tdxm_pages mt;
	u8 view;
	bool tried;
	u8 nonce[TDISP_NONCE_SIZE];
	bool report_asked;
	bool start_allowed;
	struct requester_object report;
	enum tdxm_dmar dmar;
	struct list_head blocks;
	u32 mmio_pages;
};

/**
 * struct tdxm_block - Metadata of 2 MiB of MMIO
 * @node: in tdxm_tdi::blocks
 * @pfn: first page of MMIO
 * @mt: page with the metadata
 * @set: pages that are the TDI's
 */
struct tdxm_block {
	struct list_head node;
	u64 pfn;
	u64 mt;
	DECLARE_BITMAP(set, TDXM_BLOCK_PAGES);
};

/**
 * struct tdxm_call - A call that is carried out
 * @leaf: its number
 * @args: registers, results go there
 * @name: for people
 */
struct tdxm_call {
	u16 leaf;
	struct tdx_module_args *args;
	const char *name;
};

/**
 * struct tdxm_job - A call that exchanges messages with the device
 * @work: the module's side of it
 * @to_host: the module has something to say
 * @to_fw: the host has answered
 * @leaf: number of the call
 * @args: its registers
 * @spdm: session
 * @tdi: TDI that it is about, NULL if none
 * @output: pages for what it puts out
 * @run: what the module does, an outcome of the requester
 * @msg: message under way
 * @req: page for messages
 * @resp: page for responses
 * @rsp: copy of the last response
 * @out: result in RCX
 * @code: outcome
 * @done: the module is through
 * @cancelled: the host has to do without it
 */
struct tdxm_job {
	struct work_struct work;
	struct completion to_host, to_fw;
	u16 leaf;
	struct tdx_module_args args;
	struct tdxm_spdm *spdm;
	struct tdxm_tdi *tdi;
	struct tdxm_pages output;
	u64 (*run)(struct tdxm_job *job);
	u8 *msg;
	u8 *req, *resp;
	u8 rsp[PAGE_SIZE];
	u64 out;
	u64 code;
	bool done;
	bool cancelled;
};

extern struct list_head tdxm_spdms;
extern struct list_head tdxm_streams;
extern struct list_head tdxm_tdis;
extern struct list_head tdxm_tds;

/* tdxm_page.c */
void tdxm_page_verify(const char *when, bool all);
/* Of an operand: pages that the host has, and that the module gets or not */
u64 tdxm_pages_get(u64 array, struct tdxm_pages *pages);
u64 tdxm_page_take(u64 pfn, bool pool);
u64 tdxm_pages_take(const struct tdxm_pages *pages);
void tdxm_page_release(u64 pfn);
void tdxm_pages_release(const struct tdxm_pages *pages);
bool tdxm_host_page(u64 pa);
u64 tdxm_page_wbinvd(struct tdxm_call *c);
void tdxm_page_count(u32 *owned, u32 *dirty);
void tdxm_page_exit(void);

/* tdxm_link.c */
struct tdxm_spdm *tdxm_find_spdm(u64 id);
struct tdxm_stream *tdxm_find_stream(u64 id);
u64 tdxm_spdm_create(struct tdxm_call *c);
u64 tdxm_spdm_delete(struct tdxm_call *c);
u64 tdxm_spdm_connect(struct tdxm_call *c);
u64 tdxm_spdm_disconnect(struct tdxm_call *c);
u64 tdxm_spdm_mng(struct tdxm_call *c);
u64 tdxm_stream_create(struct tdxm_call *c);
u64 tdxm_stream_block(struct tdxm_call *c);
u64 tdxm_stream_delete(struct tdxm_call *c);
u64 tdxm_stream_km(struct tdxm_call *c);
void tdxm_link_exit(void);

/* tdxm_tdi.c */
/* The stream is blocked */
void tdxm_stream_dma(struct tdxm_stream *stream);
u64 tdxm_tdi_create(struct tdxm_call *c);
u64 tdxm_tdi_lock(struct tdxm_call *c);
u64 tdxm_tdi_start(struct tdxm_call *c);
u64 tdxm_tdi_stop(struct tdxm_call *c);
u64 tdxm_tdi_state(struct tdxm_call *c);
u64 tdxm_tdi_report(struct tdxm_call *c);
u64 tdxm_tdi_remove(struct tdxm_call *c);
u64 tdxm_mmio_mt_add(struct tdxm_call *c);
u64 tdxm_mmio_mt_set(struct tdxm_call *c);
u64 tdxm_mmio_mt_remove(struct tdxm_call *c);
u64 tdxm_dmar_add(struct tdxm_call *c);
u64 tdxm_dmar_block(struct tdxm_call *c);
u64 tdxm_iqinv(struct tdxm_call *c);
u64 tdxm_dmar_remove(struct tdxm_call *c);
u64 tdxm_td_teardown(struct tdxm_call *c);
bool tdxm_stream_in_use(const struct tdxm_stream *stream);
/* A call that the host has made, whatever becomes of it */
void tdxm_tdi_seen(u16 leaf, const struct tdx_module_args *args);
int tdxm_guest_call(u32 func_id, u32 op);
int tdxm_raw_args(u16 leaf, struct tdx_module_args *args);
void tdxm_tdi_count(struct seq_file *s);
int tdxm_tdi_init(void);
void tdxm_tdi_exit(void);

/* tdxm_call.c */
u64 tdxm_exchange(struct requester *r, u8 type, size_t len,
		  struct tdisp_span *rsp);
extern u32 tdxm_seed;
extern u32 tdxm_interrupts;
extern u32 tdxm_ext_wanted;
extern struct observer tdxm_observer;
u64 tdxm_seamcall(u64 fn, struct tdx_module_args *args);
u64 tdxm_job_start(struct tdxm_call *c, struct tdxm_spdm *spdm,
		   struct tdxm_tdi *tdi, u64 resp, u64 req, u64 output,
		   u64 (*run)(struct tdxm_job *job));
u64 tdxm_job_output(struct tdxm_job *job, u32 off, const void *data, u32 len);
void tdxm_job_cancel(struct tdxm_spdm *spdm);
const char *tdxm_leaf_name(u16 leaf);
void tdxm_call_init(void);

/* What LOCK has the device add to its addresses */
#define TDXM_MMIO_OFFSET		0x2020000000ULL

#endif /* TDISP_TDXM_H */
