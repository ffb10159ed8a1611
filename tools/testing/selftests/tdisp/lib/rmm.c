// SPDX-License-Identifier: GPL-2.0-only
/* The model of Arm's RMM */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/syscall.h>

#include "tdisp_lib.h"
#include "rmm.h"

#define RMM_DEBUGFS	"/sys/kernel/debug/" RMM_MODEL_MODULE
#define RMM_LOG_SIZE	(2 * 1024 * 1024)

bool rmm_loaded(void)
{
	return sysfs_exists("/sys/module/" RMM_MODEL_MODULE "/initstate");
}

int rmm_load(const char *params)
{
	const char *file = getenv("TDISP_RMM_MODEL_KO");
	char cmd[256];
	int fd, rc;

	if (!file) {
		snprintf(cmd, sizeof(cmd), "modprobe -q %s %s",
			 RMM_MODEL_MODULE, params);
		return system(cmd) ? -ENOENT : 0;
	}
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	rc = syscall(__NR_finit_module, fd, params, 0) ? -errno : 0;
	close(fd);
	return rc;
}

int rmm_unload(void)
{
	return syscall(__NR_delete_module, RMM_MODEL_MODULE, O_NONBLOCK) ?
	       -errno : 0;
}

int rmm_connect(struct tdisp_device *dev)
{
	char tsm[16];
	int rc;

	tdi_tvm_arch = IOMMU_TVM_ARCH_CCA;
	rc = tsm_find_of(RMM_MODEL_MODULE, tsm, sizeof(tsm));
	return rc ?: tsm_connect(dev->fn[0].bdf, tsm);
}

int rmm_set_param(const char *name, const char *val)
{
	return sysfs_write(val, "/sys/module/" RMM_MODEL_MODULE
			   "/parameters/%s", name);
}

int rmm_get_state(struct rmm_state *state)
{
	char buf[512];
	int rc;

	rc = sysfs_read(buf, sizeof(buf), RMM_DEBUGFS "/state");
	if (rc)
		return rc;
	return sscanf(buf,
		      "violations %u refused %u delegated %u objects %u mapped %u realms %u pdevs %u streams %u vdevs %u pending %u",
		      &state->violations, &state->refused, &state->delegated,
		      &state->objects, &state->mapped, &state->realms,
		      &state->pdevs, &state->streams, &state->vdevs,
		      &state->pending) == 10 ? 0 : -EBADMSG;
}

int rmm_inject(u32 cmd, u32 status, u32 skip, u32 count)
{
	char line[64];

	snprintf(line, sizeof(line), "%#x %#x %u %u", cmd, status, skip, count);
	return sysfs_write(line, RMM_DEBUGFS "/inject");
}

int rmm_inject_none(void)
{
	return sysfs_write("\n", RMM_DEBUGFS "/inject");
}

int rmm_raw(u32 cmd, u32 arg)
{
	char line[32];

	snprintf(line, sizeof(line), "%#x %#x", cmd, arg);
	return sysfs_write(line, RMM_DEBUGFS "/raw");
}

int rmm_log_clear(void)
{
	return sysfs_write("\n", RMM_DEBUGFS "/log");
}

char *rmm_log(void)
{
	char *log = calloc(1, RMM_LOG_SIZE);
	size_t len = 0;
	ssize_t n;
	int fd;

	fd = open(RMM_DEBUGFS "/log", O_RDONLY);
	if (fd < 0 || !log) {
		free(log);
		return NULL;
	}
	while ((n = read(fd, log + len, RMM_LOG_SIZE - 1 - len)) > 0)
		len += n;
	close(fd);
	return log;
}

const char *rmm_log_find(const char *from, const char *line)
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

int rmm_log_count(const char *log, const char *line)
{
	int nr = 0;

	while ((log = rmm_log_find(log, line))) {
		nr++;
		log++;
	}
	return nr;
}
