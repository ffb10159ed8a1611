/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TDISP test device: IDE extended capability (PCIe r6.0 section 7.9.26) with
 * selective streams, for the endpoint and for the root port, and the keys of
 * the endpoint's streams.
 *
 * Nothing is encrypted. A stream of the endpoint is Secure while its register
 * block is enabled and all three sub-streams have a key set in use (K_SET_GO)
 * in both directions for the stream id in the block, in whichever order the
 * two came about. A stream of the root port follows: Secure while enabled and
 * the endpoint below has all keys of that id in use.
 */
#include "qemu/osdep.h"
#include "hw/pci/pci_bus.h"
#include "hw/pci/pci_bridge.h"
#include "internal.h"

#define PCI_EXT_CAP_ID_IDE_             0x30

#define IDE_CAP                         0x04
#define IDE_CAP_SELECTIVE               BIT(1)
#define IDE_CAP_IDE_KM                  BIT(6)
#define IDE_CAP_SEL_CFG                 BIT(7)
#define IDE_CAP_SEL_NUM_SHIFT           16
#define IDE_CAP_TEE_LIMITED             BIT(24)
#define IDE_SEL_BLOCK_0                 0x0c    /* no link streams */

/* Selective stream block */
#define IDE_SEL_CAP                     0x00
#define IDE_SEL_CTL                     0x04
#define IDE_SEL_CTL_EN                  BIT(0)
#define IDE_SEL_CTL_ID_SHIFT            24
#define IDE_SEL_CTL_WMASK               0xfffffefdu
#define IDE_SEL_STS                     0x08
#define IDE_SEL_STS_STATE               0xf
#define IDE_SEL_STS_INSECURE            0
#define IDE_SEL_STS_SECURE              2
#define IDE_SEL_STS_FAIL                BIT(31)
#define IDE_SEL_RID_1                   0x0c
#define IDE_SEL_RID_1_WMASK             0x00ffff00u
#define IDE_SEL_RID_2                   0x10
#define IDE_SEL_RID_2_WMASK             0xffffff01u
#define IDE_SEL_ADDR(x)                 (0x14 + (x) * 12)
#define IDE_SEL_ADDR_1_WMASK            0xffffff01u

#define ALL_GO  ((1u << (2 * IDE_KM_NR_SUB_STREAMS)) - 1)

static unsigned block_size(const TdispIde *ide)
{
    return IDE_SEL_ADDR(ide->nr_assoc);
}

static unsigned cap_size(const TdispIde *ide)
{
    return IDE_SEL_BLOCK_0 + ide->nr_streams * block_size(ide);
}

static unsigned block(const TdispIde *ide, unsigned i)
{
    return ide->offset + IDE_SEL_BLOCK_0 + i * block_size(ide);
}

static uint32_t block_ctl(const TdispIde *ide, unsigned i)
{
    return pci_get_long(ide->dev->config + block(ide, i) + IDE_SEL_CTL);
}

static bool block_enabled(const TdispIde *ide, unsigned i)
{
    return block_ctl(ide, i) & IDE_SEL_CTL_EN;
}

static uint8_t block_id(const TdispIde *ide, unsigned i)
{
    return block_ctl(ide, i) >> IDE_SEL_CTL_ID_SHIFT;
}

static bool block_secure(const TdispIde *ide, unsigned i)
{
    uint8_t *sts = ide->dev->config + block(ide, i) + IDE_SEL_STS;

    return (pci_get_long(sts) & IDE_SEL_STS_STATE) == IDE_SEL_STS_SECURE;
}

/* Returns whether the state changed; logs it under the id given */
static bool block_set_secure(const TdispIde *ide, unsigned i, uint8_t id,
                             bool secure)
{
    uint8_t *sts = ide->dev->config + block(ide, i) + IDE_SEL_STS;
    uint32_t val = pci_get_long(sts) & ~IDE_SEL_STS_STATE;

    if (block_secure(ide, i) == secure) {
        return false;
    }
    val |= secure ? IDE_SEL_STS_SECURE : IDE_SEL_STS_INSECURE;
    pci_set_long(sts, val);
    tdisp_log(ide->dev, TDISP_EV_STREAM, id, secure, 0);
    return true;
}

void tdisp_ide_init(TdispIde *ide, PCIDevice *dev, uint8_t nr_streams)
{
    unsigned i, j;

    *ide = (TdispIde) {
        .dev = dev,
        .offset = TDISP_IDE_OFFSET,
        .nr_streams = nr_streams,
        .nr_assoc = TDISP_IDE_NR_ASSOC,
    };
    pcie_add_capability(dev, PCI_EXT_CAP_ID_IDE_, 1, ide->offset,
                        cap_size(ide));
    pci_set_long(dev->config + ide->offset + IDE_CAP,
                 IDE_CAP_SELECTIVE | IDE_CAP_IDE_KM | IDE_CAP_SEL_CFG |
                 IDE_CAP_TEE_LIMITED |
                 (nr_streams - 1) << IDE_CAP_SEL_NUM_SHIFT);
    for (i = 0; i < nr_streams; i++) {
        uint8_t *wmask = dev->wmask + block(ide, i);

        pci_set_long(dev->config + block(ide, i) + IDE_SEL_CAP, ide->nr_assoc);
        pci_set_long(wmask + IDE_SEL_CTL, IDE_SEL_CTL_WMASK);
        pci_set_long(dev->w1cmask + block(ide, i) + IDE_SEL_STS,
                     IDE_SEL_STS_FAIL);
        pci_set_long(wmask + IDE_SEL_RID_1, IDE_SEL_RID_1_WMASK);
        pci_set_long(wmask + IDE_SEL_RID_2, IDE_SEL_RID_2_WMASK);
        for (j = 0; j < ide->nr_assoc; j++) {
            pci_set_long(wmask + IDE_SEL_ADDR(j), IDE_SEL_ADDR_1_WMASK);
            pci_set_long(wmask + IDE_SEL_ADDR(j) + 4, 0xffffffff);
            pci_set_long(wmask + IDE_SEL_ADDR(j) + 8, 0xffffffff);
        }
    }
}

/* Conventional reset; the caller drops the keys */
void tdisp_ide_reset(TdispIde *ide)
{
    unsigned i;

    for (i = 0; i < ide->nr_streams; i++) {
        uint8_t *config = ide->dev->config + block(ide, i);

        block_set_secure(ide, i, block_id(ide, i), false);
        memset(config + IDE_SEL_CTL, 0, block_size(ide) - IDE_SEL_CTL);
    }
}

/* The registers after the capability header, for QUERY_RESP */
size_t tdisp_ide_dump(const TdispIde *ide, uint8_t *buf)
{
    size_t size = cap_size(ide) - IDE_CAP;

    memcpy(buf, ide->dev->config + ide->offset + IDE_CAP, size);
    return size;
}

bool tdisp_ide_id_secure(const TdispIde *ide, uint8_t id)
{
    unsigned i;

    for (i = 0; i < ide->nr_streams; i++) {
        if (block_secure(ide, i) && block_id(ide, i) == id) {
            return true;
        }
    }
    return false;
}

static TdispStreamKeys *find_keys(TdispDsm *dsm, uint8_t id)
{
    unsigned i;

    for (i = 0; i < TDISP_EP_STREAMS; i++) {
        if (dsm->keys[i].used && dsm->keys[i].id == id) {
            return &dsm->keys[i];
        }
    }
    return NULL;
}

static void drop_keys(TdispDsm *dsm, uint8_t id)
{
    TdispStreamKeys *keys = find_keys(dsm, id);

    if (keys) {
        *keys = (TdispStreamKeys) { };
    }
}

static bool has_block(const TdispIde *ide, uint8_t id)
{
    unsigned i;

    for (i = 0; i < ide->nr_streams; i++) {
        if (block_id(ide, i) == id) {
            return true;
        }
    }
    return false;
}

static bool all_go(const TdispStreamKeys *keys)
{
    return keys && keys->used && (keys->go[0] | keys->go[1]) == ALL_GO;
}

/*
 * Take a key. The stream id must stand in a register block: host software
 * writes it there before it programs keys. Sets the KP_ACK status; returns
 * whether the key was taken.
 */
bool tdisp_ide_key_prog(TdispDsm *dsm, uint8_t id, unsigned set, uint8_t bit,
                        uint8_t *status)
{
    TdispStreamKeys *keys = find_keys(dsm, id);
    unsigned i;

    for (i = 0; !keys && has_block(&dsm->ide, id) && i < TDISP_EP_STREAMS;
         i++) {
        if (!dsm->keys[i].used) {
            keys = &dsm->keys[i];
            *keys = (TdispStreamKeys) { .used = true, .id = id };
        }
    }
    if (!keys) {
        *status = IDE_KM_UNSUPPORTED_VALUE;
        return false;
    }
    /* A key set in use on a Secure stream can only be replaced by the other */
    if ((keys->go[set] & bit) && tdisp_ide_id_secure(&dsm->ide, id)) {
        *status = IDE_KM_UNSPECIFIED;
        return false;
    }
    keys->keyed[set] |= bit;
    keys->go[set] &= ~bit;
    *status = IDE_KM_OK;
    return true;
}

/* Use a key for its sub-stream and direction; the other set's is gone */
void tdisp_ide_go(TdispDsm *dsm, uint8_t id, unsigned set, uint8_t bit,
                  uint8_t *status)
{
    TdispStreamKeys *keys = find_keys(dsm, id);

    if (!keys || !(keys->keyed[set] & bit)) {
        *status = IDE_KM_UNSPECIFIED;
        return;
    }
    if (!(keys->go[set] & bit)) {
        keys->go[set] |= bit;
        keys->go[!set] &= ~bit;
        keys->keyed[!set] &= ~bit;
    }
    *status = IDE_KM_OK;
    tdisp_ide_update(dsm);
}

/* Also fine for a stream that has no keys */
void tdisp_ide_stop(TdispDsm *dsm, uint8_t id, unsigned set, uint8_t bit)
{
    TdispStreamKeys *keys = find_keys(dsm, id);

    if (keys) {
        keys->go[set] &= ~bit;
        keys->keyed[set] &= ~bit;
        tdisp_ide_update(dsm);
    }
}

/*
 * Bring the status registers of the endpoint and of the root port above it in
 * line with enable bits and keys. Keys do not survive a stream that leaves
 * Secure, nor another id in its block.
 */
void tdisp_ide_update(TdispDsm *dsm)
{
    TdispIde *ide = &dsm->ide;
    PCIDevice *port;
    unsigned i;

    for (i = 0; i < ide->nr_streams; i++) {
        bool was = block_secure(ide, i);
        uint8_t id = was ? dsm->secure_id[i] : block_id(ide, i);
        bool secure = block_enabled(ide, i) && block_id(ide, i) == id &&
                      all_go(find_keys(dsm, id)) && !dsm->removed;

        dsm->secure_id[i] = id;
        if (block_set_secure(ide, i, id, secure) && !secure) {
            drop_keys(dsm, id);
            tdi_stream_lost(dsm, id);
        }
    }
    for (i = 0; i < TDISP_EP_STREAMS; i++) {
        if (dsm->keys[i].used && !has_block(ide, dsm->keys[i].id)) {
            drop_keys(dsm, dsm->keys[i].id);
        }
    }
    port = pci_bridge_get_device(pci_get_bus(&dsm->fn[0]->parent_obj));
    if (port && object_dynamic_cast(OBJECT(port), TYPE_TDISP_ROOT_PORT)) {
        tdisp_ide_update_port(port);
    }
}

void tdisp_ide_drop_keys(TdispDsm *dsm)
{
    memset(dsm->keys, 0, sizeof(dsm->keys));
}

TdispIde tdisp_ide_of_port(PCIDevice *port)
{
    return (TdispIde) {
        .dev = port,
        .offset = TDISP_IDE_OFFSET,
        .nr_streams = TDISP_RP_STREAMS,
        .nr_assoc = TDISP_IDE_NR_ASSOC,
    };
}

/* The root port's half: it has no keys of its own */
void tdisp_ide_update_port(PCIDevice *port)
{
    PCIBus *bus = pci_bridge_get_sec_bus(PCI_BRIDGE(port));
    Object *ep = OBJECT(bus->devices[0]);
    TdispIde ide = tdisp_ide_of_port(port);
    TdispDsm *dsm = NULL;
    unsigned i;

    if (ep && object_dynamic_cast(ep, TYPE_TDISP_TESTDEV)) {
        dsm = TDISP_TESTDEV(ep)->dsm;
    }
    for (i = 0; i < ide.nr_streams; i++) {
        uint8_t id = block_id(&ide, i);
        bool secure = dsm && !dsm->removed && block_enabled(&ide, i) &&
                      all_go(find_keys(dsm, id));

        block_set_secure(&ide, i, id, secure);
    }
}

/* Whether an endpoint sits directly below a root port with IDE */
bool tdisp_ide_below_port(PCIDevice *dev)
{
    PCIDevice *port = pci_bridge_get_device(pci_get_bus(dev));

    return port && object_dynamic_cast(OBJECT(port), TYPE_TDISP_ROOT_PORT);
}
