/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TDX Connect, layers lowest first:
 *
 * arch/x86/virt/vmx/tdx/connect.c	calls of the TDX module: registers
 * pages.c				pages that the module owns for a while
 * exchange.c				a call that talks to the device; errno
 * link.c				session and IDE stream of a device
 * tdi.c				TEE device interfaces
 * connect.c				module, and what the TSM core asks for
 */
#ifndef _TDX_CONNECT_H
#define _TDX_CONNECT_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci-ide.h>
#include <linux/pci-tsm.h>
#include <linux/tsm.h>
#include <linux/types.h>

#include <asm/tdx_connect.h>

/**
 * struct tdx_pages - Pages for the TDX module
 * @nr: entries of @page, 0 when there are none
 * @page: the pages
 * @list: for their addresses, when they go to the module and when they come back
 * @given: the module may own them
 */
struct tdx_pages {
	unsigned int nr;
	struct page **page;
	struct page *list;
	bool given;
};

int tdx_pages_alloc(struct tdx_pages *pages, unsigned int nr);
u64 tdx_pages_give(struct tdx_pages *pages);
void tdx_pages_not_given(struct tdx_pages *pages);
u64 tdx_pages_release_list(struct tdx_pages *pages);
int tdx_pages_take_back(struct tdx_pages *pages);
size_t tdx_pages_free(struct tdx_pages *pages);

/**
 * struct tdx_info - What the module reports, fixed as long as it runs
 * @ide_mt_pages: it wants for a stream
 * @spdm_mt_pages: it wants for a session
 * @devinfo_pages: device information takes at most
 */
struct tdx_info {
	unsigned int ide_mt_pages;
	unsigned int spdm_mt_pages;
	unsigned int devinfo_pages;
};

/**
 * struct tdx_blob - Evidence
 * @data: allocated with kvmalloc(), NULL when there is none
 * @len: bytes of @data
 */
struct tdx_blob {
	u8 *data;
	u32 len;
};

/**
 * struct tdx_dsm - A device with its session and stream
 * @pf0: what the core knows. Its lock protects everything below
 * @info: what the module wants
 * @client: owner who can end the exchanges under way, NULL if nobody can
 * @killable: a fatal signal ends the exchanges under way
 * @status: of the last call, as the module said it
 * @req: page for messages to the device, and for the configuration of a session
 * @resp: page for its responses
 * @spdm_mt: pages of the session, the module's while @spdm
 * @spdm: there is a session object, @spdm_id
 * @session: the session may be open
 * @spdm_id: how the module calls it
 * @devinfo: device information, as the module put it out
 * @ide: what the core knows of the stream, NULL without
 * @ide_mt: pages of the stream, the module's while @stream
 * @stream: there is a stream object, @stream_id
 * @keys: a key may have been programmed
 * @blocked: the stream lets nothing through any more
 * @stream_id: how the module, and PCIe, call it
 * @tdis: struct tdx_tdi: bound, or not let go of by the module
 */
struct tdx_dsm {
	struct pci_tsm_pf0 pf0;
	const struct tdx_info *info;
	struct pci_tsm_client *client;
	bool killable;
	u64 status;
	void *req;
	void *resp;
	struct tdx_pages spdm_mt;
	bool spdm;
	bool session;
	u64 spdm_id;
	struct tdx_blob devinfo;
	struct pci_ide *ide;
	struct tdx_pages ide_mt;
	bool stream;
	bool keys;
	bool blocked;
	u64 stream_id;
	struct list_head tdis;
};

static inline struct tdx_dsm *to_tdx_dsm(struct pci_dev *pdev)
{
	struct pci_tsm *tsm = pdev->tsm->dsm_dev->tsm;

	return container_of(tsm, struct tdx_dsm, pf0.base_tsm);
}

/*
 * A call of the module, issued as often as it takes. @arg is the caller's. *@out
 * is what the module returns beside the status: for TDX_SPDM_REQUEST the length
 * of the message.
 */
typedef u64 (*tdx_leaf_fn)(struct tdx_dsm *dsm, const void *arg, u64 *out);

int tdx_leaf(struct tdx_dsm *dsm, struct pci_dev *pdev, const char *name,
	     tdx_leaf_fn leaf, const void *arg, u64 *out);
u64 tdx_call_once(tdx_leaf_fn leaf, struct tdx_dsm *dsm, const void *arg,
		  u64 *out);

/* Evidence in pages of the host that the module has filled */
void tdx_blob_clear(struct tdx_blob *blob);
int tdx_blob_read(struct tdx_blob *blob, const struct tdx_pages *pages,
		  u64 len);

u32 tdx_func_id(struct pci_dev *pdev);
int tdx_stream_block(struct tdx_dsm *dsm);
int tdx_connect(struct pci_dev *pdev);
void tdx_disconnect(struct pci_dev *pdev);

/* tdi.c, link operations of the TSM core */
struct pci_tdi *tdx_bind(struct pci_dev *pdev, struct pci_tsm_client *client,
			 struct kvm *kvm, u32 tdi_id);
int tdx_unbind(struct pci_tdi *base);
int tdx_guest_req(struct pci_tdi *base, struct pci_tsm_req *req);
void tdx_held_retry(struct tdx_dsm *dsm);
void tdx_held_adopt(struct pci_tsm *tsm);
void tdx_print_not_found(struct device *dev);

#endif /* _TDX_CONNECT_H */
