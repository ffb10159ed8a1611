// SPDX-License-Identifier: GPL-2.0-only
/*
 * Exchanges with a device on behalf of the RMM (DEN0137 A9.5): the RMM says what
 * to send, the host carries it to the device's mailbox and back, and keeps what
 * the RMM has it keep. One loop for all of them.
 */
#define dev_fmt(fmt) "CCA: " fmt

#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pci.h>
#include <linux/pci-doe.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "cca.h"

/* Calls of COMMUNICATE in one exchange: an object in portions takes many */
#define CCA_COMM_MAX		8192
/* And how long they take: a device may keep a session alive and get nowhere */
#define CCA_COMM_TIMEOUT	(60 * HZ)
/* Times that the ends of a stream wait for each other */
#define CCA_STREAM_TURNS	64
/* No delay that the RMM asks for is longer */
#define CCA_MAX_DELAY_US	1000000

#define CCA_OBJECT_MIN		SZ_4K

/**
 * struct cca_xchg - Who has an exchange with the device
 * @dsm: the device
 * @p: its PDEV, or that of its root port; NULL for a VDEV
 * @v: the VDEV
 * @err: why a message did not get an answer
 * @waits: for the other end of the stream
 */
struct cca_xchg {
	struct cca_dsm *dsm;
	struct cca_pdev *p;
	struct cca_vdev *v;
	int err;
	bool waits;
};

int cca_comm_alloc(struct cca_dsm *dsm)
{
	struct cca_comm *comm = &dsm->comm;

	comm->data = (void *)get_zeroed_page(GFP_KERNEL);
	comm->req = (void *)get_zeroed_page(GFP_KERNEL);
	comm->rsp = (void *)get_zeroed_page(GFP_KERNEL);
	if (comm->data && comm->req && comm->rsp)
		return 0;
	cca_comm_free(dsm);
	return -ENOMEM;
}

void cca_comm_free(struct cca_dsm *dsm)
{
	struct cca_comm *comm = &dsm->comm;

	free_page((unsigned long)comm->rsp);
	free_page((unsigned long)comm->req);
	free_page((unsigned long)comm->data);
	memset(comm, 0, sizeof(*comm));
}

void cca_object_clear(struct cca_object *obj)
{
	kvfree(obj->data);
	memset(obj, 0, sizeof(*obj));
}

static int cca_object_append(struct cca_object *obj, const u8 *data, u32 len)
{
	if (len > CCA_MAX_OBJECT - obj->len)
		return -EFBIG;
	if (len > obj->size - obj->len) {
		u32 size = max(CCA_OBJECT_MIN, obj->size);
		u8 *more;

		while (size - obj->len < len)
			size *= 2;
		more = kvrealloc(obj->data, size, GFP_KERNEL_ACCOUNT);
		if (!more)
			return -ENOMEM;
		obj->data = more;
		obj->size = size;
	}
	memcpy(obj->data + obj->len, data, len);
	obj->len += len;
	return 0;
}

/* Where it goes depends on whose exchange it is */
static struct cca_object *cca_xchg_object(struct cca_xchg *x, u8 object)
{
	switch (object) {
	case RMI_OBJECT_VCA:
		return &x->dsm->vca;
	case RMI_OBJECT_CERT:
		return &x->dsm->cert;
	case RMI_OBJECT_MEAS:
		return x->v ? &x->v->meas : NULL;
	case RMI_OBJECT_REPORT:
		return x->v ? &x->v->report : NULL;
	default:
		return NULL;
	}
}

/* The response came before the request that is about to be sent */
static int cca_keep(struct cca_xchg *x, const struct rmi_comm_exit *exit)
{
	struct cca_comm *comm = &x->dsm->comm;
	struct cca_object *obj;
	int rc = 0;

	if (!(exit->flags & (RMI_COMM_REQ_CACHE | RMI_COMM_RSP_CACHE |
			     RMI_COMM_RSP_RESET)))
		return 0;
	obj = cca_xchg_object(x, exit->object);
	if (!obj)
		return -EBADMSG;
	if (exit->flags & RMI_COMM_RSP_RESET)
		obj->len = 0;
	if (exit->flags & RMI_COMM_RSP_CACHE)
		rc = cca_object_append(obj, comm->rsp + exit->rsp_cache_off,
				       exit->rsp_cache_len);
	if (!rc && exit->flags & RMI_COMM_REQ_CACHE)
		rc = cca_object_append(obj, comm->req + exit->req_cache_off,
				       exit->req_cache_len);
	return rc;
}

static void cca_delay(u64 us)
{
	if (us)
		fsleep(min_t(u64, us, CCA_MAX_DELAY_US));
}

/* Carry a message to the device: bytes of the response, or a negative errno */
static int cca_doe(struct cca_dsm *dsm, const struct rmi_comm_exit *exit)
{
	struct pci_dev *pdev = dsm->tsm.base_tsm.pdev;
	u8 type = exit->secured ? PCI_DOE_FEATURE_SSESSION :
				  PCI_DOE_FEATURE_CMA;
	int rc;

	if (!pci_device_is_present(pdev))
		return -ENODEV;
	cca_delay(exit->req_delay_us);
	rc = pci_doe(dsm->tsm.doe_mb, PCI_VENDOR_ID_PCI_SIG, type,
		     dsm->comm.req, exit->req_len, dsm->comm.rsp,
		     RMI_GRANULE_SIZE);
	if (rc > RMI_GRANULE_SIZE)
		return -EBADMSG;
	if (rc >= 0)
		return rc;
	pci_dbg(pdev, "DOE type %u failed: %d\n", type, rc);
	return pci_device_is_present(pdev) ? -ETIMEDOUT : -ENODEV;
}

static int cca_xchg_call(struct cca_xchg *x)
{
	u64 data = virt_to_phys(x->dsm->comm.data);
	struct rmi_regs regs = {};

	if (x->p) {
		regs.x[1] = cca_pdev_pa(x->p);
		regs.x[2] = data;
		return rmi_call(&x->dsm->rmi, RMI_PDEV_COMMUNICATE, &regs);
	}
	regs.x[1] = x->v->rd;
	regs.x[2] = cca_pdev_pa(&x->dsm->ep);
	regs.x[3] = page_to_phys(x->v->granule);
	regs.x[4] = data;
	return rmi_call(&x->dsm->rmi, RMI_VDEV_COMMUNICATE, &regs);
}

/* Do what the RMM wants, and what to tell it about that */
static int cca_xchg_serve(struct cca_xchg *x, const struct rmi_comm_exit *exit,
			  struct rmi_comm_enter *enter)
{
	int rc;

	enter->status = RMI_COMM_NONE;
	enter->rsp_len = 0;
	rc = cca_keep(x, exit);
	if (rc)
		return rc;

	if (exit->flags & RMI_COMM_RSP_WAIT) {
		/* A mailbox has no response without a request */
		cca_delay(exit->rsp_timeout_us);
		return 0;
	}
	if (!(exit->flags & RMI_COMM_REQ_SEND))
		return 0;
	/* The root port has no mailbox, and nobody talks to it */
	if (x->p == &x->dsm->rp)
		return -EBADMSG;

	rc = cca_doe(x->dsm, exit);
	if (rc < 0) {
		/* The RMM has to know, and says how it ends */
		x->err = rc;
		enter->status = RMI_COMM_ERROR;
		return 0;
	}
	enter->status = RMI_COMM_RESPONSE;
	enter->rsp_len = rc;
	return 0;
}

/* Until it is complete, or waits for the other end of the stream */
static int cca_xchg_loop(struct cca_xchg *x)
{
	struct cca_comm *comm = &x->dsm->comm;
	struct rmi_comm_enter enter = {
		.status = RMI_COMM_NONE,
		.req_addr = virt_to_phys(comm->req),
		.rsp_addr = virt_to_phys(comm->rsp),
	};
	unsigned long end = jiffies + CCA_COMM_TIMEOUT;
	struct rmi_comm_exit exit;
	int rc;

	x->waits = false;
	for (int i = 0; i < CCA_COMM_MAX; i++) {
		if (rmi_aborted(&x->dsm->rmi))
			return -EINTR;
		if (time_after(jiffies, end))
			return -ETIMEDOUT;
		rmi_encode_comm_enter(comm->data, &enter);
		rc = cca_xchg_call(x);
		if (rc)
			return rc;
		rc = rmi_decode_comm_exit(comm->data, &exit);
		if (rc)
			return rc;
		if (!(exit.flags & RMI_COMM_MORE))
			return 0;
		rc = cca_xchg_serve(x, &exit, &enter);
		if (rc)
			return rc;
		if (exit.flags & RMI_COMM_STREAM_WAIT) {
			x->waits = true;
			return 0;
		}
	}
	return -EBADMSG;
}

static bool *cca_xchg_busy(struct cca_xchg *x)
{
	return x->p ? &x->p->busy : &x->v->busy;
}

static int cca_xchg_check(struct cca_xchg *x)
{
	struct rmi_regs regs = {};
	u64 state;
	int rc;

	if (x->v) {
		rc = cca_vdev_state(x->dsm, x->v, &state);
		return rc ?: state == RMI_VDEV_ERROR ? -EIO : 0;
	}
	regs.x[1] = cca_pdev_pa(x->p);
	rc = rmi_call(&x->dsm->rmi, RMI_PDEV_GET_STATE, &regs);
	return rc ?: regs.x[1] == RMI_PDEV_ERROR ? -EIO : 0;
}

/*
 * After a message that got no answer, or one that the RMM does not like,
 * COMMUNICATE itself may well succeed, with the object in ERROR: that is an error
 * here, and only an abort leads on.
 */
static int cca_xchg_step(struct cca_xchg *x)
{
	int rc;

	*cca_xchg_busy(x) = true;
	rc = cca_xchg_loop(x);
	rc = rc ?: x->err;
	if (rc || x->waits)
		return rc;
	rc = cca_xchg_check(x);
	if (!rc)
		*cca_xchg_busy(x) = false;
	return rc;
}

/**
 * cca_comm_pdev() - Exchange of a physical device
 * @dsm: the device
 * @p: its PDEV, or its root port's
 *
 * Context: DSM lock held.
 * Return: 0, an error of the RMM as of rmi_call(), -ETIMEDOUT or -ENODEV if the
 * device does not answer, -EINTR, -ENOMEM, -EFBIG for too much to keep, or -EBADMSG
 * for what the RMM must not say. After an error @p->busy tells that the exchange
 * has to be aborted.
 */
int cca_comm_pdev(struct cca_dsm *dsm, struct cca_pdev *p)
{
	struct cca_xchg x = { .dsm = dsm, .p = p };
	int rc;

	lockdep_assert_held(&dsm->tsm.lock);

	rc = cca_xchg_step(&x);
	/* There is no stream in the making */
	return rc ?: x.waits ? -EBADMSG : 0;
}

/**
 * cca_comm_stream() - Exchange of both ends of a stream
 * @dsm: the device
 *
 * Either may wait for the other.
 *
 * Context: DSM lock held.
 * Return: as of cca_comm_pdev().
 */
int cca_comm_stream(struct cca_dsm *dsm)
{
	struct cca_xchg ep = { .dsm = dsm, .p = &dsm->ep, .waits = true };
	struct cca_xchg rp = { .dsm = dsm, .p = &dsm->rp, .waits = true };
	int rc = 0;

	lockdep_assert_held(&dsm->tsm.lock);

	dsm->ep.busy = true;
	dsm->rp.busy = true;
	for (int i = 0; i < CCA_STREAM_TURNS && !rc; i++) {
		if (ep.waits)
			rc = cca_xchg_step(&ep);
		if (!rc && rp.waits)
			rc = cca_xchg_step(&rp);
		if (!rc && !ep.waits && !rp.waits)
			return 0;
	}
	return rc ?: -EBADMSG;
}

/**
 * cca_comm_vdev() - Exchange of a virtual device
 * @dsm: the device
 * @v: the VDEV
 *
 * Context: DSM lock held.
 * Return: as of cca_comm_pdev(), with @v->busy.
 */
int cca_comm_vdev(struct cca_dsm *dsm, struct cca_vdev *v)
{
	struct cca_xchg x = { .dsm = dsm, .v = v };
	int rc;

	lockdep_assert_held(&dsm->tsm.lock);

	rc = cca_xchg_step(&x);
	return rc ?: x.waits ? -EBADMSG : 0;
}
