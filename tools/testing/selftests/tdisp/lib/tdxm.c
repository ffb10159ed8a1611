// SPDX-License-Identifier: GPL-2.0-only
/* The model of the TDX module */
#include <errno.h>
#include <stdio.h>

#include "tdisp_lib.h"
#include "tdxm.h"

const struct fwmodel tdxm_model = {
	.module = "tdx_model",
	.file = "TDISP_TDX_MODEL_KO",
	.arch = IOMMU_TVM_ARCH_TDX,
};

int tdxm_get_state(struct tdxm_state *s)
{
	char buf[512];
	int rc;

	rc = fwmodel_read(&tdxm_model, "state", buf, sizeof(buf));
	if (rc)
		return rc;
	return sscanf(buf,
		      "violations %u refused %u pending %u owned %u dirty %u sessions %u streams %u tds %u tdis %u assigned %u mmio %u dmar %u blocks %u unaccepted %u",
		      &s->violations, &s->refused, &s->pending, &s->owned,
		      &s->dirty, &s->sessions, &s->streams, &s->tds, &s->tdis,
		      &s->assigned, &s->mmio, &s->dmar, &s->blocks,
		      &s->unaccepted) == 14 ?
	       0 : -EBADMSG;
}

int tdxm_guest(u16 rid, u32 op)
{
	return fwmodel_write(&tdxm_model, "guest", "%#x %u", rid, op);
}

int tdxm_raw(u32 call)
{
	return fwmodel_write(&tdxm_model, "raw", "%#x", call);
}
