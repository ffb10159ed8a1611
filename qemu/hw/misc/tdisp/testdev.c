/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TDISP test device: the PCI functions. BARs, DMA engine, configuration space,
 * resets, and the watch over everything that TDISP locks.
 */
#include "qemu/osdep.h"
#include "qemu/cutils.h"
#include "qemu/host-utils.h"
#include "qemu/module.h"
#include "qemu/units.h"
#include "qapi/error.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci_bridge.h"
#include "hw/pci/pci_bus.h"
#include "hw/qdev-properties.h"
#include "hw/resettable.h"
#include "migration/vmstate.h"
#include "internal.h"

#define REGS_SIZE           0x4000
#define MSIX_SIZE           0x2000
#define MSIX_PBA_OFF        0x1000
#define MEM_SIZE_MAX        (2 * GiB)
#define SCRUB_CHUNK         (64 * KiB)
#define DMA_CHUNK           (1 * MiB)
#define DMA_DIR_MASK        0xff
#define PCI_EXP_DEVCAP_TEE_ BIT(30)

TdispFnList tdisp_functions = QTAILQ_HEAD_INITIALIZER(tdisp_functions);

uint16_t tdisp_rid(PCIDevice *dev)
{
    return PCI_BUILD_BDF(pci_dev_bus_num(dev), dev->devfn);
}

static TdispFn *fn0(TdispFn *fn)
{
    return fn->dsm->fn[0];
}

static bool is_fn0(TdispFn *fn)
{
    return fn0(fn) == fn;
}

/* Memory */

/*
 * Whether BAR 2 is anything but memory to all. As long as there are private
 * mappings of it, each access is looked at, see tee.c.
 */
static bool mem_gated(TdispFn *fn)
{
    return fn->dsm->removed || fn->tdi.state == TDISP_STATE_RUN ||
           fn->tdi.state == TDISP_STATE_ERROR || fn->tee_mem.count;
}

/* Cover and uncover BARs after a change of state or presence */
void tdisp_update_access(TdispFn *fn)
{
    bool msix_locked = (fn->tdi.lock_flags & TDISP_LOCK_MSIX) &&
                       (fn->tdi.state == TDISP_STATE_LOCKED ||
                        fn->tdi.state == TDISP_STATE_RUN);

    memory_region_transaction_begin();
    memory_region_set_enabled(&fn->tee_gate, mem_gated(fn));
    memory_region_set_enabled(&fn->ones_msix, fn->dsm->removed);
    memory_region_set_enabled(&fn->msix_guard, msix_locked);
    memory_region_transaction_commit();
}

/* Forget what is in BAR 2 and in the scratch registers */
void tdisp_scrub(TdispFn *fn)
{
    uint8_t *mem = memory_region_get_ram_ptr(&fn->mem);
    uint64_t n = MIN(fn->mem_size, SCRUB_CHUNK);
    uint64_t off;

    /* What was never written takes no host memory, and shall not after */
    for (off = 0; off < fn->mem_size; off += n) {
        if (!buffer_is_zero(mem + off, n)) {
            memset(mem + off, 0, n);
            memory_region_set_dirty(&fn->mem, off, n);
        }
    }
    memset(fn->scratch, 0, sizeof(fn->scratch));
}

static uint64_t ones_read(void *opaque, hwaddr addr, unsigned size)
{
    return UINT64_MAX;
}

static void ones_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
}

static const MemoryRegionOps ones_ops = {
    .read = ones_read,
    .write = ones_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8 },
    .impl = { .min_access_size = 1, .max_access_size = 8 },
};

/* Stands before the MSI-X table while LOCK_MSIX holds it */
static uint64_t guard_read(void *opaque, hwaddr addr, unsigned size)
{
    TdispFn *fn = opaque;
    uint8_t *p = fn->parent_obj.msix_table + addr;

    return size == 8 ? pci_get_quad(p) : pci_get_long(p);
}

static void guard_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    tdi_violation(opaque, TDISP_WHY_MSIX);
}

static const MemoryRegionOps guard_ops = {
    .read = guard_read,
    .write = guard_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 8 },
};

/* DMA engine */

static void dma_finish(TdispFn *fn, uint32_t status)
{
    TdispDma *dma = &fn->dma;

    dma->status = status;
    if (status == TDISP_DMA_DONE) {
        dma->count++;
    }
    tdisp_log(&fn->parent_obj, TDISP_EV_DMA, dma->cur_dir, dma->cur_len,
              status);
    if (dma->vector < TDISP_NR_VECTORS && msix_enabled(&fn->parent_obj)) {
        msix_notify(&fn->parent_obj, dma->vector);
    }
}

/* End a transfer under way */
void tdisp_dma_stop(TdispFn *fn, uint32_t status)
{
    if (fn->dma.status == TDISP_DMA_BUSY) {
        qemu_bh_cancel(fn->dma.bh);
        dma_finish(fn, status);
    }
}

/*
 * T=1 is for RUN alone, and the platform can refuse it (TRUSTED_DMA). T=0 is
 * fine in every state but ERROR: a locked TDI may still do it.
 */
static uint32_t dma_allowed(TdispFn *fn)
{
    TdispDma *dma = &fn->dma;
    bool tee = dma->cur_dir & TDISP_DMA_TEE;

    if (fn->tdi.state == TDISP_STATE_ERROR ||
        (tee && fn->tdi.state != TDISP_STATE_RUN)) {
        return TDISP_DMA_ERR_STATE;
    }
    if (!(pci_get_word(fn->parent_obj.config + PCI_COMMAND) &
          PCI_COMMAND_MASTER)) {
        return TDISP_DMA_ERR_BME;
    }
    if (tee && !fn->faults.trusted_dma) {
        return TDISP_DMA_ERR_BUS;
    }
    return TDISP_DMA_DONE;
}

/* Whether the ranges of the latched transfer are inside BAR 2 */
static bool dma_in_range(TdispFn *fn)
{
    TdispDma *dma = &fn->dma;
    uint64_t off;

    if (dma->cur_len > fn->mem_size ||
        (dma->cur_dir & ~(DMA_DIR_MASK | TDISP_DMA_TEE))) {
        return false;
    }
    switch (dma->cur_dir & DMA_DIR_MASK) {
    case TDISP_DMA_TO_DEVICE:
        off = dma->cur_dst;
        break;
    case TDISP_DMA_FROM_DEVICE:
        off = dma->cur_src;
        break;
    case TDISP_DMA_MEM_TO_MEM:
        return true;
    default:
        return false;
    }
    return off <= fn->mem_size && dma->cur_len <= fn->mem_size - off;
}

/* Move a chunk; the ranges were checked when the transfer began */
static MemTxResult dma_move(TdispFn *fn, uint32_t n)
{
    TdispDma *dma = &fn->dma;
    uint8_t *mem = memory_region_get_ram_ptr(&fn->mem);
    uint64_t src = dma->cur_src + dma->done;
    uint64_t dst = dma->cur_dst + dma->done;
    g_autofree uint8_t *buf = NULL;
    MemTxResult res;

    switch (dma->cur_dir & DMA_DIR_MASK) {
    case TDISP_DMA_TO_DEVICE:
        res = pci_dma_read(&fn->parent_obj, src, mem + dst, n);
        memory_region_set_dirty(&fn->mem, dst, n);
        return res;
    case TDISP_DMA_FROM_DEVICE:
        return pci_dma_write(&fn->parent_obj, dst, mem + src, n);
    default:
        buf = g_malloc(n);
        res = pci_dma_read(&fn->parent_obj, src, buf, n);
        if (res == MEMTX_OK) {
            res = pci_dma_write(&fn->parent_obj, dst, buf, n);
        }
        return res;
    }
}

static void dma_bh(void *opaque)
{
    TdispFn *fn = opaque;
    TdispDma *dma = &fn->dma;
    uint32_t n = MIN(dma->cur_len - dma->done, DMA_CHUNK);
    uint32_t allowed = dma_allowed(fn);

    if (allowed != TDISP_DMA_DONE) {
        dma_finish(fn, allowed);
        return;
    }
    if (n && dma_move(fn, n) != MEMTX_OK) {
        dma_finish(fn, TDISP_DMA_ERR_BUS);
        return;
    }
    dma->done += n;
    if (dma->done < dma->cur_len) {
        qemu_bh_schedule(dma->bh);
    } else {
        dma_finish(fn, TDISP_DMA_DONE);
    }
}

static void dma_start(TdispFn *fn)
{
    TdispDma *dma = &fn->dma;

    if (dma->status == TDISP_DMA_BUSY) {
        return;
    }
    dma->cur_src = dma->src;
    dma->cur_dst = dma->dst;
    dma->cur_len = dma->len;
    dma->cur_dir = dma->dir;
    dma->done = 0;
    if (!dma_in_range(fn)) {
        dma_finish(fn, TDISP_DMA_ERR_RANGE);
        return;
    }
    dma->status = TDISP_DMA_BUSY;
    qemu_bh_schedule(dma->bh);
}

/* BAR 0 */

static uint64_t regs_read(void *opaque, hwaddr addr, unsigned size)
{
    TdispFn *fn = opaque;
    TdispDma *dma = &fn->dma;

    if (!tdisp_tee_access(fn, &fn->tee_regs, addr)) {
        return UINT32_MAX;
    }
    switch (addr) {
    case TDISP_REG_ID:
        return TDISP_REG_ID_VALUE;
    case TDISP_REG_VERSION:
        return 1;
    case TDISP_REG_FUNCTION:
        return tdisp_index(&fn->parent_obj) % TDISP_MAX_FN;
    case TDISP_REG_MEM_SIZE:
        return fn->mem_size;
    case TDISP_REG_SCRATCH0:
        return fn->scratch[0];
    case TDISP_REG_SCRATCH1:
        return fn->scratch[1];
    case TDISP_REG_DMA_SRC:
        return extract64(dma->src, 0, 32);
    case TDISP_REG_DMA_SRC + 4:
        return extract64(dma->src, 32, 32);
    case TDISP_REG_DMA_DST:
        return extract64(dma->dst, 0, 32);
    case TDISP_REG_DMA_DST + 4:
        return extract64(dma->dst, 32, 32);
    case TDISP_REG_DMA_LEN:
        return dma->len;
    case TDISP_REG_DMA_DIR:
        return dma->dir;
    case TDISP_REG_DMA_STATUS:
        return dma->status;
    case TDISP_REG_DMA_VECTOR:
        return dma->vector;
    case TDISP_REG_DMA_COUNT:
        return dma->count;
    default:
        return 0;
    }
}

static void regs_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    TdispFn *fn = opaque;
    TdispDma *dma = &fn->dma;

    if (!tdisp_tee_access(fn, &fn->tee_regs, addr)) {
        return;
    }
    switch (addr) {
    case TDISP_REG_SCRATCH0:
        fn->scratch[0] = val;
        break;
    case TDISP_REG_SCRATCH1:
        fn->scratch[1] = val;
        break;
    case TDISP_REG_DMA_SRC:
        dma->src = deposit64(dma->src, 0, 32, val);
        break;
    case TDISP_REG_DMA_SRC + 4:
        dma->src = deposit64(dma->src, 32, 32, val);
        break;
    case TDISP_REG_DMA_DST:
        dma->dst = deposit64(dma->dst, 0, 32, val);
        break;
    case TDISP_REG_DMA_DST + 4:
        dma->dst = deposit64(dma->dst, 32, 32, val);
        break;
    case TDISP_REG_DMA_LEN:
        dma->len = val;
        break;
    case TDISP_REG_DMA_DIR:
        dma->dir = val;
        break;
    case TDISP_REG_DMA_DOORBELL:
        dma_start(fn);
        break;
    case TDISP_REG_DMA_VECTOR:
        dma->vector = val;
        break;
    }
}

static const MemoryRegionOps regs_ops = {
    .read = regs_read,
    .write = regs_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 4, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

/* Configuration space */

static bool command_bit(TdispFn *fn, uint16_t bit)
{
    return pci_get_word(fn->parent_obj.config + PCI_COMMAND) & bit;
}

static uint8_t power_state(TdispFn *fn)
{
    PCIDevice *dev = &fn->parent_obj;

    return pci_get_word(dev->config + dev->pm_cap + PCI_PM_CTRL) &
           PCI_PM_CTRL_STATE_MASK;
}

static uint16_t msix_control(TdispFn *fn)
{
    PCIDevice *dev = &fn->parent_obj;

    return pci_get_word(dev->config + dev->msix_cap + PCI_MSIX_FLAGS);
}

void tdisp_log_command(TdispFn *fn)
{
    bool mse = command_bit(fn, PCI_COMMAND_MEMORY);
    bool bme = command_bit(fn, PCI_COMMAND_MASTER);

    if (mse != fn->mse) {
        fn->mse = mse;
        tdisp_log(&fn->parent_obj, TDISP_EV_MSE, mse, 0, 0);
        if (!mse) {
            tdi_violation(fn, TDISP_WHY_MSE);
        }
    }
    if (bme != fn->bme) {
        fn->bme = bme;
        tdisp_log(&fn->parent_obj, TDISP_EV_BME, bme, 0, 0);
        if (!bme) {
            tdi_violation(fn, TDISP_WHY_BME);
        }
    }
}

/* Of its register */
unsigned tdisp_bar_bytes(const TdispFn *fn, unsigned bar)
{
    return bar == TDISP_BAR_MEM || (bar == TDISP_BAR_REGS && fn->regs_64bit) ?
           8 : 4;
}

/* Any write to a BAR counts, also one that does not change it */
static void log_bars(TdispFn *fn, uint32_t addr, int len)
{
    static const uint8_t bars[] = {
        TDISP_BAR_REGS, TDISP_BAR_MEM, TDISP_BAR_MSIX
    };
    unsigned i;

    for (i = 0; i < ARRAY_SIZE(bars); i++) {
        unsigned reg = PCI_BASE_ADDRESS_0 + bars[i] * 4;

        if (ranges_overlap(addr, len, reg, tdisp_bar_bytes(fn, bars[i]))) {
            tdisp_log(&fn->parent_obj, TDISP_EV_BAR, bars[i],
                      pci_get_long(fn->parent_obj.config + reg), 0);
            tdisp_tee_reset(fn);
            tdi_violation(fn, TDISP_WHY_BAR);
        }
    }
}

static uint32_t tdisp_config_read(PCIDevice *dev, uint32_t addr, int len)
{
    TdispFn *fn = TDISP_TESTDEV(dev);
    uint32_t val;

    if (fn->dsm->removed) {
        return UINT32_MAX >> (32 - len * 8);
    }
    if (is_fn0(fn) &&
        pcie_doe_read_config(fn->dsm->doe, addr, len, &val)) {
        return val;
    }
    val = pci_default_read_config(dev, addr, len);
    return pci_is_vf(dev) ? tdisp_vf_config_read(addr, len, val) : val;
}

static void tdisp_config_write(PCIDevice *dev, uint32_t addr, uint32_t val,
                               int len)
{
    TdispFn *fn = TDISP_TESTDEV(dev);
    uint16_t old_msix = msix_control(fn);
    uint8_t old_power = power_state(fn);
    uint8_t *devctl = dev->config + dev->exp.exp_cap + PCI_EXP_DEVCTL;

    if (fn->dsm->removed) {
        return;
    }
    pci_default_write_config(dev, addr, val, len);
    tdisp_log_command(fn);
    if (!pci_is_vf(dev)) {
        log_bars(fn, addr, len);
    }
    tdisp_vf_config_write(fn, addr, len);
    if (power_state(fn) != old_power) {
        tdisp_log(dev, TDISP_EV_POWER, power_state(fn), 0, 0);
        if (power_state(fn)) {
            tdi_violation(fn, TDISP_WHY_POWER);
        }
    }
    if (msix_control(fn) != old_msix &&
        (fn->tdi.lock_flags & TDISP_LOCK_MSIX)) {
        tdi_violation(fn, TDISP_WHY_MSIX);
    }
    if (is_fn0(fn)) {
        tdisp_doe_write(fn, addr, val, len);
        tdisp_ide_update(fn->dsm);
    }
    if (pci_get_word(devctl) & PCI_EXP_DEVCTL_BCR_FLR ||
        (fn->af_cap &&
         pci_byte_test_and_clear_mask(dev->config + fn->af_cap + PCI_AF_CTRL,
                                      PCI_AF_CTRL_FLR))) {
        fn->in_flr = true;
        pci_device_reset(dev);
        fn->in_flr = false;
        pci_word_test_and_clear_mask(devctl, PCI_EXP_DEVCTL_BCR_FLR);
    }
}

/* Reset and removal */

static void reset_function(TdispFn *fn)
{
    tdisp_dma_stop(fn, TDISP_DMA_ERR_STATE);
    fn->dma.src = 0;
    fn->dma.dst = 0;
    fn->dma.len = 0;
    fn->dma.dir = 0;
    fn->dma.status = TDISP_DMA_IDLE;
    fn->dma.vector = TDISP_DMA_NO_VECTOR;
    fn->dma.count = 0;
    tdisp_scrub(fn);
    tdisp_tee_reset(fn);
}

/* What a conventional reset does to the device as a whole */
static void reset_dsm(TdispDsm *dsm)
{
    unsigned i;

    /* First the TDIs, so that losing session and keys is no event to them */
    for (i = 0; i < TDISP_MAX_TDI; i++) {
        if (dsm->fn[i]) {
            tdi_set_state(dsm->fn[i], TDISP_STATE_UNLOCKED, TDISP_WHY_RESET);
        }
    }
    tdisp_doe_abort(dsm);
    spdm_reset(dsm);
    if (dsm->ide.nr_streams) {
        tdisp_ide_reset(&dsm->ide);
        tdisp_ide_drop_keys(dsm);
        tdisp_ide_update(dsm);
    }
}

/*
 * Called for an FLR too. That one resets the function and, if it was locked,
 * is a reason for ERROR; DSM, mailbox and streams live on.
 */
static void tdisp_reset_hold(Object *obj, ResetType type)
{
    TdispFn *fn = TDISP_TESTDEV(obj);
    PCIDevice *dev = &fn->parent_obj;

    if (fn->in_flr) {
        tdisp_log(dev, TDISP_EV_FLR, 0, 0, 0);
        tdi_violation(fn, TDISP_WHY_FLR);
    } else if (!tdisp_vf_presence(fn)) {
        tdisp_log(dev, TDISP_EV_RESET, 0, 0, 0);
        tdi_set_state(fn, TDISP_STATE_UNLOCKED, TDISP_WHY_RESET);
        if (is_fn0(fn)) {
            reset_dsm(fn->dsm);
        }
    }
    /* The PCI core clears the command register after this, as far as it can */
    pci_word_test_and_clear_mask(dev->config + PCI_COMMAND,
                                 pci_get_word(dev->wmask + PCI_COMMAND) &
                                 (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER));
    tdisp_log_command(fn);
    reset_function(fn);
}

static void set_presence(PCIDevice *dev, bool present)
{
    PCIDevice *port = pci_bridge_get_device(pci_get_bus(dev));

    if (port && pci_is_express_downstream_port(port)) {
        pcie_cap_slot_set_presence(port, present);
    }
}

/*
 * Surprise removal takes the whole device. What it was doing stops; its TDIs
 * stay as they were, for the observer, until it comes back from reset.
 */
void tdisp_set_removed(TdispDsm *dsm, bool removed)
{
    PCIDevice *dev = &dsm->fn[0]->parent_obj;
    unsigned i;

    if (dsm->removed == removed) {
        return;
    }
    dsm->removed = removed;
    tdisp_log(dev, TDISP_EV_REMOVED, removed, 0, 0);
    if (removed) {
        tdisp_doe_abort(dsm);
        for (i = 0; i < TDISP_MAX_TDI; i++) {
            if (dsm->fn[i]) {
                tdisp_dma_stop(dsm->fn[i], TDISP_DMA_ERR_BUS);
            }
        }
        tdisp_ide_update(dsm);
    } else {
        for (i = 0; i < TDISP_MAX_TDI; i++) {
            if (dsm->fn[i]) {
                pci_device_reset(&dsm->fn[i]->parent_obj);
            }
        }
    }
    for (i = 0; i < TDISP_MAX_TDI; i++) {
        if (dsm->fn[i]) {
            tdisp_update_access(dsm->fn[i]);
        }
    }
    set_presence(dev, !removed);
}

/* Life */

/* TEE memory of 64 bit, which bridges have above 4 GiB if it is prefetchable */
uint8_t tdisp_regs_type(const TdispFn *fn)
{
    return fn->regs_64bit ? PCI_BASE_ADDRESS_SPACE_MEMORY |
                            PCI_BASE_ADDRESS_MEM_TYPE_64 |
                            PCI_BASE_ADDRESS_MEM_PREFETCH :
                            PCI_BASE_ADDRESS_SPACE_MEMORY;
}

static void init_bars(TdispFn *fn)
{
    Object *obj = OBJECT(fn);

    memory_region_init_io(&fn->regs, obj, &regs_ops, fn, "tdisp-regs",
                          REGS_SIZE);
    pci_register_bar(&fn->parent_obj, TDISP_BAR_REGS, tdisp_regs_type(fn),
                     &fn->regs);

    memory_region_init(&fn->bar_mem, obj, "tdisp-bar-mem", fn->mem_size);
    memory_region_init_io(&fn->tee_gate, obj, &tdisp_tee_mem_ops, fn,
                          "tdisp-tee", fn->mem_size);
    memory_region_add_subregion(&fn->bar_mem, 0, &fn->mem);
    memory_region_add_subregion_overlap(&fn->bar_mem, 0, &fn->tee_gate, 1);
    pci_register_bar(&fn->parent_obj, TDISP_BAR_MEM,
                     PCI_BASE_ADDRESS_SPACE_MEMORY |
                     PCI_BASE_ADDRESS_MEM_TYPE_64 |
                     PCI_BASE_ADDRESS_MEM_PREFETCH, &fn->bar_mem);

    memory_region_init(&fn->bar_msix, obj, "tdisp-bar-msix", MSIX_SIZE);
    memory_region_init_io(&fn->msix_guard, obj, &guard_ops, fn, "tdisp-guard",
                          TDISP_NR_VECTORS * PCI_MSIX_ENTRY_SIZE);
    memory_region_init_io(&fn->ones_msix, obj, &ones_ops, fn, "tdisp-ones",
                          MSIX_SIZE);
    memory_region_add_subregion_overlap(&fn->bar_msix, 0, &fn->msix_guard, 1);
    memory_region_add_subregion_overlap(&fn->bar_msix, 0, &fn->ones_msix, 2);
    pci_register_bar(&fn->parent_obj, TDISP_BAR_MSIX,
                     PCI_BASE_ADDRESS_SPACE_MEMORY, &fn->bar_msix);
}

/* A region in another one holds a reference to the device */
static void exit_bars(TdispFn *fn)
{
    memory_region_del_subregion(&fn->bar_mem, &fn->mem);
    memory_region_del_subregion(&fn->bar_mem, &fn->tee_gate);
    memory_region_del_subregion(&fn->bar_msix, &fn->msix_guard);
    memory_region_del_subregion(&fn->bar_msix, &fn->ones_msix);
}

/* The other way to ask for an FLR, for who looks for that one only */
static bool init_af(TdispFn *fn, Error **errp)
{
    PCIDevice *dev = &fn->parent_obj;
    int rc;

    rc = pci_add_capability(dev, PCI_CAP_ID_AF, 0, PCI_CAP_AF_SIZEOF, errp);
    if (rc < 0) {
        return false;
    }
    fn->af_cap = rc;
    pci_set_byte(dev->config + rc + PCI_AF_LENGTH, PCI_CAP_AF_SIZEOF);
    pci_set_byte(dev->config + rc + PCI_AF_CAP, PCI_AF_CAP_TP | PCI_AF_CAP_FLR);
    pci_set_byte(dev->wmask + rc + PCI_AF_CTRL, PCI_AF_CTRL_FLR);
    return true;
}

static bool init_capabilities(TdispFn *fn, bool multifunction, Error **errp)
{
    PCIDevice *dev = &fn->parent_obj;
    unsigned i;
    int rc;

    rc = pcie_endpoint_cap_init(dev, 0);
    if (rc < 0) {
        error_setg(errp, "cannot add the PCI Express capability");
        return false;
    }
    pci_long_test_and_set_mask(dev->config + dev->exp.exp_cap +
                               PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_TEE_);
    pcie_cap_flr_init(dev);

    rc = pci_pm_init(dev, 0, errp);
    if (rc < 0) {
        return false;
    }
    pci_set_word(dev->config + rc + PCI_PM_PMC, PCI_PM_CAP_VER_1_2);
    pci_set_word(dev->config + rc + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
    pci_set_word(dev->wmask + rc + PCI_PM_CTRL, PCI_PM_CTRL_STATE_MASK);

    /* VFs cannot have it */
    if (!pci_is_vf(dev) && !init_af(fn, errp)) {
        return false;
    }

    if (msix_init(dev, TDISP_NR_VECTORS, &fn->bar_msix, TDISP_BAR_MSIX, 0,
                  &fn->bar_msix, TDISP_BAR_MSIX, MSIX_PBA_OFF, 0, errp) < 0) {
        return false;
    }
    for (i = 0; i < TDISP_NR_VECTORS; i++) {
        msix_vector_use(dev, i);
    }

    /* The first extended capability has to stand at the start */
    if (is_fn0(fn)) {
        tdisp_doe_init(fn);
        if (multifunction) {
            pcie_acs_init(dev, TDISP_ACS_OFFSET);
        }
        if (fn->ide == ON_OFF_AUTO_ON ||
            (fn->ide == ON_OFF_AUTO_AUTO && tdisp_ide_below_port(dev))) {
            tdisp_ide_init(&fn->dsm->ide, dev, TDISP_EP_STREAMS);
        }
        tdisp_ari_init(fn, TDISP_ARI_OFFSET);
    } else if (pci_is_vf(dev)) {
        tdisp_ari_init(fn, PCI_CONFIG_SPACE_SIZE);
    } else {
        pcie_acs_init(dev, PCI_CONFIG_SPACE_SIZE);
        tdisp_ari_init(fn, TDISP_ARI_OFFSET);
    }
    return true;
}

static void leave_dsm(TdispFn *fn)
{
    TdispDsm *dsm = fn->dsm;
    unsigned i;

    if (is_fn0(fn) && dsm->doe) {
        tdisp_doe_exit(fn);
    }
    for (i = 0; i < TDISP_MAX_TDI; i++) {
        if (dsm->fn[i] == fn) {
            dsm->fn[i] = NULL;
        }
    }
    if (--dsm->refs == 0) {
        g_free(dsm);
    }
    fn->dsm = NULL;
}

static void tdisp_exit(PCIDevice *dev)
{
    TdispFn *fn = TDISP_TESTDEV(dev);

    tdisp_vf_exit(fn);
    QTAILQ_REMOVE(&tdisp_functions, fn, next);
    qemu_bh_delete(fn->dma.bh);
    if (msix_present(dev)) {
        msix_uninit(dev, &fn->bar_msix, &fn->bar_msix);
    }
    tdisp_tee_exit(fn);
    exit_bars(fn);
    pcie_cap_exit(dev);
    leave_dsm(fn);
}

/*
 * Functions above 0 and VFs are made by function 0, with its properties. They
 * reach the DSM through it: nobody else can create their types.
 */
void tdisp_inherit(TdispFn *fn, const TdispFn *fn0)
{
    fn->mem_size = fn0->mem_size;
    fn->regs_64bit = fn0->regs_64bit;
    fn->report_portion = fn0->report_portion;
    fn->mem_attr_updatable = fn0->mem_attr_updatable;
    fn->faults = fn0->faults;
    fn->dsm = fn0->dsm;
}

static bool add_function(TdispFn *fn, unsigned i, Error **errp)
{
    PCIDevice *dev = &fn->parent_obj;
    PCIDevice *sub_dev = pci_new_multifunction(
        PCI_DEVFN(PCI_SLOT(dev->devfn), i), TYPE_TDISP_TESTDEV_FN);

    tdisp_inherit(TDISP_TESTDEV(sub_dev), fn);
    /*
     * The PCI core takes no function into a hotplugged device after function
     * 0, because the guest may have seen that one. Here it has not: function 0
     * is not realized yet.
     */
    DEVICE(sub_dev)->hotplugged = false;
    return pci_realize_and_unref(sub_dev, pci_get_bus(dev), errp);
}

void tdisp_realize(PCIDevice *dev, Error **errp)
{
    TdispFn *fn = TDISP_TESTDEV(dev);
    unsigned nr = tdisp_index(dev);
    unsigned i;

    if (!is_power_of_2(fn->mem_size) || fn->mem_size < 4 * KiB ||
        fn->mem_size > MEM_SIZE_MAX) {
        error_setg(errp, "mem-size must be a power of two, 4 KiB to 2 GiB");
        return;
    }
    if (fn->functions < 1 || fn->functions > TDISP_MAX_FN) {
        error_setg(errp, "functions must be 1 to %d", TDISP_MAX_FN);
        return;
    }
    if (fn->vfs > TDISP_MAX_VF) {
        error_setg(errp, "vfs must be at most %d", TDISP_MAX_VF);
        return;
    }
    if (fn->vfs && pci_bus_is_root(pci_get_bus(dev))) {
        error_setg(errp, "vfs need a port above the device");
        return;
    }
    if (fn->report_portion < 1 || fn->report_portion > TDISP_MAX_PORTION) {
        error_setg(errp, "x-report-portion must be 1 to %d",
                   TDISP_MAX_PORTION);
        return;
    }
    if (!fn->dsm && nr) {
        error_setg(errp, "%s is function 0; it makes the others itself "
                   "(functions=N)", TYPE_TDISP_TESTDEV);
        return;
    }
    if (!pci_bus_is_express(pci_get_bus(dev))) {
        error_setg(errp, "%s needs a PCI Express bus", TYPE_TDISP_TESTDEV);
        return;
    }
    if (!memory_region_init_ram_nomigrate(&fn->mem, OBJECT(fn), "tdisp-mem",
                                          fn->mem_size, errp)) {
        return;
    }

    if (!fn->dsm) {
        fn->dsm = g_new0(TdispDsm, 1);
        if (fn->functions > 1) {
            dev->cap_present |= QEMU_PCI_CAP_MULTIFUNCTION;
            dev->config[PCI_HEADER_TYPE] |= PCI_HEADER_TYPE_MULTI_FUNCTION;
        }
    }
    fn->dsm->refs++;
    fn->dsm->fn[nr] = fn;
    fn->dma.bh = qemu_bh_new_guarded(dma_bh, fn,
                                     &DEVICE(dev)->mem_reentrancy_guard);
    fn->dma.vector = TDISP_DMA_NO_VECTOR;
    QTAILQ_INSERT_TAIL(&tdisp_functions, fn, next);

    dev->config[PCI_INTERRUPT_PIN] = 0;
    init_bars(fn);
    if (!init_capabilities(fn, fn->functions > 1, errp)) {
        goto fail;
    }
    tdisp_tee_init(fn);
    tdisp_update_access(fn);
    if (!nr && !DEVICE(dev)->hotplugged) {
        /* The slot's own code does that only with native hotplug */
        set_presence(dev, true);
    }
    for (i = 1; !nr && i < fn->functions; i++) {
        if (!add_function(fn, i, errp)) {
            goto fail;
        }
    }
    if (!nr && !tdisp_vf_init(fn, errp)) {
        goto fail;
    }
    return;

fail:
    for (i = 1; !nr && i < TDISP_MAX_FN; i++) {
        if (fn->dsm->fn[i]) {
            object_unparent(OBJECT(fn->dsm->fn[i]));
        }
    }
    tdisp_exit(dev);
}

static const Property tdisp_properties[] = {
    DEFINE_PROP_SIZE("mem-size", TdispFn, mem_size, 64 * MiB),
    DEFINE_PROP_UINT8("functions", TdispFn, functions, 1),
    DEFINE_PROP_UINT8("vfs", TdispFn, vfs, 0),
    DEFINE_PROP_BOOL("regs-64bit", TdispFn, regs_64bit, false),
    DEFINE_PROP_ON_OFF_AUTO("ide", TdispFn, ide, ON_OFF_AUTO_AUTO),
    DEFINE_PROP_UINT16("x-report-portion", TdispFn, report_portion, 64),
    DEFINE_PROP_BOOL("x-stop-unlocked-error", TdispFn, stop_unlocked_error,
                     false),
    DEFINE_PROP_BOOL("x-mem-attr-updatable", TdispFn, mem_attr_updatable,
                     false),
    DEFINE_PROP_BOOL("x-stall-after", TdispFn, stall_after, false),
    DEFINE_PROP_UINT32("x-lock-error", TdispFn, faults.lock_error, 0),
    DEFINE_PROP_UINT32("x-stop-error", TdispFn, faults.stop_error, 0),
    DEFINE_PROP_BOOL("x-wrong-nonce", TdispFn, faults.wrong_nonce, false),
    DEFINE_PROP_UINT32("x-stall-ms", TdispFn, faults.stall_ms, 0),
    DEFINE_PROP_INT32("x-length-delta", TdispFn, faults.length_delta, 0),
    DEFINE_PROP_UINT32("x-length-msg", TdispFn, faults.length_msg, 0),
    DEFINE_PROP_UINT32("x-error-after", TdispFn, faults.error_after, 0),
    DEFINE_PROP_BOOL("x-trusted-dma", TdispFn, faults.trusted_dma, true),
};

static const VMStateDescription vmstate_tdisp = {
    .name = TYPE_TDISP_TESTDEV,
    .unmigratable = 1,
};

static void tdisp_class_init(ObjectClass *klass, TdispClassData *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *k = PCI_DEVICE_CLASS(klass);
    ResettableClass *rc = RESETTABLE_CLASS(klass);

    k->realize = tdisp_realize;
    k->exit = tdisp_exit;
    k->config_read = tdisp_config_read;
    k->config_write = tdisp_config_write;
    k->vendor_id = TDISP_TESTDEV_VENDOR;
    k->device_id = TDISP_TESTDEV_DEVICE;
    k->revision = 1;
    k->class_id = PCI_CLASS_OTHERS;
    rc->phases.hold = tdisp_reset_hold;
    dc->desc = "TDISP test device";
    dc->vmsd = &vmstate_tdisp;
    device_class_set_props(dc, tdisp_properties);
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static void tdisp_fn_class_init(ObjectClass *klass, TdispClassData *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);

    dc->desc = "TDISP test device, function above 0";
    dc->user_creatable = false;
}

static const TypeInfo tdisp_types[] = {
    {
        .name = TYPE_TDISP_TESTDEV,
        .parent = TYPE_PCI_DEVICE,
        .instance_size = sizeof(TdispFn),
        .class_init = tdisp_class_init,
        .interfaces = (InterfaceInfo[]) {
            { INTERFACE_PCIE_DEVICE },
            { },
        },
    },
    {
        .name = TYPE_TDISP_TESTDEV_FN,
        .parent = TYPE_TDISP_TESTDEV,
        .class_init = tdisp_fn_class_init,
    },
};

DEFINE_TYPES(tdisp_types)
