// SPDX-License-Identifier: GPL-2.0-only
/* Work with the device: registers, memory BAR, DMA engine, interrupt */
#include "guest.h"

#define PAGE			4096
/* Half of it is the source of a round trip, half the destination */
#define DMA_LEN			(32 * 1024)
#define DMA_BAR_OFF		PAGE
#define DMA_VECTOR		0

static u32 reg_read(const struct guest_fn *fn, u32 reg)
{
	return mmio_read32(fn->bar[TDISP_BAR_REGS].gpa + reg);
}

static void reg_write(const struct guest_fn *fn, u32 reg, u32 val)
{
	mmio_write32(fn->bar[TDISP_BAR_REGS].gpa + reg, val);
}

static void reg_write64(const struct guest_fn *fn, u32 reg, u64 val)
{
	reg_write(fn, reg, val);
	reg_write(fn, reg + 4, val >> 32);
}

static u32 use_registers(struct guest_fn *fn)
{
	u32 id = reg_read(fn, TDISP_REG_ID);

	if (id == ~0U)
		return GUEST_GONE;
	fn->number = reg_read(fn, TDISP_REG_FUNCTION);
	if (id != TDISP_REG_ID_VALUE ||
	    reg_read(fn, TDISP_REG_MEM_SIZE) != fn->bar[TDISP_BAR_MEM].size)
		return GUEST_BAD_REG;

	for (int i = 0; i < 4; i++) {
		u32 val = cpu_random();

		reg_write(fn, TDISP_REG_SCRATCH0, val);
		reg_write(fn, TDISP_REG_SCRATCH1, ~val);
		if (reg_read(fn, TDISP_REG_SCRATCH0) != val ||
		    reg_read(fn, TDISP_REG_SCRATCH1) != ~val)
			return GUEST_BAD_REG;
	}
	return GUEST_OK;
}

/* The first and the last page, and some between them */
static u32 use_memory(const struct guest_fn *fn)
{
	const struct guest_bar *bar = &fn->bar[TDISP_BAR_MEM];
	u64 step = bar->size / 8;
	u32 seed = cpu_random();

	for (u64 off = 0; off < bar->size; off += step) {
		mmio_write32(bar->gpa + off, seed + off);
		mmio_write32(bar->gpa + off + step - 4, seed - off);
	}
	for (u64 off = 0; off < bar->size; off += step) {
		if (mmio_read32(bar->gpa + off) != (u32)(seed + off) ||
		    mmio_read32(bar->gpa + off + step - 4) !=
		    (u32)(seed - off))
			return GUEST_BAD_MEM;
	}
	return GUEST_OK;
}

u32 device_dma(struct guest_fn *fn, u32 dir, u64 off, u64 gpa, u32 len)
{
	bool to_device = (dir & ~TDISP_DMA_TEE) == TDISP_DMA_TO_DEVICE;
	u8 vector = GUEST_VECTOR + fn->nr;
	u32 before = cpu_interrupts(vector);

	reg_write64(fn, TDISP_REG_DMA_SRC, to_device ? gpa : off);
	reg_write64(fn, TDISP_REG_DMA_DST, to_device ? off : gpa);
	reg_write(fn, TDISP_REG_DMA_LEN, len);
	reg_write(fn, TDISP_REG_DMA_DIR, dir);
	reg_write(fn, TDISP_REG_DMA_VECTOR, DMA_VECTOR);
	reg_write(fn, TDISP_REG_DMA_DOORBELL, 1);
	if (!cpu_wait(vector, before + 1))
		return ~0U;
	return reg_read(fn, TDISP_REG_DMA_STATUS);
}

/* Guest memory, device, guest memory */
static u32 use_dma(struct guest_fn *fn, bool tee)
{
	const struct guest_bar *bar = &fn->bar[TDISP_BAR_MEM];
	u64 gpa = GUEST_DMA_GPA + fn->nr * GUEST_DMA_SIZE;
	u32 flag = tee ? TDISP_DMA_TEE : 0;
	u32 *src = (u32 *)gpa, *dst = (u32 *)(gpa + DMA_LEN);
	u32 status;

	for (u32 i = 0; i < DMA_LEN / 4; i++)
		src[i] = cpu_random();
	memset(dst, 0, DMA_LEN);

	status = device_dma(fn, TDISP_DMA_TO_DEVICE | flag, DMA_BAR_OFF, gpa,
			    DMA_LEN);
	if (status == TDISP_DMA_DONE &&
	    mmio_read32(bar->gpa + DMA_BAR_OFF + DMA_LEN - 4) !=
	    src[DMA_LEN / 4 - 1])
		return GUEST_WRONG_DATA;
	if (status == TDISP_DMA_DONE)
		status = device_dma(fn, TDISP_DMA_FROM_DEVICE | flag,
				    DMA_BAR_OFF, gpa + DMA_LEN, DMA_LEN);
	if (status == ~0U)
		return GUEST_NO_INTERRUPT;
	job->val[0] = status;
	if (status != TDISP_DMA_DONE)
		return GUEST_BAD_DMA;
	return memcmp(src, dst, DMA_LEN) ? GUEST_WRONG_DATA : GUEST_OK;
}

/* @tee: its DMA is the one of a trusted device, to private memory */
u32 device_use(struct guest_fn *fn, bool tee)
{
	u32 checks = mmio_checks;
	u32 verdict;

	verdict = use_registers(fn);
	if (verdict == GUEST_OK)
		verdict = use_memory(fn);
	if (verdict == GUEST_OK)
		verdict = use_dma(fn, tee);
	/* Whatever went wrong then, this was the reason */
	if (mmio_checks != checks ||
	    (verdict != GUEST_OK && reg_read(fn, TDISP_REG_ID) == ~0U))
		return GUEST_GONE;
	return verdict;
}
