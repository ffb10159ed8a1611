/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the benchmarks measure. To be run with a clock that counts instructions,
 * see rig/bench: a nanosecond of the machine is one then.
 */
#ifndef RIG_BENCH_H
#define RIG_BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define WARM_UP	200
/* So short that most batches see no timer interrupt, the quickest one counts */
#define BATCH	20
#define BATCHES	200

static void need(int rc, const char *what)
{
	if (rc) {
		perror(what);
		exit(1);
	}
}

static unsigned long long now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

static void measure(const char *name, int (*op)(void))
{
	unsigned long long start, took, empty = ~0ULL, least = ~0ULL;
	int i, j;

	for (i = 0; i != WARM_UP; i++)
		need(op(), name);
	for (i = 0; i != BATCHES; i++) {
		/* Reading the clock is not what is measured */
		start = now();
		took = now() - start;
		if (took < empty)
			empty = took;
		start = now();
		for (j = 0; j != BATCH; j++)
			op();
		took = now() - start;
		if (took < least)
			least = took;
	}
	printf("%-28s %llu\n", name, (least - empty + BATCH / 2) / BATCH);
}

#endif /* RIG_BENCH_H */
