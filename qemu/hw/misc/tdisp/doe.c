/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TDISP test device: the DOE mailbox of function 0 (PCIe r6.0 section 6.30).
 *
 * QEMU's DOE code answers a request within the write that sets GO. Here the
 * answer can come later, when a fault stalls it: the request is kept, the
 * mailbox is BUSY until a timer fills it, and the vCPU never waits.
 */
#include "qemu/osdep.h"
#include "qemu/log.h"
#include "qemu/bswap.h"
#include "internal.h"
#include "trace.h"

#define DOE_HEADER_DW   2
#define DOE_MAX_DW      (DOE_HEADER_DW + TDISP_MAX_MSG / 4)

/* The TDISP header in a secured vendor defined request */
#define SECURED_TDISP_OFF   (SPDM_SECURED_HDR_SIZE + \
                             SPDM_SECURED_APP_HDR_SIZE + SPDM_VDM_HDR_SIZE)

static void doe_process(TdispDsm *dsm)
{
    if (dsm->doe_type == TDISP_DOE_SECURED_CMA) {
        dsm->rsp_len = spdm_secured_message(dsm, dsm->req, dsm->req_len,
                                            dsm->rsp);
    } else {
        dsm->rsp_len = spdm_message(dsm, dsm->req, dsm->req_len, dsm->rsp);
    }
    dsm->answered = true;
}

/* Move the response to the read mailbox, padded to whole dwords */
static void doe_fill(TdispDsm *dsm)
{
    DOECap *doe = dsm->doe;
    size_t dw = DIV_ROUND_UP(dsm->rsp_len, 4);
    size_t i;

    assert(dsm->answered && dw * 4 <= sizeof(dsm->rsp));
    memset(dsm->rsp + dsm->rsp_len, 0, dw * 4 - dsm->rsp_len);
    doe->read_mbox[0] = DATA_OBJ_BUILD_HEADER1(PCI_VENDOR_ID_PCI_SIG,
                                               dsm->doe_type);
    doe->read_mbox[1] = DOE_HEADER_DW + dw;
    for (i = 0; i < dw; i++) {
        doe->read_mbox[DOE_HEADER_DW + i] = ldl_le_p(dsm->rsp + i * 4);
    }
    doe->read_mbox_idx = 0;
    doe->read_mbox_len = DOE_HEADER_DW + dw;
    dsm->answered = false;
}

static void doe_stall_end(void *opaque)
{
    TdispDsm *dsm = opaque;

    if (!dsm->answered) {
        doe_process(dsm);
    }
    doe_fill(dsm);
    dsm->doe->status.busy = false;
    dsm->doe->status.ready = true;
}

/* The longer of what the mailbox and the function it talks to have set */
static uint32_t doe_stall_ms(TdispDsm *dsm)
{
    uint32_t ms = dsm->fn[0]->faults.stall_ms;
    const uint8_t *p = dsm->req;
    TdispFn *fn;

    if (dsm->doe_type != TDISP_DOE_SECURED_CMA ||
        dsm->req_len < SECURED_TDISP_OFF + TDISP_HDR_SIZE ||
        p[SECURED_TDISP_OFF - 1] != SPDM_VDM_PROTO_TDISP) {
        return ms;
    }
    fn = tdi_find(dsm, ldl_le_p(p + SECURED_TDISP_OFF + 4));
    return fn ? MAX(ms, fn->faults.stall_ms) : ms;
}

static bool doe_request(DOECap *doe, uint8_t type)
{
    TdispFn *fn = TDISP_TESTDEV(doe->pdev);
    TdispDsm *dsm = fn->dsm;
    uint32_t dw = pcie_doe_get_obj_len(pcie_doe_get_write_mbox_ptr(doe));
    uint32_t i, ms;

    /* The core has checked that this many dwords were written */
    if (dw < DOE_HEADER_DW || dw > DOE_MAX_DW) {
        qemu_log_mask(LOG_GUEST_ERROR, "tdisp: DOE object of %u dwords\n", dw);
        return false;
    }
    for (i = DOE_HEADER_DW; i < dw; i++) {
        stl_le_p(dsm->req + (i - DOE_HEADER_DW) * 4, doe->write_mbox[i]);
    }
    dsm->req_len = (dw - DOE_HEADER_DW) * 4;
    dsm->doe_type = type;
    dsm->answered = false;

    ms = doe_stall_ms(dsm);
    if (!ms || fn->stall_after) {
        doe_process(dsm);
    }
    if (ms) {
        trace_tdisp_doe_stall(tdisp_rid(&fn->parent_obj), ms, dsm->answered);
        doe->status.busy = true;
        timer_mod(dsm->stall,
                  qemu_clock_get_ms(QEMU_CLOCK_VIRTUAL) + (int64_t)ms);
        return false;   /* the core empties the mailbox, nothing is ready */
    }
    doe_fill(dsm);
    return true;
}

static bool doe_cma(DOECap *doe)
{
    return doe_request(doe, TDISP_DOE_CMA);
}

static bool doe_secured_cma(DOECap *doe)
{
    return doe_request(doe, TDISP_DOE_SECURED_CMA);
}

static DOEProtocol doe_protocols[] = {
    { PCI_VENDOR_ID_PCI_SIG, TDISP_DOE_CMA, doe_cma },
    { PCI_VENDOR_ID_PCI_SIG, TDISP_DOE_SECURED_CMA, doe_secured_cma },
    { }
};

void tdisp_doe_abort(TdispDsm *dsm)
{
    DOECap *doe = dsm->doe;

    timer_del(dsm->stall);
    dsm->answered = false;
    doe->status.busy = false;
    pcie_doe_write_config(doe, doe->offset + PCI_EXP_DOE_CTRL,
                          R_PCI_DOE_CAP_CONTROL_DOE_ABORT_MASK, 4);
}

void tdisp_doe_write(TdispFn *fn, uint32_t addr, uint32_t val, int len)
{
    TdispDsm *dsm = fn->dsm;
    DOECap *doe = dsm->doe;

    if (!ranges_overlap(addr, len, doe->offset, PCI_DOE_SIZEOF)) {
        return;
    }
    if (addr == doe->offset + PCI_EXP_DOE_CTRL &&
        (val & R_PCI_DOE_CAP_CONTROL_DOE_ABORT_MASK)) {
        tdisp_log(&fn->parent_obj, TDISP_EV_DOE_ABORT, 0, 0, 0);
        tdisp_doe_abort(dsm);
        return;
    }
    /* Nothing is taken while busy; what would overflow is taken as too long */
    if (doe->status.busy ||
        (addr == doe->offset + PCI_EXP_DOE_WR_DATA_MBOX &&
         doe->write_mbox_len > DOE_MAX_DW)) {
        return;
    }
    pcie_doe_write_config(doe, addr, val, len);
}

void tdisp_doe_init(TdispFn *fn)
{
    TdispDsm *dsm = fn->dsm;

    dsm->doe = g_new0(DOECap, 1);
    dsm->stall = timer_new_ms(QEMU_CLOCK_VIRTUAL, doe_stall_end, dsm);
    pcie_doe_init(&fn->parent_obj, dsm->doe, TDISP_DOE_OFFSET, doe_protocols,
                  false, 0);
}

void tdisp_doe_exit(TdispFn *fn)
{
    TdispDsm *dsm = fn->dsm;

    timer_free(dsm->stall);
    pcie_doe_fini(dsm->doe);    /* frees it too */
    dsm->doe = NULL;
}
