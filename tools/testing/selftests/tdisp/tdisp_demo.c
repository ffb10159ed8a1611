// SPDX-License-Identifier: GPL-2.0-only
/*
 * The life cycle of a TDISP device for people to watch: one line per step, with
 * who acts, what it does, and the state of the TDI. While the TDI is bound the
 * device is asked for its state by a guest request; where there is no way to
 * ask, the observer beside it tells, and the line is marked with "o".
 *
 * With --fault the device misbehaves: the demo ends at the step that fails, with
 * the error number and the code of the device, and puts everything back.
 *
 * usage: tdisp_demo [--fault FAULT] [--function NR] [--log] [BDF]
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/tdisp_lib.h"

static const struct fault {
	const char *name;
	const char *unit;
	u32 reg;
	bool value;
	u32 preset;
	const char *help;
} faults[] = {
	{ "lock-error", "CODE", TDISP_CTL_LOCK_ERROR, true, 0,
	  "LOCK is answered with that TDISP error code" },
	{ "wrong-nonce", NULL, TDISP_CTL_WRONG_NONCE, false, 1,
	  "LOCK tells another nonce than START wants" },
	{ "stall", "MS", TDISP_CTL_STALL_MS, true, 0,
	  "each answer comes that late; from 1000 on it is too late" },
	{ "over-long", NULL, TDISP_CTL_LENGTH_DELTA, false, 1,
	  "each TDISP answer has a byte too many" },
	{ "truncated", NULL, TDISP_CTL_LENGTH_DELTA, false, -1,
	  "each TDISP answer has a byte too few" },
	{ "error-after", "N", TDISP_CTL_ERROR_AFTER, true, 0,
	  "the TDI drops to ERROR with TDISP message N" },
	{ "stop-error", "CODE", TDISP_CTL_STOP_ERROR, true, 0,
	  "STOP is answered with that TDISP error code" },
	{ "removed", NULL, TDISP_CTL_REMOVED, false, 1,
	  "the device is pulled out while it is bound" },
};

static const struct fault *fault;
static u32 fault_value;

static struct vmm vmm;
static struct tdi tdi;
static bool bound;
static bool colour;
static bool print_log;
static int step_nr;
static u32 log_start;
static u64 time_start;

/* Also when libvfio ends the program, so before setup_restore() */
static void close_all(void)
{
	tdi_close(&tdi);
	vmm_close(&vmm);
}

enum actor { VMM, VFIO, IOMMUFD, TSM, KVM, DEVICE, NR_ACTORS };

static const char * const actors[NR_ACTORS] = {
	"VMM", "VFIO", "IOMMUFD", "TSM", "KVM", "device",
};

static u64 now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000ull + ts.tv_nsec / 1000;
}

#define RED	"\033[31m"
#define GREEN	"\033[32m"
#define BOLD	"\033[1m"
#define DIM	"\033[2m"

static const char *in(const char *code)
{
	return colour ? code : "";
}

static const char *out(void)
{
	return colour ? "\033[0m" : "";
}

static const char *state_colour(u32 state)
{
	switch (state) {
	case TDISP_STATE_LOCKED: return "\033[33m";
	case TDISP_STATE_RUN: return GREEN;
	case TDISP_STATE_ERROR: return RED;
	default: return "";
	}
}

static void print_head(void)
{
	printf("\n%s%4s  %-8s %-54s %-17s %8s%s\n", in(BOLD), "step", "who",
	       "what", "TDI state", "ms", out());
}

/* A line that belongs to the step above it */
static void detail(const char *fmt, ...)
{
	va_list args;

	printf("%16s", "");
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
}

/*
 * What the device has seen of a step that failed: the first error that it
 * answered with, the others follow from it, or what it did instead
 */
static void print_device_log(u32 from)
{
	struct testctl_event ev, message = {};
	u16 rid = setup.fn->rid;

	if (!testctl_find(from, rid, TDISP_EV_TDISP, TESTCTL_ANY, TDISP_ERROR,
			  &ev)) {
		detail("device:   %s answered by TDISP_ERROR %#x %s",
		       tdisp_request_name(ev.arg[0]), ev.arg[2],
		       tdisp_error_name(ev.arg[2]));
		return;
	}
	for (u32 seq = from; !testctl_log_read(seq, &ev); seq++) {
		if (ev.type == TDISP_EV_DOE_ABORT)
			detail("device:   the kernel aborted the DOE mailbox");
		if (ev.rid != rid)
			continue;
		if (ev.type == TDISP_EV_STATE)
			detail("device:   %s > %s", tdisp_state_name(ev.arg[0]),
			       tdisp_state_name(ev.arg[1]));
		if (ev.type == TDISP_EV_TDISP)
			message = ev;
	}
	if (message.type)
		detail("device:   no TDISP_ERROR, last message %s",
		       tdisp_request_name(message.arg[0]));
}

static void print_code(u64 code)
{
	u32 what = SOFT_TSM_CODE_WHAT(code);

	switch (SOFT_TSM_CODE_WHO(code)) {
	case SOFT_TSM_CODE_TDISP:
		detail("tsm_code: TDISP %#x %s", what, tdisp_error_name(what));
		break;
	case SOFT_TSM_CODE_SPDM:
		detail("tsm_code: SPDM error %#x", what);
		break;
	case SOFT_TSM_CODE_IDE_KM:
		detail("tsm_code: IDE_KM status %#x", what);
		break;
	default:
		detail("tsm_code: %s",
		       code == SOFT_TSM_CODE_MALFORMED ?
		       "TSM: malformed answer of the device" :
		       code == SOFT_TSM_CODE_NO_ANSWER ?
		       "TSM: no answer of the device" :
		       code == SOFT_TSM_CODE_GONE ?
		       "TSM: the device is gone" :
		       code == SOFT_TSM_CODE_WRONG_STATE ?
		       "TSM: the device is in another state than it should be" :
		       "TSM: unknown");
	}
}

/* The end, which puts everything back as exit does it */
static __noreturn void finish(bool failed)
{
	unsigned long long ms;

	close_all();
	if (print_log)
		testctl_log_print(log_start, setup.fn->rid);
	printf("\nTDI state: what the device answers; with \"o\": what the observer sees\n");
	ms = (now_us() - time_start) / 1000;
	if (failed)
		printf("%sFAIL%s at step %d, %llu ms\n", in(RED), out(),
		       step_nr, ms);
	else
		printf("%sPASS%s, %d steps, %llu ms\n", in(GREEN), out(),
		       step_nr, ms);
	exit(failed ? KSFT_FAIL : KSFT_PASS);
}

/*
 * Print what was done in the step that began at @start, and in which state the
 * device is now. @rc is its result, an error ends the demo.
 */
static void step(enum actor who, u64 start, u32 log, int rc, const char *fmt,
		 ...)
{
	u64 us = now_us() - start;
	bool live = false;
	char what[128];
	va_list args;
	u64 code = tdi.tsm_code;
	u32 state;

	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);

	if (bound)
		live = !tdi_live_state(&tdi, &state);
	if (!live)
		state = testctl_state(setup.fn->rid);

	printf("%4d  %-8s %-54s %s%-15s%s %s %6llu.%llu%s\n", ++step_nr,
	       actors[who], what, in(state_colour(state)),
	       tdisp_state_name(state), out(), live ? " " : "o",
	       (unsigned long long)us / 1000,
	       (unsigned long long)us / 100 % 10,
	       rc ? "  FAILED" : "");
	if (!rc)
		return;

	detail("%serrno:    %s (%s)%s", in(RED), errno_name(rc), strerror(-rc),
	       out());
	/* TSM_OP has no code to give, so the log of the device tells it */
	if (code && code != ~0ull)
		print_code(code);
	else
		print_device_log(log);
	finish(true);
}

/* Run a command as a step */
#define STEP(_who, _cmd, ...) do {					\
	u64 __start = now_us();						\
	u32 __log = testctl_log_end();					\
	int __rc;							\
									\
	tdi.tsm_code = 0;						\
	/* Before the arguments are looked at, which it may set */	\
	__rc = (_cmd);							\
	step(_who, __start, __log, __rc, __VA_ARGS__);			\
} while (0)

static void print_ranges(const struct report *report)
{
	for (u32 i = 0; i < report->nr_ranges; i++) {
		const struct report_range *range = &report->range[i];
		u64 page = range->first_page - SOFT_TSM_MMIO_OFFSET;

		detail("range %u:  BAR %u  %#012llx + %6u KiB  %s%s%s", i,
		       range->id, (unsigned long long)page * 4096,
		       range->pages * 4,
		       range->attr & TDISP_RANGE_NON_TEE ? "shared" : "TEE",
		       range->attr & TDISP_RANGE_MSIX_TABLE ?
		       ", MSI-X table" : "",
		       range->attr & TDISP_RANGE_MSIX_PBA ? ", MSI-X PBA" : "");
	}
}

/* The state that the device reports is the one it should be in */
static int check_state(u32 want)
{
	u32 state;
	int rc;

	rc = tdi_live_state(&tdi, &state);
	if (rc)
		return rc;
	return state == want ? 0 : -EPROTO;
}

static int is_unlocked(void)
{
	return testctl_state(setup.fn->rid) == TDISP_STATE_UNLOCKED ?
	       0 : -EPROTO;
}

static int open_iommufd(void)
{
	vmm.iommu = iommu_init(MODE_IOMMUFD);
	return 0;
}

static int do_bind(void)
{
	int rc = tdi_bind(&tdi);

	bound = !rc;
	return rc;
}

static int do_unbind(void)
{
	int rc = tdi_unbind(&tdi);

	bound = false;
	return rc;
}

static void fault_now(bool on_bound)
{
	bool removal = fault && fault->reg == TDISP_CTL_REMOVED;

	if (fault && removal == on_bound)
		testctl_set(setup.fn->rid, fault->reg, fault_value);
}

static const char *link_state(void)
{
	struct testctl_event ev;

	return testctl_find(log_start, setup.dev->fn[0].rid, TDISP_EV_STREAM,
			    TESTCTL_ANY, 1, &ev) ? "no IDE stream" :
						   "IDE stream secure";
}

/* No way for the host to the MMIO of the device, or all of them */
static int check_mmio(bool open)
{
	u32 val;

	if (mmio_read32(tdi.vfio->bars[TDISP_BAR_REGS].vaddr, &val) !=
	    (open ? 0 : -EFAULT))
		return -EBADMSG;
	if (region_read32(&tdi, TDISP_BAR_REGS, TDISP_REG_ID, &val) !=
	    (open ? 0 : -EBUSY))
		return -EBADMSG;
	return 0;
}

static void show(void)
{
	const char *bdf = setup.fn->bdf;
	struct report report = {};
	u32 cert, meas, len;
	char tsm[16] = "?";
	void *data = NULL;

	print_head();
	tsm_find(tsm, sizeof(tsm));
	STEP(TSM, setup_connect(setup.dev),
	     "connect to %s: SPDM session, %s", tsm, link_state());
	STEP(KVM, vm_create(&vmm.vm), "create VM, type SW_PROTECTED_VM");
	STEP(IOMMUFD, open_iommufd(), "open, allocate IOAS");
	STEP(VFIO, tdi_open(&tdi, &vmm, setup.fn), "open cdev of %s", bdf);
	STEP(KVM, tdi_associate(&tdi), "associate the VFIO device with the VM");
	STEP(VFIO, tdi_bind_iommufd(&tdi), "bind the device to the iommufd");
	STEP(IOMMUFD, tdi_alloc_hwpt(&tdi), "allocate HWPT on the IOAS");
	STEP(VFIO, tdi_attach(&tdi, vmm.hwpt_id), "attach the device");
	STEP(VMM, tdi_map(&tdi), "map BAR 0 and memory for DMA, enable MSI-X");
	STEP(DEVICE, tdi_dma_round_trip(&tdi),
	     "shared DMA: memory > device > memory, MSI-X");
	STEP(IOMMUFD, tdi_alloc_viommu(&tdi), "allocate vIOMMU, type TSM");
	STEP(IOMMUFD, tdi_alloc_vdevice(&tdi, TDI_VIRT_ID),
	     "allocate vDEVICE, virtual BDF 0000:00:%02x.%x",
	     TDI_VIRT_ID >> 3, TDI_VIRT_ID & 7);

	fault_now(false);
	STEP(TSM, do_bind(), "BIND: the device is locked for the VM");
	STEP(VFIO, check_mmio(false),
	     "BAR 0 is closed: mapping SIGBUS, region EBUSY");
	fault_now(true);
	STEP(DEVICE, check_state(TDISP_STATE_LOCKED),
	     "is asked for its state: locked");
	STEP(TSM, tdi_read_object(&tdi, IOMMU_TSM_OBJECT_REPORT, 4096, &data,
				  &len) ?: report_parse(&report, data, len),
	     "read the interface report: %u bytes, %u ranges", len,
	     report.nr_ranges);
	print_ranges(&report);
	STEP(TSM, tdi_object_size(&tdi, IOMMU_TSM_OBJECT_CERT, &cert) ?:
		  tdi_object_size(&tdi, IOMMU_TSM_OBJECT_MEAS, &meas),
	     "evidence: certificates %u bytes, measurements %u", cert, meas);
	STEP(TSM, tdi_start(&tdi), "START: the guest accepted the device");
	STEP(DEVICE, check_state(TDISP_STATE_RUN),
	     "is asked for its state: run");
	STEP(TSM, do_unbind(), "UNBIND: the device is taken back");
	STEP(DEVICE, is_unlocked(), "is unlocked");
	STEP(VFIO, check_mmio(true), "BAR 0 is open again");
	STEP(DEVICE, tdi_dma_round_trip(&tdi),
	     "shared DMA: memory > device > memory, MSI-X");
	STEP(VFIO, (tdi_close(&tdi), 0), "close the device");
	vmm_close(&vmm);
	STEP(TSM, setup_disconnect(setup.dev), "disconnect from %s", tsm);
	free(data);
}

static void print_usage(FILE *f)
{
	fprintf(f, "usage: tdisp_demo [--fault FAULT] [--function NR] [--log] [BDF]\n\n"
		   "Show the life cycle of a TDISP device. FAULT is one of\n\n");
	for (int i = 0; i < ARRAY_SIZE(faults); i++) {
		char name[32];

		snprintf(name, sizeof(name), "%s%s%s", faults[i].name,
			 faults[i].value ? "=" : "", faults[i].unit ?: "");
		fprintf(f, "  %-18s %s\n", name, faults[i].help);
	}
	fprintf(f, "\n--log shows the events of the device afterwards.\n");
}

static bool parse_fault(const char *arg)
{
	size_t len = strcspn(arg, "=");
	char *end;

	for (int i = 0; i < ARRAY_SIZE(faults); i++) {
		fault = &faults[i];
		if (strlen(fault->name) != len ||
		    strncmp(fault->name, arg, len))
			continue;
		fault_value = fault->preset;
		if (!fault->value)
			return !arg[len];
		if (!arg[len])
			return false;
		fault_value = strtoul(arg + len + 1, &end, 0);
		return end != arg + len + 1 && !*end;
	}
	return false;
}

static void end_by_signal(int sig)
{
	/* Runs what atexit() knows: there is nothing else that restores */
	exit(128 + sig);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "fault", required_argument, NULL, 'f' },
		{ "function", required_argument, NULL, 'n' },
		{ "log", no_argument, NULL, 'l' },
		{ "help", no_argument, NULL, 'h' },
		{}
	};
	const char *why;
	int nr = -1;
	int opt;
	int rc;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'f':
			if (parse_fault(optarg))
				break;
			print_usage(stderr);
			return 2;
		case 'n':
			nr = atoi(optarg);
			break;
		case 'l':
			print_log = true;
			break;
		case 'h':
			print_usage(stdout);
			return 0;
		default:
			print_usage(stderr);
			return 2;
		}
	}

	setvbuf(stdout, NULL, _IOLBF, 0);
	colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	why = setup_init(&argc, argv);
	if (why) {
		printf("SKIP: %s\n", why);
		return KSFT_SKIP;
	}
	if (nr >= 0) {
		if (nr >= setup.dev->nr_fns) {
			fprintf(stderr, "tdisp_demo: no function %d\n", nr);
			return 2;
		}
		setup.fn = &setup.dev->fn[nr];
	}
	/* Runs before setup_restore() */
	atexit(close_all);
	signal(SIGINT, end_by_signal);
	signal(SIGTERM, end_by_signal);

	rc = setup_ready(setup.dev);
	if (rc) {
		printf("FAIL: cannot prepare %s: %s\n", setup.dev->fn[0].bdf,
		       errno_name(rc));
		return KSFT_FAIL;
	}
	printf("%sTDISP device %s%s, %s, function %td of %d\n", in(BOLD),
	       setup.fn->bdf, out(), setup.dev->integrated ?
	       "integrated endpoint" : "endpoint below a root port",
	       setup.fn - setup.dev->fn, setup.dev->nr_fns);
	if (fault)
		printf("The device has a fault: %s\n", fault->help);

	time_start = now_us();
	log_start = testctl_log_end();
	show();
	finish(false);
}
