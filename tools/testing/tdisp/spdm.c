// SPDX-License-Identifier: GPL-2.0-only
/*
 * SPDM messages (DSP0274) and records of a secured session (DSP0277), reduced
 * to what tdisp-proto.h has. Bytes only.
 */
#include <linux/string.h>
#include <linux/unaligned.h>

#include "codec.h"

#define SPDM_ENTRY_12		(SPDM_VERSION_12 << 8)
#define SPDM_CT_EXPONENT	5	/* no meaning for a requester */
#define SPDM_MEAS_SPEC_DMTF	1
#define SPDM_SLOT_0		0
#define SPDM_VENDOR_ID_LEN	2

static size_t spdm_hdr(u8 *buf, u8 version, u8 code, u8 param1, u8 param2)
{
	buf[0] = version;
	buf[1] = code;
	buf[2] = param1;
	buf[3] = param2;
	return SPDM_HDR_SIZE;
}

/* Requests without parameters and body */
size_t spdm_req_simple(u8 *buf, u8 code)
{
	u8 version = code == SPDM_GET_VERSION ? SPDM_VERSION_10 :
						SPDM_VERSION_12;

	return spdm_hdr(buf, version, code, 0, 0);
}

size_t spdm_req_capabilities(u8 *buf)
{
	memset(buf, 0, SPDM_CAPS_SIZE);
	spdm_hdr(buf, SPDM_VERSION_12, SPDM_GET_CAPABILITIES, 0, 0);
	buf[5] = SPDM_CT_EXPONENT;
	put_unaligned_le32(SPDM_CAP_ENCRYPT | SPDM_CAP_MAC | SPDM_CAP_PSK,
			   buf + SPDM_CAPS_FLAGS_OFF);
	put_unaligned_le32(SOFT_MAX_MSG, buf + 12);
	put_unaligned_le32(SOFT_MAX_MSG, buf + 16);
	return SPDM_CAPS_SIZE;
}

size_t spdm_req_algorithms(u8 *buf)
{
	memset(buf, 0, SPDM_ALGORITHMS_SIZE);
	spdm_hdr(buf, SPDM_VERSION_12, SPDM_NEGOTIATE_ALGORITHMS, 0, 0);
	put_unaligned_le16(SPDM_ALGORITHMS_SIZE, buf + 4);
	buf[6] = SPDM_MEAS_SPEC_DMTF;
	return SPDM_ALGORITHMS_SIZE;
}

size_t spdm_req_certificate(u8 *buf, u16 offset, u16 length)
{
	spdm_hdr(buf, SPDM_VERSION_12, SPDM_GET_CERTIFICATE, SPDM_SLOT_0, 0);
	put_unaligned_le16(offset, buf + 4);
	put_unaligned_le16(length, buf + 6);
	return SPDM_CERT_REQ_SIZE;
}

size_t spdm_req_measurements(u8 *buf)
{
	return spdm_hdr(buf, SPDM_VERSION_12, SPDM_GET_MEASUREMENTS, 0,
			SPDM_MEAS_ALL);
}

/* Names the null cipher; a device that does not offer it has to refuse */
size_t spdm_req_psk_exchange(u8 *buf, u16 req_session_id)
{
	size_t hint_len = strlen(SPDM_NULL_CIPHER_HINT);

	spdm_hdr(buf, SPDM_VERSION_12, SPDM_PSK_EXCHANGE, 0, 0);
	put_unaligned_le16(req_session_id, buf + 4);
	put_unaligned_le16(hint_len, buf + 6);
	put_unaligned_le16(0, buf + 8);
	put_unaligned_le16(0, buf + 10);
	memcpy(buf + SPDM_PSK_EXCHANGE_HDR_SIZE, SPDM_NULL_CIPHER_HINT,
	       hint_len);
	return SPDM_PSK_EXCHANGE_HDR_SIZE + hint_len;
}

/* The payload follows the header, the caller has written it */
size_t spdm_req_vdm(u8 *buf, u8 protocol, size_t payload_len)
{
	spdm_hdr(buf, SPDM_VERSION_12, SPDM_VENDOR_DEFINED_REQUEST, 0, 0);
	put_unaligned_le16(SPDM_VDM_STANDARD_PCISIG, buf + 4);
	buf[6] = SPDM_VENDOR_ID_LEN;
	put_unaligned_le16(SPDM_VDM_VENDOR_PCISIG, buf + 7);
	put_unaligned_le16(payload_len + 1, buf + 9);
	buf[11] = protocol;
	return SPDM_VDM_HDR_SIZE + payload_len;
}

/*
 * Make a record of the message of @app_len bytes that stands in it, at
 * SOFT_SECURED_HDR, already.
 */
size_t spdm_secure(u8 *record, u32 session_id, size_t app_len)
{
	put_unaligned_le32(session_id, record);
	put_unaligned_le16(SPDM_SECURED_APP_HDR_SIZE + app_len +
			   SPDM_SECURED_MAC_SIZE, record + 4);
	put_unaligned_le16(app_len, record + SPDM_SECURED_HDR_SIZE);
	memset(record + SOFT_SECURED_HDR + app_len, 0, SPDM_SECURED_MAC_SIZE);
	return SOFT_SECURED_OVERHEAD + app_len;
}

/* A data object ends with its last dword, up to three bytes are padding */
static bool padded(size_t len, size_t used)
{
	return len >= used && len - used < sizeof(__le32);
}

/* Is it the answer to the request? Says nothing about the length of the body */
u64 spdm_rsp_check(struct tdisp_span rsp, u8 req_code)
{
	u8 version = req_code == SPDM_GET_VERSION ? SPDM_VERSION_10 :
						    SPDM_VERSION_12;

	if (rsp.len < SPDM_HDR_SIZE || rsp.data[0] != version)
		return SOFT_TSM_CODE_MALFORMED;
	/* An error that is none is no answer either */
	if (rsp.data[1] == SPDM_ERROR && rsp.data[2])
		return SOFT_TSM_CODE_SPDM | rsp.data[2];
	if (rsp.data[1] != SPDM_RSP(req_code))
		return SOFT_TSM_CODE_MALFORMED;
	return 0;
}

u64 spdm_rsp_version(struct tdisp_span rsp, size_t *used)
{
	u64 code = spdm_rsp_check(rsp, SPDM_GET_VERSION);
	size_t count;

	if (code)
		return code;
	if (rsp.len < SPDM_VERSION_ENTRY_OFF)
		return SOFT_TSM_CODE_MALFORMED;

	count = rsp.data[SPDM_VERSION_COUNT_OFF];
	*used = SPDM_VERSION_ENTRY_OFF + count * sizeof(__le16);
	if (!padded(rsp.len, *used))
		return SOFT_TSM_CODE_MALFORMED;

	for (size_t i = 0; i < count; i++) {
		const u8 *entry = rsp.data + SPDM_VERSION_ENTRY_OFF +
				  i * sizeof(__le16);

		/* Update and alpha numbers do not matter */
		if ((get_unaligned_le16(entry) & 0xff00) == SPDM_ENTRY_12)
			return 0;
	}
	return SOFT_TSM_CODE_UNSUPPORTED;
}

u64 spdm_rsp_capabilities(struct tdisp_span rsp, size_t *used, u32 *flags)
{
	u64 code = spdm_rsp_check(rsp, SPDM_GET_CAPABILITIES);

	if (code)
		return code;
	*used = SPDM_CAPS_SIZE;
	if (!padded(rsp.len, *used))
		return SOFT_TSM_CODE_MALFORMED;
	*flags = get_unaligned_le32(rsp.data + SPDM_CAPS_FLAGS_OFF);
	return 0;
}

u64 spdm_rsp_algorithms(struct tdisp_span rsp, size_t *used)
{
	u64 code = spdm_rsp_check(rsp, SPDM_NEGOTIATE_ALGORITHMS);

	if (code)
		return code;
	*used = SPDM_ALGORITHMS_SIZE;
	if (!padded(rsp.len, *used) ||
	    get_unaligned_le16(rsp.data + 4) != SPDM_ALGORITHMS_SIZE)
		return SOFT_TSM_CODE_MALFORMED;
	return 0;
}

u64 spdm_rsp_certificate(struct tdisp_span rsp, struct tdisp_portion *portion,
			 struct tdisp_span *bytes)
{
	u64 code = spdm_rsp_check(rsp, SPDM_GET_CERTIFICATE);
	u16 len, remainder;

	if (code)
		return code;
	if (rsp.len < SPDM_CERT_RSP_HDR_SIZE)
		return SOFT_TSM_CODE_MALFORMED;

	len = get_unaligned_le16(rsp.data + 4);
	remainder = get_unaligned_le16(rsp.data + 6);
	if (!padded(rsp.len, SPDM_CERT_RSP_HDR_SIZE + len))
		return SOFT_TSM_CODE_MALFORMED;

	bytes->data = rsp.data + SPDM_CERT_RSP_HDR_SIZE;
	bytes->len = len;
	return tdisp_portion_rsp(portion, len, remainder);
}

u64 spdm_rsp_measurements(struct tdisp_span rsp, size_t *used)
{
	u64 code = spdm_rsp_check(rsp, SPDM_GET_MEASUREMENTS);
	size_t record_len, opaque_off;

	if (code)
		return code;
	if (rsp.len < SPDM_MEAS_RSP_HDR_SIZE)
		return SOFT_TSM_CODE_MALFORMED;

	record_len = get_unaligned_le24(rsp.data + 5);
	opaque_off = SPDM_MEAS_RSP_HDR_SIZE + record_len + SPDM_MEAS_NONCE_SIZE;
	*used = opaque_off + sizeof(__le16);
	if (!padded(rsp.len, *used) ||
	    get_unaligned_le16(rsp.data + opaque_off))
		return SOFT_TSM_CODE_MALFORMED;
	return 0;
}

u64 spdm_rsp_psk_exchange(struct tdisp_span rsp, u16 req_session_id,
			  u32 *session_id)
{
	u64 code = spdm_rsp_check(rsp, SPDM_PSK_EXCHANGE);

	if (code)
		return code;
	/* Neither context nor opaque data, as in the request */
	if (!padded(rsp.len, SPDM_PSK_EXCHANGE_RSP_SIZE) ||
	    get_unaligned_le32(rsp.data + 8))
		return SOFT_TSM_CODE_MALFORMED;
	*session_id = (u32)get_unaligned_le16(rsp.data + 4) << 16 |
		      req_session_id;
	return 0;
}

/* Answers without body in a session, where nothing is padded */
u64 spdm_rsp_empty(struct tdisp_span app, u8 req_code)
{
	u64 code = spdm_rsp_check(app, req_code);

	if (code)
		return code;
	return app.len == SPDM_HDR_SIZE ? 0 : SOFT_TSM_CODE_MALFORMED;
}

u64 spdm_rsp_vdm(struct tdisp_span app, u8 protocol, struct tdisp_span *payload)
{
	u64 code = spdm_rsp_check(app, SPDM_VENDOR_DEFINED_REQUEST);

	if (code)
		return code;
	if (app.len < SPDM_VDM_HDR_SIZE ||
	    get_unaligned_le16(app.data + 4) != SPDM_VDM_STANDARD_PCISIG ||
	    app.data[6] != SPDM_VENDOR_ID_LEN ||
	    get_unaligned_le16(app.data + 7) != SPDM_VDM_VENDOR_PCISIG ||
	    app.data[11] != protocol)
		return SOFT_TSM_CODE_MALFORMED;

	payload->data = app.data + SPDM_VDM_HDR_SIZE;
	payload->len = app.len - SPDM_VDM_HDR_SIZE;
	/* It counts the protocol id too */
	if (get_unaligned_le16(app.data + 9) != payload->len + 1)
		return SOFT_TSM_CODE_MALFORMED;
	return 0;
}

/* Take a record apart; the null cipher has a MAC of zeroes */
u64 spdm_open(struct tdisp_span record, u32 session_id, struct tdisp_span *app)
{
	size_t length, app_len;

	if (record.len < SOFT_SECURED_OVERHEAD ||
	    get_unaligned_le32(record.data) != session_id)
		return SOFT_TSM_CODE_MALFORMED;

	length = get_unaligned_le16(record.data + 4);
	app_len = get_unaligned_le16(record.data + SPDM_SECURED_HDR_SIZE);
	if (!padded(record.len, SPDM_SECURED_HDR_SIZE + length) ||
	    length != SPDM_SECURED_APP_HDR_SIZE + app_len +
		      SPDM_SECURED_MAC_SIZE)
		return SOFT_TSM_CODE_MALFORMED;

	app->data = record.data + SOFT_SECURED_HDR;
	app->len = app_len;
	if (memchr_inv(app->data + app_len, 0, SPDM_SECURED_MAC_SIZE))
		return SOFT_TSM_CODE_MALFORMED;
	return 0;
}
