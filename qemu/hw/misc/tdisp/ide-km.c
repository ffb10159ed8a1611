/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TDISP test device: IDE_KM responder (PCIe r6.0 section 6.33.3). Keys are
 * accepted and forgotten, only their presence is kept.
 */
#include "qemu/osdep.h"
#include "hw/pci/pci_bus.h"
#include "internal.h"

#define QUERY_SIZE      3
#define QUERY_RESP_HDR  7
#define SUB_RESERVED    0x0c

/* One bit per direction of a sub-stream, or 0 for a value that is not one */
static uint8_t sub_stream_bit(uint8_t val)
{
    unsigned sub = val >> 4;

    if ((val & SUB_RESERVED) || sub >= IDE_KM_NR_SUB_STREAMS) {
        return 0;
    }
    return 1u << (sub * 2 + !!(val & IDE_KM_SUB_TX));
}

static size_t query(TdispDsm *dsm, const uint8_t *req, size_t len,
                    uint8_t *rsp, uint8_t *error)
{
    PCIDevice *dev = &dsm->fn[0]->parent_obj;

    if (len != QUERY_SIZE || req[2] != 0) {
        *error = SPDM_ERR_INVALID_REQUEST;
        return 0;
    }
    rsp[0] = IDE_KM_QUERY_RESP;
    rsp[1] = 0;
    rsp[2] = 0;                         /* port index */
    rsp[3] = dev->devfn;
    rsp[4] = pci_dev_bus_num(dev);
    rsp[5] = 0;                         /* segment */
    rsp[6] = 0;                         /* highest port index */
    return QUERY_RESP_HDR + tdisp_ide_dump(&dsm->ide, rsp + QUERY_RESP_HDR);
}

/*
 * K_GOSTOP_ACK has no status in the specification, a reserved byte is in its
 * place. The test device puts one there, the numbers of KP_ACK.
 */
static size_t key_message(TdispDsm *dsm, const uint8_t *req, size_t len,
                          uint8_t *rsp, uint8_t *error)
{
    size_t want = req[0] == IDE_KM_KEY_PROG ? IDE_KM_KEY_PROG_SIZE :
                                              IDE_KM_HDR_SIZE;
    uint8_t status = IDE_KM_OK;
    uint8_t id, bit;
    unsigned set;

    if (len < IDE_KM_HDR_SIZE) {
        *error = SPDM_ERR_INVALID_REQUEST;
        return 0;
    }
    id = req[IDE_KM_STREAM_OFF];
    set = req[IDE_KM_SUB_STREAM_OFF] & IDE_KM_SUB_KEY_SET;
    bit = sub_stream_bit(req[IDE_KM_SUB_STREAM_OFF]);

    if (len != want) {
        status = IDE_KM_BAD_LENGTH;
    } else if (req[IDE_KM_PORT_OFF] != 0) {
        status = IDE_KM_BAD_PORT;
    } else if (!bit) {
        status = IDE_KM_UNSUPPORTED_VALUE;
    } else if (req[0] == IDE_KM_KEY_PROG) {
        tdisp_ide_key_prog(dsm, id, set, bit, &status);
    } else if (req[0] == IDE_KM_K_SET_GO) {
        tdisp_ide_go(dsm, id, set, bit, &status);
    } else {
        tdisp_ide_stop(dsm, id, set, bit);
    }

    memcpy(rsp, req, IDE_KM_HDR_SIZE);
    rsp[0] = req[0] == IDE_KM_KEY_PROG ? IDE_KM_KP_ACK : IDE_KM_K_GOSTOP_ACK;
    rsp[IDE_KM_STATUS_OFF] = status;
    tdisp_log(&dsm->fn[0]->parent_obj, TDISP_EV_IDE_KM, req[0], rsp[0],
              status);
    return IDE_KM_HDR_SIZE;
}

/* Returns the length of the answer, or 0 and an SPDM error code */
size_t ide_km_message(TdispDsm *dsm, const uint8_t *req, size_t len,
                      uint8_t *rsp, uint8_t *error)
{
    if (!dsm->ide.nr_streams) {
        *error = SPDM_ERR_UNSUPPORTED_REQUEST;
        return 0;
    }
    if (len < 1) {
        *error = SPDM_ERR_INVALID_REQUEST;
        return 0;
    }
    switch (req[0]) {
    case IDE_KM_QUERY:
        len = query(dsm, req, len, rsp, error);
        if (len) {
            tdisp_log(&dsm->fn[0]->parent_obj, TDISP_EV_IDE_KM, req[0],
                      rsp[0], IDE_KM_OK);
        }
        return len;
    case IDE_KM_KEY_PROG:
    case IDE_KM_K_SET_GO:
    case IDE_KM_K_SET_STOP:
        return key_message(dsm, req, len, rsp, error);
    default:
        *error = SPDM_ERR_UNSUPPORTED_REQUEST;
        return 0;
    }
}
