/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the benchmarks measure. To be run with a clock that counts instructions,
 * see rig/bench: a nanosecond of the machine is one then.
 */
#ifndef RIG_BENCH_H
#define RIG_BENCH_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/*
 * Instructions per call in the quickest batch, and in the quickest call: the first
 * has its share of what comes once in several calls, like a slab that is refilled,
 * and moves in steps for it. The second is the path itself.
 */
static void measure(const char *name, int (*op)(void))
{
	unsigned long long start, took, empty = ~0ULL, least = ~0ULL;
	unsigned long long one = ~0ULL;
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
	for (i = 0; i != BATCHES; i++) {
		start = now();
		op();
		took = now() - start;
		if (took < one)
			one = took;
	}
	printf("%-28s %llu\n", name, (least - empty + BATCH / 2) / BATCH);
	printf("%s%-*s %llu\n", name, 28 - (int)strlen(name), "/quickest", one - empty);
}

#endif /* RIG_BENCH_H */
