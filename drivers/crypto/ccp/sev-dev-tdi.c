// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands of the PSP about TEE device interfaces: their buffers, and one
 * function for each. When to issue which is up to sev-dev-bind.c.
 *
 * The layouts are those of published code, see
 * Documentation/driver-api/pci/sev-tio.rst for what no hardware has confirmed.
 */
#include <linux/build_bug.h>
#include <linux/lockdep.h>
#include <linux/overflow.h>
#include <linux/pci.h>
#include <linux/psp.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <trace/events/tsm.h>

#include <asm/page.h>

#include "sev-dev.h"
#include "sev-dev-tdi.h"
#include "sev-dev-tio.h"

#define TIO_INTERFACE_ID_SIZE	12

/*
 * struct sev_data_tio_dev_status - TIO_DEV_STATUS
 * @length: of this buffer
 * @dev_ctx_sla: device context
 * @status_paddr: firmware page for struct tio_dev_status
 */
struct sev_data_tio_dev_status {
	u32 length;
	u8 reserved1[4];
	struct sla_addr_t dev_ctx_sla;
	u64 status_paddr;
	u8 reserved2[8];
} __packed;
static_assert(sizeof(struct sev_data_tio_dev_status) == 0x20);

/*
 * struct sev_data_tio_dev_meas - TIO_DEV_MEASUREMENTS
 * @length: Length in bytes of this command buffer
 * @flags: Command flags (TIO_DEV_MEAS_FLAG_RAW_BITSTREAM: request raw measurements)
 * @spdm_ctrl: SPDM control structure defined in Section 5.1
 * @dev_ctx_sla: Scatter list address of the device context buffer
 * @meas_nonce: Nonce for measurement freshness verification
 */
#define TIO_DEV_MEAS_FLAG_RAW_BITSTREAM	BIT(0)

struct sev_data_tio_dev_meas {
	u32 length;
	u32 flags;
	struct spdm_ctrl spdm_ctrl;
	struct sla_addr_t dev_ctx_sla;
	u8 meas_nonce[32];
} __packed;

/*
 * struct sev_data_tio_dev_certs - TIO_DEV_CERTIFICATES
 * @length: Length in bytes of this command buffer
 * @spdm_ctrl: SPDM control structure defined in Section 5.1
 * @dev_ctx_sla: Scatter list address of the device context buffer
 */
struct sev_data_tio_dev_certs {
	u32 length;
	u8 reserved[4];
	struct spdm_ctrl spdm_ctrl;
	struct sla_addr_t dev_ctx_sla;
} __packed;

static_assert(sizeof(struct sev_data_tio_dev_certs) == 0x30);
static_assert(sizeof(struct sev_data_tio_dev_meas) == 0x50);

/*
 * struct sev_data_tio_tdi_create - TIO_TDI_CREATE
 * @length: of this buffer
 * @dev_ctx_sla: device context
 * @tdi_ctx_sla: buffer that becomes the context of the TDI
 * @interface_id: INTERFACE_ID of TDISP
 */
struct sev_data_tio_tdi_create {
	u32 length;
	u8 reserved1[4];
	struct sla_addr_t dev_ctx_sla;
	struct sla_addr_t tdi_ctx_sla;
	__le32 function_id;
	u8 interface_id[TIO_INTERFACE_ID_SIZE - sizeof(__le32)];
	u8 reserved2[12];
} __packed;
static_assert(sizeof(struct sev_data_tio_tdi_create) == 0x30);

/*
 * struct sev_data_tio_tdi_reclaim - TIO_TDI_RECLAIM
 * @length: of this buffer
 * @dev_ctx_sla: device context
 * @tdi_ctx_sla: context of the TDI
 */
struct sev_data_tio_tdi_reclaim {
	u32 length;
	u8 reserved1[4];
	struct sla_addr_t dev_ctx_sla;
	struct sla_addr_t tdi_ctx_sla;
	u8 reserved2[8];
} __packed;
static_assert(sizeof(struct sev_data_tio_tdi_reclaim) == 0x20);

#define TIO_TDI_BIND_RUN	BIT(0)

/*
 * struct sev_data_tio_tdi_bind - TIO_TDI_BIND
 * @length: of this buffer
 * @spdm_ctrl: buffers of the exchange
 * @dev_ctx_sla: device context
 * @tdi_ctx_sla: context of the TDI
 * @gctx_paddr: context page of the guest
 * @guest_device_id: requester ID of the TDI in the guest
 * @lock_flags: flags of LOCK_INTERFACE
 * @run_flags: TIO_TDI_BIND_RUN to start a TDI that is locked
 */
struct sev_data_tio_tdi_bind {
	u32 length;
	u8 reserved1[4];
	struct spdm_ctrl spdm_ctrl;
	struct sla_addr_t dev_ctx_sla;
	struct sla_addr_t tdi_ctx_sla;
	u64 gctx_paddr;
	u16 guest_device_id;
	u16 lock_flags;
	u16 run_flags;
	u8 reserved2[10];
} __packed;
static_assert(sizeof(struct sev_data_tio_tdi_bind) == 0x50);

#define TIO_TDI_UNBIND_FORCE	BIT(0)

/*
 * struct sev_data_tio_tdi_guest - TIO_TDI_UNBIND and TIO_TDI_REPORT
 * @length: of this buffer
 * @flags: TIO_TDI_UNBIND_FORCE, 0 for TIO_TDI_REPORT
 * @spdm_ctrl: buffers of the exchange
 * @dev_ctx_sla: device context
 * @tdi_ctx_sla: context of the TDI
 * @gctx_paddr: context page of the guest
 */
struct sev_data_tio_tdi_guest {
	u32 length;
	u32 flags;
	struct spdm_ctrl spdm_ctrl;
	struct sla_addr_t dev_ctx_sla;
	struct sla_addr_t tdi_ctx_sla;
	u64 gctx_paddr;
} __packed;
static_assert(sizeof(struct sev_data_tio_tdi_guest) == 0x40);

/*
 * struct sev_data_tio_tdi_status - TIO_TDI_STATUS
 * @length: of this buffer
 * @spdm_ctrl: buffers of the exchange
 * @dev_ctx_sla: device context
 * @tdi_ctx_sla: context of the TDI
 * @status_paddr: firmware page for struct tio_tdi_status
 */
struct sev_data_tio_tdi_status {
	u32 length;
	u8 reserved[4];
	struct spdm_ctrl spdm_ctrl;
	struct sla_addr_t dev_ctx_sla;
	struct sla_addr_t tdi_ctx_sla;
	u64 status_paddr;
} __packed;
static_assert(sizeof(struct sev_data_tio_tdi_status) == 0x40);

/*
 * struct tio_tdi_status - What TIO_TDI_STATUS tells
 * @length: of this structure
 * @tdisp_state: enum tio_tdisp_state
 */
struct tio_tdi_status {
	u32 length;
	u8 tdisp_state;
	u8 reserved[11];
} __packed;
static_assert(sizeof(struct tio_tdi_status) == 0x10);

/*
 * struct sev_data_tio_tdi_info - TIO_TDI_INFO
 * @length: of this buffer
 * @dev_ctx_sla: device context
 * @tdi_ctx_sla: context of the TDI
 * @status_paddr: firmware page for struct tio_tdi_info
 */
struct sev_data_tio_tdi_info {
	u32 length;
	u8 reserved1[4];
	struct sla_addr_t dev_ctx_sla;
	struct sla_addr_t tdi_ctx_sla;
	u64 status_paddr;
	u8 reserved2[16];
} __packed;
static_assert(sizeof(struct sev_data_tio_tdi_info) == 0x30);

/*
 * struct sev_data_tio_guest_request - TIO_GUEST_REQUEST
 * @length: of this buffer
 * @spdm_ctrl: buffers of the exchange
 * @dev_ctx_sla: device context
 * @tdi_ctx_sla: context of the TDI
 * @gctx_paddr: context page of the guest
 * @req_paddr: page with the message of the guest
 * @res_paddr: firmware page for the response
 */
struct sev_data_tio_guest_request {
	u32 length;
	u8 reserved[4];
	struct spdm_ctrl spdm_ctrl;
	struct sla_addr_t dev_ctx_sla;
	struct sla_addr_t tdi_ctx_sla;
	u64 gctx_paddr;
	u64 req_paddr;
	u64 res_paddr;
} __packed;
static_assert(sizeof(struct sev_data_tio_guest_request) == 0x50);

/*
 * struct sev_data_tio_asid_fence_clear - TIO_ASID_FENCE_CLEAR
 * @length: of this buffer
 * @dev_ctx_sla: device context
 * @gctx_paddr: context page of the guest
 */
struct sev_data_tio_asid_fence_clear {
	u32 length;
	u8 reserved1[4];
	struct sla_addr_t dev_ctx_sla;
	u64 gctx_paddr;
	u8 reserved2[8];
} __packed;
static_assert(sizeof(struct sev_data_tio_asid_fence_clear) == 0x20);

/*
 * struct sev_data_tio_asid_fence_status - TIO_ASID_FENCE_STATUS
 * @length: of this buffer
 * @dev_ctx_sla: device context
 * @asid: of the guest
 * @status_paddr: firmware page for a u64, TIO_FENCE_DMA and TIO_FENCE_MMIO
 */
struct sev_data_tio_asid_fence_status {
	u32 length;
	u8 reserved1[4];
	struct sla_addr_t dev_ctx_sla;
	u32 asid;
	u64 status_paddr;
	u8 reserved2[4];
} __packed;
static_assert(sizeof(struct sev_data_tio_asid_fence_status) == 0x20);

static_assert(offsetof(struct tio_dev_status, certs_digest) == 0x30);
static_assert(offsetof(struct tio_dev_status, tdi_count) == 0x90);
static_assert(offsetof(struct tio_tdi_info, report_digest) == 0x80);
static_assert(offsetof(struct tio_tdi_info, asid) == 0xb8);
static_assert(sizeof(struct spdm_dobj_hdr_ev) == 0x20);

/* The firmware has to be told the length of every buffer, see sev-dev.c */
int tio_tdi_cmd_buffer_len(int cmd)
{
	switch (cmd) {
	case SEV_CMD_TIO_DEV_STATUS:
		return sizeof(struct sev_data_tio_dev_status);
	case SEV_CMD_TIO_DEV_MEASUREMENTS:
		return sizeof(struct sev_data_tio_dev_meas);
	case SEV_CMD_TIO_DEV_CERTIFICATES:
		return sizeof(struct sev_data_tio_dev_certs);
	case SEV_CMD_TIO_TDI_CREATE:
		return sizeof(struct sev_data_tio_tdi_create);
	case SEV_CMD_TIO_TDI_RECLAIM:
		return sizeof(struct sev_data_tio_tdi_reclaim);
	case SEV_CMD_TIO_TDI_BIND:
		return sizeof(struct sev_data_tio_tdi_bind);
	case SEV_CMD_TIO_TDI_UNBIND:
	case SEV_CMD_TIO_TDI_REPORT:
		return sizeof(struct sev_data_tio_tdi_guest);
	case SEV_CMD_TIO_TDI_STATUS:
		return sizeof(struct sev_data_tio_tdi_status);
	case SEV_CMD_TIO_GUEST_REQUEST:
		return sizeof(struct sev_data_tio_guest_request);
	case SEV_CMD_TIO_ASID_FENCE_CLEAR:
		return sizeof(struct sev_data_tio_asid_fence_clear);
	case SEV_CMD_TIO_ASID_FENCE_STATUS:
		return sizeof(struct sev_data_tio_asid_fence_status);
	case SEV_CMD_TIO_TDI_INFO:
		return sizeof(struct sev_data_tio_tdi_info);
	default:
		return 0;
	}
}

static const char *tio_cmd_name(int cmd)
{
	switch (cmd) {
	case SEV_CMD_TIO_DEV_CREATE:		return "TIO_DEV_CREATE";
	case SEV_CMD_TIO_DEV_RECLAIM:		return "TIO_DEV_RECLAIM";
	case SEV_CMD_TIO_DEV_CONNECT:		return "TIO_DEV_CONNECT";
	case SEV_CMD_TIO_DEV_DISCONNECT:	return "TIO_DEV_DISCONNECT";
	case SEV_CMD_TIO_DEV_STATUS:		return "TIO_DEV_STATUS";
	case SEV_CMD_TIO_DEV_MEASUREMENTS:	return "TIO_DEV_MEASUREMENTS";
	case SEV_CMD_TIO_DEV_CERTIFICATES:	return "TIO_DEV_CERTIFICATES";
	case SEV_CMD_TIO_TDI_CREATE:		return "TIO_TDI_CREATE";
	case SEV_CMD_TIO_TDI_RECLAIM:		return "TIO_TDI_RECLAIM";
	case SEV_CMD_TIO_TDI_BIND:		return "TIO_TDI_BIND";
	case SEV_CMD_TIO_TDI_UNBIND:		return "TIO_TDI_UNBIND";
	case SEV_CMD_TIO_TDI_REPORT:		return "TIO_TDI_REPORT";
	case SEV_CMD_TIO_TDI_STATUS:		return "TIO_TDI_STATUS";
	case SEV_CMD_TIO_GUEST_REQUEST:		return "TIO_GUEST_REQUEST";
	case SEV_CMD_TIO_ASID_FENCE_CLEAR:	return "TIO_ASID_FENCE_CLEAR";
	case SEV_CMD_TIO_ASID_FENCE_STATUS:	return "TIO_ASID_FENCE_STATUS";
	case SEV_CMD_TIO_TDI_INFO:		return "TIO_TDI_INFO";
	default:				return "TIO";
	}
}

u64 tio_trace_start(void)
{
	return trace_tsm_fw_call_enabled() ? ktime_get_ns() : 0;
}

static void tio_trace_name(struct tio_dsm *dsm, struct tio_tdi *tdi,
			   const char *name, int rc, u64 start)
{
	struct pci_dev *pdev = tdi ? tdi->pdev : dsm->tsm.base_tsm.pdev;

	trace_tsm_fw_call(&pdev->dev, name, rc, dsm->data.psp_ret, start);
}

/**
 * tio_trace_dev() - A command about a device has returned
 * @dsm: the device
 * @cmd: the command
 * @rc: its result
 * @start: when it was issued, see tio_trace_start()
 */
void tio_trace_dev(struct tio_dsm *dsm, int cmd, int rc, u64 start)
{
	tio_trace_name(dsm, NULL, tio_cmd_name(cmd), rc, start);
}

/* A command that exchanges nothing with the device */
static int tio_cmd(struct tio_dsm *dsm, struct tio_tdi *tdi, int cmd,
		   void *data)
{
	u64 start = tio_trace_start();
	int rc;

	lockdep_assert_held(&dsm->tsm.lock);

	dsm->data.psp_ret = 0;
	rc = sev_do_cmd(cmd, data, &dsm->data.psp_ret);
	tio_trace_name(dsm, tdi, tio_cmd_name(cmd), rc, start);
	return rc;
}

/*
 * A command that may, with all the messages that it takes. An exchange that failed
 * is not the PSP's to answer for: pci_doe() does not tell its time limit from an
 * error of the mailbox. @name is for the trace.
 */
static int tio_spdm_cmd_as(struct tio_dsm *dsm, struct tio_tdi *tdi, int cmd,
			   void *data, const char *name)
{
	u64 start = tio_trace_start();
	int rc;

	lockdep_assert_held(&dsm->tsm.lock);

	rc = sev_tio_do_cmd(cmd, data, tio_tdi_cmd_buffer_len(cmd),
			    &dsm->data.psp_ret, &dsm->data);
	rc = sev_tio_spdm_cmd(dsm, rc);
	if (rc == -EIO && !dsm->data.psp_ret)
		rc = pci_device_is_present(dsm->tsm.base_tsm.pdev) ? -ETIMEDOUT :
								     -ENODEV;
	tio_trace_name(dsm, tdi, name, rc, start);
	return rc;
}

static int tio_spdm_cmd(struct tio_dsm *dsm, struct tio_tdi *tdi, int cmd,
			void *data)
{
	return tio_spdm_cmd_as(dsm, tdi, cmd, data, tio_cmd_name(cmd));
}

static bool tio_sla_null(struct sla_addr_t sla)
{
	return !sla.sla;
}

/**
 * tio_tdi_create() - Have the PSP take a function for a TDI
 * @dsm: device of the function, connected
 * @tdi: gets a context
 * @function_id: FUNCTION_ID of TDISP
 *
 * Return: 0, or an error, with nothing left of a context in @tdi.
 */
int tio_tdi_create(struct tio_dsm *dsm, struct tio_tdi *tdi, u32 function_id)
{
	struct sev_data_tio_tdi_create create = {
		.length = sizeof(create),
		.dev_ctx_sla = dsm->data.dev_ctx,
		.function_id = cpu_to_le32(function_id),
	};
	int rc;

	if (tio_sla_null(dsm->data.dev_ctx))
		return -ENXIO;
	tdi->ctx = sla_alloc(dsm->sev->tio_status->tdictx_size, true);
	if (tio_sla_null(tdi->ctx))
		return -ENOMEM;

	create.tdi_ctx_sla = tdi->ctx;
	rc = tio_cmd(dsm, tdi, SEV_CMD_TIO_TDI_CREATE, &create);
	if (rc) {
		/* Keeps what the PSP does not give back */
		sla_free(tdi->ctx, true);
		tdi->ctx.sla = 0;
	}
	return rc;
}

/**
 * tio_tdi_reclaim() - Undo tio_tdi_create()
 * @dsm: device of the TDI
 * @tdi: not bound
 *
 * Return: 0, or an error, with the context still the PSP's.
 */
int tio_tdi_reclaim(struct tio_dsm *dsm, struct tio_tdi *tdi)
{
	struct sev_data_tio_tdi_reclaim reclaim = {
		.length = sizeof(reclaim),
		.dev_ctx_sla = dsm->data.dev_ctx,
		.tdi_ctx_sla = tdi->ctx,
	};
	int rc;

	rc = tio_cmd(dsm, tdi, SEV_CMD_TIO_TDI_RECLAIM, &reclaim);
	if (rc)
		return rc;
	sla_free(tdi->ctx, true);
	tdi->ctx.sla = 0;
	return 0;
}

/**
 * tio_tdi_bind() - Lock a TDI for its guest, or start it
 * @dsm: device of the TDI
 * @tdi: with a context and a guest
 * @guest_id: requester ID in the guest
 * @run: start it, it is locked
 *
 * Return: 0, or an error: the TDI may be in any state then.
 */
int tio_tdi_bind(struct tio_dsm *dsm, struct tio_tdi *tdi, u16 guest_id,
		 bool run)
{
	struct sev_data_tio_tdi_bind bind = {
		.length = sizeof(bind),
		.dev_ctx_sla = dsm->data.dev_ctx,
		.tdi_ctx_sla = tdi->ctx,
		.gctx_paddr = tdi->gctx_paddr,
		.guest_device_id = guest_id,
		.run_flags = run ? TIO_TDI_BIND_RUN : 0,
	};

	spdm_ctrl_init(&bind.spdm_ctrl, &dsm->data);
	return tio_spdm_cmd_as(dsm, tdi, SEV_CMD_TIO_TDI_BIND, &bind,
			       run ? "TIO_TDI_BIND_RUN" : "TIO_TDI_BIND");
}

static int tio_tdi_guest_cmd(struct tio_dsm *dsm, struct tio_tdi *tdi, int cmd,
			     u32 flags, const char *name)
{
	struct sev_data_tio_tdi_guest data = {
		.length = sizeof(data),
		.flags = flags,
		.dev_ctx_sla = dsm->data.dev_ctx,
		.tdi_ctx_sla = tdi->ctx,
		.gctx_paddr = tdi->gctx_paddr,
	};

	spdm_ctrl_init(&data.spdm_ctrl, &dsm->data);
	return tio_spdm_cmd_as(dsm, tdi, cmd, &data, name);
}

/**
 * tio_tdi_unbind() - Take a TDI back from its guest
 * @dsm: device of the TDI
 * @tdi: bound, or what an unsuccessful bind has left
 * @force: whatever the device says to it
 *
 * Return: 0, or an error. The state of the TDI is another question, see
 * tio_tdi_status().
 */
int tio_tdi_unbind(struct tio_dsm *dsm, struct tio_tdi *tdi, bool force)
{
	return tio_tdi_guest_cmd(dsm, tdi, SEV_CMD_TIO_TDI_UNBIND,
				 force ? TIO_TDI_UNBIND_FORCE : 0,
				 force ? "TIO_TDI_UNBIND_FORCE" :
					 "TIO_TDI_UNBIND");
}

/**
 * tio_tdi_report() - Have the interface report put into the output buffer
 * @dsm: device of the TDI
 * @tdi: bound
 *
 * Return: 0 or an error.
 */
int tio_tdi_report(struct tio_dsm *dsm, struct tio_tdi *tdi)
{
	return tio_tdi_guest_cmd(dsm, tdi, SEV_CMD_TIO_TDI_REPORT, 0,
				 "TIO_TDI_REPORT");
}

/* Did the PSP fill as much of the data page as is going to be looked at? */
static int tio_data_page(struct tio_dsm *dsm, size_t size)
{
	u32 length = *(u32 *)dsm->data.data_pg;

	return length < size ? -EBADMSG : 0;
}

/**
 * tio_tdi_status() - Ask the device for the state of a TDI
 * @dsm: device of the TDI
 * @tdi: with a context
 * @state: result, enum tio_tdisp_state
 *
 * Return: 0 or an error.
 */
int tio_tdi_status(struct tio_dsm *dsm, struct tio_tdi *tdi, u8 *state)
{
	struct tio_tdi_status *status = dsm->data.data_pg;
	struct sev_data_tio_tdi_status data = {
		.length = sizeof(data),
		.dev_ctx_sla = dsm->data.dev_ctx,
		.tdi_ctx_sla = tdi->ctx,
		.status_paddr = __psp_pa(status),
	};
	int rc;

	spdm_ctrl_init(&data.spdm_ctrl, &dsm->data);
	rc = tio_spdm_cmd(dsm, tdi, SEV_CMD_TIO_TDI_STATUS, &data);
	if (rc)
		return rc;
	rc = tio_data_page(dsm, offsetofend(struct tio_tdi_status, tdisp_state));
	if (rc)
		return rc;
	if (status->tdisp_state > TIO_TDISP_ERROR)
		return -EBADMSG;
	*state = status->tdisp_state;
	return 0;
}

/**
 * tio_tdi_info() - Ask the PSP what it knows of a TDI
 * @dsm: device of the TDI
 * @tdi: with a context
 * @info: result
 *
 * Return: 0 or an error.
 */
int tio_tdi_info(struct tio_dsm *dsm, struct tio_tdi *tdi,
		 struct tio_tdi_info *info)
{
	struct sev_data_tio_tdi_info data = {
		.length = sizeof(data),
		.dev_ctx_sla = dsm->data.dev_ctx,
		.tdi_ctx_sla = tdi->ctx,
		.status_paddr = __psp_pa(dsm->data.data_pg),
	};
	int rc;

	rc = tio_cmd(dsm, tdi, SEV_CMD_TIO_TDI_INFO, &data);
	if (rc)
		return rc;
	rc = tio_data_page(dsm, sizeof(*info));
	if (rc)
		return rc;
	memcpy(info, dsm->data.data_pg, sizeof(*info));
	return 0;
}

/**
 * tio_guest_request() - Hand a message of the guest to the PSP
 * @dsm: device of the TDI
 * @tdi: bound
 * @req: page with the message
 * @resp: firmware page for the response
 *
 * Return: 0 or an error.
 */
int tio_guest_request(struct tio_dsm *dsm, struct tio_tdi *tdi, void *req,
		      void *resp)
{
	struct sev_data_tio_guest_request data = {
		.length = sizeof(data),
		.dev_ctx_sla = dsm->data.dev_ctx,
		.tdi_ctx_sla = tdi->ctx,
		.gctx_paddr = tdi->gctx_paddr,
		.req_paddr = __psp_pa(req),
		.res_paddr = __psp_pa(resp),
	};

	spdm_ctrl_init(&data.spdm_ctrl, &dsm->data);
	return tio_spdm_cmd(dsm, tdi, SEV_CMD_TIO_GUEST_REQUEST, &data);
}

/**
 * tio_fence_status() - Does the root complex keep a guest from a device?
 * @dsm: the device
 * @asid: of the guest
 * @status: result, TIO_FENCE_DMA and TIO_FENCE_MMIO
 *
 * Return: 0 or an error.
 */
int tio_fence_status(struct tio_dsm *dsm, u32 asid, u64 *status)
{
	struct sev_data_tio_asid_fence_status data = {
		.length = sizeof(data),
		.dev_ctx_sla = dsm->data.dev_ctx,
		.asid = asid,
		.status_paddr = __psp_pa(dsm->data.data_pg),
	};
	int rc;

	rc = tio_cmd(dsm, NULL, SEV_CMD_TIO_ASID_FENCE_STATUS, &data);
	if (!rc)
		*status = *(u64 *)dsm->data.data_pg;
	return rc;
}

/**
 * tio_fence_clear() - Let a guest through to its devices again
 * @dsm: a device, none of its TDIs is bound for the guest
 * @gctx_paddr: context page of the guest
 *
 * Return: 0 or an error.
 */
int tio_fence_clear(struct tio_dsm *dsm, u64 gctx_paddr)
{
	struct sev_data_tio_asid_fence_clear data = {
		.length = sizeof(data),
		.dev_ctx_sla = dsm->data.dev_ctx,
		.gctx_paddr = gctx_paddr,
	};

	return tio_cmd(dsm, NULL, SEV_CMD_TIO_ASID_FENCE_CLEAR, &data);
}

/**
 * tio_dev_status() - Ask the PSP what it knows of a device
 * @dsm: the device
 * @status: result
 *
 * Return: 0 or an error.
 */
int tio_dev_status(struct tio_dsm *dsm, struct tio_dev_status *status)
{
	struct sev_data_tio_dev_status data = {
		.length = sizeof(data),
		.dev_ctx_sla = dsm->data.dev_ctx,
		.status_paddr = __psp_pa(dsm->data.data_pg),
	};
	int rc;

	rc = tio_cmd(dsm, NULL, SEV_CMD_TIO_DEV_STATUS, &data);
	if (rc)
		return rc;
	rc = tio_data_page(dsm, sizeof(*status));
	if (rc)
		return rc;
	memcpy(status, dsm->data.data_pg, sizeof(*status));
	return 0;
}

/**
 * tio_dev_measurements() - Have measurements put into the output buffer
 * @dsm: the device
 * @nonce: 32 bytes, freshness
 *
 * Return: 0 or an error.
 */
int tio_dev_measurements(struct tio_dsm *dsm, const u8 *nonce)
{
	struct sev_data_tio_dev_meas data = {
		.length = sizeof(data),
		.dev_ctx_sla = dsm->data.dev_ctx,
	};

	memcpy(data.meas_nonce, nonce, sizeof(data.meas_nonce));
	spdm_ctrl_init(&data.spdm_ctrl, &dsm->data);
	return tio_spdm_cmd(dsm, NULL, SEV_CMD_TIO_DEV_MEASUREMENTS, &data);
}

/**
 * tio_dev_certificates() - Have the certificates put into the output buffer
 * @dsm: the device
 *
 * Return: 0 or an error.
 */
int tio_dev_certificates(struct tio_dsm *dsm)
{
	struct sev_data_tio_dev_certs data = {
		.length = sizeof(data),
		.dev_ctx_sla = dsm->data.dev_ctx,
	};

	spdm_ctrl_init(&data.spdm_ctrl, &dsm->data);
	return tio_spdm_cmd(dsm, NULL, SEV_CMD_TIO_DEV_CERTIFICATES, &data);
}

/* What of an output buffer of @size bytes is the data of object @id? */
static int tio_parse_output(const struct sla_buffer_hdr *buf, size_t size,
			    u32 id, const void **data, u32 *len)
{
	const struct spdm_dobj_hdr_ev *obj = (const void *)(buf + 1);

	if (buf->payload_sz < sizeof(*obj) ||
	    buf->payload_sz > size - sizeof(*buf))
		return -EBADMSG;
	if (buf->flags & SLA_BUFFER_FLAG_ENCRYPTION)
		return -EBADMSG;
	if (obj->hdr.id != id)
		return -EBADMSG;
	if (obj->hdr.length < sizeof(*obj) ||
	    obj->hdr.length > buf->payload_sz)
		return -EBADMSG;
	if (obj->type != SPDM_DOBJ_TYPE_STANDARD)
		return -EPROTONOSUPPORT;

	*data = obj + 1;
	*len = obj->hdr.length - sizeof(*obj);
	return 0;
}

/**
 * tio_read_output() - Take a copy of what the last command put out
 * @dsm: the device
 * @id: object that it should be, SPDM_DOBJ_ID_*
 * @data: result, for kvfree()
 * @len: bytes of it
 *
 * Return: 0, -EBADMSG if it is another object or its lengths do not add up,
 * -EPROTONOSUPPORT for a format that is not known.
 */
int tio_read_output(struct tio_dsm *dsm, u32 id, void **data, u32 *len)
{
	struct tsm_dsm_tio *dev_data = &dsm->data;
	struct sla_buffer_hdr *buf;
	const void *bytes;
	int rc;

	lockdep_assert_held(&dsm->tsm.lock);

	buf = sla_buffer_map(dev_data->output);
	if (!buf)
		return -ENOMEM;
	rc = tio_parse_output(buf, dev_data->output_len, id, &bytes, len);
	if (!rc) {
		*data = kvmemdup(bytes, *len, GFP_KERNEL_ACCOUNT);
		if (!*data)
			rc = -ENOMEM;
	}
	sla_buffer_unmap(dev_data->output, buf);
	return rc;
}
