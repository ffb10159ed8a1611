// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stub TSM: link TSMs and owners of bindings that say what they are told to, and
 * exchange nothing with a device. What the soft TSM cannot do, since it is a
 * proper TSM driver, or since iommufd is a proper owner: leave operations out,
 * fail at will, and take their time right where a race is decided. Driven by
 * debugfs, see README. It takes the test device only, and taints the kernel.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt
#define dev_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/atomic.h>
#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/device/faux.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/pci-tsm.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/tsm.h>
#include <linux/uaccess.h>

#include "soft-tsm.h"
#include "stub-tsm.h"
#include "tdisp-testdev.h"

/**
 * struct stub_fn - Context of a function
 * @pf0: what the core knows; of a function that another one manages, only
 *	 @pf0.base_tsm
 */
struct stub_fn {
	struct pci_tsm_pf0 pf0;
};

static struct faux_device *stub_faux[STUB_NR_TSMS];
static struct tsm_dev *stub_tsm_dev[STUB_NR_TSMS];
static struct dentry *stub_debugfs;
/* Commands that register and unregister; others may wait for a device */
static DEFINE_MUTEX(stub_tsm_lock);

/* STUB_* of operations that wait until their bit is cleared, and that fail */
static u32 stub_stall;
static u32 stub_fail;
/* Operations that wait just now, bindings lost, errors heard of */
static atomic_t stub_stalled;
static atomic_t stub_lost;
static atomic_t stub_errors;

static void stub_wait(u32 op)
{
	atomic_inc(&stub_stalled);
	while (READ_ONCE(stub_stall) & op)
		msleep(20);
	atomic_dec(&stub_stalled);
}

static bool stub_fails(u32 op)
{
	stub_wait(op);
	return READ_ONCE(stub_fail) & op;
}

static const struct pci_device_id stub_ids[] = {
	{ PCI_DEVICE(TDISP_TESTDEV_VENDOR, TDISP_TESTDEV_DEVICE) },
	{}
};

static struct pci_tsm *stub_probe(struct tsm_dev *tsm_dev, struct pci_dev *pdev)
{
	bool is_pf0 = is_pci_tsm_pf0(pdev);

	if (!pci_match_id(stub_ids, pdev))
		return NULL;
	if (stub_fails(is_pf0 ? STUB_PROBE : STUB_PROBE_FN))
		return NULL;

	struct stub_fn *fn __free(kfree) = kzalloc_obj(*fn);
	if (!fn)
		return NULL;
	if (is_pf0 ? pci_tsm_pf0_constructor(pdev, &fn->pf0, tsm_dev) :
		     pci_tsm_link_constructor(pdev, &fn->pf0.base_tsm, tsm_dev))
		return NULL;
	/* The core has to look what it gets */
	if (!is_pf0 && READ_ONCE(stub_fail) & STUB_WRONG_DSM)
		fn->pf0.base_tsm.dsm_dev = pdev;
	return &no_free_ptr(fn)->pf0.base_tsm;
}

static void stub_remove(struct pci_tsm *tsm)
{
	struct stub_fn *fn = container_of(tsm, struct stub_fn, pf0.base_tsm);

	if (is_pci_tsm_pf0(tsm->pdev))
		pci_tsm_pf0_destructor(&fn->pf0);
	kfree(fn);
}

static int stub_connect(struct pci_dev *pdev)
{
	return stub_fails(STUB_CONNECT) ? -EIO : 0;
}

static void stub_disconnect(struct pci_dev *pdev)
{
	stub_wait(STUB_DISCONNECT);
}

static struct pci_tdi *stub_bind(struct pci_dev *pdev,
				 struct pci_tsm_client *client, struct kvm *kvm,
				 u32 tdi_id)
{
	struct pci_tdi *tdi;
	bool fails = stub_fails(STUB_BIND);

	if (pci_tsm_client_aborted(client))
		return ERR_PTR(-EINTR);
	if (fails)
		return ERR_PTR(-EIO);

	tdi = kzalloc_obj(*tdi);
	if (!tdi)
		return ERR_PTR(-ENOMEM);
	pci_tsm_tdi_constructor(pdev, tdi, client, kvm, tdi_id);
	return tdi;
}

static int stub_unbind(struct pci_tdi *tdi)
{
	bool fails = stub_fails(STUB_UNBIND);

	kfree(tdi);
	return fails ? -EBUSY : 0;
}

/* Does not look before the end of its stall, as if a message took so long */
static int stub_guest_req(struct pci_tdi *tdi, struct pci_tsm_req *req)
{
	bool fails = stub_fails(STUB_REQ);

	if (pci_tsm_client_aborted(tdi->client))
		return -EINTR;
	if (fails)
		return -EIO;

	switch (req->op) {
	case STUB_OP_DMA_ON:
		return pci_tsm_trusted_dma(tdi, true);
	case STUB_OP_DMA_OFF:
		return pci_tsm_trusted_dma(tdi, false);
	case STUB_OP_REVOKE_MMIO:
		pci_tsm_revoke_mmio(tdi);
		return 0;
	case STUB_OP_TDI_ERROR:
		pci_tsm_tdi_error(tdi);
		return 0;
	default:
		return 0;
	}
}

static struct pci_tsm *stub_lock(struct tsm_dev *tsm_dev, struct pci_dev *pdev)
{
	return NULL;
}

static void stub_unlock(struct pci_tsm *tsm)
{
}

#define STUB_LINK				\
	.probe = stub_probe,			\
	.remove = stub_remove,			\
	.connect = stub_connect,		\
	.disconnect = stub_disconnect,		\
	.tvm_arch = SOFT_TSM_TVM_ARCH

#define STUB_DEVSEC				\
	.lock = stub_lock,			\
	.unlock = stub_unlock

/* As "register" names them */
static struct stub_kind {
	const char *name;
	struct pci_tsm_ops ops;
} stub_kinds[] = {
	{ "link", { STUB_LINK, .bind = stub_bind, .unbind = stub_unbind,
		    .guest_req = stub_guest_req } },
	{ "no-req", { STUB_LINK, .bind = stub_bind, .unbind = stub_unbind } },
	{ "no-bind", { STUB_LINK } },
	{ "no-unbind", { STUB_LINK, .bind = stub_bind } },
	{ "devsec", { STUB_DEVSEC } },
	{ "both", { STUB_LINK, STUB_DEVSEC } },
	{ "none", {} },
};

/* An owner that refuses what it can refuse */
static int stub_prepare(struct pci_tsm_client *client)
{
	return READ_ONCE(stub_fail) & STUB_PREPARE ? -EPERM : 0;
}

static void stub_revoke_mmio(struct pci_tsm_client *client)
{
}

static int stub_trusted_dma(struct pci_tsm_client *client, bool on)
{
	return on ? -EACCES : 0;
}

static void stub_tdi_error(struct pci_tsm_client *client)
{
	atomic_inc(&stub_errors);
}

static void stub_client_lost(struct pci_tsm_client *client,
			     enum pci_tsm_lost_reason reason)
{
	atomic_inc(&stub_lost);
}

static const struct pci_tsm_client_ops stub_client_ops = {
	.prepare = stub_prepare,
	.revoke_mmio = stub_revoke_mmio,
	.trusted_dma = stub_trusted_dma,
	.tdi_error = stub_tdi_error,
	.lost = stub_client_lost,
};

/* All but @lost is optional */
static const struct pci_tsm_client_ops stub_least_ops = {
	.lost = stub_client_lost,
};

static struct pci_tsm_client stub_clients[] = {
	{ .ops = &stub_client_ops },
	{ .ops = &stub_least_ops },
};

static int stub_register(int slot, const char *name)
{
	struct pci_tsm_ops *ops = NULL;
	struct tsm_dev *tsm_dev;

	for (int i = 0; i < ARRAY_SIZE(stub_kinds); i++)
		if (!strcmp(name, stub_kinds[i].name))
			ops = &stub_kinds[i].ops;
	/* A TSM that has nothing to do with PCI is one, too */
	if (!ops && strcmp(name, "bare"))
		return -EINVAL;

	guard(mutex)(&stub_tsm_lock);
	if (stub_tsm_dev[slot])
		return -EEXIST;
	tsm_dev = tsm_register(&stub_faux[slot]->dev, ops);
	if (IS_ERR(tsm_dev))
		return PTR_ERR(tsm_dev);
	stub_tsm_dev[slot] = tsm_dev;
	return 0;
}

static int stub_unregister(int slot)
{
	guard(mutex)(&stub_tsm_lock);
	if (!stub_tsm_dev[slot])
		return -ENOENT;
	tsm_unregister(stub_tsm_dev[slot]);
	stub_tsm_dev[slot] = NULL;
	return 0;
}

static int stub_req(struct pci_tsm_client *client, u32 op, u32 tvm_arch)
{
	struct pci_tsm_req req = { .op = op, .tvm_arch = tvm_arch };

	return pci_tsm_guest_req(client, &req);
}

static int stub_construct(struct pci_dev *pdev, struct tsm_dev *tsm_dev)
{
	struct pci_tsm tsm = {};

	return pci_tsm_link_constructor(pdev, &tsm, tsm_dev);
}

/* As if the device had, or had not, said so in its Device Capabilities */
static int stub_tee(struct pci_dev *pdev, bool on)
{
	if (on)
		pdev->devcap |= PCI_EXP_DEVCAP_TEE;
	else
		pdev->devcap &= ~PCI_EXP_DEVCAP_TEE;
	return 0;
}

static int stub_fn_command(const char *cmd, struct pci_dev *pdev, long arg)
{
	if (!strcmp(cmd, "construct"))
		return stub_construct(pdev, stub_tsm_dev[0]);
	if (!strcmp(cmd, "tee"))
		return stub_tee(pdev, arg);
	if (!strcmp(cmd, "hold")) {
		pci_tsm_hold_memory(pdev, arg);
		return 0;
	}
	if (!strcmp(cmd, "release")) {
		pci_tsm_quarantine_release(pdev);
		return 0;
	}
	if (arg < 0 || arg >= ARRAY_SIZE(stub_clients))
		return -EINVAL;
	/* The core does not look into a VM, nor does this TSM */
	if (!strcmp(cmd, "bind"))
		return pci_tsm_bind(pdev, &stub_clients[arg],
				    (struct kvm *)stub_clients, 0);
	if (!strcmp(cmd, "bind-no-vm"))
		return pci_tsm_bind(pdev, &stub_clients[arg], NULL, 0);
	return -EINVAL;
}

/* Without a function: the number is a TSM, or an owner */
static int stub_command(const char *cmd, long nr, const char *arg)
{
	u32 op = 0;

	if (nr < 0 || nr >= STUB_NR_TSMS || nr >= ARRAY_SIZE(stub_clients))
		return -EINVAL;
	if (!strcmp(cmd, "register"))
		return stub_register(nr, arg);
	if (!strcmp(cmd, "unregister"))
		return stub_unregister(nr);
	if (!strcmp(cmd, "unbind"))
		return pci_tsm_unbind(&stub_clients[nr]);
	if (!strcmp(cmd, "req"))
		return kstrtou32(arg, 0, &op) ?:
		       stub_req(&stub_clients[nr], op, SOFT_TSM_TVM_ARCH);
	return -EINVAL;
}

/* COMMAND NUMBER [ARGUMENT], or COMMAND FUNCTION NUMBER */
static int stub_parse(char *line)
{
	unsigned int domain, bus, slot, func;
	char cmd[16], arg[24] = "";
	long nr = 0;

	if (sscanf(line, "%15s %x:%x:%x.%x %ld", cmd, &domain, &bus, &slot,
		   &func, &nr) >= 5) {
		struct pci_dev *pdev __free(pci_dev_put) =
			pci_get_domain_bus_and_slot(domain, bus,
						    PCI_DEVFN(slot, func));

		if (!pdev || !pci_match_id(stub_ids, pdev))
			return -ENODEV;
		return stub_fn_command(cmd, pdev, nr);
	}
	if (sscanf(line, "%15s %ld %23s", cmd, &nr, arg) < 2)
		return -EINVAL;
	return stub_command(cmd, nr, arg);
}

static ssize_t stub_write(struct file *file, const char __user *ubuf,
			  size_t count, loff_t *ppos)
{
	char line[64] = {};
	int rc;

	if (*ppos || count >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, ubuf, count))
		return -EFAULT;
	rc = stub_parse(line);
	return rc ?: count;
}

static const struct file_operations stub_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = stub_write,
};

static void stub_end(void)
{
	debugfs_remove(stub_debugfs);
	for (int i = 0; i < STUB_NR_TSMS; i++) {
		if (stub_tsm_dev[i])
			tsm_unregister(stub_tsm_dev[i]);
		if (stub_faux[i])
			faux_device_destroy(stub_faux[i]);
	}
}

static int __init stub_init(void)
{
	pr_warn("test module: protects nothing and nobody\n");

	for (int i = 0; i < STUB_NR_TSMS; i++) {
		char name[16];

		snprintf(name, sizeof(name), KBUILD_MODNAME "%d", i);
		stub_faux[i] = faux_device_create(name, NULL, NULL);
		if (!stub_faux[i]) {
			stub_end();
			return -ENODEV;
		}
	}

	stub_debugfs = debugfs_create_dir(KBUILD_MODNAME, NULL);
	debugfs_create_u32("stall", 0600, stub_debugfs, &stub_stall);
	debugfs_create_u32("fail", 0600, stub_debugfs, &stub_fail);
	debugfs_create_atomic_t("stalled", 0400, stub_debugfs, &stub_stalled);
	debugfs_create_atomic_t("lost", 0600, stub_debugfs, &stub_lost);
	debugfs_create_atomic_t("errors", 0600, stub_debugfs, &stub_errors);
	debugfs_create_file("command", 0200, stub_debugfs, NULL, &stub_fops);
	return 0;
}
module_init(stub_init);

static void __exit stub_exit(void)
{
	stub_end();
}
module_exit(stub_exit);

/* The loader taints the kernel with TAINT_TEST */
MODULE_INFO(test, "Y");
MODULE_DESCRIPTION("Link TSMs that do what tests of the TSM core want");
MODULE_LICENSE("GPL");
