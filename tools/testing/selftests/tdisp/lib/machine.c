// SPDX-License-Identifier: GPL-2.0-only
/* The machine that the tests run in, see machine.h */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <linux/bitfield.h>
#include <linux/limits.h>
#include <linux/pci_regs.h>

#include "tdisp_lib.h"

#define ASK_MS		10000

bool machine_has_monitor(void)
{
	return getenv("TDISP_MONITOR");
}

int machine_ask(const char *fmt, ...)
{
	const char *path = getenv("TDISP_MONITOR");
	char tmp[PATH_MAX];
	va_list args;
	FILE *f;

	if (!path)
		return -ENOENT;
	snprintf(tmp, sizeof(tmp), "%s.new", path);
	f = fopen(tmp, "w");
	if (!f)
		return -errno;
	va_start(args, fmt);
	vfprintf(f, fmt, args);
	va_end(args);
	fputc('\n', f);
	if (fclose(f) || rename(tmp, path))
		return -errno;
	return wait_for(access(path, F_OK), ASK_MS) ? 0 : -ETIMEDOUT;
}

int pci_slot(const char *bdf)
{
	char path[PATH_MAX], link[64];
	const char *port;
	u16 high;
	u8 cap;
	int rc;

	snprintf(link, sizeof(link), "/sys/bus/pci/devices/%s", bdf);
	if (!realpath(link, path))
		return -errno;
	/* .../PORT/FUNCTION */
	*strrchr(path, '/') = '\0';
	port = strrchr(path, '/') + 1;
	cap = host_find_cap(port, PCI_CAP_ID_EXP);
	if (!cap)
		return -ENOENT;
	rc = host_config_readw(port, cap + PCI_EXP_SLTCAP + 2, &high);
	return rc ?: FIELD_GET(PCI_EXP_SLTCAP_PSN >> 16, high);
}
