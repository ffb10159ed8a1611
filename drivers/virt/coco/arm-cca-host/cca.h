/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Link TSM of the Arm Confidential Compute Architecture (CCA), above rmi.h:
 *
 * cca-comm.c	exchanges with the device, and what of them is kept
 * cca-key.c	public key of a certificate chain
 * cca-pdev.c	physical devices and streams: connect, disconnect
 * cca-vdev.c	virtual devices: bind, unbind
 * cca-req.c	requests of the realm
 * cca-link.c	operations of the TSM core
 * cca-main.c	module
 */
#ifndef __ARM_CCA_HOST_CCA_H
#define __ARM_CCA_HOST_CCA_H

#include <linux/list.h>
#include <linux/pci.h>
#include <linux/pci-ide.h>
#include <linux/pci-tsm.h>
#include <linux/tsm-vm.h>
#include <linux/types.h>

#include "rmi-assumed.h"

/* No object is longer: what a request of user space can read */
#define CCA_MAX_OBJECT		SZ_2M

/**
 * struct cca_object - Evidence, as the RMM has the host collect it
 * @data: allocated with kvmalloc(), NULL when there is none
 * @len: bytes of it
 * @size: room in @data
 */
struct cca_object {
	u8 *data;
	u32 len;
	u32 size;
};

/**
 * struct cca_pdev - Physical device (PDEV) of the RMM
 * @pdev: endpoint, or root port; NULL when there is none
 * @granule: the PDEV, the RMM's
 * @mem: more memory of it
 * @busy: an exchange is not complete, only an abort ends it
 */
struct cca_pdev {
	struct pci_dev *pdev;
	struct page *granule;
	struct rmi_mem mem;
	bool busy;
};

/**
 * struct cca_comm - What COMMUNICATE is called with
 * @data: struct RmiDevCommData
 * @req: message to the device
 * @rsp: its response
 *
 * A granule each. One for a device: the RMM has one exchange at a time with it.
 */
struct cca_comm {
	void *data;
	void *req;
	void *rsp;
};

/**
 * struct cca_dsm - A device with the session and the stream to it
 * @tsm: what the core knows. Its lock protects everything below
 * @rmi: for whom calls are made
 * @ep: the device
 * @rp: the root port, if there is a stream
 * @comm: granules of exchanges
 * @ide: stream to the device, NULL without
 * @stream: how the RMM knows it
 * @stream_live: the RMM has the stream
 * @stream_moving: it is to be completed, after an exchange of both ends
 * @features: feature register 2 of the RMM
 * @vca: version, capabilities and algorithms
 * @cert: certificate chain
 * @vdevs: struct cca_vdev that the RMM has
 */
struct cca_dsm {
	struct pci_tsm_pf0 tsm;
	struct rmi_ctx rmi;
	struct cca_pdev ep;
	struct cca_pdev rp;
	struct cca_comm comm;
	struct pci_ide *ide;
	u64 stream;
	bool stream_live;
	bool stream_moving;
	u64 features;
	struct cca_object vca;
	struct cca_object cert;
	struct list_head vdevs;
};

/**
 * struct cca_vdev - Virtual device (VDEV) of the RMM: a function that is bound, or
 *		     could not be unbound
 * @base: what the core knows. Of one that could not be unbound, @base.pdev with a
 *	  reference
 * @node: in cca_dsm::vdevs, or in the list of what is lost
 * @vm: what KVM does for the realm, NULL once that is done
 * @rd: realm descriptor
 * @granule: the VDEV, the RMM's
 * @mem: more memory of it
 * @created: the RMM has it
 * @busy: an exchange is not complete, only an abort ends it
 * @mmio_kept: KVM has not unmapped its MMIO, or not got it back from the RMM
 * @meas: measurements
 * @report: device interface report, fixed from LOCK on
 */
struct cca_vdev {
	struct pci_tdi base;
	struct list_head node;
	const struct tsm_vm_provider *vm;
	u64 rd;
	struct page *granule;
	struct rmi_mem mem;
	bool created;
	bool busy;
	bool mmio_kept;
	struct cca_object meas;
	struct cca_object report;
};

static inline struct cca_dsm *to_cca_dsm(struct pci_dev *pdev)
{
	struct pci_tsm *tsm = pdev->tsm->dsm_dev->tsm;

	return container_of(tsm, struct cca_dsm, tsm.base_tsm);
}

static inline struct cca_vdev *to_cca_vdev(struct pci_tdi *tdi)
{
	return container_of(tdi, struct cca_vdev, base);
}

/* Exchanges: cca-comm.c */
int cca_comm_alloc(struct cca_dsm *dsm);
void cca_comm_free(struct cca_dsm *dsm);
int cca_comm_pdev(struct cca_dsm *dsm, struct cca_pdev *p);
int cca_comm_stream(struct cca_dsm *dsm);
int cca_comm_vdev(struct cca_dsm *dsm, struct cca_vdev *v);
void cca_object_clear(struct cca_object *obj);

/* cca-key.c */
int cca_find_key(const u8 *chain, size_t len, struct rmi_public_key *key);

/* cca-pdev.c */
u64 cca_pdev_pa(const struct cca_pdev *p);
int cca_connect(struct pci_dev *pdev);
void cca_disconnect(struct pci_dev *pdev);
void cca_account(struct cca_dsm *dsm);
int cca_key_refresh(struct cca_dsm *dsm, u32 fid);

/* cca-vdev.c */
int cca_vdev_call(struct cca_dsm *dsm, struct cca_vdev *v, u32 fid, u64 arg);
int cca_vdev_run(struct cca_dsm *dsm, struct cca_vdev *v, u32 fid, u64 arg);
int cca_vdev_state(struct cca_dsm *dsm, struct cca_vdev *v, u64 *state);
int cca_vdev_abort(struct cca_dsm *dsm, struct cca_vdev *v);
int cca_vdev_expect(struct cca_dsm *dsm, struct cca_vdev *v, u64 want);
struct pci_tdi *cca_bind(struct pci_dev *pdev, struct pci_tsm_client *client,
			 struct kvm *kvm, u32 tdi_id);
int cca_unbind(struct pci_tdi *tdi);
void cca_held_retry(struct cca_dsm *dsm);
void cca_held_adopt(struct pci_tsm *tsm);

/* cca-req.c */
int cca_guest_req(struct pci_tdi *tdi, struct pci_tsm_req *req);
int cca_measure(struct cca_dsm *dsm, struct cca_vdev *v, const u8 *nonce);

/* cca-link.c */
int cca_host_start(struct device *parent, enum rmi_variant variant);
void cca_host_stop(void);

#endif /* __ARM_CCA_HOST_CCA_H */
