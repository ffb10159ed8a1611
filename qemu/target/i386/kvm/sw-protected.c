/*
 * Guests whose memory can be private by software: KVM_X86_SW_PROTECTED_VM
 *
 * Nothing protects them. It is for tests of what deals with private memory,
 * on machines without hardware for it. Their RAM is shared, and stays it;
 * MMIO of devices that are bound to them can be private.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qom/object_interfaces.h"
#include "hw/boards.h"
#include "hw/i386/x86.h"
#include <linux/kvm.h>
#include "../confidential-guest.h"

#define TYPE_SW_PROTECTED_GUEST "x-sw-protected-guest"
OBJECT_DECLARE_SIMPLE_TYPE(SWProtectedGuest, SW_PROTECTED_GUEST)

struct SWProtectedGuest {
    X86ConfidentialGuest parent_obj;
};

/* Of the TSM that such guests are tested with, it is no architecture's */
#define SW_PROTECTED_TVM_ARCH 0x74657374

static int sw_protected_kvm_type(X86ConfidentialGuest *cg)
{
    return KVM_X86_SW_PROTECTED_VM;
}

static int sw_protected_kvm_init(ConfidentialGuestSupport *cgs, Error **errp)
{
    X86MachineState *x86ms =
        (X86MachineState *)object_dynamic_cast(qdev_get_machine(),
                                               TYPE_X86_MACHINE);

    /* KVM has one address space for such a VM, and SMM wants a second one */
    if (x86ms && x86ms->smm == ON_OFF_AUTO_AUTO) {
        x86ms->smm = ON_OFF_AUTO_OFF;
    } else if (x86ms && x86ms->smm == ON_OFF_AUTO_ON) {
        error_setg(errp, "%s: no SMM in such a VM, use -machine smm=off",
                   TYPE_SW_PROTECTED_GUEST);
        return -EINVAL;
    }
    cgs->ready = true;
    return 0;
}

static void sw_protected_guest_class_init(ObjectClass *oc, void *data)
{
    ConfidentialGuestSupportClass *cgsc = CONFIDENTIAL_GUEST_SUPPORT_CLASS(oc);
    X86ConfidentialGuestClass *x86c = X86_CONFIDENTIAL_GUEST_CLASS(oc);

    cgsc->kvm_init = sw_protected_kvm_init;
    cgsc->tvm_arch = SW_PROTECTED_TVM_ARCH;
    x86c->kvm_type = sw_protected_kvm_type;
}

static const TypeInfo sw_protected_guest_info = {
    .name = TYPE_SW_PROTECTED_GUEST,
    .parent = TYPE_X86_CONFIDENTIAL_GUEST,
    .instance_size = sizeof(SWProtectedGuest),
    .class_init = sw_protected_guest_class_init,
    .interfaces = (InterfaceInfo[]) {
        { TYPE_USER_CREATABLE },
        { }
    },
};

static void sw_protected_guest_register_types(void)
{
    type_register_static(&sw_protected_guest_info);
}

type_init(sw_protected_guest_register_types)
