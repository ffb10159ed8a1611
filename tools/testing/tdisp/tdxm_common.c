// SPDX-License-Identifier: GPL-2.0-only
/* What models share once more, an object belongs to one module */
#include "fw_log.c"
#include "fw_session.c"
#include "spdm.c"
#include "tdisp.c"
