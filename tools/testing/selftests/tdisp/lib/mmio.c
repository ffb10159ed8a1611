// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ways to the MMIO of a function other than libvfio's, see mmio.h
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/ioctl.h>
#include <sys/mman.h>

#include <linux/io.h>
#include <linux/pci_regs.h>
#include <linux/sizes.h>
#include <linux/vfio.h>

#include "tdisp_lib.h"

#define REGS_SIZE	SZ_4K

void *host_map_bar(const char *bdf, int bar, size_t size)
{
	char path[PATH_MAX];
	void *map;
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource%d", bdf,
		 bar);
	fd = open(path, O_RDWR | O_SYNC | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	map = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return map == MAP_FAILED ? NULL : map;
}

u32 host_reg_read(const struct tdisp_fn *fn, u32 reg)
{
	void *regs = host_map_bar(fn->bdf, TDISP_BAR_REGS, REGS_SIZE);
	u32 val = ~0u;

	if (regs) {
		val = readl(regs + reg);
		munmap(regs, REGS_SIZE);
	}
	return val;
}

int tdi_use_host_window(struct tdi *tdi)
{
	struct vfio_pci_bar *bar = &tdi->vfio->bars[TDISP_BAR_REGS];
	void *map;

	map = host_map_bar(tdi->fn->bdf, TDISP_BAR_REGS, bar->info.size);
	if (!map)
		return -errno;
	munmap(bar->vaddr, bar->info.size);
	bar->vaddr = map;
	return 0;
}

static int host_config(const char *bdf, int flags)
{
	char path[PATH_MAX];
	int fd;

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/config", bdf);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int host_config_readw(const char *bdf, u32 pos, u16 *val)
{
	int fd = host_config(bdf, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = pread(fd, val, sizeof(*val), pos);
	close(fd);
	return n == sizeof(*val) ? 0 : -EIO;
}

int host_config_writel(const char *bdf, u32 pos, u32 val)
{
	int fd = host_config(bdf, O_WRONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = pwrite(fd, &val, sizeof(val), pos);
	close(fd);
	return n == sizeof(val) ? 0 : -EIO;
}

/* The configuration space from its start: 0, or a negative errno */
static int host_config_read(const char *bdf, void *buf, size_t size)
{
	int fd = host_config(bdf, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = pread(fd, buf, size, 0);
	close(fd);
	return n == size ? 0 : -EIO;
}

u8 host_find_cap(const char *bdf, u8 id)
{
	u8 config[PCI_CFG_SPACE_SIZE] = {};
	u8 pos, left = 48;

	if (host_config_read(bdf, config, sizeof(config)))
		return 0;
	pos = config[PCI_CAPABILITY_LIST] & ~3;
	while (pos >= PCI_STD_HEADER_SIZEOF && left--) {
		if (config[pos] == id)
			return pos;
		pos = config[pos + PCI_CAP_LIST_NEXT] & ~3;
	}
	return 0;
}

u16 host_find_ext_cap(const char *bdf, u16 id)
{
	u8 config[PCI_CFG_SPACE_EXP_SIZE] = {};
	u16 pos = PCI_CFG_SPACE_SIZE, left = 64;
	u32 header;

	if (host_config_read(bdf, config, sizeof(config)))
		return 0;
	while (pos >= PCI_CFG_SPACE_SIZE && left--) {
		memcpy(&header, config + pos, sizeof(header));
		if (PCI_EXT_CAP_ID(header) == id)
			return pos;
		pos = PCI_EXT_CAP_NEXT(header);
	}
	return 0;
}

static __thread sigjmp_buf bus_error;

static void on_bus_error(int sig)
{
	siglongjmp(bus_error, 1);
}

int mmio_read32(const void *addr, u32 *val)
{
	struct sigaction old, act = { .sa_handler = on_bus_error };
	int rc = -EFAULT;

	sigaction(SIGBUS, &act, &old);
	if (!sigsetjmp(bus_error, 1)) {
		*val = readl(addr);
		rc = 0;
	}
	sigaction(SIGBUS, &old, NULL);
	return rc;
}

static int region_offset(struct tdi *tdi, int bar, u64 *offset)
{
	struct vfio_region_info info = { .argsz = sizeof(info), .index = bar };

	if (ioctl(tdi->vfio->fd, VFIO_DEVICE_GET_REGION_INFO, &info))
		return -errno;
	*offset = info.offset;
	return 0;
}

int region_read32(struct tdi *tdi, int bar, u64 off, u32 *val)
{
	u64 start = 0;
	int rc;

	rc = region_offset(tdi, bar, &start);
	if (rc)
		return rc;
	if (pread(tdi->vfio->fd, val, sizeof(*val), start + off) < 0)
		return -errno;
	return 0;
}

int region_write32(struct tdi *tdi, int bar, u64 off, u32 val)
{
	u64 start = 0;
	int rc;

	rc = region_offset(tdi, bar, &start);
	if (rc)
		return rc;
	if (pwrite(tdi->vfio->fd, &val, sizeof(val), start + off) < 0)
		return -errno;
	return 0;
}

int tdi_export_bar(struct tdi *tdi, int bar, u64 off, u64 len)
{
	struct {
		struct vfio_device_feature head;
		struct vfio_device_feature_dma_buf buf;
		struct vfio_region_dma_range range;
	} args = {
		.head.argsz = sizeof(args),
		.head.flags = VFIO_DEVICE_FEATURE_GET |
			      VFIO_DEVICE_FEATURE_DMA_BUF,
		.buf.region_index = bar,
		.buf.open_flags = O_RDWR | O_CLOEXEC,
		.buf.nr_ranges = 1,
		.range.offset = off,
		.range.length = len,
	};
	int fd;

	fd = ioctl(tdi->vfio->fd, VFIO_DEVICE_FEATURE, &args);
	return fd < 0 ? -errno : fd;
}

int vmm_map_dmabuf(struct vmm *vmm, int fd, u64 iova, u64 len)
{
	struct iommu_ioas_map_file cmd = {
		.size = sizeof(cmd),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE |
			 IOMMU_IOAS_MAP_FIXED_IOVA,
		.ioas_id = vmm->iommu->ioas_id,
		.fd = fd,
		.length = len,
		.iova = iova,
	};

	return ioctl(vmm->iommu->iommufd, IOMMU_IOAS_MAP_FILE, &cmd) ? -errno :
								      0;
}

int vmm_unmap(struct vmm *vmm, u64 iova, u64 len)
{
	struct iommu_ioas_unmap cmd = {
		.size = sizeof(cmd),
		.ioas_id = vmm->iommu->ioas_id,
		.iova = iova,
		.length = len,
	};

	return ioctl(vmm->iommu->iommufd, IOMMU_IOAS_UNMAP, &cmd) ? -errno : 0;
}
