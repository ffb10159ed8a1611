/* SPDX-License-Identifier: GPL-2.0-only */
/* PCI functions, their drivers and their TSM attributes in sysfs */
#ifndef SELFTESTS_TDISP_LIB_SYSFS_H
#define SELFTESTS_TDISP_LIB_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <linux/types.h>

#include "../../kselftest.h"

#define TDISP_MAX_FNS		8
#define TDISP_MAX_VFS		8
#define TDISP_MAX_DEVICES	4

/**
 * struct tdisp_fn - A PCI function of a test device
 * @bdf: its name in sysfs, segment:bus:device.function
 * @rid: bus << 8 | devfn, as the event log has it
 * @driver: it had before vfio-pci, empty if none
 * @override: driver_override it had before, empty if none
 */
struct tdisp_fn {
	char bdf[16];
	u16 rid;
	char driver[32];
	char override[32];
};

/**
 * struct tdisp_device - The functions that one DSM manages
 * @integrated: a root complex integrated endpoint, there is no link to it
 * @nr_fns: entries of @fn
 * @fn: the functions, function 0 with the DSM first
 * @nr_vfs: entries of @vf, 0 without SR-IOV
 * @vf: the virtual functions of function 0, whether enabled or not
 */
struct tdisp_device {
	bool integrated;
	int nr_fns;
	struct tdisp_fn fn[TDISP_MAX_FNS];
	int nr_vfs;
	struct tdisp_fn vf[TDISP_MAX_VFS];
};

/* All of these return 0 or a negative errno unless they say something else */

__printf(3, 4) int sysfs_read(char *buf, size_t size, const char *fmt, ...);
__printf(2, 3) int sysfs_write(const char *val, const char *fmt, ...);
__printf(1, 2) bool sysfs_exists(const char *fmt, ...);

/* Name of the PCI function with this vendor and device, the first one */
int pci_find(char *bdf, size_t size, u16 vendor, u16 device);
/* Test devices, sorted by name; returns how many */
int pci_find_test_devices(struct tdisp_device *devs, int max);
/* Start and size of a BAR in the physical address space */
int pci_bar(const char *bdf, int bar, u64 *start, u64 *size);
bool pci_bar_is_64bit(const char *bdf, int bar);
/* Driver of a function, empty if none */
int pci_driver(const char *bdf, char *name, size_t size);
int pci_driver_set(const char *bdf, const char *override, const char *driver);
bool pci_exists(const char *bdf);
int pci_remove(const char *bdf);
/* The port above, with all that is below it */
int pci_remove_port(const char *bdf);
int pci_rescan(void);
/* How many VFs are enabled; enable some, or disable all with 0 */
int pci_num_vfs(const char *bdf, int *nr);
int pci_enable_vfs(const char *bdf, int nr);

/* Name of the soft TSM, "tsmN" */
int tsm_find(char *name, size_t size);
/* Name of the TSM whose path in sysfs has @parent in it */
int tsm_find_of(const char *parent, char *name, size_t size);
int tsm_connect(const char *bdf, const char *tsm);
int tsm_disconnect(const char *bdf, const char *tsm);
/* An attribute that is empty or names something, like connect, bound, dsm */
int tsm_attr(const char *bdf, const char *attr, char *buf, size_t size);

#endif /* SELFTESTS_TDISP_LIB_SYSFS_H */
