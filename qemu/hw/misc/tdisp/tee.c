/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * TDISP test device: which accesses to TEE memory are T=1.
 *
 * A TEE's processor would say so on the bus. Here a processor is in a TEE while
 * it runs the guest of a hypervisor, and an access of it is T=1 if it goes to a
 * page that the hypervisor has mapped as private. Only the hypervisor knows the
 * latter: it tells tdisp-testctl, which is the side channel that a machine with
 * TEEs does not need.
 */
#include "qemu/osdep.h"
#include "qemu/bitmap.h"
#include "internal.h"

#define PAGE_4K_SHIFT   12

static unsigned long nr_pages(uint64_t size)
{
    return size >> PAGE_4K_SHIFT;
}

void tdisp_tee_init(TdispFn *fn)
{
    fn->tee_regs.nr = nr_pages(memory_region_size(&fn->regs));
    fn->tee_regs.private = bitmap_new(fn->tee_regs.nr);
    fn->tee_mem.nr = nr_pages(fn->mem_size);
    fn->tee_mem.private = bitmap_new(fn->tee_mem.nr);
}

void tdisp_tee_exit(TdispFn *fn)
{
    g_free(fn->tee_regs.private);
    g_free(fn->tee_mem.private);
    fn->tee_regs.private = NULL;
    fn->tee_mem.private = NULL;
}

/* Nobody has mapped what was reset, or is somewhere else now */
void tdisp_tee_reset(TdispFn *fn)
{
    bitmap_zero(fn->tee_regs.private, fn->tee_regs.nr);
    bitmap_zero(fn->tee_mem.private, fn->tee_mem.nr);
    fn->tee_regs.count = 0;
    fn->tee_mem.count = 0;
    tdisp_update_access(fn);
}

/* What of the pages from @page to @end, exclusive, is in a BAR at @addr */
static void mark_bar(TdispTee *tee, uint64_t addr, uint64_t page, uint64_t end,
                     bool private)
{
    uint64_t first = addr >> PAGE_4K_SHIFT;
    uint64_t i;

    if (addr == PCI_BAR_UNMAPPED) {
        return;
    }
    for (i = MAX(page, first); i < MIN(end, first + tee->nr); i++) {
        if (private && !test_and_set_bit(i - first, tee->private)) {
            tee->count++;
        } else if (!private && test_and_clear_bit(i - first, tee->private)) {
            tee->count--;
        }
    }
}

/* Pages of host memory are mapped as private, or are no more */
void tdisp_tee_mark(uint64_t page, uint64_t count, bool private)
{
    TdispFn *fn;

    QTAILQ_FOREACH(fn, &tdisp_functions, next) {
        PCIIORegion *io = fn->parent_obj.io_regions;
        bool had = fn->tee_mem.count;

        mark_bar(&fn->tee_regs, io[TDISP_BAR_REGS].addr, page, page + count,
                 private);
        mark_bar(&fn->tee_mem, io[TDISP_BAR_MEM].addr, page, page + count,
                 private);
        if (had != !!fn->tee_mem.count) {
            tdisp_update_access(fn);
        }
    }
}

uint32_t tdisp_tee_pages(TdispFn *fn)
{
    return fn->tee_regs.count + fn->tee_mem.count;
}

/* Does an access that is made right now get through to TEE memory? */
bool tdisp_tee_access(TdispFn *fn, TdispTee *tee, hwaddr addr)
{
    bool t1 = test_bit(addr >> PAGE_4K_SHIFT, tee->private) &&
              tdisp_cpu_in_guest();

    if (fn->dsm->removed) {
        return false;
    }
    switch (fn->tdi.state) {
    case TDISP_STATE_RUN:
        return t1 || (tee == &fn->tee_mem && fn->tdi.mem_non_tee);
    case TDISP_STATE_ERROR:
        return false;
    default:
        return !t1;
    }
}

/* Stands before BAR 2 while that is not open to everybody */
static uint64_t tee_mem_read(void *opaque, hwaddr addr, unsigned size)
{
    TdispFn *fn = opaque;
    uint8_t *p = (uint8_t *)memory_region_get_ram_ptr(&fn->mem) + addr;

    if (!tdisp_tee_access(fn, &fn->tee_mem, addr)) {
        return UINT64_MAX;
    }
    return ldn_le_p(p, size);
}

static void tee_mem_write(void *opaque, hwaddr addr, uint64_t val,
                          unsigned size)
{
    TdispFn *fn = opaque;
    uint8_t *p = (uint8_t *)memory_region_get_ram_ptr(&fn->mem) + addr;

    if (!tdisp_tee_access(fn, &fn->tee_mem, addr)) {
        return;
    }
    stn_le_p(p, size, val);
    memory_region_set_dirty(&fn->mem, addr, size);
}

const MemoryRegionOps tdisp_tee_mem_ops = {
    .read = tee_mem_read,
    .write = tee_mem_write,
    .endianness = DEVICE_LITTLE_ENDIAN,
    .valid = { .min_access_size = 1, .max_access_size = 8 },
    .impl = { .min_access_size = 1, .max_access_size = 8 },
};
