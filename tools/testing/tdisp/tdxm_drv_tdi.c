// SPDX-License-Identifier: GPL-2.0-only
/* The driver under test, with the TDX module replaced by a model */
#include "tdxm_redirect.h"
#include "../../../drivers/virt/coco/tdx-host/tdi.c"
