/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TDISP test device: SPDM responder (DSP0274) and the session (DSP0277).
 *
 * The device proves nothing: it has one certificate chain of a key that no
 * longer exists, constant measurements, and one session at a time whose cipher
 * is none and which says so in its PSK hint. What it does keep is the order of
 * messages, their lengths, and that IDE_KM and TDISP travel in the session
 * only.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/guest-random.h"
#include "qapi/error.h"
#include "crypto/hash.h"
#include "internal.h"

#define HASH_SIZE               48      /* SHA-384 */
#define CHAIN_HDR_SIZE          4
#define CHAIN_ROOT_OFF          CHAIN_HDR_SIZE
#define CHAIN_CERTS_OFF         (CHAIN_HDR_SIZE + HASH_SIZE)
#define CERT_MAX_PORTION        1024
#define CT_EXPONENT             10
#define CAPS_FLAGS              (SPDM_CAP_CERT | SPDM_CAP_MEAS_NO_SIG | \
                                 SPDM_CAP_ENCRYPT | SPDM_CAP_MAC | \
                                 SPDM_CAP_PSK)

/* The one suite of NEGOTIATE_ALGORITHMS */
#define MEAS_SPEC_DMTF          0x01
#define MEAS_HASH_RAW_BITS      0x00000001u
#define BASE_ASYM_ECDSA_P384    0x00000080u
#define BASE_HASH_SHA_384       0x00000002u

#define PSK_CONTEXT_MAX         64
#define MEAS_MAX_RECORD         512
#define MEAS_PARAM1_SIGNATURE   0x01
#define MEAS_SLOT_SIZE          1

typedef struct SpdmReply {
    uint8_t *buf;
    size_t len;
    uint8_t error;
    uint8_t param1;
    uint8_t param2;
} SpdmReply;

/* Plain messages are padded to a dword by DOE, those in a session are exact */
static bool length_is(size_t len, size_t want, bool secured)
{
    return secured ? len == want : len >= want && len < ROUND_UP(want, 4) + 1;
}

static uint8_t *make_chain(size_t *size)
{
    size_t digest_len = HASH_SIZE;
    uint8_t *chain;
    uint8_t *root;

    *size = CHAIN_CERTS_OFF + tdisp_test_certs_size;
    chain = g_malloc0(*size);
    root = chain + CHAIN_ROOT_OFF;
    stw_le_p(chain, *size);
    qcrypto_hash_bytes(QCRYPTO_HASH_ALGO_SHA384,
                       (const char *)tdisp_test_certs, tdisp_test_root_size,
                       &root, &digest_len, &error_abort);
    memcpy(chain + CHAIN_CERTS_OFF, tdisp_test_certs, tdisp_test_certs_size);
    return chain;
}

static void get_version(TdispDsm *dsm, const uint8_t *req, size_t len,
                        SpdmReply *reply)
{
    /* It restarts the connection: what was negotiated or open is gone */
    spdm_session_drop(dsm);
    dsm->phase = SPDM_PHASE_VERSION;
    reply->buf[0] = SPDM_VERSION_10;
    reply->buf[SPDM_VERSION_COUNT_OFF] = 1;
    stw_le_p(reply->buf + SPDM_VERSION_ENTRY_OFF, SPDM_VERSION_12 << 8);
    reply->len = SPDM_VERSION_ENTRY_OFF + 2;
}

static void get_capabilities(TdispDsm *dsm, const uint8_t *req, size_t len,
                             SpdmReply *reply)
{
    if (!length_is(len, SPDM_CAPS_SIZE, false)) {
        reply->error = SPDM_ERR_INVALID_REQUEST;
        return;
    }
    dsm->phase = SPDM_PHASE_CAPABILITIES;
    reply->buf[5] = CT_EXPONENT;
    stl_le_p(reply->buf + SPDM_CAPS_FLAGS_OFF, CAPS_FLAGS);
    stl_le_p(reply->buf + 12, TDISP_MAX_MSG);
    stl_le_p(reply->buf + 16, TDISP_MAX_MSG);
    reply->len = SPDM_CAPS_SIZE;
}

static void negotiate_algorithms(TdispDsm *dsm, const uint8_t *req, size_t len,
                                 SpdmReply *reply)
{
    /* Algorithm structures may follow the fixed part; none is selected */
    if (len < SPDM_ALGORITHMS_SIZE) {
        reply->error = SPDM_ERR_INVALID_REQUEST;
        return;
    }
    dsm->phase = SPDM_PHASE_NEGOTIATED;
    stw_le_p(reply->buf + 4, SPDM_ALGORITHMS_SIZE);
    reply->buf[6] = MEAS_SPEC_DMTF;
    stl_le_p(reply->buf + 8, MEAS_HASH_RAW_BITS);
    stl_le_p(reply->buf + 12, BASE_ASYM_ECDSA_P384);
    stl_le_p(reply->buf + 16, BASE_HASH_SHA_384);
    reply->len = SPDM_ALGORITHMS_SIZE;
}

static void get_digests(TdispDsm *dsm, const uint8_t *req, size_t len,
                        SpdmReply *reply)
{
    uint8_t *digest = reply->buf + SPDM_HDR_SIZE;
    size_t digest_len = HASH_SIZE;
    g_autofree uint8_t *chain = NULL;
    size_t size;

    chain = make_chain(&size);
    qcrypto_hash_bytes(QCRYPTO_HASH_ALGO_SHA384, (const char *)chain, size,
                       &digest, &digest_len, &error_abort);
    reply->param2 = 0x01;       /* slot 0 */
    reply->len = SPDM_HDR_SIZE + HASH_SIZE;
}

static void get_certificate(TdispDsm *dsm, const uint8_t *req, size_t len,
                            SpdmReply *reply)
{
    g_autofree uint8_t *chain = NULL;
    uint32_t offset, length;
    size_t size;

    if (!length_is(len, SPDM_CERT_REQ_SIZE, false) || (req[2] & 0x0f) != 0) {
        reply->error = SPDM_ERR_INVALID_REQUEST;
        return;
    }
    chain = make_chain(&size);
    offset = lduw_le_p(req + 4);
    length = lduw_le_p(req + 6);
    if (offset >= size || !length) {
        reply->error = SPDM_ERR_INVALID_REQUEST;
        return;
    }
    length = MIN(length, size - offset);
    length = MIN(length, CERT_MAX_PORTION);
    stw_le_p(reply->buf + 4, length);
    stw_le_p(reply->buf + 6, size - offset - length);
    memcpy(reply->buf + SPDM_CERT_RSP_HDR_SIZE, chain + offset, length);
    reply->len = SPDM_CERT_RSP_HDR_SIZE + length;
}

/* A block of the DMTF form: index, specification, size, type, size, value */
static size_t put_measurement(uint8_t *p, uint8_t index, uint8_t type,
                              const char *value)
{
    uint8_t *digest = p + 7;
    size_t len = HASH_SIZE;

    p[0] = index;
    p[1] = MEAS_SPEC_DMTF;
    if (type & 0x80) {          /* raw bit stream */
        len = strlen(value);
        memcpy(p + 7, value, len);
    } else {
        qcrypto_hash_bytes(QCRYPTO_HASH_ALGO_SHA384, value, strlen(value),
                           &digest, &len, &error_abort);
    }
    stw_le_p(p + 2, 3 + len);
    p[4] = type;
    stw_le_p(p + 5, len);
    return 7 + len;
}

static const struct {
    uint8_t type;
    const char *value;
} measurements[] = {
    { 0x00, "tdisp-testdev immutable ROM" },
    { 0x01, "tdisp-testdev firmware" },
    { 0x83, "tdisp-testdev test configuration" },
};

static void get_measurements(TdispDsm *dsm, const uint8_t *req, size_t len,
                             SpdmReply *reply)
{
    uint8_t *record = reply->buf + SPDM_MEAS_RSP_HDR_SIZE;
    unsigned i, blocks = 0;
    size_t size = 0;

    if (len < SPDM_HDR_SIZE || len > SPDM_HDR_SIZE + 3 ||
        (req[2] & MEAS_PARAM1_SIGNATURE) ||
        (req[3] > ARRAY_SIZE(measurements) && req[3] != SPDM_MEAS_ALL)) {
        reply->error = SPDM_ERR_INVALID_REQUEST;
        return;
    }
    if (req[3] == 0) {
        reply->param1 = ARRAY_SIZE(measurements);
    }
    for (i = 0; i < ARRAY_SIZE(measurements); i++) {
        if (req[3] == SPDM_MEAS_ALL || req[3] == i + 1) {
            size += put_measurement(record + size, i + 1, measurements[i].type,
                                    measurements[i].value);
            blocks++;
        }
    }
    assert(size <= MEAS_MAX_RECORD);
    reply->buf[4] = blocks;
    stw_le_p(reply->buf + 5, size);
    reply->buf[7] = 0;
    qemu_guest_getrandom_nofail(record + size, SPDM_MEAS_NONCE_SIZE);
    size += SPDM_MEAS_NONCE_SIZE;
    stw_le_p(record + size, 0);
    reply->len = SPDM_MEAS_RSP_HDR_SIZE + size + 2;
}

/*
 * param1 and param2 (measurement summary, session policy) are not used. The
 * hint has to name the null cipher: a requester that believes in protection
 * does not get a session.
 */
static void psk_exchange(TdispDsm *dsm, const uint8_t *req, size_t len,
                         SpdmReply *reply)
{
    size_t hint_len = strlen(SPDM_NULL_CIPHER_HINT);
    size_t hint, context, opaque;

    if (dsm->session != SESSION_NONE) {
        reply->error = SPDM_ERR_UNEXPECTED_REQUEST;
        return;
    }
    if (len < SPDM_PSK_EXCHANGE_HDR_SIZE) {
        reply->error = SPDM_ERR_INVALID_REQUEST;
        return;
    }
    hint = lduw_le_p(req + 6);
    context = lduw_le_p(req + 8);
    opaque = lduw_le_p(req + 10);
    if (hint != hint_len || context > PSK_CONTEXT_MAX || opaque ||
        !length_is(len, SPDM_PSK_EXCHANGE_HDR_SIZE + hint + context, false) ||
        memcmp(req + SPDM_PSK_EXCHANGE_HDR_SIZE, SPDM_NULL_CIPHER_HINT,
               hint_len)) {
        reply->error = SPDM_ERR_INVALID_REQUEST;
        return;
    }
    if (++dsm->next_session == 0) {
        dsm->next_session = 1;
    }
    dsm->session = SESSION_HANDSHAKE;
    dsm->session_id = (uint32_t)dsm->next_session << 16 | lduw_le_p(req + 4);
    stw_le_p(reply->buf + 4, dsm->next_session);
    reply->len = SPDM_PSK_EXCHANGE_RSP_SIZE;
}

static void psk_finish(TdispDsm *dsm, const uint8_t *req, size_t len,
                       SpdmReply *reply)
{
    if (len != SPDM_HDR_SIZE) {
        reply->error = SPDM_ERR_INVALID_REQUEST;
        return;
    }
    dsm->session = SESSION_ESTABLISHED;
    tdisp_log(&dsm->fn[0]->parent_obj, TDISP_EV_SESSION, dsm->session_id, 1,
              0);
}

static void end_session(TdispDsm *dsm, const uint8_t *req, size_t len,
                        SpdmReply *reply)
{
    if (len != SPDM_HDR_SIZE) {
        reply->error = SPDM_ERR_INVALID_REQUEST;
        return;
    }
    spdm_session_drop(dsm);
}

static void vendor_defined(TdispDsm *dsm, const uint8_t *req, size_t len,
                           SpdmReply *reply)
{
    const uint8_t *payload = req + SPDM_VDM_HDR_SIZE;
    uint8_t *rsp = reply->buf + SPDM_VDM_HDR_SIZE;
    size_t payload_len;

    if (len < SPDM_VDM_HDR_SIZE ||
        lduw_le_p(req + 9) != len - (SPDM_VDM_HDR_SIZE - 1)) {
        reply->error = SPDM_ERR_INVALID_REQUEST;
        return;
    }
    payload_len = len - SPDM_VDM_HDR_SIZE;
    if (lduw_le_p(req + 4) != SPDM_VDM_STANDARD_PCISIG || req[6] != 2 ||
        lduw_le_p(req + 7) != SPDM_VDM_VENDOR_PCISIG) {
        reply->error = SPDM_ERR_UNSUPPORTED_REQUEST;
        return;
    }
    switch (req[11]) {
    case SPDM_VDM_PROTO_IDE_KM:
        payload_len = ide_km_message(dsm, payload, payload_len, rsp,
                                     &reply->error);
        if (!payload_len) {
            return;
        }
        break;
    case SPDM_VDM_PROTO_TDISP:
        payload_len = tdi_message(dsm, payload, payload_len, rsp);
        break;
    default:
        reply->error = SPDM_ERR_UNSUPPORTED_REQUEST;
        return;
    }
    memcpy(reply->buf + 4, req + 4, 5);         /* standard and vendor id */
    stw_le_p(reply->buf + 9, payload_len + 1);
    reply->buf[11] = req[11];
    reply->len = SPDM_VDM_HDR_SIZE + payload_len;
}

/* Where a request is allowed */
#define PLAIN       BIT(0)
#define HANDSHAKE   BIT(1)
#define SESSION     BIT(2)

static const struct {
    uint8_t code;
    uint8_t where;
    SpdmPhase phase;            /* at least, outside a session */
    void (*handle)(TdispDsm *dsm, const uint8_t *req, size_t len,
                   SpdmReply *reply);
} requests[] = {
    { SPDM_GET_VERSION, PLAIN, SPDM_PHASE_START, get_version },
    { SPDM_GET_CAPABILITIES, PLAIN, SPDM_PHASE_VERSION, get_capabilities },
    { SPDM_NEGOTIATE_ALGORITHMS, PLAIN, SPDM_PHASE_CAPABILITIES,
      negotiate_algorithms },
    { SPDM_GET_DIGESTS, PLAIN | SESSION, SPDM_PHASE_NEGOTIATED, get_digests },
    { SPDM_GET_CERTIFICATE, PLAIN | SESSION, SPDM_PHASE_NEGOTIATED,
      get_certificate },
    { SPDM_GET_MEASUREMENTS, PLAIN | SESSION, SPDM_PHASE_NEGOTIATED,
      get_measurements },
    { SPDM_PSK_EXCHANGE, PLAIN, SPDM_PHASE_NEGOTIATED, psk_exchange },
    { SPDM_PSK_FINISH, HANDSHAKE, SPDM_PHASE_NEGOTIATED, psk_finish },
    { SPDM_END_SESSION, SESSION, SPDM_PHASE_NEGOTIATED, end_session },
    { SPDM_VENDOR_DEFINED_REQUEST, SESSION, SPDM_PHASE_NEGOTIATED,
      vendor_defined },
};

/* Capabilities and algorithms may be asked once per GET_VERSION */
static bool in_order(TdispDsm *dsm, unsigned i)
{
    switch (requests[i].code) {
    case SPDM_GET_VERSION:
        return true;
    case SPDM_GET_CAPABILITIES:
    case SPDM_NEGOTIATE_ALGORITHMS:
        return dsm->phase == requests[i].phase;
    default:
        return dsm->phase >= requests[i].phase;
    }
}

static size_t spdm_handle(TdispDsm *dsm, uint8_t where, const uint8_t *req,
                          size_t len, uint8_t *rsp)
{
    SpdmReply reply = { .buf = rsp };
    uint8_t code = len >= SPDM_HDR_SIZE ? req[1] : 0;
    uint8_t error_data = 0;
    unsigned i;

    memset(rsp, 0, SPDM_ALGORITHMS_SIZE);
    rsp[0] = SPDM_VERSION_12;
    reply.len = SPDM_HDR_SIZE;

    for (i = 0; i < ARRAY_SIZE(requests); i++) {
        if (requests[i].code == code) {
            break;
        }
    }
    if (len < SPDM_HDR_SIZE) {
        reply.error = SPDM_ERR_INVALID_REQUEST;
    } else if (req[0] != (code == SPDM_GET_VERSION ? SPDM_VERSION_10 :
                                                     SPDM_VERSION_12)) {
        reply.error = SPDM_ERR_VERSION_MISMATCH;
    } else if (i == ARRAY_SIZE(requests)) {
        reply.error = SPDM_ERR_UNSUPPORTED_REQUEST;
        error_data = code;
    } else if (!(requests[i].where & where) || !in_order(dsm, i)) {
        reply.error = SPDM_ERR_UNEXPECTED_REQUEST;
    } else {
        requests[i].handle(dsm, req, len, &reply);
    }

    if (reply.error) {
        rsp[0] = code == SPDM_GET_VERSION ? SPDM_VERSION_10 : SPDM_VERSION_12;
        rsp[1] = SPDM_ERROR;
        rsp[2] = reply.error;
        rsp[3] = error_data;
        reply.len = SPDM_HDR_SIZE;
    } else {
        rsp[1] = SPDM_RSP(code);
        rsp[2] = reply.param1;
        rsp[3] = reply.param2;
    }
    /* What travels in a vendor defined request has an entry of its own */
    if (code != SPDM_VENDOR_DEFINED_REQUEST || reply.error) {
        tdisp_log(&dsm->fn[0]->parent_obj, TDISP_EV_SPDM, code, rsp[1],
                  reply.error);
    }
    return reply.len;
}

size_t spdm_message(TdispDsm *dsm, const uint8_t *req, size_t len,
                    uint8_t *rsp)
{
    return spdm_handle(dsm, PLAIN, req, len, rsp);
}

/*
 * Every object gets an answer, so that a requester's mistake is seen and does
 * not look like a dead mailbox. An answer outside a valid session is an SPDM
 * error in a record with the id that the requester used.
 */
size_t spdm_secured_message(TdispDsm *dsm, const uint8_t *req, size_t len,
                            uint8_t *rsp)
{
    const size_t hdr = SPDM_SECURED_HDR_SIZE + SPDM_SECURED_APP_HDR_SIZE;
    uint32_t id = len >= 4 ? ldl_le_p(req) : 0;
    size_t length, app_len, n;
    uint8_t *app = rsp + hdr;
    uint8_t error = 0;

    if (len < hdr + SPDM_SECURED_MAC_SIZE) {
        error = SPDM_ERR_INVALID_REQUEST;
    } else if (dsm->session == SESSION_NONE || id != dsm->session_id) {
        error = SPDM_ERR_INVALID_SESSION;
    } else {
        length = lduw_le_p(req + 4);
        app_len = lduw_le_p(req + SPDM_SECURED_HDR_SIZE);
        if (!length_is(len, SPDM_SECURED_HDR_SIZE + length, false) ||
            length != SPDM_SECURED_APP_HDR_SIZE + app_len +
                      SPDM_SECURED_MAC_SIZE) {
            error = SPDM_ERR_INVALID_REQUEST;
        }
    }
    if (error) {
        app[0] = SPDM_VERSION_12;
        app[1] = SPDM_ERROR;
        app[2] = error;
        app[3] = 0;
        n = SPDM_HDR_SIZE;
        tdisp_log(&dsm->fn[0]->parent_obj, TDISP_EV_SPDM, 0, SPDM_ERROR,
                  error);
    } else {
        n = spdm_handle(dsm, dsm->session == SESSION_ESTABLISHED ? SESSION :
                                                                   HANDSHAKE,
                        req + hdr, app_len, app);
    }
    stl_le_p(rsp, id);
    stw_le_p(rsp + 4, SPDM_SECURED_APP_HDR_SIZE + n + SPDM_SECURED_MAC_SIZE);
    stw_le_p(rsp + SPDM_SECURED_HDR_SIZE, n);
    memset(app + n, 0, SPDM_SECURED_MAC_SIZE);
    return hdr + n + SPDM_SECURED_MAC_SIZE;
}

/* The session is over: what was locked through it is in ERROR */
void spdm_session_drop(TdispDsm *dsm)
{
    bool was_open = dsm->session == SESSION_ESTABLISHED;

    dsm->session = SESSION_NONE;
    if (was_open) {
        tdisp_log(&dsm->fn[0]->parent_obj, TDISP_EV_SESSION, dsm->session_id,
                  0, 0);
        tdi_violation_all(dsm, TDISP_WHY_SESSION);
    }
}

void spdm_reset(TdispDsm *dsm)
{
    spdm_session_drop(dsm);
    dsm->phase = SPDM_PHASE_START;
}
