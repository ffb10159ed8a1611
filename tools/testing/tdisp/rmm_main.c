// SPDX-License-Identifier: GPL-2.0-only
/*
 * An RMM in software, below the driver of the real one: module, realms, faults,
 * and what tests get to see of it. It protects nothing, the session with the
 * device has no cipher.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/cleanup.h>
#include <linux/debugfs.h>
#include <linux/device/faux.h>
#include <linux/err.h>
#include <linux/gfp.h>
#include <linux/ktime.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/tsm-vm.h>
#include <linux/uaccess.h>
#include <trace/events/tsm.h>

#include "fw_vm.h"
#include "rmm_model.h"
#include "../../../drivers/virt/coco/arm-cca-host/cca.h"

uint rmm_variant = RMM_2_0_BET1;
module_param_named(variant, rmm_variant, uint, 0444);
MODULE_PARM_DESC(variant, "0 for 1.1, 1 for 2.0-bet0, 2 for 2.0-bet1");

uint rmm_sro_steps = 1;
module_param_named(sro_steps, rmm_sro_steps, uint, 0644);
MODULE_PARM_DESC(sro_steps, "Steps of an operation that do nothing");

uint rmm_donate = 2;
module_param_named(donate, rmm_donate, uint, 0644);
MODULE_PARM_DESC(donate, "Granules that an object wants");

uint rmm_reclaim_max = 1;
module_param_named(reclaim_max, rmm_reclaim_max, uint, 0644);
MODULE_PARM_DESC(reclaim_max, "Granules that a call gives back, 0 for all");

uint rmm_range_max = 3;
module_param_named(range_max, rmm_range_max, uint, 0644);
MODULE_PARM_DESC(range_max, "Granules that a call for a range gets to, 0 for all");

uint rmm_comm_style;
module_param_named(comm_style, rmm_comm_style, uint, 0644);
MODULE_PARM_DESC(comm_style, "1 to cache alone, 2 to wait, 4 for MULTI");

int rmm_endless = -1;
module_param_named(endless, rmm_endless, int, 0644);
MODULE_PARM_DESC(endless, "An object that has no end, 0 to 3, -1 for none");

bool rmm_krou;
module_param_named(krou, rmm_krou, bool, 0644);
MODULE_PARM_DESC(krou, "An unlock wants new keys for the stream");

bool rmm_da = true;
module_param_named(da, rmm_da, bool, 0644);
MODULE_PARM_DESC(da, "There are devices for realms");

bool rmm_no_st;
module_param_named(no_st, rmm_no_st, bool, 0644);
MODULE_PARM_DESC(no_st, "No stream table for the device");

/**
 * struct rmm_realm - A realm
 * @node: in rmm_realms
 * @kvm: the VM, only compared
 * @rd: its descriptor
 */
struct rmm_realm {
	struct list_head node;
	struct kvm *kvm;
	struct page *rd;
};

/**
 * struct rmm_kvm_map - MMIO that KVM has mapped
 * @node: in rmm_kvm_maps
 * @kvm: of the realm
 * @vdev: of whom
 * @gpa: where
 * @pa: what
 * @size: how much
 */
struct rmm_kvm_map {
	struct list_head node;
	struct kvm *kvm;
	u64 vdev, gpa, pa, size;
};

static LIST_HEAD(rmm_realms);
static LIST_HEAD(rmm_kvm_maps);
/* For the list of what KVM has mapped; RMI calls are made with it held */
static DEFINE_MUTEX(rmm_kvm_lock);

static struct faux_device *rmm_faux;
static struct dentry *rmm_debugfs;
static void *rmm_raw_page;

/* The driver under test calls this in the place of an SMC */
void rmi_smc(struct rmi_regs *regs)
{
	rmm_call(regs->x);
}

bool rmi_may_assume(void)
{
	return true;
}

bool rmm_is_realm(u64 rd)
{
	return rmm_gran_state(rd) == G_RD;
}

static struct rmm_realm *rmm_find_realm(struct kvm *kvm)
{
	struct rmm_realm *realm;

	lockdep_assert_held(&fw_lock);

	list_for_each_entry(realm, &rmm_realms, node)
		if (realm->kvm == kvm)
			return realm;
	return NULL;
}

/* A VM is of a kind that exists anywhere, and a realm when it is bound */
static int rmm_vm_get_handle(struct kvm *kvm, struct tsm_vm_handle *handle)
{
	struct rmm_realm *realm;
	int rc;

	guard(mutex)(&fw_lock);
	realm = rmm_find_realm(kvm);
	if (!realm) {
		realm = kzalloc_obj(*realm);
		if (!realm)
			return -ENOMEM;
		realm->rd = alloc_page(GFP_KERNEL | __GFP_ZERO);
		rc = realm->rd ? rmm_gran_add(page_to_phys(realm->rd), G_RD) :
				 -ENOMEM;
		if (rc) {
			if (realm->rd)
				__free_page(realm->rd);
			kfree(realm);
			return rc;
		}
		realm->kvm = kvm;
		list_add(&realm->node, &rmm_realms);
	}
	handle->cca.rd_paddr = page_to_phys(realm->rd);
	return 0;
}

/* The function whose MMIO it is, for the trace; with a reference, or NULL */
static struct pci_dev *rmm_kvm_function(u64 vdev_pa)
{
	struct rmm_vdev *vdev;

	guard(mutex)(&fw_lock);
	list_for_each_entry(vdev, &rmm_vdevs, node) {
		u32 domain = vdev->pdev->routing_id >> 16;

		if (vdev->pa == vdev_pa)
			return pci_get_domain_bus_and_slot(domain,
							   PCI_BUS_NUM(vdev->tdi_id),
							   vdev->tdi_id & 0xff);
	}
	return NULL;
}

static struct rmi_ctx rmm_kvm_ctx(struct pci_dev *pdev)
{
	return (struct rmi_ctx) { .dev = pdev ? &pdev->dev : &rmm_faux->dev };
}

/* One call that moves on from @x's @at'th argument, as far as it says */
static int rmm_kvm_range(struct rmi_ctx *ctx, const char *name, u64 *x, int at,
			 u64 top, int pa_at)
{
	u64 args[18];

	while (x[at] < top) {
		u64 start = trace_tsm_fw_call_enabled() ? ktime_get_ns() : 0;

		memcpy(args, x, sizeof(args));
		rmm_call(args);
		trace_tsm_fw_call(ctx->dev, name, args[0] ? -EIO : 0,
				  args[0] & 0xff, start);
		if (args[0])
			return -EIO;
		if (pa_at)
			x[pa_at] += args[1] - x[at];
		x[at] = args[1];
	}
	return 0;
}

static int rmm_kvm_rtt_unmap(struct rmi_ctx *ctx, u64 rd, u64 gpa, u64 top)
{
	u64 x[18] = { RMM_FID(RMM_RTT_DEV_UNMAP), rd, gpa, top };

	return rmm_kvm_range(ctx, "RMI_RTT_DEV_UNMAP", x, 2, top, 0);
}

/* All of it, or nothing unless that is refused, too: -EUCLEAN */
static int rmm_kvm_rtt_map(struct rmi_ctx *ctx, u64 rd,
			   const struct rmm_kvm_map *map)
{
	u64 top = map->gpa + map->size;
	u64 x[18] = { RMM_FID(RMM_RTT_DEV_MAP), rd, map->vdev, map->gpa, top,
		      0, map->pa };
	int rc;

	rc = rmm_kvm_range(ctx, "RMI_RTT_DEV_MAP", x, 3, top, 6);
	if (rc && x[3] != map->gpa &&
	    rmm_kvm_rtt_unmap(ctx, rd, map->gpa, x[3]))
		return -EUCLEAN;
	return rc;
}

/* What KVM would do, with the driver's own loop for granules */
static int rmm_vm_map_mmio(struct kvm *kvm, u64 vdev, u64 gpa, u64 size, u64 pa)
{
	struct pci_dev *pdev __free(pci_dev_put) = rmm_kvm_function(vdev);
	struct rmi_ctx ctx = rmm_kvm_ctx(pdev);
	struct tsm_vm_handle handle;
	struct rmm_kvm_map *map;
	int rc;

	rc = rmm_vm_get_handle(kvm, &handle);
	if (rc)
		return rc;

	guard(mutex)(&rmm_kvm_lock);
	list_for_each_entry(map, &rmm_kvm_maps, node)
		if (map->kvm == kvm && gpa < map->gpa + map->size &&
		    map->gpa < gpa + size)
			return -EEXIST;
	map = kzalloc_obj(*map);
	if (!map)
		return -ENOMEM;
	map->kvm = kvm;
	map->vdev = vdev;
	map->gpa = gpa;
	map->pa = pa;
	map->size = size;

	rc = rmi_delegate_range(&ctx, pa, pa + size);
	if (rc) {
		kfree(map);
		return rc;
	}
	rc = rmm_kvm_rtt_map(&ctx, handle.cca.rd_paddr, map);
	if (rc) {
		rmi_undelegate_range(&ctx, pa, pa + size);
		kfree(map);
		return rc;
	}
	list_add(&map->node, &rmm_kvm_maps);
	return 0;
}

static int rmm_kvm_unmap_one(u64 rd, const struct rmm_kvm_map *map)
{
	struct pci_dev *pdev __free(pci_dev_put) = rmm_kvm_function(map->vdev);
	struct rmi_ctx ctx = rmm_kvm_ctx(pdev);
	int rc;

	rc = rmm_kvm_rtt_unmap(&ctx, rd, map->gpa, map->gpa + map->size);
	return rc ?: rmi_undelegate_range(&ctx, map->pa, map->pa + map->size);
}

static int rmm_kvm_unmap(struct kvm *kvm, u64 gpa, u64 size)
{
	struct rmm_kvm_map *map, *next;
	struct tsm_vm_handle handle;
	u64 injected, pa;
	int rc;

	rc = rmm_vm_get_handle(kvm, &handle);
	if (rc)
		return rc;
	scoped_guard(mutex, &fw_lock)
		injected = fw_injected(RMM_KVM_UNMAP);
	if (injected)
		return -EIO;

	guard(mutex)(&rmm_kvm_lock);
	list_for_each_entry_safe(map, next, &rmm_kvm_maps, node) {
		if (map->kvm != kvm || map->gpa < gpa ||
		    map->gpa + map->size - gpa > size)
			continue;
		/* Of another device, which is not revoked */
		if (!fw_vm_find_mmio(kvm, map->gpa, map->size, &pa))
			continue;
		rc = rmm_kvm_unmap_one(handle.cca.rd_paddr, map);
		if (rc)
			return rc;
		list_del(&map->node);
		kfree(map);
	}
	return 0;
}

static int rmm_vm_unmap_mmio(struct kvm *kvm, u64 gpa, u64 size)
{
	int rc;

	rc = rmm_kvm_unmap(kvm, gpa, size);
	return rc ?: fw_vm_unmap_mmio(kvm, gpa, size);
}

static struct tsm_vm_provider rmm_vm_provider = {
	.type = TSM_VM_CCA,
	.owner = THIS_MODULE,
	.validate = fw_vm_validate,
	.get_handle = rmm_vm_get_handle,
	.find_mmio = fw_vm_find_mmio,
	.map_mmio = rmm_vm_map_mmio,
	.unmap_mmio = rmm_vm_unmap_mmio,
};

static u32 rmm_list_len(struct list_head *head)
{
	struct list_head *node;
	u32 nr = 0;

	list_for_each(node, head)
		nr++;
	return nr;
}

static int rmm_state_show(struct seq_file *s, void *unused)
{
	guard(mutex)(&fw_lock);
	rmm_gran_verify("state");
	fw_log_counters(s);
	seq_printf(s, "delegated %u\nobjects %u\nmapped %u\nrealms %u\n",
		   rmm_gran_count(G_DELEGATED),
		   rmm_gran_count(G_PDEV) + rmm_gran_count(G_VDEV) +
		   rmm_gran_count(G_OBJECT),
		   rmm_gran_count(G_DEV), rmm_gran_count(G_RD));
	seq_printf(s, "pdevs %u\nstreams %u\nvdevs %u\n",
		   rmm_list_len(&rmm_pdevs), rmm_list_len(&rmm_streams),
		   rmm_list_len(&rmm_vdevs));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(rmm_state);

/* "CMD ARG": see rmm_raw(); not to be sent is ENODEV, a status is EIO */
static ssize_t rmm_raw_write(struct file *file, const char __user *ubuf,
			     size_t count, loff_t *ppos)
{
	char line[32] = {};
	u32 cmd, arg;
	int status;

	if (*ppos || count >= sizeof(line))
		return -EINVAL;
	if (copy_from_user(line, ubuf, count))
		return -EFAULT;
	if (sscanf(line, "%i %i", &cmd, &arg) != 2)
		return -EINVAL;
	status = rmm_raw(cmd, arg, __pa(rmm_raw_page));
	if (status < 0)
		return status;
	return status ? -EIO : count;
}

static const struct file_operations rmm_raw_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = rmm_raw_write,
};

static void rmm_realms_free(void)
{
	struct rmm_realm *realm, *next_realm;
	struct rmm_kvm_map *map, *next_map;

	list_for_each_entry_safe(map, next_map, &rmm_kvm_maps, node) {
		list_del(&map->node);
		kfree(map);
	}
	guard(mutex)(&fw_lock);
	list_for_each_entry_safe(realm, next_realm, &rmm_realms, node) {
		rmm_gran_del(page_to_phys(realm->rd));
		__free_page(realm->rd);
		list_del(&realm->node);
		kfree(realm);
	}
}

static void rmm_model_exit(void)
{
	debugfs_remove(rmm_debugfs);
	tsm_vm_unregister(&rmm_vm_provider);
	/* What follows is the model's own */
	fw_inject_none();
	rmm_cmd_exit();
	rmm_realms_free();
	rmm_gran_exit();
	free_page((unsigned long)rmm_raw_page);
	fw_log_exit();
	rmm_log_exit();
	faux_device_destroy(rmm_faux);
}

static int __init rmm_model_init(void)
{
	int rc;

	rmm_faux = faux_device_create(KBUILD_MODNAME, NULL, NULL);
	if (!rmm_faux)
		return -ENODEV;
	rmm_debugfs = debugfs_create_dir(KBUILD_MODNAME, NULL);
	rmm_raw_page = (void *)get_zeroed_page(GFP_KERNEL);
	rc = rmm_raw_page ? rmm_log_init() : -ENOMEM;
	rc = rc ?: fw_log_init(rmm_debugfs, rmm_log_emptied);
	rc = rc ?: tsm_vm_register(&rmm_vm_provider);
	if (rc)
		goto err_exit_log;

	debugfs_create_file("state", 0400, rmm_debugfs, NULL, &rmm_state_fops);
	debugfs_create_file("raw", 0200, rmm_debugfs, NULL, &rmm_raw_fops);
	return 0;

err_exit_log:
	debugfs_remove(rmm_debugfs);
	fw_log_exit();
	rmm_log_exit();
	free_page((unsigned long)rmm_raw_page);
	faux_device_destroy(rmm_faux);
	return rc;
}

static int __init rmm_init(void)
{
	enum rmi_variant variant = rmm_variant == RMM_2_0_BET0 ? RMI_2_0_BET0 :
								 RMI_2_0_BET1;
	int rc;

	pr_warn("test module, null cipher: protects nothing and nobody\n");
	if (rmm_variant > RMM_2_0_BET1)
		return -EINVAL;
	rc = rmm_model_init();
	if (rc)
		return rc;
	rc = cca_host_start(&rmm_faux->dev, variant);
	if (rc)
		rmm_model_exit();
	return rc;
}
module_init(rmm_init);

static void __exit rmm_exit(void)
{
	cca_host_stop();
	rmm_model_exit();
}
module_exit(rmm_exit);

MODULE_IMPORT_NS("PCI_IDE");
/* The loader taints the kernel with TAINT_TEST */
MODULE_INFO(test, "Y");
MODULE_DESCRIPTION("Model of Arm's RMM for an emulated TDISP device, protects nothing");
MODULE_LICENSE("GPL");
