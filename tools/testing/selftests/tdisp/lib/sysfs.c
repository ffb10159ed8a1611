// SPDX-License-Identifier: GPL-2.0-only
/* PCI functions, their drivers and their TSM attributes in sysfs */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/pci_regs.h>

#include "tdisp_lib.h"

#define PCI_DIR "/sys/bus/pci/devices/"
/* In the file "resource", as in linux/ioport.h */
#define IORESOURCE_MEM_64	0x00100000

int sysfs_read(char *buf, size_t size, const char *fmt, ...)
{
	char path[PATH_MAX];
	int fd, rc = 0;
	va_list args;
	ssize_t n;

	va_start(args, fmt);
	vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);

	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	n = read(fd, buf, size - 1);
	if (n < 0)
		rc = -errno;
	close(fd);
	if (rc)
		return rc;

	while (n && buf[n - 1] == '\n')
		n--;
	buf[n] = 0;
	return 0;
}

int sysfs_write(const char *val, const char *fmt, ...)
{
	char path[PATH_MAX];
	int fd, rc = 0;
	va_list args;

	va_start(args, fmt);
	vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);

	fd = open(path, O_WRONLY);
	if (fd < 0)
		return -errno;
	if (write(fd, val, strlen(val)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

bool sysfs_exists(const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(path, sizeof(path), fmt, args);
	va_end(args);
	return !access(path, F_OK);
}

static bool pci_is(const char *bdf, u16 vendor, u16 device)
{
	char buf[16];

	if (sysfs_read(buf, sizeof(buf), PCI_DIR "%s/vendor", bdf) ||
	    strtoul(buf, NULL, 16) != vendor)
		return false;
	return !sysfs_read(buf, sizeof(buf), PCI_DIR "%s/device", bdf) &&
	       strtoul(buf, NULL, 16) == device;
}

int pci_find(char *bdf, size_t size, u16 vendor, u16 device)
{
	struct dirent **list;
	int rc = -ENODEV;
	int n;

	n = scandir(PCI_DIR, &list, NULL, alphasort);
	if (n < 0)
		return -errno;
	for (int i = 0; i < n; i++) {
		if (rc && pci_is(list[i]->d_name, vendor, device)) {
			snprintf(bdf, size, "%s", list[i]->d_name);
			rc = 0;
		}
		free(list[i]);
	}
	free(list);
	return rc;
}

/* Type of a PCIe function, PCI_EXP_TYPE_* */
static int pci_exp_type(const char *bdf)
{
	u8 config[PCI_CFG_SPACE_SIZE];
	char path[PATH_MAX];
	u8 pos, left = 48;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), PCI_DIR "%s/config", bdf);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return -errno;
	n = read(fd, config, sizeof(config));
	close(fd);
	if (n != sizeof(config))
		return -EIO;

	pos = config[PCI_CAPABILITY_LIST] & ~3;
	while (pos >= PCI_STD_HEADER_SIZEOF && left--) {
		if (config[pos] == PCI_CAP_ID_EXP)
			return (config[pos + PCI_EXP_FLAGS] &
				PCI_EXP_FLAGS_TYPE) >> 4;
		pos = config[pos + PCI_CAP_LIST_NEXT] & ~3;
	}
	return -ENOENT;
}

static void add_fn(struct tdisp_device *dev, const char *bdf)
{
	unsigned int segment, bus, slot, func;
	struct tdisp_fn *fn;

	if (dev->nr_fns == TDISP_MAX_FNS ||
	    sscanf(bdf, "%x:%x:%x.%x", &segment, &bus, &slot, &func) != 4)
		return;

	fn = &dev->fn[dev->nr_fns++];
	snprintf(fn->bdf, sizeof(fn->bdf), "%s", bdf);
	fn->rid = bus << 8 | slot << 3 | func;
}

static int pci_attr(const char *bdf, const char *attr, int *val)
{
	char buf[16];
	int rc;

	rc = sysfs_read(buf, sizeof(buf), PCI_DIR "%s/%s", bdf, attr);
	if (!rc)
		*val = strtoul(buf, NULL, 0);
	return rc;
}

/* Where the VFs of function 0 will be, if it has any */
static void add_vfs(struct tdisp_device *dev)
{
	int nr, offset, stride;

	if (pci_attr(dev->fn[0].bdf, "sriov_totalvfs", &nr) ||
	    pci_attr(dev->fn[0].bdf, "sriov_offset", &offset) ||
	    pci_attr(dev->fn[0].bdf, "sriov_stride", &stride))
		return;
	for (int i = 0; i < nr && i < TDISP_MAX_VFS; i++) {
		struct tdisp_fn *vf = &dev->vf[dev->nr_vfs++];

		vf->rid = dev->fn[0].rid + offset + i * stride;
		/* With the segment of function 0 */
		snprintf(vf->bdf, sizeof(vf->bdf), "%.5s%02x:%02x.%x",
			 dev->fn[0].bdf, vf->rid >> 8, vf->rid >> 3 & 0x1f,
			 vf->rid & 7);
	}
}

int pci_find_test_devices(struct tdisp_device *devs, int max)
{
	struct tdisp_device *dev = NULL;
	struct dirent **list;
	int nr = 0;
	int n;

	n = scandir(PCI_DIR, &list, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		const char *bdf = list[i]->d_name;
		const char *dot = strrchr(bdf, '.');

		if (!dot || !pci_is(bdf, TDISP_TESTDEV_VENDOR,
				    TDISP_TESTDEV_DEVICE))
			continue;
		if (!strcmp(dot, ".0")) {
			if (nr == max)
				break;
			dev = &devs[nr++];
			memset(dev, 0, sizeof(*dev));
			dev->integrated = pci_exp_type(bdf) ==
					  PCI_EXP_TYPE_RC_END;
			add_fn(dev, bdf);
			add_vfs(dev);
		} else if (dev && !strncmp(dev->fn[0].bdf, bdf, dot - bdf)) {
			add_fn(dev, bdf);
		}
	}
	for (int i = 0; i < n; i++)
		free(list[i]);
	if (n >= 0)
		free(list);
	return nr;
}

static int read_bar(const char *bdf, int bar, u64 *start, u64 *size,
		    u64 *bar_flags)
{
	unsigned long long first, last, flags;
	char buf[4096], *line = buf;
	int rc;

	rc = sysfs_read(buf, sizeof(buf), PCI_DIR "%s/resource", bdf);
	if (rc)
		return rc;
	while (bar--) {
		line = strchr(line, '\n');
		if (!line)
			return -ENOENT;
		line++;
	}
	if (sscanf(line, "%llx %llx %llx", &first, &last, &flags) != 3 || !last)
		return -ENOENT;
	*start = first;
	*size = last - first + 1;
	*bar_flags = flags;
	return 0;
}

int pci_bar(const char *bdf, int bar, u64 *start, u64 *size)
{
	u64 flags;

	return read_bar(bdf, bar, start, size, &flags);
}

bool pci_bar_is_64bit(const char *bdf, int bar)
{
	u64 start, size, flags;

	return !read_bar(bdf, bar, &start, &size, &flags) &&
	       flags & IORESOURCE_MEM_64;
}

int pci_driver(const char *bdf, char *name, size_t size)
{
	char path[PATH_MAX], link[PATH_MAX];
	ssize_t n;

	snprintf(path, sizeof(path), PCI_DIR "%s/driver", bdf);
	n = readlink(path, link, sizeof(link) - 1);
	if (n < 0) {
		*name = 0;
		return errno == ENOENT && sysfs_exists(PCI_DIR "%s", bdf) ?
		       0 : -errno;
	}
	link[n] = 0;
	snprintf(name, size, "%s", basename(link));
	return 0;
}

/* Unbind the driver it has and bind this one, if not empty */
int pci_driver_set(const char *bdf, const char *override, const char *driver)
{
	char now[32];
	int rc;

	rc = pci_driver(bdf, now, sizeof(now));
	if (rc)
		return rc;
	rc = sysfs_write(*override ? override : "\n",
			 PCI_DIR "%s/driver_override", bdf);
	if (rc || !strcmp(now, driver))
		return rc;
	if (*now) {
		rc = sysfs_write(bdf, PCI_DIR "%s/driver/unbind", bdf);
		if (rc)
			return rc;
	}
	if (!*driver)
		return 0;
	return sysfs_write(bdf, "/sys/bus/pci/drivers/%s/bind", driver);
}

bool pci_exists(const char *bdf)
{
	return sysfs_exists(PCI_DIR "%s", bdf);
}

int pci_remove(const char *bdf)
{
	return sysfs_write("1", PCI_DIR "%s/remove", bdf);
}

int pci_remove_port(const char *bdf)
{
	char path[PATH_MAX], link[64];

	snprintf(link, sizeof(link), PCI_DIR "%s", bdf);
	if (!realpath(link, path))
		return -errno;
	/* .../PORT/FUNCTION */
	*strrchr(path, '/') = '\0';
	return pci_remove(strrchr(path, '/') + 1);
}

int pci_rescan(void)
{
	return sysfs_write("1", "/sys/bus/pci/rescan");
}

int pci_num_vfs(const char *bdf, int *nr)
{
	return pci_attr(bdf, "sriov_numvfs", nr);
}

int pci_enable_vfs(const char *bdf, int nr)
{
	char val[16];

	snprintf(val, sizeof(val), "%d", nr);
	return sysfs_write(val, PCI_DIR "%s/sriov_numvfs", bdf);
}

int tsm_find_of(const char *parent, char *name, size_t size)
{
	char path[PATH_MAX], real[PATH_MAX];
	struct dirent *entry;
	int rc = -ENOENT;
	DIR *dir;

	dir = opendir("/sys/class/tsm");
	if (!dir)
		return -errno;
	while (rc && (entry = readdir(dir))) {
		if (strncmp(entry->d_name, "tsm", 3))
			continue;
		snprintf(path, sizeof(path), "/sys/class/tsm/%s",
			 entry->d_name);
		if (realpath(path, real) && strstr(real, parent)) {
			snprintf(name, size, "%s", entry->d_name);
			rc = 0;
		}
	}
	closedir(dir);
	return rc;
}

int tsm_find(char *name, size_t size)
{
	/* The parent is a device of the module's */
	return tsm_find_of(SOFT_TSM_MODULE, name, size);
}

int tsm_connect(const char *bdf, const char *tsm)
{
	return sysfs_write(tsm, PCI_DIR "%s/tsm/connect", bdf);
}

int tsm_disconnect(const char *bdf, const char *tsm)
{
	return sysfs_write(tsm, PCI_DIR "%s/tsm/disconnect", bdf);
}

int tsm_attr(const char *bdf, const char *attr, char *buf, size_t size)
{
	return sysfs_read(buf, size, PCI_DIR "%s/tsm/%s", bdf, attr);
}
