// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a TDX guest does in another way: it polls for the end of a bind, and calls
 * the TDX module, by TDCALLs that the VMM hands to the model here.
 */
#include "../../../tdisp/tdxm-inject.h"

#include "guest.h"

/* As long as a guest of TDX Connect waits, see GUEST_BIND_POLLS */
u32 tdx_bind(struct guest_fn *fn)
{
	u64 polls = job->arg[0] ?: GUEST_BIND_POLLS;
	struct ghci_call call = { .nr = GHCI_BIND_START };

	if (ghci_fn(fn, &call) != GHCI_OK)
		return GUEST_CALL_FAILED;
	while (polls--) {
		call = (struct ghci_call) { .nr = GHCI_BIND_POLL };
		switch (ghci_fn(fn, &call)) {
		case GHCI_OK:
			return GUEST_OK;
		case GHCI_WAIT:
			break;
		default:
			return GUEST_CALL_FAILED;
		}
	}
	return GUEST_TIMEOUT;
}

static u32 tdcall(struct guest_fn *fn, u64 op)
{
	struct ghci_call call = { .nr = GHCI_TDCALL, .arg = { op } };

	return ghci_fn(fn, &call) == GHCI_OK ? GUEST_OK : GUEST_CALL_FAILED;
}

/* Only the TD can, and only the VMM can say what came of it */
u32 tdx_ask_report(struct guest_fn *fn)
{
	return tdcall(fn, TDXM_GUEST_REPORT);
}

/* It authorises, and does not start */
u32 tdx_start(struct guest_fn *fn)
{
	return tdcall(fn, TDXM_GUEST_START);
}

/* There has to be a page to accept: a fault maps it, pending */
void tdx_touch(u64 gpa)
{
	mmio_read32(gpa);
}

u32 tdx_accept(struct guest_fn *fn)
{
	u32 verdict = tdcall(fn, TDXM_GUEST_ACCEPT_MMIO);

	return verdict == GUEST_OK ? tdcall(fn, TDXM_GUEST_ACCEPT_DMA) :
				     verdict;
}
