// SPDX-License-Identifier: GPL-2.0-only
/* Work with the device: registers, memory BAR, DMA engine, interrupt */
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "guest.h"
#include "tdisp-testdev.h"

/* Half of it is the source of a round trip, half the destination */
#define DMA_SIZE		SZ_64K
#define DMA_LEN			(DMA_SIZE / 2)
#define DMA_BAR_OFF		SZ_4K
#define DMA_TIMEOUT_MS		10000

static LIST_HEAD(guest_devs);

struct guest_dev *guest_find(const char *bdf)
{
	struct guest_dev *dev;

	list_for_each_entry(dev, &guest_devs, node)
		if (!strcmp(pci_name(dev->pdev), bdf))
			return dev;
	return NULL;
}

static int use_registers(struct guest_dev *dev)
{
	u32 id = readl(dev->regs + TDISP_REG_ID);

	if (id != TDISP_REG_ID_VALUE) {
		guest_say("register 0 reads %#x", id);
		return id == ~0U ? -ENXIO : -EIO;
	}
	for (int i = 0; i < 4; i++) {
		u32 val = get_random_u32();

		writel(val, dev->regs + TDISP_REG_SCRATCH0);
		writel(~val, dev->regs + TDISP_REG_SCRATCH1);
		if (readl(dev->regs + TDISP_REG_SCRATCH0) != val ||
		    readl(dev->regs + TDISP_REG_SCRATCH1) != ~val) {
			guest_say("a register has lost its value");
			return -EIO;
		}
	}
	return 0;
}

/* The first and the last page, and some between them */
static int use_memory(struct guest_dev *dev)
{
	u64 size = pci_resource_len(dev->pdev, TDISP_BAR_MEM);
	u64 step = size / 8;
	u32 seed = get_random_u32();

	for (u64 off = 0; off < size; off += step) {
		writel(seed + off, dev->mem + off);
		writel(seed - off, dev->mem + off + step - 4);
	}
	for (u64 off = 0; off < size; off += step) {
		if (readl(dev->mem + off) != (u32)(seed + off) ||
		    readl(dev->mem + off + step - 4) != (u32)(seed - off)) {
			guest_say("memory has lost its value at %#llx", off);
			return -EIO;
		}
	}
	return 0;
}

static irqreturn_t device_irq(int irq, void *data)
{
	struct guest_dev *dev = data;

	complete(&dev->irq_done);
	return IRQ_HANDLED;
}

static void reg_write64(struct guest_dev *dev, u32 reg, u64 val)
{
	writel(lower_32_bits(val), dev->regs + reg);
	writel(upper_32_bits(val), dev->regs + reg + 4);
}

static int do_dma(struct guest_dev *dev, u32 dir, u64 addr)
{
	bool to_device = (dir & ~TDISP_DMA_TEE) == TDISP_DMA_TO_DEVICE;
	u32 status;

	reinit_completion(&dev->irq_done);
	reg_write64(dev, TDISP_REG_DMA_SRC, to_device ? addr : DMA_BAR_OFF);
	reg_write64(dev, TDISP_REG_DMA_DST, to_device ? DMA_BAR_OFF : addr);
	writel(DMA_LEN, dev->regs + TDISP_REG_DMA_LEN);
	writel(dir, dev->regs + TDISP_REG_DMA_DIR);
	writel(0, dev->regs + TDISP_REG_DMA_VECTOR);
	writel(1, dev->regs + TDISP_REG_DMA_DOORBELL);
	if (!wait_for_completion_timeout(&dev->irq_done,
					 msecs_to_jiffies(DMA_TIMEOUT_MS))) {
		guest_say("no interrupt, status %u",
			  readl(dev->regs + TDISP_REG_DMA_STATUS));
		return -ETIMEDOUT;
	}
	status = readl(dev->regs + TDISP_REG_DMA_STATUS);
	if (status != TDISP_DMA_DONE) {
		guest_say("DMA %#x ends with status %u", dir, status);
		return -EIO;
	}
	return 0;
}

/* Guest memory, device, guest memory */
static int use_dma(struct guest_dev *dev, u32 flag)
{
	int rc;

	get_random_bytes(dev->dma, DMA_LEN);
	memset(dev->dma + DMA_LEN, 0, DMA_LEN);
	rc = do_dma(dev, TDISP_DMA_TO_DEVICE | flag, dev->dma_addr);
	rc = rc ?: do_dma(dev, TDISP_DMA_FROM_DEVICE | flag,
			  dev->dma_addr + DMA_LEN);
	if (rc)
		return rc;
	if (memcmp(dev->dma, dev->dma + DMA_LEN, DMA_LEN)) {
		guest_say("DMA has changed the data");
		return -EIO;
	}
	return 0;
}

int guest_use(struct guest_dev *dev, bool tee)
{
	int rc;

	rc = use_registers(dev);
	rc = rc ?: use_memory(dev);
	return rc ?: use_dma(dev, tee ? TDISP_DMA_TEE : 0);
}

int guest_gone(struct guest_dev *dev)
{
	u16 vendor = 0;

	pci_read_config_word(dev->pdev, PCI_VENDOR_ID, &vendor);
	writel(0, dev->mem);
	if (vendor != TDISP_TESTDEV_VENDOR || ~readl(dev->regs) ||
	    ~readl(dev->mem)) {
		guest_say("vendor %#x, reads %#x and %#x", vendor,
			  readl(dev->regs), readl(dev->mem));
		return -EEXIST;
	}
	return 0;
}

static int device_map(struct guest_dev *dev)
{
	struct pci_dev *pdev = dev->pdev;
	int rc;

	rc = pcim_enable_device(pdev);
	if (rc)
		return rc;
	dev->regs = pcim_iomap_region(pdev, TDISP_BAR_REGS, KBUILD_MODNAME);
	if (IS_ERR(dev->regs))
		return PTR_ERR(dev->regs);
	dev->mem = pcim_iomap_region(pdev, TDISP_BAR_MEM, KBUILD_MODNAME);
	if (IS_ERR(dev->mem))
		return PTR_ERR(dev->mem);
	pci_set_master(pdev);
	rc = dma_set_mask_and_coherent(&pdev->dev, DMA_BIT_MASK(64));
	if (rc)
		return rc;
	dev->dma = dmam_alloc_coherent(&pdev->dev, DMA_SIZE, &dev->dma_addr,
				       GFP_KERNEL);
	return dev->dma ? 0 : -ENOMEM;
}

static int device_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct guest_dev *dev;
	int rc;

	dev = devm_kzalloc(&pdev->dev, sizeof(*dev), GFP_KERNEL);
	if (!dev)
		return -ENOMEM;
	dev->pdev = pdev;
	init_completion(&dev->irq_done);
	rc = device_map(dev);
	if (rc)
		return rc;
	rc = pci_alloc_irq_vectors(pdev, 1, TDISP_NR_VECTORS, PCI_IRQ_MSIX);
	if (rc < 0)
		return rc;
	rc = request_irq(pci_irq_vector(pdev, 0), device_irq, 0, KBUILD_MODNAME,
			 dev);
	if (rc) {
		pci_free_irq_vectors(pdev);
		return rc;
	}
	pci_set_drvdata(pdev, dev);
	guest_lock();
	list_add_tail(&dev->node, &guest_devs);
	guest_unlock();
	return 0;
}

static void device_remove(struct pci_dev *pdev)
{
	struct guest_dev *dev = pci_get_drvdata(pdev);

	guest_lock();
	list_del(&dev->node);
	guest_unlock();
	free_irq(pci_irq_vector(pdev, 0), dev);
	pci_free_irq_vectors(pdev);
}

static const struct pci_device_id device_ids[] = {
	{ PCI_DEVICE(TDISP_TESTDEV_VENDOR, TDISP_TESTDEV_DEVICE) },
	{ }
};

static struct pci_driver device_driver = {
	.name = "tsm_guest_device",
	.id_table = device_ids,
	.probe = device_probe,
	.remove = device_remove,
};

int guest_device_init(void)
{
	return pci_register_driver(&device_driver);
}

void guest_device_exit(void)
{
	pci_unregister_driver(&device_driver);
}
