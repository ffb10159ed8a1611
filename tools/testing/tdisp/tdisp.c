// SPDX-License-Identifier: GPL-2.0-only
/*
 * TDISP messages (PCIe r7.0 section 11.3), IDE_KM messages (section 6.33.3) and
 * the state machine of a TDI (section 11.2). Bytes only.
 */
#include <linux/array_size.h>
#include <linux/bits.h>
#include <linux/limits.h>
#include <linux/string.h>
#include <linux/unaligned.h>

#include "codec.h"

/*
 * The requests that move a TDI: from which states, and where to. The device
 * goes from LOCKED and RUN to ERROR by itself.
 */
static const struct {
	u8 req_code;
	u8 from;
	u8 to;
} tdisp_transitions[] = {
	{ TDISP_LOCK_INTERFACE, BIT(TDISP_STATE_UNLOCKED),
	  TDISP_STATE_LOCKED },
	{ TDISP_START_INTERFACE, BIT(TDISP_STATE_LOCKED),
	  TDISP_STATE_RUN },
	{ TDISP_STOP_INTERFACE, BIT(TDISP_STATE_LOCKED) |
				BIT(TDISP_STATE_RUN) | BIT(TDISP_STATE_ERROR),
	  TDISP_STATE_UNLOCKED },
};

bool tdisp_may(u8 req_code, u8 state)
{
	for (int i = 0; i < ARRAY_SIZE(tdisp_transitions); i++)
		if (tdisp_transitions[i].req_code == req_code)
			return tdisp_transitions[i].from & BIT(state);
	return false;
}

/* Where a request that was carried out leads to */
u8 tdisp_next_state(u8 req_code)
{
	for (int i = 0; i < ARRAY_SIZE(tdisp_transitions); i++)
		if (tdisp_transitions[i].req_code == req_code)
			return tdisp_transitions[i].to;
	return TDISP_STATE_ERROR;
}

/*
 * Account for a portion that has @len bytes, where @remainder bytes are still
 * to come. A portion is not empty and not longer than asked for, and the object
 * keeps its size.
 */
u64 tdisp_portion_rsp(struct tdisp_portion *portion, u16 len, u16 remainder)
{
	u32 total = portion->offset + len + remainder;

	if (!len || len > portion->asked || total > U16_MAX)
		return SOFT_TSM_CODE_MALFORMED;
	if (portion->total && portion->total != total)
		return SOFT_TSM_CODE_MALFORMED;

	portion->total = total;
	portion->offset += len;
	return 0;
}

/* Requests without body */
size_t tdisp_req_simple(u8 *buf, u8 code, u32 function_id)
{
	memset(buf, 0, TDISP_HDR_SIZE);
	buf[0] = TDISP_VERSION_10;
	buf[1] = code;
	put_unaligned_le32(function_id, buf + 4);
	return TDISP_HDR_SIZE;
}

size_t tdisp_req_capabilities(u8 *buf, u32 function_id)
{
	u8 *body = buf + tdisp_req_simple(buf, TDISP_GET_CAPABILITIES,
					  function_id);

	put_unaligned_le32(0, body);
	return TDISP_HDR_SIZE + TDISP_CAPS_REQ_SIZE;
}

/* Without peer-to-peer streams */
size_t tdisp_req_lock(u8 *buf, u32 function_id, u16 flags, u8 stream_id,
		      u64 mmio_offset)
{
	u8 *body = buf + tdisp_req_simple(buf, TDISP_LOCK_INTERFACE,
					  function_id);

	memset(body, 0, TDISP_LOCK_REQ_SIZE);
	put_unaligned_le16(flags, body + TDISP_LOCK_FLAGS_OFF);
	body[TDISP_LOCK_STREAM_OFF] = stream_id;
	put_unaligned_le64(mmio_offset, body + TDISP_LOCK_MMIO_OFFSET_OFF);
	return TDISP_HDR_SIZE + TDISP_LOCK_REQ_SIZE;
}

size_t tdisp_req_report(u8 *buf, u32 function_id, u16 offset, u16 length)
{
	u8 *body = buf + tdisp_req_simple(buf, TDISP_GET_INTERFACE_REPORT,
					  function_id);

	put_unaligned_le16(offset, body);
	put_unaligned_le16(length, body + 2);
	return TDISP_HDR_SIZE + TDISP_REPORT_REQ_SIZE;
}

size_t tdisp_req_start(u8 *buf, u32 function_id, const u8 *nonce)
{
	u8 *body = buf + tdisp_req_simple(buf, TDISP_START_INTERFACE,
					  function_id);

	memcpy(body, nonce, TDISP_NONCE_SIZE);
	return TDISP_HDR_SIZE + TDISP_NONCE_SIZE;
}

/* Is it the answer to the request? Says nothing about the length of the body */
u64 tdisp_rsp_check(struct tdisp_span msg, u8 req_code, u32 function_id,
		    struct tdisp_span *body)
{
	u32 error;

	if (msg.len < TDISP_HDR_SIZE || msg.data[0] != TDISP_VERSION_10 ||
	    get_unaligned_le32(msg.data + 4) != function_id)
		return SOFT_TSM_CODE_MALFORMED;

	body->data = msg.data + TDISP_HDR_SIZE;
	body->len = msg.len - TDISP_HDR_SIZE;
	if (msg.data[1] == TDISP_RSP(req_code))
		return 0;
	/* Extended data may follow; an error that is none is no answer */
	if (msg.data[1] != TDISP_ERROR || body->len < TDISP_ERROR_RSP_SIZE)
		return SOFT_TSM_CODE_MALFORMED;
	error = get_unaligned_le32(body->data);
	return error ? SOFT_TSM_CODE_TDISP | error : SOFT_TSM_CODE_MALFORMED;
}

u64 tdisp_rsp_version(struct tdisp_span body)
{
	if (body.len < TDISP_VERSION_RSP_MIN_SIZE ||
	    body.len != 1 + body.data[0])
		return SOFT_TSM_CODE_MALFORMED;
	if (!memchr(body.data + 1, TDISP_VERSION_10, body.len - 1))
		return SOFT_TSM_CODE_UNSUPPORTED;
	return 0;
}

u64 tdisp_rsp_capabilities(struct tdisp_span body, struct tdisp_caps *caps)
{
	if (body.len != TDISP_CAPS_RSP_SIZE)
		return SOFT_TSM_CODE_MALFORMED;
	memcpy(caps->msgs, body.data + TDISP_CAPS_MSGS_OFF,
	       sizeof(caps->msgs));
	caps->lock_flags = get_unaligned_le16(body.data +
					      TDISP_CAPS_LOCK_FLAGS_OFF);
	return 0;
}

bool tdisp_caps_have(const struct tdisp_caps *caps, u8 req_code)
{
	u8 bit = TDISP_RSP(req_code);

	return caps->msgs[bit / 8] & BIT(bit % 8);
}

u64 tdisp_rsp_lock(struct tdisp_span body, u8 *nonce)
{
	if (body.len != TDISP_NONCE_SIZE)
		return SOFT_TSM_CODE_MALFORMED;
	memcpy(nonce, body.data, TDISP_NONCE_SIZE);
	return 0;
}

u64 tdisp_rsp_report(struct tdisp_span body, struct tdisp_portion *portion,
		     struct tdisp_span *bytes)
{
	if (body.len < TDISP_REPORT_RSP_HDR_SIZE)
		return SOFT_TSM_CODE_MALFORMED;

	bytes->data = body.data + TDISP_REPORT_RSP_HDR_SIZE;
	bytes->len = body.len - TDISP_REPORT_RSP_HDR_SIZE;
	if (get_unaligned_le16(body.data) != bytes->len)
		return SOFT_TSM_CODE_MALFORMED;
	return tdisp_portion_rsp(portion, bytes->len,
				 get_unaligned_le16(body.data + 2));
}

u64 tdisp_rsp_state(struct tdisp_span body, u8 *state)
{
	if (body.len != TDISP_STATE_RSP_SIZE ||
	    body.data[0] > TDISP_STATE_ERROR)
		return SOFT_TSM_CODE_MALFORMED;
	*state = body.data[0];
	return 0;
}

u64 tdisp_rsp_empty(struct tdisp_span body)
{
	return body.len ? SOFT_TSM_CODE_MALFORMED : 0;
}

/* Do the lengths inside of a report that is put together fit it? */
u64 tdisp_report_check(struct tdisp_span report)
{
	u64 ranges, info_off;

	if (report.len < TDISP_REPORT_RANGES_OFF)
		return SOFT_TSM_CODE_MALFORMED;

	ranges = get_unaligned_le32(report.data + TDISP_REPORT_RANGE_COUNT_OFF);
	info_off = TDISP_REPORT_RANGES_OFF + ranges * TDISP_REPORT_RANGE_SIZE;
	if (report.len < info_off + sizeof(__le32) ||
	    report.len - info_off - sizeof(__le32) !=
	    get_unaligned_le32(report.data + info_off))
		return SOFT_TSM_CODE_MALFORMED;
	return 0;
}

/* Are these pages, as reported, inside of one range that is for a TEE? */
bool tdisp_report_has_tee(struct tdisp_span report, u64 page, u64 npages)
{
	const u8 *rec = report.data + TDISP_REPORT_RANGES_OFF;
	u32 nr = get_unaligned_le32(report.data +
				    TDISP_REPORT_RANGE_COUNT_OFF);

	for (; nr--; rec += TDISP_REPORT_RANGE_SIZE) {
		u64 first = get_unaligned_le64(rec +
					       TDISP_RANGE_FIRST_PAGE_OFF);
		u32 pages = get_unaligned_le32(rec + TDISP_RANGE_PAGES_OFF);
		u16 attr = get_unaligned_le16(rec + TDISP_RANGE_ATTR_OFF);

		if (!(attr & TDISP_RANGE_NON_TEE) && page >= first &&
		    npages <= pages && page - first <= pages - npages)
			return true;
	}
	return false;
}

size_t ide_km_req_key_set(u8 *buf, u8 object, u8 stream_id, u8 sub_stream)
{
	memset(buf, 0, IDE_KM_HDR_SIZE);
	buf[0] = object;
	buf[IDE_KM_STREAM_OFF] = stream_id;
	buf[IDE_KM_SUB_STREAM_OFF] = sub_stream;
	buf[IDE_KM_PORT_OFF] = 0;
	return IDE_KM_HDR_SIZE;
}

size_t ide_km_req_key_prog(u8 *buf, u8 stream_id, u8 sub_stream,
			   const u8 *key, const u8 *ifv)
{
	u8 *body = buf + ide_km_req_key_set(buf, IDE_KM_KEY_PROG, stream_id,
					    sub_stream);

	memcpy(body, key, IDE_KM_KEY_SIZE);
	memcpy(body + IDE_KM_KEY_SIZE, ifv, IDE_KM_IFV_SIZE);
	return IDE_KM_KEY_PROG_SIZE;
}

/*
 * KP_ACK and K_GOSTOP_ACK. The latter has a reserved byte in place of the
 * status; the test device tells the status there, others tell 0.
 */
u64 ide_km_rsp(struct tdisp_span msg, u8 req_object, u8 stream_id,
	       u8 sub_stream)
{
	u8 ack = req_object == IDE_KM_KEY_PROG ? IDE_KM_KP_ACK :
						 IDE_KM_K_GOSTOP_ACK;

	if (msg.len != IDE_KM_HDR_SIZE || msg.data[0] != ack ||
	    msg.data[IDE_KM_STREAM_OFF] != stream_id ||
	    msg.data[IDE_KM_SUB_STREAM_OFF] != sub_stream ||
	    msg.data[IDE_KM_PORT_OFF] != 0)
		return SOFT_TSM_CODE_MALFORMED;
	if (msg.data[IDE_KM_STATUS_OFF] != IDE_KM_OK)
		return SOFT_TSM_CODE_IDE_KM | msg.data[IDE_KM_STATUS_OFF];
	return 0;
}
