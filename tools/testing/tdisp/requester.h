/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What firmware says to a device, in the order that it has to be said: SPDM,
 * IDE_KM and TDISP, above the codec and below the models of firmware. Whoever has
 * one carries the messages.
 *
 * All functions return an outcome: 0, or one of SOFT_TSM_CODE_*.
 */
#ifndef TDISP_REQUESTER_H
#define TDISP_REQUESTER_H

#include "codec.h"

/* Of what a message is a part, for who keeps it */
enum requester_part {
	REQUESTER_VCA,
	REQUESTER_CERT,
	REQUESTER_MEAS,
	REQUESTER_REPORT,
};

/* Largest object: the codec takes none that is larger */
#define REQUESTER_MAX_OBJECT	U16_MAX

/**
 * struct requester_object - What a device has told, as a whole
 * @data: allocated with kvmalloc(), NULL before
 * @len: bytes of it
 */
struct requester_object {
	u8 *data;
	u32 len;
};

/**
 * struct requester - One end of the session with a device
 * @exchange: carry @len bytes of @msg to the device: 0 and its response, or
 *	      SOFT_TSM_CODE_NO_ANSWER
 * @sent: Optional. The @len bytes of @msg are about to be sent, and are part of
 *	  something
 * @got: Optional. @bytes, in the last response, are part of something
 * @job: for @exchange, what it is done for
 * @msg: SOFT_MAX_REQ bytes for a request
 * @session_id: of the session, 0 if there is none
 * @req_session_id: this end's half of it
 * @stream_id: IDE stream
 * @portion: bytes of an object to ask for at once
 */
struct requester {
	u64 (*exchange)(struct requester *r, u8 type, size_t len,
			struct tdisp_span *rsp);
	void (*sent)(struct requester *r, enum requester_part part, size_t len);
	void (*got)(struct requester *r, enum requester_part part,
		    struct tdisp_span bytes);
	void *job;
	u8 *msg;
	u32 session_id;
	u16 req_session_id;
	u8 stream_id;
	u32 portion;
};

u64 requester_negotiate(struct requester *r);
/* @keep takes the place of what it had, may be NULL: @got has the pieces */
u64 requester_certificates(struct requester *r, struct requester_object *keep);
/* @meas is valid up to the next message, may be NULL */
u64 requester_measurements(struct requester *r, struct tdisp_span *meas);
u64 requester_open(struct requester *r);
u64 requester_close(struct requester *r);
/* @object: IDE_KM_KEY_PROG, IDE_KM_K_SET_GO or IDE_KM_K_SET_STOP, of @key_set */
u64 requester_keys(struct requester *r, u8 object, u8 key_set);
u64 requester_tdi_version(struct requester *r, u32 function_id);
u64 requester_tdi_state(struct requester *r, u32 function_id, u8 *state);
u64 requester_tdi_lock(struct requester *r, u32 function_id, u16 flags,
		       u64 mmio_offset, u8 *nonce);
/* @keep as above, and is looked at then: is it a report? */
u64 requester_tdi_report(struct requester *r, u32 function_id,
			 struct requester_object *keep);
u64 requester_tdi_start(struct requester *r, u32 function_id, const u8 *nonce);
u64 requester_tdi_stop(struct requester *r, u32 function_id);

#endif /* TDISP_REQUESTER_H */
