// SPDX-License-Identifier: GPL-2.0-only
/* The driver under test, with the PSP and the RMP replaced by the model's */
#include "psp_redirect.h"
#include "../../../drivers/crypto/ccp/sev-dev-tio.c"
