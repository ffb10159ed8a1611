// SPDX-License-Identifier: GPL-2.0-only
/* What models of firmware share, once more: an object belongs to one module */
#include "fw_log.c"
#include "fw_vm.c"
#include "observer.c"
#include "requester.c"
#include "spdm.c"
#include "tdisp.c"
