// SPDX-License-Identifier: GPL-2.0-only
/*
 * The conduit to the RMM: all that a test module has to replace, see
 * tools/testing/tdisp.
 */
#include <linux/arm-smccc.h>
#include <linux/build_bug.h>
#include <linux/string.h>

#include "rmi.h"

/**
 * rmi_smc() - Make a call of the RMM
 * @regs: arguments, and results afterwards
 *
 * Context: Any, takes as long as the RMM does.
 */
void rmi_smc(struct rmi_regs *regs)
{
#ifdef CONFIG_ARM64
	struct arm_smccc_1_2_regs args, res;

	static_assert(sizeof(args) == sizeof(*regs));
	memcpy(&args, regs, sizeof(args));
	arm_smccc_1_2_smc(&args, &res);
	memcpy(regs, &res, sizeof(res));
#else
	/* Only compiled elsewhere, there is no RMM */
	memset(regs, 0, sizeof(*regs));
	regs->x[0] = SMCCC_RET_NOT_SUPPORTED;
#endif
}

/* Numbers that nobody has verified never get to a real RMM */
bool rmi_may_assume(void)
{
	return false;
}
