/*
 * Calls of a guest about its devices, without a device: what is looked at
 * before anything is passed on
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "hw/misc/tsm-testcall.h"
#include "hw/pci/pci_regs.h"
#include "libqos/pci-pc.h"
#include "libqtest.h"
#include "qemu/bswap.h"
#include "qobject/qdict.h"
#include "qobject/qlist.h"

#define CALL_ADDR   0x200000
#define BUF_ADDR    0x300000
#define NOWHERE     0xf00000000ULL

typedef struct Call {
    uint32_t nr;
    uint32_t tdi;
    uint64_t arg[3];
    uint64_t buf;
    uint32_t buf_len;
    uint32_t reserved;
} Call;

typedef struct Fixture {
    QTestState *qts;
    QPCIBus *bus;
    QPCIDevice *dev;
    QPCIBar bar;
} Fixture;

static void fixture_open(Fixture *f)
{
    f->qts = qtest_init("-M q35 -nodefaults -m 64M "
                        "-device x-tsm-testcall,addr=5.0");
    f->bus = qpci_new_pc(f->qts, NULL);
    f->dev = qpci_device_find(f->bus, QPCI_DEVFN(5, 0));
    g_assert_nonnull(f->dev);
    qpci_device_enable(f->dev);
    f->bar = qpci_iomap(f->dev, 0, NULL);
}

static void fixture_close(Fixture *f)
{
    g_free(f->dev);
    qpci_free_pc(f->bus);
    qtest_quit(f->qts);
}

static uint32_t reg(Fixture *f, uint32_t off)
{
    return qpci_io_readl(f->dev, f->bar, off);
}

static void ring(Fixture *f, uint64_t addr)
{
    qpci_io_writel(f->dev, f->bar, TSM_CALL_ADDR, addr);
    qpci_io_writel(f->dev, f->bar, TSM_CALL_ADDR + 4, addr >> 32);
    qpci_io_writel(f->dev, f->bar, TSM_CALL_DOORBELL, 1);
}

/* Result of a call; nothing comes back with it */
static uint32_t call(Fixture *f, Call c)
{
    uint8_t raw[TSM_CALL_SIZE] = {};

    stl_le_p(raw + TSM_CALL_NR, c.nr);
    stl_le_p(raw + TSM_CALL_TDI, c.tdi);
    for (int i = 0; i < 3; i++) {
        stq_le_p(raw + TSM_CALL_ARG(i), c.arg[i]);
    }
    stq_le_p(raw + TSM_CALL_BUF, c.buf);
    stl_le_p(raw + TSM_CALL_BUF_LEN, c.buf_len);
    stl_le_p(raw + TSM_CALL_STATUS, ~0u);
    stl_le_p(raw + TSM_CALL_ERR, ~0u);
    stl_le_p(raw + TSM_CALL_RESERVED, c.reserved);
    qtest_memwrite(f->qts, CALL_ADDR, raw, sizeof(raw));
    ring(f, CALL_ADDR);
    g_assert_cmpuint(reg(f, TSM_CALL_STATE), ==, TSM_CALL_DONE);
    qtest_memread(f->qts, CALL_ADDR, raw, sizeof(raw));
    g_assert_cmpuint((uint32_t)ldl_le_p(raw + TSM_CALL_NR), ==, c.nr);
    g_assert_cmpuint((uint32_t)ldl_le_p(raw + TSM_CALL_BUF_LEN), ==, 0);
    g_assert_cmpuint((uint32_t)ldl_le_p(raw + TSM_CALL_ERR), ==, 0);
    g_assert_cmpuint(ldq_le_p(raw + TSM_CALL_CODE), ==, 0);
    return ldl_le_p(raw + TSM_CALL_STATUS);
}

#define expect(f, status, ...) \
    g_assert_cmpuint(call(f, (Call) { __VA_ARGS__ }), ==, status)

static void test_registers(void)
{
    Fixture f;

    fixture_open(&f);
    g_assert_cmphex(reg(&f, TSM_CALL_MAGIC), ==, TSM_CALL_MAGIC_VALUE);
    g_assert_cmpuint(reg(&f, TSM_CALL_VERSION), ==, 1);
    g_assert_cmpuint(reg(&f, TSM_CALL_STATE), ==, TSM_CALL_IDLE);
    g_assert_cmpuint(reg(&f, TSM_CALL_EVENTS), ==, 0);
    qpci_io_writel(f.dev, f.bar, TSM_CALL_MAGIC, 0);
    g_assert_cmphex(reg(&f, TSM_CALL_MAGIC), ==, TSM_CALL_MAGIC_VALUE);
    fixture_close(&f);
}

/* What is wrong about a call is found before the device is looked for */
static void test_lies(void)
{
    Fixture f;

    fixture_open(&f);
    expect(&f, TSM_CALL_UNKNOWN, .nr = 0);
    expect(&f, TSM_CALL_UNKNOWN, .nr = TSM_CALL_GUEST_MSG + 1);
    expect(&f, TSM_CALL_UNKNOWN, .nr = ~0u);
    expect(&f, TSM_CALL_BAD_VALUE, .nr = TSM_CALL_BIND, .reserved = 1);
    expect(&f, TSM_CALL_BAD_VALUE, .nr = TSM_CALL_BIND, .arg = { 1 });
    expect(&f, TSM_CALL_BAD_VALUE, .nr = TSM_CALL_START, .arg = { 0, 0, 1 });
    expect(&f, TSM_CALL_BAD_VALUE, .nr = TSM_CALL_READ_OBJECT,
           .arg = { 1ull << 32 }, .buf = BUF_ADDR, .buf_len = 16);
    expect(&f, TSM_CALL_BAD_LENGTH, .nr = TSM_CALL_BIND, .buf = BUF_ADDR,
           .buf_len = 1);
    expect(&f, TSM_CALL_BAD_LENGTH, .nr = TSM_CALL_OBJECT_INFO,
           .buf = BUF_ADDR, .buf_len = 8);
    expect(&f, TSM_CALL_BAD_LENGTH, .nr = TSM_CALL_READ_OBJECT);
    expect(&f, TSM_CALL_BAD_LENGTH, .nr = TSM_CALL_READ_OBJECT,
           .buf = BUF_ADDR, .buf_len = TSM_CALL_MAX_BUF + 1);
    expect(&f, TSM_CALL_BAD_LENGTH, .nr = TSM_CALL_READ_OBJECT,
           .buf = BUF_ADDR, .buf_len = ~0u);
    expect(&f, TSM_CALL_BAD_ADDRESS, .nr = TSM_CALL_OBJECT_INFO,
           .buf_len = 4);
    expect(&f, TSM_CALL_BAD_ADDRESS, .nr = TSM_CALL_BIND, .buf = BUF_ADDR);
    fixture_close(&f);
}

static void test_no_device(void)
{
    Fixture f;

    fixture_open(&f);
    expect(&f, TSM_CALL_NO_DEVICE, .nr = TSM_CALL_BIND);
    /* The function itself, and one that cannot be */
    expect(&f, TSM_CALL_NO_DEVICE, .nr = TSM_CALL_BIND, .tdi = 5 << 3);
    expect(&f, TSM_CALL_NO_DEVICE, .nr = TSM_CALL_UNBIND, .tdi = ~0u);
    expect(&f, TSM_CALL_NO_DEVICE, .nr = TSM_CALL_ACCEPT_MMIO,
           .arg = { ~0ull, ~0ull, ~0ull });
    expect(&f, TSM_CALL_NO_DEVICE, .nr = TSM_CALL_GUEST_MSG,
           .arg = { ~0u }, .buf = BUF_ADDR, .buf_len = TSM_CALL_MAX_BUF);
    fixture_close(&f);
}

/* Neither a call that cannot be read nor a master that may not */
static void test_no_memory(void)
{
    Fixture f;
    uint16_t cmd;

    fixture_open(&f);
    ring(&f, NOWHERE);
    g_assert_cmpuint(reg(&f, TSM_CALL_STATE), ==, TSM_CALL_NO_ADDR);
    expect(&f, TSM_CALL_NO_DEVICE, .nr = TSM_CALL_BIND);

    cmd = qpci_config_readw(f.dev, PCI_COMMAND);
    qpci_config_writew(f.dev, PCI_COMMAND, cmd & ~PCI_COMMAND_MASTER);
    ring(&f, CALL_ADDR);
    g_assert_cmpuint(reg(&f, TSM_CALL_STATE), ==, TSM_CALL_NO_ADDR);
    qpci_config_writew(f.dev, PCI_COMMAND, cmd);
    expect(&f, TSM_CALL_NO_DEVICE, .nr = TSM_CALL_BIND);
    fixture_close(&f);
}

static void test_reset(void)
{
    Fixture f;

    fixture_open(&f);
    expect(&f, TSM_CALL_NO_DEVICE, .nr = TSM_CALL_BIND);
    qtest_system_reset(f.qts);
    qpci_device_enable(f.dev);
    f.bar = qpci_iomap(f.dev, 0, NULL);
    g_assert_cmpuint(reg(&f, TSM_CALL_STATE), ==, TSM_CALL_IDLE);
    g_assert_cmpuint(reg(&f, TSM_CALL_ADDR), ==, 0);
    fixture_close(&f);
}

/* The monitor of a machine without such devices */
static void test_monitor(void)
{
    QTestState *qts = qtest_init("-M q35 -nodefaults -m 64M "
                                 "-device x-tsm-testcall,id=call");
    g_autofree char *text = NULL;
    QDict *rsp;

    rsp = qtest_qmp(qts, "{ 'execute': 'query-vfio-tsm' }");
    g_assert_true(qlist_empty(qdict_get_qlist(rsp, "return")));
    qobject_unref(rsp);
    text = qtest_hmp(qts, "info vfio-tsm");
    g_assert_cmpstr(text, ==, "");
    rsp = qtest_qmp(qts, "{ 'execute': 'vfio-tsm-unbind', "
                    "'arguments': { 'id': 'call' } }");
    qmp_expect_error_and_unref(rsp, "GenericError");
    rsp = qtest_qmp(qts, "{ 'execute': 'vfio-tsm-unbind', "
                    "'arguments': { 'id': 'nobody' } }");
    qmp_expect_error_and_unref(rsp, "DeviceNotFound");
    qtest_quit(qts);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    qtest_add_func("/tsm-testcall/registers", test_registers);
    qtest_add_func("/tsm-testcall/lies", test_lies);
    qtest_add_func("/tsm-testcall/no-device", test_no_device);
    qtest_add_func("/tsm-testcall/no-memory", test_no_memory);
    qtest_add_func("/tsm-testcall/reset", test_reset);
    qtest_add_func("/tsm-testcall/monitor", test_monitor);
    return g_test_run();
}
