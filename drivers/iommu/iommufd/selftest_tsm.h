/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mock TSM of a mock device, see selftest_tsm.c
 */
#ifndef __IOMMUFD_SELFTEST_TSM_H
#define __IOMMUFD_SELFTEST_TSM_H

#include <linux/mutex.h>
#include <linux/pci-tsm.h>

#include "iommufd_test.h"

struct iommufd_ucmd;

/*
 * What struct pci_tsm, its DSM and the TSM driver are to a PCI function. The
 * counters, @tdi_state and @tdi_id are there for tests to look at: written with
 * @lock held, read without.
 */
struct mock_tsm {
	/* Stands for pci_tsm_pf0::lock, the lock of the DSM, in the lock order */
	struct mutex lock;
	struct pci_tdi *tdi;
	/* A TDI that was unbound and not let go of, quarantine of the device */
	struct pci_tdi *held;
	/* An owner of bindings that iommufd does not know of */
	struct pci_tsm_client other;

	/* MOCK_TSM_CTL_* */
	bool connected;
	bool can_bind;
	bool can_req;
	bool hold;
	bool unfit;
	u32 tvm_arch;
	u32 delay_ms;
	u32 linger_ms;
	int next_bind_error;
	struct {
		bool armed;
		int error;
		u32 resp_len;
		u64 tsm_code;
	} next_req;

	/* What the driver of the device was told, see mock_driver_ops */
	bool prepared;
	bool revoked;

	u8 nonce[MOCK_TSM_NONCE_SIZE];

	u32 tdi_state;
	u32 tdi_id;
	u32 nr_binds;
	u32 nr_unbinds;
	u32 nr_reqs;
	u32 nr_exchanges;
	atomic_t nr_callers;
};

struct mock_tsm *mock_dev_tsm(struct device *dev);

void mock_tsm_init(struct mock_tsm *mock);
void mock_tsm_destroy(struct mock_tsm *mock);
int iommufd_test_tsm(struct iommufd_ucmd *ucmd);

#endif
