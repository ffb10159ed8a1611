/* SPDX-License-Identifier: GPL-2.0-only WITH Linux-syscall-note */
/*
 * Interface of tdisp_importer, a test module that does with a dma-buf what a
 * driver of another PCI device would. An open file is one importer.
 */
#ifndef TDISP_DMABUF_IMPORTER_H
#define TDISP_DMABUF_IMPORTER_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define TDISP_IMPORTER_DEV	"/dev/tdisp-importer"

/**
 * struct tdisp_importer_attach - Become an importer
 * @fd: the dma-buf
 * @rid: PCI function in segment 0 that is to do DMA, bus << 8 | devfn
 */
struct tdisp_importer_attach {
	__s32 fd;
	__u32 rid;
};

/**
 * struct tdisp_importer_status - What became of it
 * @mapped: the importer has a mapping now
 * @invalidations: how often the exporter has called, mapped or not
 */
struct tdisp_importer_status {
	__u32 mapped;
	__u32 invalidations;
};

#define TDISP_IMPORTER_ATTACH	_IOW('T', 1, struct tdisp_importer_attach)
#define TDISP_IMPORTER_MAP	_IO('T', 2)
#define TDISP_IMPORTER_UNMAP	_IO('T', 3)
#define TDISP_IMPORTER_STATUS	_IOR('T', 4, struct tdisp_importer_status)

#endif /* TDISP_DMABUF_IMPORTER_H */
