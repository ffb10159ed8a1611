// SPDX-License-Identifier: GPL-2.0-only
/* What models share once more, an object belongs to one module */
#include "spdm.c"
#include "tdisp.c"
#include "fw_session.c"
#include "fw_log.c"
