/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TDISP test control: a PCI function beside the test devices that injects
 * faults into them at run time and shows the event log. It stands for the test
 * bench, not for hardware: nothing it does is visible on the link.
 */
#include "qemu/osdep.h"
#include "qemu/module.h"
#include "hw/qdev-properties.h"
#include "migration/vmstate.h"
#include "internal.h"

OBJECT_DECLARE_SIMPLE_TYPE(TdispCtl, TDISP_TESTCTL)

struct TdispCtl {
    PCIDevice parent_obj;
    MemoryRegion mmio;
    uint32_t select;
    uint32_t tee_page;
    uint32_t tee_count;
};

#define LOG_END (TDISP_CTL_LOG + TDISP_CTL_LOG_SIZE * TDISP_LOG_ENTRY_SIZE)

static uint32_t nr_functions(void)
{
    uint32_t n = 0;
    TdispFn *fn;

    QTAILQ_FOREACH(fn, &tdisp_functions, next) {
        n++;
    }
    return n;
}

static TdispFn *selected(TdispCtl *ctl)
{
    uint32_t n = ctl->select;
    TdispFn *fn;

    QTAILQ_FOREACH(fn, &tdisp_functions, next) {
        if (n-- == 0) {
            return fn;
        }
    }
    return NULL;
}

static uint32_t fn_read(TdispFn *fn, hwaddr addr)
{
    switch (addr) {
    case TDISP_CTL_RID:
        return tdisp_rid(&fn->parent_obj);
    case TDISP_CTL_STATE:
        return fn->tdi.state;
    case TDISP_CTL_PRESENT:
        return fn->parent_obj.enabled && !fn->dsm->removed;
    case TDISP_CTL_LOCK_ERROR:
        return fn->faults.lock_error;
    case TDISP_CTL_WRONG_NONCE:
        return fn->faults.wrong_nonce;
    case TDISP_CTL_STALL_MS:
        return fn->faults.stall_ms;
    case TDISP_CTL_LENGTH_DELTA:
        return fn->faults.length_delta;
    case TDISP_CTL_LENGTH_MSG:
        return fn->faults.length_msg;
    case TDISP_CTL_ERROR_AFTER:
        return fn->faults.error_after;
    case TDISP_CTL_REMOVED:
        return fn->dsm->removed;
    case TDISP_CTL_STOP_ERROR:
        return fn->faults.stop_error;
    case TDISP_CTL_TRUSTED_DMA:
        return fn->faults.trusted_dma;
    case TDISP_CTL_TEE_PAGES:
        return tdisp_tee_pages(fn);
    default:
        return 0;
    }
}

static void fn_write(TdispFn *fn, hwaddr addr, uint32_t val)
{
    switch (addr) {
    case TDISP_CTL_LOCK_ERROR:
        fn->faults.lock_error = val;
        break;
    case TDISP_CTL_WRONG_NONCE:
        fn->faults.wrong_nonce = val;
        break;
    case TDISP_CTL_STALL_MS:
        fn->faults.stall_ms = val;
        break;
    case TDISP_CTL_LENGTH_DELTA:
        fn->faults.length_delta = val;
        break;
    case TDISP_CTL_LENGTH_MSG:
        fn->faults.length_msg = val;
        break;
    case TDISP_CTL_ERROR_AFTER:
        fn->faults.error_after = val;
        break;
    case TDISP_CTL_REMOVED:
        tdisp_set_removed(fn->dsm, val);
        break;
    case TDISP_CTL_STOP_ERROR:
        fn->faults.stop_error = val;
        break;
    case TDISP_CTL_FORCE_ERROR:
        if (val) {
            tdi_violation(fn, TDISP_WHY_FAULT);
        }
        break;
    case TDISP_CTL_TRUSTED_DMA:
        fn->faults.trusted_dma = val;
        break;
    }
}

static bool is_fn_reg(hwaddr addr)
{
    return addr >= TDISP_CTL_RID && addr <= TDISP_CTL_TEE_PAGES;
}

static uint64_t ctl_read(void *opaque, hwaddr addr, unsigned size)
{
    TdispCtl *ctl = opaque;
    TdispFn *fn;

    if (addr >= TDISP_CTL_LOG && addr < LOG_END) {
        return tdisp_log_read(addr - TDISP_CTL_LOG);
    }
    if (is_fn_reg(addr)) {
        fn = selected(ctl);
        return fn ? fn_read(fn, addr) : UINT32_MAX;
    }
    switch (addr) {
    case TDISP_CTL_MAGIC:
        return TDISP_CTL_MAGIC_VALUE;
    case TDISP_CTL_VERSION:
        return 1;
    case TDISP_CTL_COUNT:
        return nr_functions();
    case TDISP_CTL_SELECT:
        return ctl->select;
    case TDISP_CTL_LOG_COUNT:
        return tdisp_log_count();
    default:
        return 0;
    }
}

/* The IOMMU's switch of a function, by its requester id */
static void switch_dma(uint32_t val)
{
    TdispFn *fn;

    QTAILQ_FOREACH(fn, &tdisp_functions, next) {
        if (tdisp_rid(&fn->parent_obj) == (val & TDISP_CTL_DMA_RID)) {
            fn->faults.trusted_dma = val & TDISP_CTL_DMA_ON;
        }
    }
}

static void ctl_write(void *opaque, hwaddr addr, uint64_t val, unsigned size)
{
    TdispCtl *ctl = opaque;
    TdispFn *fn;

    if (is_fn_reg(addr)) {
        fn = selected(ctl);
        if (fn) {
            fn_write(fn, addr, val);
        }
        return;
    }
    switch (addr) {
    case TDISP_CTL_SELECT:
        ctl->select = val;
        break;
    case TDISP_CTL_TEE_PAGE:
        ctl->tee_page = val;
        break;
    case TDISP_CTL_TEE_COUNT:
        ctl->tee_count = val;
        break;
    case TDISP_CTL_TEE_MARK:
        tdisp_tee_mark(ctl->tee_page, ctl->tee_count, val);
        break;
    case TDISP_CTL_DMA_SWITCH:
        switch_dma(val);
        break;
    case TDISP_CTL_LOG_RESET:
        tdisp_log_reset();
        break;
    }
}

static const MemoryRegionOps ctl_ops = {
    .read = ctl_read,
    .write = ctl_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8 },
    .impl = { .min_access_size = 4, .max_access_size = 4 },
};

static void ctl_realize(PCIDevice *dev, Error **errp)
{
    TdispCtl *ctl = TDISP_TESTCTL(dev);

    dev->config[PCI_INTERRUPT_PIN] = 0;
    memory_region_init_io(&ctl->mmio, OBJECT(ctl), &ctl_ops, ctl,
                          "tdisp-testctl", TDISP_CTL_BAR_SIZE);
    pci_register_bar(dev, TDISP_CTL_BAR, PCI_BASE_ADDRESS_SPACE_MEMORY,
                     &ctl->mmio);
}

static const VMStateDescription vmstate_ctl = {
    .name = TYPE_TDISP_TESTCTL,
    .unmigratable = 1,
};

static void ctl_class_init(ObjectClass *klass, TdispClassData *data)
{
    DeviceClass *dc = DEVICE_CLASS(klass);
    PCIDeviceClass *k = PCI_DEVICE_CLASS(klass);

    k->realize = ctl_realize;
    k->vendor_id = TDISP_TESTDEV_VENDOR;
    k->device_id = TDISP_TESTCTL_DEVICE;
    k->revision = 1;
    k->class_id = PCI_CLASS_OTHERS;
    dc->desc = "TDISP test control: faults and event log";
    dc->vmsd = &vmstate_ctl;
    set_bit(DEVICE_CATEGORY_MISC, dc->categories);
}

static const TypeInfo ctl_types[] = {
    {
        .name = TYPE_TDISP_TESTCTL,
        .parent = TYPE_PCI_DEVICE,
        .instance_size = sizeof(TdispCtl),
        .class_init = ctl_class_init,
        .interfaces = (InterfaceInfo[]) {
            { INTERFACE_CONVENTIONAL_PCI_DEVICE },
            { },
        },
    },
};

DEFINE_TYPES(ctl_types)
