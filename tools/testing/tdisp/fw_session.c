// SPDX-License-Identifier: GPL-2.0-only
/* What firmware says to a device, see fw_session.h */
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "fw_session.h"

/* Where the layers of a request in the session stand */
#define FW_APP(io)	((io)->msg + SOFT_SECURED_HDR)
#define FW_VDM(io)	(FW_APP(io) + SPDM_VDM_HDR_SIZE)

#define FW_SPDM_CAPS	(SPDM_CAP_CERT | SPDM_CAP_MEAS_NO_SIG | \
			 SPDM_CAP_ENCRYPT | SPDM_CAP_MAC | SPDM_CAP_PSK)

/* What stands around the bytes of a portion, in any protocol */
#define FW_PORTION_HDR	128

typedef u64 (*fw_portion_fn)(struct fw_io *io, u32 function_id,
			     struct tdisp_portion *portion,
			     struct tdisp_span *bytes);

static u64 fw_plain(struct fw_io *io, size_t len, struct tdisp_span *rsp)
{
	return io->exchange(io, false, len, rsp);
}

/* A message of @len bytes at FW_APP() */
static u64 fw_secured(struct fw_io *io, size_t len, struct tdisp_span *app)
{
	struct tdisp_span record;
	u64 code;

	len = spdm_secure(io->msg, io->session->id, len);
	code = io->exchange(io, true, len, &record);
	return code ?: spdm_open(record, io->session->id, app);
}

/* A message of @len bytes at FW_VDM() */
static u64 fw_vdm(struct fw_io *io, u8 protocol, size_t len,
		  struct tdisp_span *payload)
{
	struct tdisp_span app;
	u64 code;

	len = spdm_req_vdm(FW_APP(io), protocol, len);
	code = fw_secured(io, len, &app);
	return code ?: spdm_rsp_vdm(app, protocol, payload);
}

static u64 fw_tdisp(struct fw_io *io, u32 function_id, size_t len,
		    struct tdisp_span *body)
{
	u8 req_code = FW_VDM(io)[1];
	struct tdisp_span msg;
	u64 code;

	code = fw_vdm(io, SPDM_VDM_PROTO_TDISP, len, &msg);
	return code ?: tdisp_rsp_check(msg, req_code, function_id, body);
}

u64 fw_negotiate(struct fw_io *io)
{
	struct tdisp_span rsp;
	size_t used;
	u32 flags;
	u64 code;

	code = fw_plain(io, spdm_req_simple(io->msg, SPDM_GET_VERSION), &rsp);
	code = code ?: spdm_rsp_version(rsp, &used);
	if (code)
		return code;
	code = fw_plain(io, spdm_req_capabilities(io->msg), &rsp);
	code = code ?: spdm_rsp_capabilities(rsp, &used, &flags);
	if (code)
		return code;
	if ((flags & FW_SPDM_CAPS) != FW_SPDM_CAPS)
		return SOFT_TSM_CODE_UNSUPPORTED;
	code = fw_plain(io, spdm_req_algorithms(io->msg), &rsp);
	return code ?: spdm_rsp_algorithms(rsp, &used);
}

static u64 fw_read_portions(struct fw_io *io, u32 function_id,
			    fw_portion_fn read, u8 **data, u32 *len)
{
	u32 most = min_t(u32, io->rsp_size - FW_PORTION_HDR, SOFT_MAX_PORTION);
	struct tdisp_portion portion = {};
	u8 *buf;

	buf = kvmalloc(FW_MAX_OBJECT, GFP_KERNEL);
	if (!buf)
		return SOFT_TSM_CODE_UNSUPPORTED;
	do {
		u32 offset = portion.offset;
		struct tdisp_span bytes;
		u64 code;

		portion.asked = most;
		if (portion.total)
			portion.asked = min(most, portion.total - offset);
		code = read(io, function_id, &portion, &bytes);
		if (code) {
			kvfree(buf);
			return code;
		}
		memcpy(buf + offset, bytes.data, bytes.len);
	} while (portion.offset < portion.total);

	kvfree(*data);
	*data = buf;
	*len = portion.total;
	return 0;
}

static u64 fw_read_cert_portion(struct fw_io *io, u32 function_id,
				struct tdisp_portion *portion,
				struct tdisp_span *bytes)
{
	struct tdisp_span rsp;
	size_t len;
	u64 code;

	len = spdm_req_certificate(io->msg, portion->offset, portion->asked);
	code = fw_plain(io, len, &rsp);
	return code ?: spdm_rsp_certificate(rsp, portion, bytes);
}

u64 fw_read_cert(struct fw_io *io)
{
	return fw_read_portions(io, 0, fw_read_cert_portion,
				&io->session->cert, &io->session->cert_len);
}

u64 fw_measure(struct fw_io *io, struct tdisp_span *meas)
{
	size_t used;
	u64 code;

	code = fw_plain(io, spdm_req_measurements(io->msg), meas);
	code = code ?: spdm_rsp_measurements(*meas, &used);
	if (!code)
		meas->len = used;
	return code;
}

u64 fw_session_open(struct fw_io *io)
{
	struct fw_session *session = io->session;
	struct tdisp_span rsp, app;
	u32 session_id;
	size_t len;
	u64 code;

	len = spdm_req_psk_exchange(io->msg, session->req_session_id);
	code = fw_plain(io, len, &rsp);
	code = code ?: spdm_rsp_psk_exchange(rsp, session->req_session_id,
					     &session_id);
	if (code)
		return code;

	session->id = session_id;
	len = spdm_req_simple(FW_APP(io), SPDM_PSK_FINISH);
	code = fw_secured(io, len, &app);
	code = code ?: spdm_rsp_empty(app, SPDM_PSK_FINISH);
	if (code)
		session->id = 0;
	return code;
}

u64 fw_session_close(struct fw_io *io)
{
	struct tdisp_span app;
	size_t len;
	u64 code;

	if (!io->session->id)
		return 0;
	len = spdm_req_simple(FW_APP(io), SPDM_END_SESSION);
	code = fw_secured(io, len, &app);
	code = code ?: spdm_rsp_empty(app, SPDM_END_SESSION);
	if (!code)
		io->session->id = 0;
	return code;
}

static u64 fw_key(struct fw_io *io, u8 object, u8 sub_stream)
{
	u8 stream_id = io->session->stream_id;
	struct tdisp_span msg;
	size_t len;
	u64 code;

	if (object == IDE_KM_KEY_PROG) {
		u8 key[IDE_KM_KEY_SIZE], ifv[IDE_KM_IFV_SIZE];

		/* Only the form matters, the link encrypts nothing */
		get_random_bytes(key, sizeof(key));
		get_random_bytes(ifv, sizeof(ifv));
		len = ide_km_req_key_prog(FW_VDM(io), stream_id, sub_stream,
					  key, ifv);
	} else {
		len = ide_km_req_key_set(FW_VDM(io), object, stream_id,
					 sub_stream);
	}
	code = fw_vdm(io, SPDM_VDM_PROTO_IDE_KM, len, &msg);
	return code ?: ide_km_rsp(msg, object, stream_id, sub_stream);
}

u64 fw_keys(struct fw_io *io, u8 object)
{
	for (u8 dir = 0; dir <= IDE_KM_SUB_TX; dir += IDE_KM_SUB_TX) {
		for (int i = 0; i < IDE_KM_NR_SUB_STREAMS; i++) {
			u64 code = fw_key(io, object,
					  IDE_KM_SUB_STREAM(i) | dir);

			if (code)
				return code;
		}
	}
	return 0;
}

static u64 fw_tdisp_simple(struct fw_io *io, u32 function_id, u8 req_code,
			   struct tdisp_span *body)
{
	return fw_tdisp(io, function_id,
			tdisp_req_simple(FW_VDM(io), req_code, function_id),
			body);
}

u64 fw_tdisp_version(struct fw_io *io, u32 function_id)
{
	struct tdisp_span body;
	u64 code;

	code = fw_tdisp_simple(io, function_id, TDISP_GET_VERSION, &body);
	return code ?: tdisp_rsp_version(body);
}

u64 fw_tdisp_state(struct fw_io *io, u32 function_id, u8 *state)
{
	struct tdisp_span body;
	u64 code;

	code = fw_tdisp_simple(io, function_id, TDISP_GET_INTERFACE_STATE,
			       &body);
	return code ?: tdisp_rsp_state(body, state);
}

u64 fw_tdisp_lock(struct fw_io *io, u32 function_id, u16 flags,
		  u64 mmio_offset, u8 *nonce)
{
	struct tdisp_span body;
	size_t len;
	u64 code;

	len = tdisp_req_lock(FW_VDM(io), function_id, flags,
			     io->session->stream_id, mmio_offset);
	code = fw_tdisp(io, function_id, len, &body);
	return code ?: tdisp_rsp_lock(body, nonce);
}

static u64 fw_read_report_portion(struct fw_io *io, u32 function_id,
				  struct tdisp_portion *portion,
				  struct tdisp_span *bytes)
{
	struct tdisp_span body;
	size_t len;
	u64 code;

	len = tdisp_req_report(FW_VDM(io), function_id, portion->offset,
			       portion->asked);
	code = fw_tdisp(io, function_id, len, &body);
	return code ?: tdisp_rsp_report(body, portion, bytes);
}

u64 fw_tdisp_report(struct fw_io *io, u32 function_id, u8 **data, u32 *len)
{
	struct tdisp_span report;
	u64 code;

	code = fw_read_portions(io, function_id, fw_read_report_portion, data,
				len);
	if (code)
		return code;
	report.data = *data;
	report.len = *len;
	return tdisp_report_check(report);
}

u64 fw_tdisp_start(struct fw_io *io, u32 function_id, const u8 *nonce)
{
	struct tdisp_span body;
	size_t len;
	u64 code;

	len = tdisp_req_start(FW_VDM(io), function_id, nonce);
	code = fw_tdisp(io, function_id, len, &body);
	return code ?: tdisp_rsp_empty(body);
}

u64 fw_tdisp_stop(struct fw_io *io, u32 function_id)
{
	struct tdisp_span body;
	u64 code;

	code = fw_tdisp_simple(io, function_id, TDISP_STOP_INTERFACE, &body);
	return code ?: tdisp_rsp_empty(body);
}
