/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What firmware says to a device, on top of the codec: sequences of messages with
 * SPDM, IDE_KM and TDISP, in a session without cipher. For models of firmware,
 * who have to say how a message gets to the device. All functions that send
 * something return an outcome as the codec has it: 0 or SOFT_TSM_CODE_*.
 */
#ifndef TDISP_FW_SESSION_H
#define TDISP_FW_SESSION_H

#include "codec.h"

/**
 * struct fw_session - What firmware knows of a device
 * @req_session_id: its half of the session's number
 * @id: of the secured session, 0 if there is none
 * @stream_id: IDE stream
 * @cert: certificate chain, as SPDM has it, NULL before
 * @cert_len: bytes of it
 */
struct fw_session {
	u16 req_session_id;
	u32 id;
	u8 stream_id;
	u8 *cert;
	u32 cert_len;
};

/**
 * struct fw_io - How messages get to the device
 * @session: the device
 * @msg: where a message is built, of SOFT_MAX_REQ bytes
 * @rsp_size: the longest response that the way has room for
 * @exchange: send @len bytes of @msg, wait for the response. A session's message
 *	      if @secured. Returns an outcome
 */
struct fw_io {
	struct fw_session *session;
	u8 *msg;
	size_t rsp_size;
	u64 (*exchange)(struct fw_io *io, bool secured, size_t len,
			struct tdisp_span *rsp);
};

/* Largest object that is read */
#define FW_MAX_OBJECT	(64 * 1024)

u64 fw_negotiate(struct fw_io *io);
u64 fw_read_cert(struct fw_io *io);
/* @meas is valid up to the next message */
u64 fw_measure(struct fw_io *io, struct tdisp_span *meas);
u64 fw_session_open(struct fw_io *io);
u64 fw_session_close(struct fw_io *io);
/* An IDE_KM message for each sub-stream */
u64 fw_keys(struct fw_io *io, u8 object);

u64 fw_tdisp_version(struct fw_io *io, u32 function_id);
u64 fw_tdisp_state(struct fw_io *io, u32 function_id, u8 *state);
u64 fw_tdisp_lock(struct fw_io *io, u32 function_id, u16 flags,
		  u64 mmio_offset, u8 *nonce);
/* @data is allocated with kvmalloc(), the one before is freed */
u64 fw_tdisp_report(struct fw_io *io, u32 function_id, u8 **data, u32 *len);
u64 fw_tdisp_start(struct fw_io *io, u32 function_id, const u8 *nonce);
u64 fw_tdisp_stop(struct fw_io *io, u32 function_id);

#endif /* TDISP_FW_SESSION_H */
