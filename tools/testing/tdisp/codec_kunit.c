// SPDX-License-Identifier: GPL-2.0-only
/*
 * Codec of the soft TSM on bytes: what is sent, what is taken, and that no
 * response that is too short, too long, or somebody else's is taken.
 *
 * A response under test stands in an allocation of its own of exactly its
 * length, for KASAN to see the first byte that is read beyond.
 */
#include <kunit/test.h>
#include <linux/module.h>

#include "spdm.c"
#include "tdisp.c"

#define TEST_FUNCTION_ID	0x0100
#define TEST_SESSION_ID		0x00020001
#define TEST_MAX_RSP		64

/* A copy that ends where @len says */
static struct tdisp_span exactly(struct kunit *test, const u8 *data, size_t len)
{
	/* kmalloc(0) is ZERO_SIZE_PTR, nothing of it can be read either */
	u8 *copy = kunit_kmalloc(test, len, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, copy);
	memcpy(copy, data, len);
	return (struct tdisp_span){ .data = copy, .len = len };
}

typedef u64 (*take_fn)(struct tdisp_span rsp);

/*
 * @good of @len bytes is taken; every shorter one is not, and neither is one
 * that is longer than @pad bytes of padding explain.
 */
static void check_lengths(struct kunit *test, take_fn take, const u8 *good,
			  size_t len, size_t pad)
{
	u8 longer[TEST_MAX_RSP + 8] = {};

	KUNIT_ASSERT_LE(test, len, TEST_MAX_RSP);
	memcpy(longer, good, len);

	for (size_t n = 0; n < len; n++)
		KUNIT_EXPECT_EQ_MSG(test, take(exactly(test, good, n)),
				    SOFT_TSM_CODE_MALFORMED, "%zu bytes", n);
	for (size_t n = len; n <= len + pad; n++)
		KUNIT_EXPECT_EQ_MSG(test, take(exactly(test, longer, n)), 0,
				    "%zu bytes", n);
	KUNIT_EXPECT_EQ(test, take(exactly(test, longer, len + pad + 1)),
			SOFT_TSM_CODE_MALFORMED);
}

/* Changing the byte at @off to @val makes a response that is not taken */
static void check_byte(struct kunit *test, take_fn take, const u8 *good,
		       size_t len, size_t off, u8 val)
{
	u8 bad[TEST_MAX_RSP];

	KUNIT_ASSERT_LE(test, len, sizeof(bad));
	KUNIT_ASSERT_LT(test, off, len);
	memcpy(bad, good, len);
	KUNIT_ASSERT_NE(test, bad[off], val);
	bad[off] = val;
	KUNIT_EXPECT_EQ_MSG(test, take(exactly(test, bad, len)),
			    SOFT_TSM_CODE_MALFORMED, "offset %zu", off);
}

/* Requests, byte by byte */

static void spdm_requests(struct kunit *test)
{
	static const u8 version[] = { 0x10, 0x84, 0, 0 };
	static const u8 finish[] = { 0x12, 0xe7, 0, 0 };
	static const u8 certificate[] = {
		0x12, 0x82, 0, 0, 0x34, 0x12, 0x00, 0x10,
	};
	static const u8 measurements[] = { 0x12, 0xe0, 0, 0xff };
	static const u8 capabilities[] = {
		0x12, 0xe1, 0, 0, 0, 5, 0, 0, 0xc0, 0x04, 0, 0,
		0x00, 0x12, 0, 0, 0x00, 0x12, 0, 0,
	};
	static const u8 psk[] = {
		0x12, 0xe6, 0, 0, 1, 0, 22, 0, 0, 0, 0, 0,
		't', 'd', 'i', 's', 'p', '-', 't', 'e', 's', 't', '-',
		'n', 'u', 'l', 'l', '-', 'c', 'i', 'p', 'h', 'e', 'r',
	};
	u8 buf[SOFT_MAX_REQ];

	KUNIT_EXPECT_EQ(test, spdm_req_simple(buf, SPDM_GET_VERSION),
			sizeof(version));
	KUNIT_EXPECT_MEMEQ(test, buf, version, sizeof(version));
	KUNIT_EXPECT_EQ(test, spdm_req_simple(buf, SPDM_PSK_FINISH),
			sizeof(finish));
	KUNIT_EXPECT_MEMEQ(test, buf, finish, sizeof(finish));
	KUNIT_EXPECT_EQ(test, spdm_req_certificate(buf, 0x1234, 0x1000),
			sizeof(certificate));
	KUNIT_EXPECT_MEMEQ(test, buf, certificate, sizeof(certificate));
	KUNIT_EXPECT_EQ(test, spdm_req_measurements(buf),
			sizeof(measurements));
	KUNIT_EXPECT_MEMEQ(test, buf, measurements, sizeof(measurements));
	KUNIT_EXPECT_EQ(test, spdm_req_capabilities(buf),
			sizeof(capabilities));
	KUNIT_EXPECT_MEMEQ(test, buf, capabilities, sizeof(capabilities));
	KUNIT_EXPECT_EQ(test, spdm_req_psk_exchange(buf, 1), sizeof(psk));
	KUNIT_EXPECT_MEMEQ(test, buf, psk, sizeof(psk));

	KUNIT_EXPECT_EQ(test, spdm_req_algorithms(buf), SPDM_ALGORITHMS_SIZE);
	KUNIT_EXPECT_EQ(test, buf[1], SPDM_NEGOTIATE_ALGORITHMS);
	KUNIT_EXPECT_EQ(test, get_unaligned_le16(buf + 4),
			SPDM_ALGORITHMS_SIZE);
}

static void secured_request(struct kunit *test)
{
	static const u8 record[] = {
		0x01, 0x00, 0x02, 0x00,			/* session id */
		0x2f, 0x00,				/* length */
		0x1d, 0x00,				/* app data length */
		0x12, 0xfe, 0, 0,			/* SPDM header */
		0x03, 0x00, 0x02, 0x01, 0x00,		/* PCI-SIG */
		0x12, 0x00, 0x01,			/* length, TDISP */
		0x10, 0x85, 0, 0,			/* GET_STATE */
		0x00, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		/* This byte is payload of the test's, to see the copy end */
		0xaa,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,	/* MAC */
	};
	u8 buf[SOFT_MAX_REQ];
	u8 *app = buf + SOFT_SECURED_HDR;
	u8 *msg = app + SPDM_VDM_HDR_SIZE;
	size_t len;

	memset(buf, 0xcc, sizeof(buf));
	len = tdisp_req_simple(msg, TDISP_GET_INTERFACE_STATE,
			       TEST_FUNCTION_ID);
	KUNIT_EXPECT_EQ(test, len, TDISP_HDR_SIZE);
	msg[len++] = 0xaa;
	len = spdm_req_vdm(app, SPDM_VDM_PROTO_TDISP, len);
	len = spdm_secure(buf, TEST_SESSION_ID, len);
	KUNIT_EXPECT_EQ(test, len, sizeof(record));
	KUNIT_EXPECT_MEMEQ(test, buf, record, sizeof(record));
	KUNIT_EXPECT_EQ(test, buf[len], 0xcc);
}

static void tdisp_requests(struct kunit *test)
{
	static const u8 lock[] = {
		0x10, 0x83, 0, 0, 0x00, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0x01, 0x00, 0x07, 0x00,
		0x00, 0xf0, 0xde, 0xbc, 0x9a, 0x78, 0x56, 0x34,
		0, 0, 0, 0, 0, 0, 0, 0,
	};
	static const u8 report[] = {
		0x10, 0x84, 0, 0, 0x00, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0x02, 0x01, 0x04, 0x03,
	};
	static const u8 caps[] = {
		0x10, 0x82, 0, 0, 0x00, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0,
	};
	u8 nonce[TDISP_NONCE_SIZE];
	u8 buf[SOFT_MAX_REQ];

	memset(buf, 0xcc, sizeof(buf));
	KUNIT_EXPECT_EQ(test, tdisp_req_lock(buf, TEST_FUNCTION_ID,
					     TDISP_LOCK_NO_FW_UPDATE, 7,
					     0x3456789abcdef000),
			sizeof(lock));
	KUNIT_EXPECT_MEMEQ(test, buf, lock, sizeof(lock));
	KUNIT_EXPECT_EQ(test, tdisp_req_report(buf, TEST_FUNCTION_ID, 0x102,
					       0x304),
			sizeof(report));
	KUNIT_EXPECT_MEMEQ(test, buf, report, sizeof(report));
	KUNIT_EXPECT_EQ(test, tdisp_req_capabilities(buf, TEST_FUNCTION_ID),
			sizeof(caps));
	KUNIT_EXPECT_MEMEQ(test, buf, caps, sizeof(caps));

	memset(nonce, 0x5a, sizeof(nonce));
	KUNIT_EXPECT_EQ(test, tdisp_req_start(buf, TEST_FUNCTION_ID, nonce),
			TDISP_HDR_SIZE + sizeof(nonce));
	KUNIT_EXPECT_EQ(test, buf[1], TDISP_START_INTERFACE);
	KUNIT_EXPECT_MEMEQ(test, buf + TDISP_HDR_SIZE, nonce, sizeof(nonce));
}

static void ide_km_requests(struct kunit *test)
{
	static const u8 go[] = { 4, 0, 0, 9, 0, 0x22, 0 };
	u8 key[IDE_KM_KEY_SIZE], ifv[IDE_KM_IFV_SIZE];
	u8 buf[SOFT_MAX_REQ];

	KUNIT_EXPECT_EQ(test, ide_km_req_key_set(buf, IDE_KM_K_SET_GO, 9,
						 IDE_KM_SUB_STREAM(2) |
						 IDE_KM_SUB_TX),
			sizeof(go));
	KUNIT_EXPECT_MEMEQ(test, buf, go, sizeof(go));

	memset(key, 0x11, sizeof(key));
	memset(ifv, 0x22, sizeof(ifv));
	KUNIT_EXPECT_EQ(test, ide_km_req_key_prog(buf, 9, 0, key, ifv),
			IDE_KM_KEY_PROG_SIZE);
	KUNIT_EXPECT_EQ(test, buf[0], IDE_KM_KEY_PROG);
	KUNIT_EXPECT_MEMEQ(test, buf + IDE_KM_HDR_SIZE, key, sizeof(key));
	KUNIT_EXPECT_MEMEQ(test, buf + IDE_KM_HDR_SIZE + sizeof(key), ifv,
			   sizeof(ifv));
}

/* Responses */

static u64 take_version(struct tdisp_span rsp)
{
	size_t used;

	return spdm_rsp_version(rsp, &used);
}

static void spdm_version(struct kunit *test)
{
	static const u8 rsp[] = { 0x10, 0x04, 0, 0, 0, 2, 0, 0x11, 0x34, 0x12 };
	static const u8 old[] = { 0x10, 0x04, 0, 0, 0, 1, 0, 0x11 };
	static const u8 none[] = { 0x10, 0x04, 0, 0, 0, 0 };
	size_t used;

	check_lengths(test, take_version, rsp, sizeof(rsp), 3);
	check_byte(test, take_version, rsp, sizeof(rsp), 0, 0x12);
	check_byte(test, take_version, rsp, sizeof(rsp), 1, 0x61);
	check_byte(test, take_version, rsp, sizeof(rsp),
		   SPDM_VERSION_COUNT_OFF, 255);
	KUNIT_EXPECT_EQ(test, take_version(exactly(test, old, sizeof(old))),
			SOFT_TSM_CODE_UNSUPPORTED);
	KUNIT_EXPECT_EQ(test, take_version(exactly(test, none, sizeof(none))),
			SOFT_TSM_CODE_UNSUPPORTED);

	/* Padding is not part of the transcript */
	spdm_rsp_version(exactly(test, rsp, sizeof(rsp)), &used);
	KUNIT_EXPECT_EQ(test, used, sizeof(rsp));
}

static u64 take_capabilities(struct tdisp_span rsp)
{
	size_t used;
	u32 flags;

	return spdm_rsp_capabilities(rsp, &used, &flags);
}

static void spdm_capabilities(struct kunit *test)
{
	static const u8 rsp[] = {
		0x12, 0x61, 0, 0, 0, 10, 0, 0, 0xca, 0x04, 0, 0,
		0, 0x10, 0, 0, 0, 0x10, 0, 0,
	};
	size_t used;
	u32 flags;

	check_lengths(test, take_capabilities, rsp, sizeof(rsp), 3);
	check_byte(test, take_capabilities, rsp, sizeof(rsp), 0, 0x10);
	KUNIT_EXPECT_EQ(test, spdm_rsp_capabilities(exactly(test, rsp,
							    sizeof(rsp)),
						    &used, &flags), 0);
	KUNIT_EXPECT_EQ(test, flags, 0x4ca);
	KUNIT_EXPECT_EQ(test, used, sizeof(rsp));
}

static u64 take_algorithms(struct tdisp_span rsp)
{
	size_t used;

	return spdm_rsp_algorithms(rsp, &used);
}

static void spdm_algorithms(struct kunit *test)
{
	static const u8 rsp[SPDM_ALGORITHMS_SIZE] = {
		0x12, 0x63, 0, 0, SPDM_ALGORITHMS_SIZE, 0, 1,
	};

	check_lengths(test, take_algorithms, rsp, sizeof(rsp), 3);
	check_byte(test, take_algorithms, rsp, sizeof(rsp), 4,
		   SPDM_ALGORITHMS_SIZE + 4);
}

static u64 take_certificate(struct tdisp_span rsp)
{
	struct tdisp_portion portion = { .asked = 16 };
	struct tdisp_span bytes;

	return spdm_rsp_certificate(rsp, &portion, &bytes);
}

static void spdm_certificate(struct kunit *test)
{
	static const u8 rsp[] = {
		0x12, 0x02, 0, 0, 6, 0, 0x10, 0, 1, 2, 3, 4, 5, 6,
	};
	struct tdisp_portion portion = { .offset = 8, .asked = 6 };
	struct tdisp_span bytes;

	check_lengths(test, take_certificate, rsp, sizeof(rsp), 3);
	/* Longer than the message, and longer than asked for */
	check_byte(test, take_certificate, rsp, sizeof(rsp), 5, 0xff);
	check_byte(test, take_certificate, rsp, sizeof(rsp), 4, 17);

	KUNIT_EXPECT_EQ(test, spdm_rsp_certificate(exactly(test, rsp,
							   sizeof(rsp)),
						   &portion, &bytes), 0);
	KUNIT_EXPECT_EQ(test, bytes.len, 6);
	KUNIT_EXPECT_MEMEQ(test, bytes.data, rsp + 8, 6);
	KUNIT_EXPECT_EQ(test, portion.offset, 14);
	KUNIT_EXPECT_EQ(test, portion.total, 30);
}

static u64 take_measurements(struct tdisp_span rsp)
{
	size_t used;

	return spdm_rsp_measurements(rsp, &used);
}

static void spdm_measurements(struct kunit *test)
{
	/* A record of five bytes, the nonce, no opaque data */
	static const u8 rsp[8 + 5 + 32 + 2] = {
		0x12, 0x60, 0, 0, 1, 5, 0, 0, 1, 1, 1, 0, 0x5a,
	};

	check_lengths(test, take_measurements, rsp, sizeof(rsp), 3);
	/* Length of the record, its highest byte, and of the opaque data */
	check_byte(test, take_measurements, rsp, sizeof(rsp), 5, 6);
	check_byte(test, take_measurements, rsp, sizeof(rsp), 7, 0xff);
	check_byte(test, take_measurements, rsp, sizeof(rsp), 45, 1);
}

static u64 take_psk_exchange(struct tdisp_span rsp)
{
	u32 session_id;

	return spdm_rsp_psk_exchange(rsp, 1, &session_id);
}

static void spdm_psk_exchange(struct kunit *test)
{
	static const u8 rsp[] = { 0x12, 0x66, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0 };
	u32 session_id;

	check_lengths(test, take_psk_exchange, rsp, sizeof(rsp), 3);
	/* Context and opaque data that were not asked for */
	check_byte(test, take_psk_exchange, rsp, sizeof(rsp), 8, 1);
	check_byte(test, take_psk_exchange, rsp, sizeof(rsp), 10, 1);
	KUNIT_EXPECT_EQ(test, spdm_rsp_psk_exchange(exactly(test, rsp,
							    sizeof(rsp)),
						    1, &session_id), 0);
	KUNIT_EXPECT_EQ(test, session_id, TEST_SESSION_ID);
}

static void spdm_error(struct kunit *test)
{
	u8 rsp[] = { 0x12, 0x7f, SPDM_ERR_INVALID_SESSION, 0 };

	/* Whatever was asked */
	KUNIT_EXPECT_EQ(test, take_measurements(exactly(test, rsp, 4)),
			SOFT_TSM_CODE_SPDM | SPDM_ERR_INVALID_SESSION);
	KUNIT_EXPECT_EQ(test, spdm_rsp_empty(exactly(test, rsp, 4),
					     SPDM_END_SESSION),
			SOFT_TSM_CODE_SPDM | SPDM_ERR_INVALID_SESSION);
	KUNIT_EXPECT_EQ(test, take_measurements(exactly(test, rsp, 3)),
			SOFT_TSM_CODE_MALFORMED);

	/* An error must not look like success */
	rsp[2] = 0;
	KUNIT_EXPECT_EQ(test, take_measurements(exactly(test, rsp, 4)),
			SOFT_TSM_CODE_MALFORMED);
}

static u64 take_end_session(struct tdisp_span rsp)
{
	return spdm_rsp_empty(rsp, SPDM_END_SESSION);
}

static void spdm_empty(struct kunit *test)
{
	static const u8 rsp[] = { 0x12, 0x6c, 0, 0 };

	check_lengths(test, take_end_session, rsp, sizeof(rsp), 0);
	check_byte(test, take_end_session, rsp, sizeof(rsp), 1, 0x67);
}

static u64 take_record(struct tdisp_span rsp)
{
	struct tdisp_span app;

	return spdm_open(rsp, TEST_SESSION_ID, &app);
}

static void secured_record(struct kunit *test)
{
	static const u8 rsp[] = {
		0x01, 0x00, 0x02, 0x00, 0x17, 0x00, 0x05, 0x00,
		0x12, 0x6c, 0, 0, 0x77,
		0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	};
	struct tdisp_span app;

	check_lengths(test, take_record, rsp, sizeof(rsp), 3);
	/* Session id, both halves */
	check_byte(test, take_record, rsp, sizeof(rsp), 0, 2);
	check_byte(test, take_record, rsp, sizeof(rsp), 2, 1);
	/* Both lengths, shorter, longer and far beyond */
	check_byte(test, take_record, rsp, sizeof(rsp), 4, 0x16);
	check_byte(test, take_record, rsp, sizeof(rsp), 4, 0x18);
	check_byte(test, take_record, rsp, sizeof(rsp), 5, 0xff);
	check_byte(test, take_record, rsp, sizeof(rsp), 6, 0x04);
	check_byte(test, take_record, rsp, sizeof(rsp), 6, 0x06);
	check_byte(test, take_record, rsp, sizeof(rsp), 7, 0xff);
	/* A MAC: somebody uses a cipher */
	check_byte(test, take_record, rsp, sizeof(rsp), sizeof(rsp) - 1, 1);

	KUNIT_EXPECT_EQ(test, spdm_open(exactly(test, rsp, sizeof(rsp)),
					TEST_SESSION_ID, &app), 0);
	KUNIT_EXPECT_EQ(test, app.len, 5);
	KUNIT_EXPECT_MEMEQ(test, app.data, rsp + 8, 5);
}

static u64 take_vdm(struct tdisp_span rsp)
{
	struct tdisp_span payload;

	return spdm_rsp_vdm(rsp, SPDM_VDM_PROTO_TDISP, &payload);
}

static void vendor_defined(struct kunit *test)
{
	static const u8 rsp[] = {
		0x12, 0x7e, 0, 0, 3, 0, 2, 1, 0, 4, 0, 1, 0xa, 0xb, 0xc,
	};
	struct tdisp_span payload;

	check_lengths(test, take_vdm, rsp, sizeof(rsp), 0);
	/* Standard, length of the vendor id, vendor, length, protocol */
	check_byte(test, take_vdm, rsp, sizeof(rsp), 4, 0);
	check_byte(test, take_vdm, rsp, sizeof(rsp), 6, 4);
	check_byte(test, take_vdm, rsp, sizeof(rsp), 7, 2);
	check_byte(test, take_vdm, rsp, sizeof(rsp), 9, 3);
	check_byte(test, take_vdm, rsp, sizeof(rsp), 9, 5);
	check_byte(test, take_vdm, rsp, sizeof(rsp), 9, 0);
	check_byte(test, take_vdm, rsp, sizeof(rsp), 10, 0xff);
	check_byte(test, take_vdm, rsp, sizeof(rsp), 11, 0);

	KUNIT_EXPECT_EQ(test, spdm_rsp_vdm(exactly(test, rsp, sizeof(rsp)),
					   SPDM_VDM_PROTO_TDISP, &payload), 0);
	KUNIT_EXPECT_EQ(test, payload.len, 3);
	KUNIT_EXPECT_MEMEQ(test, payload.data, rsp + 12, 3);
}

static void portions(struct kunit *test)
{
	struct tdisp_portion portion = { .asked = 4096 };

	KUNIT_EXPECT_EQ(test, tdisp_portion_rsp(&portion, 100, 50), 0);
	KUNIT_EXPECT_EQ(test, portion.total, 150);
	KUNIT_EXPECT_EQ(test, portion.offset, 100);

	/* Nothing, more than asked for, shrinking, growing */
	portion.asked = 50;
	KUNIT_EXPECT_EQ(test, tdisp_portion_rsp(&portion, 0, 50),
			SOFT_TSM_CODE_MALFORMED);
	KUNIT_EXPECT_EQ(test, tdisp_portion_rsp(&portion, 51, 0),
			SOFT_TSM_CODE_MALFORMED);
	KUNIT_EXPECT_EQ(test, tdisp_portion_rsp(&portion, 49, 0),
			SOFT_TSM_CODE_MALFORMED);
	KUNIT_EXPECT_EQ(test, tdisp_portion_rsp(&portion, 50, 1),
			SOFT_TSM_CODE_MALFORMED);
	/* What was refused does not count */
	KUNIT_EXPECT_EQ(test, portion.offset, 100);
	KUNIT_EXPECT_EQ(test, tdisp_portion_rsp(&portion, 50, 0), 0);
	KUNIT_EXPECT_EQ(test, portion.offset, portion.total);

	/* Offsets have 16 bits */
	portion = (struct tdisp_portion){ .asked = 4096 };
	KUNIT_EXPECT_EQ(test, tdisp_portion_rsp(&portion, 1, U16_MAX),
			SOFT_TSM_CODE_MALFORMED);
	KUNIT_EXPECT_EQ(test, tdisp_portion_rsp(&portion, 1, U16_MAX - 1), 0);
}

/* A TDISP response: message code, body */
static struct tdisp_span tdisp_rsp(struct kunit *test, u8 code, const u8 *body,
				   size_t len)
{
	u8 rsp[TEST_MAX_RSP];

	KUNIT_ASSERT_LE(test, TDISP_HDR_SIZE + len, sizeof(rsp));
	tdisp_req_simple(rsp, code, TEST_FUNCTION_ID);
	memcpy(rsp + TDISP_HDR_SIZE, body, len);
	return exactly(test, rsp, TDISP_HDR_SIZE + len);
}

static u64 take_tdisp(struct tdisp_span rsp)
{
	struct tdisp_span body;
	u64 code;

	code = tdisp_rsp_check(rsp, TDISP_GET_INTERFACE_STATE,
			       TEST_FUNCTION_ID, &body);
	if (!code) {
		u8 state;

		code = tdisp_rsp_state(body, &state);
	}
	return code;
}

static void tdisp_header(struct kunit *test)
{
	static const u8 rsp[] = {
		0x10, 0x05, 0, 0, 0x00, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
	};

	check_lengths(test, take_tdisp, rsp, sizeof(rsp), 0);
	/* Version, type, interface id, state */
	check_byte(test, take_tdisp, rsp, sizeof(rsp), 0, 0x11);
	check_byte(test, take_tdisp, rsp, sizeof(rsp), 1, 0x06);
	check_byte(test, take_tdisp, rsp, sizeof(rsp), 1, 0x85);
	check_byte(test, take_tdisp, rsp, sizeof(rsp), 4, 0x01);
	check_byte(test, take_tdisp, rsp, sizeof(rsp), 7, 0x01);
	check_byte(test, take_tdisp, rsp, sizeof(rsp), 16,
		   TDISP_STATE_ERROR + 1);
}

static void tdisp_error(struct kunit *test)
{
	static const u8 body[] = { 0x02, 0x01, 0, 0, 0, 0, 0, 0, 0xee };
	static const u8 none[8] = {};
	struct tdisp_span rsp;

	KUNIT_EXPECT_EQ(test, take_tdisp(tdisp_rsp(test, TDISP_ERROR, body, 8)),
			SOFT_TSM_CODE_TDISP | TDISP_ERR_INVALID_NONCE);
	/* Extended data is not looked at */
	KUNIT_EXPECT_EQ(test, take_tdisp(tdisp_rsp(test, TDISP_ERROR, body, 9)),
			SOFT_TSM_CODE_TDISP | TDISP_ERR_INVALID_NONCE);
	for (size_t n = 0; n < 8; n++) {
		rsp = tdisp_rsp(test, TDISP_ERROR, body, n);
		KUNIT_EXPECT_EQ(test, take_tdisp(rsp),
				SOFT_TSM_CODE_MALFORMED);
	}
	/* An error must not look like success */
	KUNIT_EXPECT_EQ(test, take_tdisp(tdisp_rsp(test, TDISP_ERROR, none, 8)),
			SOFT_TSM_CODE_MALFORMED);
}

static u64 take_caps(struct tdisp_span body)
{
	struct tdisp_caps caps;

	return tdisp_rsp_capabilities(body, &caps);
}

static u64 take_lock(struct tdisp_span body)
{
	u8 nonce[TDISP_NONCE_SIZE];

	return tdisp_rsp_lock(body, nonce);
}

static void tdisp_bodies(struct kunit *test)
{
	static const u8 version[] = { 2, 0x20, 0x10 };
	static const u8 other[] = { 1, 0x20 };
	static const u8 caps_rsp[TDISP_CAPS_RSP_SIZE] = {
		[TDISP_CAPS_MSGS_OFF] = 0xfe,
		[TDISP_CAPS_MSGS_OFF + 1] = 0x01,
		[TDISP_CAPS_LOCK_FLAGS_OFF] = 0x1d,
	};
	static const u8 nonce[TDISP_NONCE_SIZE] = { 1, 2, 3 };
	struct tdisp_caps caps;
	u8 got[TDISP_NONCE_SIZE];

	check_lengths(test, tdisp_rsp_version, version, sizeof(version), 0);
	check_byte(test, tdisp_rsp_version, version, sizeof(version), 0, 0xff);
	KUNIT_EXPECT_EQ(test, tdisp_rsp_version(exactly(test, other,
							sizeof(other))),
			SOFT_TSM_CODE_UNSUPPORTED);

	check_lengths(test, take_caps, caps_rsp, sizeof(caps_rsp), 0);
	tdisp_rsp_capabilities(exactly(test, caps_rsp, sizeof(caps_rsp)),
			       &caps);
	KUNIT_EXPECT_EQ(test, caps.lock_flags, 0x1d);
	KUNIT_EXPECT_TRUE(test, tdisp_caps_have(&caps, TDISP_GET_VERSION));
	KUNIT_EXPECT_TRUE(test, tdisp_caps_have(&caps, TDISP_BIND_P2P_STREAM));
	KUNIT_EXPECT_FALSE(test, tdisp_caps_have(&caps, TDISP_VDM));

	check_lengths(test, take_lock, nonce, sizeof(nonce), 0);
	tdisp_rsp_lock(exactly(test, nonce, sizeof(nonce)), got);
	KUNIT_EXPECT_MEMEQ(test, got, nonce, sizeof(nonce));

	KUNIT_EXPECT_EQ(test, tdisp_rsp_empty(exactly(test, nonce, 0)), 0);
	KUNIT_EXPECT_EQ(test, tdisp_rsp_empty(exactly(test, nonce, 1)),
			SOFT_TSM_CODE_MALFORMED);
}

static u64 take_report_portion(struct tdisp_span body)
{
	struct tdisp_portion portion = { .asked = 16 };
	struct tdisp_span bytes;

	return tdisp_rsp_report(body, &portion, &bytes);
}

static void tdisp_report_portion(struct kunit *test)
{
	static const u8 rsp[] = { 3, 0, 0xff, 0, 0xa, 0xb, 0xc };

	check_lengths(test, take_report_portion, rsp, sizeof(rsp), 0);
	check_byte(test, take_report_portion, rsp, sizeof(rsp), 0, 2);
	check_byte(test, take_report_portion, rsp, sizeof(rsp), 0, 4);
	check_byte(test, take_report_portion, rsp, sizeof(rsp), 1, 0xff);
	check_byte(test, take_report_portion, rsp, sizeof(rsp), 3, 0xff);
}

static void tdisp_report(struct kunit *test)
{
	/* One range, three bytes of device specific information */
	static const u8 rsp[TDISP_REPORT_RANGES_OFF + TDISP_REPORT_RANGE_SIZE +
			    4 + 3] = {
		[TDISP_REPORT_RANGE_COUNT_OFF] = 1,
		[TDISP_REPORT_RANGES_OFF + TDISP_REPORT_RANGE_SIZE] = 3,
	};
	static const size_t info_off = TDISP_REPORT_RANGES_OFF +
				       TDISP_REPORT_RANGE_SIZE;

	check_lengths(test, tdisp_report_check, rsp, sizeof(rsp), 0);
	check_byte(test, tdisp_report_check, rsp, sizeof(rsp),
		   TDISP_REPORT_RANGE_COUNT_OFF, 0);
	check_byte(test, tdisp_report_check, rsp, sizeof(rsp),
		   TDISP_REPORT_RANGE_COUNT_OFF, 2);
	/* 2^28 ranges more, which 32 bits of size would not see */
	check_byte(test, tdisp_report_check, rsp, sizeof(rsp),
		   TDISP_REPORT_RANGE_COUNT_OFF + 3, 0x10);
	check_byte(test, tdisp_report_check, rsp, sizeof(rsp), info_off + 3,
		   0xff);
}

static void tdisp_report_ranges(struct kunit *test)
{
	/* For a TEE: pages 0x100 to 0x10f; not for one: 0x110 to 0x113 */
	static const u8 rsp[TDISP_REPORT_RANGES_OFF +
			    2 * TDISP_REPORT_RANGE_SIZE + 4] = {
		[TDISP_REPORT_RANGE_COUNT_OFF] = 2,
		[TDISP_REPORT_RANGES_OFF + TDISP_RANGE_FIRST_PAGE_OFF + 1] = 1,
		[TDISP_REPORT_RANGES_OFF + TDISP_RANGE_PAGES_OFF] = 0x10,
		[TDISP_REPORT_RANGES_OFF + TDISP_REPORT_RANGE_SIZE] = 0x10,
		[TDISP_REPORT_RANGES_OFF + TDISP_REPORT_RANGE_SIZE + 1] = 1,
		[TDISP_REPORT_RANGES_OFF + TDISP_REPORT_RANGE_SIZE +
		 TDISP_RANGE_PAGES_OFF] = 4,
		[TDISP_REPORT_RANGES_OFF + TDISP_REPORT_RANGE_SIZE +
		 TDISP_RANGE_ATTR_OFF] = TDISP_RANGE_NON_TEE,
	};
	const struct tdisp_span report = { .data = rsp, .len = sizeof(rsp) };

	KUNIT_ASSERT_EQ(test, tdisp_report_check(report), 0);
	KUNIT_EXPECT_TRUE(test, tdisp_report_has_tee(report, 0x100, 0x10));
	KUNIT_EXPECT_TRUE(test, tdisp_report_has_tee(report, 0x100, 1));
	KUNIT_EXPECT_TRUE(test, tdisp_report_has_tee(report, 0x10f, 1));
	KUNIT_EXPECT_FALSE(test, tdisp_report_has_tee(report, 0xff, 1));
	KUNIT_EXPECT_FALSE(test, tdisp_report_has_tee(report, 0xff, 2));
	KUNIT_EXPECT_FALSE(test, tdisp_report_has_tee(report, 0x10f, 2));
	KUNIT_EXPECT_FALSE(test, tdisp_report_has_tee(report, 0x100, 0x11));
	KUNIT_EXPECT_FALSE(test, tdisp_report_has_tee(report, 0x110, 1));
	KUNIT_EXPECT_FALSE(test, tdisp_report_has_tee(report, 0x101, U64_MAX));
	KUNIT_EXPECT_FALSE(test, tdisp_report_has_tee(report, U64_MAX, 2));
}

static u64 take_kp_ack(struct tdisp_span rsp)
{
	return ide_km_rsp(rsp, IDE_KM_KEY_PROG, 9, IDE_KM_SUB_TX);
}

static void ide_km_ack(struct kunit *test)
{
	u8 rsp[] = { IDE_KM_KP_ACK, 0, 0, 9, 0, IDE_KM_SUB_TX, 0 };

	check_lengths(test, take_kp_ack, rsp, sizeof(rsp), 0);
	/* Type, stream, sub-stream, port */
	check_byte(test, take_kp_ack, rsp, sizeof(rsp), 0,
		   IDE_KM_K_GOSTOP_ACK);
	check_byte(test, take_kp_ack, rsp, sizeof(rsp), 3, 8);
	check_byte(test, take_kp_ack, rsp, sizeof(rsp), 5, 0);
	check_byte(test, take_kp_ack, rsp, sizeof(rsp), 6, 1);

	rsp[IDE_KM_STATUS_OFF] = IDE_KM_UNSUPPORTED_VALUE;
	KUNIT_EXPECT_EQ(test, take_kp_ack(exactly(test, rsp, sizeof(rsp))),
			SOFT_TSM_CODE_IDE_KM | IDE_KM_UNSUPPORTED_VALUE);

	rsp[0] = IDE_KM_K_GOSTOP_ACK;
	rsp[IDE_KM_STATUS_OFF] = 0;
	KUNIT_EXPECT_EQ(test, ide_km_rsp(exactly(test, rsp, sizeof(rsp)),
					 IDE_KM_K_SET_STOP, 9, IDE_KM_SUB_TX),
			0);
}

static void states(struct kunit *test)
{
	static const struct {
		u8 req_code;
		bool from[4];
		u8 to;
	} want[] = {
		{ TDISP_LOCK_INTERFACE, { true, false, false, false },
		  TDISP_STATE_LOCKED },
		{ TDISP_START_INTERFACE, { false, true, false, false },
		  TDISP_STATE_RUN },
		{ TDISP_STOP_INTERFACE, { false, true, true, true },
		  TDISP_STATE_UNLOCKED },
	};

	for (int i = 0; i < ARRAY_SIZE(want); i++) {
		for (u8 state = 0; state < 4; state++)
			KUNIT_EXPECT_EQ(test, tdisp_may(want[i].req_code,
							state),
					want[i].from[state]);
		KUNIT_EXPECT_EQ(test, tdisp_next_state(want[i].req_code),
				want[i].to);
	}
	KUNIT_EXPECT_FALSE(test, tdisp_may(TDISP_GET_INTERFACE_STATE, 0));
}

static struct kunit_case codec_cases[] = {
	KUNIT_CASE(spdm_requests),
	KUNIT_CASE(secured_request),
	KUNIT_CASE(tdisp_requests),
	KUNIT_CASE(ide_km_requests),
	KUNIT_CASE(spdm_version),
	KUNIT_CASE(spdm_capabilities),
	KUNIT_CASE(spdm_algorithms),
	KUNIT_CASE(spdm_certificate),
	KUNIT_CASE(spdm_measurements),
	KUNIT_CASE(spdm_psk_exchange),
	KUNIT_CASE(spdm_error),
	KUNIT_CASE(spdm_empty),
	KUNIT_CASE(secured_record),
	KUNIT_CASE(vendor_defined),
	KUNIT_CASE(portions),
	KUNIT_CASE(tdisp_header),
	KUNIT_CASE(tdisp_error),
	KUNIT_CASE(tdisp_bodies),
	KUNIT_CASE(tdisp_report_portion),
	KUNIT_CASE(tdisp_report),
	KUNIT_CASE(tdisp_report_ranges),
	KUNIT_CASE(ide_km_ack),
	KUNIT_CASE(states),
	{}
};

static struct kunit_suite codec_suite = {
	.name = "soft_tsm_codec",
	.test_cases = codec_cases,
};

kunit_test_suite(codec_suite);

MODULE_DESCRIPTION("Tests of the codec of the soft TSM");
MODULE_LICENSE("GPL");
