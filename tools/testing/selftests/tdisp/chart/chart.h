/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The parts of tdisp_chart: tables (steps.c), lines of a trace (parse.c), what
 * they mean and whether that is right (check.c), and drawings, which are rows, as
 * text (text.c) and as SVG (svg.c).
 */
#ifndef SELFTESTS_TDISP_CHART_CHART_H
#define SELFTESTS_TDISP_CHART_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#ifndef __printf
#define __printf(a, b)	__attribute__((format(printf, a, b)))
#endif
#ifndef __noreturn
#define __noreturn	__attribute__((noreturn))
#endif

#define EXIT_SEQUENCE	1
#define EXIT_INPUT	2

/* Of the text */
#define COLUMNS		120

/* Beyond these a line is malformed, not cut */
#define MAX_KEYS	16
#define MAX_EVENT_KEYS	8
#define MAX_VALUE	64

enum actor {
	GUEST, GUEST_TSM, VMM, VFIO, IOMMUFD, HOST_TSM, FIRMWARE, DEVICE, KVM,
	NR_ACTORS,
	/* Has no column */
	ADMIN = NR_ACTORS,
	NR_NAMES,
};

struct actor_desc {
	const char *name;
	const char *title;
};

extern const struct actor_desc actors[NR_NAMES];

enum phase {
	SETUP, SHARED, BIND, ATTEST, ACCEPT, RUN, UNBIND, NR_PHASES,
	/* Whichever it is, as it depends on when the guest is that far */
	SAME = NR_PHASES,
};

extern const char * const phases[NR_PHASES];

/* How often a step has to be there */
enum scope {
	ONCE, FUNCTION, ROUND,
	/* It may be there, in each round */
	OPTIONAL,
};

/* Whose steps it has, besides those that all have */
enum tsm {
	ANY_TSM, SOFT_TSM, PSP, RMM, TDX_MODULE,
};

enum step {
	CONNECT, CONNECT_SPDM, CONNECT_IDE, PSP_DEV_CREATE, PSP_DEV_CONNECT,
	INIT_VDEV, CREATE_DMABUF, EXPORT_DMABUF, CREATE_MEMSLOT, IMPORT_DMABUF,
	SHARED_DMA, CREATE_HWPT, ATTACH_HWPT, ALLOC_VIOMMU, ALLOC_VDEVICE,
	KVM_RUN, ENUM_SHARED, USE_SHARED,
	GUEST_BIND, GHCI_BIND, VMM_BIND, TSM_BIND, CLOSE_DEVICE, CLOSE_DMABUF,
	FW_CREATE, FW_LOCK, FW_REPORT,
	/* The last one that has a place is it, see step_of() */
	PSP_STATUS_UNBOUND, PSP_STATUS_RUN, PSP_STATUS_BOUND, PSP_STATUS,
	PSP_CREATE, PSP_BIND, PSP_REPORT,
	GUEST_ATTEST, GHCI_INFO, VMM_INFO, TSM_INFO, TSM_OBJECT_INFO,
	GHCI_REGEN, VMM_REGEN, TSM_REGEN, PSP_CERT, PSP_MEAS,
	GHCI_STATE, VMM_STATE,
	/* Before those without a place */
	GHCI_VALIDATE, VMM_VALIDATE_MSG, TSM_VALIDATE_MSG, PSP_VALIDATE_MSG,
	GHCI_TDI_INFO, VMM_TDI_INFO, TSM_TDI_INFO, PSP_TDI_INFO,
	GUEST_ACCEPT, GHCI_ACCEPT, VMM_VALIDATE, TSM_VALIDATE, RMP_PRIVATE,
	CONVERT_PRIVATE, MAP_PRIVATE, GHCI_DMA, VMM_DMA, TSM_DMA,
	TSM_DMA_MSG, DMA_ON,
	GHCI_START, VMM_START, TSM_START, FW_START, PSP_START, WORKLOAD,
	GUEST_UNBIND, GHCI_UNBIND, VMM_UNBIND, TSM_UNBIND,
	FW_STOP, PSP_UNBIND, REVOKE, REVOKE_VFIO, REVOKE_DMABUF, ZAP_PRIVATE,
	DMA_OFF, FW_FREE, PSP_RECLAIM, PSP_FENCE, RMP_SHARED,
	OPEN_DEVICE, OPEN_DMABUF, RESTORE, CONVERT_SHARED, SHARED_AGAIN,
	DISCONNECT, PSP_DEV_DISCONNECT, PSP_DEV_RECLAIM,
	/* Likewise, calls of one name: that for the latest purpose comes first */
	RMM_COMM_DISCONNECT, RMM_COMM_PURGE, RMM_COMM_REFRESH, RMM_COMM_CONNECT,
	RMM_COMM_DEVICE, RMM_UNDELEGATE_PDEV, RMM_DISCONNECTED, RMM_PURGED, RMM_REFRESHED,
	RMM_CONNECTED, RMM_PDEV_CREATE, RMM_SET_PUBKEY, RMM_STREAM_CONNECT,
	RMM_COMM_STOP, RMM_COMM_UNLOCK, RMM_COMM_START, RMM_COMM_MEAS,
	RMM_COMM_REPORT, RMM_COMM_LOCK, RMM_COMM_CREATE, RMM_VDEV_CREATE,
	RMM_LOCK, RMM_REPORT, RMM_MEAS, RMM_START, RMM_DELEGATE, RMM_MAP,
	RMM_UNDELEGATE_VDEV, RMM_UNDELEGATE, RMM_UNMAP, RMM_UNLOCK,
	RMM_KEY_REFRESH, RMM_KEY_PURGE, RMM_DESTROY, RMM_STREAM_DISCONNECT,
	RMM_PDEV_STOP, RMM_PDEV_DESTROY,
	TDX_KM_STOP, TDX_KM_SETUP, TDX_STATE_RUN, TDX_STATE_LOCKED,
	TDX_SPDM_CREATE, TDX_SPDM_CONNECT, TDX_STREAM_CREATE, TDX_CREATE,
	TDX_MT_ADD, TDX_MT_SET, TDX_DMA_ON, TDX_DMAR_ADD, TDX_LOCK,
	TDG_REPORT, TDX_REPORT, TDG_ACCEPT_MMIO, TDG_ACCEPT_DMA, TDG_START,
	TDX_START, TDX_STOP, TDX_DMAR_BLOCK, TDX_IQINV, TDX_DMAR_REMOVE,
	TDX_MT_REMOVE, TDX_REMOVE, TDX_STREAM_BLOCK, TDX_STREAM_DELETE,
	TDX_SPDM_DISCONNECT, TDX_SPDM_DELETE,
	NR_STEPS,
	NOTHING = NR_STEPS,
};

/*
 * What is which step. @source is the call of a marker, or the name of an event;
 * of events, those where the value of @key matches @value; after @after only, as
 * the same may happen for other reasons earlier in the round. {KEY} in @label is
 * the value of that key. @tsm is the only one that has the step.
 */
struct step_desc {
	enum tsm tsm;
	const char *number;
	enum phase phase;
	enum scope scope;
	bool event;
	enum actor from;
	enum actor to;
	const char *source;
	const char *key;
	const char *value;
	const char *label;
	enum step after;
};

extern const struct step_desc steps[NR_STEPS];

/*
 * When the TSM stops the TDI, as the soft TSM's parameter "teardown" has it; or
 * the order of SEV-TIO, with the commands of its firmware, or that of Arm CCA, or of
 * TDX Connect
 */
enum teardown {
	STOP_FIRST, LATE_REVOKE, REVOKE_FIRST, SEV_TIO, CCA, TDX, NR_TEARDOWNS,
	ALWAYS = NR_TEARDOWNS,
	/* Unless the VMM makes memslots and vDEVICEs while the guest runs */
	BEFORE_RUN,
};

extern const char * const teardowns[NR_TEARDOWNS];

/* The first time of each comes before the first time of the next one */
struct order {
	enum teardown when;
	enum step chain[16];
};

extern const struct order orders[];
extern const size_t nr_orders;

/*
 * The events that are known, with the keys that they have, and the step whose
 * end they are.
 */
struct event_desc {
	const char *name;
	const char *keys[MAX_EVENT_KEYS];
	enum step ends;
};

/* The last one has no name */
extern const struct event_desc events[];

struct kv {
	const char *key;
	const char *value;
};

/* A line of the trace that concerns the chart */
struct record {
	unsigned long line;
	unsigned long long ns;
	const struct event_desc *event;
	/* Of a marker */
	const char *call;
	bool done;
	enum actor from;
	enum actor to;
	int nr;
	struct kv kv[MAX_KEYS];
};

/* When a step was seen first, and how often */
struct seen {
	unsigned long line;
	unsigned long count;
	/* Number of the record, 0 for never */
	unsigned long at;
	/* When it was seen last */
	unsigned long long ns;
	int row;
};

/* A function, with what was seen of it */
struct fn {
	char name[MAX_VALUE];
	char state[MAX_VALUE];
	struct seen seen[NR_STEPS];
	unsigned long round;
	/* Of the round: how many records, the first one, the last one */
	unsigned long records;
	unsigned long long begin;
	unsigned long long end;
	unsigned long rounds_ok;
	/* Of the first round: steps that have to be there, and are; states */
	unsigned long steps;
	char states[4 * MAX_VALUE];
	/* Of all rounds: how long steps took that have an end of their own */
	struct {
		unsigned long count;
		unsigned long long ns;
	} took[NR_STEPS];
};

/* A slot of a VM, and a dma-buf of a function */
struct slot {
	unsigned long long vm_pid, as_id, slot, ino;
};

struct dmabuf {
	unsigned long long ino;
	struct fn *fn;
};

enum row_kind {
	ROW_STEP, ROW_PHASE, ROW_NOTE, ROW_STATE,
};

/* Of the drawing */
struct row {
	enum row_kind kind;
	enum step step;
	unsigned long long ns;
	unsigned long long duration;
	bool failed;
	char text[128];
};

struct options {
	bool follow;
	bool check;
	bool quiet;
	bool colour;
	bool guest_first;
	enum teardown teardown;
	const char *svg;
};

extern struct options opts;

/* Does the TSM that @opts is about have this step? */
bool has_step(enum step step);

/* Of the input, for messages */
extern const char *input_name;
/* Functions in the order in which they were seen */
extern struct fn **fns;
extern size_t nr_fns;
extern struct row *rows;
extern size_t nr_rows;
/* When the trace starts */
extern unsigned long long ns_first;
/* What was not as it has to be */
extern unsigned long nr_wrong;

__printf(1, 2) __noreturn
void die(const char *fmt, ...);
/* One more element, which is zero, in an array whose sizes are powers of two */
void *grow(void *array, size_t *nr, size_t size);

/* Value of a key, NULL if it has none; of one that is a number, 0 if it has none */
const char *value_of(const struct record *rec, const char *key);
unsigned long long number_of(const struct record *rec, const char *key);
/* The line concerns the chart, and is broken */
__noreturn
void malformed(const struct record *rec, const char *why);
/*
 * Does the line concern the chart? Points into @text then, and has all keys that
 * it has to have. Ends the program if it is broken, or not @complete.
 */
bool parse_line(struct record *rec, char *text, bool complete);

/* What a line means, one after the other, and the end of the trace */
void handle(struct record *rec);
void finish(void);

/* A row is shown at once; its number, for what comes later */
int add_row(const struct row *row);
__printf(1, 2)
void add_note(const char *fmt, ...);
unsigned long long since_start(unsigned long long ns);
void print_row(const struct row *row);
void write_svg(const char *name);

#endif /* SELFTESTS_TDISP_CHART_CHART_H */
