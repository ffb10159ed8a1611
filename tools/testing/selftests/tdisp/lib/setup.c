// SPDX-License-Identifier: GPL-2.0-only
/* State of the machine around the tests, and how it is put back */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sys/syscall.h>

#include "tdisp_lib.h"

#define VFIO_PCI "vfio-pci"
#define PF_STUB "pci-pf-stub"
#define SOFT_TSM_DEBUGFS "/sys/kernel/debug/" SOFT_TSM_MODULE
/* A bus rescan brings the devices back by then */
#define RESCAN_MS 5000
/* The last close of a VMM that was killed is over by then */
#define UNLOCK_MS 3000

struct setup setup;

static pid_t owner;
static bool module_was_loaded;

u64 now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000ull + ts.tv_nsec / 1000000;
}

const char *errno_name(int err)
{
	return err ? strerrorname_np(abs(err)) ?: "?" : "0";
}

void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

bool soft_tsm_loaded(void)
{
	return sysfs_exists("/sys/module/" SOFT_TSM_MODULE "/initstate");
}

int soft_tsm_load(const char *params)
{
	const char *file = getenv("TDISP_SOFT_TSM_KO");
	char cmd[256];
	int fd, rc;

	if (!file) {
		snprintf(cmd, sizeof(cmd), "modprobe -q %s %s", SOFT_TSM_MODULE,
			 params);
		return system(cmd) ? -ENOENT : 0;
	}
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = syscall(__NR_finit_module, fd, params, 0) ? -errno : 0;
	close(fd);
	return rc;
}

int soft_tsm_unload(void)
{
	return syscall(__NR_delete_module, SOFT_TSM_MODULE, O_NONBLOCK) ?
	       -errno : 0;
}

int soft_tsm_set_teardown(const char *name)
{
	return sysfs_write(name, "/sys/module/" SOFT_TSM_MODULE
			   "/parameters/teardown");
}

int soft_tsm_hold(bool hold)
{
	return sysfs_write(hold ? "1" : "0", SOFT_TSM_DEBUGFS "/hold");
}

int soft_tsm_release(const char *bdf)
{
	return sysfs_write(bdf, SOFT_TSM_DEBUGFS "/release");
}

struct tdisp_device *setup_find(bool integrated)
{
	for (int i = 0; i < setup.nr_devs; i++)
		if (setup.devs[i].integrated == integrated)
			return &setup.devs[i];
	return NULL;
}

/* A device that was named is the only one */
static const char *setup_named(const char *bdf)
{
	for (int i = 0; i < setup.nr_devs; i++) {
		struct tdisp_device *dev = &setup.devs[i];

		for (int j = 0; j < dev->nr_fns; j++) {
			if (strcmp(dev->fn[j].bdf, bdf))
				continue;
			setup.devs[0] = *dev;
			setup.nr_devs = 1;
			setup.dev = &setup.devs[0];
			setup.fn = &setup.dev->fn[j];
			return NULL;
		}
	}
	return "the function that was named is no TDISP test device";
}

static bool is_bdf(const char *s)
{
	unsigned int x;
	int n = 0;

	return sscanf(s, "%x:%x:%x.%x%n", &x, &x, &x, &x, &n) == 4 && !s[n];
}

static const char *setup_devices(int *argc, char **argv)
{
	const char *bdf = getenv("TDISP_BDF");

	setup.nr_devs = pci_find_test_devices(setup.devs, TDISP_MAX_DEVICES);
	if (*argc > 1 && is_bdf(argv[*argc - 1]))
		bdf = argv[--*argc];
	if (bdf)
		return setup_named(bdf);
	if (!setup.nr_devs)
		return "no TDISP test device (1b36:00f0)";
	setup.dev = setup_find(false) ?: &setup.devs[0];
	setup.fn = &setup.dev->fn[0];
	return NULL;
}

static void remember_drivers(struct tdisp_device *dev)
{
	for (int i = 0; i < dev->nr_fns; i++) {
		struct tdisp_fn *fn = &dev->fn[i];

		pci_driver(fn->bdf, fn->driver, sizeof(fn->driver));
		if (sysfs_read(fn->override, sizeof(fn->override),
			       "/sys/bus/pci/devices/%s/driver_override",
			       fn->bdf) || !strcmp(fn->override, "(null)"))
			fn->override[0] = 0;
	}
}

const char *setup_init(int *argc, char **argv)
{
	const char *why;
	struct vm vm;
	int rc;

	why = setup_devices(argc, argv);
	if (why)
		return why;
	if (access("/dev/iommu", R_OK | W_OK))
		return "cannot open /dev/iommu";
	if (vm_create(&vm))
		return "KVM has no VM for it, of type KVM_X86_SW_PROTECTED_VM on x86";
	vm_close(&vm);
	if (!sysfs_exists("/sys/bus/pci/drivers/" VFIO_PCI) &&
	    system("modprobe -q " VFIO_PCI))
		return "no driver " VFIO_PCI;
	rc = testctl_open();
	if (rc)
		return "no tdisp-testctl (1b36:00f1), or it cannot be mapped";

	owner = getpid();
	module_was_loaded = soft_tsm_loaded();
	for (int i = 0; i < setup.nr_devs; i++)
		remember_drivers(&setup.devs[i]);
	atexit(setup_restore);
	if (!module_was_loaded && soft_tsm_load(""))
		return "no module " SOFT_TSM_MODULE
		       ", name its file in $TDISP_SOFT_TSM_KO";
	return NULL;
}

static bool all_present(struct tdisp_device *dev)
{
	for (int i = 0; i < dev->nr_fns; i++)
		if (!pci_exists(dev->fn[i].bdf))
			return false;
	return true;
}

static bool all_unlocked(struct tdisp_device *dev)
{
	for (int i = 0; i < dev->nr_fns; i++)
		if (testctl_state(dev->fn[i].rid) != TDISP_STATE_UNLOCKED)
			return false;
	for (int i = 0; i < dev->nr_vfs; i++)
		if (testctl_state(dev->vf[i].rid) != TDISP_STATE_UNLOCKED)
			return false;
	return true;
}

static int disable_vfs(struct tdisp_device *dev)
{
	int nr, rc;

	if (!dev->nr_vfs)
		return 0;
	if (pci_exists(dev->fn[0].bdf)) {
		rc = pci_num_vfs(dev->fn[0].bdf, &nr);
		if (!rc && nr)
			rc = pci_enable_vfs(dev->fn[0].bdf, 0);
		if (rc)
			return rc;
	}
	/*
	 * Left over by a function 0 that was removed. VFs cannot be removed on
	 * their own, and are in the way of those of the next function 0
	 */
	for (int i = 0; i < dev->nr_vfs; i++)
		if (pci_exists(dev->vf[i].bdf))
			return pci_remove_port(dev->vf[i].bdf);
	return 0;
}

/* After a removal, that the kernel may not have noticed, enumerate it anew */
static int bring_back(struct tdisp_device *dev)
{
	bool removed = testctl_get(dev->fn[0].rid, TDISP_CTL_REMOVED);
	int rc;

	if (removed || !pci_exists(dev->fn[0].bdf)) {
		rc = disable_vfs(dev);
		if (rc)
			return rc;
	}
	if (removed) {
		testctl_set(dev->fn[0].rid, TDISP_CTL_REMOVED, 0);
		for (int i = dev->nr_fns; i--;)
			pci_remove(dev->fn[i].bdf);
	}
	if (!wait_for(all_present(dev) || (pci_rescan(), all_present(dev)),
		      RESCAN_MS))
		return -ENODEV;
	return 0;
}

int setup_disconnect(struct tdisp_device *dev)
{
	char tsm[16];
	int rc;

	rc = tsm_attr(dev->fn[0].bdf, "connect", tsm, sizeof(tsm));
	/* Without a TSM there is no such attribute */
	if (rc == -ENOENT || (!rc && !*tsm))
		return 0;
	return rc ?: tsm_disconnect(dev->fn[0].bdf, tsm);
}

int setup_connect(struct tdisp_device *dev)
{
	char tsm[16];
	int rc;

	rc = tsm_find(tsm, sizeof(tsm));
	return rc ?: tsm_connect(dev->fn[0].bdf, tsm);
}

static int release_fn(const struct tdisp_fn *fn)
{
	int rc = soft_tsm_release(fn->bdf);

	/* Not in quarantine, not connected */
	return rc == -EINVAL || rc == -ENXIO || rc == -ENOTCONN ? 0 : rc;
}

/* End the quarantine of functions, which only a TSM that is connected can do */
static int release_all(struct tdisp_device *dev)
{
	int rc;

	if (!soft_tsm_loaded())
		return 0;
	rc = soft_tsm_hold(false);
	if (rc)
		return rc;
	if (!all_unlocked(dev))
		setup_connect(dev);
	for (int i = 0; !rc && i < dev->nr_fns; i++)
		rc = release_fn(&dev->fn[i]);
	for (int i = 0; !rc && i < dev->nr_vfs; i++)
		rc = release_fn(&dev->vf[i]);
	return rc;
}

int setup_clear(struct tdisp_device *dev)
{
	int rc;

	for (int i = 0; i < dev->nr_fns; i++)
		testctl_clear_faults(dev->fn[i].rid);
	for (int i = 0; i < dev->nr_vfs; i++)
		testctl_clear_faults(dev->vf[i].rid);
	rc = bring_back(dev);
	if (rc)
		return rc;
	rc = release_all(dev);
	if (rc)
		return rc;
	rc = setup_disconnect(dev);
	if (rc)
		return rc;
	rc = disable_vfs(dev);
	if (rc)
		return rc;
	if (wait_for(all_unlocked(dev), UNLOCK_MS))
		return 0;

	/* Somebody left a TDI behind: say so, but do not let others suffer */
	testctl_set(dev->fn[0].rid, TDISP_CTL_REMOVED, 1);
	rc = bring_back(dev);
	return rc ?: -EBUSY;
}

int setup_ready(struct tdisp_device *dev)
{
	int rc;

	if (!soft_tsm_loaded()) {
		rc = soft_tsm_load("");
		if (rc)
			return rc;
	}
	rc = setup_clear(dev);
	if (rc == -EBUSY)
		rc = setup_clear(dev);
	if (rc)
		return rc;
	for (int i = 0; i < dev->nr_fns; i++) {
		rc = pci_driver_set(dev->fn[i].bdf, VFIO_PCI, VFIO_PCI);
		if (rc)
			return rc;
	}
	return 0;
}

int setup_enable_vfs(struct tdisp_device *dev, int nr)
{
	int rc;

	rc = pci_driver_set(dev->fn[0].bdf, PF_STUB, PF_STUB);
	rc = rc ?: pci_enable_vfs(dev->fn[0].bdf, nr);
	for (int i = 0; !rc && i < nr; i++)
		rc = pci_driver_set(dev->vf[i].bdf, VFIO_PCI, VFIO_PCI);
	return rc;
}

void setup_restore(void)
{
	if (getpid() != owner)
		return;
	owner = 0;

	for (int i = 0; i < setup.nr_devs; i++) {
		struct tdisp_device *dev = &setup.devs[i];

		setup_clear(dev);
		for (int j = 0; j < dev->nr_fns; j++)
			pci_driver_set(dev->fn[j].bdf, dev->fn[j].override,
				       dev->fn[j].driver);
	}
	if (module_was_loaded && !soft_tsm_loaded())
		soft_tsm_load("");
	else if (!module_was_loaded && soft_tsm_loaded())
		soft_tsm_unload();
	testctl_close();
}
