// SPDX-License-Identifier: GPL-2.0-only
/* What firmware says to a device, see requester.h */
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "requester.h"

/* Where the layers of a request in the session stand */
#define REQ_APP(r)	((r)->msg + SOFT_SECURED_HDR)
#define REQ_VDM(r)	(REQ_APP(r) + SPDM_VDM_HDR_SIZE)

#define REQ_SPDM_CAPS	(SPDM_CAP_CERT | SPDM_CAP_MEAS_NO_SIG | \
			 SPDM_CAP_ENCRYPT | SPDM_CAP_MAC | SPDM_CAP_PSK)

typedef u64 (*req_portion_fn)(struct requester *r, u32 function_id,
			      struct tdisp_portion *portion,
			      struct tdisp_span *bytes);

static void req_sent(struct requester *r, enum requester_part part, size_t len)
{
	if (r->sent)
		r->sent(r, part, len);
}

static void req_got(struct requester *r, enum requester_part part,
		    struct tdisp_span bytes)
{
	if (r->got)
		r->got(r, part, bytes);
}

static u64 req_plain(struct requester *r, size_t len, struct tdisp_span *rsp)
{
	return r->exchange(r, TDISP_DOE_CMA, len, rsp);
}

/* A message of @len bytes at REQ_APP() */
static u64 req_secured(struct requester *r, size_t len, struct tdisp_span *app)
{
	struct tdisp_span record;
	u64 code;

	len = spdm_secure(r->msg, r->session_id, len);
	code = r->exchange(r, TDISP_DOE_SECURED_CMA, len, &record);
	return code ?: spdm_open(record, r->session_id, app);
}

/* A message of @len bytes at REQ_VDM() */
static u64 req_vdm(struct requester *r, u8 protocol, size_t len,
		   struct tdisp_span *payload)
{
	struct tdisp_span app;
	u64 code;

	len = spdm_req_vdm(REQ_APP(r), protocol, len);
	code = req_secured(r, len, &app);
	return code ?: spdm_rsp_vdm(app, protocol, payload);
}

static u64 req_tdisp(struct requester *r, u32 function_id, size_t len,
		     struct tdisp_span *body)
{
	u8 req_code = REQ_VDM(r)[1];
	struct tdisp_span msg;
	u64 code;

	code = req_vdm(r, SPDM_VDM_PROTO_TDISP, len, &msg);
	return code ?: tdisp_rsp_check(msg, req_code, function_id, body);
}

/* A message of the transcript, whose response has @used bytes */
static u64 req_vca(struct requester *r, size_t len, struct tdisp_span *rsp)
{
	req_sent(r, REQUESTER_VCA, len);
	return req_plain(r, len, rsp);
}

static void req_vca_got(struct requester *r, struct tdisp_span rsp, size_t used)
{
	/* Without the padding of DOE */
	rsp.len = used;
	req_got(r, REQUESTER_VCA, rsp);
}

/* Version, capabilities, algorithms; GET_VERSION ends an older session */
u64 requester_negotiate(struct requester *r)
{
	struct tdisp_span rsp;
	size_t used;
	u32 flags;
	u64 code;

	code = req_vca(r, spdm_req_simple(r->msg, SPDM_GET_VERSION), &rsp);
	code = code ?: spdm_rsp_version(rsp, &used);
	if (code)
		return code;
	req_vca_got(r, rsp, used);

	code = req_vca(r, spdm_req_capabilities(r->msg), &rsp);
	code = code ?: spdm_rsp_capabilities(rsp, &used, &flags);
	if (code)
		return code;
	if ((flags & REQ_SPDM_CAPS) != REQ_SPDM_CAPS)
		return SOFT_TSM_CODE_UNSUPPORTED;
	req_vca_got(r, rsp, used);

	code = req_vca(r, spdm_req_algorithms(r->msg), &rsp);
	code = code ?: spdm_rsp_algorithms(rsp, &used);
	if (!code)
		req_vca_got(r, rsp, used);
	return code;
}

/* @buf: for all of it, or NULL */
static u64 req_portions(struct requester *r, u32 function_id,
			req_portion_fn read, enum requester_part part, u8 *buf,
			u32 *len)
{
	struct tdisp_portion portion = {};

	do {
		u32 offset = portion.offset;
		struct tdisp_span bytes;
		u64 code;

		portion.asked = min_t(u32, r->portion, SOFT_MAX_PORTION);
		if (portion.total)
			portion.asked = min(portion.asked,
					    portion.total - offset);
		code = read(r, function_id, &portion, &bytes);
		if (code)
			return code;
		req_got(r, part, bytes);
		if (buf)
			memcpy(buf + offset, bytes.data, bytes.len);
	} while (portion.offset < portion.total);
	*len = portion.total;
	return 0;
}

static u64 req_object(struct requester *r, u32 function_id, req_portion_fn read,
		      enum requester_part part, struct requester_object *keep)
{
	u8 *buf = NULL;
	u64 code;
	u32 len;

	if (keep) {
		buf = kvmalloc(REQUESTER_MAX_OBJECT, GFP_KERNEL);
		if (!buf)
			return SOFT_TSM_CODE_UNSUPPORTED;
	}
	code = req_portions(r, function_id, read, part, buf, &len);
	if (code || !keep) {
		kvfree(buf);
		return code;
	}
	kvfree(keep->data);
	keep->data = buf;
	keep->len = len;
	return 0;
}

static u64 req_read_cert(struct requester *r, u32 unused,
			 struct tdisp_portion *portion, struct tdisp_span *bytes)
{
	size_t len = spdm_req_certificate(r->msg, portion->offset,
					  portion->asked);
	struct tdisp_span rsp;
	u64 code;

	code = req_plain(r, len, &rsp);
	return code ?: spdm_rsp_certificate(rsp, portion, bytes);
}

u64 requester_certificates(struct requester *r, struct requester_object *keep)
{
	return req_object(r, 0, req_read_cert, REQUESTER_CERT, keep);
}

/* With the request that it is an answer to */
u64 requester_measurements(struct requester *r, struct tdisp_span *meas)
{
	size_t len = spdm_req_measurements(r->msg);
	struct tdisp_span rsp;
	size_t used;
	u64 code;

	req_sent(r, REQUESTER_MEAS, len);
	code = req_plain(r, len, &rsp);
	code = code ?: spdm_rsp_measurements(rsp, &used);
	if (code)
		return code;
	rsp.len = used;
	req_got(r, REQUESTER_MEAS, rsp);
	if (meas)
		*meas = rsp;
	return 0;
}

/* By the name of the null cipher */
u64 requester_open(struct requester *r)
{
	struct tdisp_span rsp, app;
	u32 session_id;
	size_t len;
	u64 code;

	len = spdm_req_psk_exchange(r->msg, r->req_session_id);
	code = req_plain(r, len, &rsp);
	code = code ?: spdm_rsp_psk_exchange(rsp, r->req_session_id,
					     &session_id);
	if (code)
		return code;

	r->session_id = session_id;
	len = spdm_req_simple(REQ_APP(r), SPDM_PSK_FINISH);
	code = req_secured(r, len, &app);
	code = code ?: spdm_rsp_empty(app, SPDM_PSK_FINISH);
	if (code)
		r->session_id = 0;
	return code;
}

u64 requester_close(struct requester *r)
{
	struct tdisp_span app;
	u64 code;

	if (!r->session_id)
		return 0;
	code = req_secured(r, spdm_req_simple(REQ_APP(r), SPDM_END_SESSION),
			   &app);
	code = code ?: spdm_rsp_empty(app, SPDM_END_SESSION);
	if (!code)
		r->session_id = 0;
	return code;
}

static u64 req_key(struct requester *r, u8 object, u8 sub_stream)
{
	struct tdisp_span msg;
	size_t len;
	u64 code;

	if (object == IDE_KM_KEY_PROG) {
		u8 key[IDE_KM_KEY_SIZE], ifv[IDE_KM_IFV_SIZE];

		/* Only the form matters, the link encrypts nothing */
		get_random_bytes(key, sizeof(key));
		get_random_bytes(ifv, sizeof(ifv));
		len = ide_km_req_key_prog(REQ_VDM(r), r->stream_id, sub_stream,
					  key, ifv);
	} else {
		len = ide_km_req_key_set(REQ_VDM(r), object, r->stream_id,
					 sub_stream);
	}
	code = req_vdm(r, SPDM_VDM_PROTO_IDE_KM, len, &msg);
	return code ?: ide_km_rsp(msg, object, r->stream_id, sub_stream);
}

/* All sub-streams: the receivers first, then the transmitters */
u64 requester_keys(struct requester *r, u8 object, u8 key_set)
{
	for (u8 dir = 0; dir <= IDE_KM_SUB_TX; dir += IDE_KM_SUB_TX) {
		for (int i = 0; i < IDE_KM_NR_SUB_STREAMS; i++) {
			u64 code;

			code = req_key(r, object,
				       IDE_KM_SUB_STREAM(i) | dir | key_set);
			if (code)
				return code;
		}
	}
	return 0;
}

u64 requester_tdi_version(struct requester *r, u32 function_id)
{
	size_t len = tdisp_req_simple(REQ_VDM(r), TDISP_GET_VERSION,
				      function_id);
	struct tdisp_span body;
	u64 code;

	code = req_tdisp(r, function_id, len, &body);
	return code ?: tdisp_rsp_version(body);
}

u64 requester_tdi_state(struct requester *r, u32 function_id, u8 *state)
{
	size_t len = tdisp_req_simple(REQ_VDM(r), TDISP_GET_INTERFACE_STATE,
				      function_id);
	struct tdisp_span body;
	u64 code;

	code = req_tdisp(r, function_id, len, &body);
	return code ?: tdisp_rsp_state(body, state);
}

u64 requester_tdi_lock(struct requester *r, u32 function_id, u16 flags,
		       u64 mmio_offset, u8 *nonce)
{
	size_t len = tdisp_req_lock(REQ_VDM(r), function_id, flags,
				    r->stream_id, mmio_offset);
	struct tdisp_span body;
	u64 code;

	code = req_tdisp(r, function_id, len, &body);
	return code ?: tdisp_rsp_lock(body, nonce);
}

static u64 req_read_report(struct requester *r, u32 function_id,
			   struct tdisp_portion *portion,
			   struct tdisp_span *bytes)
{
	size_t len = tdisp_req_report(REQ_VDM(r), function_id, portion->offset,
				      portion->asked);
	struct tdisp_span body;
	u64 code;

	code = req_tdisp(r, function_id, len, &body);
	return code ?: tdisp_rsp_report(body, portion, bytes);
}

u64 requester_tdi_report(struct requester *r, u32 function_id,
			 struct requester_object *keep)
{
	struct tdisp_span report;
	u64 code;

	code = req_object(r, function_id, req_read_report, REQUESTER_REPORT,
			  keep);
	if (code || !keep)
		return code;
	report.data = keep->data;
	report.len = keep->len;
	return tdisp_report_check(report);
}

u64 requester_tdi_start(struct requester *r, u32 function_id, const u8 *nonce)
{
	size_t len = tdisp_req_start(REQ_VDM(r), function_id, nonce);
	struct tdisp_span body;
	u64 code;

	code = req_tdisp(r, function_id, len, &body);
	return code ?: tdisp_rsp_empty(body);
}

u64 requester_tdi_stop(struct requester *r, u32 function_id)
{
	size_t len = tdisp_req_simple(REQ_VDM(r), TDISP_STOP_INTERFACE,
				      function_id);
	struct tdisp_span body;
	u64 code;

	code = req_tdisp(r, function_id, len, &body);
	return code ?: tdisp_rsp_empty(body);
}
