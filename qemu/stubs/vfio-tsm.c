/*
 * Without VFIO no device can be bound to a confidential VM
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */

#include "qemu/osdep.h"
#include "qapi/error.h"
#include "qapi/qapi-commands-vfio.h"

VfioTsmInfoList *qmp_query_vfio_tsm(Error **errp)
{
    return NULL;
}

HumanReadableText *qmp_x_query_vfio_tsm(Error **errp)
{
    error_setg(errp, "This QEMU has no VFIO");
    return NULL;
}

void qmp_vfio_tsm_unbind(const char *id, Error **errp)
{
    error_setg(errp, "This QEMU has no VFIO");
}
