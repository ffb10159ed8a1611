// SPDX-License-Identifier: GPL-2.0-only
/* The rows of a chart as a picture */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "chart.h"

/* SVG: columns as in the text, in pixels */
#define SVG_LEFT	170
#define SVG_SPACING	118
#define SVG_WIDTH	(SVG_LEFT + SVG_SPACING * (NR_ACTORS - 1) + 130)
#define SVG_TOP		70
#define SVG_CHAR	6

static int svg_x(enum actor actor)
{
	return SVG_LEFT + SVG_SPACING * actor;
}

static int svg_height(const struct row *row)
{
	switch (row->kind) {
	case ROW_PHASE:
		return 30;
	case ROW_STATE:
		return 24;
	case ROW_NOTE:
		return 20;
	case ROW_STEP:
		break;
	}
	return steps[row->step].from == steps[row->step].to ? 22 : 30;
}

static void svg_rect(FILE *svg, int x, int y, int width, int height,
		     int radius, const char *style)
{
	fprintf(svg, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" ", x, y,
		width, height);
	fprintf(svg, "rx=\"%d\" class=\"%s\"/>\n", radius, style);
}

static void svg_text(FILE *svg, int x, int y, const char *style,
		     const char *text)
{
	fprintf(svg, "<text x=\"%d\" y=\"%d\" class=\"%s\">", x, y, style);
	for (; *text; text++) {
		switch (*text) {
		case '<':
			fputs("&lt;", svg);
			break;
		case '>':
			fputs("&gt;", svg);
			break;
		case '&':
			fputs("&amp;", svg);
			break;
		default:
			/* XML has no other control characters */
			fputc((unsigned char)*text < ' ' ? '?' : *text, svg);
		}
	}
	fputs("</text>\n", svg);
}

/* Who knows of the step: the VMM, the kernel, the kernel of firmware */
static const char *svg_colour(const struct row *row)
{
	const struct step_desc *desc = &steps[row->step];

	if (row->failed)
		return "red";
	if (!desc->event)
		return "blue";
	return strcmp(desc->source, "tsm_fw_call") ? "green" : "orange";
}

static void svg_number(FILE *svg, const struct row *row, int y)
{
	const char *number = steps[row->step].number;
	int width = 12 + 6 * (int)strlen(number);
	char time[32];

	if (*number) {
		svg_rect(svg, 32 - width / 2, y - 13, width, 18, 9,
			 svg_colour(row));
		svg_text(svg, 32, y, "number", number);
	}
	snprintf(time, sizeof(time), "%.3f ms", since_start(row->ns) / 1e6);
	svg_text(svg, 126, y, "time", time);
	if (row->duration) {
		snprintf(time, sizeof(time), "%.3f ms", row->duration / 1e6);
		svg_text(svg, SVG_WIDTH - 6, y, "time", time);
	}
}

/* In the middle of what it is about, but not outside of the picture */
static int svg_label_x(int middle, const char *label)
{
	int half = (int)strlen(label) * SVG_CHAR / 2 + 4;

	if (middle - half < 132)
		return 132 + half;
	if (middle + half > SVG_WIDTH - 76)
		return SVG_WIDTH - 76 - half;
	return middle;
}

static void svg_step(FILE *svg, const struct row *row, int y)
{
	const struct step_desc *desc = &steps[row->step];
	const char *colour = svg_colour(row);
	int to = svg_x(desc->to);
	int from = desc->from == ADMIN ? to - SVG_SPACING * 2 / 3 :
					 svg_x(desc->from);
	int half = (int)strlen(row->text) * SVG_CHAR / 2;

	if (from == to) {
		/* The label stands beside it, where there is room */
		fprintf(svg, "<circle cx=\"%d\" cy=\"%d\" r=\"5\" class=\"%s\"/>\n",
			to, y + 12, colour);
		svg_text(svg, to - half - 14, y + 16, "label", row->text);
		svg_number(svg, row, y + 16);
		return;
	}
	fprintf(svg, "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" class=\"a %s\" ",
		from, y + 23, to + (from < to ? -2 : 2), y + 23, colour);
	fprintf(svg, "marker-end=\"url(#%s)\"/>\n", colour);
	svg_text(svg, svg_label_x((from + to) / 2, row->text), y + 17,
		 "label", row->text);
	svg_number(svg, row, y + 23);
}

static void svg_state(FILE *svg, const struct row *row, int y)
{
	int width = (int)strlen(row->text) * 7 + 12;

	svg_rect(svg, svg_x(DEVICE) - width / 2, y + 3, width, 18, 3, "state");
	svg_text(svg, svg_x(DEVICE), y + 16, "label plain", row->text);
}

static void svg_row(FILE *svg, const struct row *row, int y)
{
	switch (row->kind) {
	case ROW_PHASE:
		svg_text(svg, 14, y + 20, "phase", row->text);
		break;
	case ROW_NOTE:
		svg_text(svg, 132, y + 14, "note", row->text);
		break;
	case ROW_STATE:
		svg_state(svg, row, y);
		break;
	case ROW_STEP:
		svg_step(svg, row, y);
		break;
	}
}

/* The band behind the rows of a phase */
static void svg_bands(FILE *svg, int bottom)
{
	int y = SVG_TOP, start = -1, nr = 0;

	for (size_t i = 0; i <= nr_rows; i++) {
		if (i < nr_rows && rows[i].kind != ROW_PHASE) {
			y += svg_height(&rows[i]);
			continue;
		}
		if (start >= 0)
			svg_rect(svg, 4, start + 4, SVG_WIDTH - 8,
				 (i < nr_rows ? y : bottom) - start - 4, 6,
				 nr++ % 2 ? "band1" : "band0");
		start = y;
		if (i < nr_rows)
			y += svg_height(&rows[i]);
	}
}

static void svg_lifelines(FILE *svg, int bottom)
{
	for (int i = 0; i < NR_ACTORS; i++) {
		fprintf(svg, "<line x1=\"%d\" y1=\"%d\" x2=\"%d\" y2=\"%d\" class=\"life\"/>\n",
			svg_x(i), SVG_TOP - 8, svg_x(i), bottom);
		for (int end = 0; end < 2; end++) {
			int y = end ? bottom : SVG_TOP - 32;

			svg_rect(svg, svg_x(i) - 48, y, 96, 24, 4, "actor");
			svg_text(svg, svg_x(i), y + 16, "title",
				 actors[i].title);
		}
	}
}

static void svg_legend(FILE *svg, int y)
{
	static const struct {
		const char *colour;
		const char *text;
	} legend[] = {
		{ "blue", "marker of the VMM" },
		{ "green", "trace event" },
		{ "orange", "trace event of what the TSM does in place of firmware" },
	};
	int x = 20;

	for (size_t i = 0; i < ARRAY_SIZE(legend); i++) {
		svg_rect(svg, x, y - 10, 18, 12, 6, legend[i].colour);
		svg_text(svg, x + 24, y, "note", legend[i].text);
		x += 60 + (int)strlen(legend[i].text) * SVG_CHAR;
	}
}

static const char svg_style[] =
	"<style>\n"
	"text { font-family: 'DejaVu Sans', Arial, sans-serif; font-size: 11px; }\n"
	".label { text-anchor: middle; paint-order: stroke; stroke: #fff; stroke-width: 4px; stroke-linejoin: round; fill: #222; }\n"
	".plain { stroke: none; }\n"
	".number { text-anchor: middle; fill: #fff; font-weight: bold; }\n"
	".time { text-anchor: end; fill: #666; font-size: 10px; }\n"
	".phase { font-weight: bold; font-size: 13px; fill: #333; }\n"
	".title { text-anchor: middle; font-weight: bold; font-size: 12px; fill: #222; }\n"
	".note { fill: #555; font-style: italic; }\n"
	".life { stroke: #999; stroke-dasharray: 3 3; }\n"
	".actor { fill: #e8eef5; stroke: #56708c; }\n"
	".state { fill: #fff3c4; stroke: #b8860b; }\n"
	".band0 { fill: #f4f6f9; }\n"
	".band1 { fill: #fdfaf3; }\n"
	".a { stroke-width: 1.6; fill: none; }\n"
	".blue { fill: #1f5a96; } .a.blue { fill: none; stroke: #1f5a96; }\n"
	".green { fill: #2b7a3d; } .a.green { fill: none; stroke: #2b7a3d; }\n"
	".orange { fill: #b3590f; } .a.orange { fill: none; stroke: #b3590f; }\n"
	".red { fill: #c01818; } .a.red { fill: none; stroke: #c01818; }\n"
	"</style>\n";

static void svg_head(FILE *svg, const char *colour)
{
	fprintf(svg, "<marker id=\"%s\" viewBox=\"0 0 10 10\" ", colour);
	fputs("refX=\"9\" refY=\"5\" markerWidth=\"9\" markerHeight=\"9\" ", svg);
	fputs("markerUnits=\"userSpaceOnUse\" orient=\"auto\">", svg);
	fprintf(svg, "<path d=\"M0 0 L10 5 L0 10 z\" class=\"%s\"/></marker>\n",
		colour);
}

static void svg_heads(FILE *svg)
{
	static const char * const colours[] = {
		"blue", "green", "orange", "red",
	};

	fputs("<defs>\n", svg);
	for (size_t i = 0; i < ARRAY_SIZE(colours); i++)
		svg_head(svg, colours[i]);
	fputs("</defs>\n", svg);
}

void write_svg(const char *name)
{
	int bottom = SVG_TOP + 10, y = SVG_TOP;
	char title[160];
	FILE *svg;

	svg = fopen(name, "w");
	if (!svg)
		die("%s: %s", name, strerror(errno));
	for (size_t i = 0; i < nr_rows; i++)
		bottom += svg_height(&rows[i]);
	fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n", svg);
	fprintf(svg, "<!-- SPDX-%s: GPL-2.0 -->\n", "License-Identifier");
	fputs("<!-- Drawn by tools/testing/selftests/tdisp/tdisp_chart from a trace -->\n",
	      svg);
	fprintf(svg, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n",
		SVG_WIDTH, bottom + 60, SVG_WIDTH, bottom + 60);
	fputs(svg_style, svg);
	svg_heads(svg);
	fprintf(svg, "<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
		SVG_WIDTH, bottom + 60);
	snprintf(title, sizeof(title), "Life of a TDI%s%s, teardown %s",
		 nr_fns ? ", " : "", nr_fns ? fns[0]->name : "",
		 teardowns[opts.teardown]);
	svg_text(svg, 14, 24, "phase", title);
	svg_text(svg, SVG_WIDTH - 6, 24, "time", "took");
	svg_bands(svg, bottom);
	svg_lifelines(svg, bottom);
	for (size_t i = 0; i < nr_rows; i++) {
		svg_row(svg, &rows[i], y);
		y += svg_height(&rows[i]);
	}
	svg_legend(svg, bottom + 48);
	fputs("</svg>\n", svg);
	if (ferror(svg) | fclose(svg))
		die("%s: cannot write", name);
}
