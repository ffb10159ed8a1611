// SPDX-License-Identifier: GPL-2.0-only
/* Lines of a trace: which ones concern the chart, and what they say */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "chart.h"

/* Keys whose values are numbers */
static const char * const number_keys[] = {
	"tdi_id", "rc", "tvm_arch", "req_len", "resp_size", "resp_len",
	"tsm_code", "on", "status", "duration_ns", "ino", "size", "vm_pid",
	"as_id", "slot", "gfn", "npages", "pgoff", "pfn", "order", "private",
	"start", "end", "round",
};

const char *value_of(const struct record *rec, const char *key)
{
	for (int i = 0; i < rec->nr; i++)
		if (!strcmp(rec->kv[i].key, key))
			return rec->kv[i].value;
	return NULL;
}

static bool parse_number(const char *text, unsigned long long *val)
{
	char *end;

	if (!*text || *text == ' ' || *text == '+')
		return false;
	errno = 0;
	*val = *text == '-' ? (unsigned long long)strtoll(text, &end, 0) :
			      strtoull(text, &end, 0);
	return !errno && !*end;
}

/* It has been parsed before, so it is one */
unsigned long long number_of(const struct record *rec, const char *key)
{
	const char *text = value_of(rec, key);
	unsigned long long val;

	return text && parse_number(text, &val) ? val : 0;
}

__noreturn
void malformed(const struct record *rec, const char *why)
{
	die("%s:%lu: %s", input_name, rec->line, why);
}

/* KEY=VALUE, separated by blanks, up to the end of the line */
static void parse_keys(struct record *rec, char *text)
{
	char *save, *word;

	for (word = strtok_r(text, " \t", &save); word;
	     word = strtok_r(NULL, " \t", &save)) {
		char *value = strchr(word, '=');

		if (!value || value == word)
			malformed(rec, "not KEY=VALUE");
		*value++ = '\0';
		if (strlen(value) >= MAX_VALUE || strlen(word) >= MAX_VALUE)
			malformed(rec, "a value that is too long");
		if (!*value)
			malformed(rec, "a key without a value");
		if (value_of(rec, word))
			malformed(rec, "the same key twice");
		if (rec->nr == MAX_KEYS)
			malformed(rec, "too many keys");
		rec->kv[rec->nr++] = (struct kv){ word, value };
	}

	for (size_t i = 0; i < ARRAY_SIZE(number_keys); i++) {
		const char *value = value_of(rec, number_keys[i]);
		unsigned long long val;

		if (value && !parse_number(value, &val))
			malformed(rec, "a value that is not a number");
	}
}

static bool find_actor(const char *name, enum actor *actor)
{
	for (int i = 0; i < NR_NAMES; i++) {
		if (!strcmp(name, actors[i].name)) {
			*actor = i;
			return true;
		}
	}
	return false;
}

/* The next word of a text that has one */
static char *next_word(struct record *rec, char **text)
{
	char *word = *text + strspn(*text, " \t");
	size_t len = strcspn(word, " \t");

	if (!len)
		malformed(rec, "a marker that ends too early");
	if (len >= MAX_VALUE)
		malformed(rec, "a word that is too long");
	*text = word + len;
	if (**text)
		*(*text)++ = '\0';
	return word;
}

static void parse_step(struct record *rec, char *text)
{
	const char *from = next_word(rec, &text);
	const char *arrow = next_word(rec, &text);
	const char *to = next_word(rec, &text);

	if (strcmp(arrow, ">") || !find_actor(from, &rec->from) ||
	    !find_actor(to, &rec->to))
		malformed(rec, "not FROM > TO of two who are known");
	rec->call = next_word(rec, &text);
	parse_keys(rec, text);
}

static void parse_done(struct record *rec, char *text)
{
	rec->done = true;
	rec->call = next_word(rec, &text);
	parse_keys(rec, text);
	if (!value_of(rec, "rc"))
		malformed(rec, "an end without rc");
}

static const char *skip_prefix(const char *text, const char *prefix)
{
	size_t len = strlen(prefix);

	return strncmp(text, prefix, len) ? NULL : text + len;
}

static bool parse_marker(struct record *rec, char *text)
{
	const char *rest = skip_prefix(text, "tdisp_step:");

	if (rest) {
		parse_step(rec, text + (rest - text));
		return true;
	}
	rest = skip_prefix(text, "tdisp_done:");
	if (rest) {
		parse_done(rec, text + (rest - text));
		return true;
	}
	return false;
}

static bool parse_event(struct record *rec, const char *name, char *text)
{
	for (size_t i = 0; events[i].name; i++) {
		if (strcmp(name, events[i].name))
			continue;
		rec->event = &events[i];
		parse_keys(rec, text);
		for (int k = 0; k < MAX_EVENT_KEYS && events[i].keys[k]; k++)
			if (!value_of(rec, events[i].keys[k]))
				malformed(rec, "an event without all of its keys");
		return true;
	}
	return false;
}

/* "CPU] FLAGS SECONDS.FRACTION: NAME: TEXT": what starts with NAME, or NULL */
static char *parse_after_cpu(struct record *rec, char *text)
{
	unsigned long long fraction = 0, scale = 1000000000;
	char *at = text + strspn(text, "0123456789");
	char *end;

	if (at == text || at[0] != ']' || at[1] != ' ')
		return NULL;
	at += 2;
	at += strcspn(at, " ");
	at += strspn(at, " ");
	if (*at < '0' || *at > '9')
		return NULL;
	rec->ns = strtoull(at, &end, 10) * 1000000000;
	if (*end == '.') {
		for (end++; *end >= '0' && *end <= '9'; end++) {
			if (scale == 1)
				continue;
			scale /= 10;
			fraction += (*end - '0') * scale;
		}
	}
	rec->ns += fraction;
	return end[0] == ':' && end[1] == ' ' ? end + 2 : NULL;
}

/* "TASK-PID [CPU] ...", where a task may be called anything */
static char *parse_head(struct record *rec, char *text)
{
	char *name = NULL;

	while (!name && (text = strstr(text, " ["))) {
		text += 2;
		name = parse_after_cpu(rec, text);
	}
	return name;
}

/* Does the line concern the chart? Ends the program if it does and is broken */
bool parse_line(struct record *rec, char *text, bool complete)
{
	char *name, *end;
	bool ours;

	if (strstr(text, "[LOST ") && strstr(text, " EVENTS]"))
		malformed(rec, "events were lost");

	name = parse_head(rec, text);
	if (!name)
		return false;
	end = strchr(name, ':');
	if (!end || (end[1] && end[1] != ' '))
		return false;
	*end = '\0';
	text = end + 1;
	text += strspn(text, " ");

	/* Markers have a function's name, or its address without KALLSYMS */
	ours = parse_marker(rec, text) || parse_event(rec, name, text);
	if (ours && !complete)
		malformed(rec, "the line is cut");
	return ours;
}
