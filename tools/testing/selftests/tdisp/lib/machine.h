/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The machine that the tests run in, by the monitor of QEMU: what happens to a
 * device from outside. Needs somebody there who passes commands on: $TDISP_MONITOR
 * names a file, which appears with a command and vanishes when it is carried out.
 */
#ifndef SELFTESTS_TDISP_LIB_MACHINE_H
#define SELFTESTS_TDISP_LIB_MACHINE_H

#include <stdbool.h>

bool machine_has_monitor(void);
/* Answers are not looked at. 0, or a negative errno, -ETIMEDOUT among them */
__printf(1, 2) int machine_ask(const char *fmt, ...);

/*
 * Physical slot of a function below a port that can hot plug, or a negative
 * errno. The device has the id "slotN", and the port "rp" and N - 1
 */
int pci_slot(const char *bdf);

#endif /* SELFTESTS_TDISP_LIB_MACHINE_H */
