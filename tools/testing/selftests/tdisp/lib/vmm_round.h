/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The whole sequence as a guest goes through it, from a shared device to a
 * trusted one and back, and what it makes of a device that misbehaves.
 */
#ifndef SELFTESTS_TDISP_LIB_VMM_ROUND_H
#define SELFTESTS_TDISP_LIB_VMM_ROUND_H

#include "vmm.h"

/**
 * struct tvm_fault - A device that misbehaves
 * @name: for people
 * @help: for people
 * @reg: register of tdisp-testctl
 * @val: its value
 * @before: job (GUEST_*) before which it is set
 * @at: job that fails
 * @verdict: of the guest on that job
 * @err: what the VMM gets from the kernel then, if @verdict is CALL_FAILED
 * @code: what the TSM or the device says besides
 * @unbind_err: what the guest gets when it gives the device up
 * @state: of the TDI after that
 * @gone: the device has to be plugged in again
 */
struct tvm_fault {
	const char *name;
	const char *help;
	u32 reg;
	u32 val;
	u32 before;
	u32 at;
	u32 verdict;
	int err;
	u64 code;
	int unbind_err;
	u32 state;
	bool gone;
};

extern const struct tvm_fault tvm_faults[];
extern const int tvm_nr_faults;
const struct tvm_fault *tvm_find_fault(const char *name);

/**
 * struct tvm_stop - Where a round has ended
 * @job: the job that went wrong, 0 if none did
 * @fn: with which function
 * @verdict: of the guest
 * @status: of its last call
 * @err: of its last call
 * @code: of its last call
 */
struct tvm_stop {
	u32 job;
	u32 fn;
	u32 verdict;
	u32 status;
	int err;
	u64 code;
};

/* "BIND" of GUEST_BIND */
const char *guest_job_name(u32 job);

/*
 * All functions at the same time, one step after the other. The first function
 * gets @fault, which may be NULL. 0, also if a job goes wrong: then @stop is
 * filled in. Or a negative errno, if VMM or guest cannot go on.
 */
int tvm_enum(struct tvm *tvm, struct tvm_stop *stop);
int tvm_round(struct tvm *tvm, const struct tvm_fault *fault,
	      struct tvm_stop *stop);
/* The guest gives function 0 up, as it does after a job that went wrong */
int tvm_give_up(struct tvm *tvm, struct tvm_stop *stop);

#endif /* SELFTESTS_TDISP_LIB_VMM_ROUND_H */
