// SPDX-License-Identifier: GPL-2.0-only
/*
 * The log of calls: name, arguments, status. Addresses are symbols, counted by
 * what they stand for, so that two logs can be compared.
 */
#include <linux/array_size.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/sprintf.h>

#include "rmm_model.h"

#define RMM_LINE	160
#define RMM_MAX_SYMS	1024

static struct {
	u64 val;
	char kind;
	u32 nr;
} *rmm_syms;

static u32 rmm_nr_syms;

int rmm_log_init(void)
{
	rmm_syms = kvcalloc(RMM_MAX_SYMS, sizeof(*rmm_syms), GFP_KERNEL);
	return rmm_syms ? 0 : -ENOMEM;
}

void rmm_log_exit(void)
{
	kvfree(rmm_syms);
}

/* Counts begin anew */
void rmm_log_emptied(void)
{
	rmm_nr_syms = 0;
}

const char *rmm_status_name(u64 status)
{
	static const char * const names[] = {
		"SUCCESS", "INPUT", "REALM", "REC", "RTT", "NOT_SUPPORTED",
		"DEVICE", "RTT_AUX", "PSMMU_ST", "DPT", "BUSY", "GLOBAL",
		"TRACKING", "INCOMPLETE", "BLOCKED", "GPT", "GRANULE",
	};

	status &= 0xff;
	return status < ARRAY_SIZE(names) ? names[status] : "?";
}

static u32 rmm_sym(char kind, u64 val)
{
	u32 nr = 0;

	for (u32 i = 0; i < rmm_nr_syms; i++) {
		if (rmm_syms[i].kind != kind)
			continue;
		if (rmm_syms[i].val == val)
			return rmm_syms[i].nr;
		nr++;
	}
	if (rmm_nr_syms < RMM_MAX_SYMS) {
		rmm_syms[rmm_nr_syms].kind = kind;
		rmm_syms[rmm_nr_syms].val = val;
		rmm_syms[rmm_nr_syms++].nr = nr;
	}
	return nr;
}

static const char *rmm_kind(char kind)
{
	switch (kind) {
	case 'p':
		return "pdev";
	case 'v':
		return "vdev";
	case 'r':
		return "rd";
	case 'c':
		return "data";
	case 'a':
		return "params";
	case 'g':
		return "granule";
	case 'l':
		return "list";
	case 'h':
		return "handle";
	default:
		return NULL;
	}
}

static int rmm_arg(char *buf, size_t size, const char *spec, int i,
		   const u64 *args)
{
	const char *kind = rmm_kind(spec[i]);

	if (kind)
		return scnprintf(buf, size, "%s%u", kind,
				 rmm_sym(spec[i], args[i]));
	/* The end of a range, as granules */
	if (spec[i] == 't')
		return scnprintf(buf, size, "+%lld",
				 (s64)(args[i] - args[i - 1]) >> PAGE_SHIFT);
	if (spec[i] == 'x')
		return scnprintf(buf, size, "%#llx", args[i]);
	return scnprintf(buf, size, "%llu", args[i]);
}

/* @spec: what each argument is, a letter for each */
void rmm_log_call(const char *name, const char *spec, const u64 *args,
		  u64 result, const char *more)
{
	char line[RMM_LINE];
	int n;

	lockdep_assert_held(&fw_lock);

	n = scnprintf(line, sizeof(line), "%s(", name);
	for (int i = 0; spec[i]; i++) {
		n += scnprintf(line + n, sizeof(line) - n, "%s",
			       i ? ", " : "");
		n += rmm_arg(line + n, sizeof(line) - n, spec, i, args);
	}
	fw_log("%s) %s%s", line, rmm_status_name(result), more);
}
