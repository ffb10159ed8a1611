/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ways to the MMIO of a function other than libvfio's: as the host sees it
 * past VFIO, with accesses that may fault, and as a dma-buf.
 */
#ifndef SELFTESTS_TDISP_LIB_MMIO_H
#define SELFTESTS_TDISP_LIB_MMIO_H

#include <stddef.h>
#include <linux/types.h>

#include "tdi.h"

/*
 * A BAR by resourceN in sysfs, which VFIO has no say in: what the administrator
 * reaches, and a way for tests to look at a device that VFIO has closed. NULL
 * if that does not work; for munmap().
 */
void *host_map_bar(const char *bdf, int bar, size_t size);
u32 host_reg_read(const struct tdisp_fn *fn, u32 reg);
/* tdi_reg_*() and tdi_dma() go that way from now on */
int tdi_use_host_window(struct tdi *tdi);
/* A word of the configuration space, as the device has it */
int host_config_readw(const char *bdf, u32 pos, u16 *val);
int host_config_writel(const char *bdf, u32 pos, u32 val);
/* Position of a capability, or of an extended one, or 0 */
u8 host_find_cap(const char *bdf, u8 id);
u16 host_find_ext_cap(const char *bdf, u16 id);

/* 0, or -EFAULT for SIGBUS */
int mmio_read32(const void *addr, u32 *val);

/* By the region of the BAR: 0, or a negative errno */
int region_read32(struct tdi *tdi, int bar, u64 off, u32 *val);
int region_write32(struct tdi *tdi, int bar, u64 off, u32 val);

/* A dma-buf of a part of a BAR: a descriptor, or a negative errno */
int tdi_export_bar(struct tdi *tdi, int bar, u64 off, u64 len);
/* Put it into the IOAS of the VMM, and take it out */
int vmm_map_dmabuf(struct vmm *vmm, int fd, u64 iova, u64 len);
int vmm_unmap(struct vmm *vmm, u64 iova, u64 len);

#endif /* SELFTESTS_TDISP_LIB_MMIO_H */
