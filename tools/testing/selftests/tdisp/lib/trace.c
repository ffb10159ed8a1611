// SPDX-License-Identifier: GPL-2.0-only
/* Trace events, see trace.h */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/stat.h>

#include <linux/sizes.h>

#include "tdisp_lib.h"
#include "trace.h"

#define TRACEFS		"/sys/kernel/tracing"
#define INSTANCE	TRACEFS "/instances/tdisp-selftest"

bool trace_has(const char *event)
{
	return sysfs_exists(TRACEFS "/events/%s", event);
}

int trace_open(struct trace *trace)
{
	memset(trace, 0, sizeof(*trace));
	/* Left over by one that was killed */
	rmdir(INSTANCE);
	return mkdir(INSTANCE, 0700) ? -errno : 0;
}

void trace_close(struct trace *trace)
{
	free(trace->text);
	trace->text = NULL;
	rmdir(INSTANCE);
}

int trace_enable(const char *event, bool on)
{
	return sysfs_write(on ? "1" : "0", INSTANCE "/events/%s/enable", event);
}

int trace_clear(void)
{
	int fd = open(INSTANCE "/trace", O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* All of a file, which does not know how long it is */
static char *read_all(const char *path)
{
	size_t len = 0, size = 0;
	char *text = NULL;
	ssize_t n = -1;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	do {
		if (size - len < 2) {
			char *more = realloc(text, size + SZ_64K);

			if (!more)
				break;
			text = more;
			size += SZ_64K;
		}
		n = read(fd, text + len, size - len - 1);
		if (n > 0)
			len += n;
	} while (n > 0);
	close(fd);
	if (n) {
		free(text);
		return NULL;
	}
	text[len] = '\0';
	return text;
}

int trace_read(struct trace *trace)
{
	free(trace->text);
	trace->text = read_all(INSTANCE "/trace");
	trace->at = trace->text;
	if (!trace->text)
		return errno ? -errno : -EIO;
	return trace_clear();
}

/* Text of the next event of this name at or after @at */
static char *next_event(char *at, const char *event)
{
	char name[64];

	snprintf(name, sizeof(name), ": %s: ", event);
	at = strstr(at, name);
	return at ? at + strlen(name) : NULL;
}

int trace_find(struct trace *trace, const char *event, const char *fmt, ...)
{
	char want[256], *at = trace->at;
	va_list args;

	va_start(args, fmt);
	vsnprintf(want, sizeof(want), fmt, args);
	va_end(args);

	while (at) {
		at = next_event(at, event);
		if (at && !strncmp(at, want, strlen(want))) {
			trace->at = at;
			return 0;
		}
	}
	return -ENOENT;
}

int trace_count(const struct trace *trace, const char *event)
{
	char *at = trace->text;
	int nr = 0;

	while ((at = next_event(at, event)))
		nr++;
	return nr;
}

int trace_fields(const char *event, char *buf, size_t size)
{
	char path[128], *text, *at;
	size_t len = 0;

	snprintf(path, sizeof(path), TRACEFS "/events/%s/format", event);
	text = read_all(path);
	if (!text)
		return -ENOENT;
	buf[0] = '\0';
	/* What all events have ends at an empty line */
	at = strstr(text, "\n\n");
	while (at && (at = strstr(at, "field:"))) {
		int field;

		at += strlen("field:");
		field = strcspn(at, ";");
		len += snprintf(buf + len, size - len, "%s%.*s;",
				len ? " " : "", field, at);
		if (len >= size) {
			free(text);
			return -ENOSPC;
		}
	}
	free(text);
	return 0;
}
