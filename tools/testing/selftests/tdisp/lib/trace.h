/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Trace events, in a buffer of the test's own: an instance of tracefs. All
 * return 0 or a negative errno unless they say something else.
 */
#ifndef SELFTESTS_TDISP_LIB_TRACE_H
#define SELFTESTS_TDISP_LIB_TRACE_H

#include <stdbool.h>
#include <stddef.h>

/**
 * struct trace - What was recorded
 * @text: of all events, see trace_read(), NULL before
 * @at: where the search goes on
 */
struct trace {
	char *text;
	char *at;
};

bool trace_has(const char *event);
/* An instance without events, and the end of it */
int trace_open(struct trace *trace);
void trace_close(struct trace *trace);
/* "tsm", or "tsm/tsm_bind" */
int trace_enable(const char *event, bool on);
/* Forget what was recorded */
int trace_clear(void);
/* Take what was recorded since, and start the search at its beginning */
int trace_read(struct trace *trace);
/*
 * The next event of this name whose text starts like this, from where the last
 * one was found on. -ENOENT if there is none, the search stays where it was then
 */
__printf(3, 4) int trace_find(struct trace *trace, const char *event,
			      const char *fmt, ...);
/* How many events of this name there are in all */
int trace_count(const struct trace *trace, const char *event);
/* "TYPE NAME; ..." of the fields of an event, without the common ones */
int trace_fields(const char *event, char *buf, size_t size);

#endif /* SELFTESTS_TDISP_LIB_TRACE_H */
