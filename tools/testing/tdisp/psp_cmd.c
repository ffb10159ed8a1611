// SPDX-License-Identifier: GPL-2.0-only
/*
 * Commands of the PSP: what a buffer has to look like, which objects there are,
 * and what may be done to them in which state. Which command answers a violation
 * with which status is known from no public source: it is chosen by its name.
 */
#include <linux/build_bug.h>
#include <linux/cleanup.h>
#include <linux/err.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/pfn.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "psp_model.h"
#include "../../../drivers/crypto/ccp/sev-dev.h"

/* Offsets that many commands share */
#define CMD_LENGTH	0x00
#define CMD_FLAGS	0x04
#define CMD_SPDM	0x08
#define FLAG_FORCE	BIT(0)
#define RUN_FLAG	BIT(0)
#define ALL_LOCK_FLAGS	0x1d

/* What the firmware may ask for in an object's buffer, whatever else it is */
#define MIN_RSP		256

/**
 * struct psp_fence_state - What the root complex keeps from a guest
 * @node: in psp_fences
 * @device_id: the device
 * @segment: of the device
 * @asid: the guest
 */
struct psp_fence_state {
	struct list_head node;
	u16 device_id;
	u8 segment;
	u32 asid;
};

LIST_HEAD(psp_devs);
static LIST_HEAD(psp_fences);
static bool psp_tio_init_done;
/* Buffers of the last command that had some */
static u8 psp_last_spdm[32];
bool psp_dead;

/* Bytes of a command that have to be 0 */
struct psp_reserved {
	u8 off, len;
};

/**
 * struct psp_desc - A command
 * @name: for people
 * @size: of its buffer
 * @dev: offset of the device context, 0 if it has none
 * @tdi: offset of the TDI context, 0 if it has none
 * @gctx: offset of the guest's context page, 0 if it has none
 * @page: offset of the address of a firmware page, 0 if it has none
 * @spdm: it exchanges messages with the device
 * @rsvd: what has to be 0
 * @start: checks state, and does it unless @spdm
 */
struct psp_desc {
	const char *name;
	u8 size;
	u8 dev, tdi, gctx, page;
	bool spdm;
	struct psp_reserved rsvd[3];
	u32 (*start)(struct psp_job *job);
};

static struct psp_fence_state *psp_find_fence(struct psp_dev *dev, u32 asid)
{
	struct psp_fence_state *fence;

	list_for_each_entry(fence, &psp_fences, node)
		if (fence->device_id == dev->device_id &&
		    fence->segment == dev->segment && fence->asid == asid)
			return fence;
	return NULL;
}

void psp_fence(struct psp_dev *dev, u32 asid)
{
	struct psp_fence_state *fence;

	if (psp_find_fence(dev, asid))
		return;
	fence = kzalloc_obj(*fence);
	if (!fence)
		return;
	fence->device_id = dev->device_id;
	fence->segment = dev->segment;
	fence->asid = asid;
	list_add(&fence->node, &psp_fences);
	fw_log("  ASID %u fenced", asid);
}

void psp_tdi_unbound(struct psp_tdi *tdi)
{
	tdi->bound = false;
	tdi->run = false;
	tdi->sdte = false;
}

static bool psp_tdi_has_page(struct psp_tdi *tdi, u64 pfn)
{
	struct tdisp_span report = { tdi->report.data, tdi->report.len };

	return report.data && tdisp_report_has_tee(report,
						   pfn + PSP_MMIO_OFFSET, 1);
}

/* Is it MMIO of a TDI that is bound to the guest? */
bool psp_mmio_bound(u64 pfn, u32 asid)
{
	struct psp_dev *dev;
	struct psp_tdi *tdi;

	list_for_each_entry(dev, &psp_devs, node)
		list_for_each_entry(tdi, &dev->tdis, node)
			if (tdi->bound && tdi->asid == asid &&
			    psp_tdi_has_page(tdi, pfn))
				return true;
	return false;
}

static struct psp_dev *psp_find_dev(u64 sla)
{
	struct psp_dev *dev;

	list_for_each_entry(dev, &psp_devs, node)
		if (dev->sla == sla)
			return dev;
	return NULL;
}

static struct psp_tdi *psp_find_tdi(struct psp_dev *dev, u64 sla)
{
	struct psp_tdi *tdi;

	list_for_each_entry(tdi, &dev->tdis, node)
		if (tdi->sla == sla)
			return tdi;
	return NULL;
}

static u32 psp_context(u64 sla, u32 size, struct psp_buf *buf)
{
	u32 status = psp_buf_get(sla, true, buf);

	if (status)
		return status;
	if (buf->npages * PAGE_SIZE < size)
		return fw_refuse(PSP_INCORRECT_BUFFER_LENGTH, "context");
	return PSP_OK;
}

static u64 job_u64(struct psp_job *job, u32 off)
{
	return get_unaligned_le64(job->data + off);
}

static u64 psp_status_page(struct psp_job *job, u32 off)
{
	return PHYS_PFN(job_u64(job, off));
}

static u32 psp_tio_status(struct psp_job *job)
{
	u8 status[0x40] = {};
	const u32 *sizes = (const u32 *)&psp_sizes;

	put_unaligned_le32(sizeof(status), status);
	put_unaligned_le32(BIT(0) | (psp_tio_init_done ? BIT(1) : 0),
			   status + 4);
	for (int i = 0; i < sizeof(psp_sizes) / sizeof(u32); i++)
		put_unaligned_le32(sizes[i], status + 8 + 4 * i);
	psp_rmp_fw_write(psp_status_page(job, 8), 0, status, sizeof(status));
	return PSP_OK;
}

static u32 psp_tio_init(struct psp_job *job)
{
	if (psp_tio_init_done)
		return fw_refuse(PSP_INVALID_DEV_STATE, "TIO_INIT again");
	psp_tio_init_done = true;
	return PSP_OK;
}

static u32 psp_dev_create(struct psp_job *job)
{
	u64 sla = job_u64(job, 8);
	struct psp_dev *dev;
	u32 status;

	list_for_each_entry(dev, &psp_devs, node)
		if (dev->device_id == get_unaligned_le16(job->data + 0x10) &&
		    dev->segment == job->data[0x14])
			return fw_refuse(PSP_RECLAIM_REQUIRED, "device exists");
	dev = kzalloc_obj(*dev);
	if (!dev)
		return PSP_INVALID_PARAM;
	status = psp_context(sla, psp_sizes.devctx, &dev->ctx);
	if (status) {
		kfree(dev);
		return status;
	}
	dev->sla = sla;
	dev->device_id = get_unaligned_le16(job->data + 0x10);
	dev->segment = job->data[0x14];
	INIT_LIST_HEAD(&dev->tdis);
	psp_fw_init(dev);
	psp_buf_use(&dev->ctx, PSP_PAGE_CONTEXT);
	list_add(&dev->node, &psp_devs);
	return PSP_OK;
}

static u32 psp_dev_reclaim(struct psp_job *job)
{
	struct psp_dev *dev = job->dev;

	if (!list_empty(&dev->tdis))
		return fw_refuse(PSP_IN_USE, "device has TDIs");
	if (dev->state != PSP_DEV_CREATED)
		return fw_refuse(PSP_INVALID_DEV_STATE, "device is connected");
	psp_buf_use(&dev->ctx, PSP_PAGE_FIRMWARE);
	list_del(&dev->node);
	kvfree(dev->cert.data);
	kfree(dev);
	job->dev = NULL;
	return PSP_OK;
}

static u32 psp_dev_connect(struct psp_job *job)
{
	struct psp_dev *dev = job->dev;

	if (dev->state != PSP_DEV_CREATED)
		return fw_refuse(PSP_INVALID_DEV_STATE, "connected already");
	if (!(job->data[0x38] & 1))
		return PSP_INVALID_PARAM;
	dev->tc_mask = job->data[0x38];
	dev->requester.stream_id = job->data[0x40];
	job->run = psp_fw_connect;
	return PSP_OK;
}

static u32 psp_dev_disconnect(struct psp_job *job)
{
	struct psp_dev *dev = job->dev;

	if (!list_empty(&dev->tdis))
		return fw_refuse(PSP_IN_USE, "device has TDIs");
	/* A connect that failed half way leaves something to disconnect */
	if (dev->state != PSP_DEV_CONNECTED && !dev->requester.session_id)
		return fw_refuse(PSP_INVALID_DEV_STATE, "not connected");
	job->run = get_unaligned_le32(job->data + CMD_FLAGS) & FLAG_FORCE ?
		   psp_fw_force_disconnect : psp_fw_disconnect;
	return PSP_OK;
}

static u32 psp_connected(struct psp_job *job)
{
	if (job->dev->state != PSP_DEV_CONNECTED)
		return fw_refuse(PSP_INVALID_DEV_STATE, "not connected");
	return PSP_OK;
}

static u32 psp_dev_status(struct psp_job *job)
{
	struct psp_dev *dev = job->dev;
	u8 status[0xa0] = {};
	struct psp_tdi *tdi;
	u32 nr = 0, bound = 0;

	list_for_each_entry(tdi, &dev->tdis, node) {
		nr++;
		bound += tdi->bound;
	}
	put_unaligned_le32(sizeof(status), status);
	status[4] = dev->state;
	put_unaligned_le16(dev->device_id, status + 8);
	status[0xa] = dev->segment;
	status[0xb] = dev->tc_mask;
	status[0x20] = dev->requester.stream_id;
	put_unaligned_le32(nr, status + 0x90);
	put_unaligned_le32(bound, status + 0x94);
	psp_rmp_fw_write(psp_status_page(job, 0x10), 0, status, sizeof(status));
	return PSP_OK;
}

static u32 psp_dev_measurements(struct psp_job *job)
{
	job->run = psp_fw_measurements;
	return psp_connected(job);
}

static u32 psp_dev_certificates(struct psp_job *job)
{
	job->run = psp_fw_certificates;
	return psp_connected(job);
}

static u32 psp_tdi_create(struct psp_job *job)
{
	u32 function_id = get_unaligned_le32(job->data + 0x18);
	u64 sla = job_u64(job, 0x10);
	struct psp_tdi *tdi;
	u32 status;

	status = psp_connected(job);
	if (status)
		return status;
	if (memchr_inv(job->data + 0x1c, 0, 8))
		return PSP_INVALID_PARAM;
	list_for_each_entry(tdi, &job->dev->tdis, node)
		if (tdi->function_id == function_id)
			return fw_refuse(PSP_RECLAIM_REQUIRED, "TDI exists");
	tdi = kzalloc_obj(*tdi);
	if (!tdi)
		return PSP_INVALID_PARAM;
	status = psp_context(sla, psp_sizes.tdictx, &tdi->ctx);
	if (status) {
		kfree(tdi);
		return status;
	}
	tdi->sla = sla;
	tdi->dev = job->dev;
	tdi->function_id = function_id;
	psp_buf_use(&tdi->ctx, PSP_PAGE_CONTEXT);
	list_add(&tdi->node, &job->dev->tdis);
	return PSP_OK;
}

static u32 psp_tdi_reclaim(struct psp_job *job)
{
	struct psp_tdi *tdi = job->tdi;

	if (tdi->bound)
		return fw_refuse(PSP_INVALID_TDI_STATE, "TDI is bound");
	psp_buf_use(&tdi->ctx, PSP_PAGE_FIRMWARE);
	list_del(&tdi->node);
	kvfree(tdi->report.data);
	kfree(tdi);
	job->tdi = NULL;
	return PSP_OK;
}

static u32 psp_tdi_bind(struct psp_job *job)
{
	bool run = get_unaligned_le16(job->data + 0x44) & RUN_FLAG;
	struct psp_tdi *tdi = job->tdi;
	u32 status;

	status = psp_connected(job);
	if (status)
		return status;
	if (get_unaligned_le16(job->data + 0x44) & ~RUN_FLAG ||
	    get_unaligned_le16(job->data + 0x42) & ~ALL_LOCK_FLAGS)
		return PSP_INVALID_PARAM;
	if (run) {
		if (!tdi->bound || tdi->run)
			return fw_refuse(PSP_INVALID_TDI_STATE, "not locked");
		if (tdi->gctx != job_u64(job, 0x38) ||
		    tdi->guest_id != get_unaligned_le16(job->data + 0x40))
			return fw_refuse(PSP_INVALID_TDI, "another guest");
		job->run = psp_fw_start;
		return PSP_OK;
	}
	if (tdi->bound)
		return fw_refuse(PSP_INVALID_TDI_STATE, "bound already");
	tdi->asked = true;
	job->run = psp_fw_lock;
	return PSP_OK;
}

/* It is no wrong order to unbind what could not be bound: who knows what is left? */
static u32 psp_tdi_unbind(struct psp_job *job)
{
	struct psp_tdi *tdi = job->tdi;

	if (!tdi->asked)
		return fw_refuse(PSP_INVALID_TDI_STATE, "never bound");
	if (!tdi->bound)
		return PSP_INVALID_TDI_STATE;
	if (tdi->gctx != job_u64(job, 0x38))
		return fw_refuse(PSP_INVALID_TDI, "another guest");
	job->run = get_unaligned_le32(job->data + CMD_FLAGS) & FLAG_FORCE ?
		   psp_fw_force_stop : psp_fw_stop;
	return PSP_OK;
}

static u32 psp_bound_to(struct psp_job *job)
{
	if (!job->tdi->bound)
		return fw_refuse(PSP_INVALID_TDI_STATE, "not bound");
	if (job->tdi->gctx != job_u64(job, 0x38))
		return fw_refuse(PSP_INVALID_TDI, "another guest");
	return PSP_OK;
}

static u32 psp_tdi_report(struct psp_job *job)
{
	job->run = psp_fw_report;
	return psp_bound_to(job);
}

static u32 psp_tdi_status(struct psp_job *job)
{
	job->run = psp_fw_state;
	return psp_connected(job);
}

static u32 psp_tdi_info(struct psp_job *job)
{
	struct psp_tdi *tdi = job->tdi;
	u8 info[0xbc] = {};

	put_unaligned_le32(sizeof(info), info);
	put_unaligned_le32(tdi->function_id, info + 4);
	put_unaligned_le32((tdi->bound ? 0 : 2) << 2, info + 0x10);
	put_unaligned_le32(tdi->bound ? tdi->asid : 0, info + 0xb8);
	psp_rmp_fw_write(psp_status_page(job, 0x18), 0, info, sizeof(info));
	return PSP_OK;
}

static u32 psp_guest_request(struct psp_job *job)
{
	u64 req = job_u64(job, 0x40), res = job_u64(job, 0x48);
	u32 status;

	status = psp_bound_to(job);
	if (status)
		return status;
	if (!PAGE_ALIGNED(req) || !PAGE_ALIGNED(res) ||
	    !pfn_valid(PHYS_PFN(req)) || !psp_rmp_host(PHYS_PFN(req)) ||
	    !psp_rmp_firmware(PHYS_PFN(res))) {
		fw_violation("pages of a guest request");
		return PSP_INVALID_ADDRESS;
	}
	job->run = psp_guest_message;
	return PSP_OK;
}

static u32 psp_fence_clear(struct psp_job *job)
{
	u32 asid = psp_guest_asid(job_u64(job, 0x10));
	struct psp_fence_state *fence;
	struct psp_tdi *tdi;

	list_for_each_entry(tdi, &job->dev->tdis, node)
		if (tdi->bound && tdi->asid == asid)
			return fw_refuse(PSP_IN_USE, "guest has TDIs");
	fence = psp_find_fence(job->dev, asid);
	if (!fence)
		return fw_refuse(PSP_INVALID_PARAM, "no fence");
	list_del(&fence->node);
	kfree(fence);
	return PSP_OK;
}

static u32 psp_fence_status(struct psp_job *job)
{
	u32 asid = get_unaligned_le32(job->data + 0x10);
	u8 status[8];

	put_unaligned_le64(psp_find_fence(job->dev, asid) ? 1 | 3 << 2 : 0,
			   status);
	psp_rmp_fw_write(psp_status_page(job, 0x14), 0, status, sizeof(status));
	return PSP_OK;
}

/* From the fact sheet, not from the driver */
static const struct psp_desc psp_descs[] = {
	[PSP_TIO_STATUS - PSP_TIO_STATUS] = {
		"TIO_STATUS", 0x10, .page = 0x8, .rsvd = { { 4, 4 } },
		.start = psp_tio_status,
	},
	[PSP_TIO_INIT - PSP_TIO_STATUS] = {
		"TIO_INIT", 0x10, .rsvd = { { 4, 12 } }, .start = psp_tio_init,
	},
	[PSP_DEV_CREATE - PSP_TIO_STATUS] = {
		"TIO_DEV_CREATE", 0x20, .rsvd = { { 4, 4 }, { 0x15, 11 } },
		.start = psp_dev_create,
	},
	[PSP_DEV_RECLAIM - PSP_TIO_STATUS] = {
		"TIO_DEV_RECLAIM", 0x10, .dev = 0x8, .rsvd = { { 4, 4 } },
		.start = psp_dev_reclaim,
	},
	[PSP_DEV_CONNECT - PSP_TIO_STATUS] = {
		"TIO_DEV_CONNECT", 0x50, .dev = 0x30, .spdm = true,
		.rsvd = { { 4, 4 }, { 0x28, 8 }, { 0x48, 8 } },
		.start = psp_dev_connect,
	},
	[PSP_DEV_DISCONNECT - PSP_TIO_STATUS] = {
		"TIO_DEV_DISCONNECT", 0x30, .dev = 0x28, .spdm = true,
		.start = psp_dev_disconnect,
	},
	[PSP_DEV_STATUS - PSP_TIO_STATUS] = {
		"TIO_DEV_STATUS", 0x20, .dev = 0x8, .page = 0x10,
		.rsvd = { { 4, 4 }, { 0x18, 8 } }, .start = psp_dev_status,
	},
	[PSP_DEV_MEASUREMENTS - PSP_TIO_STATUS] = {
		"TIO_DEV_MEASUREMENTS", 0x50, .dev = 0x28, .spdm = true,
		.start = psp_dev_measurements,
	},
	[PSP_DEV_CERTIFICATES - PSP_TIO_STATUS] = {
		"TIO_DEV_CERTIFICATES", 0x30, .dev = 0x28, .spdm = true,
		.rsvd = { { 4, 4 } }, .start = psp_dev_certificates,
	},
	[PSP_TDI_CREATE - PSP_TIO_STATUS] = {
		"TIO_TDI_CREATE", 0x30, .dev = 0x8,
		.rsvd = { { 4, 4 }, { 0x24, 12 } }, .start = psp_tdi_create,
	},
	[PSP_TDI_RECLAIM - PSP_TIO_STATUS] = {
		"TIO_TDI_RECLAIM", 0x20, .dev = 0x8, .tdi = 0x10,
		.rsvd = { { 4, 4 }, { 0x18, 8 } }, .start = psp_tdi_reclaim,
	},
	[PSP_TDI_BIND - PSP_TIO_STATUS] = {
		"TIO_TDI_BIND", 0x50, .dev = 0x28, .tdi = 0x30, .gctx = 0x38,
		.spdm = true, .rsvd = { { 4, 4 }, { 0x46, 10 } },
		.start = psp_tdi_bind,
	},
	[PSP_TDI_UNBIND - PSP_TIO_STATUS] = {
		"TIO_TDI_UNBIND", 0x40, .dev = 0x28, .tdi = 0x30, .gctx = 0x38,
		.spdm = true, .start = psp_tdi_unbind,
	},
	[PSP_TDI_REPORT - PSP_TIO_STATUS] = {
		"TIO_TDI_REPORT", 0x40, .dev = 0x28, .tdi = 0x30, .gctx = 0x38,
		.spdm = true, .rsvd = { { 4, 4 } }, .start = psp_tdi_report,
	},
	[PSP_TDI_STATUS - PSP_TIO_STATUS] = {
		"TIO_TDI_STATUS", 0x40, .dev = 0x28, .tdi = 0x30, .page = 0x38,
		.spdm = true, .rsvd = { { 4, 4 } }, .start = psp_tdi_status,
	},
	[PSP_GUEST_REQUEST - PSP_TIO_STATUS] = {
		"TIO_GUEST_REQUEST", 0x50, .dev = 0x28, .tdi = 0x30,
		.gctx = 0x38, .spdm = true, .rsvd = { { 4, 4 } },
		.start = psp_guest_request,
	},
	[PSP_FENCE_CLEAR - PSP_TIO_STATUS] = {
		"TIO_ASID_FENCE_CLEAR", 0x20, .dev = 0x8, .gctx = 0x10,
		.rsvd = { { 4, 4 }, { 0x18, 8 } }, .start = psp_fence_clear,
	},
	[PSP_FENCE_STATUS - PSP_TIO_STATUS] = {
		"TIO_ASID_FENCE_STATUS", 0x20, .dev = 0x8, .page = 0x14,
		.rsvd = { { 4, 4 }, { 0x1c, 4 } }, .start = psp_fence_status,
	},
	[PSP_TDI_INFO - PSP_TIO_STATUS] = {
		"TIO_TDI_INFO", 0x30, .dev = 0x8, .tdi = 0x10, .page = 0x18,
		.rsvd = { { 4, 4 }, { 0x20, 16 } }, .start = psp_tdi_info,
	},
};

static const struct psp_desc *psp_desc(u32 cmd)
{
	u32 i = cmd - PSP_TIO_STATUS;

	return i < ARRAY_SIZE(psp_descs) && psp_descs[i].start ? &psp_descs[i] :
								 NULL;
}

const char *psp_cmd_name(u32 cmd)
{
	const struct psp_desc *desc = psp_desc(cmd);

	return desc ? desc->name : "?";
}

static u32 psp_check_layout(const struct psp_desc *desc, struct psp_job *job)
{
	if (sev_tio_cmd_buffer_len(job->cmd) != desc->size) {
		fw_violation("%s: the driver copies %d bytes, not %u",
			     desc->name, sev_tio_cmd_buffer_len(job->cmd),
			     desc->size);
		return PSP_INCORRECT_BUFFER_LENGTH;
	}
	if (get_unaligned_le32(job->data + CMD_LENGTH) != desc->size) {
		fw_violation("%s: length %u", desc->name,
			     get_unaligned_le32(job->data + CMD_LENGTH));
		return PSP_INCORRECT_BUFFER_LENGTH;
	}
	for (int i = 0; i < ARRAY_SIZE(desc->rsvd); i++) {
		if (!desc->rsvd[i].len ||
		    !memchr_inv(job->data + desc->rsvd[i].off, 0,
				desc->rsvd[i].len))
			continue;
		fw_violation("%s: reserved bytes at %#x", desc->name,
			     desc->rsvd[i].off);
		return PSP_INVALID_PARAM;
	}
	if (desc->page && (offset_in_page(job_u64(job, desc->page)) ||
			   !psp_rmp_firmware(psp_status_page(job, desc->page)))) {
		fw_violation("%s: page for the result", desc->name);
		return PSP_INVALID_PAGE_STATE;
	}
	return PSP_OK;
}

static u32 psp_check_objects(const struct psp_desc *desc, struct psp_job *job)
{
	if (desc->dev) {
		job->dev = psp_find_dev(job_u64(job, desc->dev));
		if (!job->dev)
			return fw_refuse(PSP_INVALID_DEV_CTX, desc->name);
	}
	if (desc->tdi) {
		job->tdi = psp_find_tdi(job->dev, job_u64(job, desc->tdi));
		if (!job->tdi)
			return fw_refuse(PSP_INVALID_TDI_CTX, desc->name);
	}
	if (desc->gctx && !psp_guest_asid(job_u64(job, desc->gctx)))
		return fw_refuse(PSP_INVALID_PARAM, "no guest context");
	return PSP_OK;
}

/* The host is to find more room in the buffer, which then says how much */
static u32 psp_expand(struct psp_buf *buf, u32 want)
{
	u8 capacity[4];

	if (psp_buf_capacity(buf) >= want)
		return PSP_OK;
	put_unaligned_le32(want, capacity);
	psp_buf_write(buf, 0, capacity, sizeof(capacity));
	return PSP_EXPAND_BUFFER;
}

static u32 psp_check_buffers(struct psp_job *job)
{
	struct psp_buf scratch;
	u32 status;

	status = psp_buf_get(job_u64(job, CMD_SPDM), true, &job->req);
	status = status ?: psp_buf_get(job_u64(job, CMD_SPDM + 8), false,
				       &job->resp);
	status = status ?: psp_buf_get(job_u64(job, CMD_SPDM + 16), true,
				       &scratch);
	status = status ?: psp_buf_get(job_u64(job, CMD_SPDM + 24), true,
				       &job->output);
	if (status)
		return status;
	if (psp_buf_capacity(&job->req) < psp_sizes.req_min ||
	    psp_buf_capacity(&job->resp) < psp_sizes.rsp_min ||
	    psp_buf_capacity(&scratch) < psp_sizes.scratch_min ||
	    psp_buf_capacity(&job->output) < psp_sizes.out_min) {
		fw_violation("a buffer is below its minimum");
		return PSP_INCORRECT_BUFFER_LENGTH;
	}
	memcpy(psp_last_spdm, job->data + CMD_SPDM, sizeof(psp_last_spdm));
	job->rsp_size = psp_buf_capacity(&job->resp) - 0x50;
	return psp_expand(&job->output, psp_expand_to);
}

static void psp_job_free(struct psp_job *job)
{
	kvfree(job->msg);
	kvfree(job->rsp);
	kfree(job);
}

static void psp_job_work(struct work_struct *work)
{
	struct psp_job *job = container_of(work, struct psp_job, work);

	job->status = job->run(job);
	job->done = true;
	complete(&job->to_host);
}

/* The next thing that the firmware says */
static u32 psp_job_wait(struct psp_job *job)
{
	struct psp_dev *dev = job->dev;
	u32 status;

	wait_for_completion(&job->to_host);
	status = job->status;
	if (!job->done) {
		dev->job = job;
		return status;
	}
	dev->job = NULL;
	psp_job_free(job);
	return status;
}

/* The host has not come back to what it was asked for */
static void psp_job_cancel(struct psp_dev *dev)
{
	struct psp_job *job = dev->job;

	if (!job)
		return;
	fw_log("  %s was left waiting", psp_cmd_name(job->cmd));
	job->cancelled = true;
	complete(&job->to_fw);
	while (!job->done)
		wait_for_completion(&job->to_host);
	dev->job = NULL;
	psp_job_free(job);
}

static u32 psp_job_start(const struct psp_desc *desc, struct psp_job *job)
{
	u32 status;

	status = psp_check_layout(desc, job);
	status = status ?: psp_check_objects(desc, job);
	if (status)
		goto out_free;
	if (job->dev)
		psp_job_cancel(job->dev);
	if (desc->spdm) {
		status = psp_check_buffers(job);
		if (status)
			goto out_free;
	}
	status = desc->start(job);
	if (status || !job->run)
		goto out_free;

	job->msg = kvzalloc(SOFT_MAX_REQ, GFP_KERNEL);
	/* The nonce comes before the measurements */
	job->rsp = kvzalloc(job->rsp_size + SPDM_MEAS_NONCE_SIZE, GFP_KERNEL);
	if (!job->msg || !job->rsp || job->rsp_size < MIN_RSP) {
		status = PSP_INVALID_PARAM;
		goto out_free;
	}
	INIT_WORK(&job->work, psp_job_work);
	init_completion(&job->to_host);
	init_completion(&job->to_fw);
	psp_fw_begin(job);
	queue_work(system_dfl_wq, &job->work);
	return psp_job_wait(job);

out_free:
	psp_job_free(job);
	return status;
}

/* Is it what the firmware waits for? */
static struct psp_job *psp_find_job(u32 cmd, const u8 *data, u32 len)
{
	struct psp_dev *dev;

	list_for_each_entry(dev, &psp_devs, node)
		if (dev->job && dev->job->cmd == cmd && dev->job->len == len &&
		    !memcmp(dev->job->data, data, len))
			return dev->job;
	return NULL;
}

static u32 psp_execute(u32 cmd, const void *data)
{
	const struct psp_desc *desc = psp_desc(cmd);
	struct psp_job *job;

	if (!desc) {
		fw_violation("command %#x is unknown", cmd);
		return PSP_INVALID_PARAM;
	}
	job = psp_find_job(cmd, data, desc->size);
	if (job) {
		complete(&job->to_fw);
		return psp_job_wait(job);
	}
	job = kzalloc_obj(*job);
	if (!job)
		return PSP_INVALID_PARAM;
	job->cmd = cmd;
	job->len = desc->size;
	memcpy(job->data, data, desc->size);
	return psp_job_start(desc, job);
}

static void psp_inject(u32 cmd, const u8 *data, u32 status)
{
	struct psp_dev *dev;
	struct psp_tdi *tdi;

	fw_log("%s injected %#x", psp_cmd_name(cmd), status);
	if (cmd != PSP_TDI_BIND)
		return;
	/* As far as the driver knows, it may be bound */
	dev = psp_find_dev(get_unaligned_le64(data + 0x28));
	tdi = dev ? psp_find_tdi(dev, get_unaligned_le64(data + 0x30)) : NULL;
	if (tdi)
		tdi->asked = true;
}

int psp_model_cmd(int cmd, void *data, int *psp_ret)
{
	bool more;
	u32 status;

	guard(mutex)(&fw_lock);
	*psp_ret = 0;
	if (psp_dead)
		return -EBUSY;
	psp_rmp_verify(psp_cmd_name(cmd));

	more = psp_desc(cmd) && psp_find_job(cmd, data, psp_desc(cmd)->size);
	status = more ? PSP_OK : fw_injected(cmd);
	if (status == PSP_NO_ANSWER) {
		fw_log("%s no answer", psp_cmd_name(cmd));
		psp_dead = true;
		return -ETIMEDOUT;
	}
	if (status)
		psp_inject(cmd, data, status);
	else
		status = psp_execute(cmd, data);
	if (!status)
		fw_log("%s ok", psp_cmd_name(cmd));
	else if (status != PSP_SPDM_REQUEST)
		fw_log("%s status %#x", psp_cmd_name(cmd), status);
	*psp_ret = status;
	return status ? -EIO : 0;
}

/*
 * What the driver does not do: a command about the first device, and its first
 * TDI, at the wrong time. @page: of the firmware. Returns the status.
 */
int psp_raw(u32 cmd, u32 flags, u64 page)
{
	const struct psp_desc *desc = psp_desc(cmd);
	struct psp_dev *dev;
	struct psp_tdi *tdi;
	u8 data[PSP_MAX_CMD] = {};
	int status;

	scoped_guard(mutex, &fw_lock) {
		dev = list_first_entry_or_null(&psp_devs, struct psp_dev, node);
		if (!desc || !dev)
			return -ENODEV;
		tdi = list_first_entry_or_null(&dev->tdis, struct psp_tdi, node);
		if (!tdi)
			return -ENODEV;
		put_unaligned_le32(desc->size, data);
		if (desc->spdm)
			memcpy(data + CMD_SPDM, psp_last_spdm,
			       sizeof(psp_last_spdm));
		if (desc->page)
			put_unaligned_le64(page, data + desc->page);
		if (desc->dev)
			put_unaligned_le64(dev->sla, data + desc->dev);
		if (desc->tdi)
			put_unaligned_le64(tdi->sla, data + desc->tdi);
		if (desc->gctx)
			put_unaligned_le64(tdi->gctx, data + desc->gctx);
		switch (cmd) {
		case PSP_DEV_CREATE:
			put_unaligned_le64(dev->sla, data + 8);
			put_unaligned_le16(dev->device_id, data + 0x10);
			break;
		case PSP_TDI_CREATE:
			put_unaligned_le64(tdi->sla, data + 0x10);
			put_unaligned_le32(tdi->function_id, data + 0x18);
			break;
		case PSP_DEV_CONNECT:
			data[0x38] = 1;
			break;
		case PSP_TDI_BIND:
			put_unaligned_le16(tdi->guest_id, data + 0x40);
			put_unaligned_le16(flags, data + 0x44);
			break;
		case PSP_TDI_UNBIND:
		case PSP_DEV_DISCONNECT:
			put_unaligned_le32(flags, data + CMD_FLAGS);
			break;
		}
	}
	psp_model_cmd(cmd, data, &status);
	return status;
}

/* A new PSP, which knows nothing */
void psp_cmd_exit(void)
{
	struct psp_fence_state *fence, *next_fence;
	struct psp_dev *dev, *next_dev;
	struct psp_tdi *tdi, *next;

	guard(mutex)(&fw_lock);
	list_for_each_entry_safe(dev, next_dev, &psp_devs, node) {
		psp_job_cancel(dev);
		list_for_each_entry_safe(tdi, next, &dev->tdis, node) {
			list_del(&tdi->node);
			kvfree(tdi->report.data);
			kfree(tdi);
		}
		list_del(&dev->node);
		kvfree(dev->cert.data);
		kfree(dev);
	}
	list_for_each_entry_safe(fence, next_fence, &psp_fences, node) {
		list_del(&fence->node);
		kfree(fence);
	}
}
