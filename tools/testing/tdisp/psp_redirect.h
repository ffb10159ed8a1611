/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lowest calls of the driver under test go to the model of the PSP, and to
 * its RMP. Included before the driver's source: the declarations have to be
 * read before the names are taken.
 */
#ifndef TDISP_PSP_REDIRECT_H
#define TDISP_PSP_REDIRECT_H

#include <linux/fs.h>
#include <linux/psp-sev.h>
#include <asm/sev.h>

#include "../../../drivers/crypto/ccp/sev-dev.h"
#include "psp_model.h"

#define sev_do_cmd		psp_model_cmd
#define __sev_do_cmd_locked	psp_model_cmd
#define snp_reclaim_pages	psp_model_reclaim_pages
#define snp_alloc_firmware_page	psp_model_alloc_page
#define snp_free_firmware_page	psp_model_free_page
#define rmp_make_private	psp_model_make_private
#define rmp_make_shared		psp_model_make_shared

#endif /* TDISP_PSP_REDIRECT_H */
