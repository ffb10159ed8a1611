// SPDX-License-Identifier: GPL-2.0-only
/*
 * What VFIO costs the user of a device that no VM owns: QEMU's edu device, whose
 * registers are in BAR 0.
 *
 * Built against the tree of the kernel it runs on. Prints "name instructions" per
 * line.
 */
#include <sys/mman.h>

#include <linux/pci_regs.h>

#include "bench_dev.h"

#define EDU_ID		"0x1234 0x11e8"
#define PAGE		4096ul
#define IOVA		0x7f0000000000ull

static int fd, iommufd, dmabuf;
static __u64 bar, bar_size, config;
static __u32 ioas_id;

static void open_device(void)
{
	struct vfio_device_attach_iommufd_pt attach = { .argsz = sizeof(attach) };
	struct iommu_ioas_alloc ioas = { .size = sizeof(ioas) };
	struct vfio_region_info info;

	fd = open_cdev(EDU_ID);
	iommufd = bind_iommufd(fd);
	need(ioctl(iommufd, IOMMU_IOAS_ALLOC, &ioas), "IOAS");
	ioas_id = attach.pt_id = ioas.out_ioas_id;
	need(ioctl(fd, VFIO_DEVICE_ATTACH_IOMMUFD_PT, &attach), "attach");

	get_region(fd, VFIO_PCI_BAR0_REGION_INDEX, &info);
	bar = info.offset;
	bar_size = info.size;
	get_region(fd, VFIO_PCI_CONFIG_REGION_INDEX, &info);
	config = info.offset;
}

static int region_read(void)
{
	__u32 val;

	return pread(fd, &val, sizeof(val), bar) != sizeof(val);
}

static int region_write(void)
{
	__u32 val = 0;

	return pwrite(fd, &val, sizeof(val), bar + 4) != sizeof(val);
}

static int config_write(void)
{
	__u8 line = 0;

	return pwrite(fd, &line, 1, config + PCI_INTERRUPT_LINE) != 1;
}

static int command_write(void)
{
	__u16 cmd = PCI_COMMAND_MEMORY;

	return pwrite(fd, &cmd, sizeof(cmd), config + PCI_COMMAND) !=
	       sizeof(cmd);
}

/* A page per call; who maps again is not the quickest of a batch */
static int mmap_fault(void)
{
	static unsigned long page = ~0ul >> 1;
	static char *map;

	if (page >= bar_size / PAGE) {
		if (map)
			munmap(map, bar_size);
		map = mmap(NULL, bar_size, PROT_READ, MAP_SHARED, fd, bar);
		if (map == MAP_FAILED)
			return -1;
		page = 0;
	}
	(void)*(volatile __u32 *)(map + page++ * PAGE);
	return 0;
}

static int dmabuf_get(void)
{
	dmabuf = export_bar(fd, VFIO_PCI_BAR0_REGION_INDEX, PAGE);
	return dmabuf < 0;
}

static int dmabuf_get_close(void)
{
	return dmabuf_get() ?: close(dmabuf);
}

/*
 * The map has a symbol_get() in it, on the base as well: a search among the names of
 * all exported symbols. Each step of it that a kernel with a few symbols more takes or
 * saves is about 150 instructions, so this number moves though the path does not.
 */
static int dmabuf_map_unmap(void)
{
	struct iommu_ioas_map_file map = {
		.size = sizeof(map),
		.flags = IOMMU_IOAS_MAP_READABLE | IOMMU_IOAS_MAP_WRITEABLE |
			 IOMMU_IOAS_MAP_FIXED_IOVA,
		.ioas_id = ioas_id,
		.fd = dmabuf,
		.length = PAGE,
		.iova = IOVA,
	};
	struct iommu_ioas_unmap unmap = {
		.size = sizeof(unmap),
		.ioas_id = ioas_id,
		.iova = IOVA,
		.length = PAGE,
	};

	return ioctl(iommufd, IOMMU_IOAS_MAP_FILE, &map) ?:
	       ioctl(iommufd, IOMMU_IOAS_UNMAP, &unmap);
}

int main(void)
{
	open_device();
	need(command_write(), "memory enable");
	measure("VFIO-region-read", region_read);
	measure("VFIO-region-write", region_write);
	measure("VFIO-config-write", config_write);
	measure("VFIO-COMMAND-write", command_write);
	measure("VFIO-mmap-fault", mmap_fault);
	measure("VFIO-dma-buf-get+close", dmabuf_get_close);
	need(dmabuf_get(), "dma-buf");
	measure("VFIO-dma-buf-map+unmap", dmabuf_map_unmap);
	return 0;
}
