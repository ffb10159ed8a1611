/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Model of the PSP for SEV-TIO, layers lowest first:
 *
 * psp_rmp.c	who owns a page
 * psp_buf.c	buffers in pages of the host's, as the commands name them
 * psp_fw.c	what the firmware says to the device, and when (requester.c)
 * psp_cmd.c	commands: layout, objects, states
 * psp_main.c	module, VMs, faults, debugfs
 *
 * Nothing in here is taken from the driver under test, neither types nor
 * numbers: what both have to agree on stands here a second time, from the same
 * public facts.
 */
#ifndef TDISP_PSP_MODEL_H
#define TDISP_PSP_MODEL_H

#include <linux/completion.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/workqueue.h>

#include "fw_log.h"
#include "psp-inject.h"
#include "requester.h"

/* Status of a command */
#define PSP_OK				0x00
#define PSP_INVALID_ADDRESS		0x09
#define PSP_INVALID_PARAM		0x16
#define PSP_INVALID_PAGE_STATE		0x1a
#define PSP_INCORRECT_BUFFER_LENGTH	0x30
#define PSP_EXPAND_BUFFER		0x31
#define PSP_SPDM_REQUEST		0x32
#define PSP_SPDM_ERROR			0x33
#define PSP_INVALID_DEV_CTX		0x36
#define PSP_INVALID_TDI_CTX		0x37
#define PSP_INVALID_TDI			0x38
#define PSP_RECLAIM_REQUIRED		0x39
#define PSP_IN_USE			0x3a
#define PSP_INVALID_DEV_STATE		0x3b
#define PSP_INVALID_TDI_STATE		0x3c

#define PSP_MAX_CMD			0x80
#define PSP_MAX_PAGES			64

/* What TIO_STATUS announces */
struct psp_sizes {
	u32 req_min, req_max;
	u32 scratch_min, scratch_max;
	u32 out_min, out_max;
	u32 rsp_min, rsp_max;
	u32 devctx, tdictx;
};

/**
 * struct psp_buf - Pages that a command names
 * @npages: entries of @pfn
 * @pfn: the pages
 */
struct psp_buf {
	u32 npages;
	u64 pfn[PSP_MAX_PAGES];
};

struct psp_dev;
struct psp_tdi;

/**
 * struct psp_job - A command that exchanges messages with the device
 * @work: the firmware's side of it
 * @to_host: the firmware has something to say
 * @to_fw: the host has answered
 * @cmd: number of the command
 * @data: its buffer
 * @len: bytes of @data
 * @dev: device that it is about
 * @tdi: TDI that it is about, NULL if none
 * @run: what the firmware does
 * @req: buffer for messages to the device
 * @resp: buffer for its responses
 * @output: buffer for the result
 * @msg: message under way
 * @rsp: last response
 * @rsp_size: room in @rsp, what the host's buffer can take
 * @status: PSP_SPDM_REQUEST, or of the command when @done
 * @broken: status for an exchange that did not come to its end, or PSP_OK
 * @done: the firmware is through
 * @cancelled: the host went on to something else
 */
struct psp_job {
	struct work_struct work;
	struct completion to_host, to_fw;
	u32 cmd;
	u8 data[PSP_MAX_CMD];
	u32 len;
	struct psp_dev *dev;
	struct psp_tdi *tdi;
	u32 (*run)(struct psp_job *job);
	struct psp_buf req, resp, output;
	u8 *msg;
	u8 *rsp;
	size_t rsp_size;
	u32 status;
	u32 broken;
	bool done;
	bool cancelled;
};

enum psp_dev_state { PSP_DEV_CREATED, PSP_DEV_CONNECTED };

/**
 * struct psp_dev - Device context
 * @node: in psp_devs
 * @sla: how the host names it
 * @ctx: its pages
 * @device_id: requester ID of function 0
 * @segment: PCIe segment
 * @state: its state
 * @requester: the session, and the IDE stream of class 0
 * @tc_mask: traffic classes
 * @keys: a key may have been programmed
 * @tdis: struct psp_tdi
 * @job: command that waits for the host
 * @cert: certificate chain, as SPDM has it
 */
struct psp_dev {
	struct list_head node;
	u64 sla;
	struct psp_buf ctx;
	u16 device_id;
	u8 segment;
	enum psp_dev_state state;
	struct requester requester;
	u8 tc_mask;
	bool keys;
	struct list_head tdis;
	struct psp_job *job;
	struct requester_object cert;
};

/**
 * struct psp_tdi - TDI context
 * @node: in psp_dev::tdis
 * @dev: the device
 * @sla: how the host names it
 * @ctx: its pages
 * @function_id: of TDISP
 * @asked: somebody tried to bind it
 * @bound: to a guest
 * @run: was started
 * @gctx: the guest
 * @asid: the guest
 * @guest_id: requester ID in the guest
 * @nonce: of LOCK
 * @report: interface report
 * @sdte: the guest has written a secure device table entry
 */
struct psp_tdi {
	struct list_head node;
	struct psp_dev *dev;
	u64 sla;
	struct psp_buf ctx;
	u32 function_id;
	bool asked;
	bool bound;
	bool run;
	u64 gctx;
	u32 asid;
	u16 guest_id;
	u8 nonce[TDISP_NONCE_SIZE];
	struct requester_object report;
	bool sdte;
};

/* psp_main.c */
extern struct psp_sizes psp_sizes;
extern bool psp_no_report;
extern bool psp_force_silent;
extern u32 psp_expand_to;
/* ASID of the guest with that context page, 0 if there is none */
u32 psp_guest_asid(u64 gctx);
const char *psp_cmd_name(u32 cmd);

/* psp_rmp.c */
enum psp_page_use { PSP_PAGE_FIRMWARE, PSP_PAGE_CONTEXT };

void psp_rmp_exit(void);
bool psp_rmp_firmware(u64 pfn);
bool psp_rmp_host(u64 pfn);
void psp_rmp_use(u64 pfn, enum psp_page_use use);
void psp_rmp_verify(const char *when);
void psp_rmp_fw_write(u64 pfn, u32 off, const void *data, u32 len);
/* Is the page the guest's, as it has to be to be validated? */
bool psp_rmp_guest(u64 pfn, u32 asid, u64 gpa);
void psp_rmp_validate(u64 pfn);
void psp_rmp_count(u32 *firmware, u32 *context, u32 *guest, u32 *leaked);

int psp_model_make_private(u64 pfn, u64 gpa, enum pg_level level, u32 asid,
			   bool immutable);
int psp_model_make_shared(u64 pfn, enum pg_level level);
int psp_model_reclaim_pages(unsigned long paddr, unsigned int npages,
			    bool locked);
void *psp_model_alloc_page(gfp_t gfp);
void psp_model_free_page(void *addr);

/* psp_buf.c */
u32 psp_buf_get(u64 sla, bool firmware, struct psp_buf *buf);
void psp_buf_use(const struct psp_buf *buf, enum psp_page_use use);
void psp_buf_read(const struct psp_buf *buf, u32 off, void *data, u32 len);
void psp_buf_write(const struct psp_buf *buf, u32 off, const void *data,
		   u32 len);
u32 psp_buf_capacity(const struct psp_buf *buf);
u32 psp_put_object(const struct psp_job *job, u32 id, const void *data,
		   u32 len);

/* psp_fw.c */
void psp_fw_init(struct psp_dev *dev);
void psp_fw_begin(struct psp_job *job);
u32 psp_fw_connect(struct psp_job *job);
u32 psp_fw_disconnect(struct psp_job *job);
u32 psp_fw_measurements(struct psp_job *job);
u32 psp_fw_certificates(struct psp_job *job);
u32 psp_fw_lock(struct psp_job *job);
u32 psp_fw_start(struct psp_job *job);
u32 psp_fw_stop(struct psp_job *job);
u32 psp_fw_force_stop(struct psp_job *job);
u32 psp_fw_force_disconnect(struct psp_job *job);
u32 psp_fw_report(struct psp_job *job);
u32 psp_fw_state(struct psp_job *job);

/* psp_guest.c */
u32 psp_guest_message(struct psp_job *job);

/* psp_cmd.c */
extern struct list_head psp_devs;
/* Answers no more */
extern bool psp_dead;
void psp_tdi_unbound(struct psp_tdi *tdi);
bool psp_mmio_bound(u64 pfn, u32 asid);
void psp_fence(struct psp_dev *dev, u32 asid);
void psp_cmd_exit(void);
int psp_raw(u32 cmd, u32 flags, u64 page);
int psp_model_cmd(int cmd, void *data, int *psp_ret);

/* What LOCK has the device add to its addresses */
#define PSP_MMIO_OFFSET		0x1010000000ULL

#endif /* TDISP_PSP_MODEL_H */
