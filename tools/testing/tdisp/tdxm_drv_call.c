// SPDX-License-Identifier: GPL-2.0-only
/* The calls under test, with the TDX module replaced by a model */
#include "tdxm_redirect.h"
#include "../../../arch/x86/virt/vmx/tdx/connect.c"
