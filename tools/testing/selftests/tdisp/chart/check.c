// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the lines of a trace mean: the step that each one is, of which function and
 * round, and whether all steps are there, in order
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "chart.h"

struct fn **fns;
size_t nr_fns;
unsigned long long ns_first;
unsigned long nr_wrong;

/* Of the last marker */
static struct fn *marker_fn;
static struct slot *slots;
static size_t nr_slots;
static struct dmabuf *dmabufs;
static size_t nr_dmabufs;

static struct seen once[NR_STEPS];
static unsigned long nr_records;
static bool ns_known;
static int phase = -1;
/* Steps that came again since the last row */
static unsigned long again[NR_STEPS];
static struct {
	unsigned long calls;
	unsigned long failed;
	unsigned long long ns;
	unsigned long long longest_ns;
	char longest[MAX_VALUE];
} firmware;

static __printf(1, 2)
void wrong(const char *fmt, ...)
{
	va_list args;

	if (!opts.check)
		return;
	nr_wrong++;
	fflush(stdout);
	fprintf(stderr, "%s: ", input_name);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}

/* Its function, new if it was not seen before */
static struct fn *get_fn(const char *name)
{
	struct fn *fn;

	for (size_t i = 0; i < nr_fns; i++)
		if (!strcmp(fns[i]->name, name))
			return fns[i];
	fn = calloc(1, sizeof(*fn));
	if (!fn)
		die("out of memory");
	snprintf(fn->name, sizeof(fn->name), "%s", name);
	fns = grow(fns, &nr_fns, sizeof(*fns));
	fns[nr_fns - 1] = fn;
	return fn;
}

/* Events of KVM tell the slot, that of its binding the dma-buf */
static struct fn *fn_of_slot(const struct record *rec)
{
	unsigned long long vm_pid = number_of(rec, "vm_pid");
	unsigned long long as_id = number_of(rec, "as_id");
	unsigned long long slot = number_of(rec, "slot");

	for (size_t i = nr_slots; i--;) {
		if (slots[i].vm_pid != vm_pid || slots[i].as_id != as_id ||
		    slots[i].slot != slot)
			continue;
		for (size_t j = nr_dmabufs; j--;)
			if (dmabufs[j].ino == slots[i].ino)
				return dmabufs[j].fn;
		break;
	}
	/* Before the first bind nobody tells, but a slot is made by the VMM */
	if (!strcmp(rec->event->name, "kvm_dmabuf_bind"))
		return marker_fn;
	return nr_fns == 1 ? fns[0] : NULL;
}

static void learn(const struct record *rec, struct fn *fn)
{
	const char *name = rec->event->name;

	if (!strcmp(name, "kvm_dmabuf_bind")) {
		slots = grow(slots, &nr_slots, sizeof(*slots));
		slots[nr_slots - 1] = (struct slot) {
			.vm_pid = number_of(rec, "vm_pid"),
			.as_id = number_of(rec, "as_id"),
			.slot = number_of(rec, "slot"),
			.ino = number_of(rec, "ino"),
		};
	} else if (!strcmp(name, "vfio_pci_dma_buf_reasons")) {
		unsigned long long ino = number_of(rec, "ino");

		for (size_t i = 0; i < nr_dmabufs; i++) {
			if (dmabufs[i].ino == ino) {
				dmabufs[i].fn = fn;
				return;
			}
		}
		dmabufs = grow(dmabufs, &nr_dmabufs, sizeof(*dmabufs));
		dmabufs[nr_dmabufs - 1] = (struct dmabuf) { ino, fn };
	}
}

static struct fn *fn_of(const struct record *rec)
{
	const char *name = value_of(rec, rec->event ? "device" : "fn");

	if (!name)
		return rec->event ? fn_of_slot(rec) :
		       nr_fns == 1 ? fns[0] : NULL;
	/* A driver that asks its firmware for the version is no function */
	if (rec->event && !strcmp(rec->event->name, "tsm_fw_call") &&
	    !strchr(name, ':'))
		return NULL;
	if (rec->event)
		return get_fn(name);
	marker_fn = get_fn(name);
	return marker_fn;
}

static bool is_once(enum step step)
{
	return steps[step].scope == ONCE;
}

/* Seen or not, in the round of the function that it is about */
static struct seen *seen_of(struct fn *fn, enum step step)
{
	if (is_once(step))
		return &once[step];
	return fn ? &fn->seen[step] : NULL;
}

static bool was_seen(struct fn *fn, enum step step)
{
	struct seen *seen = seen_of(fn, step);

	return seen && seen->at;
}

static enum step step_of(const struct record *rec, struct fn *fn)
{
	for (int i = 0; i < NR_STEPS; i++) {
		const struct step_desc *desc = &steps[i];

		if (!has_step(i) || !!rec->event != desc->event ||
		    strcmp(rec->event ? rec->event->name : rec->call,
			   desc->source))
			continue;
		/* The administrator's disconnect is another one than the guest's */
		if (!rec->event && !rec->done &&
		    (rec->from != desc->from || rec->to != desc->to))
			continue;
		if (desc->key && fnmatch(desc->value, value_of(rec, desc->key),
					 0))
			continue;
		if (desc->after != NOTHING && !was_seen(fn, desc->after))
			continue;
		return i;
	}
	return NOTHING;
}

/* The label of a step, with values in place of {KEY} */
static void expand(char *buf, size_t size, const char *label,
		   const struct record *rec)
{
	size_t len = 0;

	while (*label && len + 1 < size) {
		const char *end = *label == '{' ? strchr(label, '}') : NULL;
		char key[MAX_VALUE];
		const char *value;

		if (!end || (size_t)(end - label) >= sizeof(key)) {
			buf[len++] = *label++;
			continue;
		}
		snprintf(key, sizeof(key), "%.*s", (int)(end - label - 1),
			 label + 1);
		value = value_of(rec, key);
		len += snprintf(buf + len, size - len, "%s", value ?: "?");
		if (len >= size)
			len = size - 1;
		label = end + 1;
	}
	buf[len] = '\0';
}

/* What was not drawn since the last row, as it had been before */
static void flush_again(void)
{
	char numbers[96] = "";
	unsigned long total = 0;
	const char *last = "";
	size_t len = 0;

	for (int i = 0; i < NR_STEPS; i++) {
		if (!again[i])
			continue;
		total += again[i];
		again[i] = 0;
		if (!strcmp(last, steps[i].number))
			continue;
		last = steps[i].number;
		if (len < sizeof(numbers))
			len += snprintf(numbers + len, sizeof(numbers) - len,
					"%s%s", len ? ", " : "", last);
	}
	if (total)
		add_note("... %s%s%sagain, %lu times", *numbers ? "step " : "",
			 numbers, *numbers ? " " : "", total);
}

/* Others than the first one are named */
static void add_name(char *text, size_t size, const struct fn *fn)
{
	size_t len = strlen(text);
	const char *name;

	if (!fn || fn == fns[0])
		return;
	name = strrchr(fn->name, ':');
	snprintf(text + len, size - len, " (%s)", name ? name + 1 : fn->name);
}

static int draw_step(const struct record *rec, struct fn *fn, enum step step)
{
	struct row row = { .kind = ROW_STEP, .step = step, .ns = rec->ns };
	struct row head = { .kind = ROW_PHASE };

	flush_again();
	if (steps[step].phase != SAME && (int)steps[step].phase != phase) {
		phase = steps[step].phase;
		snprintf(head.text, sizeof(head.text), "%s", phases[phase]);
		add_row(&head);
	}
	expand(row.text, sizeof(row.text), steps[step].label, rec);
	add_name(row.text, sizeof(row.text), fn);
	return add_row(&row);
}

static const char *where(const struct fn *fn, char *buf, size_t size)
{
	if (!fn)
		return "";
	snprintf(buf, size, " of %s, round %lu", fn->name,
		 fn->round ? fn->round : 1);
	return buf;
}

static void wrong_order(struct fn *fn, enum step a, const struct seen *seen_a,
			enum step b, const struct seen *seen_b)
{
	char buf[MAX_VALUE + 40];

	wrong("step %s (%s) in line %lu comes before step %s (%s) in line %lu%s, not so in %s",
	      steps[b].number, steps[b].source, seen_b->line, steps[a].number,
	      steps[a].source, seen_a->line, where(fn, buf, sizeof(buf)),
	      teardowns[opts.teardown]);
}

static void check_chain(struct fn *fn, const struct order *order)
{
	struct seen *before = NULL, *now;
	enum step last = NOTHING;

	for (int i = 0; order->chain[i] != NOTHING; i++) {
		enum step step = order->chain[i];

		now = seen_of(fn, step);
		/* That it is missing is found elsewhere */
		if (!now || !now->at)
			continue;
		if (before && before->at > now->at)
			wrong_order(fn, last, before, step, now);
		before = now;
		last = step;
	}
}

static void check_missing(struct fn *fn, enum scope scope)
{
	char buf[MAX_VALUE + 40];

	for (int i = 0; i < NR_STEPS; i++) {
		if (steps[i].scope != scope || !has_step(i) || was_seen(fn, i))
			continue;
		wrong("step %s (%s%s%s) is missing%s", steps[i].number,
		      steps[i].source, steps[i].value ? " " : "",
		      steps[i].value ?: "", where(fn, buf, sizeof(buf)));
	}
}

static bool in_round(enum step step)
{
	return steps[step].scope == ROUND || steps[step].scope == OPTIONAL;
}

/* Does a function that was mentioned have a life of its own? */
static bool is_assigned(const struct fn *fn)
{
	return fn->round || fn->seen[INIT_VDEV].at;
}

/* That have to be there, @once or for a function: in all, or seen of it */
static unsigned long count_steps(bool once, struct fn *fn, bool all)
{
	unsigned long nr = 0;

	for (int i = 0; i < NR_STEPS; i++)
		if (steps[i].scope != OPTIONAL && is_once(i) == once &&
		    has_step(i) && (all || was_seen(fn, i)))
			nr++;
	return nr;
}

/* A round has ended, or all of it */
static void end_round(struct fn *fn)
{
	unsigned long before = nr_wrong;

	check_missing(fn, ROUND);
	if (fn->round <= 1)
		fn->steps = count_steps(false, fn, false);
	for (size_t i = 0; i < nr_orders; i++)
		if (orders[i].when == ALWAYS ||
		    orders[i].when == opts.teardown ||
		    (orders[i].when == BEFORE_RUN && !opts.guest_first))
			check_chain(fn, &orders[i]);
	if (nr_wrong == before)
		fn->rounds_ok++;
	if (fn->round > 1) {
		flush_again();
		add_note("round %lu of %s: steps 12 to 50 %s, %lu events, %.3f ms",
			 fn->round, fn->name,
			 nr_wrong == before ? "again" : "differ", fn->records,
			 (fn->end - fn->begin) / 1e6);
	}
	for (int i = 0; i < NR_STEPS; i++)
		if (in_round(i))
			memset(&fn->seen[i], 0, sizeof(fn->seen[i]));
}

/* Markers of a round tell its number; without, it begins with the guest's bind */
static void follow_round(struct fn *fn, const struct record *rec,
			 enum step step)
{
	unsigned long long round = number_of(rec, "round");

	if (rec->event || rec->done || step == NOTHING ||
	    steps[step].scope != ROUND)
		return;
	if (!round)
		round = fn->round + (!fn->round || (step == GUEST_BIND &&
						    fn->seen[step].at));
	if (round == fn->round)
		return;
	if (round < fn->round)
		wrong("line %lu: round %llu comes after round %lu", rec->line,
		      round, fn->round);
	if (fn->round)
		end_round(fn);
	fn->round = round;
	fn->records = 0;
	fn->begin = rec->ns;
}

static int rc_of(const struct record *rec)
{
	return value_of(rec, "rc") ? (int)number_of(rec, "rc") : 0;
}

/*
 * Of an event that tells the result of the step that it is. Where an owner has
 * no part in the trusted DMA, the TSM switches it on alone.
 */
static bool has_failed(const struct record *rec, enum step step)
{
	if (step == DMA_ON || step == TDX_DMA_ON)
		return rc_of(rec) && rc_of(rec) != -EOPNOTSUPP;
	return rc_of(rec);
}

static void see(const struct record *rec, struct fn *fn, enum step step)
{
	struct seen *seen = seen_of(fn, step);
	bool draw = !fn || fn->round <= 1 || !in_round(step);

	if (!seen)
		return;
	seen->ns = rec->ns;
	if (seen->count++) {
		if (draw)
			again[step]++;
		return;
	}
	seen->line = rec->line;
	seen->at = nr_records;
	seen->row = draw ? draw_step(rec, fn, step) : -1;
}

/* The step that an event ends; of requests, the one that began with this op */
static enum step ended_step(const struct record *rec)
{
	const char *op = value_of(rec, "op");

	if (!op)
		return rec->event->ends;
	for (int i = 0; i < NR_STEPS; i++)
		if (has_step(i) && steps[i].event &&
		    !strcmp(steps[i].source, "tsm_guest_req") &&
		    !fnmatch(steps[i].value, op, 0))
			return i;
	return NOTHING;
}

static void end_step(const struct record *rec, struct fn *fn, const char *what,
		     enum step step)
{
	struct seen *seen = step == NOTHING ? NULL : seen_of(fn, step);
	char buf[MAX_VALUE + 40];
	int rc = rc_of(rec);

	if (rc) {
		add_note("! %s fails: %s", what, strerror(rc < 0 ? -rc : rc));
		wrong("line %lu: step %s (%s) fails with %d (%s)%s", rec->line,
		      step == NOTHING ? "?" : steps[step].number, what, rc,
		      strerror(rc < 0 ? -rc : rc), where(fn, buf, sizeof(buf)));
	}
	if (!seen || !seen->at)
		return;
	if (fn && !rc) {
		fn->took[step].count++;
		fn->took[step].ns += rec->ns - seen->ns;
	}
	if (seen->row < 0 || seen->count != 1)
		return;
	rows[seen->row].duration = rec->ns - seen->ns;
	rows[seen->row].failed = rc;
}

static void count_firmware(const struct record *rec)
{
	unsigned long long ns = number_of(rec, "duration_ns");

	firmware.calls++;
	firmware.ns += ns;
	if (rc_of(rec))
		firmware.failed++;
	if (ns > firmware.longest_ns) {
		firmware.longest_ns = ns;
		snprintf(firmware.longest, sizeof(firmware.longest), "%s",
			 value_of(rec, "name"));
	}
}

static void see_state(const struct record *rec, struct fn *fn)
{
	struct row row = { .kind = ROW_STATE };
	const char *state = value_of(rec, "state");
	size_t len;

	if (!strcmp(fn->state, state))
		return;
	snprintf(fn->state, sizeof(fn->state), "%s", state);
	if (fn->round > 1)
		return;
	len = strlen(fn->states);
	snprintf(fn->states + len, sizeof(fn->states) - len, "%s%s",
		 len ? " > " : "", state);
	flush_again();
	snprintf(row.text, sizeof(row.text), "%s", state);
	add_name(row.text, sizeof(row.text), fn);
	add_row(&row);
}

/* Events that are no step, and worth a line */
static void see_event(const struct record *rec, struct fn *fn)
{
	static const char * const notes[] = {
		"tsm_tdi_error", "tsm_lost", "tsm_quarantine",
		"tsm_quarantine_release",
	};

	if (!strcmp(rec->event->name, "tsm_tdi_state")) {
		see_state(rec, fn);
		return;
	}
	for (size_t i = 0; i < ARRAY_SIZE(notes); i++) {
		if (strcmp(rec->event->name, notes[i]))
			continue;
		flush_again();
		add_note("! %s %s %s", notes[i], fn->name,
			 value_of(rec, "reason") ?: "");
	}
}

void handle(struct record *rec)
{
	struct fn *fn = fn_of(rec);
	enum step step;

	if (!ns_known) {
		ns_first = rec->ns;
		ns_known = true;
	}
	nr_records++;
	if (rec->event)
		learn(rec, fn);

	step = step_of(rec, fn);
	if (!rec->event && step == NOTHING)
		malformed(rec, "a call that is not known, of these two");
	if (fn) {
		follow_round(fn, rec, step);
		fn->records++;
		fn->end = rec->ns;
	}
	if (rec->event && !strcmp(rec->event->name, "tsm_fw_call")) {
		count_firmware(rec);
		/* Another try may follow */
		if (rc_of(rec))
			return;
	}
	if (rec->done) {
		end_step(rec, fn, rec->call, step);
	} else if (rec->event && rec->event->ends != NOTHING) {
		end_step(rec, fn, rec->event->name, ended_step(rec));
	} else if (step != NOTHING) {
		if (rec->event && has_failed(rec, step))
			end_step(rec, fn, rec->event->name, step);
		else
			see(rec, fn, step);
	} else {
		see_event(rec, fn);
	}
}

static void check_all(void)
{
	bool assigned = false;

	check_missing(NULL, ONCE);
	for (size_t i = 0; i < nr_fns; i++) {
		if (!is_assigned(fns[i]))
			continue;
		assigned = true;
		check_missing(fns[i], FUNCTION);
		end_round(fns[i]);
	}
	if (!assigned)
		wrong("no function was assigned to a VM");
}

static double mean_ms(const struct fn *fn, enum step step)
{
	if (!fn->took[step].count)
		return 0;
	return fn->took[step].ns / 1e6 / fn->took[step].count;
}

static void print_fn(const struct fn *fn)
{
	printf("%s: %lu rounds", fn->name, fn->round);
	if (opts.check)
		printf(", %lu as they have to be", fn->rounds_ok);
	putchar('\n');
	if (opts.check)
		printf("    steps: %lu of %lu\n",
		       fn->steps + count_steps(true, NULL, false),
		       count_steps(false, NULL, true) +
		       count_steps(true, NULL, true));
	printf("    states: %s\n", *fn->states ? fn->states : "not known");
	printf("    times, mean: bind %.3f ms, start %.3f ms, unbind %.3f ms\n",
	       mean_ms(fn, TSM_BIND), mean_ms(fn, TSM_START),
	       mean_ms(fn, TSM_UNBIND));
}

static void print_summary(void)
{
	if (opts.quiet)
		return;
	putchar('\n');
	for (size_t i = 0; i < nr_fns; i++)
		if (is_assigned(fns[i]))
			print_fn(fns[i]);
	printf("firmware: %lu calls, %lu of them failed, %.3f ms; longest %s, %.3f ms\n",
	       firmware.calls, firmware.failed, firmware.ns / 1e6,
	       *firmware.longest ? firmware.longest : "-",
	       firmware.longest_ns / 1e6);
	if (!opts.check)
		return;
	printf("%lu events, teardown %s: %s\n", nr_records,
	       teardowns[opts.teardown],
	       nr_wrong ? "NOT as it has to be" : "all steps, in order");
}

/* The trace is over */
void finish(void)
{
	flush_again();
	if (opts.check)
		check_all();
	print_summary();
}
