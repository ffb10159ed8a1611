// SPDX-License-Identifier: GPL-2.0-only
/*
 * One exchange with the DSM: in the DOE mailbox, or in the secured session that
 * travels in it. Outcomes become error numbers here and nowhere else.
 */
#include <linux/pci.h>
#include <linux/pci-doe.h>
#include <linux/sched/signal.h>
#include <linux/unaligned.h>
#include <trace/events/tsm.h>

#include "internal.h"

/* The errno of an outcome */
int soft_errno(u64 code)
{
	switch (code) {
	case 0:
		return 0;
	case SOFT_TSM_CODE_MALFORMED:
		return -EBADMSG;
	case SOFT_TSM_CODE_NO_ANSWER:
		return -ETIMEDOUT;
	case SOFT_TSM_CODE_GONE:
		return -ENODEV;
	case SOFT_TSM_CODE_UNSUPPORTED:
		return -EPROTONOSUPPORT;
	default:
		/* The device refused, or is not in the state it should be in */
		return -EIO;
	}
}

/* Keep the outcome for the user, return its errno */
int soft_outcome(struct soft_dsm *dsm, u64 code)
{
	dsm->code = code;
	return soft_errno(code);
}

/* When the exchange started, for whoever watches */
u64 soft_trace_start(void)
{
	return trace_tsm_fw_call_enabled() ? ktime_get_ns() : 0;
}

static bool soft_aborted(struct soft_dsm *dsm)
{
	if (dsm->client)
		return pci_tsm_client_aborted(dsm->client);
	return dsm->killable && fatal_signal_pending(current);
}

/*
 * Send @len bytes of dsm->req. A device that does not answer costs the time
 * limit of pci_doe(), which aborts the mailbox then, so that the next exchange
 * starts clean.
 */
static int soft_doe(struct soft_dsm *dsm, u8 type, size_t len,
		    struct tdisp_span *rsp)
{
	struct pci_dev *pdev = dsm->pf0.base_tsm.pdev;
	int rc;

	lockdep_assert_held(&dsm->pf0.lock);

	dsm->code = 0;
	if (soft_aborted(dsm))
		return -EINTR;

	if (!pci_device_is_present(pdev))
		return soft_outcome(dsm, SOFT_TSM_CODE_GONE);

	rc = pci_tsm_doe_transfer(pdev, type, dsm->req, len, dsm->rsp,
				  sizeof(dsm->rsp));
	if (rc < 0) {
		pci_dbg(pdev, "DOE type %u failed: %d\n", type, rc);
		return soft_outcome(dsm, pci_device_is_present(pdev) ?
					 SOFT_TSM_CODE_NO_ANSWER :
					 SOFT_TSM_CODE_GONE);
	}

	/* A full buffer may miss the rest */
	if (rc >= sizeof(dsm->rsp))
		return soft_outcome(dsm, SOFT_TSM_CODE_MALFORMED);

	rsp->data = dsm->rsp;
	rsp->len = rc;
	return 0;
}

/* What trace events call the messages, TDISP's by their lower seven bits */
#define SOFT_NAME(code) \
	[(code) & 0x7f] = #code

static const char * const soft_spdm_names[0x80] = {
	SOFT_NAME(SPDM_GET_CERTIFICATE),
	SOFT_NAME(SPDM_GET_VERSION),
	SOFT_NAME(SPDM_GET_MEASUREMENTS),
	SOFT_NAME(SPDM_GET_CAPABILITIES),
	SOFT_NAME(SPDM_NEGOTIATE_ALGORITHMS),
	SOFT_NAME(SPDM_PSK_EXCHANGE),
	SOFT_NAME(SPDM_PSK_FINISH),
	SOFT_NAME(SPDM_END_SESSION),
};

static const char * const soft_ide_km_names[0x80] = {
	SOFT_NAME(IDE_KM_KEY_PROG),
	SOFT_NAME(IDE_KM_K_SET_GO),
	SOFT_NAME(IDE_KM_K_SET_STOP),
};

static const char * const soft_tdisp_names[0x80] = {
	SOFT_NAME(TDISP_GET_VERSION),
	SOFT_NAME(TDISP_GET_CAPABILITIES),
	SOFT_NAME(TDISP_LOCK_INTERFACE),
	SOFT_NAME(TDISP_GET_INTERFACE_REPORT),
	SOFT_NAME(TDISP_GET_INTERFACE_STATE),
	SOFT_NAME(TDISP_START_INTERFACE),
	SOFT_NAME(TDISP_STOP_INTERFACE),
};

/* The exchange is a call of firmware, had the platform any */
static void soft_trace(struct soft_dsm *dsm, struct pci_dev *pdev,
		       const char * const *names, u8 code, int rc, u64 start)
{
	trace_tsm_fw_call(&pdev->dev, names[code & 0x7f], rc, dsm->code, start);
}

/* Exchange an SPDM message of @len bytes, in dsm->req, in the plain */
int soft_spdm(struct soft_dsm *dsm, size_t len, struct tdisp_span *rsp)
{
	u64 start = soft_trace_start();
	int rc;

	rc = soft_doe(dsm, PCI_DOE_FEATURE_CMA, len, rsp);
	soft_trace(dsm, dsm->pf0.base_tsm.pdev, soft_spdm_names, dsm->req[1],
		   rc, start);
	return rc;
}

static int soft_session(struct soft_dsm *dsm, size_t len,
			struct tdisp_span *app)
{
	struct tdisp_span record;
	int rc;

	len = spdm_secure(dsm->req, dsm->session_id, len);
	rc = soft_doe(dsm, PCI_DOE_FEATURE_SSESSION, len, &record);
	if (rc)
		return rc;
	return soft_outcome(dsm, spdm_open(record, dsm->session_id, app));
}

/* Exchange an SPDM message of @len bytes, at SOFT_APP(), in the session */
int soft_secured(struct soft_dsm *dsm, size_t len, struct tdisp_span *app)
{
	u64 start = soft_trace_start();
	int rc;

	rc = soft_session(dsm, len, app);
	soft_trace(dsm, dsm->pf0.base_tsm.pdev, soft_spdm_names,
		   SOFT_APP(dsm)[1], rc, start);
	return rc;
}

static int soft_vdm(struct soft_dsm *dsm, u8 protocol, size_t len,
		    struct tdisp_span *payload)
{
	struct tdisp_span app;
	int rc;

	len = spdm_req_vdm(SOFT_APP(dsm), protocol, len);
	rc = soft_session(dsm, len, &app);
	if (rc)
		return rc;
	return soft_outcome(dsm, spdm_rsp_vdm(app, protocol, payload));
}

/* Exchange an IDE_KM message of @len bytes, at SOFT_VDM() */
int soft_ide_km(struct soft_dsm *dsm, size_t len, struct tdisp_span *msg)
{
	u64 start = soft_trace_start();
	int rc;

	rc = soft_vdm(dsm, SPDM_VDM_PROTO_IDE_KM, len, msg);
	soft_trace(dsm, dsm->pf0.base_tsm.pdev, soft_ide_km_names,
		   SOFT_VDM(dsm)[0], rc, start);
	return rc;
}

/* Exchange a TDISP message of @len bytes, at SOFT_VDM(), about @pdev */
int soft_tdisp(struct soft_dsm *dsm, struct pci_dev *pdev, size_t len,
	       struct tdisp_span *body)
{
	/* The response overwrites nothing of the request */
	u8 req_code = SOFT_VDM(dsm)[1];
	u32 function_id = get_unaligned_le32(SOFT_VDM(dsm) + 4);
	u64 start = soft_trace_start();
	struct tdisp_span msg;
	int rc;

	rc = soft_vdm(dsm, SPDM_VDM_PROTO_TDISP, len, &msg);
	if (!rc)
		rc = soft_outcome(dsm, tdisp_rsp_check(msg, req_code,
						       function_id, body));
	soft_trace(dsm, pdev, soft_tdisp_names, req_code, rc, start);
	return rc;
}
