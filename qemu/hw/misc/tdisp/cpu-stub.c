/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TDISP test device: is an access made by the guest of a hypervisor? Others */
#include "qemu/osdep.h"
#include "internal.h"

bool tdisp_cpu_in_guest(void)
{
    return false;
}
