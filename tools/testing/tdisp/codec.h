/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Codec of the soft TSM: bytes only, no state, no locks, no errno.
 *
 * Requests are built by the *_req_*() functions, which return the length of
 * what they wrote. Responses are taken apart by the *_rsp_*() functions, which
 * trust no length of the device and return an outcome: 0, or one of
 * SOFT_TSM_CODE_*, as told to the user.
 */
#ifndef TDISP_SOFT_CODEC_H
#define TDISP_SOFT_CODEC_H

#include <linux/types.h>

#include "soft-tsm.h"
#include "tdisp-proto.h"

/*
 * Largest message that the soft TSM takes, announced in GET_CAPABILITIES, and
 * the largest part of an object that it asks for at once.
 */
#define SOFT_MAX_MSG		4608
#define SOFT_MAX_PORTION	4096

/* What stands before and after a message of a session in its record */
#define SOFT_SECURED_HDR	(SPDM_SECURED_HDR_SIZE + \
				 SPDM_SECURED_APP_HDR_SIZE)
#define SOFT_SECURED_OVERHEAD	(SOFT_SECURED_HDR + SPDM_SECURED_MAC_SIZE)

/* No request of the soft TSM is longer */
#define SOFT_MAX_REQ		256
/* One dword more than the longest response, to notice what is longer */
#define SOFT_MAX_RSP		(SOFT_MAX_MSG + SOFT_SECURED_OVERHEAD + 4)

/**
 * struct tdisp_span - Bytes of a response
 * @data: not terminated, points into the buffer of the transport and is valid
 *	  up to the next exchange
 * @len: number of bytes
 */
struct tdisp_span {
	const u8 *data;
	size_t len;
};

/**
 * struct tdisp_portion - Progress of an object that is read in portions
 * @offset: bytes that have been read
 * @asked: bytes that the request under way asks for
 * @total: bytes of the object; 0 before the first response
 *
 * All three fit 16 bits: that is what the requests can name.
 */
struct tdisp_portion {
	u32 offset;
	u32 asked;
	u32 total;
};

/* What TDISP_CAPABILITIES says */
struct tdisp_caps {
	u8 msgs[16];
	u16 lock_flags;
};

/* Codec: spdm.c */
size_t spdm_req_simple(u8 *buf, u8 code);
size_t spdm_req_capabilities(u8 *buf);
size_t spdm_req_algorithms(u8 *buf);
size_t spdm_req_certificate(u8 *buf, u16 offset, u16 length);
size_t spdm_req_measurements(u8 *buf);
size_t spdm_req_psk_exchange(u8 *buf, u16 req_session_id);
size_t spdm_req_vdm(u8 *buf, u8 protocol, size_t payload_len);
size_t spdm_secure(u8 *record, u32 session_id, size_t app_len);

u64 spdm_rsp_check(struct tdisp_span rsp, u8 req_code);
u64 spdm_rsp_version(struct tdisp_span rsp, size_t *used);
u64 spdm_rsp_capabilities(struct tdisp_span rsp, size_t *used, u32 *flags);
u64 spdm_rsp_algorithms(struct tdisp_span rsp, size_t *used);
u64 spdm_rsp_certificate(struct tdisp_span rsp, struct tdisp_portion *portion,
			 struct tdisp_span *bytes);
u64 spdm_rsp_measurements(struct tdisp_span rsp, size_t *used);
u64 spdm_rsp_psk_exchange(struct tdisp_span rsp, u16 req_session_id,
			  u32 *session_id);
u64 spdm_rsp_empty(struct tdisp_span app, u8 req_code);
u64 spdm_rsp_vdm(struct tdisp_span app, u8 protocol,
		 struct tdisp_span *payload);
u64 spdm_open(struct tdisp_span record, u32 session_id,
	      struct tdisp_span *app);

/* Codec: tdisp.c */
u64 tdisp_portion_rsp(struct tdisp_portion *portion, u16 len, u16 remainder);

size_t tdisp_req_simple(u8 *buf, u8 code, u32 function_id);
size_t tdisp_req_capabilities(u8 *buf, u32 function_id);
size_t tdisp_req_lock(u8 *buf, u32 function_id, u16 flags, u8 stream_id,
		      u64 mmio_offset);
size_t tdisp_req_report(u8 *buf, u32 function_id, u16 offset, u16 length);
size_t tdisp_req_start(u8 *buf, u32 function_id, const u8 *nonce);

u64 tdisp_rsp_check(struct tdisp_span msg, u8 req_code, u32 function_id,
		    struct tdisp_span *body);
u64 tdisp_rsp_version(struct tdisp_span body);
u64 tdisp_rsp_capabilities(struct tdisp_span body, struct tdisp_caps *caps);
u64 tdisp_rsp_lock(struct tdisp_span body, u8 *nonce);
u64 tdisp_rsp_report(struct tdisp_span body, struct tdisp_portion *portion,
		     struct tdisp_span *bytes);
u64 tdisp_rsp_state(struct tdisp_span body, u8 *state);
u64 tdisp_rsp_empty(struct tdisp_span body);
u64 tdisp_report_check(struct tdisp_span report);
bool tdisp_report_has_tee(struct tdisp_span report, u64 page, u64 npages);
bool tdisp_caps_have(const struct tdisp_caps *caps, u8 req_code);
bool tdisp_may(u8 req_code, u8 state);
u8 tdisp_next_state(u8 req_code);

size_t ide_km_req_key_prog(u8 *buf, u8 stream_id, u8 sub_stream,
			   const u8 *key, const u8 *ifv);
size_t ide_km_req_key_set(u8 *buf, u8 object, u8 stream_id, u8 sub_stream);
u64 ide_km_rsp(struct tdisp_span msg, u8 req_object, u8 stream_id,
	       u8 sub_stream);

#endif /* TDISP_SOFT_CODEC_H */
