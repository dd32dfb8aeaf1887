/* SPDX-License-Identifier: MIT */
/* cpu.h - control registers, MSRs, CPUID, and a CPU's descriptor tables.
 * - cpu_init_boot: CPU 0: its per-CPU record, GDT, TSS with interrupt stacks, IDT; control-register hardening (WP, SMEP, SMAP,
 *   UMIP where present).   - cpu_init_tables: the same for a CPU that CPU 0 started.
 * - inline accessors for CRs, MSRs, CPUID, XCR0.
 * Source: SDM Vol. 3A, chapter 2 "System Architecture Overview", chapter 6 "Interrupt and Exception Handling". */
#ifndef KERNEL_CPU_H
#define KERNEL_CPU_H

#include "kernel/hw/cpuid_regs.h"
#include "kernel/types.h"

#define CR0_PE BIT(0)
#define CR0_MP BIT(1)
#define CR0_EM BIT(2)
#define CR0_TS BIT(3)
#define CR0_ET BIT(4)
#define CR0_NE BIT(5)
#define CR0_WP BIT(16)
#define CR0_AM BIT(18)
#define CR0_NW BIT(29)
#define CR0_CD BIT(30)
#define CR0_PG BIT(31)

#define CR4_PAE BIT(5)
#define CR4_MCE BIT(6)
#define CR4_PGE BIT(7)
#define CR4_OSFXSR BIT(9)
#define CR4_OSXMMEXCPT BIT(10)
#define CR4_UMIP BIT(11)
#define CR4_VMXE BIT(13)
#define CR4_SMXE BIT(14)
#define CR4_PCIDE BIT(17)
#define CR4_OSXSAVE BIT(18)
#define CR4_SMEP BIT(20)
#define CR4_SMAP BIT(21)

/* Selectors of our GDT. */
#define GDT_KERNEL_CODE 0x08
#define GDT_KERNEL_DATA 0x10
#define GDT_TSS 0x18

static inline struct cpuid_regs cpu_cpuid(uint32_t leaf, uint32_t subleaf) {
    struct cpuid_regs r;
    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

static inline uint64_t cpu_rdmsr(uint32_t msr) {
    uint32_t lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return ((uint64_t)hi << 32) | lo;
}

static inline void cpu_wrmsr(uint32_t msr, uint64_t v) {
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

#define CPU_CR_ACCESSORS(n)                                          \
    static inline uint64_t cpu_read_cr##n(void) {                    \
        uint64_t v;                                                  \
        __asm__ volatile("mov %%cr" #n ", %0" : "=r"(v));            \
        return v;                                                    \
    }                                                                \
    static inline void cpu_write_cr##n(uint64_t v) {                 \
        __asm__ volatile("mov %0, %%cr" #n : : "r"(v) : "memory");   \
    }
CPU_CR_ACCESSORS(0)
CPU_CR_ACCESSORS(2)
CPU_CR_ACCESSORS(3)
CPU_CR_ACCESSORS(4)

static inline uint64_t cpu_read_xcr0(void) {
    uint32_t lo, hi;
    __asm__ volatile("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return ((uint64_t)hi << 32) | lo;
}

static inline void cpu_write_xcr0(uint64_t v) {
    __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)));
}

static inline void cpu_invlpg(const void *va) {
    __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

#define CPU_NR_IST 3 /* interrupt stacks: double fault, NMI, machine check */
#define CPU_IST_STACK_BYTES 8192u

struct cpu;
void cpu_init_boot(void);
/* cpu_init_tables - on the CPU itself, with GS not yet set. ist: tops of its interrupt stacks. */
void cpu_init_tables(struct cpu *c, const uint64_t ist[CPU_NR_IST]);
/* cpu_gdt_base, cpu_idt_base, cpu_tss_base - this CPU's, for the VMCS host state. */
uint64_t cpu_gdt_base(void);
uint64_t cpu_idt_base(void);
uint64_t cpu_tss_base(void);
/* cpu_stack_guard - the index-th page of the image that must stay unmapped, below a stack; NULL past the end. */
uint8_t *cpu_stack_guard(unsigned index);
/* cpu_halt_until_interrupt - HLT with interrupts on; they are off again on return. */
void cpu_halt_until_interrupt(void);
/* cpu_reset - restart the machine: ACPI reset register, 0xcf9, then triple fault. */
void cpu_reset(void) NORETURN;

#endif
