// SPDX-License-Identifier: GPL-2.0-only
/* The model of Arm's RMM */
#include <errno.h>
#include <stdio.h>

#include "tdisp_lib.h"
#include "rmm.h"

const struct fwmodel rmm_model = {
	.module = "rmm_model",
	.file = "TDISP_RMM_MODEL_KO",
	.arch = IOMMU_TVM_ARCH_CCA,
};

int rmm_get_state(struct rmm_state *state)
{
	char buf[512];
	int rc;

	rc = fwmodel_read(&rmm_model, "state", buf, sizeof(buf));
	if (rc)
		return rc;
	return sscanf(buf,
		      "violations %u refused %u pending %u delegated %u objects %u mapped %u realms %u pdevs %u streams %u vdevs %u",
		      &state->violations, &state->refused, &state->pending,
		      &state->delegated, &state->objects, &state->mapped,
		      &state->realms, &state->pdevs, &state->streams,
		      &state->vdevs) == 10 ? 0 : -EBADMSG;
}

int rmm_raw(u32 cmd, u32 arg)
{
	return fwmodel_write(&rmm_model, "raw", "%#x %#x", cmd, arg);
}
