/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * QTest of the TDISP test device: configuration space, DOE, SPDM, the null
 * cipher session, TDISP, IDE_KM, fault injection and the event log.
 *
 * The extended configuration space is reached through the ECAM window of q35;
 * bridges and BARs are set up by hand, at fixed addresses.
 */
#include "qemu/osdep.h"
#include "libqtest.h"
#include "qemu/bitops.h"
#include "qemu/bswap.h"
#include "qemu/units.h"
#include "standard-headers/linux/pci_regs.h"
#include "hw/misc/tdisp-proto.h"
#include "hw/misc/tdisp-testdev.h"

#define ECAM                0xb0000000u
#define MEM_SIZE            (1 * MiB)
#define BDF(b, d, f)        ((b) << 8 | (d) << 3 | (f))

#define IDE_CAP_ID          0x30
#define IDE_SEL_NUM         2
#define IDE_BLOCK(i)        (0x0c + (i) * (0x14 + 2 * 12))
#define IDE_CTL             0x04
#define IDE_STS             0x08
#define IDE_RID_1           0x0c
#define IDE_ADDR_1          0x14
#define IDE_CTL_EN          1
#define IDE_SECURE          2

#define DOE_CTRL            0x08
#define DOE_STATUS          0x0c
#define DOE_WRITE           0x10
#define DOE_READ            0x14
#define DOE_ABORT           BIT(0)
#define DOE_GO              BIT(31)
#define DOE_BUSY            BIT(0)
#define DOE_ERROR           BIT(2)
#define DOE_READY           BIT(31)

#define CTL_BAR             0xc0500000u
#define DMA_BUF             0x1000000u  /* guest RAM */
#define MSI_ADDR            0x1800000u
#define MSG_MAX             16384

typedef struct Dev {
    uint16_t bdf;               /* of the function under test */
    uint16_t mbox;              /* of function 0 */
    uint16_t port;              /* 0: integrated */
    unsigned index;             /* at tdisp-testctl */
    uint64_t regs;
    uint64_t mem;
    uint64_t msix;
    uint8_t stream;
    uint32_t session;
} Dev;

static QTestState *qts;

/* The devices of the test machine; see start() */
static Dev multi[4];
static Dev single;
static Dev rciep;

/* Configuration space */

static uint64_t ecam(uint16_t bdf, unsigned off)
{
    return ECAM + ((uint64_t)bdf << 12) + off;
}

static uint32_t cfg_readl(uint16_t bdf, unsigned off)
{
    return qtest_readl(qts, ecam(bdf, off));
}

static uint16_t cfg_readw(uint16_t bdf, unsigned off)
{
    return qtest_readw(qts, ecam(bdf, off));
}

static uint8_t cfg_readb(uint16_t bdf, unsigned off)
{
    return qtest_readb(qts, ecam(bdf, off));
}

static void cfg_writel(uint16_t bdf, unsigned off, uint32_t val)
{
    qtest_writel(qts, ecam(bdf, off), val);
}

static void cfg_writew(uint16_t bdf, unsigned off, uint16_t val)
{
    qtest_writew(qts, ecam(bdf, off), val);
}

static void cfg_writeb(uint16_t bdf, unsigned off, uint8_t val)
{
    qtest_writeb(qts, ecam(bdf, off), val);
}

static unsigned find_cap(uint16_t bdf, uint8_t id)
{
    unsigned pos = cfg_readb(bdf, PCI_CAPABILITY_LIST);

    while (pos && cfg_readb(bdf, pos) != id) {
        pos = cfg_readb(bdf, pos + 1);
    }
    return pos;
}

static unsigned find_ext_cap(uint16_t bdf, uint16_t id)
{
    unsigned pos = PCI_CFG_SPACE_SIZE;

    while (pos) {
        uint32_t header = cfg_readl(bdf, pos);

        if (header && PCI_EXT_CAP_ID(header) == id) {
            return pos;
        }
        pos = PCI_EXT_CAP_NEXT(header);
    }
    return 0;
}

static void set_command(Dev *dev, uint16_t bits)
{
    cfg_writew(dev->bdf, PCI_COMMAND, bits);
}

#define ON  (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER)

static void place_bars(Dev *dev)
{
    cfg_writel(dev->bdf, PCI_BASE_ADDRESS_0, dev->regs);
    cfg_writel(dev->bdf, PCI_BASE_ADDRESS_2, dev->mem);
    cfg_writel(dev->bdf, PCI_BASE_ADDRESS_3, dev->mem >> 32);
    cfg_writel(dev->bdf, PCI_BASE_ADDRESS_4, dev->msix);
    set_command(dev, ON);
}

static void flr(Dev *dev)
{
    unsigned exp = find_cap(dev->bdf, PCI_CAP_ID_EXP);
    uint16_t devctl = cfg_readw(dev->bdf, exp + PCI_EXP_DEVCTL);

    cfg_writew(dev->bdf, exp + PCI_EXP_DEVCTL,
               devctl | PCI_EXP_DEVCTL_BCR_FLR);
}

/* The same by the capability for Advanced Features */
static void af_flr(Dev *dev)
{
    unsigned af = find_cap(dev->bdf, PCI_CAP_ID_AF);

    g_assert_cmpuint(af, !=, 0);
    cfg_writeb(dev->bdf, af + PCI_AF_CTRL, PCI_AF_CTRL_FLR);
    g_assert_cmphex(cfg_readb(dev->bdf, af + PCI_AF_CTRL), ==, 0);
}

/* tdisp-testctl and its log */

static uint32_t ctl_read(unsigned reg)
{
    return qtest_readl(qts, CTL_BAR + reg);
}

static void ctl_write(unsigned reg, uint32_t val)
{
    qtest_writel(qts, CTL_BAR + reg, val);
}

static uint32_t fn_ctl_read(Dev *dev, unsigned reg)
{
    ctl_write(TDISP_CTL_SELECT, dev->index);
    return ctl_read(reg);
}

static void fn_ctl_write(Dev *dev, unsigned reg, uint32_t val)
{
    ctl_write(TDISP_CTL_SELECT, dev->index);
    ctl_write(reg, val);
}

static uint32_t log_word(unsigned n, unsigned off)
{
    return ctl_read(TDISP_CTL_LOG +
                    n % TDISP_CTL_LOG_SIZE * TDISP_LOG_ENTRY_SIZE + off);
}

static void assert_log(unsigned n, Dev *dev, uint32_t type, uint32_t arg0,
                       uint32_t arg1, uint32_t arg2)
{
    g_assert_cmpuint(log_word(n, TDISP_LOG_SEQ), ==, n);
    g_assert_cmphex(log_word(n, TDISP_LOG_TYPE), ==, type);
    g_assert_cmphex(log_word(n, TDISP_LOG_RID), ==, dev->bdf);
    g_assert_cmphex(log_word(n, TDISP_LOG_ARG0), ==, arg0);
    g_assert_cmphex(log_word(n, TDISP_LOG_ARG1), ==, arg1);
    g_assert_cmphex(log_word(n, TDISP_LOG_ARG2), ==, arg2);
}

/* Index of the first such entry, or -1 */
static int find_log(uint16_t rid, uint32_t type, uint32_t arg0, uint32_t arg1)
{
    unsigned n, count = ctl_read(TDISP_CTL_LOG_COUNT);

    for (n = 0; n < count; n++) {
        if (log_word(n, TDISP_LOG_RID) == rid &&
            log_word(n, TDISP_LOG_TYPE) == type &&
            log_word(n, TDISP_LOG_ARG0) == arg0 &&
            log_word(n, TDISP_LOG_ARG1) == arg1) {
            return n;
        }
    }
    return -1;
}

/* DOE */

static unsigned doe_cap(Dev *dev)
{
    unsigned pos = find_ext_cap(dev->mbox, PCI_EXT_CAP_ID_DOE);

    g_assert_cmpuint(pos, !=, 0);
    return pos;
}

static void doe_send(Dev *dev, uint8_t type, const void *req, size_t len)
{
    unsigned pos = doe_cap(dev);
    size_t dw = DIV_ROUND_UP(len, 4);
    size_t i;

    cfg_writel(dev->mbox, pos + DOE_WRITE, 1 | type << 16);
    cfg_writel(dev->mbox, pos + DOE_WRITE, 2 + dw);
    for (i = 0; i < dw; i++) {
        uint8_t buf[4] = { };

        memcpy(buf, (const uint8_t *)req + i * 4, MIN(4, len - i * 4));
        cfg_writel(dev->mbox, pos + DOE_WRITE, ldl_le_p(buf));
    }
    cfg_writel(dev->mbox, pos + DOE_CTRL, DOE_GO);
}

static uint32_t doe_status(Dev *dev)
{
    return cfg_readl(dev->mbox, doe_cap(dev) + DOE_STATUS);
}

static size_t doe_receive(Dev *dev, uint8_t type, void *rsp)
{
    unsigned pos = doe_cap(dev);
    size_t i, dw;

    g_assert_cmphex(doe_status(dev) & (DOE_READY | DOE_ERROR), ==, DOE_READY);
    g_assert_cmphex(cfg_readl(dev->mbox, pos + DOE_READ), ==, 1 | type << 16);
    cfg_writel(dev->mbox, pos + DOE_READ, 0);
    dw = cfg_readl(dev->mbox, pos + DOE_READ) & 0x3ffff;
    cfg_writel(dev->mbox, pos + DOE_READ, 0);
    g_assert_cmpuint(dw, >, 2);
    g_assert_cmpuint(dw * 4, <=, MSG_MAX);
    for (i = 0; i < dw - 2; i++) {
        stl_le_p((uint8_t *)rsp + i * 4, cfg_readl(dev->mbox, pos + DOE_READ));
        cfg_writel(dev->mbox, pos + DOE_READ, 0);
    }
    g_assert_cmphex(doe_status(dev), ==, 0);
    return (dw - 2) * 4;
}

static size_t doe(Dev *dev, uint8_t type, const void *req, size_t len,
                  void *rsp)
{
    doe_send(dev, type, req, len);
    return doe_receive(dev, type, rsp);
}

/* SPDM */

static size_t spdm(Dev *dev, uint8_t code, uint8_t param1, uint8_t param2,
                   const void *body, size_t len, uint8_t *rsp)
{
    uint8_t req[256] = {
        code == SPDM_GET_VERSION ? SPDM_VERSION_10 : SPDM_VERSION_12,
        code, param1, param2
    };

    g_assert_cmpuint(SPDM_HDR_SIZE + len, <=, sizeof(req));
    if (len) {
        memcpy(req + SPDM_HDR_SIZE, body, len);
    }
    return doe(dev, TDISP_DOE_CMA, req, SPDM_HDR_SIZE + len, rsp);
}

static void assert_spdm_error(const uint8_t *rsp, uint8_t error)
{
    g_assert_cmphex(rsp[1], ==, SPDM_ERROR);
    g_assert_cmphex(rsp[2], ==, error);
}

/* A message in a record; returns the length of the application data */
static size_t secured_id(Dev *dev, uint32_t id, const void *app, size_t len,
                         uint8_t *rsp)
{
    g_autofree uint8_t *req = g_malloc0(MSG_MAX);
    g_autofree uint8_t *buf = g_malloc0(MSG_MAX);
    size_t n, app_len;

    stl_le_p(req, id);
    stw_le_p(req + 4, 2 + len + SPDM_SECURED_MAC_SIZE);
    stw_le_p(req + 6, len);
    memcpy(req + 8, app, len);
    n = doe(dev, TDISP_DOE_SECURED_CMA, req, 8 + len + SPDM_SECURED_MAC_SIZE,
            buf);
    g_assert_cmpuint(n, >=, 8 + SPDM_SECURED_MAC_SIZE);
    g_assert_cmphex(ldl_le_p(buf), ==, id);
    app_len = lduw_le_p(buf + 6);
    g_assert_cmpuint(lduw_le_p(buf + 4), ==,
                     2 + app_len + SPDM_SECURED_MAC_SIZE);
    g_assert_cmpuint(n, ==, ROUND_UP(8 + app_len + SPDM_SECURED_MAC_SIZE, 4));
    memcpy(rsp, buf + 8, app_len);
    return app_len;
}

static size_t secured(Dev *dev, const void *app, size_t len, uint8_t *rsp)
{
    return secured_id(dev, dev->session, app, len, rsp);
}

/* A payload of a protocol in the session; 0 and rsp for an SPDM error */
static size_t vdm(Dev *dev, uint8_t proto, const void *payload, size_t len,
                  uint8_t *rsp)
{
    g_autofree uint8_t *req = g_malloc0(MSG_MAX);
    g_autofree uint8_t *buf = g_malloc0(MSG_MAX);
    size_t n;

    req[0] = SPDM_VERSION_12;
    req[1] = SPDM_VENDOR_DEFINED_REQUEST;
    stw_le_p(req + 4, SPDM_VDM_STANDARD_PCISIG);
    req[6] = 2;
    stw_le_p(req + 7, SPDM_VDM_VENDOR_PCISIG);
    stw_le_p(req + 9, len + 1);
    req[11] = proto;
    memcpy(req + SPDM_VDM_HDR_SIZE, payload, len);
    n = secured(dev, req, SPDM_VDM_HDR_SIZE + len, buf);
    if (buf[1] == SPDM_ERROR) {
        memcpy(rsp, buf, n);
        return 0;
    }
    g_assert_cmphex(buf[1], ==, SPDM_VENDOR_DEFINED_RESPONSE);
    g_assert_cmpuint(lduw_le_p(buf + 9), ==, n - (SPDM_VDM_HDR_SIZE - 1));
    g_assert_cmphex(buf[11], ==, proto);
    memcpy(rsp, buf + SPDM_VDM_HDR_SIZE, n - SPDM_VDM_HDR_SIZE);
    return n - SPDM_VDM_HDR_SIZE;
}

static void spdm_negotiate(Dev *dev)
{
    uint8_t body[SPDM_ALGORITHMS_SIZE] = { };
    g_autofree uint8_t *rsp = g_malloc0(MSG_MAX);

    spdm(dev, SPDM_GET_VERSION, 0, 0, NULL, 0, rsp);
    g_assert_cmphex(rsp[1], ==, SPDM_RSP(SPDM_GET_VERSION));
    g_assert_cmphex(rsp[SPDM_VERSION_COUNT_OFF], ==, 1);
    g_assert_cmphex(lduw_le_p(rsp + SPDM_VERSION_ENTRY_OFF), ==, 0x1200);
    spdm(dev, SPDM_GET_CAPABILITIES, 0, 0, body,
         SPDM_CAPS_SIZE - SPDM_HDR_SIZE, rsp);
    g_assert_cmphex(rsp[1], ==, SPDM_RSP(SPDM_GET_CAPABILITIES));
    g_assert_cmphex(ldl_le_p(rsp + SPDM_CAPS_FLAGS_OFF) & SPDM_CAP_PSK, !=, 0);
    spdm(dev, SPDM_NEGOTIATE_ALGORITHMS, 0, 0, body,
         SPDM_ALGORITHMS_SIZE - SPDM_HDR_SIZE, rsp);
    g_assert_cmphex(rsp[1], ==, SPDM_RSP(SPDM_NEGOTIATE_ALGORITHMS));
}

static size_t psk_exchange(Dev *dev, const char *hint, uint8_t *rsp)
{
    uint8_t body[64] = { };

    stw_le_p(body, 0xbeef);
    stw_le_p(body + 2, strlen(hint));
    memcpy(body + 8, hint, strlen(hint));
    return spdm(dev, SPDM_PSK_EXCHANGE, 0, 0, body, 8 + strlen(hint), rsp);
}

static void open_session(Dev *dev)
{
    uint8_t finish[] = { SPDM_VERSION_12, SPDM_PSK_FINISH, 0, 0 };
    g_autofree uint8_t *rsp = g_malloc0(MSG_MAX);
    unsigned i;

    spdm_negotiate(dev);
    psk_exchange(dev, SPDM_NULL_CIPHER_HINT, rsp);
    g_assert_cmphex(rsp[1], ==, SPDM_RSP(SPDM_PSK_EXCHANGE));
    dev->session = (uint32_t)lduw_le_p(rsp + 4) << 16 | 0xbeef;
    secured(dev, finish, sizeof(finish), rsp);
    g_assert_cmphex(rsp[1], ==, SPDM_RSP(SPDM_PSK_FINISH));
    if (dev == &multi[0]) {
        for (i = 1; i < ARRAY_SIZE(multi); i++) {
            multi[i].session = dev->session;
        }
    }
}

/* TDISP; returns the length of the body, the message type in *type */

static size_t tdisp_raw(Dev *dev, uint8_t version, uint8_t code, uint32_t id,
                        const void *body, size_t len, uint8_t *type,
                        uint8_t *rsp_body)
{
    uint8_t req[128] = { version, code };
    g_autofree uint8_t *rsp = g_malloc0(MSG_MAX);
    size_t n;

    g_assert_cmpuint(TDISP_HDR_SIZE + len, <=, sizeof(req));
    stl_le_p(req + 4, id);
    if (len) {
        memcpy(req + TDISP_HDR_SIZE, body, len);
    }
    n = vdm(dev, SPDM_VDM_PROTO_TDISP, req, TDISP_HDR_SIZE + len, rsp);
    g_assert_cmpuint(n, >=, TDISP_HDR_SIZE);
    g_assert_cmphex(rsp[0], ==, TDISP_VERSION_10);
    g_assert_cmphex(ldl_le_p(rsp + 4), ==, id);
    *type = rsp[1];
    n -= TDISP_HDR_SIZE;
    memcpy(rsp_body, rsp + TDISP_HDR_SIZE, n);
    return n;
}

/* 0 or the TDISP error code */
static uint32_t tdisp_body(Dev *dev, uint8_t code, const void *body, size_t len,
                           uint8_t *rsp, size_t *rsp_len)
{
    uint8_t type;

    *rsp_len = tdisp_raw(dev, TDISP_VERSION_10, code, dev->bdf, body, len,
                         &type, rsp);
    if (type == TDISP_ERROR) {
        g_assert_cmpuint(*rsp_len, ==, TDISP_ERROR_RSP_SIZE);
        return ldl_le_p(rsp);
    }
    g_assert_cmphex(type, ==, TDISP_RSP(code));
    return 0;
}

static uint32_t tdisp(Dev *dev, uint8_t code, const void *body, size_t len)
{
    g_autofree uint8_t *rsp = g_malloc0(MSG_MAX);
    size_t rsp_len;

    return tdisp_body(dev, code, body, len, rsp, &rsp_len);
}

static uint32_t lock_flags(Dev *dev, uint16_t flags, uint64_t offset,
                           uint8_t *nonce)
{
    g_autofree uint8_t *rsp = g_malloc0(MSG_MAX);
    uint8_t req[TDISP_LOCK_REQ_SIZE] = { };
    size_t len;
    uint32_t error;

    stw_le_p(req + TDISP_LOCK_FLAGS_OFF, flags);
    req[TDISP_LOCK_STREAM_OFF] = dev->stream;
    stq_le_p(req + TDISP_LOCK_MMIO_OFFSET_OFF, offset);
    error = tdisp_body(dev, TDISP_LOCK_INTERFACE, req, sizeof(req), rsp, &len);
    if (!error) {
        g_assert_cmpuint(len, ==, TDISP_NONCE_SIZE);
        memcpy(nonce, rsp, TDISP_NONCE_SIZE);
    }
    return error;
}

static uint32_t lock(Dev *dev, uint8_t *nonce)
{
    return lock_flags(dev, 0, 0, nonce);
}

static uint32_t start_tdi(Dev *dev, const uint8_t *nonce)
{
    return tdisp(dev, TDISP_START_INTERFACE, nonce, TDISP_NONCE_SIZE);
}

static uint32_t stop(Dev *dev)
{
    return tdisp(dev, TDISP_STOP_INTERFACE, NULL, 0);
}

static uint8_t state(Dev *dev)
{
    g_autofree uint8_t *rsp = g_malloc0(MSG_MAX);
    size_t len;

    g_assert_cmphex(tdisp_body(dev, TDISP_GET_INTERFACE_STATE, NULL, 0, rsp,
                               &len), ==, 0);
    g_assert_cmpuint(len, ==, TDISP_STATE_RSP_SIZE);
    g_assert_cmpuint(rsp[0], ==, fn_ctl_read(dev, TDISP_CTL_STATE));
    return rsp[0];
}

static void assert_state(Dev *dev, uint8_t want)
{
    g_assert_cmpuint(state(dev), ==, want);
}

static void lock_ok(Dev *dev, uint8_t *nonce)
{
    g_assert_cmphex(lock(dev, nonce), ==, 0);
    assert_state(dev, TDISP_STATE_LOCKED);
}

static void run(Dev *dev)
{
    uint8_t nonce[TDISP_NONCE_SIZE];

    lock_ok(dev, nonce);
    g_assert_cmphex(start_tdi(dev, nonce), ==, 0);
    assert_state(dev, TDISP_STATE_RUN);
}

static void stop_ok(Dev *dev)
{
    g_assert_cmphex(stop(dev), ==, 0);
    assert_state(dev, TDISP_STATE_UNLOCKED);
}

static size_t read_report(Dev *dev, uint8_t *report, unsigned *portions)
{
    g_autofree uint8_t *rsp = g_malloc0(MSG_MAX);
    uint8_t req[TDISP_REPORT_REQ_SIZE];
    uint16_t offset = 0, portion, left;
    size_t len;

    *portions = 0;
    do {
        stw_le_p(req, offset);
        stw_le_p(req + 2, 0xffff);
        g_assert_cmphex(tdisp_body(dev, TDISP_GET_INTERFACE_REPORT, req,
                                   sizeof(req), rsp, &len), ==, 0);
        portion = lduw_le_p(rsp);
        left = lduw_le_p(rsp + 2);
        g_assert_cmpuint(len, ==, TDISP_REPORT_RSP_HDR_SIZE + portion);
        g_assert_cmpuint(portion, !=, 0);
        memcpy(report + offset, rsp + TDISP_REPORT_RSP_HDR_SIZE, portion);
        offset += portion;
        (*portions)++;
    } while (left);
    return offset;
}

/* IDE */

static unsigned ide_ctl(uint16_t bdf, unsigned block)
{
    return find_ext_cap(bdf, IDE_CAP_ID) + IDE_BLOCK(block) + IDE_CTL;
}

static uint8_t ide_status(uint16_t bdf, unsigned block)
{
    return cfg_readl(bdf, ide_ctl(bdf, block) - IDE_CTL + IDE_STS) & 0xf;
}

static void ide_set(uint16_t bdf, unsigned block, uint8_t id, bool enable)
{
    cfg_writel(bdf, ide_ctl(bdf, block),
               (uint32_t)id << 24 | (enable ? IDE_CTL_EN : 0));
}

/* 0xff for an SPDM error, else the status */
static uint8_t ide_km(Dev *dev, uint8_t object, uint8_t id, uint8_t sub)
{
    uint8_t req[IDE_KM_KEY_PROG_SIZE] = { object };
    g_autofree uint8_t *rsp = g_malloc0(MSG_MAX);
    size_t len;

    req[IDE_KM_STREAM_OFF] = id;
    req[IDE_KM_SUB_STREAM_OFF] = sub;
    memset(req + IDE_KM_HDR_SIZE, 0xa5, IDE_KM_KEY_SIZE + IDE_KM_IFV_SIZE);
    len = vdm(dev, SPDM_VDM_PROTO_IDE_KM, req,
              object == IDE_KM_KEY_PROG ? IDE_KM_KEY_PROG_SIZE :
                                          IDE_KM_HDR_SIZE, rsp);
    if (!len) {
        return 0xff;
    }
    g_assert_cmpuint(len, ==, IDE_KM_HDR_SIZE);
    g_assert_cmphex(rsp[0], ==, object == IDE_KM_KEY_PROG ?
                                IDE_KM_KP_ACK : IDE_KM_K_GOSTOP_ACK);
    g_assert_cmphex(rsp[IDE_KM_STREAM_OFF], ==, id);
    g_assert_cmphex(rsp[IDE_KM_SUB_STREAM_OFF], ==, sub);
    return rsp[IDE_KM_STATUS_OFF];
}

static void ide_km_all(Dev *dev, uint8_t object, uint8_t id, uint8_t set)
{
    unsigned sub, dir;

    for (sub = 0; sub < IDE_KM_NR_SUB_STREAMS; sub++) {
        for (dir = 0; dir <= IDE_KM_SUB_TX; dir += IDE_KM_SUB_TX) {
            g_assert_cmpuint(ide_km(dev, object, id,
                                    IDE_KM_SUB_STREAM(sub) | dir | set), ==,
                             IDE_KM_OK);
        }
    }
}

/* As Linux does it: set up, keys, go, enable */
static void open_stream(Dev *dev, uint8_t id)
{
    dev->stream = id;
    ide_set(dev->mbox, 0, id, false);
    ide_set(dev->port, 0, id, false);
    ide_km_all(dev, IDE_KM_KEY_PROG, id, 0);
    ide_km_all(dev, IDE_KM_K_SET_GO, id, 0);
    g_assert_cmpuint(ide_status(dev->mbox, 0), ==, 0);
    ide_set(dev->mbox, 0, id, true);
    g_assert_cmpuint(ide_status(dev->mbox, 0), ==, IDE_SECURE);
    ide_set(dev->port, 0, id, true);
    g_assert_cmpuint(ide_status(dev->port, 0), ==, IDE_SECURE);
}

/* The machine */

static void place_bridge(uint16_t bdf, uint8_t bus, uint32_t mem,
                         uint32_t pref)
{
    cfg_writeb(bdf, PCI_PRIMARY_BUS, 0);
    cfg_writeb(bdf, PCI_SECONDARY_BUS, bus);
    cfg_writeb(bdf, PCI_SUBORDINATE_BUS, bus);
    cfg_writew(bdf, PCI_MEMORY_BASE, mem >> 16);
    cfg_writew(bdf, PCI_MEMORY_LIMIT, (mem + MiB) >> 16);
    cfg_writew(bdf, PCI_PREF_MEMORY_BASE, pref >> 16);
    cfg_writew(bdf, PCI_PREF_MEMORY_LIMIT, (pref + 7 * MiB) >> 16);
    cfg_writel(bdf, PCI_PREF_BASE_UPPER32, 0);
    cfg_writel(bdf, PCI_PREF_LIMIT_UPPER32, 0);
    cfg_writew(bdf, PCI_COMMAND, ON);
}

static void place_all(void)
{
    unsigned i;

    /* ECAM, then the way to the devices */
    qtest_outl(qts, 0xcf8, 0x80000060);
    qtest_outl(qts, 0xcfc, ECAM | 1);
    place_bridge(BDF(0, 3, 0), 1, 0xc0000000, 0xd0000000);
    place_bridge(BDF(0, 4, 0), 2, 0xc0200000, 0xd0800000);
    for (i = 0; i < ARRAY_SIZE(multi); i++) {
        place_bars(&multi[i]);
    }
    place_bars(&single);
    place_bars(&rciep);
    cfg_writel(BDF(0, 6, 0), PCI_BASE_ADDRESS_0, CTL_BAR);
    cfg_writew(BDF(0, 6, 0), PCI_COMMAND, ON);
}

static void start(const char *props)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(multi); i++) {
        multi[i] = (Dev) {
            .bdf = BDF(1, 0, i),
            .mbox = BDF(1, 0, 0),
            .port = BDF(0, 3, 0),
            .index = i,
            .regs = 0xc0000000 + i * 0x10000,
            .msix = 0xc0008000 + i * 0x10000,
            .mem = 0xd0000000 + i * MEM_SIZE,
        };
    }
    single = (Dev) {
        .bdf = BDF(2, 0, 0),
        .mbox = BDF(2, 0, 0),
        .port = BDF(0, 4, 0),
        .index = 4,
        .regs = 0xc0200000,
        .msix = 0xc0208000,
        .mem = 0xd0800000,
    };
    rciep = (Dev) {
        .bdf = BDF(0, 5, 0),
        .mbox = BDF(0, 5, 0),
        .index = 5,
        .regs = 0xc0400000,
        .msix = 0xc0408000,
        .mem = 0xd2000000,
    };
    qts = qtest_initf("-machine q35 -m 128M -nodefaults "
                      "-device tdisp-root-port,id=rp0,addr=3.0,chassis=1,slot=1 "
                      "-device tdisp-root-port,id=rp1,addr=4.0,chassis=2,slot=2 "
                      "-device tdisp-testdev,bus=rp0,functions=4,mem-size=1M "
                      "-device tdisp-testdev,bus=rp1,mem-size=1M "
                      "-device tdisp-testdev,bus=pcie.0,addr=5.0,mem-size=1M%s "
                      "-device tdisp-testctl,bus=pcie.0,addr=6.0", props);
    place_all();
}

static void finish(void)
{
    qtest_quit(qts);
}

/* Tests */

static void test_config(void)
{
    Dev *devs[] = { &multi[0], &multi[1], &multi[3], &single, &rciep };
    unsigned i, exp, pm, ide, af;
    uint32_t cap;

    start("");
    for (i = 0; i < ARRAY_SIZE(devs); i++) {
        Dev *dev = devs[i];
        bool fn0 = dev->bdf == dev->mbox;

        g_assert_cmphex(cfg_readl(dev->bdf, PCI_VENDOR_ID), ==,
                        TDISP_TESTDEV_DEVICE << 16 | TDISP_TESTDEV_VENDOR);
        exp = find_cap(dev->bdf, PCI_CAP_ID_EXP);
        g_assert_cmpuint(exp, !=, 0);
        g_assert_cmphex((cfg_readw(dev->bdf, exp + PCI_EXP_FLAGS) &
                         PCI_EXP_FLAGS_TYPE) >> 4, ==,
                        dev->port ? PCI_EXP_TYPE_ENDPOINT :
                                    PCI_EXP_TYPE_RC_END);
        cap = cfg_readl(dev->bdf, exp + PCI_EXP_DEVCAP);
        g_assert_cmphex(cap & BIT(30), !=, 0);
        g_assert_cmphex(cap & PCI_EXP_DEVCAP_FLR, !=, 0);
        af = find_cap(dev->bdf, PCI_CAP_ID_AF);
        g_assert_cmphex(cfg_readb(dev->bdf, af + PCI_AF_CAP), ==,
                        PCI_AF_CAP_TP | PCI_AF_CAP_FLR);
        g_assert_cmpuint(find_cap(dev->bdf, PCI_CAP_ID_MSIX), !=, 0);
        pm = find_cap(dev->bdf, PCI_CAP_ID_PM);
        g_assert_cmpuint(pm, !=, 0);
        g_assert_cmphex(cfg_readw(dev->bdf, pm + PCI_PM_CTRL) &
                        PCI_PM_CTRL_NO_SOFT_RESET, !=, 0);
        g_assert_cmpint(!!find_ext_cap(dev->bdf, PCI_EXT_CAP_ID_DOE), ==, fn0);
        ide = find_ext_cap(dev->bdf, IDE_CAP_ID);
        g_assert_cmpint(!!ide, ==, fn0 && dev->port);
        if (ide) {
            cap = cfg_readl(dev->bdf, ide + 4);
            g_assert_cmphex(cap & 0x42, ==, 0x42);
            g_assert_cmpuint(extract32(cap, 16, 8), ==, IDE_SEL_NUM - 1);
            g_assert_cmpuint(cfg_readl(dev->bdf, ide + IDE_BLOCK(1)) & 0xf,
                             ==, 2);
        }
        g_assert_cmphex(qtest_readl(qts, dev->regs + TDISP_REG_ID), ==,
                        TDISP_REG_ID_VALUE);
        g_assert_cmphex(qtest_readl(qts, dev->regs + TDISP_REG_MEM_SIZE), ==,
                        MEM_SIZE);
        g_assert_cmpuint(qtest_readl(qts, dev->regs + TDISP_REG_FUNCTION), ==,
                         dev->bdf & 7);
        g_assert_cmphex(fn_ctl_read(dev, TDISP_CTL_RID), ==, dev->bdf);
    }
    g_assert_cmphex(cfg_readb(multi[0].bdf, PCI_HEADER_TYPE) & 0x80, ==, 0x80);
    g_assert_cmphex(cfg_readb(single.bdf, PCI_HEADER_TYPE) & 0x80, ==, 0);
    ide = find_ext_cap(multi[0].port, IDE_CAP_ID);
    g_assert_cmpuint(ide, !=, 0);
    g_assert_cmphex(ctl_read(TDISP_CTL_MAGIC), ==, TDISP_CTL_MAGIC_VALUE);
    g_assert_cmpuint(ctl_read(TDISP_CTL_COUNT), ==, 6);
    ctl_write(TDISP_CTL_SELECT, 6);
    g_assert_cmphex(ctl_read(TDISP_CTL_RID), ==, UINT32_MAX);

    /* Association registers keep what they can hold */
    cfg_writel(multi[0].port, ide + IDE_BLOCK(3) + IDE_RID_1, UINT32_MAX);
    g_assert_cmphex(cfg_readl(multi[0].port, ide + IDE_BLOCK(3) + IDE_RID_1),
                    ==, 0x00ffff00);
    cfg_writel(multi[0].port, ide + IDE_BLOCK(3) + IDE_ADDR_1 + 12,
               UINT32_MAX);
    g_assert_cmphex(cfg_readl(multi[0].port,
                              ide + IDE_BLOCK(3) + IDE_ADDR_1 + 12), ==,
                    0xffffff01);
    finish();
}

static void test_discovery(void)
{
    uint8_t rsp[MSG_MAX];
    uint8_t index = 0, types = 0;

    start("");
    do {
        uint8_t req[4] = { index };

        g_assert_cmpuint(doe(&single, TDISP_DOE_DISCOVERY, req, 4, rsp), ==, 4);
        g_assert_cmphex(lduw_le_p(rsp), ==, 1);
        types |= 1 << rsp[2];
        index = rsp[3];
    } while (index);
    g_assert_cmphex(types, ==, 7);
    finish();
}

static void test_spdm(void)
{
    uint8_t rsp[MSG_MAX], chain[MSG_MAX], body[64] = { };
    Dev *dev = &rciep;
    unsigned offset = 0, portions = 0, left;
    size_t len;

    start("");
    /* Order */
    spdm(dev, SPDM_GET_CAPABILITIES, 0, 0, body, 16, rsp);
    assert_spdm_error(rsp, SPDM_ERR_UNEXPECTED_REQUEST);
    spdm(dev, SPDM_GET_VERSION, 0, 0, NULL, 0, rsp);
    spdm(dev, SPDM_NEGOTIATE_ALGORITHMS, 0, 0, body, 28, rsp);
    assert_spdm_error(rsp, SPDM_ERR_UNEXPECTED_REQUEST);
    spdm(dev, SPDM_GET_CERTIFICATE, 0, 0, body, 4, rsp);
    assert_spdm_error(rsp, SPDM_ERR_UNEXPECTED_REQUEST);
    psk_exchange(dev, SPDM_NULL_CIPHER_HINT, rsp);
    assert_spdm_error(rsp, SPDM_ERR_UNEXPECTED_REQUEST);
    spdm(dev, SPDM_GET_CAPABILITIES, 0, 0, body, 8, rsp);
    assert_spdm_error(rsp, SPDM_ERR_INVALID_REQUEST);
    spdm_negotiate(dev);
    spdm(dev, SPDM_VENDOR_DEFINED_REQUEST, 0, 0, body, 8, rsp);
    assert_spdm_error(rsp, SPDM_ERR_UNEXPECTED_REQUEST);
    spdm(dev, SPDM_PSK_FINISH, 0, 0, NULL, 0, rsp);
    assert_spdm_error(rsp, SPDM_ERR_UNEXPECTED_REQUEST);

    /* Version and code */
    doe(dev, TDISP_DOE_CMA, (uint8_t[]) { 0x11, SPDM_GET_DIGESTS, 0, 0 }, 4,
        rsp);
    assert_spdm_error(rsp, SPDM_ERR_VERSION_MISMATCH);
    spdm(dev, 0xef, 0, 0, NULL, 0, rsp);
    assert_spdm_error(rsp, SPDM_ERR_UNSUPPORTED_REQUEST);
    g_assert_cmphex(rsp[3], ==, 0xef);

    /* Certificates, in portions */
    do {
        stw_le_p(body, offset);
        stw_le_p(body + 2, 0xffff);
        spdm(dev, SPDM_GET_CERTIFICATE, 0, 0, body, 4, rsp);
        g_assert_cmphex(rsp[1], ==, SPDM_RSP(SPDM_GET_CERTIFICATE));
        memcpy(chain + offset, rsp + 8, lduw_le_p(rsp + 4));
        offset += lduw_le_p(rsp + 4);
        left = lduw_le_p(rsp + 6);
        portions++;
    } while (left);
    g_assert_cmpuint(portions, >, 1);
    g_assert_cmpuint(offset, >, 1024);
    g_assert_cmpuint(lduw_le_p(chain), ==, offset);
    g_assert_cmphex(chain[4 + 48], ==, 0x30);
    stw_le_p(body, offset);
    spdm(dev, SPDM_GET_CERTIFICATE, 0, 0, body, 4, rsp);
    assert_spdm_error(rsp, SPDM_ERR_INVALID_REQUEST);
    spdm(dev, SPDM_GET_CERTIFICATE, 1, 0, body, 4, rsp);
    assert_spdm_error(rsp, SPDM_ERR_INVALID_REQUEST);
    len = spdm(dev, SPDM_GET_DIGESTS, 0, 0, NULL, 0, rsp);
    g_assert_cmpuint(len, ==, 4 + 48);
    g_assert_cmphex(rsp[3], ==, 1);

    /* Measurements */
    len = spdm(dev, SPDM_GET_MEASUREMENTS, 0, SPDM_MEAS_ALL, NULL, 0, rsp);
    g_assert_cmphex(rsp[1], ==, SPDM_RSP(SPDM_GET_MEASUREMENTS));
    g_assert_cmpuint(rsp[4], ==, 3);
    g_assert_cmpuint(len, ==, ROUND_UP(8 + lduw_le_p(rsp + 5) + 32 + 2, 4));
    spdm(dev, SPDM_GET_MEASUREMENTS, 1, SPDM_MEAS_ALL, NULL, 0, rsp);
    assert_spdm_error(rsp, SPDM_ERR_INVALID_REQUEST);
    spdm(dev, SPDM_GET_MEASUREMENTS, 0, 4, NULL, 0, rsp);
    assert_spdm_error(rsp, SPDM_ERR_INVALID_REQUEST);
    spdm(dev, SPDM_GET_MEASUREMENTS, 0, 0, NULL, 0, rsp);
    g_assert_cmpuint(rsp[2], ==, 3);
    g_assert_cmpuint(rsp[4], ==, 0);
    finish();
}

static void test_session(void)
{
    uint8_t rsp[MSG_MAX];
    uint8_t end[] = { SPDM_VERSION_12, SPDM_END_SESSION, 0, 0 };
    uint8_t vendor[] = {
        SPDM_VERSION_12, SPDM_VENDOR_DEFINED_REQUEST, 0, 0,
        SPDM_VDM_STANDARD_PCISIG, 0, 2, SPDM_VDM_VENDOR_PCISIG, 0, 1, 0, 9
    };
    Dev *dev = &rciep;
    uint32_t old;

    start("");
    spdm_negotiate(dev);
    psk_exchange(dev, "a real key", rsp);
    assert_spdm_error(rsp, SPDM_ERR_INVALID_REQUEST);
    dev->session = 0x1234;
    secured(dev, end, sizeof(end), rsp);
    assert_spdm_error(rsp, SPDM_ERR_INVALID_SESSION);

    open_session(dev);
    psk_exchange(dev, SPDM_NULL_CIPHER_HINT, rsp);
    assert_spdm_error(rsp, SPDM_ERR_UNEXPECTED_REQUEST);
    secured_id(dev, dev->session + 1, end, sizeof(end), rsp);
    assert_spdm_error(rsp, SPDM_ERR_INVALID_SESSION);
    secured(dev, vendor, sizeof(vendor), rsp);
    assert_spdm_error(rsp, SPDM_ERR_UNSUPPORTED_REQUEST);
    vendor[9] = 2;
    secured(dev, vendor, sizeof(vendor), rsp);
    assert_spdm_error(rsp, SPDM_ERR_INVALID_REQUEST);
    /* A record that is cut off */
    stl_le_p(rsp, dev->session);
    stw_le_p(rsp + 4, 400);
    doe(dev, TDISP_DOE_SECURED_CMA, rsp, 24, rsp);
    assert_spdm_error(rsp + 8, SPDM_ERR_INVALID_REQUEST);
    doe(dev, TDISP_DOE_SECURED_CMA, rsp, 4, rsp);
    assert_spdm_error(rsp + 8, SPDM_ERR_INVALID_REQUEST);
    /* IDE_KM where there are no streams */
    vendor[9] = 1 + IDE_KM_HDR_SIZE;
    g_assert_cmphex(ide_km(dev, IDE_KM_K_SET_GO, 0, 0), ==, 0xff);

    assert_state(dev, TDISP_STATE_UNLOCKED);
    old = dev->session;
    secured(dev, end, sizeof(end), rsp);
    g_assert_cmphex(rsp[1], ==, SPDM_RSP(SPDM_END_SESSION));
    secured(dev, end, sizeof(end), rsp);
    assert_spdm_error(rsp, SPDM_ERR_INVALID_SESSION);
    open_session(dev);
    g_assert_cmphex(dev->session, !=, old);
    finish();
}

static void test_life_cycle(void)
{
    uint8_t nonce[TDISP_NONCE_SIZE], other[TDISP_NONCE_SIZE];
    uint8_t rsp[MSG_MAX], report[1024], caps[TDISP_CAPS_REQ_SIZE] = { };
    const uint8_t *range;
    unsigned portions, i;
    Dev *dev = &rciep;
    size_t len;

    static const struct {
        uint16_t bar;
        uint16_t attr;
        uint32_t pages;
    } ranges[] = {
        { 0, 0, 4 },
        { 2, 0, MEM_SIZE / 4096 },
        { 4, TDISP_RANGE_MSIX_TABLE | TDISP_RANGE_NON_TEE, 1 },
        { 4, TDISP_RANGE_MSIX_PBA | TDISP_RANGE_NON_TEE, 1 },
    };

    start("");
    open_session(dev);
    g_assert_cmphex(tdisp_body(dev, TDISP_GET_VERSION, NULL, 0, rsp, &len), ==,
                    0);
    g_assert_cmpuint(len, ==, 2);
    g_assert_cmphex(rsp[1], ==, TDISP_VERSION_10);
    g_assert_cmphex(tdisp_body(dev, TDISP_GET_CAPABILITIES, caps, sizeof(caps),
                               rsp, &len), ==, 0);
    g_assert_cmpuint(len, ==, TDISP_CAPS_RSP_SIZE);
    g_assert_cmphex(lduw_le_p(rsp + TDISP_CAPS_MSGS_OFF), ==, 0x7fe);
    g_assert_cmphex(lduw_le_p(rsp + TDISP_CAPS_LOCK_FLAGS_OFF), ==, 0x1f);

    assert_state(dev, TDISP_STATE_UNLOCKED);
    qtest_writel(qts, dev->mem, 0x11111111);
    qtest_writel(qts, dev->regs + TDISP_REG_SCRATCH0, 0x5a5a5a5a);
    g_assert_cmphex(lock_flags(dev, TDISP_LOCK_NO_FW_UPDATE, 0x1000, nonce),
                    ==, 0);
    assert_state(dev, TDISP_STATE_LOCKED);
    g_assert_cmphex(qtest_readl(qts, dev->mem), ==, 0x11111111);

    len = read_report(dev, report, &portions);
    g_assert_cmpuint(portions, >, 1);
    g_assert_cmpuint(len, ==, 16 + 4 * 16 + 4 + 16);
    g_assert_cmphex(lduw_le_p(report), ==, TDISP_REPORT_INFO_NO_UPDATE |
                                           TDISP_REPORT_INFO_DMA_NO_PASID);
    g_assert_cmpuint(ldl_le_p(report + TDISP_REPORT_RANGE_COUNT_OFF), ==, 4);
    for (i = 0; i < ARRAY_SIZE(ranges); i++) {
        uint64_t bar = ranges[i].bar == 0 ? dev->regs :
                       ranges[i].bar == 2 ? dev->mem : dev->msix;

        range = report + TDISP_REPORT_RANGES_OFF + i * TDISP_REPORT_RANGE_SIZE;
        g_assert_cmphex(ldq_le_p(range), ==,
                        bar / 4096 + 0x1000 + (i == 3));
        g_assert_cmpuint(ldl_le_p(range + TDISP_RANGE_PAGES_OFF), ==,
                         ranges[i].pages);
        g_assert_cmphex(lduw_le_p(range + TDISP_RANGE_ATTR_OFF), ==,
                        ranges[i].attr);
        g_assert_cmpuint(lduw_le_p(range + TDISP_RANGE_ID_OFF), ==,
                         ranges[i].bar);
    }

    memcpy(other, nonce, sizeof(nonce));
    other[31] ^= 1;
    g_assert_cmphex(start_tdi(dev, other), ==, TDISP_ERR_INVALID_NONCE);
    assert_state(dev, TDISP_STATE_LOCKED);
    g_assert_cmphex(start_tdi(dev, nonce), ==, 0);
    assert_state(dev, TDISP_STATE_RUN);

    /* TEE memory is closed to T=0, the MSI-X table is not */
    g_assert_cmphex(qtest_readl(qts, dev->mem), ==, UINT32_MAX);
    g_assert_cmphex(qtest_readl(qts, dev->regs + TDISP_REG_ID), ==,
                    UINT32_MAX);
    g_assert_cmphex(qtest_readl(qts, dev->msix + 0x1000), ==, 0);
    qtest_writel(qts, dev->mem, 0x22222222);
    qtest_writel(qts, dev->regs + TDISP_REG_SCRATCH0, 1);
    g_assert_cmpuint(read_report(dev, report, &portions), ==, len);

    /* STOP forgets */
    stop_ok(dev);
    g_assert_cmphex(qtest_readl(qts, dev->mem), ==, 0);
    g_assert_cmphex(qtest_readl(qts, dev->regs + TDISP_REG_SCRATCH0), ==, 0);
    stop_ok(dev);

    lock_ok(dev, other);
    g_assert_cmpint(memcmp(nonce, other, sizeof(nonce)), !=, 0);
    g_assert_cmphex(start_tdi(dev, nonce), ==, TDISP_ERR_INVALID_NONCE);
    stop_ok(dev);
    finish();
}

static void test_errors(void)
{
    uint8_t nonce[TDISP_NONCE_SIZE] = { }, rsp[MSG_MAX], type;
    uint8_t p2p[1] = { 1 }, req[TDISP_LOCK_REQ_SIZE] = { };
    Dev *dev = &rciep;
    size_t len;

    static const struct {
        uint8_t code;
        uint8_t len;
    } lengths[] = {
        { TDISP_GET_VERSION, 0 },
        { TDISP_GET_CAPABILITIES, TDISP_CAPS_REQ_SIZE },
        { TDISP_LOCK_INTERFACE, TDISP_LOCK_REQ_SIZE },
        { TDISP_GET_INTERFACE_REPORT, TDISP_REPORT_REQ_SIZE },
        { TDISP_GET_INTERFACE_STATE, 0 },
        { TDISP_START_INTERFACE, TDISP_NONCE_SIZE },
        { TDISP_STOP_INTERFACE, 0 },
        { TDISP_BIND_P2P_STREAM, TDISP_P2P_REQ_SIZE },
        { TDISP_UNBIND_P2P_STREAM, TDISP_P2P_REQ_SIZE },
        { TDISP_SET_MMIO_ATTRIBUTE, TDISP_MMIO_ATTR_REQ_SIZE },
    };
    unsigned i;

    start(",x-stop-unlocked-error=on");
    open_session(dev);

    for (i = 0; i < ARRAY_SIZE(lengths); i++) {
        g_assert_cmphex(tdisp(dev, lengths[i].code, rsp, lengths[i].len + 1),
                        ==, TDISP_ERR_INVALID_REQUEST);
        if (lengths[i].len) {
            g_assert_cmphex(tdisp(dev, lengths[i].code, rsp,
                                  lengths[i].len - 1), ==,
                            TDISP_ERR_INVALID_REQUEST);
        }
        tdisp_raw(dev, 0x20, lengths[i].code, dev->bdf, NULL, 0, &type, rsp);
        g_assert_cmphex(type, ==, TDISP_ERROR);
        g_assert_cmphex(ldl_le_p(rsp), ==, TDISP_ERR_VERSION_MISMATCH);
        tdisp_raw(dev, TDISP_VERSION_10, lengths[i].code, dev->bdf + 1, nonce,
                  lengths[i].len, &type, rsp);
        g_assert_cmphex(type, ==, TDISP_ERROR);
        g_assert_cmphex(ldl_le_p(rsp), ==, TDISP_ERR_INVALID_INTERFACE);
    }
    g_assert_cmphex(tdisp_body(dev, TDISP_VDM, NULL, 0, rsp, &len), ==,
                    TDISP_ERR_UNSUPPORTED_REQUEST);
    g_assert_cmphex(ldl_le_p(rsp + 4), ==, TDISP_VDM);
    g_assert_cmphex(tdisp_body(dev, 0x8c, NULL, 0, rsp, &len), ==,
                    TDISP_ERR_UNSUPPORTED_REQUEST);
    g_assert_cmphex(ldl_le_p(rsp + 4), ==, 0x8c);

    /* Segment 0 may be said, another one not */
    tdisp_raw(dev, TDISP_VERSION_10, TDISP_GET_INTERFACE_STATE,
              dev->bdf | BIT(24), NULL, 0, &type, rsp);
    g_assert_cmphex(type, ==, TDISP_RSP(TDISP_GET_INTERFACE_STATE));
    tdisp_raw(dev, TDISP_VERSION_10, TDISP_GET_INTERFACE_STATE,
              dev->bdf | BIT(24) | BIT(16), NULL, 0, &type, rsp);
    g_assert_cmphex(ldl_le_p(rsp), ==, TDISP_ERR_INVALID_INTERFACE);

    /* Wrong state */
    g_assert_cmphex(start_tdi(dev, nonce), ==, TDISP_ERR_INVALID_STATE);
    g_assert_cmphex(stop(dev), ==, TDISP_ERR_INVALID_STATE);
    g_assert_cmphex(tdisp(dev, TDISP_GET_INTERFACE_REPORT, "\0\0\1\0", 4), ==,
                    TDISP_ERR_INVALID_STATE);
    g_assert_cmphex(tdisp(dev, TDISP_BIND_P2P_STREAM, p2p, 1), ==,
                    TDISP_ERR_INVALID_STATE);
    g_assert_cmphex(tdisp(dev, TDISP_UNBIND_P2P_STREAM, p2p, 1), ==,
                    TDISP_ERR_INVALID_STATE);
    g_assert_cmphex(tdisp(dev, TDISP_SET_MMIO_ATTRIBUTE, req, 16), ==,
                    TDISP_ERR_INVALID_STATE);

    /* LOCK */
    g_assert_cmphex(lock_flags(dev, 0x20, 0, nonce), ==,
                    TDISP_ERR_INVALID_REQUEST);
    set_command(dev, PCI_COMMAND_MASTER);
    g_assert_cmphex(lock(dev, nonce), ==, TDISP_ERR_INVALID_CONFIG);
    set_command(dev, PCI_COMMAND_MEMORY);
    lock_ok(dev, nonce);
    set_command(dev, ON);
    assert_state(dev, TDISP_STATE_LOCKED);
    g_assert_cmphex(lock(dev, nonce), ==, TDISP_ERR_INVALID_STATE);
    g_assert_cmphex(tdisp(dev, TDISP_GET_INTERFACE_REPORT, "\xff\xff\1\0", 4),
                    ==, TDISP_ERR_INVALID_REQUEST);
    g_assert_cmphex(tdisp(dev, TDISP_GET_INTERFACE_REPORT, "\0\0\0\0", 4), ==,
                    TDISP_ERR_INVALID_REQUEST);
    stop_ok(dev);

    run(dev);
    g_assert_cmphex(tdisp(dev, TDISP_BIND_P2P_STREAM, p2p, 1), ==,
                    TDISP_ERR_INVALID_REQUEST);
    g_assert_cmphex(tdisp(dev, TDISP_UNBIND_P2P_STREAM, p2p, 1), ==,
                    TDISP_ERR_INVALID_REQUEST);
    g_assert_cmphex(tdisp(dev, TDISP_SET_MMIO_ATTRIBUTE, req, 16), ==,
                    TDISP_ERR_INVALID_REQUEST);
    g_assert_cmphex(start_tdi(dev, nonce), ==, TDISP_ERR_INVALID_STATE);

    /* A header that is cut off */
    len = vdm(dev, SPDM_VDM_PROTO_TDISP, "\x10\x85", 2, rsp);
    g_assert_cmpuint(len, ==, TDISP_HDR_SIZE + TDISP_ERROR_RSP_SIZE);
    g_assert_cmphex(rsp[1], ==, TDISP_ERROR);
    g_assert_cmphex(ldl_le_p(rsp + TDISP_HDR_SIZE), ==,
                    TDISP_ERR_INVALID_REQUEST);
    finish();
}

static void violate(Dev *dev, unsigned how)
{
    uint8_t end[] = { SPDM_VERSION_12, SPDM_END_SESSION, 0, 0 };
    uint8_t rsp[MSG_MAX];

    switch (how) {
    case TDISP_WHY_MSE:
        set_command(dev, PCI_COMMAND_MASTER);
        break;
    case TDISP_WHY_BME:
        set_command(dev, PCI_COMMAND_MEMORY);
        break;
    case TDISP_WHY_BAR:
        cfg_writel(dev->bdf, PCI_BASE_ADDRESS_3, 0);
        break;
    case TDISP_WHY_FLR:
        flr(dev);
        break;
    case TDISP_WHY_FAULT:
        fn_ctl_write(dev, TDISP_CTL_FORCE_ERROR, 1);
        break;
    case TDISP_WHY_SESSION:
        secured(dev, end, sizeof(end), rsp);
        break;
    case TDISP_WHY_POWER:
        cfg_writew(dev->bdf, find_cap(dev->bdf, PCI_CAP_ID_PM) + PCI_PM_CTRL,
                   3);
        break;
    case TDISP_WHY_MSIX:
        qtest_writel(qts, dev->msix, MSI_ADDR);
        break;
    }
}

static void repair(Dev *dev, unsigned how)
{
    if (how == TDISP_WHY_SESSION) {
        open_session(dev);
    } else if (how == TDISP_WHY_POWER) {
        cfg_writew(dev->bdf, find_cap(dev->bdf, PCI_CAP_ID_PM) + PCI_PM_CTRL,
                   0);
    }
    place_bars(dev);
}

static void test_violations(void)
{
    static const uint8_t why[] = {
        TDISP_WHY_MSE, TDISP_WHY_BME, TDISP_WHY_BAR, TDISP_WHY_FLR,
        TDISP_WHY_FAULT, TDISP_WHY_SESSION, TDISP_WHY_POWER, TDISP_WHY_MSIX,
    };
    uint8_t nonce[TDISP_NONCE_SIZE];
    Dev *dev = &rciep;
    unsigned i, from;
    int n;

    start("");
    open_session(dev);
    for (i = 0; i < ARRAY_SIZE(why); i++) {
        for (from = TDISP_STATE_LOCKED; from <= TDISP_STATE_RUN; from++) {
            g_assert_cmphex(lock_flags(dev, TDISP_LOCK_MSIX, 0, nonce), ==, 0);
            if (from == TDISP_STATE_RUN) {
                g_assert_cmphex(start_tdi(dev, nonce), ==, 0);
            }
            ctl_write(TDISP_CTL_LOG_RESET, 1);
            violate(dev, why[i]);
            g_assert_cmpuint(fn_ctl_read(dev, TDISP_CTL_STATE), ==,
                             TDISP_STATE_ERROR);
            n = find_log(dev->bdf, TDISP_EV_STATE, from, TDISP_STATE_ERROR);
            g_assert_cmpint(n, >=, 0);
            g_assert_cmpuint(log_word(n, TDISP_LOG_ARG2), ==, why[i]);
            repair(dev, why[i]);
            assert_state(dev, TDISP_STATE_ERROR);

            /* ERROR: closed, and no way out but STOP */
            g_assert_cmphex(qtest_readl(qts, dev->mem), ==, UINT32_MAX);
            g_assert_cmphex(lock(dev, nonce), ==, TDISP_ERR_INVALID_STATE);
            g_assert_cmphex(start_tdi(dev, nonce), ==,
                            TDISP_ERR_INVALID_STATE);
            g_assert_cmphex(tdisp(dev, TDISP_GET_INTERFACE_REPORT,
                                  "\0\0\1\0", 4), ==,
                            TDISP_ERR_INVALID_STATE);
            flr(dev);
            place_bars(dev);
            assert_state(dev, TDISP_STATE_ERROR);
            stop_ok(dev);
            g_assert_cmphex(qtest_readl(qts, dev->mem), ==, 0);
        }
    }

    /* None of this matters to an unlocked TDI; an FLR is one as usual */
    qtest_writel(qts, dev->mem, 7);
    qtest_writel(qts, dev->regs + TDISP_REG_SCRATCH0, 7);
    flr(dev);
    g_assert_cmphex(cfg_readw(dev->bdf, PCI_COMMAND), ==, 0);
    place_bars(dev);
    assert_state(dev, TDISP_STATE_UNLOCKED);
    g_assert_cmphex(qtest_readl(qts, dev->mem), ==, 0);
    g_assert_cmphex(qtest_readl(qts, dev->regs + TDISP_REG_SCRATCH0), ==, 0);

    /* Without LOCK_MSIX the table may change */
    lock_ok(dev, nonce);
    qtest_writel(qts, dev->msix, MSI_ADDR);
    g_assert_cmphex(qtest_readl(qts, dev->msix), ==, MSI_ADDR);
    assert_state(dev, TDISP_STATE_LOCKED);
    stop_ok(dev);
    g_assert_cmphex(lock_flags(dev, TDISP_LOCK_MSIX, 0, nonce), ==, 0);
    g_assert_cmphex(qtest_readl(qts, dev->msix), ==, MSI_ADDR);
    qtest_writel(qts, dev->msix, 0);
    assert_state(dev, TDISP_STATE_ERROR);
    g_assert_cmphex(qtest_readl(qts, dev->msix), ==, MSI_ADDR);
    finish();
}

static void test_resets(void)
{
    Dev *dev = &single;
    uint16_t ctl;
    int n;

    start("");
    open_session(dev);
    open_stream(dev, 1);
    run(dev);

    /* Secondary bus reset */
    ctl_write(TDISP_CTL_LOG_RESET, 1);
    ctl = cfg_readw(dev->port, PCI_BRIDGE_CONTROL);
    cfg_writew(dev->port, PCI_BRIDGE_CONTROL, ctl | PCI_BRIDGE_CTL_BUS_RESET);
    cfg_writew(dev->port, PCI_BRIDGE_CONTROL, ctl);
    g_assert_cmpuint(fn_ctl_read(dev, TDISP_CTL_STATE), ==,
                     TDISP_STATE_UNLOCKED);
    n = find_log(dev->bdf, TDISP_EV_STATE, TDISP_STATE_RUN,
                 TDISP_STATE_UNLOCKED);
    g_assert_cmpint(n, >=, 0);
    g_assert_cmpuint(log_word(n, TDISP_LOG_ARG2), ==, TDISP_WHY_RESET);
    g_assert_cmpint(find_log(dev->bdf, TDISP_EV_RESET, 0, 0), ==, n - 1);
    g_assert_cmpint(find_log(dev->bdf, TDISP_EV_STATE, TDISP_STATE_RUN,
                             TDISP_STATE_ERROR), ==, -1);
    g_assert_cmpuint(ide_status(dev->mbox, 0), ==, 0);
    g_assert_cmpuint(ide_status(dev->port, 0), ==, 0);
    place_bars(dev);
    g_assert_cmphex(qtest_readl(qts, dev->mem), ==, 0);

    /* All is gone, and can be made again */
    open_session(dev);
    open_stream(dev, 1);
    run(dev);
    qtest_system_reset(qts);
    place_all();
    g_assert_cmpuint(fn_ctl_read(dev, TDISP_CTL_STATE), ==,
                     TDISP_STATE_UNLOCKED);
    open_session(dev);
    open_stream(dev, 1);
    run(dev);
    stop_ok(dev);
    finish();
}

static void test_ide(void)
{
    uint8_t nonce[TDISP_NONCE_SIZE], rsp[MSG_MAX];
    uint8_t query[] = { IDE_KM_QUERY, 0, 0 };
    Dev *dev = &single;
    unsigned sub;
    size_t len;

    start("");
    open_session(dev);
    g_assert_cmphex(lock(dev, nonce), ==, TDISP_ERR_INVALID_CONFIG);

    len = vdm(dev, SPDM_VDM_PROTO_IDE_KM, query, sizeof(query), rsp);
    g_assert_cmpuint(len, ==, 7 + IDE_BLOCK(IDE_SEL_NUM) - 4);
    g_assert_cmphex(rsp[0], ==, IDE_KM_QUERY_RESP);
    g_assert_cmphex(rsp[4] << 8 | rsp[3], ==, dev->bdf);
    query[2] = 1;
    g_assert_cmpuint(vdm(dev, SPDM_VDM_PROTO_IDE_KM, query, sizeof(query),
                         rsp), ==, 0);

    /* Keys need a register block with the id, GO needs keys */
    g_assert_cmpuint(ide_km(dev, IDE_KM_KEY_PROG, 5, 0), ==,
                     IDE_KM_UNSUPPORTED_VALUE);
    ide_set(dev->bdf, 1, 5, false);
    g_assert_cmpuint(ide_km(dev, IDE_KM_KEY_PROG, 5, 0x30), ==,
                     IDE_KM_UNSUPPORTED_VALUE);
    g_assert_cmpuint(ide_km(dev, IDE_KM_K_SET_GO, 5, 0), !=, IDE_KM_OK);
    g_assert_cmpuint(ide_km(dev, IDE_KM_KEY_PROG, 5, 0), ==, IDE_KM_OK);
    g_assert_cmpuint(ide_km(dev, IDE_KM_K_SET_GO, 5, IDE_KM_SUB_TX), !=,
                     IDE_KM_OK);
    g_assert_cmpuint(ide_km(dev, IDE_KM_K_SET_GO, 5, IDE_KM_SUB_KEY_SET), !=,
                     IDE_KM_OK);
    g_assert_cmpuint(ide_km(dev, IDE_KM_K_SET_GO, 5, 0), ==, IDE_KM_OK);

    /* Enable first, keys after: Secure with the last GO at both ends */
    ide_set(dev->bdf, 1, 5, true);
    ide_set(dev->port, 2, 5, true);
    ide_km_all(dev, IDE_KM_KEY_PROG, 5, 0);
    for (sub = 0; sub < IDE_KM_NR_SUB_STREAMS; sub++) {
        g_assert_cmpuint(ide_status(dev->bdf, 1), ==, 0);
        g_assert_cmpuint(ide_km(dev, IDE_KM_K_SET_GO, 5,
                                IDE_KM_SUB_STREAM(sub)), ==, IDE_KM_OK);
        g_assert_cmpuint(ide_status(dev->bdf, 1), ==, 0);
        g_assert_cmpuint(ide_km(dev, IDE_KM_K_SET_GO, 5,
                                IDE_KM_SUB_STREAM(sub) | IDE_KM_SUB_TX), ==,
                         IDE_KM_OK);
    }
    g_assert_cmpuint(ide_status(dev->bdf, 1), ==, IDE_SECURE);
    g_assert_cmpuint(ide_status(dev->port, 2), ==, IDE_SECURE);
    g_assert_cmpuint(ide_status(dev->bdf, 0), ==, 0);

    /* LOCK names the stream */
    dev->stream = 4;
    g_assert_cmphex(lock(dev, nonce), ==, TDISP_ERR_INVALID_CONFIG);
    dev->stream = 5;
    lock_ok(dev, nonce);

    /* A key refresh does not disturb */
    g_assert_cmpuint(ide_km(dev, IDE_KM_KEY_PROG, 5, 0), ==,
                     IDE_KM_UNSPECIFIED);
    ide_km_all(dev, IDE_KM_KEY_PROG, 5, IDE_KM_SUB_KEY_SET);
    ide_km_all(dev, IDE_KM_K_SET_GO, 5, IDE_KM_SUB_KEY_SET);
    g_assert_cmpuint(ide_status(dev->bdf, 1), ==, IDE_SECURE);
    assert_state(dev, TDISP_STATE_LOCKED);

    /* K_SET_STOP does, for good: the keys are gone */
    ctl_write(TDISP_CTL_LOG_RESET, 1);
    g_assert_cmpuint(ide_km(dev, IDE_KM_K_SET_STOP, 5, IDE_KM_SUB_KEY_SET), ==,
                     IDE_KM_OK);
    g_assert_cmpuint(ide_status(dev->bdf, 1), ==, 0);
    g_assert_cmpuint(ide_status(dev->port, 2), ==, 0);
    assert_log(0, dev, TDISP_EV_STREAM, 5, 0, 0);
    assert_log(1, dev, TDISP_EV_STATE, TDISP_STATE_LOCKED, TDISP_STATE_ERROR,
               TDISP_WHY_STREAM);
    assert_state(dev, TDISP_STATE_ERROR);
    ide_set(dev->bdf, 1, 5, false);
    ide_set(dev->bdf, 1, 5, true);
    g_assert_cmpuint(ide_status(dev->bdf, 1), ==, 0);
    stop_ok(dev);

    /* So does clearing the enable bit of the endpoint, as Linux does it */
    cfg_writel(dev->bdf, ide_ctl(dev->bdf, 1), 0xff000000);
    open_stream(dev, 0);
    run(dev);
    cfg_writel(dev->bdf, ide_ctl(dev->bdf, 0), 0);
    assert_state(dev, TDISP_STATE_ERROR);
    g_assert_cmpuint(ide_status(dev->bdf, 0), ==, 0);
    g_assert_cmpuint(ide_status(dev->port, 0), ==, 0);
    cfg_writel(dev->port, ide_ctl(dev->port, 0), 0);
    stop_ok(dev);
    open_stream(dev, 0);
    run(dev);

    /* An FLR leaves the stream alone */
    flr(dev);
    g_assert_cmpuint(ide_status(dev->bdf, 0), ==, IDE_SECURE);
    place_bars(dev);
    stop_ok(dev);
    run(dev);
    stop_ok(dev);
    finish();
}

static void test_p2p(void)
{
    uint8_t nonce[TDISP_NONCE_SIZE];
    uint8_t id[1] = { 2 };
    Dev *dev = &multi[1];

    start("");
    open_session(&multi[0]);
    open_stream(&multi[0], 1);
    ide_set(dev->mbox, 1, 2, true);
    ide_km_all(&multi[0], IDE_KM_KEY_PROG, 2, 0);
    ide_km_all(&multi[0], IDE_KM_K_SET_GO, 2, 0);
    dev->stream = 1;
    g_assert_cmphex(lock_flags(dev, TDISP_LOCK_BIND_P2P, 0, nonce), ==, 0);
    g_assert_cmphex(start_tdi(dev, nonce), ==, 0);
    g_assert_cmphex(tdisp(dev, TDISP_BIND_P2P_STREAM, id, 1), ==, 0);
    g_assert_cmphex(tdisp(dev, TDISP_BIND_P2P_STREAM, id, 1), ==,
                    TDISP_ERR_INVALID_REQUEST);
    g_assert_cmphex(tdisp(dev, TDISP_UNBIND_P2P_STREAM, id, 1), ==, 0);
    g_assert_cmphex(tdisp(dev, TDISP_BIND_P2P_STREAM, id, 1), ==, 0);
    ide_set(dev->mbox, 1, 2, false);
    assert_state(dev, TDISP_STATE_ERROR);
    stop_ok(dev);
    finish();
}

static void test_mmio_attribute(void)
{
    uint8_t report[1024], req[TDISP_MMIO_ATTR_REQ_SIZE];
    Dev *dev = &rciep;
    unsigned portions;

    start(",x-mem-attr-updatable=on,x-report-portion=4096");
    open_session(dev);
    run(dev);
    read_report(dev, report, &portions);
    g_assert_cmpuint(portions, ==, 1);
    memcpy(req, report + TDISP_REPORT_RANGES_OFF + TDISP_REPORT_RANGE_SIZE,
           sizeof(req));
    g_assert_cmphex(lduw_le_p(req + TDISP_RANGE_ATTR_OFF), ==,
                    TDISP_RANGE_ATTR_UPDATABLE);
    g_assert_cmphex(qtest_readl(qts, dev->mem), ==, UINT32_MAX);
    stw_le_p(req + TDISP_RANGE_ATTR_OFF,
             TDISP_RANGE_ATTR_UPDATABLE | TDISP_RANGE_NON_TEE);
    g_assert_cmphex(tdisp(dev, TDISP_SET_MMIO_ATTRIBUTE, req, sizeof(req)), ==,
                    0);
    g_assert_cmphex(qtest_readl(qts, dev->mem), ==, 0);
    stw_le_p(req + TDISP_RANGE_ATTR_OFF, TDISP_RANGE_ATTR_UPDATABLE);
    g_assert_cmphex(tdisp(dev, TDISP_SET_MMIO_ATTRIBUTE, req, sizeof(req)), ==,
                    0);
    g_assert_cmphex(qtest_readl(qts, dev->mem), ==, UINT32_MAX);
    stl_le_p(req + TDISP_RANGE_PAGES_OFF, 1);
    g_assert_cmphex(tdisp(dev, TDISP_SET_MMIO_ATTRIBUTE, req, sizeof(req)), ==,
                    TDISP_ERR_INVALID_REQUEST);
    memcpy(req, report + TDISP_REPORT_RANGES_OFF, sizeof(req));
    g_assert_cmphex(tdisp(dev, TDISP_SET_MMIO_ATTRIBUTE, req, sizeof(req)), ==,
                    TDISP_ERR_INVALID_REQUEST);
    finish();
}

static void mark(uint64_t addr, unsigned pages, bool private)
{
    ctl_write(TDISP_CTL_TEE_PAGE, addr >> 12);
    ctl_write(TDISP_CTL_TEE_COUNT, pages);
    ctl_write(TDISP_CTL_TEE_MARK, private);
}

/* The monitor and tests make T=0 accesses, whatever a VM has mapped */
static void assert_memory_works(Dev *dev)
{
    qtest_writel(qts, dev->mem + 0x1000, 0x12345678);
    g_assert_cmphex(qtest_readl(qts, dev->mem + 0x1000), ==, 0x12345678);
    g_assert_cmphex(qtest_readb(qts, dev->mem + 0x1001), ==, 0x56);
    qtest_writeb(qts, dev->mem + 0x1003, 0xff);
    g_assert_cmphex(qtest_readq(qts, dev->mem + 0x1000), ==, 0xff345678);
    qtest_writel(qts, dev->regs + TDISP_REG_SCRATCH0, 0x5678);
    g_assert_cmphex(qtest_readl(qts, dev->regs + TDISP_REG_SCRATCH0), ==,
                    0x5678);
}

static void test_private_pages(void)
{
    Dev *dev = &multi[1];

    start("");
    g_assert_cmpuint(fn_ctl_read(dev, TDISP_CTL_TEE_PAGES), ==, 0);
    mark(dev->mem + 0x1000, 1, true);
    mark(dev->regs, 1, true);
    g_assert_cmpuint(fn_ctl_read(dev, TDISP_CTL_TEE_PAGES), ==, 2);
    assert_memory_works(dev);
    mark(dev->mem, 4, true);
    g_assert_cmpuint(fn_ctl_read(dev, TDISP_CTL_TEE_PAGES), ==, 5);
    mark(dev->mem + 0x1000, 1, false);
    g_assert_cmpuint(fn_ctl_read(dev, TDISP_CTL_TEE_PAGES), ==, 4);
    mark(dev->mem + 0x1000, 1, false);
    g_assert_cmpuint(fn_ctl_read(dev, TDISP_CTL_TEE_PAGES), ==, 4);
    assert_memory_works(dev);

    /* Memory of nobody, the MSI-X table, and no pages */
    mark(DMA_BUF, 16, true);
    mark(dev->msix, 2, true);
    mark(dev->mem, 0, false);
    g_assert_cmpuint(fn_ctl_read(dev, TDISP_CTL_TEE_PAGES), ==, 4);
    /* As much as there is, here and at the neighbours */
    mark(0, UINT32_MAX, true);
    g_assert_cmpuint(fn_ctl_read(dev, TDISP_CTL_TEE_PAGES), ==,
                     4 + MEM_SIZE / 4096);
    g_assert_cmpuint(fn_ctl_read(&single, TDISP_CTL_TEE_PAGES), ==,
                     4 + MEM_SIZE / 4096);
    mark(dev->mem - 4096, MEM_SIZE / 4096 + 1, false);
    g_assert_cmpuint(fn_ctl_read(dev, TDISP_CTL_TEE_PAGES), ==, 4);
    mark(0, UINT32_MAX, false);
    g_assert_cmpuint(fn_ctl_read(dev, TDISP_CTL_TEE_PAGES), ==, 0);

    /* No processor runs a guest here, so in RUN nobody gets through */
    open_session(&multi[0]);
    open_stream(&multi[0], 7);
    dev->stream = 7;
    mark(dev->mem, 2, true);
    mark(dev->regs, 1, true);
    run(dev);
    g_assert_cmphex(qtest_readl(qts, dev->mem + 0x1000), ==, UINT32_MAX);
    g_assert_cmphex(qtest_readl(qts, dev->regs + TDISP_REG_ID), ==, UINT32_MAX);
    qtest_writel(qts, dev->mem + 0x1000, 1);
    stop_ok(dev);
    g_assert_cmphex(qtest_readl(qts, dev->mem + 0x1000), ==, 0);
    assert_memory_works(dev);

    /* Nobody has mapped what was reset, or moved */
    g_assert_cmpuint(fn_ctl_read(dev, TDISP_CTL_TEE_PAGES), ==, 3);
    flr(dev);
    g_assert_cmpuint(fn_ctl_read(dev, TDISP_CTL_TEE_PAGES), ==, 0);
    place_bars(dev);
    mark(dev->mem, 2, true);
    cfg_writel(dev->bdf, PCI_BASE_ADDRESS_2, dev->mem);
    g_assert_cmpuint(fn_ctl_read(dev, TDISP_CTL_TEE_PAGES), ==, 0);
    finish();
}

/* Registers in a BAR of 64 bit: each half of it is a BAR of the TDI */
static void test_regs_64bit(void)
{
    unsigned bar = PCI_BASE_ADDRESS_0 + TDISP_BAR_REGS * 4, half;
    Dev *dev = &rciep;

    start(",regs-64bit=on");
    g_assert_cmphex(cfg_readl(dev->bdf, bar) & ~PCI_BASE_ADDRESS_MEM_MASK, ==,
                    PCI_BASE_ADDRESS_MEM_TYPE_64 |
                    PCI_BASE_ADDRESS_MEM_PREFETCH);
    g_assert_cmphex(cfg_readl(single.bdf, bar) & ~PCI_BASE_ADDRESS_MEM_MASK, ==,
                    PCI_BASE_ADDRESS_SPACE_MEMORY);
    assert_memory_works(dev);
    open_session(dev);
    for (half = 0; half <= 4; half += 4) {
        run(dev);
        cfg_writel(dev->bdf, bar + half, cfg_readl(dev->bdf, bar + half));
        assert_state(dev, TDISP_STATE_ERROR);
        stop_ok(dev);
    }

    /* There is no other half otherwise */
    open_session(&single);
    open_stream(&single, 5);
    run(&single);
    cfg_writel(single.bdf, bar + 4, 0);
    assert_state(&single, TDISP_STATE_RUN);
    finish();
}

static void test_dma_switch(void)
{
    Dev *dev = &rciep;

    start("");
    ctl_write(TDISP_CTL_DMA_SWITCH, dev->bdf);
    g_assert_cmpuint(fn_ctl_read(dev, TDISP_CTL_TRUSTED_DMA), ==, 0);
    g_assert_cmpuint(fn_ctl_read(&single, TDISP_CTL_TRUSTED_DMA), ==, 1);
    ctl_write(TDISP_CTL_DMA_SWITCH, 0x7777);
    g_assert_cmpuint(fn_ctl_read(&single, TDISP_CTL_TRUSTED_DMA), ==, 1);
    ctl_write(TDISP_CTL_DMA_SWITCH, dev->bdf | TDISP_CTL_DMA_ON);
    g_assert_cmpuint(fn_ctl_read(dev, TDISP_CTL_TRUSTED_DMA), ==, 1);
    finish();
}

static void test_functions(void)
{
    unsigned i;

    start("");
    open_session(&multi[0]);
    open_stream(&multi[0], 7);
    for (i = 0; i < ARRAY_SIZE(multi); i++) {
        multi[i].stream = 7;
        run(&multi[i]);
    }
    flr(&multi[2]);
    for (i = 0; i < ARRAY_SIZE(multi); i++) {
        assert_state(&multi[i], i == 2 ? TDISP_STATE_ERROR : TDISP_STATE_RUN);
    }
    /* The DSM survives an FLR of the function that carries the mailbox */
    flr(&multi[0]);
    assert_state(&multi[0], TDISP_STATE_ERROR);
    assert_state(&multi[3], TDISP_STATE_RUN);
    stop_ok(&multi[1]);
    assert_state(&multi[3], TDISP_STATE_RUN);
    /* Another device's functions are not in this session's device */
    g_assert_cmphex(fn_ctl_read(&single, TDISP_CTL_STATE), ==, 0);
    /* Losing the session is for all */
    violate(&multi[0], TDISP_WHY_SESSION);
    g_assert_cmpuint(fn_ctl_read(&multi[1], TDISP_CTL_STATE), ==,
                     TDISP_STATE_UNLOCKED);
    g_assert_cmpuint(fn_ctl_read(&multi[3], TDISP_CTL_STATE), ==,
                     TDISP_STATE_ERROR);
    finish();
}

static void test_faults(void)
{
    uint8_t nonce[TDISP_NONCE_SIZE], rsp[MSG_MAX], type;
    Dev *dev = &rciep;
    size_t len;

    start(",x-lock-error=3,x-wrong-nonce=on,x-stop-error=0x5,"
          "x-length-delta=-1,x-length-msg=0x85,x-error-after=1000");
    g_assert_cmphex(fn_ctl_read(dev, TDISP_CTL_LENGTH_MSG), ==, 0x85);
    g_assert_cmphex(fn_ctl_read(dev, TDISP_CTL_LENGTH_DELTA), ==, UINT32_MAX);
    g_assert_cmpuint(fn_ctl_read(dev, TDISP_CTL_ERROR_AFTER), ==, 1000);
    g_assert_cmpuint(fn_ctl_read(dev, TDISP_CTL_TRUSTED_DMA), ==, 1);
    open_session(dev);

    /* Lengths */
    len = tdisp_raw(dev, TDISP_VERSION_10, TDISP_GET_INTERFACE_STATE, dev->bdf,
                    NULL, 0, &type, rsp);
    g_assert_cmpuint(len, ==, 0);
    fn_ctl_write(dev, TDISP_CTL_LENGTH_DELTA, 5);
    len = tdisp_raw(dev, TDISP_VERSION_10, TDISP_GET_INTERFACE_STATE, dev->bdf,
                    NULL, 0, &type, rsp);
    g_assert_cmpuint(len, ==, TDISP_STATE_RSP_SIZE + 5);
    fn_ctl_write(dev, TDISP_CTL_LENGTH_DELTA, INT32_MAX);
    len = tdisp_raw(dev, TDISP_VERSION_10, TDISP_GET_INTERFACE_STATE, dev->bdf,
                    NULL, 0, &type, rsp);
    g_assert_cmpuint(len, ==, TDISP_STATE_RSP_SIZE + 4096);
    fn_ctl_write(dev, TDISP_CTL_LENGTH_DELTA, INT32_MIN);
    len = tdisp_raw(dev, TDISP_VERSION_10, TDISP_GET_INTERFACE_STATE, dev->bdf,
                    NULL, 0, &type, rsp);
    g_assert_cmpuint(len, ==, 0);
    len = tdisp_raw(dev, TDISP_VERSION_10, TDISP_GET_VERSION, dev->bdf, NULL,
                    0, &type, rsp);
    g_assert_cmpuint(len, ==, 2);
    fn_ctl_write(dev, TDISP_CTL_LENGTH_MSG, 0);
    len = tdisp_raw(dev, TDISP_VERSION_10, TDISP_GET_VERSION, dev->bdf, NULL,
                    0, &type, rsp);
    g_assert_cmpuint(len, ==, 0);
    fn_ctl_write(dev, TDISP_CTL_LENGTH_DELTA, 0);

    /* Codes */
    g_assert_cmphex(lock(dev, nonce), ==, TDISP_ERR_BUSY);
    fn_ctl_write(dev, TDISP_CTL_LOCK_ERROR, 0);
    lock_ok(dev, nonce);
    g_assert_cmphex(start_tdi(dev, nonce), ==, TDISP_ERR_INVALID_NONCE);
    g_assert_cmphex(stop(dev), ==, TDISP_ERR_UNSPECIFIED);
    assert_state(dev, TDISP_STATE_LOCKED);
    fn_ctl_write(dev, TDISP_CTL_STOP_ERROR, 0);
    stop_ok(dev);
    fn_ctl_write(dev, TDISP_CTL_WRONG_NONCE, 0);
    run(dev);
    stop_ok(dev);

    /* ERROR after N messages, or as soon as there is something to lose */
    fn_ctl_write(dev, TDISP_CTL_ERROR_AFTER, 3);
    assert_state(dev, TDISP_STATE_UNLOCKED);
    g_assert_cmphex(lock(dev, nonce), ==, 0);
    g_assert_cmpuint(fn_ctl_read(dev, TDISP_CTL_STATE), ==,
                     TDISP_STATE_LOCKED);
    g_assert_cmphex(start_tdi(dev, nonce), ==, 0);
    g_assert_cmpuint(fn_ctl_read(dev, TDISP_CTL_STATE), ==, TDISP_STATE_ERROR);
    g_assert_cmpuint(fn_ctl_read(dev, TDISP_CTL_ERROR_AFTER), ==, 0);
    stop_ok(dev);
    fn_ctl_write(dev, TDISP_CTL_ERROR_AFTER, 1);
    assert_state(dev, TDISP_STATE_UNLOCKED);
    g_assert_cmphex(lock(dev, nonce), ==, 0);
    assert_state(dev, TDISP_STATE_ERROR);
    stop_ok(dev);
    run(dev);
    finish();
}

static void test_stall(void)
{
    uint8_t rsp[MSG_MAX];
    uint8_t get_version[] = { SPDM_VERSION_10, SPDM_GET_VERSION, 0, 0 };
    unsigned pos;
    Dev *dev = &rciep;

    start(",x-stall-ms=500");
    pos = doe_cap(dev);
    doe_send(dev, TDISP_DOE_CMA, get_version, 4);
    g_assert_cmphex(doe_status(dev), ==, DOE_BUSY);
    qtest_clock_step(qts, 499 * 1000 * 1000);
    g_assert_cmphex(doe_status(dev), ==, DOE_BUSY);
    qtest_clock_step(qts, 2 * 1000 * 1000);
    g_assert_cmphex(doe_status(dev), ==, DOE_READY);
    doe_receive(dev, TDISP_DOE_CMA, rsp);
    g_assert_cmphex(rsp[1], ==, SPDM_RSP(SPDM_GET_VERSION));

    /* What is aborted has not happened, and the mailbox works after */
    fn_ctl_write(dev, TDISP_CTL_STALL_MS, 0);
    open_session(dev);
    fn_ctl_write(dev, TDISP_CTL_STALL_MS, 2000);
    ctl_write(TDISP_CTL_LOG_RESET, 1);
    doe_send(dev, TDISP_DOE_CMA, get_version, 4);
    qtest_clock_step(qts, 1000 * 1000 * 1000);
    g_assert_cmphex(doe_status(dev), ==, DOE_BUSY);
    doe_send(dev, TDISP_DOE_CMA, get_version, 4);
    cfg_writel(dev->mbox, pos + DOE_CTRL, DOE_ABORT);
    g_assert_cmphex(doe_status(dev), ==, 0);
    qtest_clock_step(qts, 4000ll * 1000 * 1000);
    g_assert_cmphex(doe_status(dev), ==, 0);
    g_assert_cmpuint(ctl_read(TDISP_CTL_LOG_COUNT), ==, 1);
    assert_log(0, dev, TDISP_EV_DOE_ABORT, 0, 0, 0);
    fn_ctl_write(dev, TDISP_CTL_STALL_MS, 0);
    run(dev);
    stop_ok(dev);

    /* An FLR during a stall is not an abort */
    fn_ctl_write(dev, TDISP_CTL_STALL_MS, 100);
    doe_send(dev, TDISP_DOE_CMA, get_version, 4);
    flr(dev);
    qtest_clock_step(qts, 101 * 1000 * 1000);
    g_assert_cmphex(doe_status(dev), ==, DOE_READY);
    finish();

    /* The other way round: the request acts, its answer is late */
    start(",x-stall-after=on");
    open_session(dev);
    fn_ctl_write(dev, TDISP_CTL_STALL_MS, 2000);
    ctl_write(TDISP_CTL_LOG_RESET, 1);
    doe_send(dev, TDISP_DOE_CMA, get_version, 4);
    g_assert_cmpint(find_log(dev->bdf, TDISP_EV_SPDM, SPDM_GET_VERSION,
                             SPDM_RSP(SPDM_GET_VERSION)), >=, 0);
    g_assert_cmphex(doe_status(dev), ==, DOE_BUSY);
    cfg_writel(dev->mbox, pos + DOE_CTRL, DOE_ABORT);
    fn_ctl_write(dev, TDISP_CTL_STALL_MS, 0);
    open_session(dev);
    finish();
}

static void test_doe(void)
{
    uint8_t rsp[MSG_MAX];
    uint8_t get_version[] = { SPDM_VERSION_10, SPDM_GET_VERSION, 0, 0 };
    unsigned i, n, pos;
    Dev *dev = &rciep;

    start("");
    pos = doe_cap(dev);

    /* Wrong length, unknown type, an object without end: no answer */
    cfg_writel(dev->mbox, pos + DOE_WRITE, 1 | 1 << 16);
    cfg_writel(dev->mbox, pos + DOE_WRITE, 4);
    cfg_writel(dev->mbox, pos + DOE_WRITE, 0);
    cfg_writel(dev->mbox, pos + DOE_CTRL, DOE_GO);
    g_assert_cmphex(doe_status(dev), ==, 0);
    doe_send(dev, 9, get_version, 4);
    g_assert_cmphex(doe_status(dev), ==, 0);
    for (i = 0; i < 6000; i++) {
        cfg_writel(dev->mbox, pos + DOE_WRITE, i);
    }
    cfg_writel(dev->mbox, pos + DOE_CTRL, DOE_GO);
    g_assert_cmphex(doe_status(dev), ==, 0);
    doe(dev, TDISP_DOE_CMA, get_version, 4, rsp);
    g_assert_cmphex(rsp[1], ==, SPDM_RSP(SPDM_GET_VERSION));

    /* Noise of all kinds and lengths gets answers, and breaks nothing */
    for (i = 0; i < 400; i++) {
        uint8_t noise[128];

        if (i % 40 == 0) {
            open_session(dev);
        }
        for (n = 0; n < sizeof(noise); n++) {
            noise[n] = g_test_rand_int();
        }
        n = g_test_rand_int_range(4, sizeof(noise));
        if (i % 4 == 0) {
            noise[0] = SPDM_VERSION_12;
            noise[1] |= 0x80;
            doe(dev, TDISP_DOE_CMA, noise, n, rsp);
        } else if (i % 4 == 1) {
            doe(dev, TDISP_DOE_SECURED_CMA, noise, n, rsp);
        } else if (i % 4 == 2) {
            noise[0] = TDISP_VERSION_10;
            noise[1] = 0x80 + i % 16;
            stl_le_p(noise + 4, dev->bdf);
            vdm(dev, SPDM_VDM_PROTO_TDISP, noise, n, rsp);
        } else {
            noise[0] = SPDM_VERSION_12;
            noise[1] = SPDM_VENDOR_DEFINED_REQUEST;
            secured(dev, noise, n, rsp);
        }
        if (fn_ctl_read(dev, TDISP_CTL_STATE) != TDISP_STATE_UNLOCKED) {
            open_session(dev);
            stop_ok(dev);
        }
    }
    open_session(dev);
    run(dev);
    finish();
}

static void test_removal(void)
{
    uint8_t nonce[TDISP_NONCE_SIZE];
    Dev *dev = &multi[0];
    unsigned exp;

    start("");
    exp = find_cap(dev->port, PCI_CAP_ID_EXP);
    open_session(dev);
    open_stream(dev, 1);
    run(dev);
    g_assert_cmphex(cfg_readw(dev->port, exp + PCI_EXP_LNKSTA) &
                    PCI_EXP_LNKSTA_DLLLA, !=, 0);
    ctl_write(TDISP_CTL_LOG_RESET, 1);
    fn_ctl_write(&multi[2], TDISP_CTL_REMOVED, 1);
    assert_log(0, dev, TDISP_EV_REMOVED, 1, 0, 0);
    g_assert_cmphex(cfg_readl(dev->bdf, PCI_VENDOR_ID), ==, UINT32_MAX);
    g_assert_cmphex(cfg_readw(dev->bdf, PCI_COMMAND), ==, UINT16_MAX);
    g_assert_cmphex(cfg_readl(multi[3].bdf, PCI_VENDOR_ID), ==, UINT32_MAX);
    g_assert_cmphex(qtest_readl(qts, dev->regs), ==, UINT32_MAX);
    g_assert_cmphex(qtest_readl(qts, dev->mem), ==, UINT32_MAX);
    g_assert_cmphex(qtest_readl(qts, dev->msix), ==, UINT32_MAX);
    g_assert_cmphex(qtest_readl(qts, multi[3].regs), ==, UINT32_MAX);
    set_command(dev, 0);
    g_assert_cmphex(cfg_readw(dev->port, exp + PCI_EXP_LNKSTA) &
                    PCI_EXP_LNKSTA_DLLLA, ==, 0);
    g_assert_cmphex(cfg_readw(dev->port, exp + PCI_EXP_SLTSTA) &
                    (PCI_EXP_SLTSTA_PDS | PCI_EXP_SLTSTA_PDC |
                     PCI_EXP_SLTSTA_DLLSC), ==,
                    PCI_EXP_SLTSTA_PDC | PCI_EXP_SLTSTA_DLLSC);
    cfg_writew(dev->port, exp + PCI_EXP_SLTSTA, PCI_EXP_SLTSTA_DLLSC);
    g_assert_cmphex(cfg_readw(dev->port, exp + PCI_EXP_SLTSTA) &
                    PCI_EXP_SLTSTA_DLLSC, ==, 0);
    g_assert_cmpuint(ide_status(dev->port, 0), ==, 0);

    fn_ctl_write(dev, TDISP_CTL_REMOVED, 0);
    g_assert_cmphex(cfg_readl(dev->bdf, PCI_VENDOR_ID), ==,
                    TDISP_TESTDEV_DEVICE << 16 | TDISP_TESTDEV_VENDOR);
    g_assert_cmphex(cfg_readw(dev->port, exp + PCI_EXP_LNKSTA) &
                    PCI_EXP_LNKSTA_DLLLA, !=, 0);
    g_assert_cmphex(cfg_readw(dev->bdf, PCI_COMMAND), ==, 0);
    g_assert_cmpuint(fn_ctl_read(dev, TDISP_CTL_STATE), ==,
                     TDISP_STATE_UNLOCKED);
    place_bars(dev);
    open_session(dev);
    open_stream(dev, 1);
    lock_ok(dev, nonce);
    finish();
}

static uint32_t dma(Dev *dev, uint64_t src, uint64_t dst, uint32_t len,
                    uint32_t dir)
{
    uint32_t status;
    unsigned i;

    qtest_writel(qts, dev->regs + TDISP_REG_DMA_SRC, src);
    qtest_writel(qts, dev->regs + TDISP_REG_DMA_SRC + 4, src >> 32);
    qtest_writel(qts, dev->regs + TDISP_REG_DMA_DST, dst);
    qtest_writel(qts, dev->regs + TDISP_REG_DMA_DST + 4, dst >> 32);
    qtest_writel(qts, dev->regs + TDISP_REG_DMA_LEN, len);
    qtest_writel(qts, dev->regs + TDISP_REG_DMA_DIR, dir);
    qtest_writel(qts, dev->regs + TDISP_REG_DMA_DOORBELL, 1);
    for (i = 0; i < 1000; i++) {
        status = qtest_readl(qts, dev->regs + TDISP_REG_DMA_STATUS);
        if (status != TDISP_DMA_BUSY) {
            return status;
        }
    }
    g_assert_not_reached();
}

static void test_dma(void)
{
    g_autofree uint8_t *in = g_malloc(MEM_SIZE);
    g_autofree uint8_t *out = g_malloc0(MEM_SIZE);
    uint8_t nonce[TDISP_NONCE_SIZE];
    Dev *dev = &rciep;
    unsigned i, msix;

    start("");
    for (i = 0; i < MEM_SIZE; i++) {
        in[i] = i * 7 + (i >> 8);
    }
    qtest_memwrite(qts, DMA_BUF, in, MEM_SIZE);

    /* Vector 2 tells when it is over */
    msix = find_cap(dev->bdf, PCI_CAP_ID_MSIX);
    cfg_writew(dev->bdf, msix + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE);
    qtest_writel(qts, dev->msix + 2 * 16, MSI_ADDR);
    qtest_writel(qts, dev->msix + 2 * 16 + 4, 0);
    qtest_writel(qts, dev->msix + 2 * 16 + 8, 0xcafe);
    qtest_writel(qts, dev->msix + 2 * 16 + 12, 0);
    qtest_writel(qts, dev->regs + TDISP_REG_DMA_VECTOR, 2);
    qtest_writel(qts, MSI_ADDR, 0);

    g_assert_cmpuint(dma(dev, DMA_BUF, 0, MEM_SIZE, TDISP_DMA_TO_DEVICE), ==,
                     TDISP_DMA_DONE);
    g_assert_cmphex(qtest_readl(qts, MSI_ADDR), ==, 0xcafe);
    qtest_memread(qts, dev->mem, out, MEM_SIZE);
    g_assert_cmpint(memcmp(in, out, MEM_SIZE), ==, 0);
    qtest_memset(qts, DMA_BUF, 0, MEM_SIZE);
    g_assert_cmpuint(dma(dev, 0, DMA_BUF, MEM_SIZE, TDISP_DMA_FROM_DEVICE), ==,
                     TDISP_DMA_DONE);
    qtest_memread(qts, DMA_BUF, out, MEM_SIZE);
    g_assert_cmpint(memcmp(in, out, MEM_SIZE), ==, 0);
    g_assert_cmpuint(dma(dev, DMA_BUF, DMA_BUF + 2 * MEM_SIZE, 5000,
                         TDISP_DMA_MEM_TO_MEM), ==, TDISP_DMA_DONE);
    qtest_memread(qts, DMA_BUF + 2 * MEM_SIZE, out, 5000);
    g_assert_cmpint(memcmp(in, out, 5000), ==, 0);
    g_assert_cmpuint(qtest_readl(qts, dev->regs + TDISP_REG_DMA_COUNT), ==, 3);

    g_assert_cmpuint(dma(dev, DMA_BUF, 1, MEM_SIZE, TDISP_DMA_TO_DEVICE), ==,
                     TDISP_DMA_ERR_RANGE);
    g_assert_cmpuint(dma(dev, DMA_BUF, UINT64_MAX, 2, TDISP_DMA_TO_DEVICE), ==,
                     TDISP_DMA_ERR_RANGE);
    g_assert_cmpuint(dma(dev, DMA_BUF, 0, 1, 3), ==, TDISP_DMA_ERR_RANGE);
    g_assert_cmpuint(dma(dev, DMA_BUF, DMA_BUF, MEM_SIZE + 1,
                         TDISP_DMA_MEM_TO_MEM), ==, TDISP_DMA_ERR_RANGE);
    g_assert_cmpuint(dma(dev, DMA_BUF, 0, 1,
                         TDISP_DMA_TO_DEVICE | TDISP_DMA_TEE), ==,
                     TDISP_DMA_ERR_STATE);
    set_command(dev, PCI_COMMAND_MEMORY);
    g_assert_cmpuint(dma(dev, DMA_BUF, 0, 1, TDISP_DMA_TO_DEVICE), ==,
                     TDISP_DMA_ERR_BME);
    set_command(dev, ON);

    /* T=0 still works when locked */
    open_session(dev);
    lock_ok(dev, nonce);
    g_assert_cmpuint(dma(dev, DMA_BUF, 0, 64, TDISP_DMA_TO_DEVICE), ==,
                     TDISP_DMA_DONE);
    finish();
}

static void test_log(void)
{
    uint8_t nonce[TDISP_NONCE_SIZE];
    Dev *dev = &rciep;
    unsigned i, n = 0;
    uint64_t t, last = 0;

    start("");
    open_session(dev);
    ctl_write(TDISP_CTL_LOG_RESET, 1);
    g_assert_cmpuint(ctl_read(TDISP_CTL_LOG_COUNT), ==, 0);
    g_assert_cmphex(lock(dev, nonce), ==, 0);
    g_assert_cmphex(start_tdi(dev, nonce), ==, 0);
    g_assert_cmphex(stop(dev), ==, 0);
    g_assert_cmphex(start_tdi(dev, nonce), ==, TDISP_ERR_INVALID_STATE);
    flr(dev);
    cfg_writel(dev->bdf, PCI_BASE_ADDRESS_0, dev->regs);
    set_command(dev, ON);
    set_command(dev, 0);
    af_flr(&multi[1]);

    assert_log(n++, dev, TDISP_EV_STATE, 0, 1, TDISP_WHY_MESSAGE);
    assert_log(n++, dev, TDISP_EV_TDISP, TDISP_LOCK_INTERFACE,
               TDISP_RSP(TDISP_LOCK_INTERFACE), 0);
    assert_log(n++, dev, TDISP_EV_STATE, 1, 2, TDISP_WHY_MESSAGE);
    assert_log(n++, dev, TDISP_EV_TDISP, TDISP_START_INTERFACE,
               TDISP_RSP(TDISP_START_INTERFACE), 0);
    assert_log(n++, dev, TDISP_EV_STATE, 2, 0, TDISP_WHY_MESSAGE);
    assert_log(n++, dev, TDISP_EV_TDISP, TDISP_STOP_INTERFACE,
               TDISP_RSP(TDISP_STOP_INTERFACE), 0);
    assert_log(n++, dev, TDISP_EV_TDISP, TDISP_START_INTERFACE, TDISP_ERROR,
               TDISP_ERR_INVALID_STATE);
    assert_log(n++, dev, TDISP_EV_FLR, 0, 0, 0);
    assert_log(n++, dev, TDISP_EV_MSE, 0, 0, 0);
    assert_log(n++, dev, TDISP_EV_BME, 0, 0, 0);
    assert_log(n++, dev, TDISP_EV_BAR, 0, dev->regs, 0);
    assert_log(n++, dev, TDISP_EV_MSE, 1, 0, 0);
    assert_log(n++, dev, TDISP_EV_BME, 1, 0, 0);
    assert_log(n++, dev, TDISP_EV_MSE, 0, 0, 0);
    assert_log(n++, dev, TDISP_EV_BME, 0, 0, 0);
    assert_log(n++, &multi[1], TDISP_EV_FLR, 0, 0, 0);
    assert_log(n++, &multi[1], TDISP_EV_MSE, 0, 0, 0);
    assert_log(n++, &multi[1], TDISP_EV_BME, 0, 0, 0);
    g_assert_cmpuint(ctl_read(TDISP_CTL_LOG_COUNT), ==, n);
    for (i = 0; i < n; i++) {
        t = log_word(i, TDISP_LOG_TIME_NS) |
            (uint64_t)log_word(i, TDISP_LOG_TIME_NS + 4) << 32;
        g_assert_cmpuint(t, >=, last);
        last = t;
    }

    /* A ring */
    set_command(dev, 0);
    ctl_write(TDISP_CTL_LOG_RESET, 1);
    for (i = 0; i <= TDISP_CTL_LOG_SIZE; i++) {
        set_command(dev, i & 1 ? 0 : PCI_COMMAND_MEMORY);
    }
    g_assert_cmpuint(ctl_read(TDISP_CTL_LOG_COUNT), ==,
                     TDISP_CTL_LOG_SIZE + 1);
    g_assert_cmpuint(log_word(0, TDISP_LOG_SEQ), ==, TDISP_CTL_LOG_SIZE);
    g_assert_cmpuint(log_word(1, TDISP_LOG_SEQ), ==, 1);
    finish();
}

static void test_hotplug(void)
{
    uint16_t port = BDF(0, 7, 0);
    unsigned exp, i;

    start(" -global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off "
          "-device tdisp-root-port,id=rp2,addr=7.0,chassis=3,slot=3");
    place_bridge(port, 3, 0xc0600000, 0xd4000000);
    exp = find_cap(port, PCI_CAP_ID_EXP);
    for (i = 0; i < 3; i++) {
        qtest_qmp_device_add(qts, "tdisp-testdev", "hot",
                             "{'bus': 'rp2', 'functions': 3,"
                             " 'mem-size': 4096, 'x-lock-error': 3}");
        g_assert_cmpuint(ctl_read(TDISP_CTL_COUNT), ==, 9);
        g_assert_cmphex(cfg_readw(port, exp + PCI_EXP_SLTSTA) &
                        PCI_EXP_SLTSTA_PDS, !=, 0);
        ctl_write(TDISP_CTL_SELECT, 8);
        g_assert_cmphex(ctl_read(TDISP_CTL_RID), ==, BDF(3, 0, 2));
        g_assert_cmpuint(ctl_read(TDISP_CTL_LOCK_ERROR), ==, 3);
        /* The slot is off: it goes at once */
        qtest_qmp_device_del_send(qts, "hot");
        qtest_qmp_eventwait(qts, "DEVICE_DELETED");
        g_assert_cmpuint(ctl_read(TDISP_CTL_COUNT), ==, 6);
        g_assert_cmphex(cfg_readw(port, exp + PCI_EXP_SLTSTA) &
                        PCI_EXP_SLTSTA_PDS, ==, 0);
    }

    /* The others are as they were */
    open_session(&single);
    open_stream(&single, 1);
    run(&single);
    finish();
}

/* Virtual functions: a machine of their own, with two functions beside them */

#define NR_VFS      3
#define VF_REGS     0xc0040000u
#define VF_MSIX     0xc0060000u
#define VF_MEM      0xd0200000u

static Dev pf[2];
static Dev vfs[NR_VFS];

static unsigned sriov(void)
{
    unsigned pos = find_ext_cap(pf[0].bdf, PCI_EXT_CAP_ID_SRIOV);

    g_assert_cmpuint(pos, !=, 0);
    return pos;
}

static void place_vf_bars(void)
{
    unsigned bar = sriov() + PCI_SRIOV_BAR;

    cfg_writel(pf[0].bdf, bar + TDISP_BAR_REGS * 4, VF_REGS);
    cfg_writel(pf[0].bdf, bar + TDISP_BAR_MEM * 4, VF_MEM);
    cfg_writel(pf[0].bdf, bar + TDISP_BAR_MEM * 4 + 4, 0);
    cfg_writel(pf[0].bdf, bar + TDISP_BAR_MSIX * 4, VF_MSIX);
}

static void sriov_control(uint16_t ctrl)
{
    cfg_writew(pf[0].bdf, sriov() + PCI_SRIOV_CTRL, ctrl);
}

static void enable_vfs(unsigned nr)
{
    unsigned i;

    place_vf_bars();
    cfg_writew(pf[0].bdf, sriov() + PCI_SRIOV_NUM_VF, nr);
    sriov_control(PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);
    for (i = 0; i < nr; i++) {
        set_command(&vfs[i], PCI_COMMAND_MASTER);
    }
}

static void place_pfs(void)
{
    unsigned i;

    qtest_outl(qts, 0xcf8, 0x80000060);
    qtest_outl(qts, 0xcfc, ECAM | 1);
    place_bridge(BDF(0, 3, 0), 1, 0xc0000000, 0xd0000000);
    for (i = 0; i < ARRAY_SIZE(pf); i++) {
        place_bars(&pf[i]);
    }
    cfg_writel(BDF(0, 6, 0), PCI_BASE_ADDRESS_0, CTL_BAR);
    cfg_writew(BDF(0, 6, 0), PCI_COMMAND, ON);
}

static void start_vfs(const char *props)
{
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(pf); i++) {
        pf[i] = (Dev) {
            .bdf = BDF(1, 0, i),
            .mbox = BDF(1, 0, 0),
            .port = BDF(0, 3, 0),
            .index = i,
            .regs = 0xc0000000 + i * 0x10000,
            .msix = 0xc0008000 + i * 0x10000,
            .mem = 0xd0000000 + i * MEM_SIZE,
            .stream = 1,
        };
    }
    for (i = 0; i < NR_VFS; i++) {
        vfs[i] = (Dev) {
            .bdf = BDF(1, 1, i),
            .mbox = BDF(1, 0, 0),
            .port = BDF(0, 3, 0),
            .index = ARRAY_SIZE(pf) + i,
            .regs = VF_REGS + i * 0x4000,
            .msix = VF_MSIX + i * 0x2000,
            .mem = VF_MEM + i * MEM_SIZE,
            .stream = 1,
        };
    }
    qts = qtest_initf("-machine q35 -m 128M -nodefaults "
                      "-device tdisp-root-port,id=rp0,addr=3.0,chassis=1,slot=1 "
                      "-device tdisp-testdev,bus=rp0,functions=%zu,vfs=%d,"
                      "mem-size=1M%s "
                      "-device tdisp-testctl,bus=pcie.0,addr=6.0",
                      ARRAY_SIZE(pf), NR_VFS, props);
    place_pfs();
}

/* One session for all of the device */
static void connect_vfs(void)
{
    unsigned i;

    open_session(&pf[0]);
    pf[1].session = pf[0].session;
    for (i = 0; i < NR_VFS; i++) {
        vfs[i].session = pf[0].session;
    }
    open_stream(&pf[0], 1);
}

static void assert_no_mmio(Dev *vf)
{
    g_assert_cmphex(qtest_readl(qts, vf->regs), !=, TDISP_REG_ID_VALUE);
}

/* Not to be seen: neither in configuration space, nor by the DSM */
static void assert_no_vf(Dev *vf)
{
    uint8_t nonce[TDISP_NONCE_SIZE];

    g_assert_cmphex(cfg_readl(vf->bdf, 0), ==, UINT32_MAX);
    g_assert_cmphex(cfg_readl(vf->bdf, PCI_COMMAND), ==, UINT32_MAX);
    assert_no_mmio(vf);
    g_assert_cmpuint(fn_ctl_read(vf, TDISP_CTL_PRESENT), ==, 0);
    g_assert_cmphex(fn_ctl_read(vf, TDISP_CTL_RID), ==, vf->bdf);
    g_assert_cmphex(lock(vf, nonce), ==, TDISP_ERR_INVALID_INTERFACE);
    g_assert_cmphex(stop(vf), ==, TDISP_ERR_INVALID_INTERFACE);
}

/* One state change to ERROR since the log was emptied, for this reason */
static void assert_error(Dev *vf, uint32_t from, uint32_t why)
{
    int n = find_log(vf->bdf, TDISP_EV_STATE, from, TDISP_STATE_ERROR);

    g_assert_cmpint(n, >=, 0);
    g_assert_cmpuint(log_word(n, TDISP_LOG_ARG2), ==, why);
    g_assert_cmpuint(fn_ctl_read(vf, TDISP_CTL_STATE), ==, TDISP_STATE_ERROR);
}

static void test_vf_config(void)
{
    uint16_t bdf;
    unsigned pos, i;

    start_vfs("");
    connect_vfs();
    g_assert_cmpuint(ctl_read(TDISP_CTL_COUNT), ==, ARRAY_SIZE(pf) + NR_VFS);
    pos = sriov();
    g_assert_cmpuint(cfg_readw(pf[0].bdf, pos + PCI_SRIOV_TOTAL_VF), ==,
                     NR_VFS);
    g_assert_cmpuint(cfg_readw(pf[0].bdf, pos + PCI_SRIOV_INITIAL_VF), ==,
                     NR_VFS);
    bdf = pf[0].bdf + cfg_readw(pf[0].bdf, pos + PCI_SRIOV_VF_OFFSET);
    g_assert_cmphex(bdf, ==, vfs[0].bdf);
    g_assert_cmpuint(cfg_readw(pf[0].bdf, pos + PCI_SRIOV_VF_STRIDE), ==, 1);
    g_assert_cmphex(cfg_readw(pf[0].bdf, pos + PCI_SRIOV_VF_DID), ==,
                    TDISP_TESTVF_DEVICE);
    g_assert_cmpuint(find_ext_cap(pf[1].bdf, PCI_EXT_CAP_ID_SRIOV), ==, 0);

    /* The functions are a chain of ARI */
    pos = find_ext_cap(pf[0].bdf, PCI_EXT_CAP_ID_ARI);
    g_assert_cmpuint(pos, !=, 0);
    g_assert_cmpuint(cfg_readb(pf[0].bdf, pos + PCI_ARI_CAP + 1), ==, 1);
    pos = find_ext_cap(pf[1].bdf, PCI_EXT_CAP_ID_ARI);
    g_assert_cmpuint(pos, !=, 0);
    g_assert_cmpuint(cfg_readb(pf[1].bdf, pos + PCI_ARI_CAP + 1), ==, 0);

    /* More than there are: none. Some: those and no others */
    for (i = 0; i < NR_VFS; i++) {
        assert_no_vf(&vfs[i]);
    }
    cfg_writew(pf[0].bdf, sriov() + PCI_SRIOV_NUM_VF, NR_VFS + 1);
    sriov_control(PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);
    assert_no_vf(&vfs[0]);
    enable_vfs(1);
    g_assert_cmphex(cfg_readl(vfs[0].bdf, 0), ==, UINT32_MAX);
    g_assert_cmphex(cfg_readl(vfs[0].bdf, PCI_COMMAND), !=, UINT32_MAX);
    g_assert_cmpuint(fn_ctl_read(&vfs[0], TDISP_CTL_PRESENT), ==, 1);
    assert_no_vf(&vfs[1]);
    sriov_control(0);
    assert_no_vf(&vfs[0]);
    ctl_write(TDISP_CTL_LOG_RESET, 1);
    enable_vfs(NR_VFS);
    for (i = 0; i < NR_VFS; i++) {
        uint16_t vf = vfs[i].bdf;

        g_assert_cmpint(find_log(vf, TDISP_EV_VF, 1, 0), >=, 0);
        pos = find_cap(vf, PCI_CAP_ID_EXP);
        g_assert_cmphex(cfg_readl(vf, pos + PCI_EXP_DEVCAP) &
                        (BIT(30) | PCI_EXP_DEVCAP_FLR), ==,
                        BIT(30) | PCI_EXP_DEVCAP_FLR);
        g_assert_cmpuint(find_cap(vf, PCI_CAP_ID_MSIX), !=, 0);
        g_assert_cmpuint(find_cap(vf, PCI_CAP_ID_AF), ==, 0);
        g_assert_cmpuint(find_ext_cap(vf, PCI_EXT_CAP_ID_DOE), ==, 0);
        g_assert_cmpuint(find_ext_cap(vf, IDE_CAP_ID), ==, 0);
        g_assert_cmpuint(find_ext_cap(vf, PCI_EXT_CAP_ID_ARI), !=, 0);

        /* No BARs and no memory enable bit of its own; each width */
        set_command(&vfs[i], ON);
        g_assert_cmphex(cfg_readw(vf, PCI_COMMAND), ==, PCI_COMMAND_MASTER);
        g_assert_cmphex(cfg_readb(vf, PCI_COMMAND), ==, PCI_COMMAND_MASTER);
        g_assert_cmphex(cfg_readl(vf, PCI_COMMAND) & 0xffff, ==,
                        PCI_COMMAND_MASTER);
        cfg_writel(vf, PCI_BASE_ADDRESS_0, UINT32_MAX);
        g_assert_cmphex(cfg_readl(vf, PCI_BASE_ADDRESS_0), ==, 0);
        g_assert_cmphex(qtest_readl(qts, vfs[i].regs), ==, TDISP_REG_ID_VALUE);
        g_assert_cmpuint(qtest_readl(qts, vfs[i].regs + TDISP_REG_FUNCTION), ==,
                         i);
        qtest_writel(qts, vfs[i].mem, i + 1);
        qtest_writel(qts, vfs[i].msix, MSI_ADDR + i);
    }
    for (i = 0; i < NR_VFS; i++) {
        g_assert_cmpuint(qtest_readl(qts, vfs[i].mem), ==, i + 1);
        g_assert_cmphex(qtest_readl(qts, vfs[i].msix), ==, MSI_ADDR + i);
    }

    /* VF MSE is for all, and goes on and off */
    sriov_control(PCI_SRIOV_CTRL_VFE);
    assert_no_mmio(&vfs[1]);
    set_command(&vfs[1], ON);
    assert_no_mmio(&vfs[1]);
    sriov_control(PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);
    g_assert_cmphex(qtest_readl(qts, vfs[1].regs), ==, TDISP_REG_ID_VALUE);
    /* Another address at once */
    cfg_writel(pf[0].bdf, sriov() + PCI_SRIOV_BAR, VF_REGS + 0x10000);
    assert_no_mmio(&vfs[1]);
    g_assert_cmphex(qtest_readl(qts, vfs[1].regs + 0x10000), ==,
                    TDISP_REG_ID_VALUE);
    finish();
}

static void vf_dma(Dev *vf, uint32_t want)
{
    qtest_writel(qts, vf->regs + TDISP_REG_DMA_SRC, DMA_BUF);
    qtest_writel(qts, vf->regs + TDISP_REG_DMA_DST, 0x100);
    qtest_writel(qts, vf->regs + TDISP_REG_DMA_LEN, 4);
    qtest_writel(qts, vf->regs + TDISP_REG_DMA_DIR, TDISP_DMA_TO_DEVICE);
    qtest_writel(qts, vf->regs + TDISP_REG_DMA_DOORBELL, 1);
    while (qtest_readl(qts, vf->regs + TDISP_REG_DMA_STATUS) ==
           TDISP_DMA_BUSY) {
        qtest_clock_step(qts, 1);
    }
    g_assert_cmpuint(qtest_readl(qts, vf->regs + TDISP_REG_DMA_STATUS), ==,
                     want);
}

static void test_vf_life_cycle(void)
{
    uint8_t report[TDISP_REPORT_RANGES_OFF + 16 * TDISP_REPORT_RANGE_SIZE];
    const uint8_t *range = report + TDISP_REPORT_RANGES_OFF;
    uint8_t nonce[TDISP_NONCE_SIZE];
    unsigned portions, i;

    start_vfs("");
    connect_vfs();
    enable_vfs(NR_VFS);

    /* Memory has to be decoded, by VF MSE and not by the PF's own bit */
    sriov_control(PCI_SRIOV_CTRL_VFE);
    g_assert_cmphex(lock(&vfs[0], nonce), ==, TDISP_ERR_INVALID_CONFIG);
    sriov_control(PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);
    set_command(&pf[0], 0);
    lock_ok(&vfs[1], nonce);
    set_command(&pf[0], ON);
    assert_state(&vfs[1], TDISP_STATE_LOCKED);
    read_report(&vfs[1], report, &portions);
    g_assert_cmphex(ldq_le_p(range), ==, vfs[1].regs >> 12);
    g_assert_cmphex(ldq_le_p(range + TDISP_REPORT_RANGE_SIZE), ==,
                    vfs[1].mem >> 12);
    g_assert_cmphex(start_tdi(&vfs[1], nonce), ==, 0);

    /* Its bus mastering is its own */
    qtest_writel(qts, DMA_BUF, 0x12345678);
    vf_dma(&vfs[0], TDISP_DMA_DONE);
    g_assert_cmphex(qtest_readl(qts, vfs[0].mem + 0x100), ==, 0x12345678);
    set_command(&vfs[0], 0);
    vf_dma(&vfs[0], TDISP_DMA_ERR_BME);
    set_command(&vfs[0], PCI_COMMAND_MASTER);

    /* What one VF, its PF and their sibling do is nothing to the others */
    for (i = 0; i < NR_VFS; i++) {
        if (i != 1) {
            run(&vfs[i]);
        }
    }
    run(&pf[0]);
    run(&pf[1]);
    g_assert_cmphex(qtest_readl(qts, vfs[0].mem), ==, UINT32_MAX);
    ctl_write(TDISP_CTL_LOG_RESET, 1);
    flr(&vfs[1]);
    assert_error(&vfs[1], TDISP_STATE_RUN, TDISP_WHY_FLR);
    g_assert_cmpint(find_log(vfs[1].bdf, TDISP_EV_FLR, 0, 0), >=, 0);
    g_assert_cmpint(find_log(vfs[1].bdf, TDISP_EV_VF, 0, 0), ==, -1);
    set_command(&vfs[1], PCI_COMMAND_MASTER);
    g_assert_cmphex(qtest_readl(qts, vfs[1].mem), ==, UINT32_MAX);
    set_command(&vfs[2], 0);
    assert_error(&vfs[2], TDISP_STATE_RUN, TDISP_WHY_BME);
    set_command(&pf[0], PCI_COMMAND_MASTER);
    assert_error(&pf[0], TDISP_STATE_RUN, TDISP_WHY_MSE);
    flr(&pf[1]);
    assert_error(&pf[1], TDISP_STATE_RUN, TDISP_WHY_FLR);
    assert_state(&vfs[0], TDISP_STATE_RUN);
    stop_ok(&vfs[0]);
    stop_ok(&vfs[1]);
    g_assert_cmphex(qtest_readl(qts, vfs[1].mem), ==, 0);

    /* Losing the session is for all */
    run(&vfs[0]);
    violate(&pf[0], TDISP_WHY_SESSION);
    g_assert_cmpuint(fn_ctl_read(&vfs[0], TDISP_CTL_STATE), ==,
                     TDISP_STATE_ERROR);
    finish();
}

static void vf_violate(unsigned how)
{
    switch (how) {
    case TDISP_WHY_MSE:
        sriov_control(PCI_SRIOV_CTRL_VFE);
        break;
    case TDISP_WHY_BAR:
        cfg_writel(pf[0].bdf, sriov() + PCI_SRIOV_BAR + TDISP_BAR_MEM * 4 + 4,
                   0);
        break;
    case TDISP_WHY_VF:
        sriov_control(0);
        break;
    case TDISP_WHY_FLR:         /* of the PF */
        flr(&pf[0]);
        break;
    }
}

static void vf_repair(unsigned how)
{
    unsigned i;

    if (how == TDISP_WHY_VF || how == TDISP_WHY_FLR) {
        for (i = 0; i < NR_VFS; i++) {
            assert_no_vf(&vfs[i]);
            g_assert_cmpint(find_log(vfs[i].bdf, TDISP_EV_VF, 0, 0), >=, 0);
        }
    }
    place_bars(&pf[0]);
    enable_vfs(NR_VFS);
}

/* What happens to the SR-IOV capability happens to all VFs, but not to PFs */
static void test_vf_violations(void)
{
    static const uint8_t how[] = {
        TDISP_WHY_MSE, TDISP_WHY_BAR, TDISP_WHY_VF, TDISP_WHY_FLR,
    };
    uint8_t nonce[TDISP_NONCE_SIZE];
    unsigned i;

    start_vfs("");
    connect_vfs();
    enable_vfs(NR_VFS);
    run(&pf[1]);
    for (i = 0; i < ARRAY_SIZE(how); i++) {
        /* Taken down by the reset of the PF: they are no longer there */
        unsigned why = how[i] == TDISP_WHY_FLR ? TDISP_WHY_VF : how[i];

        qtest_writel(qts, vfs[1].mem, 0x5ec2e7);
        lock_ok(&vfs[0], nonce);
        run(&vfs[1]);
        ctl_write(TDISP_CTL_LOG_RESET, 1);
        vf_violate(how[i]);
        assert_error(&vfs[0], TDISP_STATE_LOCKED, why);
        assert_error(&vfs[1], TDISP_STATE_RUN, why);
        g_assert_cmpint(find_log(vfs[2].bdf, TDISP_EV_STATE, 0,
                                 TDISP_STATE_ERROR), ==, -1);
        vf_repair(how[i]);

        /* There is no way out but STOP */
        assert_state(&vfs[0], TDISP_STATE_ERROR);
        assert_state(&vfs[1], TDISP_STATE_ERROR);
        assert_state(&vfs[2], TDISP_STATE_UNLOCKED);
        assert_state(&pf[1], TDISP_STATE_RUN);
        g_assert_cmphex(lock(&vfs[1], nonce), ==, TDISP_ERR_INVALID_STATE);
        g_assert_cmphex(qtest_readl(qts, vfs[1].mem), ==, UINT32_MAX);
        stop_ok(&vfs[0]);
        stop_ok(&vfs[1]);
        g_assert_cmphex(qtest_readl(qts, vfs[1].mem), ==, 0);
    }

    /* A write elsewhere in the capability changes nothing */
    run(&vfs[0]);
    cfg_writew(pf[0].bdf, sriov() + PCI_SRIOV_NUM_VF, 1);
    cfg_writew(pf[0].bdf, sriov() + PCI_SRIOV_CTRL,
               PCI_SRIOV_CTRL_VFE | PCI_SRIOV_CTRL_MSE);
    assert_state(&vfs[0], TDISP_STATE_RUN);
    finish();
}

/* The other functions and the VFs have what function 0 has */
static void test_vf_regs_64bit(void)
{
    unsigned bar, half;

    start_vfs(",regs-64bit=on");
    g_assert_cmphex(cfg_readl(pf[1].bdf, PCI_BASE_ADDRESS_0) &
                    ~PCI_BASE_ADDRESS_MEM_MASK, ==,
                    PCI_BASE_ADDRESS_MEM_TYPE_64 |
                    PCI_BASE_ADDRESS_MEM_PREFETCH);
    bar = sriov() + PCI_SRIOV_BAR + TDISP_BAR_REGS * 4;
    g_assert_cmphex(cfg_readl(pf[0].bdf, bar) & ~PCI_BASE_ADDRESS_MEM_MASK, ==,
                    PCI_BASE_ADDRESS_MEM_TYPE_64 |
                    PCI_BASE_ADDRESS_MEM_PREFETCH);
    connect_vfs();
    enable_vfs(NR_VFS);
    for (half = 0; half <= 4; half += 4) {
        run(&vfs[0]);
        cfg_writel(pf[0].bdf, bar + half, cfg_readl(pf[0].bdf, bar + half));
        assert_state(&vfs[0], TDISP_STATE_ERROR);
        stop_ok(&vfs[0]);
    }
    finish();
}

static void test_vf_resets(void)
{
    uint16_t ctl;
    unsigned i;

    start_vfs("");
    connect_vfs();
    enable_vfs(NR_VFS);
    run(&vfs[0]);

    /* Secondary bus reset: none is left, and nothing of them */
    ctl_write(TDISP_CTL_LOG_RESET, 1);
    ctl = cfg_readw(pf[0].port, PCI_BRIDGE_CONTROL);
    cfg_writew(pf[0].port, PCI_BRIDGE_CONTROL, ctl | PCI_BRIDGE_CTL_BUS_RESET);
    cfg_writew(pf[0].port, PCI_BRIDGE_CONTROL, ctl);
    g_assert_cmpint(find_log(vfs[0].bdf, TDISP_EV_STATE, TDISP_STATE_RUN,
                             TDISP_STATE_UNLOCKED), >=, 0);
    g_assert_cmpint(find_log(vfs[0].bdf, TDISP_EV_STATE, TDISP_STATE_RUN,
                             TDISP_STATE_ERROR), ==, -1);
    place_pfs();
    connect_vfs();
    for (i = 0; i < NR_VFS; i++) {
        assert_no_vf(&vfs[i]);
    }
    enable_vfs(2);
    run(&vfs[1]);
    assert_no_vf(&vfs[2]);

    /* Reset of the machine, and surprise removal */
    qtest_system_reset(qts);
    place_pfs();
    connect_vfs();
    assert_no_vf(&vfs[1]);
    enable_vfs(NR_VFS);
    run(&vfs[1]);
    fn_ctl_write(&vfs[1], TDISP_CTL_REMOVED, 1);
    g_assert_cmpuint(fn_ctl_read(&vfs[1], TDISP_CTL_PRESENT), ==, 0);
    g_assert_cmphex(cfg_readl(vfs[1].bdf, PCI_COMMAND), ==, UINT32_MAX);
    g_assert_cmphex(qtest_readl(qts, vfs[1].msix), ==, UINT32_MAX);
    fn_ctl_write(&vfs[1], TDISP_CTL_REMOVED, 0);
    place_pfs();
    connect_vfs();
    assert_no_vf(&vfs[1]);
    enable_vfs(NR_VFS);
    assert_state(&vfs[1], TDISP_STATE_UNLOCKED);
    run(&vfs[1]);
    stop_ok(&vfs[1]);
    finish();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    qtest_add_func("/tdisp/config", test_config);
    qtest_add_func("/tdisp/discovery", test_discovery);
    qtest_add_func("/tdisp/doe", test_doe);
    qtest_add_func("/tdisp/spdm", test_spdm);
    qtest_add_func("/tdisp/session", test_session);
    qtest_add_func("/tdisp/life-cycle", test_life_cycle);
    qtest_add_func("/tdisp/errors", test_errors);
    qtest_add_func("/tdisp/violations", test_violations);
    qtest_add_func("/tdisp/resets", test_resets);
    qtest_add_func("/tdisp/ide", test_ide);
    qtest_add_func("/tdisp/p2p", test_p2p);
    qtest_add_func("/tdisp/mmio-attribute", test_mmio_attribute);
    qtest_add_func("/tdisp/private-pages", test_private_pages);
    qtest_add_func("/tdisp/regs-64bit", test_regs_64bit);
    qtest_add_func("/tdisp/dma-switch", test_dma_switch);
    qtest_add_func("/tdisp/functions", test_functions);
    qtest_add_func("/tdisp/faults", test_faults);
    qtest_add_func("/tdisp/stall", test_stall);
    qtest_add_func("/tdisp/removal", test_removal);
    qtest_add_func("/tdisp/hotplug", test_hotplug);
    qtest_add_func("/tdisp/dma", test_dma);
    qtest_add_func("/tdisp/log", test_log);
    qtest_add_func("/tdisp/vf-config", test_vf_config);
    qtest_add_func("/tdisp/vf-life-cycle", test_vf_life_cycle);
    qtest_add_func("/tdisp/vf-violations", test_vf_violations);
    qtest_add_func("/tdisp/vf-regs-64bit", test_vf_regs_64bit);
    qtest_add_func("/tdisp/vf-resets", test_vf_resets);

    return g_test_run();
}
