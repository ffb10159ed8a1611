/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What VMM and guest do, told step by step to whom it may concern: a line in the
 * kernel's trace per step, by trace_marker, so that it stands among the events
 * of the kernel; and a line for people, on request. Without tracefs the former
 * goes nowhere. Lines in the trace have this form:
 *
 *	tdisp_step: FROM > TO CALL [KEY=VALUE]...
 *	tdisp_done: CALL rc=RC [KEY=VALUE]...
 *
 * The first when a step is taken, the second when one has failed. FROM and TO
 * are of "guest guest-tsm vmm vfio iommufd host-tsm firmware kvm device admin", RC is 0
 * or a negative errno. Keys are fn, the host's name of a function; round, the
 * number of a round from 1 on; bar; gpa and size, in hexadecimal; verdict and
 * code, what a guest, or a TSM, says besides the errno.
 *
 * CALL is one of
 *
 *	admin > host-tsm	connect disconnect
 *	vmm > vfio		init-vdev create-dmabuf
 *	vfio > vmm		export-dmabuf
 *	vmm > kvm		create-memslot kvm-run convert-private
 *				convert-shared
 *	vmm > iommufd		setup-shared-dma create-hwpt attach-hwpt
 *				alloc-viommu alloc-vdevice tsm-bind tsm-req-info
 *				tsm-req-regen tsm-req-validate tsm-req-enable-dma
 *				tsm-req-start tsm-req-state tsm-req-message
 *				tsm-unbind
 *	guest > device		enum-shared use-shared workload use-shared-again
 *	guest > guest-tsm	connect-bind attest accept disconnect
 *	guest-tsm > vmm		ghci-bind ghci-get-info ghci-regen ghci-accept
 *				ghci-enable-dma ghci-start ghci-get-state
 *				ghci-message ghci-unbind
 *	guest-tsm > firmware	tdg-report tdg-accept-mmio tdg-accept-dma tdg-start
 *
 * What the guest does is written by the VMM when the guest tells it.
 */
#ifndef SELFTESTS_TDISP_LIB_STEPS_H
#define SELFTESTS_TDISP_LIB_STEPS_H

#include <stdbool.h>
#include <linux/types.h>

/* FROM > TO CALL, followed by the rest of the line: " KEY=VALUE..." or nothing */
__printf(4, 5) void step(const char *from, const char *to, const char *call,
			 const char *fmt, ...);
/* @rc as it is, 0 included */
__printf(3, 4) void step_done(const char *call, int rc, const char *fmt, ...);

/* A line per step to stdout, with the time since this was called */
void steps_show(bool on);
/* Called with each step before it is taken, NULL for nobody */
extern void (*steps_hook)(const char *call);

#endif /* SELFTESTS_TDISP_LIB_STEPS_H */
