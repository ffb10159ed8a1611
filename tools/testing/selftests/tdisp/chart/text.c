// SPDX-License-Identifier: GPL-2.0-only
/* The rows of a chart, and how terminals show them */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "chart.h"

struct row *rows;
size_t nr_rows;

/* Text: lifelines in columns of this width, right of number and time */
#define LEFT		18
#define SPACING		11

static int centre(enum actor actor)
{
	return LEFT + 3 + SPACING * actor;
}

static void put(char *line, int at, const char *text, size_t len)
{
	for (size_t i = 0; i < len && at + (int)i < COLUMNS; i++)
		if (at + (int)i >= 0)
			line[at + i] = text[i];
}

/* Lifelines only */
static void blank(char *line)
{
	memset(line, ' ', COLUMNS);
	line[COLUMNS] = '\0';
	for (int i = 0; i < NR_ACTORS; i++)
		line[centre(i)] = '|';
}

static void print_line(const char *before, char *line, const char *after)
{
	int len = COLUMNS;

	while (len && line[len - 1] == ' ')
		len--;
	line[len] = '\0';
	printf("%s%s%s\n", opts.colour ? before : "", line,
	       opts.colour ? after : "");
	fflush(stdout);
}

static void put_label(char *line, int lo, int hi, const char *label)
{
	int len = strlen(label);
	int at;

	if (len + 6 <= hi - lo) {
		/* In the arrow, with a blank on both sides */
		at = lo + (hi - lo - len) / 2;
	} else if (hi + 2 + len <= COLUMNS) {
		at = hi + 2;
	} else {
		at = lo - 1 - len;
		if (at < LEFT)
			at = LEFT;
	}
	line[at - 1] = line[at - 1] == '|' ? '|' : ' ';
	put(line, at, label, len);
	if (at + len < COLUMNS && line[at + len] != '|')
		line[at + len] = ' ';
}

static void put_arrow(char *line, enum actor from, enum actor to,
		      const char *label)
{
	int a = from == ADMIN ? centre(to) - SPACING / 2 : centre(from);
	int b = centre(to);
	int lo = a < b ? a : b;
	int hi = a < b ? b : a;

	if (a == b) {
		line[a] = '*';
	} else {
		memset(line + lo + 1, '-', hi - lo - 1);
		line[a < b ? b - 1 : b + 1] = a < b ? '>' : '<';
	}
	put_label(line, lo, hi, label);
}

static void print_head(void)
{
	char line[COLUMNS + 1];

	memset(line, ' ', COLUMNS);
	put(line, 1, "step", 4);
	put(line, 11, "ms", 2);
	for (int i = 0; i < NR_ACTORS; i++) {
		int len = strlen(actors[i].title);

		put(line, centre(i) - len / 2, actors[i].title, len);
	}
	line[COLUMNS] = '\0';
	print_line("\033[1m", line, "\033[0m");
}

unsigned long long since_start(unsigned long long ns)
{
	return ns > ns_first ? ns - ns_first : 0;
}

void print_row(const struct row *row)
{
	char line[COLUMNS + 1], left[LEFT + 32];
	const struct step_desc *desc;
	int len;

	if (opts.quiet)
		return;
	blank(line);
	switch (row->kind) {
	case ROW_PHASE:
		print_head();
		blank(line);
		put(line, 0, "---- ", 5);
		put(line, 5, row->text, strlen(row->text));
		put(line, 5 + strlen(row->text), " ", 1);
		print_line("\033[1m", line, "\033[0m");
		return;
	case ROW_NOTE:
		put(line, LEFT + 5, row->text, strlen(row->text));
		if (LEFT + 5 + strlen(row->text) < COLUMNS)
			line[LEFT + 5 + strlen(row->text)] = ' ';
		print_line("\033[2m", line, "\033[0m");
		return;
	case ROW_STATE:
		len = strlen(row->text);
		put(line, centre(DEVICE) - len / 2 - 1, "[", 1);
		put(line, centre(DEVICE) - len / 2, row->text, len);
		put(line, centre(DEVICE) - len / 2 + len, "]", 1);
		print_line("\033[33m", line, "\033[0m");
		return;
	case ROW_STEP:
		break;
	}
	desc = &steps[row->step];
	put_arrow(line, desc->from, desc->to, row->text);
	len = snprintf(left, sizeof(left), "%5s %11.3f", desc->number,
		       since_start(row->ns) / 1e6);
	put(line, 0, left, len);
	print_line(row->failed ? "\033[31m" : "", line,
		   row->failed ? "\033[0m" : "");
}

int add_row(const struct row *row)
{
	rows = grow(rows, &nr_rows, sizeof(*rows));
	rows[nr_rows - 1] = *row;
	print_row(row);
	return nr_rows - 1;
}

__printf(1, 2)
void add_note(const char *fmt, ...)
{
	struct row row = { .kind = ROW_NOTE };
	va_list args;

	va_start(args, fmt);
	vsnprintf(row.text, sizeof(row.text), fmt, args);
	va_end(args);
	add_row(&row);
}
