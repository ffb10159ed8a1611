// SPDX-License-Identifier: GPL-2.0-only
/*
 * Policy of the soft TSM for a device: evidence, the session, the IDE stream,
 * and the order in which they come and go.
 */
#define dev_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/pci.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "internal.h"

/* VERSION has at most 255 entries; each message with its request */
#define SOFT_MAX_VCA	(SPDM_HDR_SIZE + \
			 SPDM_VERSION_ENTRY_OFF + U8_MAX * sizeof(__le16) + \
			 2 * SPDM_CAPS_SIZE + 2 * SPDM_ALGORITHMS_SIZE)

#define SOFT_SPDM_CAPS	(SPDM_CAP_CERT | SPDM_CAP_MEAS_NO_SIG | \
			 SPDM_CAP_ENCRYPT | SPDM_CAP_MAC | SPDM_CAP_PSK)

/* The device's half makes the session id unique */
#define SOFT_REQ_SESSION_ID	1

void soft_obj_clear(struct soft_obj *obj)
{
	kvfree(obj->data);
	obj->data = NULL;
	obj->len = 0;
}

/* Takes over @data */
static void soft_obj_set(struct soft_obj *obj, u8 *data, u32 len)
{
	soft_obj_clear(obj);
	obj->data = data;
	obj->len = len;
}

/* Read an object in portions; it has less than 64 KiB */
int soft_read_obj(struct soft_dsm *dsm, struct pci_dev *pdev,
		  soft_portion_fn read, struct soft_obj *obj)
{
	struct tdisp_portion portion = {};
	u8 *copy;

	u8 *data __free(kvfree) = kvmalloc(U16_MAX, GFP_KERNEL_ACCOUNT);
	if (!data)
		return -ENOMEM;

	do {
		u32 offset = portion.offset;
		struct tdisp_span bytes;
		int rc;

		portion.asked = SOFT_MAX_PORTION;
		if (portion.total)
			portion.asked = min(portion.total - offset,
					    SOFT_MAX_PORTION);
		rc = read(dsm, pdev, &portion, &bytes);
		if (rc)
			return rc;
		/* The codec has checked that it is inside of the 64 KiB */
		memcpy(data + offset, bytes.data, bytes.len);
	} while (portion.offset < portion.total);

	copy = kvmemdup(data, portion.total, GFP_KERNEL_ACCOUNT);
	if (!copy)
		return -ENOMEM;
	soft_obj_set(obj, copy, portion.total);
	return 0;
}

static int soft_read_cert(struct soft_dsm *dsm, struct pci_dev *pdev,
			  struct tdisp_portion *portion,
			  struct tdisp_span *bytes)
{
	size_t len = spdm_req_certificate(dsm->req, portion->offset,
					  portion->asked);
	struct tdisp_span rsp;
	int rc;

	rc = soft_spdm(dsm, len, &rsp);
	if (rc)
		return rc;
	return soft_outcome(dsm, spdm_rsp_certificate(rsp, portion, bytes));
}

/* Get measurements; they are kept with the nonce that they were asked for */
int soft_measure(struct soft_dsm *dsm, const u8 *nonce)
{
	struct tdisp_span rsp;
	size_t used;
	u8 *data;
	int rc;

	rc = soft_spdm(dsm, spdm_req_measurements(dsm->req), &rsp);
	if (rc)
		return rc;
	rc = soft_outcome(dsm, spdm_rsp_measurements(rsp, &used));
	if (rc)
		return rc;

	data = kvmalloc(SOFT_TSM_MEAS_NONCE_SIZE + used, GFP_KERNEL_ACCOUNT);
	if (!data)
		return -ENOMEM;
	memcpy(data, nonce, SOFT_TSM_MEAS_NONCE_SIZE);
	memcpy(data + SOFT_TSM_MEAS_NONCE_SIZE, rsp.data, used);
	soft_obj_set(&dsm->meas, data, SOFT_TSM_MEAS_NONCE_SIZE + used);
	return 0;
}

static void soft_vca_add(struct soft_obj *vca, const u8 *data, size_t len)
{
	memcpy(vca->data + vca->len, data, len);
	vca->len += len;
}

/* Version, capabilities, algorithms; GET_VERSION ends an older session */
static int soft_negotiate(struct soft_dsm *dsm)
{
	struct soft_obj *vca = &dsm->vca;
	struct tdisp_span rsp;
	size_t len, used;
	u32 flags;
	u8 *data;
	int rc;

	data = kvmalloc(SOFT_MAX_VCA, GFP_KERNEL);
	if (!data)
		return -ENOMEM;
	soft_obj_set(vca, data, 0);

	len = spdm_req_simple(dsm->req, SPDM_GET_VERSION);
	rc = soft_spdm(dsm, len, &rsp);
	if (rc)
		return rc;
	rc = soft_outcome(dsm, spdm_rsp_version(rsp, &used));
	if (rc)
		return rc;
	soft_vca_add(vca, dsm->req, len);
	soft_vca_add(vca, rsp.data, used);

	len = spdm_req_capabilities(dsm->req);
	rc = soft_spdm(dsm, len, &rsp);
	if (rc)
		return rc;
	rc = soft_outcome(dsm, spdm_rsp_capabilities(rsp, &used, &flags));
	if (rc)
		return rc;
	if ((flags & SOFT_SPDM_CAPS) != SOFT_SPDM_CAPS)
		return soft_outcome(dsm, SOFT_TSM_CODE_UNSUPPORTED);
	soft_vca_add(vca, dsm->req, len);
	soft_vca_add(vca, rsp.data, used);

	len = spdm_req_algorithms(dsm->req);
	rc = soft_spdm(dsm, len, &rsp);
	if (rc)
		return rc;
	rc = soft_outcome(dsm, spdm_rsp_algorithms(rsp, &used));
	if (rc)
		return rc;
	soft_vca_add(vca, dsm->req, len);
	soft_vca_add(vca, rsp.data, used);
	return 0;
}

/*
 * Open a session by the name of the null cipher: a device that means to protect
 * its messages refuses that.
 */
static int soft_session_open(struct soft_dsm *dsm)
{
	struct tdisp_span rsp, app;
	u32 session_id;
	size_t len;
	int rc;

	len = spdm_req_psk_exchange(dsm->req, SOFT_REQ_SESSION_ID);
	rc = soft_spdm(dsm, len, &rsp);
	if (rc)
		return rc;
	rc = soft_outcome(dsm, spdm_rsp_psk_exchange(rsp, SOFT_REQ_SESSION_ID,
						     &session_id));
	if (rc)
		return rc;

	dsm->session_id = session_id;
	len = spdm_req_simple(SOFT_APP(dsm), SPDM_PSK_FINISH);
	rc = soft_secured(dsm, len, &app);
	if (!rc)
		rc = soft_outcome(dsm, spdm_rsp_empty(app, SPDM_PSK_FINISH));
	/* The next GET_VERSION ends a handshake that is stuck */
	if (rc)
		dsm->session_id = 0;
	return rc;
}

/* For a device whose reset ended the session; the stream stays lost */
int soft_session_restore(struct soft_dsm *dsm)
{
	int rc;

	dsm->session_id = 0;
	rc = soft_negotiate(dsm);
	if (rc)
		return rc;
	return soft_session_open(dsm);
}

/* With or without the consent of the device */
static void soft_session_close(struct soft_dsm *dsm)
{
	struct tdisp_span app;
	size_t len;
	int rc;

	if (!dsm->session_id)
		return;

	len = spdm_req_simple(SOFT_APP(dsm), SPDM_END_SESSION);
	rc = soft_secured(dsm, len, &app);
	if (!rc)
		rc = soft_outcome(dsm, spdm_rsp_empty(app, SPDM_END_SESSION));
	if (rc)
		pci_dbg(dsm->pf0.base_tsm.pdev, "END_SESSION failed: %d\n", rc);
	dsm->session_id = 0;
}

static int soft_key_message(struct soft_dsm *dsm, u8 object, u8 sub_stream)
{
	u8 stream_id = dsm->ide->stream_id;
	struct tdisp_span msg;
	size_t len;
	int rc;

	if (object == IDE_KM_KEY_PROG) {
		u8 key[IDE_KM_KEY_SIZE], ifv[IDE_KM_IFV_SIZE];

		/* Only the form matters, the link encrypts nothing */
		get_random_bytes(key, sizeof(key));
		get_random_bytes(ifv, sizeof(ifv));
		len = ide_km_req_key_prog(SOFT_VDM(dsm), stream_id, sub_stream,
					  key, ifv);
	} else {
		len = ide_km_req_key_set(SOFT_VDM(dsm), object, stream_id,
					 sub_stream);
	}

	rc = soft_ide_km(dsm, len, &msg);
	if (rc)
		return rc;
	return soft_outcome(dsm, ide_km_rsp(msg, object, stream_id,
					    sub_stream));
}

/* Key set 0 of all sub-streams: the receivers first, then the transmitters */
static int soft_key_messages(struct soft_dsm *dsm, u8 object)
{
	for (u8 dir = 0; dir <= IDE_KM_SUB_TX; dir += IDE_KM_SUB_TX) {
		for (int i = 0; i < IDE_KM_NR_SUB_STREAMS; i++) {
			int rc;

			rc = soft_key_message(dsm, object,
					      IDE_KM_SUB_STREAM(i) | dir);
			if (rc)
				return rc;
		}
	}
	return 0;
}

/*
 * Undo soft_ide_up(), or the part of it that was done. The device stops to use
 * its keys before the stream is disabled: not the mirror image of setup, where
 * it cannot be enabled before the keys are used.
 */
static void soft_ide_down(struct soft_dsm *dsm)
{
	if (!dsm->ide)
		return;

	/* Whoever does not answer is not asked for the other sub-streams */
	if (dsm->keys && soft_key_messages(dsm, IDE_KM_K_SET_STOP))
		pci_dbg(dsm->ide->pdev, "K_SET_STOP failed\n");
	dsm->keys = false;
	pci_ide_stream_release(dsm->ide);
	dsm->ide = NULL;
}

/* The caller undoes it, on failure too */
static int soft_ide_up(struct soft_dsm *dsm)
{
	struct pci_dev *pdev = dsm->pf0.base_tsm.pdev;
	struct pci_dev *rp;
	struct pci_ide *ide;
	int rc;

	/* A root complex integrated endpoint has no link */
	if (!pdev->ide_cap || pci_pcie_type(pdev) != PCI_EXP_TYPE_ENDPOINT)
		return 0;

	ide = pci_ide_stream_alloc(pdev);
	if (!ide)
		return -ENOSPC;
	dsm->ide = ide;
	ide->stream_id = ide->host_bridge_stream;
	ide->partner[PCI_IDE_EP].default_stream = 1;

	/* In the order that pci_ide_stream_release() reverses */
	rc = pci_ide_stream_register(ide);
	if (rc)
		return rc;
	rp = pcie_find_root_port(pdev);
	pci_ide_stream_setup(pdev, ide);
	pci_ide_stream_setup(rp, ide);

	dsm->keys = true;
	rc = soft_key_messages(dsm, IDE_KM_KEY_PROG);
	if (rc)
		return rc;
	rc = soft_key_messages(dsm, IDE_KM_K_SET_GO);
	if (rc)
		return rc;

	rc = pci_ide_stream_enable(pdev, ide);
	if (rc)
		return rc;
	return pci_ide_stream_enable(rp, ide);
}

/* Undo soft_dsm_up(), or the part of it that was done, in reverse order */
static void soft_dsm_down(struct soft_dsm *dsm)
{
	lockdep_assert_held(&dsm->pf0.lock);

	dsm->connected = false;
	soft_ide_down(dsm);
	soft_session_close(dsm);
	soft_obj_clear(&dsm->meas);
	soft_obj_clear(&dsm->cert);
	soft_obj_clear(&dsm->vca);
}

/* The caller undoes it, on failure too */
static int soft_dsm_up(struct soft_dsm *dsm)
{
	struct pci_dev *pdev = dsm->pf0.base_tsm.pdev;
	u8 nonce[SOFT_TSM_MEAS_NONCE_SIZE];
	int rc;

	rc = soft_negotiate(dsm);
	if (rc)
		return rc;
	rc = soft_read_obj(dsm, pdev, soft_read_cert, &dsm->cert);
	if (rc)
		return rc;
	get_random_bytes(nonce, sizeof(nonce));
	rc = soft_measure(dsm, nonce);
	if (rc)
		return rc;
	rc = soft_session_open(dsm);
	if (rc)
		return rc;
	rc = soft_ide_up(dsm);
	if (rc)
		return rc;

	dsm->connected = true;
	return 0;
}

int soft_connect(struct pci_dev *pdev)
{
	struct soft_dsm *dsm = to_soft_dsm(pdev);
	int rc;

	lockdep_assert_held(&dsm->pf0.lock);

	dsm->code = 0;
	dsm->killable = true;
	rc = soft_dsm_up(dsm);
	dsm->killable = false;
	if (rc) {
		pci_info_ratelimited(pdev, "connect failed: %d, code %#llx\n",
				     rc, dsm->code);
		soft_dsm_down(dsm);
		return rc;
	}

	pci_dbg(pdev, "connected, %s\n", dsm->ide ? "IDE stream" : "no stream");
	return 0;
}

/*
 * A device that is gone, or does not answer, is left to itself: each step is
 * tried once and takes no longer than the time limit of DOE.
 */
void soft_disconnect(struct pci_dev *pdev)
{
	soft_dsm_down(to_soft_dsm(pdev));
}
