/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TEE device interfaces (TDIs) of SEV-TIO:
 *
 * sev-dev-tdi.c	commands of the PSP, one function each
 * sev-dev-bind.c	what the TSM core asks for, in the order of SEV-TIO
 */
#ifndef __PSP_SEV_TDI_H__
#define __PSP_SEV_TDI_H__

#include <linux/bits.h>
#include <linux/list.h>
#include <linux/pci-tsm.h>
#include <linux/tsm-vm.h>
#include <linux/types.h>

#include "sev-dev-tio.h"

/* Data objects that commands leave in the output buffer */
#define SPDM_DOBJ_ID_CERTIFICATE	4
#define SPDM_DOBJ_ID_MEASUREMENT	5
#define SPDM_DOBJ_ID_REPORT		6

/*
 * struct spdm_dobj_hdr_ev - Head of an evidence object, the data follows
 * @hdr: the length includes this
 * @device_id: requester ID
 * @segment_id: PCIe segment
 * @type: format of the data
 */
struct spdm_dobj_hdr_ev {
	struct spdm_dobj_hdr hdr;
	u8 reserved1[6];
	u16 device_id;
	u8 segment_id;
	u8 type;
	u8 reserved2[12];
} __packed;

/* The data is what SPDM, or TDISP, has */
#define SPDM_DOBJ_TYPE_STANDARD		1

/* State of a TDI as TDISP has it */
enum tio_tdisp_state {
	TIO_TDISP_UNLOCKED = 0,
	TIO_TDISP_LOCKED = 1,
	TIO_TDISP_RUN = 2,
	TIO_TDISP_ERROR = 3,
};

/*
 * struct tio_dev_status - What TIO_DEV_STATUS tells
 * @length: of this structure
 * @ctx_state: of the device context
 * @flags: a command is unfinished, for the device or a TDI
 * @certs_slot: slot of the certificate chain
 * @device_id: requester ID
 * @segment_id: PCIe segment
 * @tc_mask: traffic classes in use
 * @request_pending_command: the unfinished command
 * @request_pending_interface_id: and its TDI
 * @meas_flags: what of the evidence is valid
 * @ide_stream_id: stream of each traffic class
 * @certs_digest: of the certificate chain
 * @meas_digest: of the measurements
 * @tdi_count: TDI contexts of the device
 * @bound_tdi_count: those that are bound
 * @algos: algorithms of the session
 */
struct tio_dev_status {
	u32 length;
	u8 ctx_state;
	u8 reserved1;
	u8 flags;
	u8 certs_slot;
	u16 device_id;
	u8 segment_id;
	u8 tc_mask;
	u16 request_pending_command;
	u16 reserved2;
	u8 request_pending_interface_id[12];
	u32 meas_flags;
	u8 ide_stream_id[8];
	u8 reserved3[8];
	u8 certs_digest[48];
	u8 meas_digest[48];
	u32 tdi_count;
	u32 bound_tdi_count;
	u8 algos[8];
} __packed;

/*
 * struct tio_tdi_info - What TIO_TDI_INFO tells
 * @length: of this structure
 * @interface_id: of the TDI
 * @meas_flags: TIO_TDI_INFO_STATUS, and what of the evidence is valid
 * @lock_flags: those of LOCK_INTERFACE
 * @algos: algorithms of the session
 * @certs_digest: of the certificate chain
 * @meas_digest: of the measurements
 * @report_digest: of the interface report
 * @report_counter: changes with the report
 * @asid: of the guest that the TDI is bound to
 */
struct tio_tdi_info {
	u32 length;
	u8 interface_id[12];
	u32 meas_flags;
	u32 lock_flags;
	u64 algos;
	u8 certs_digest[48];
	u8 meas_digest[48];
	u8 report_digest[48];
	u64 report_counter;
	u32 asid;
} __packed;

#define TIO_TDI_INFO_STATUS	GENMASK(3, 2)	/* of meas_flags */

/* ASID fence, why something of a guest does not get through the root complex */
#define TIO_FENCE_DMA		GENMASK_ULL(1, 0)
#define TIO_FENCE_MMIO		GENMASK_ULL(3, 2)

/**
 * struct tio_tdi - A TDI as the PSP knows it
 * @pdev: the function
 * @ctx: context buffer, the PSP's from create until reclaim. Null before
 * @gctx_paddr: context page of the guest
 * @asid: of the guest
 */
struct tio_tdi {
	struct pci_dev *pdev;
	struct sla_addr_t ctx;
	u64 gctx_paddr;
	u32 asid;
};

/*
 * sev-dev-tdi.c. With the DSM lock held. 0, -EIO with the PSP's status in
 * dsm->data.psp_ret, -EINTR if dsm->client gives up, or another error that has
 * nothing to do with the PSP.
 */
int tio_tdi_create(struct tio_dsm *dsm, struct tio_tdi *tdi, u32 function_id);
int tio_tdi_reclaim(struct tio_dsm *dsm, struct tio_tdi *tdi);
int tio_tdi_bind(struct tio_dsm *dsm, struct tio_tdi *tdi, u16 guest_id,
		 bool run);
int tio_tdi_unbind(struct tio_dsm *dsm, struct tio_tdi *tdi, bool force);
int tio_tdi_report(struct tio_dsm *dsm, struct tio_tdi *tdi);
int tio_tdi_status(struct tio_dsm *dsm, struct tio_tdi *tdi, u8 *state);
int tio_tdi_info(struct tio_dsm *dsm, struct tio_tdi *tdi,
		 struct tio_tdi_info *info);
int tio_guest_request(struct tio_dsm *dsm, struct tio_tdi *tdi, void *req,
		      void *resp);
int tio_fence_status(struct tio_dsm *dsm, u32 asid, u64 *status);
int tio_fence_clear(struct tio_dsm *dsm, u64 gctx_paddr);
int tio_dev_status(struct tio_dsm *dsm, struct tio_dev_status *status);
int tio_dev_measurements(struct tio_dsm *dsm, const u8 *nonce);
int tio_dev_certificates(struct tio_dsm *dsm);
int tio_read_output(struct tio_dsm *dsm, u32 id, void **data, u32 *len);
int tio_tdi_cmd_buffer_len(int cmd);
/* For the trace: before a command, 0 unless somebody traces, and after it */
u64 tio_trace_start(void);
void tio_trace_dev(struct tio_dsm *dsm, int cmd, int rc, u64 start);

/* sev-dev-bind.c, link operations of the TSM core */
struct pci_tsm *tio_sub_probe(struct pci_dev *pdev, struct tsm_dev *tsmdev);
void tio_sub_remove(struct pci_tsm *tsm);
struct pci_tdi *tio_bind(struct pci_dev *pdev, struct pci_tsm_client *client,
			 struct kvm *kvm, u32 tdi_id);
int tio_unbind(struct pci_tdi *tdi);
int tio_guest_req(struct pci_tdi *tdi, struct pci_tsm_req *req);
void tio_held_retry(struct tio_dsm *dsm);
void tio_held_adopt(struct pci_dev *pdev);
void tio_evidence_free(struct tio_dsm *dsm);

#endif /* __PSP_SEV_TDI_H__ */
