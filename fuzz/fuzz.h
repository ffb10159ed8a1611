/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A program of the fuzzer is a list of calls with up to NR_ARGS numbers each. The
 * engine (fuzz.c) makes, changes and keeps programs and knows nothing of what the
 * calls do; a target (mock.c, dev.c) carries them out.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stdbool.h>
#include <stdint.h>

#define NR_ARGS		8
#define MAX_CALLS	32
#define ARRAY_LEN(_a)	(sizeof(_a) / sizeof((_a)[0]))

/* How the engine makes a number up */
enum arg_kind {
	ARG_NONE,
	/* An object, see object_ref() */
	ARG_REF,
	/* A small number, most of the time */
	ARG_SMALL,
	/* 0, most of the time: flags, reserved words, choices of what is wrong */
	ARG_ODD,
	/* A length or an offset */
	ARG_LEN,
	/* Anything, ends of ranges preferred */
	ARG_VALUE,
};

struct op {
	const char *name;
	/* How often it is made up, compared with others */
	unsigned int weight;
	enum arg_kind kind[NR_ARGS];
	/* 0, a negative errno, or OP_NOTHING if there is nothing to do it with */
	int (*run)(const uint32_t *arg);
	/* Only in the thread that runs the program */
	bool main_only;
};

#define OP_NOTHING	(-4095)

struct target {
	const char *name;
	const struct op *ops;
	unsigned int nr_ops;
	/* Once: NULL, or why it cannot be run */
	const char *(*start)(int argc, char **argv);
	void (*stop)(void);
	/* Before and after each program; begin() fails with a negative errno */
	int (*begin)(void);
	void (*end)(void);
};

extern const struct target target;

#endif /* FUZZ_FUZZ_H */
