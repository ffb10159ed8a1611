// SPDX-License-Identifier: GPL-2.0-only
/* The codec of the soft TSM once more, an object belongs to one module */
#include "spdm.c"
#include "tdisp.c"
