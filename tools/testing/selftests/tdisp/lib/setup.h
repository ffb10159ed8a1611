/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * State of the machine around the tests: devices, their drivers, the soft TSM,
 * connections and faults. What a program changes is put back when it exits.
 */
#ifndef SELFTESTS_TDISP_LIB_SETUP_H
#define SELFTESTS_TDISP_LIB_SETUP_H

#include <stdbool.h>
#include <linux/types.h>

#include "sysfs.h"

#define SOFT_TSM_MODULE		"soft_tsm"

/**
 * struct setup - What the tests run on
 * @nr_devs: entries of @devs
 * @devs: devices that may be used
 * @dev: the one under test
 * @fn: the function of it under test
 */
struct setup {
	int nr_devs;
	struct tdisp_device devs[TDISP_MAX_DEVICES];
	struct tdisp_device *dev;
	struct tdisp_fn *fn;
};

extern struct setup setup;

/*
 * Find devices, the observer, KVM, iommufd and the module. The function is the
 * last argument, which is taken off @argc then, or $TDISP_BDF, or the first one
 * below a root port, or the first one. NULL, or why the tests cannot run.
 */
const char *setup_init(int *argc, char **argv);
/* The first device that is one, or is not, or NULL */
struct tdisp_device *setup_find(bool integrated);

/*
 * Bring a device to where every test starts: there, with vfio-pci as driver of
 * all functions, not connected, unlocked, without faults; the module is loaded.
 */
int setup_ready(struct tdisp_device *dev);
/* From wherever a test left it; files of the test are closed, VFs are disabled */
int setup_clear(struct tdisp_device *dev);
/*
 * Enable VFs, which have vfio-pci as driver then, of a device that is ready. Its
 * function 0 has pci-pf-stub from then on.
 */
int setup_enable_vfs(struct tdisp_device *dev, int nr);
int setup_connect(struct tdisp_device *dev);
int setup_disconnect(struct tdisp_device *dev);
/* Put everything back, as exit does it too */
void setup_restore(void);

/* The module's file is $TDISP_SOFT_TSM_KO, or it is modprobe's job to know */
bool soft_tsm_loaded(void);
int soft_tsm_load(const char *params);
int soft_tsm_unload(void);
/* Order of unbind, one of the names of the parameter "teardown" */
int soft_tsm_set_teardown(const char *name);
/* Have the TSM refuse to let go of a function, and have it let go */
int soft_tsm_hold(bool hold);
int soft_tsm_release(const char *bdf);

#endif /* SELFTESTS_TDISP_LIB_SETUP_H */
