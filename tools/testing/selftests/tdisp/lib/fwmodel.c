// SPDX-License-Identifier: GPL-2.0-only
/* Models of firmware, see fwmodel.h */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/syscall.h>

#include "tdisp_lib.h"
#include "fwmodel.h"

#define FWMODEL_DEBUGFS		"/sys/kernel/debug/%s/%s"
#define FWMODEL_LOG_SIZE	(2 * 1024 * 1024)

bool fwmodel_loaded(const struct fwmodel *model)
{
	return sysfs_exists("/sys/module/%s/initstate", model->module);
}

int fwmodel_load(const struct fwmodel *model, const char *params)
{
	const char *file = getenv(model->file);
	char cmd[256];
	int fd, rc;

	if (!file) {
		snprintf(cmd, sizeof(cmd), "modprobe -q %s %s", model->module,
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

int fwmodel_unload(const struct fwmodel *model)
{
	return syscall(__NR_delete_module, model->module, O_NONBLOCK) ? -errno :
									0;
}

int fwmodel_connect(const struct fwmodel *model, struct tdisp_device *dev)
{
	char tsm[16];
	int rc;

	tdi_tvm_arch = model->arch;
	rc = tsm_find_of(model->module, tsm, sizeof(tsm));
	return rc ?: tsm_connect(dev->fn[0].bdf, tsm);
}

int fwmodel_set_param(const struct fwmodel *model, const char *name,
		      const char *val)
{
	return sysfs_write(val, "/sys/module/%s/parameters/%s", model->module,
			   name);
}

int fwmodel_read(const struct fwmodel *model, const char *name, char *buf,
		 size_t size)
{
	return sysfs_read(buf, size, FWMODEL_DEBUGFS, model->module, name);
}

int fwmodel_write(const struct fwmodel *model, const char *name,
		  const char *fmt, ...)
{
	char line[64];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	return sysfs_write(line, FWMODEL_DEBUGFS, model->module, name);
}

int fwmodel_inject(const struct fwmodel *model, u32 call, u64 status, u32 skip,
		   u32 count)
{
	return fwmodel_write(model, "inject", "%#x %#llx %u %u", call,
			     (unsigned long long)status, skip, count);
}

int fwmodel_inject_none(const struct fwmodel *model)
{
	return fwmodel_write(model, "inject", "\n");
}

int fwmodel_log_clear(const struct fwmodel *model)
{
	return fwmodel_write(model, "log", "\n");
}

char *fwmodel_log(const struct fwmodel *model)
{
	char path[128];
	size_t len = 0;
	char *log;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), FWMODEL_DEBUGFS, model->module, "log");
	fd = open(path, O_RDONLY);
	if (fd < 0)
		return NULL;
	log = calloc(1, FWMODEL_LOG_SIZE);
	while (log && (n = read(fd, log + len, FWMODEL_LOG_SIZE - 1 - len)) > 0)
		len += n;
	close(fd);
	return log;
}

const char *fwmodel_log_find(const char *from, const char *line)
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

int fwmodel_log_count(const char *log, const char *line)
{
	int nr = 0;

	while ((log = fwmodel_log_find(log, line))) {
		nr++;
		log++;
	}
	return nr;
}
