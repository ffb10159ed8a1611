// SPDX-License-Identifier: GPL-2.0-only
/* The model of the TDX module */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/syscall.h>

#include "tdisp_lib.h"
#include "tdxm.h"

#define TDXM_DEBUGFS	"/sys/kernel/debug/" TDXM_MODULE
#define TDXM_LOG_SIZE	(1024 * 1024)

bool tdxm_loaded(void)
{
	return sysfs_exists("/sys/module/" TDXM_MODULE "/initstate");
}

int tdxm_load(const char *params)
{
	const char *file = getenv("TDISP_TDX_MODEL_KO");
	char cmd[256];
	int fd, rc;

	if (!file) {
		snprintf(cmd, sizeof(cmd), "modprobe -q %s %s", TDXM_MODULE,
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

int tdxm_unload(void)
{
	return syscall(__NR_delete_module, TDXM_MODULE, O_NONBLOCK) ? -errno :
								      0;
}

int tdxm_connect(struct tdisp_device *dev)
{
	char tsm[16];
	int rc;

	tdi_tvm_arch = IOMMU_TVM_ARCH_TDX;
	rc = tsm_find_of(TDXM_MODULE, tsm, sizeof(tsm));
	return rc ?: tsm_connect(dev->fn[0].bdf, tsm);
}

int tdxm_set_param(const char *name, const char *val)
{
	return sysfs_write(val, "/sys/module/" TDXM_MODULE "/parameters/%s",
			   name);
}

int tdxm_get_state(struct tdxm_state *s)
{
	char buf[512];
	int rc;

	rc = sysfs_read(buf, sizeof(buf), TDXM_DEBUGFS "/state");
	if (rc)
		return rc;
	return sscanf(buf,
		      "violations %u refused %u pending %u owned %u dirty %u sessions %u streams %u tds %u tdis %u assigned %u mmio %u dmar %u blocks %u",
		      &s->violations, &s->refused, &s->pending, &s->owned,
		      &s->dirty, &s->sessions, &s->streams, &s->tds, &s->tdis,
		      &s->assigned, &s->mmio, &s->dmar, &s->blocks) == 13 ?
	       0 : -EBADMSG;
}

int tdxm_inject(u32 call, u64 status, u32 skip, u32 count)
{
	char line[64];

	snprintf(line, sizeof(line), "%#x %#llx %u %u", call,
		 (unsigned long long)status, skip, count);
	return sysfs_write(line, TDXM_DEBUGFS "/inject");
}

int tdxm_inject_none(void)
{
	return sysfs_write("\n", TDXM_DEBUGFS "/inject");
}

int tdxm_guest(u16 rid, u32 op)
{
	char line[32];

	snprintf(line, sizeof(line), "%#x %u", rid, op);
	return sysfs_write(line, TDXM_DEBUGFS "/guest");
}

int tdxm_raw(u32 call)
{
	char line[16];

	snprintf(line, sizeof(line), "%#x", call);
	return sysfs_write(line, TDXM_DEBUGFS "/raw");
}

int tdxm_log_clear(void)
{
	return sysfs_write("\n", TDXM_DEBUGFS "/log");
}

char *tdxm_log(void)
{
	char *log = calloc(1, TDXM_LOG_SIZE);
	size_t len = 0;
	ssize_t n;
	int fd;

	fd = open(TDXM_DEBUGFS "/log", O_RDONLY);
	if (fd < 0 || !log) {
		free(log);
		return NULL;
	}
	while ((n = read(fd, log + len, TDXM_LOG_SIZE - 1 - len)) > 0)
		len += n;
	close(fd);
	return log;
}

const char *tdxm_log_find(const char *from, const char *line)
{
	size_t len = strlen(line);

	while (from && *from) {
		if (!strncmp(from, line, len))
			return from;
		from = strchr(from, '\n');
		if (from)
			from++;
	}
	return NULL;
}

int tdxm_log_count(const char *log, const char *line)
{
	int nr = 0;

	while ((log = tdxm_log_find(log, line))) {
		nr++;
		log++;
	}
	return nr;
}
