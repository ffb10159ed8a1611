// SPDX-License-Identifier: GPL-2.0-only
/*
 * The whole sequence for people to watch, and for tools that look at the trace:
 * a VM is made, its guest uses the device, asks for it, verifies what it gets,
 * works with it as a trusted device, and gives it back. A line per step.
 *
 * With a fault the device misbehaves in the first round. That is a success if the
 * guest is told what it should be, gives the device up, and goes through all
 * rounds with it afterwards.
 *
 * With the order of SEV-TIO it is the driver of AMD's PSP, above a model of that,
 * which binds the device; with that of Arm CCA, likewise, the one of the RMM, and
 * with that of TDX Connect the one of the TDX module. The soft TSM is loaded then,
 * too: it tells the device which accesses come from private mappings, in place of
 * hardware.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/tdisp_lib.h"
#include "lib/psp.h"
#include "lib/rmm.h"
#include "lib/steps.h"
#include "lib/tdxm.h"
#include "lib/vmm_round.h"

#define USAGE	2

static struct tvm tvm;
static int nr_fns = 1;
static int nr_rounds = 1;
static const struct tvm_fault *fault;
static const char *teardown = "stop-first";

/**
 * struct fw_order - An order of teardown that a model of firmware has, as the TSM
 * @name: as the argument of -t
 * @model: the model
 * @params: to load it with
 * @regs_64bit: a guest takes BARs of 64 bit only for its own
 * @check: nothing that the firmware minds, and it has given all back
 */
struct fw_order {
	const char *name;
	const struct fwmodel *model;
	const char *params;
	bool regs_64bit;
	void (*check)(void);
};

/* NULL with the soft TSM */
static const struct fw_order *fw_order;

static void print_usage(FILE *f)
{
	fprintf(f, "usage: tdisp_run [-r ROUNDS] [-t TEARDOWN] [-f FAULT] [-2] [BDF]\n\n"
		   "-r  rounds without restarting the VM (default: 1)\n"
		   "-t  stop-first, stop-first-late-revoke or revoke-first; or\n"
		   "    sev-tio, with the PSP as TSM, and without faults; or\n"
		   "    cca, with the RMM, or tdx, with the TDX module,\n"
		   "    likewise; tdx wants a device with registers in a\n"
		   "    BAR of 64 bit\n"
		   "-2  functions 0 and 1 at the same time\n"
		   "-f  first a round with a device that misbehaves:\n\n");
	for (int i = 0; i < tvm_nr_faults; i++)
		fprintf(f, "  %-16s %s\n", tvm_faults[i].name,
			tvm_faults[i].help);
}

static void close_vm(void)
{
	tvm_close(&tvm);
	if (!fw_order || !fwmodel_loaded(fw_order->model))
		return;
	setup_disconnect(setup.dev);
	fwmodel_unload(fw_order->model);
}

static __noreturn void fail(const char *what, int rc)
{
	if (rc == -ESHUTDOWN)
		printf("guest panic: vector %llu at %#llx\n",
		       (unsigned long long)tvm.panic[0],
		       (unsigned long long)tvm.panic[1]);
	printf("FAIL: %s: %s\n", what, errno_name(rc));
	exit(KSFT_FAIL);
}

static void print_stop(const struct tvm_stop *stop)
{
	printf("guest: %s with function %u: %s", guest_job_name(stop->job),
	       stop->fn, guest_verdict_name(stop->verdict));
	if (stop->verdict == GUEST_CALL_FAILED)
		printf(", call %s, %s, code %#llx",
		       ghci_status_name(stop->status), errno_name(stop->err),
		       (unsigned long long)stop->code);
	putchar('\n');
}

static void open_vm(void)
{
	struct tvm_stop stop;
	int rc;

	step("admin", "host-tsm", "connect", " fn=%s", setup.dev->fn[0].bdf);
	rc = fw_order ? fwmodel_connect(fw_order->model, setup.dev) :
			setup_connect(setup.dev);
	if (rc)
		fail("connect", rc);
	rc = tvm_open(&tvm, setup.dev->fn, nr_fns);
	if (rc)
		fail("cannot make the VM", rc);
	rc = tvm_enum(&tvm, &stop);
	if (rc)
		fail("the guest does not run", rc);
	if (stop.job) {
		print_stop(&stop);
		fail("no device", -ENODEV);
	}
}

static void check_psp(void)
{
	struct psp_state state;
	int rc;

	rc = psp_get_state(&state);
	if (rc)
		fail("no state of the PSP", rc);
	if (state.violations || state.refused || state.leaked ||
	    state.devices || state.tdis || state.guest)
		fail("the PSP is not as it was", -EPROTO);
}

static void check_rmm(void)
{
	struct rmm_state state;
	int rc;

	rc = rmm_get_state(&state);
	if (rc)
		fail("no state of the RMM", rc);
	if (state.violations || state.refused || state.delegated ||
	    state.objects || state.mapped || state.pdevs || state.streams ||
	    state.vdevs)
		fail("the RMM is not as it was", -EPROTO);
}

static void check_tdxm(void)
{
	struct tdxm_state state;
	int rc;

	rc = tdxm_get_state(&state);
	if (rc)
		fail("no state of the TDX module", rc);
	if (state.violations || state.refused || state.dirty || state.sessions ||
	    state.streams || state.tdis || state.mmio || state.dmar ||
	    state.blocks || state.unaccepted ||
	    state.owned != TDXM_OWN_PAGES + state.tds)
		fail("the TDX module is not as it was", -EPROTO);
}

/* Of the RMM: with new keys for each unlock, and ranges in one call */
static const struct fw_order fw_orders[] = {
	{ "sev-tio", &psp_model, "", false, check_psp },
	{ "cca", &rmm_model, "krou=1 range_max=0", false, check_rmm },
	{ "tdx", &tdxm_model, "", true, check_tdxm },
};

static const struct fw_order *find_order(const char *name)
{
	for (int i = 0; i < ARRAY_SIZE(fw_orders); i++)
		if (!strcmp(fw_orders[i].name, name))
			return &fw_orders[i];
	return NULL;
}

static void end_vm(void)
{
	int rc;

	tvm_close(&tvm);
	step("admin", "host-tsm", "disconnect", " fn=%s", setup.dev->fn[0].bdf);
	rc = setup_disconnect(setup.dev);
	if (rc)
		fail("disconnect", rc);
	if (fw_order)
		fw_order->check();
}

/* Is this what the fault should lead to? */
static bool as_expected(const struct tvm_stop *stop)
{
	return stop->job == fault->at && stop->verdict == fault->verdict &&
	       stop->err == fault->err && stop->code == fault->code;
}

static void recover(void)
{
	struct tvm_stop stop;
	int rc;

	testctl_clear_faults(setup.fn->rid);
	if (fault->gone) {
		tvm_close(&tvm);
		rc = setup_ready(setup.dev);
		if (rc)
			fail("the device does not come back", rc);
		open_vm();
		return;
	}
	if (fault->unbind_err != -EUCLEAN)
		return;
	/* In quarantine until the TSM says otherwise */
	rc = soft_tsm_release(setup.fn->bdf);
	if (rc)
		fail("the TSM does not release the device", rc);
	rc = tvm_give_up(&tvm, &stop);
	if (rc || stop.job)
		fail("the guest does not get rid of the device", rc ?: stop.err);
}

static void round_with_fault(void)
{
	struct tvm_stop stop, unbind;
	int rc;

	printf("\nThe device has a fault: %s\n", fault->help);
	rc = tvm_round(&tvm, fault, &stop);
	if (rc)
		fail("VMM or guest cannot go on", rc);
	if (!stop.job)
		fail("the fault had no effect", -ENODATA);
	print_stop(&stop);
	if (!as_expected(&stop))
		fail("that is not what the fault should lead to", -EPROTO);

	rc = tvm_give_up(&tvm, &unbind);
	if (rc)
		fail("VMM or guest cannot go on", rc);
	if (unbind.err != fault->unbind_err ||
	    testctl_state(setup.fn->rid) != fault->state)
		fail("the device is not given back as it should be",
		     unbind.err ?: -EPROTO);
	printf("TDI: %s; recovering\n",
	       tdisp_state_name(testctl_state(setup.fn->rid)));
	recover();
}

static void run_rounds(void)
{
	struct tvm_stop stop;
	int rc;

	for (int i = 1; i <= nr_rounds; i++) {
		printf("\nRound %d of %d\n", i, nr_rounds);
		rc = tvm_round(&tvm, NULL, &stop);
		if (rc)
			fail("VMM or guest cannot go on", rc);
		if (stop.job) {
			print_stop(&stop);
			fail("round", stop.err ?: -EREMOTEIO);
		}
	}
}

static void end_by_signal(int sig)
{
	/* Runs what atexit() knows: there is nothing else that restores */
	exit(128 + sig);
}

static bool parse(int argc, char **argv)
{
	int opt;

	while ((opt = getopt(argc, argv, "r:t:f:2h")) != -1) {
		switch (opt) {
		case 'r':
			nr_rounds = atoi(optarg);
			break;
		case 't':
			teardown = optarg;
			fw_order = find_order(optarg);
			break;
		case 'f':
			fault = tvm_find_fault(optarg);
			if (!fault)
				return false;
			break;
		case '2':
			nr_fns = 2;
			break;
		case 'h':
			print_usage(stdout);
			exit(0);
		default:
			return false;
		}
	}
	return nr_rounds > 0 && !(fw_order && fault);
}

/* The one that was named, or else one with a stream that the guest can have */
static bool find_device(void)
{
	if (!fw_order || !fw_order->regs_64bit)
		return true;
	for (int i = 0; i < setup.nr_devs; i++) {
		if (!pci_bar_is_64bit(setup.devs[i].fn->bdf, TDISP_BAR_REGS) ||
		    (setup.devs[i].integrated && setup.nr_devs > 1))
			continue;
		if (setup.dev != &setup.devs[i])
			setup.fn = setup.devs[i].fn;
		setup.dev = &setup.devs[i];
		return true;
	}
	return false;
}

static int ready(void)
{
	int rc;

	rc = setup_ready(setup.dev);
	if (!fw_order)
		return rc ?: soft_tsm_set_teardown(teardown);
	if (fwmodel_loaded(fw_order->model))
		rc = rc ?: fwmodel_unload(fw_order->model);
	return rc ?: fwmodel_load(fw_order->model, fw_order->params);
}

int main(int argc, char **argv)
{
	const char *why;
	int rc;

	if (!parse(argc, argv)) {
		print_usage(stderr);
		return USAGE;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	why = setup_init(&argc, argv);
	if (why) {
		printf("SKIP: %s\n", why);
		return KSFT_SKIP;
	}
	if (!find_device()) {
		printf("SKIP: no device with registers in a BAR of 64 bit, for guests of %s\n",
		       fw_order->name);
		return KSFT_SKIP;
	}
	if (setup.fn != setup.dev->fn || nr_fns > setup.dev->nr_fns) {
		fprintf(stderr, "tdisp_run: takes function 0 of a device, and 1 if there is one\n");
		return USAGE;
	}
	/* Runs before setup_restore() */
	atexit(close_vm);
	signal(SIGINT, end_by_signal);
	signal(SIGTERM, end_by_signal);

	rc = ready();
	if (rc)
		fail("cannot prepare the device", rc);
	printf("Device %s, %d of %d functions, teardown %s\n",
	       setup.dev->fn[0].bdf, nr_fns, setup.dev->nr_fns, teardown);
	steps_show(true);
	open_vm();
	if (fault)
		round_with_fault();
	run_rounds();
	end_vm();
	printf("\nPASS: %d rounds\n", nr_rounds);
	return KSFT_PASS;
}
