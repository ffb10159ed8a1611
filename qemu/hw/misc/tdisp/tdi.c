/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TDISP test device: TDISP responder and TDI state machine (PCIe r6.0
 * sections 11.2 and 11.3).
 *
 * Choices where the specification leaves room or the public sources differ
 * are listed in docs/specs/tdisp-testdev.rst.
 */
#include "qemu/osdep.h"
#include "qemu/bswap.h"
#include "qemu/guest-random.h"
#include "internal.h"

#define LOCK_FLAGS  (TDISP_LOCK_NO_FW_UPDATE | TDISP_LOCK_CACHE_LINE_128 | \
                     TDISP_LOCK_MSIX | TDISP_LOCK_BIND_P2P | \
                     TDISP_LOCK_ALL_REQUEST_REDIRECT)
#define ADDR_WIDTH              52
#define FUNCTION_ID_SEGMENT     0x00ff0000u
#define FUNCTION_ID_RESERVED    0xfe000000u
#define PAGE_4K_SHIFT           12

/* What a handler answers: a body, or an error */
typedef struct TdiReply {
    uint8_t *body;
    size_t len;
    uint32_t error;
    uint32_t error_data;
} TdiReply;

static bool tdi_locked(const TdispFn *fn)
{
    return fn->tdi.state == TDISP_STATE_LOCKED ||
           fn->tdi.state == TDISP_STATE_RUN;
}

/* The only place that changes the state */
void tdi_set_state(TdispFn *fn, uint32_t state, uint32_t why)
{
    Tdi *tdi = &fn->tdi;
    uint32_t old = tdi->state;

    if (state == old) {
        return;
    }
    if (state == TDISP_STATE_ERROR) {
        memset(tdi->nonce, 0, sizeof(tdi->nonce));
        tdisp_dma_stop(fn, TDISP_DMA_ERR_STATE);
    } else if (state == TDISP_STATE_UNLOCKED) {
        bool scrub = tdi->was_run;

        tdisp_dma_stop(fn, TDISP_DMA_ERR_STATE);
        memset(tdi, 0, sizeof(*tdi));
        if (scrub) {
            tdisp_scrub(fn);
        }
    } else if (state == TDISP_STATE_RUN) {
        memset(tdi->nonce, 0, sizeof(tdi->nonce));
        tdi->was_run = true;
    }
    tdi->state = state;
    tdisp_update_access(fn);
    tdisp_log(&fn->parent_obj, TDISP_EV_STATE, old, state, why);
}

/* The configuration that was locked is no longer what it was */
void tdi_violation(TdispFn *fn, uint32_t why)
{
    if (tdi_locked(fn)) {
        tdi_set_state(fn, TDISP_STATE_ERROR, why);
    }
}

void tdi_violation_all(TdispDsm *dsm, uint32_t why)
{
    unsigned i;

    for (i = 0; i < TDISP_MAX_TDI; i++) {
        if (dsm->fn[i]) {
            tdi_violation(dsm->fn[i], why);
        }
    }
}

static bool p2p_bound(const Tdi *tdi, uint8_t id)
{
    return tdi->p2p_streams[id / 64] & (1ull << (id % 64));
}

void tdi_stream_lost(TdispDsm *dsm, uint8_t id)
{
    unsigned i;

    for (i = 0; i < TDISP_MAX_TDI; i++) {
        TdispFn *fn = dsm->fn[i];

        if (fn && tdi_locked(fn) &&
            (fn->tdi.stream_id == id || p2p_bound(&fn->tdi, id))) {
            tdi_violation(fn, TDISP_WHY_STREAM);
        }
    }
}

TdispFn *tdi_find(TdispDsm *dsm, uint32_t function_id)
{
    unsigned i;

    /* The emulated machines have one segment, number 0 */
    if (function_id & (FUNCTION_ID_RESERVED | FUNCTION_ID_SEGMENT)) {
        return NULL;
    }
    for (i = 0; i < TDISP_MAX_TDI; i++) {
        TdispFn *fn = dsm->fn[i];

        /* A VF that is not enabled is no interface */
        if (fn && fn->parent_obj.enabled &&
            tdisp_rid(&fn->parent_obj) == (function_id & 0xffff)) {
            return fn;
        }
    }
    return NULL;
}

static void put_range(TdispFn *fn, unsigned i, unsigned bar, uint64_t page_off,
                      uint64_t size, uint16_t attr, uint64_t offset)
{
    uint8_t *p = fn->tdi.report + TDISP_REPORT_RANGES_OFF +
                 i * TDISP_REPORT_RANGE_SIZE;
    uint64_t addr = fn->parent_obj.io_regions[bar].addr;
    uint64_t page = (addr >> PAGE_4K_SHIFT) + page_off + offset;

    stq_le_p(p + TDISP_RANGE_FIRST_PAGE_OFF, page);
    stl_le_p(p + TDISP_RANGE_PAGES_OFF, size >> PAGE_4K_SHIFT);
    stw_le_p(p + TDISP_RANGE_ATTR_OFF, attr);
    stw_le_p(p + TDISP_RANGE_ID_OFF, bar);
    fn->tdi.range_page[i] = page;
    fn->tdi.range_pages[i] = size >> PAGE_4K_SHIFT;
}

/*
 * The report is made once, at LOCK. The reporting offset is in pages: it is
 * added to the page number.
 */
static void make_report(TdispFn *fn, uint16_t flags, uint64_t offset)
{
    PCIDevice *dev = &fn->parent_obj;
    uint8_t *report = fn->tdi.report;
    uint16_t info = TDISP_REPORT_INFO_DMA_NO_PASID;
    uint8_t *p;

    memset(report, 0, TDISP_REPORT_SIZE);
    if (flags & TDISP_LOCK_NO_FW_UPDATE) {
        info |= TDISP_REPORT_INFO_NO_UPDATE;
    }
    stw_le_p(report + TDISP_REPORT_INFO_OFF, info);
    stw_le_p(report + TDISP_REPORT_MSIX_CTRL_OFF,
             pci_get_word(dev->config + dev->msix_cap + PCI_MSIX_FLAGS));
    stl_le_p(report + TDISP_REPORT_RANGE_COUNT_OFF, TDISP_REPORT_RANGES);

    put_range(fn, 0, TDISP_BAR_REGS, 0, memory_region_size(&fn->regs), 0,
              offset);
    put_range(fn, 1, TDISP_BAR_MEM, 0, fn->mem_size,
              fn->mem_attr_updatable ? TDISP_RANGE_ATTR_UPDATABLE : 0, offset);
    put_range(fn, 2, TDISP_BAR_MSIX, 0, 4096,
              TDISP_RANGE_MSIX_TABLE | TDISP_RANGE_NON_TEE, offset);
    put_range(fn, 3, TDISP_BAR_MSIX, 1, 4096,
              TDISP_RANGE_MSIX_PBA | TDISP_RANGE_NON_TEE, offset);

    p = report + TDISP_REPORT_RANGES_OFF +
        TDISP_REPORT_RANGES * TDISP_REPORT_RANGE_SIZE;
    stl_le_p(p, TDISP_REPORT_INFO_SIZE);
    snprintf((char *)p + 4, TDISP_REPORT_INFO_SIZE, "tdisp-test %s %u",
             pci_is_vf(dev) ? "vf" : "fn", tdisp_index(dev) % TDISP_MAX_FN);
}

static void get_version(TdispFn *fn, const uint8_t *body, TdiReply *reply)
{
    reply->body[0] = 1;
    reply->body[1] = TDISP_VERSION_10;
    reply->len = TDISP_VERSION_RSP_MIN_SIZE;
}

static void get_capabilities(TdispFn *fn, const uint8_t *body, TdiReply *reply)
{
    uint8_t *rsp = reply->body;
    unsigned code;

    for (code = TDISP_GET_VERSION; code <= TDISP_SET_MMIO_ATTRIBUTE; code++) {
        unsigned bit = TDISP_RSP(code);

        rsp[TDISP_CAPS_MSGS_OFF + bit / 8] |= 1 << (bit % 8);
    }
    stw_le_p(rsp + TDISP_CAPS_LOCK_FLAGS_OFF, LOCK_FLAGS);
    rsp[TDISP_CAPS_ADDR_WIDTH_OFF] = ADDR_WIDTH;
    rsp[TDISP_CAPS_NUM_REQ_THIS_OFF] = 1;
    rsp[TDISP_CAPS_NUM_REQ_ALL_OFF] = 1;
    reply->len = TDISP_CAPS_RSP_SIZE;
}

static void lock_interface(TdispFn *fn, const uint8_t *body, TdiReply *reply)
{
    uint16_t flags = lduw_le_p(body + TDISP_LOCK_FLAGS_OFF);
    uint64_t offset = ldq_le_p(body + TDISP_LOCK_MMIO_OFFSET_OFF);
    uint8_t stream_id = body[TDISP_LOCK_STREAM_OFF];
    PCIDevice *dev = &fn->parent_obj;
    uint8_t nonce[TDISP_NONCE_SIZE];

    if (fn->tdi.state != TDISP_STATE_UNLOCKED) {
        reply->error = TDISP_ERR_INVALID_STATE;
        return;
    }
    if (flags & ~LOCK_FLAGS) {
        reply->error = TDISP_ERR_INVALID_REQUEST;
        return;
    }
    if (fn->faults.lock_error) {
        reply->error = fn->faults.lock_error;
        return;
    }
    /* Memory has to be decoded: the report tells where the BARs are */
    if (!(pci_get_word(dev->config + PCI_COMMAND) & PCI_COMMAND_MEMORY) ||
        (pci_get_word(dev->config + dev->pm_cap + PCI_PM_CTRL) &
         PCI_PM_CTRL_STATE_MASK)) {
        reply->error = TDISP_ERR_INVALID_CONFIG;
        return;
    }
    if (fn->dsm->ide.nr_streams &&
        !tdisp_ide_id_secure(&fn->dsm->ide, stream_id)) {
        reply->error = TDISP_ERR_INVALID_CONFIG;
        return;
    }
    if (qemu_guest_getrandom(nonce, sizeof(nonce), NULL) < 0) {
        reply->error = TDISP_ERR_INSUFFICIENT_ENTROPY;
        return;
    }

    fn->tdi.lock_flags = flags;
    fn->tdi.stream_id = stream_id;
    memcpy(fn->tdi.nonce, nonce, sizeof(nonce));
    make_report(fn, flags, offset);
    tdi_set_state(fn, TDISP_STATE_LOCKED, TDISP_WHY_MESSAGE);

    if (fn->faults.wrong_nonce) {
        nonce[0] ^= 0xff;
    }
    memcpy(reply->body, nonce, sizeof(nonce));
    reply->len = sizeof(nonce);
}

static void get_report(TdispFn *fn, const uint8_t *body, TdiReply *reply)
{
    uint32_t offset = lduw_le_p(body);
    uint32_t length = lduw_le_p(body + 2);
    uint32_t portion;

    if (!tdi_locked(fn)) {
        reply->error = TDISP_ERR_INVALID_STATE;
        return;
    }
    if (offset >= TDISP_REPORT_SIZE || !length) {
        reply->error = TDISP_ERR_INVALID_REQUEST;
        return;
    }
    portion = MIN(length, TDISP_REPORT_SIZE - offset);
    portion = MIN(portion, fn->report_portion);
    stw_le_p(reply->body, portion);
    stw_le_p(reply->body + 2, TDISP_REPORT_SIZE - offset - portion);
    memcpy(reply->body + TDISP_REPORT_RSP_HDR_SIZE, fn->tdi.report + offset,
           portion);
    reply->len = TDISP_REPORT_RSP_HDR_SIZE + portion;
}

static void get_state(TdispFn *fn, const uint8_t *body, TdiReply *reply)
{
    reply->body[0] = fn->tdi.state;
    reply->len = TDISP_STATE_RSP_SIZE;
}

static void start_interface(TdispFn *fn, const uint8_t *body, TdiReply *reply)
{
    if (fn->tdi.state != TDISP_STATE_LOCKED) {
        reply->error = TDISP_ERR_INVALID_STATE;
    } else if (memcmp(body, fn->tdi.nonce, TDISP_NONCE_SIZE)) {
        reply->error = TDISP_ERR_INVALID_NONCE;
    } else {
        tdi_set_state(fn, TDISP_STATE_RUN, TDISP_WHY_MESSAGE);
    }
}

static void stop_interface(TdispFn *fn, const uint8_t *body, TdiReply *reply)
{
    if (fn->faults.stop_error) {
        reply->error = fn->faults.stop_error;
    } else if (fn->tdi.state == TDISP_STATE_UNLOCKED &&
               fn->dsm->fn[0]->stop_unlocked_error) {
        reply->error = TDISP_ERR_INVALID_STATE;
    } else {
        tdi_set_state(fn, TDISP_STATE_UNLOCKED, TDISP_WHY_MESSAGE);
    }
}

static void bind_p2p(TdispFn *fn, const uint8_t *body, TdiReply *reply)
{
    Tdi *tdi = &fn->tdi;
    uint8_t id = body[0];

    if (tdi->state != TDISP_STATE_RUN) {
        reply->error = TDISP_ERR_INVALID_STATE;
    } else if (!(tdi->lock_flags & TDISP_LOCK_BIND_P2P) ||
               id == tdi->stream_id || p2p_bound(tdi, id) ||
               !tdisp_ide_id_secure(&fn->dsm->ide, id)) {
        reply->error = TDISP_ERR_INVALID_REQUEST;
    } else {
        tdi->p2p_streams[id / 64] |= 1ull << (id % 64);
    }
}

static void unbind_p2p(TdispFn *fn, const uint8_t *body, TdiReply *reply)
{
    Tdi *tdi = &fn->tdi;
    uint8_t id = body[0];

    if (tdi->state != TDISP_STATE_RUN) {
        reply->error = TDISP_ERR_INVALID_STATE;
    } else if (!p2p_bound(tdi, id)) {
        reply->error = TDISP_ERR_INVALID_REQUEST;
    } else {
        tdi->p2p_streams[id / 64] &= ~(1ull << (id % 64));
    }
}

/*
 * The range must be one of the report, whole, and updatable; only BAR 2 can
 * be. The record is as in the report, its NON_TEE bit the wish.
 */
static void set_mmio_attribute(TdispFn *fn, const uint8_t *body,
                               TdiReply *reply)
{
    uint64_t page = ldq_le_p(body + TDISP_RANGE_FIRST_PAGE_OFF);
    uint32_t pages = ldl_le_p(body + TDISP_RANGE_PAGES_OFF);
    uint16_t attr = lduw_le_p(body + TDISP_RANGE_ATTR_OFF);
    uint16_t id = lduw_le_p(body + TDISP_RANGE_ID_OFF);

    if (fn->tdi.state != TDISP_STATE_RUN) {
        reply->error = TDISP_ERR_INVALID_STATE;
    } else if (!fn->mem_attr_updatable || id != TDISP_BAR_MEM ||
               page != fn->tdi.range_page[1] ||
               pages != fn->tdi.range_pages[1] ||
               (attr & ~(TDISP_RANGE_NON_TEE | TDISP_RANGE_ATTR_UPDATABLE))) {
        reply->error = TDISP_ERR_INVALID_REQUEST;
    } else {
        fn->tdi.mem_non_tee = attr & TDISP_RANGE_NON_TEE;
        tdisp_update_access(fn);
    }
}

static const struct {
    uint8_t code;
    uint16_t size;
    void (*handle)(TdispFn *fn, const uint8_t *body, TdiReply *reply);
} requests[] = {
    { TDISP_GET_VERSION, 0, get_version },
    { TDISP_GET_CAPABILITIES, TDISP_CAPS_REQ_SIZE, get_capabilities },
    { TDISP_LOCK_INTERFACE, TDISP_LOCK_REQ_SIZE, lock_interface },
    { TDISP_GET_INTERFACE_REPORT, TDISP_REPORT_REQ_SIZE, get_report },
    { TDISP_GET_INTERFACE_STATE, 0, get_state },
    { TDISP_START_INTERFACE, TDISP_NONCE_SIZE, start_interface },
    { TDISP_STOP_INTERFACE, 0, stop_interface },
    { TDISP_BIND_P2P_STREAM, TDISP_P2P_REQ_SIZE, bind_p2p },
    { TDISP_UNBIND_P2P_STREAM, TDISP_P2P_REQ_SIZE, unbind_p2p },
    { TDISP_SET_MMIO_ATTRIBUTE, TDISP_MMIO_ATTR_REQ_SIZE, set_mmio_attribute },
};

/* Find the handler and answer; fn is NULL for an unknown interface id */
static void dispatch(TdispFn *fn, const uint8_t *req, size_t len,
                     TdiReply *reply)
{
    unsigned i;

    if (req[0] != TDISP_VERSION_10) {
        reply->error = TDISP_ERR_VERSION_MISMATCH;
        return;
    }
    for (i = 0; i < ARRAY_SIZE(requests); i++) {
        if (requests[i].code == req[1]) {
            break;
        }
    }
    if (i == ARRAY_SIZE(requests)) {
        reply->error = TDISP_ERR_UNSUPPORTED_REQUEST;
        reply->error_data = req[1];
    } else if (!fn) {
        reply->error = TDISP_ERR_INVALID_INTERFACE;
    } else if (len != TDISP_HDR_SIZE + requests[i].size) {
        reply->error = TDISP_ERR_INVALID_REQUEST;
    } else {
        requests[i].handle(fn, req + TDISP_HDR_SIZE, reply);
    }
}

/* Make the body shorter or longer than it should be */
static size_t distort(const TdispFaults *faults, uint8_t code, uint8_t *body,
                      size_t len)
{
    int32_t delta = faults->length_delta;

    if (!delta || (faults->length_msg && faults->length_msg != code)) {
        return len;
    }
    if (delta < 0) {
        return -(int64_t)delta < len ? len + delta : 0;
    }
    delta = MIN(delta, TDISP_MAX_EXTRA);
    memset(body + len, 0xee, delta);
    return len + delta;
}

/*
 * Count a message down. With the last one the TDI drops to ERROR, or as soon
 * after as it is in a state that can.
 */
static void error_after(TdispFn *fn)
{
    if (fn->faults.error_after > 1) {
        fn->faults.error_after--;
    } else if (fn->faults.error_after && tdi_locked(fn)) {
        fn->faults.error_after = 0;
        tdi_violation(fn, TDISP_WHY_FAULT);
    }
}

/* Answer a message; rsp has room for TDISP_MAX_MSG less the framing */
size_t tdi_message(TdispDsm *dsm, const uint8_t *req, size_t len,
                   uint8_t *rsp)
{
    TdiReply reply = { .body = rsp + TDISP_HDR_SIZE };
    PCIDevice *dev = &dsm->fn[0]->parent_obj;
    TdispFn *fn = NULL;
    uint8_t code = len > 1 ? req[1] : 0;

    memset(rsp, 0, TDISP_HDR_SIZE + TDISP_MAX_PORTION);
    if (len < TDISP_HDR_SIZE) {
        reply.error = TDISP_ERR_INVALID_REQUEST;
    } else {
        memcpy(rsp + 4, req + 4, TDISP_HDR_SIZE - 4);   /* interface id */
        fn = tdi_find(dsm, ldl_le_p(req + 4));
        dispatch(fn, req, len, &reply);
    }
    if (fn) {
        dev = &fn->parent_obj;
    }

    rsp[0] = TDISP_VERSION_10;
    rsp[1] = TDISP_RSP(code);
    if (reply.error) {
        rsp[1] = TDISP_ERROR;
        stl_le_p(reply.body, reply.error);
        stl_le_p(reply.body + 4, reply.error_data);
        reply.len = TDISP_ERROR_RSP_SIZE;
    }
    tdisp_log(dev, TDISP_EV_TDISP, code, rsp[1], reply.error);
    if (fn) {
        reply.len = distort(&fn->faults, code, reply.body, reply.len);
        error_after(fn);
    }
    return TDISP_HDR_SIZE + reply.len;
}
