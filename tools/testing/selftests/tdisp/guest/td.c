// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a TD asks the TDX module for about its device, past the VMM. TDCALL in
 * reality; here a call that the VMM takes to the model of the module.
 */
#include "guest.h"

#define PAGE			4096

/* @op: TDXM_GUEST_* */
u32 td_ask(const struct guest_fn *fn, u32 op)
{
	struct ghci_call call = { .nr = GHCI_TDCALL, .arg = { op } };

	return ghci_fn(fn, &call) == GHCI_OK ? GUEST_OK : GUEST_CALL_FAILED;
}

/*
 * Private MMIO is mapped by a fault, in pieces of whatever size, and is the TD's when
 * the TD has accepted it. As long as the device does not run, it has no answer to a
 * read.
 */
u32 td_accept_mmio(const struct guest_fn *fn, u64 gpa, u64 size)
{
	for (u64 off = 0; off < size; off += PAGE)
		mmio_read32(gpa + off);
	return td_ask(fn, TDXM_GUEST_ACCEPT_MMIO);
}
