// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the firmware says to the device: runs in a work item, while the host
 * carries the messages. The codec is the soft TSM's, the session has no cipher.
 */
#include <linux/build_bug.h>
#include <linux/minmax.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "psp_model.h"

/* Buffer and object heads, see psp_buf.c */
#define BUF_PAYLOAD	0x04
#define BUF_HDR		0x40
#define OBJ_ID		0x00
#define OBJ_LENGTH	0x04
#define OBJ_MAJOR	0x09
#define OBJ_DATA_TYPE	0x0a
#define OBJ_HDR		0x10
#define OBJ_REQ		1
#define OBJ_RESP	2
#define OBJ_CERTIFICATE	4
#define OBJ_MEASUREMENT	5
#define OBJ_REPORT	6
#define TYPE_SPDM	1
#define TYPE_SECURED	2
#define PAYLOAD_ALIGN	32

#define PSP_REQ_SESSION_ID	2

/* What stands around the data of a response in the host's buffer, at most */
#define PSP_RSP_HDR		128

/* What the command says to an outcome of the requester */
static u32 psp_outcome(struct psp_job *job, u64 code)
{
	if (!code)
		return PSP_OK;
	if (job->broken)
		return job->broken;
	fw_log("  device: code %#llx", code);
	return PSP_SPDM_ERROR;
}

/*
 * The host rounds responses up to 32 bytes, and DOE to 4: how long is the message
 * itself? As long as it says, or as what came.
 */
static size_t psp_msg_len(u8 type, const u8 *data, size_t len)
{
	size_t want = len;

	if (type == TYPE_SECURED) {
		if (len >= SPDM_SECURED_HDR_SIZE)
			want = SPDM_SECURED_HDR_SIZE +
			       get_unaligned_le16(data + 4);
		return min(len, want);
	}
	if (len < SPDM_CERT_RSP_HDR_SIZE)
		return len;
	switch (data[1]) {
	case SPDM_RSP(SPDM_GET_VERSION):
		want = SPDM_VERSION_ENTRY_OFF +
		       data[SPDM_VERSION_COUNT_OFF] * sizeof(__le16);
		break;
	case SPDM_RSP(SPDM_GET_CAPABILITIES):
		want = SPDM_CAPS_SIZE;
		break;
	case SPDM_RSP(SPDM_NEGOTIATE_ALGORITHMS):
		want = SPDM_ALGORITHMS_SIZE;
		break;
	case SPDM_RSP(SPDM_GET_CERTIFICATE):
		want = SPDM_CERT_RSP_HDR_SIZE + get_unaligned_le16(data + 4);
		break;
	case SPDM_RSP(SPDM_GET_MEASUREMENTS):
		want = SPDM_MEAS_RSP_HDR_SIZE + get_unaligned_le24(data + 5) +
		       SPDM_MEAS_NONCE_SIZE + sizeof(__le16);
		break;
	case SPDM_RSP(SPDM_PSK_EXCHANGE):
		want = SPDM_PSK_EXCHANGE_RSP_SIZE;
		break;
	}
	return min(len, want);
}

static u32 psp_put_request(struct psp_job *job, u8 type, size_t len)
{
	u32 capacity = psp_buf_capacity(&job->req);
	u8 hdr[BUF_HDR + OBJ_HDR] = {};
	u8 *obj = hdr + BUF_HDR;

	if (capacity < sizeof(hdr) + len)
		return PSP_INCORRECT_BUFFER_LENGTH;
	put_unaligned_le32(capacity, hdr);
	put_unaligned_le32(ALIGN(OBJ_HDR + len, PAYLOAD_ALIGN),
			   hdr + BUF_PAYLOAD);
	put_unaligned_le32(OBJ_REQ, obj + OBJ_ID);
	put_unaligned_le32(OBJ_HDR + len, obj + OBJ_LENGTH);
	obj[OBJ_MAJOR] = 1;
	obj[OBJ_DATA_TYPE] = type;
	psp_buf_write(&job->req, 0, hdr, sizeof(hdr));
	psp_buf_write(&job->req, sizeof(hdr), job->msg, len);
	return PSP_OK;
}

static u32 psp_get_response(struct psp_job *job, u8 type,
			    struct tdisp_span *rsp)
{
	u8 hdr[BUF_HDR + OBJ_HDR];
	u8 *obj = hdr + BUF_HDR;
	u32 payload, length;

	psp_buf_read(&job->resp, 0, hdr, sizeof(hdr));
	payload = get_unaligned_le32(hdr + BUF_PAYLOAD);
	length = get_unaligned_le32(obj + OBJ_LENGTH);
	if (payload % PAYLOAD_ALIGN || length < OBJ_HDR || length > payload ||
	    get_unaligned_le32(obj + OBJ_ID) != OBJ_RESP ||
	    obj[OBJ_MAJOR] != 1 || obj[OBJ_DATA_TYPE] != type) {
		fw_violation("response object: payload %u, length %u, type %u",
			     payload, length, obj[OBJ_DATA_TYPE]);
		return PSP_INVALID_PARAM;
	}
	/* Rounded up, it may end beyond what the host's buffer has room for */
	length = min_t(u32, length - OBJ_HDR, job->rsp_size);
	psp_buf_read(&job->resp, sizeof(hdr), job->rsp, length);
	rsp->data = job->rsp;
	rsp->len = psp_msg_len(type, job->rsp, length);
	return PSP_OK;
}

/* Have the host send @len bytes of job->msg */
static u32 psp_bounce(struct psp_job *job, u8 type, size_t len,
		      struct tdisp_span *rsp)
{
	u32 status;

	if (job->cancelled)
		return PSP_SPDM_ERROR;
	status = psp_put_request(job, type, len);
	if (status)
		return status;

	job->status = PSP_SPDM_REQUEST;
	complete(&job->to_host);
	wait_for_completion(&job->to_fw);
	if (job->cancelled)
		return PSP_SPDM_ERROR;
	return psp_get_response(job, type, rsp);
}

static u64 psp_exchange(struct requester *r, u8 type, size_t len,
			struct tdisp_span *rsp)
{
	struct psp_job *job = r->job;

	job->broken = psp_bounce(job, type, len, rsp);
	return job->broken ? SOFT_TSM_CODE_NO_ANSWER : 0;
}

void psp_fw_init(struct psp_dev *dev)
{
	dev->requester = (struct requester) {
		.exchange = psp_exchange,
		.req_session_id = PSP_REQ_SESSION_ID,
	};
}

/* From now on messages to the device are part of @job */
void psp_fw_begin(struct psp_job *job)
{
	struct requester *r = &job->dev->requester;

	r->job = job;
	r->msg = job->msg;
	r->portion = job->rsp_size - PSP_RSP_HDR;
}

static u64 psp_keys_go(struct requester *r)
{
	u64 code = requester_keys(r, IDE_KM_KEY_PROG, 0);

	return code ?: requester_keys(r, IDE_KM_K_SET_GO, 0);
}

/* An error leaves the device created and not connected, with no session */
u32 psp_fw_connect(struct psp_job *job)
{
	struct psp_dev *dev = job->dev;
	struct requester *r = &dev->requester;
	u64 code;

	code = requester_negotiate(r);
	code = code ?: requester_certificates(r, &dev->cert);
	code = code ?: requester_open(r);
	if (code)
		return psp_outcome(job, code);
	dev->keys = true;
	code = psp_keys_go(r);
	if (code)
		return psp_outcome(job, code);
	dev->state = PSP_DEV_CONNECTED;
	return PSP_OK;
}

u32 psp_fw_disconnect(struct psp_job *job)
{
	struct psp_dev *dev = job->dev;
	u64 code;

	if (dev->keys) {
		code = requester_keys(&dev->requester, IDE_KM_K_SET_STOP, 0);
		if (code)
			return psp_outcome(job, code);
		dev->keys = false;
	}
	code = requester_close(&dev->requester);
	if (code)
		return psp_outcome(job, code);
	dev->state = PSP_DEV_CREATED;
	return PSP_OK;
}

/* Whatever the device says, or nobody */
u32 psp_fw_force_disconnect(struct psp_job *job)
{
	struct psp_dev *dev = job->dev;

	if (!psp_force_silent && psp_fw_disconnect(job) == PSP_OK)
		return PSP_OK;
	dev->state = PSP_DEV_CREATED;
	dev->requester.session_id = 0;
	dev->keys = false;
	return PSP_OK;
}

u32 psp_fw_measurements(struct psp_job *job)
{
	struct tdisp_span meas;
	u64 code;

	code = requester_measurements(&job->dev->requester, &meas);
	if (code)
		return psp_outcome(job, code);
	/* Only a signed measurement takes a nonce: the object begins with it */
	memmove(job->rsp + SPDM_MEAS_NONCE_SIZE, meas.data, meas.len);
	memcpy(job->rsp, job->data + 0x30, SPDM_MEAS_NONCE_SIZE);
	return psp_put_object(job, OBJ_MEASUREMENT, job->rsp,
			      SPDM_MEAS_NONCE_SIZE + meas.len);
}

u32 psp_fw_certificates(struct psp_job *job)
{
	return psp_put_object(job, OBJ_CERTIFICATE, job->dev->cert.data,
			      job->dev->cert.len);
}

u32 psp_fw_report(struct psp_job *job)
{
	return psp_put_object(job, OBJ_REPORT, job->tdi->report.data,
			      job->tdi->report.len);
}

/*
 * The TDI is the guest's as soon as LOCK may have reached the device: from then
 * on only an unbind undoes it.
 */
u32 psp_fw_lock(struct psp_job *job)
{
	struct requester *r = &job->dev->requester;
	struct psp_tdi *tdi = job->tdi;
	u64 code;
	u8 state;

	code = requester_tdi_version(r, tdi->function_id);
	code = code ?: requester_tdi_state(r, tdi->function_id, &state);
	if (code)
		return psp_outcome(job, code);
	if (state != TDISP_STATE_UNLOCKED)
		return PSP_INVALID_TDI_STATE;

	tdi->gctx = get_unaligned_le64(job->data + 0x38);
	tdi->asid = psp_guest_asid(tdi->gctx);
	tdi->guest_id = get_unaligned_le16(job->data + 0x40);
	tdi->bound = true;
	code = requester_tdi_lock(r, tdi->function_id,
				  get_unaligned_le16(job->data + 0x42),
				  PSP_MMIO_OFFSET, tdi->nonce);
	code = code ?: requester_tdi_report(r, tdi->function_id, &tdi->report);
	if (code || psp_no_report)
		return psp_outcome(job, code);
	return psp_fw_report(job);
}

u32 psp_fw_start(struct psp_job *job)
{
	struct psp_tdi *tdi = job->tdi;

	tdi->run = true;
	return psp_outcome(job, requester_tdi_start(&job->dev->requester,
						    tdi->function_id,
						    tdi->nonce));
}

u32 psp_fw_stop(struct psp_job *job)
{
	struct psp_tdi *tdi = job->tdi;
	u64 code;

	code = requester_tdi_stop(&job->dev->requester, tdi->function_id);
	if (!code)
		psp_tdi_unbound(tdi);
	return psp_outcome(job, code);
}

/*
 * Whatever the device says, or nobody. What the DMA of a TDI that runs hits from
 * now on is not the guest's.
 */
u32 psp_fw_force_stop(struct psp_job *job)
{
	struct psp_tdi *tdi = job->tdi;

	if (!psp_force_silent && psp_fw_stop(job) == PSP_OK)
		return PSP_OK;
	if (tdi->run)
		psp_fence(tdi->dev, tdi->asid);
	psp_tdi_unbound(tdi);
	return PSP_OK;
}

u32 psp_fw_state(struct psp_job *job)
{
	u64 page = PHYS_PFN(get_unaligned_le64(job->data + 0x38));
	u8 tdi_status[0x10] = {};
	u64 code;
	u8 state;

	code = requester_tdi_state(&job->dev->requester, job->tdi->function_id,
				   &state);
	if (code)
		return psp_outcome(job, code);
	put_unaligned_le32(sizeof(tdi_status), tdi_status);
	tdi_status[4] = state;
	psp_rmp_fw_write(page, 0, tdi_status, sizeof(tdi_status));
	return PSP_OK;
}
