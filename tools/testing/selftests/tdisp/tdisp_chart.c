// SPDX-License-Identifier: GPL-2.0-only
/*
 * Draw the life of TDIs as a sequence chart, and check that it is one.
 *
 * The input is the text of a trace, from trace or trace_pipe of tracefs: the
 * events of tsm, of vfio_pci and those of KVM's dma-buf slots, and what a VMM
 * writes into trace_marker:
 *
 *	tdisp_step: FROM > TO CALL [KEY=VALUE]...
 *	tdisp_done: CALL rc=RC [KEY=VALUE]...
 *
 * with the keys fn, a PCI function, and round, a number that starts at 1. Table
 * steps[] maps both to the steps of the chart, with the numbers they have in
 * Documentation/driver-api/pci/tsm-chart.rst, and table orders[] has what comes
 * before what. A trace where a step is missing, fails, or is out of order fails.
 *
 * usage: tdisp_chart [-f] [-g] [-n] [-q] [-o ORDER] [-s FILE] [TRACE]
 *        tdisp_chart [-o ORDER] -l
 *
 *	-f		follow the trace until a signal, or the end of a pipe
 *	-g		the guest is first: the VMM makes memslots and vDEVICEs
 *			while it runs, as QEMU does
 *	-n		draw only, do not check
 *	-q		check only, print nothing but what is wrong
 *	-o ORDER	of teardown: stop-first, stop-first-late-revoke, revoke-first;
 *			or sev-tio, cca or tdx, which have steps of their own
 *	-s FILE		write an SVG
 *	-l		list the steps
 *
 * Exit status: 0, 1 if the sequence is not as it has to be, 2 for input that
 * cannot be read or a wrong usage.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "chart/chart.h"

struct options opts = { .check = true };

const char *input_name = "<stdin>";
static atomic_bool stop;

__printf(1, 2) __noreturn
void die(const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "tdisp_chart: ");
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_INPUT);
}

void *grow(void *array, size_t *nr, size_t size)
{
	/* In powers of two */
	if (!(*nr & (*nr - 1))) {
		array = reallocarray(array, *nr ? 2 * *nr : 1, size);
		if (!array)
			die("out of memory");
	}
	memset((char *)array + *nr * size, 0, size);
	(*nr)++;
	return array;
}

static void handle_line(char *text, unsigned long line, bool complete)
{
	struct record rec = { .line = line };

	if (parse_line(&rec, text, complete))
		handle(&rec);
}

static void on_signal(int sig)
{
	stop = true;
}

static void read_trace(FILE *file)
{
	const struct timespec nap = { .tv_nsec = 50 * 1000 * 1000 };
	char *buf = NULL, *part = NULL;
	size_t size = 0, part_len = 0;
	unsigned long line = 0;
	struct stat st;
	ssize_t len;

	if (fstat(fileno(file), &st))
		die("%s: %s", input_name, strerror(errno));
	while (!stop) {
		len = getline(&buf, &size, file);
		if (len < 0) {
			if (ferror(file) && errno != EINTR)
				die("%s: %s", input_name, strerror(errno));
			if (!opts.follow || !S_ISREG(st.st_mode))
				break;
			clearerr(file);
			nanosleep(&nap, NULL);
			continue;
		}
		if (memchr(buf, '\0', len))
			die("%s:%lu: not a text", input_name, line + 1);
		/* The rest of a line may be yet to come */
		part = realloc(part, part_len + len + 1);
		if (!part)
			die("out of memory");
		memcpy(part + part_len, buf, len + 1);
		part_len += len;
		if (part[part_len - 1] != '\n')
			continue;
		part[part_len - 1] = '\0';
		handle_line(part, ++line, true);
		part_len = 0;
	}
	if (part_len)
		handle_line(part, ++line, false);
	free(part);
	free(buf);
}

static void list_steps(void)
{
	static const char * const scopes[] = {
		[ONCE] = "once", [FUNCTION] = "function", [ROUND] = "round",
		[OPTIONAL] = "optional",
	};

	for (int i = 0; i < NR_STEPS; i++) {
		const struct step_desc *desc = &steps[i];

		if (!has_step(i))
			continue;
		printf("%-6s %-9s %-9s > %-9s %-8s %s%s%s%s%s\n",
		       *desc->number ? desc->number : "-",
		       scopes[desc->scope], actors[desc->from].name,
		       actors[desc->to].name, desc->event ? "event" : "marker",
		       desc->source, desc->key ? " " : "", desc->key ?: "",
		       desc->key ? "=" : "", desc->value ?: "");
	}
}

static __noreturn void bad_usage(void)
{
	fprintf(stderr, "usage: tdisp_chart [-f] [-g] [-n] [-q] [-o ORDER] [-s FILE] [TRACE]\n"
			"       tdisp_chart [-o ORDER] -l\n");
	exit(EXIT_INPUT);
}

static enum teardown parse_teardown(const char *name)
{
	for (int i = 0; i < NR_TEARDOWNS; i++)
		if (!strcmp(name, teardowns[i]))
			return i;
	die("%s: no order of teardown", name);
}

static void parse_options(int argc, char **argv)
{
	bool list = false;
	int opt;

	while ((opt = getopt(argc, argv, "fglnqo:s:")) != -1) {
		switch (opt) {
		case 'f':
			opts.follow = true;
			break;
		case 'g':
			opts.guest_first = true;
			break;
		case 'l':
			list = true;
			break;
		case 'n':
			opts.check = false;
			break;
		case 'q':
			opts.quiet = true;
			break;
		case 'o':
			opts.teardown = parse_teardown(optarg);
			break;
		case 's':
			opts.svg = optarg;
			break;
		default:
			bad_usage();
		}
	}
	if (argc > optind + 1)
		bad_usage();
	if (list) {
		list_steps();
		exit(0);
	}
}

int main(int argc, char **argv)
{
	/* No SA_RESTART: it ends the wait for more */
	const struct sigaction action = { .sa_handler = on_signal };
	FILE *file = stdin;

	parse_options(argc, argv);
	opts.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	if (optind < argc) {
		input_name = argv[optind];
		file = fopen(input_name, "r");
		if (!file)
			die("%s: %s", input_name, strerror(errno));
	}
	if (opts.follow) {
		sigaction(SIGINT, &action, NULL);
		sigaction(SIGTERM, &action, NULL);
	}
	read_trace(file);
	finish();
	if (opts.svg)
		write_svg(opts.svg);
	return nr_wrong ? EXIT_SEQUENCE : 0;
}
