/* SPDX-License-Identifier: GPL-2.0-or-later */
/* TDISP test device: is an access made by the guest of a hypervisor? x86 */
#include "qemu/osdep.h"
#include "cpu.h"
#include "hw/core/cpu.h"
#include "internal.h"

bool tdisp_cpu_in_guest(void)
{
    return current_cpu &&
           (X86_CPU(current_cpu)->env.hflags & HF_GUEST_MASK);
}
