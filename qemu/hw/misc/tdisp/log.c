/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TDISP test device: the event log, one for the machine, so that events of all
 * functions and root ports stand in one order. tdisp-testctl shows it to the
 * guest; each entry is a trace event too.
 */
#include "qemu/osdep.h"
#include "qemu/timer.h"
#include "internal.h"
#include "trace.h"

#define ENTRY_WORDS     (TDISP_LOG_ENTRY_SIZE / 4)

static uint32_t entries[TDISP_CTL_LOG_SIZE][ENTRY_WORDS];
static uint32_t count;

static void trace_event(uint16_t rid, uint32_t type, uint32_t arg0,
                        uint32_t arg1, uint32_t arg2)
{
    switch (type) {
    case TDISP_EV_TDISP:
        trace_tdisp_message(rid, arg0, arg1, arg2);
        break;
    case TDISP_EV_STATE:
        trace_tdisp_state(rid, arg0, arg1, arg2);
        break;
    case TDISP_EV_FLR:
        trace_tdisp_flr(rid);
        break;
    case TDISP_EV_MSE:
        trace_tdisp_mse(rid, arg0);
        break;
    case TDISP_EV_BME:
        trace_tdisp_bme(rid, arg0);
        break;
    case TDISP_EV_RESET:
        trace_tdisp_reset(rid);
        break;
    case TDISP_EV_BAR:
        trace_tdisp_bar(rid, arg0, arg1);
        break;
    case TDISP_EV_SPDM:
        trace_tdisp_spdm(rid, arg0, arg1, arg2);
        break;
    case TDISP_EV_IDE_KM:
        trace_tdisp_ide_km(rid, arg0, arg1, arg2);
        break;
    case TDISP_EV_STREAM:
        trace_tdisp_stream(rid, arg0, arg1 ? "secure" : "insecure");
        break;
    case TDISP_EV_DMA:
        trace_tdisp_dma(rid, arg0, arg1, arg2);
        break;
    case TDISP_EV_DOE_ABORT:
        trace_tdisp_doe_abort(rid);
        break;
    case TDISP_EV_REMOVED:
        trace_tdisp_removed(rid, arg0);
        break;
    case TDISP_EV_SESSION:
        trace_tdisp_session(rid, arg0, arg1 ? "opened" : "ended");
        break;
    case TDISP_EV_POWER:
        trace_tdisp_power(rid, arg0);
        break;
    case TDISP_EV_VF:
        trace_tdisp_vf(rid, arg0);
        break;
    default:
        g_assert_not_reached();
    }
}

void tdisp_log(PCIDevice *dev, uint32_t type, uint32_t arg0, uint32_t arg1,
               uint32_t arg2)
{
    uint32_t *entry = entries[count % TDISP_CTL_LOG_SIZE];
    uint64_t now = qemu_clock_get_ns(QEMU_CLOCK_VIRTUAL);
    uint16_t rid = tdisp_rid(dev);

    entry[TDISP_LOG_SEQ / 4] = count;
    entry[TDISP_LOG_RID / 4] = rid;
    entry[TDISP_LOG_TYPE / 4] = type;
    entry[TDISP_LOG_ARG0 / 4] = arg0;
    entry[TDISP_LOG_ARG1 / 4] = arg1;
    entry[TDISP_LOG_ARG2 / 4] = arg2;
    entry[TDISP_LOG_TIME_NS / 4] = now;
    entry[TDISP_LOG_TIME_NS / 4 + 1] = now >> 32;
    count++;
    trace_event(rid, type, arg0, arg1, arg2);
}

void tdisp_log_reset(void)
{
    memset(entries, 0, sizeof(entries));
    count = 0;
}

uint32_t tdisp_log_count(void)
{
    return count;
}

/* A word of the log at a byte offset below SIZE * ENTRY_SIZE */
uint32_t tdisp_log_read(uint32_t offset)
{
    uint32_t word = offset / 4;

    return entries[word / ENTRY_WORDS][word % ENTRY_WORDS];
}
