// SPDX-License-Identifier: GPL-2.0-only
/* The driver under test, with the PSP and the RMP replaced by the model's */
#include "psp_redirect.h"
#undef dev_fmt
#include "../../../drivers/crypto/ccp/sev-dev-bind.c"
