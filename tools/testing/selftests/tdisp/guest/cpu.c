// SPDX-License-Identifier: GPL-2.0-only
/*
 * Processor of the guest: descriptor tables, local APIC, exceptions, and what
 * the compiler wants of a library.
 */
#include "guest.h"

#define CODE_SELECTOR		0x08
#define DATA_SELECTOR		0x10
#define GATE_INTERRUPT		0x8e

#define MACHINE_CHECK		18
#define NR_EXCEPTIONS		32
#define NR_VECTORS		256

#define MSR_APIC_BASE		0x1b
#define APIC_BASE_X2APIC	(3 << 10)
#define MSR_X2APIC(_reg)	(0x800 + (_reg) / 16)
#define APIC_EOI		0xb0
#define APIC_SPURIOUS		0xf0
#define APIC_ENABLE		0x100
#define APIC_TIMER		0x320
#define APIC_TIMER_COUNT	0x380
#define APIC_TIMER_DIVIDE	0x3e0
#define APIC_DIVIDE_BY_1	0xb
#define SPURIOUS_VECTOR		0xff
/* KVM's APIC bus has 1 GHz */
#define WAIT_COUNT		3000000000U
#define TIMER_PER_MS		1000000U

struct gate {
	u16 offset_low;
	u16 selector;
	u8 stack;
	u8 type;
	u16 offset_mid;
	u32 offset_high;
	u32 __reserved;
};

struct table_ptr {
	u16 limit;
	u64 base;
} __packed;

/* What the processor has pushed */
struct frame {
	u64 ip;
	u64 cs;
	u64 flags;
	u64 sp;
	u64 ss;
};

static const u64 gdt[] = {
	0,
	0x00af9b000000ffffULL,	/* 64-bit code */
	0x00cf93000000ffffULL,	/* data */
};

static struct gate idt[NR_VECTORS];
static u32 interrupts[NR_VECTORS];

/* Where to go on after a machine check, 0 where none is expected */
static u64 mmio_fixup;
u32 mmio_checks;

static void wrmsr(u32 msr, u64 val)
{
	asm volatile("wrmsr" : : "c" (msr), "a" ((u32)val),
		     "d" ((u32)(val >> 32)) : "memory");
}

static u64 rdmsr(u32 msr)
{
	u32 low, high;

	asm volatile("rdmsr" : "=a" (low), "=d" (high) : "c" (msr));
	return (u64)high << 32 | low;
}

static void apic_write(u32 reg, u32 val)
{
	wrmsr(MSR_X2APIC(reg), val);
}

static __noreturn void give_up(u64 vector, u64 ip, u64 code)
{
	struct ghci_call call = {
		.nr = GHCI_PANIC,
		.arg = { vector, ip, code },
	};

	for (;;)
		ghci(&call);
}

/* One handler per vector, for there is nothing else that tells the vector */
#define EXCEPTION(_n)							\
static __attribute__((interrupt)) void exception_##_n(struct frame *frame) \
{									\
	give_up(_n, frame->ip, 0);					\
}

#define EXCEPTION_CODE(_n)						\
static __attribute__((interrupt)) void exception_##_n(struct frame *frame, \
						      u64 code)		\
{									\
	give_up(_n, frame->ip, code);					\
}

EXCEPTION(0)
EXCEPTION(3)
EXCEPTION(6)
EXCEPTION_CODE(8)
EXCEPTION_CODE(13)
EXCEPTION_CODE(14)

/* MMIO that went away, as the VMM tells it */
static __attribute__((interrupt)) void machine_check(struct frame *frame)
{
	u64 fixup = READ_ONCE(mmio_fixup);

	if (!fixup)
		give_up(MACHINE_CHECK, frame->ip, 0);
	frame->ip = fixup;
	WRITE_ONCE(mmio_fixup, 0);
	mmio_checks++;
}

static __attribute__((interrupt)) void spurious(struct frame *frame)
{
}

#define INTERRUPT(_name, _vector)					\
static __attribute__((interrupt)) void _name(struct frame *frame)	\
{									\
	interrupts[_vector]++;						\
	apic_write(APIC_EOI, 0);					\
}

INTERRUPT(timer_interrupt, GUEST_TIMER_VECTOR)
INTERRUPT(device_interrupt0, GUEST_VECTOR)
INTERRUPT(device_interrupt1, GUEST_VECTOR + 1)

static void set_gate(u8 vector, void *handler)
{
	u64 offset = (u64)handler;

	idt[vector] = (struct gate) {
		.offset_low = offset,
		.offset_mid = offset >> 16,
		.offset_high = offset >> 32,
		.selector = CODE_SELECTOR,
		.type = GATE_INTERRUPT,
	};
}

void cpu_init(void)
{
	const struct table_ptr gdtr = { sizeof(gdt) - 1, (u64)gdt };
	const struct table_ptr idtr = { sizeof(idt) - 1, (u64)idt };

	asm volatile("lgdt %0" : : "m" (gdtr));
	asm volatile("mov %0, %%ss" : : "r" (DATA_SELECTOR));

	set_gate(0, exception_0);
	set_gate(3, exception_3);
	set_gate(6, exception_6);
	set_gate(8, exception_8);
	set_gate(13, exception_13);
	set_gate(14, exception_14);
	set_gate(MACHINE_CHECK, machine_check);
	set_gate(GUEST_TIMER_VECTOR, timer_interrupt);
	set_gate(GUEST_VECTOR, device_interrupt0);
	set_gate(GUEST_VECTOR + 1, device_interrupt1);
	set_gate(SPURIOUS_VECTOR, spurious);
	asm volatile("lidt %0" : : "m" (idtr));

	wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_X2APIC);
	apic_write(APIC_SPURIOUS, APIC_ENABLE | SPURIOUS_VECTOR);
	apic_write(APIC_TIMER_DIVIDE, APIC_DIVIDE_BY_1);
	apic_write(APIC_TIMER, GUEST_TIMER_VECTOR);
	asm volatile("sti" : : : "memory");
}

u32 cpu_interrupts(u8 vector)
{
	return READ_ONCE(interrupts[vector]);
}

static bool wait_for(u8 vector, u32 count, u32 time)
{
	u32 ticks = cpu_interrupts(GUEST_TIMER_VECTOR);

	apic_write(APIC_TIMER_COUNT, time);
	for (;;) {
		/* What comes after "sti" wakes the processor from "hlt" */
		asm volatile("cli" : : : "memory");
		if (cpu_interrupts(vector) >= count ||
		    cpu_interrupts(GUEST_TIMER_VECTOR) != ticks)
			break;
		asm volatile("sti; hlt" : : : "memory");
	}
	asm volatile("sti" : : : "memory");
	apic_write(APIC_TIMER_COUNT, 0);
	return cpu_interrupts(vector) >= count;
}

bool cpu_wait(u8 vector, u32 count)
{
	return wait_for(vector, count, WAIT_COUNT);
}

void cpu_sleep(u32 ms)
{
	wait_for(GUEST_TIMER_VECTOR, ~0U, ms * TIMER_PER_MS);
}

/* Not for secrets: nobody attacks this guest, it only has to be another one */
u64 cpu_random(void)
{
	static u64 state;
	u32 low, high;

	asm volatile("rdtsc" : "=a" (low), "=d" (high));
	state = (state ^ ((u64)high << 32 | low)) * 0x9e3779b97f4a7c15ULL;
	return state ^ state >> 29;
}

u32 mmio_read32(u64 gpa)
{
	u32 val = ~0U;

	asm volatile("leaq 1f(%%rip), %%rdx\n\t"
		     "movq %%rdx, %0\n\t"
		     "movl (%2), %1\n"
		     "1:"
		     : "=m" (mmio_fixup), "+a" (val) : "r" (gpa)
		     : "rdx", "memory");
	WRITE_ONCE(mmio_fixup, 0);
	return val;
}

void mmio_write32(u64 gpa, u32 val)
{
	asm volatile("leaq 1f(%%rip), %%rdx\n\t"
		     "movq %%rdx, %0\n\t"
		     "movl %1, (%2)\n"
		     "1:"
		     : "=m" (mmio_fixup) : "a" (val), "r" (gpa)
		     : "rdx", "memory");
	WRITE_ONCE(mmio_fixup, 0);
}

/* The compiler makes calls of these */

void *memcpy(void *dst, const void *src, size_t n)
{
	void *ret = dst;

	asm volatile("rep movsb" : "+D" (dst), "+S" (src), "+c" (n)
		     : : "memory");
	return ret;
}

void *memset(void *dst, int c, size_t n)
{
	void *ret = dst;

	asm volatile("rep stosb" : "+D" (dst), "+c" (n) : "a" (c) : "memory");
	return ret;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const u8 *p = a, *q = b;

	for (; n; n--, p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}
