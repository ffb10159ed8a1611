/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the benchmarks come by a VFIO device.
 */
#ifndef RIG_BENCH_DEV_H
#define RIG_BENCH_DEV_H

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include <sys/ioctl.h>

#include <linux/iommufd.h>
#include <linux/vfio.h>

#include "bench.h"

#define PCI_DIR		"/sys/bus/pci/devices/"

/* Vendor and device, as in sysfs, of whom is_wanted() looks for */
static const char *wanted_id;

static void put(const char *path, const char *val)
{
	int f = open(path, O_WRONLY);

	need(f < 0 || write(f, val, strlen(val)) < 0, path);
	close(f);
}

static int get(const char *bdf, const char *attr, char *buf, size_t size)
{
	char path[PATH_MAX];
	ssize_t n;
	int f;

	snprintf(path, sizeof(path), PCI_DIR "%s/%s", bdf, attr);
	f = open(path, O_RDONLY);
	if (f < 0)
		return -1;
	n = read(f, buf, size - 1);
	close(f);
	buf[n > 0 ? n : 0] = 0;
	buf[strcspn(buf, "\n")] = 0;
	return 0;
}

/* Name of the first entry of a directory for which @ok says so */
static void find(const char *dir, int (*ok)(const char *), char *name, size_t size)
{
	struct dirent *e;
	DIR *d = opendir(dir);

	need(!d, dir);
	while ((e = readdir(d)))
		if (ok(e->d_name))
			break;
	need(!e, dir);
	snprintf(name, size, "%s", e->d_name);
	closedir(d);
}

static int is_wanted(const char *bdf)
{
	char id[32], device[16];

	if (get(bdf, "vendor", id, 16) || get(bdf, "device", device, 16))
		return 0;
	strcat(strcat(id, " "), device);
	return !strcmp(id, wanted_id);
}

static int is_vfio(const char *name)
{
	return !strncmp(name, "vfio", 4);
}

/* Descriptor of the device with this ID, not bound to an iommufd yet */
static int open_cdev(const char *id)
{
	char bdf[NAME_MAX + 1], name[NAME_MAX + 1], path[PATH_MAX];
	int fd;

	wanted_id = id;
	find(PCI_DIR, is_wanted, bdf, sizeof(bdf));
	snprintf(path, sizeof(path), PCI_DIR "%s/driver_override", bdf);
	put(path, "vfio-pci");
	put("/sys/bus/pci/drivers_probe", bdf);
	snprintf(path, sizeof(path), PCI_DIR "%s/vfio-dev", bdf);
	find(path, is_vfio, name, sizeof(name));
	snprintf(path, sizeof(path), "/dev/vfio/devices/%s", name);
	fd = open(path, O_RDWR);
	need(fd < 0, path);
	return fd;
}

/* Descriptor of the iommufd it is bound to */
static int bind_iommufd(int fd)
{
	struct vfio_device_bind_iommufd bind = { .argsz = sizeof(bind) };

	bind.iommufd = open("/dev/iommu", O_RDWR);
	need(bind.iommufd < 0, "/dev/iommu");
	need(ioctl(fd, VFIO_DEVICE_BIND_IOMMUFD, &bind), "bind");
	return bind.iommufd;
}

static void get_region(int fd, __u32 index, struct vfio_region_info *info)
{
	*info = (struct vfio_region_info) {
		.argsz = sizeof(*info),
		.index = index,
	};
	need(ioctl(fd, VFIO_DEVICE_GET_REGION_INFO, info), "region");
}

static int export_bar(int fd, __u32 index, __u64 len)
{
	struct {
		struct vfio_device_feature head;
		char data[sizeof(struct vfio_device_feature_dma_buf) +
			  sizeof(struct vfio_region_dma_range)];
	} args = {
		.head.argsz = sizeof(args),
		.head.flags = VFIO_DEVICE_FEATURE_GET |
			      VFIO_DEVICE_FEATURE_DMA_BUF,
	};
	struct vfio_device_feature_dma_buf *buf = (void *)args.data;

	buf->region_index = index;
	buf->nr_ranges = 1;
	buf->open_flags = O_RDWR;
	buf->dma_ranges[0].length = len;
	return ioctl(fd, VFIO_DEVICE_FEATURE, &args);
}

#endif /* RIG_BENCH_DEV_H */
