// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls of the TDX module about a device. The module returns early from many of
 * them: because of an interrupt, or with a message that the host has to carry to
 * the device. The same call goes on then. Statuses become error numbers here and
 * nowhere else.
 */
#define dev_fmt(fmt) "TDX Connect: " fmt

#include <linux/cleanup.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pci-doe.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/unaligned.h>
#include <trace/events/tsm.h>

#include <asm/shared/tdx_errno.h>

#include "connect.h"

/* For what does not go on although the module says that it will */
#define TDX_PATIENCE		(10 * HZ)
/* All messages of a call: a device may keep a session alive and get nowhere */
#define TDX_LIMIT		(60 * HZ)
#define TDX_BUSY_US		100

/* Head of a data object, PCIe r7.0 section 6.30.1 */
#define DOE_VENDOR		0
#define DOE_TYPE		2
#define DOE_LENGTH		4
#define DOE_LENGTH_MASK		GENMASK(17, 0)
#define DOE_HDR			8

/* One caller at a time into the module's extension, held for no more than a call */
static DEFINE_MUTEX(tdx_ext_lock);

u64 tdx_call_once(tdx_leaf_fn leaf, struct tdx_dsm *dsm, const void *arg,
		  u64 *out)
{
	guard(mutex)(&tdx_ext_lock);
	*out = 0;
	return leaf(dsm, arg, out);
}

static bool tdx_aborted(struct tdx_dsm *dsm)
{
	if (dsm->client)
		return pci_tsm_client_aborted(dsm->client);
	return dsm->killable && fatal_signal_pending(current);
}

static size_t tdx_object_len(const void *obj)
{
	return (get_unaligned_le32(obj + DOE_LENGTH) & DOE_LENGTH_MASK) *
	       sizeof(u32);
}

static void tdx_object_head(void *obj, u8 type, size_t len)
{
	memset(obj, 0, DOE_HDR);
	put_unaligned_le16(PCI_VENDOR_ID_PCI_SIG, obj + DOE_VENDOR);
	*(u8 *)(obj + DOE_TYPE) = type;
	put_unaligned_le32(DIV_ROUND_UP(len, sizeof(u32)), obj + DOE_LENGTH);
}

/* Is it an object, and of a kind that the module may want to send? */
static bool tdx_object_valid(const void *obj, u64 len)
{
	u8 type = *(const u8 *)(obj + DOE_TYPE);

	return len > DOE_HDR && len <= PAGE_SIZE &&
	       tdx_object_len(obj) == ALIGN(len, sizeof(u32)) &&
	       get_unaligned_le16(obj + DOE_VENDOR) == PCI_VENDOR_ID_PCI_SIG &&
	       (type == PCI_DOE_FEATURE_CMA || type == PCI_DOE_FEATURE_SSESSION);
}

/* Carry a message of @len bytes, with its head, and the response */
static int tdx_doe(struct tdx_dsm *dsm, u64 len)
{
	struct pci_dev *pdev = dsm->pf0.base_tsm.pdev;
	u8 type = *(u8 *)(dsm->req + DOE_TYPE);
	int rc;

	if (!tdx_object_valid(dsm->req, len))
		return -EBADMSG;
	if (tdx_aborted(dsm))
		return -EINTR;
	if (!pci_device_is_present(pdev))
		return -ENODEV;

	rc = pci_tsm_doe_transfer(pdev, type, dsm->req + DOE_HDR,
				  tdx_object_len(dsm->req) - DOE_HDR,
				  dsm->resp + DOE_HDR, PAGE_SIZE - DOE_HDR);
	if (rc < 0) {
		pci_dbg(pdev, "DOE type %u failed: %d\n", type, rc);
		return pci_device_is_present(pdev) ? -ETIMEDOUT : -ENODEV;
	}
	/* A full buffer may miss the rest */
	if (!rc || rc >= PAGE_SIZE - DOE_HDR)
		return -EBADMSG;
	tdx_object_head(dsm->resp, type, DOE_HDR + rc);
	return 0;
}

/*
 * A message was not carried. Have the module end the call, by an object without
 * content: it must not take what comes next for the response. It may have more to
 * say before it does.
 */
static void tdx_abandon(struct tdx_dsm *dsm, tdx_leaf_fn leaf, const void *arg)
{
	unsigned long end = jiffies + TDX_PATIENCE;
	u64 status, out;

	do {
		tdx_object_head(dsm->resp, PCI_DOE_FEATURE_CMA, DOE_HDR);
		status = tdx_call_once(leaf, dsm, arg, &out) &
			 TDX_SEAMCALL_STATUS_MASK;
		cond_resched();
	} while ((status == TDX_INTERRUPTED_RESUMABLE ||
		  status == TDX_OPERAND_BUSY ||
		  status == TDX_SPDM_REQUEST) && time_before(jiffies, end));
}

static u64 leaf_key_update(struct tdx_dsm *dsm, const void *arg, u64 *out)
{
	return tdh_spdm_mng(dsm->spdm_id, TDX_SPDM_KEY_UPDATE, 0,
			    __pa(dsm->resp), __pa(dsm->req), 0, out);
}

static int tdx_loop(struct tdx_dsm *dsm, struct pci_dev *pdev,
		    tdx_leaf_fn leaf, const void *arg, u64 *out);

/*
 * The keys of the session are worn out: get new ones, then go on. An exchange
 * that is under way has to start again, and it does: nothing was sent for it.
 */
static int tdx_refresh(struct tdx_dsm *dsm, struct pci_dev *pdev)
{
	u64 out;

	return tdx_loop(dsm, pdev, leaf_key_update, NULL, &out);
}

static int tdx_loop(struct tdx_dsm *dsm, struct pci_dev *pdev,
		    tdx_leaf_fn leaf, const void *arg, u64 *out)
{
	unsigned long end = jiffies + TDX_PATIENCE;
	unsigned long last = jiffies + TDX_LIMIT;
	bool refreshed = leaf == leaf_key_update;
	int rc;

	lockdep_assert_held(&dsm->pf0.lock);

	for (;;) {
		dsm->status = tdx_call_once(leaf, dsm, arg, out);
		switch (dsm->status & TDX_SEAMCALL_STATUS_MASK) {
		case TDX_SUCCESS:
			return 0;
		case TDX_INTERRUPTED_RESUMABLE:
			cond_resched();
			rc = time_before(jiffies, end) ? 0 : -ETIMEDOUT;
			break;
		case TDX_OPERAND_BUSY:
			fsleep(TDX_BUSY_US);
			rc = time_before(jiffies, end) ? 0 : -EBUSY;
			break;
		case TDX_SPDM_REQUEST:
			rc = tdx_doe(dsm, *out);
			if (rc)
				tdx_abandon(dsm, leaf, arg);
			/* The device takes its time, and DOE limits that */
			end = jiffies + TDX_PATIENCE;
			if (!rc && time_after(jiffies, last)) {
				tdx_abandon(dsm, leaf, arg);
				rc = -ETIMEDOUT;
			}
			break;
		case TDX_SPDM_KEY_REFRESH:
			rc = refreshed ? -EIO : tdx_refresh(dsm, pdev);
			refreshed = true;
			break;
		default:
			rc = -EIO;
		}
		if (rc)
			return rc;
	}
}

/**
 * tdx_leaf() - Have the module do something about a device, to the end
 * @dsm: the device
 * @pdev: function that it is about
 * @name: of the call, for people
 * @leaf: the call
 * @arg: what @leaf wants
 * @out: what the module returned
 *
 * Context: DSM lock held.
 * Return: 0, -EIO with the status of the module in dsm->status; -ETIMEDOUT or
 * -ENODEV if the device does not answer, -EBADMSG for what is no message, -EINTR
 * if dsm->client gives up, -EBUSY.
 */
int tdx_leaf(struct tdx_dsm *dsm, struct pci_dev *pdev, const char *name,
	     tdx_leaf_fn leaf, const void *arg, u64 *out)
{
	u64 start = trace_tsm_fw_call_enabled() ? ktime_get_ns() : 0;
	int rc;

	rc = tdx_loop(dsm, pdev, leaf, arg, out);
	trace_tsm_fw_call(&pdev->dev, name, rc, dsm->status, start);
	if (rc)
		pci_dbg(pdev, "%s: %d, status %#llx\n", name, rc, dsm->status);
	return rc;
}

void tdx_blob_clear(struct tdx_blob *blob)
{
	kvfree(blob->data);
	blob->data = NULL;
	blob->len = 0;
}

/* Keep @len bytes that the module has put out */
int tdx_blob_read(struct tdx_blob *blob, const struct tdx_pages *pages, u64 len)
{
	u8 *data;

	if (!len || len > (u64)pages->nr * PAGE_SIZE)
		return -EBADMSG;
	data = kvmalloc(len, GFP_KERNEL_ACCOUNT);
	if (!data)
		return -ENOMEM;
	for (u64 off = 0; off < len; off += PAGE_SIZE)
		memcpy(data + off, page_address(pages->page[off / PAGE_SIZE]),
		       min_t(u64, len - off, PAGE_SIZE));
	tdx_blob_clear(blob);
	blob->data = data;
	blob->len = len;
	return 0;
}
