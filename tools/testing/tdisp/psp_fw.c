// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the firmware says to the device: runs in a work item, while the host
 * carries the messages. The codec is the soft TSM's, the session has no cipher.
 */
#include <linux/build_bug.h>
#include <linux/minmax.h>
#include <linux/random.h>
#include <linux/slab.h>
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

/* Where the layers of a request in the session stand */
#define PSP_APP(job)	((job)->msg + SOFT_SECURED_HDR)
#define PSP_VDM(job)	(PSP_APP(job) + SPDM_VDM_HDR_SIZE)

#define PSP_SPDM_CAPS	(SPDM_CAP_CERT | SPDM_CAP_MEAS_NO_SIG | \
			 SPDM_CAP_ENCRYPT | SPDM_CAP_MAC | SPDM_CAP_PSK)

typedef u32 (*psp_portion_fn)(struct psp_job *job,
			      struct tdisp_portion *portion,
			      struct tdisp_span *bytes);

static u32 psp_outcome(struct psp_job *job, u64 code)
{
	if (!code)
		return PSP_OK;
	psp_log("  device: code %#llx", code);
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
		psp_violation("response object: payload %u, length %u, type %u",
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
static u32 psp_exchange(struct psp_job *job, u8 type, size_t len,
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

static u32 psp_plain(struct psp_job *job, size_t len, struct tdisp_span *rsp)
{
	return psp_exchange(job, TYPE_SPDM, len, rsp);
}

/* A message of @len bytes at PSP_APP() */
static u32 psp_secured(struct psp_job *job, size_t len, struct tdisp_span *app)
{
	struct tdisp_span record;
	u32 status;

	len = spdm_secure(job->msg, job->dev->session_id, len);
	status = psp_exchange(job, TYPE_SECURED, len, &record);
	if (status)
		return status;
	return psp_outcome(job, spdm_open(record, job->dev->session_id, app));
}

/* A message of @len bytes at PSP_VDM() */
static u32 psp_vdm(struct psp_job *job, u8 protocol, size_t len,
		   struct tdisp_span *payload)
{
	struct tdisp_span app;
	u32 status;

	len = spdm_req_vdm(PSP_APP(job), protocol, len);
	status = psp_secured(job, len, &app);
	if (status)
		return status;
	return psp_outcome(job, spdm_rsp_vdm(app, protocol, payload));
}

static u32 psp_tdisp(struct psp_job *job, size_t len, struct tdisp_span *body)
{
	u8 req_code = PSP_VDM(job)[1];
	struct tdisp_span msg;
	u32 status;

	status = psp_vdm(job, SPDM_VDM_PROTO_TDISP, len, &msg);
	if (status)
		return status;
	return psp_outcome(job, tdisp_rsp_check(msg, req_code,
						job->tdi->function_id, body));
}

static u32 psp_negotiate(struct psp_job *job)
{
	struct tdisp_span rsp;
	size_t used;
	u32 status;
	u32 flags;

	status = psp_plain(job, spdm_req_simple(job->msg, SPDM_GET_VERSION),
			   &rsp);
	status = status ?: psp_outcome(job, spdm_rsp_version(rsp, &used));
	if (status)
		return status;
	status = psp_plain(job, spdm_req_capabilities(job->msg), &rsp);
	status = status ?: psp_outcome(job, spdm_rsp_capabilities(rsp, &used,
								  &flags));
	if (status)
		return status;
	if ((flags & PSP_SPDM_CAPS) != PSP_SPDM_CAPS)
		return PSP_SPDM_ERROR;
	status = psp_plain(job, spdm_req_algorithms(job->msg), &rsp);
	return status ?: psp_outcome(job, spdm_rsp_algorithms(rsp, &used));
}

/* Room for the data of a response in the host's buffer, in one portion */
static u32 psp_portion_size(struct psp_job *job)
{
	return min_t(u32, job->rsp_size - 128, SOFT_MAX_PORTION);
}

static u32 psp_read_portions(struct psp_job *job, psp_portion_fn read,
			     u8 **data, u32 *len)
{
	struct tdisp_portion portion = {};
	u8 *buf;

	buf = kvmalloc(PSP_MAX_OBJECT, GFP_KERNEL);
	if (!buf)
		return PSP_INVALID_PARAM;
	do {
		u32 offset = portion.offset;
		struct tdisp_span bytes;
		u32 status;

		portion.asked = psp_portion_size(job);
		if (portion.total)
			portion.asked = min(portion.asked,
					    portion.total - offset);
		status = read(job, &portion, &bytes);
		if (status) {
			kvfree(buf);
			return status;
		}
		memcpy(buf + offset, bytes.data, bytes.len);
	} while (portion.offset < portion.total);

	kvfree(*data);
	*data = buf;
	*len = portion.total;
	return PSP_OK;
}

static u32 psp_read_cert(struct psp_job *job, struct tdisp_portion *portion,
			 struct tdisp_span *bytes)
{
	struct tdisp_span rsp;
	size_t len;
	u32 status;

	len = spdm_req_certificate(job->msg, portion->offset, portion->asked);
	status = psp_plain(job, len, &rsp);
	return status ?: psp_outcome(job, spdm_rsp_certificate(rsp, portion,
							       bytes));
}

static u32 psp_session_open(struct psp_job *job)
{
	struct tdisp_span rsp, app;
	u32 session_id;
	size_t len;
	u32 status;

	len = spdm_req_psk_exchange(job->msg, PSP_REQ_SESSION_ID);
	status = psp_plain(job, len, &rsp);
	status = status ?: psp_outcome(job,
				       spdm_rsp_psk_exchange(rsp,
							     PSP_REQ_SESSION_ID,
							     &session_id));
	if (status)
		return status;

	job->dev->session_id = session_id;
	len = spdm_req_simple(PSP_APP(job), SPDM_PSK_FINISH);
	status = psp_secured(job, len, &app);
	status = status ?: psp_outcome(job, spdm_rsp_empty(app,
							   SPDM_PSK_FINISH));
	if (status)
		job->dev->session_id = 0;
	return status;
}

static u32 psp_key_message(struct psp_job *job, u8 object, u8 sub_stream)
{
	u8 stream_id = job->dev->stream_id;
	struct tdisp_span msg;
	size_t len;
	u32 status;

	if (object == IDE_KM_KEY_PROG) {
		u8 key[IDE_KM_KEY_SIZE], ifv[IDE_KM_IFV_SIZE];

		get_random_bytes(key, sizeof(key));
		get_random_bytes(ifv, sizeof(ifv));
		len = ide_km_req_key_prog(PSP_VDM(job), stream_id, sub_stream,
					  key, ifv);
	} else {
		len = ide_km_req_key_set(PSP_VDM(job), object, stream_id,
					 sub_stream);
	}
	status = psp_vdm(job, SPDM_VDM_PROTO_IDE_KM, len, &msg);
	return status ?: psp_outcome(job, ide_km_rsp(msg, object, stream_id,
						     sub_stream));
}

static u32 psp_key_messages(struct psp_job *job, u8 object)
{
	for (u8 dir = 0; dir <= IDE_KM_SUB_TX; dir += IDE_KM_SUB_TX) {
		for (int i = 0; i < IDE_KM_NR_SUB_STREAMS; i++) {
			u32 status;

			status = psp_key_message(job, object,
						 IDE_KM_SUB_STREAM(i) | dir);
			if (status)
				return status;
		}
	}
	return PSP_OK;
}

/* An error leaves the device created and not connected, with no session */
u32 psp_fw_connect(struct psp_job *job)
{
	struct psp_dev *dev = job->dev;
	u32 status;

	status = psp_negotiate(job);
	status = status ?: psp_read_portions(job, psp_read_cert, &dev->cert,
					     &dev->cert_len);
	status = status ?: psp_session_open(job);
	if (status)
		return status;
	dev->keys = true;
	status = psp_key_messages(job, IDE_KM_KEY_PROG);
	status = status ?: psp_key_messages(job, IDE_KM_K_SET_GO);
	if (status)
		return status;
	dev->state = PSP_DEV_CONNECTED;
	return PSP_OK;
}

u32 psp_fw_disconnect(struct psp_job *job)
{
	struct psp_dev *dev = job->dev;
	struct tdisp_span app;
	u32 status;
	size_t len;

	if (dev->keys) {
		status = psp_key_messages(job, IDE_KM_K_SET_STOP);
		if (status)
			return status;
		dev->keys = false;
	}
	if (dev->session_id) {
		len = spdm_req_simple(PSP_APP(job), SPDM_END_SESSION);
		status = psp_secured(job, len, &app);
		status = status ?: psp_outcome(job,
					       spdm_rsp_empty(app,
							      SPDM_END_SESSION));
		if (status)
			return status;
		dev->session_id = 0;
	}
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
	dev->session_id = 0;
	dev->keys = false;
	return PSP_OK;
}

u32 psp_fw_measurements(struct psp_job *job)
{
	struct tdisp_span rsp;
	size_t used;
	u32 status;

	status = psp_plain(job, spdm_req_measurements(job->msg), &rsp);
	status = status ?: psp_outcome(job, spdm_rsp_measurements(rsp, &used));
	if (status)
		return status;
	/* Only a signed measurement takes a nonce: the object begins with it */
	memmove(job->rsp + SPDM_MEAS_NONCE_SIZE, rsp.data, used);
	memcpy(job->rsp, job->data + 0x30, SPDM_MEAS_NONCE_SIZE);
	return psp_put_object(job, OBJ_MEASUREMENT, job->rsp,
			      SPDM_MEAS_NONCE_SIZE + used);
}

u32 psp_fw_certificates(struct psp_job *job)
{
	return psp_put_object(job, OBJ_CERTIFICATE, job->dev->cert,
			      job->dev->cert_len);
}

static u32 psp_tdi_state(struct psp_job *job, u8 *state)
{
	struct tdisp_span body;
	u32 status;

	status = psp_tdisp(job, tdisp_req_simple(PSP_VDM(job),
						 TDISP_GET_INTERFACE_STATE,
						 job->tdi->function_id), &body);
	return status ?: psp_outcome(job, tdisp_rsp_state(body, state));
}

static u32 psp_read_report(struct psp_job *job, struct tdisp_portion *portion,
			   struct tdisp_span *bytes)
{
	struct tdisp_span body;
	size_t len;
	u32 status;

	len = tdisp_req_report(PSP_VDM(job), job->tdi->function_id,
			       portion->offset, portion->asked);
	status = psp_tdisp(job, len, &body);
	return status ?: psp_outcome(job, tdisp_rsp_report(body, portion,
							   bytes));
}

static u32 psp_send_lock(struct psp_job *job)
{
	struct psp_tdi *tdi = job->tdi;
	struct tdisp_span body;
	size_t len;
	u32 status;

	len = tdisp_req_lock(PSP_VDM(job), tdi->function_id,
			     get_unaligned_le16(job->data + 0x42),
			     job->dev->stream_id, PSP_MMIO_OFFSET);
	status = psp_tdisp(job, len, &body);
	return status ?: psp_outcome(job, tdisp_rsp_lock(body, tdi->nonce));
}

u32 psp_fw_report(struct psp_job *job)
{
	return psp_put_object(job, OBJ_REPORT, job->tdi->report,
			      job->tdi->report_len);
}

/*
 * The TDI is the guest's as soon as LOCK may have reached the device: from then
 * on only an unbind undoes it.
 */
u32 psp_fw_lock(struct psp_job *job)
{
	struct psp_tdi *tdi = job->tdi;
	struct tdisp_span report, body;
	u32 status;
	u8 state;

	status = psp_tdisp(job, tdisp_req_simple(PSP_VDM(job),
						 TDISP_GET_VERSION,
						 tdi->function_id), &body);
	status = status ?: psp_outcome(job, tdisp_rsp_version(body));
	status = status ?: psp_tdi_state(job, &state);
	if (status)
		return status;
	if (state != TDISP_STATE_UNLOCKED)
		return PSP_INVALID_TDI_STATE;

	tdi->gctx = get_unaligned_le64(job->data + 0x38);
	tdi->asid = psp_guest_asid(tdi->gctx);
	tdi->guest_id = get_unaligned_le16(job->data + 0x40);
	tdi->bound = true;
	status = psp_send_lock(job);
	status = status ?: psp_read_portions(job, psp_read_report,
					     &tdi->report, &tdi->report_len);
	if (status)
		return status;
	report.data = tdi->report;
	report.len = tdi->report_len;
	status = psp_outcome(job, tdisp_report_check(report));
	if (status || psp_no_report)
		return status;
	return psp_fw_report(job);
}

u32 psp_fw_start(struct psp_job *job)
{
	struct psp_tdi *tdi = job->tdi;
	struct tdisp_span body;
	size_t len;
	u32 status;

	len = tdisp_req_start(PSP_VDM(job), tdi->function_id, tdi->nonce);
	tdi->run = true;
	status = psp_tdisp(job, len, &body);
	return status ?: psp_outcome(job, tdisp_rsp_empty(body));
}

u32 psp_fw_stop(struct psp_job *job)
{
	struct psp_tdi *tdi = job->tdi;
	struct tdisp_span body;
	u32 status;

	status = psp_tdisp(job, tdisp_req_simple(PSP_VDM(job),
						 TDISP_STOP_INTERFACE,
						 tdi->function_id), &body);
	status = status ?: psp_outcome(job, tdisp_rsp_empty(body));
	if (!status)
		psp_tdi_unbound(tdi);
	return status;
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
	u32 status;
	u8 state;

	status = psp_tdi_state(job, &state);
	if (status)
		return status;
	put_unaligned_le32(sizeof(tdi_status), tdi_status);
	tdi_status[4] = state;
	psp_rmp_fw_write(page, 0, tdi_status, sizeof(tdi_status));
	return PSP_OK;
}
