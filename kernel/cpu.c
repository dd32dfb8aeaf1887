/* SPDX-License-Identifier: MIT */
#include "kernel/cpu.h"

#include "kernel/acpi.h"
#include "kernel/io.h"
#include "kernel/percpu.h"

struct idt_gate {
    uint16_t offset_lo;
    uint16_t selector;
    uint8_t ist;
    uint8_t type;
    uint16_t offset_mid;
    uint32_t offset_hi;
    uint32_t rsvd0;
};
_Static_assert(sizeof(struct idt_gate) == 16, "64-bit gate");

struct table_register {
    uint16_t limit;
    uint64_t base;
} PACKED;

enum { IST_DOUBLE_FAULT = 1, IST_NMI = 2, IST_MACHINE_CHECK = 3 };
_Static_assert(IST_MACHINE_CHECK == CPU_NR_IST, "interrupt stacks");

static struct idt_gate idt[256]; /* [c] the same for all CPUs */
/* CPU 0's. Each stack has a guard page below it, which paging_init unmaps. */
static uint8_t ist_stack[CPU_NR_IST][PAGE_SIZE + CPU_IST_STACK_BYTES] __attribute__((aligned(PAGE_SIZE)));
extern const uint8_t trap_entries[]; /* 256 stubs, 16 octets apart */

static void gdt_load(struct cpu_private *own) {
    uint64_t *gdt = own->gdt, base = (uint64_t)&own->tss;
    gdt[GDT_KERNEL_CODE / 8] = 0x00af9b000000ffffull; /* 64-bit code, DPL 0, accessed */
    gdt[GDT_KERNEL_DATA / 8] = 0x00cf93000000ffffull;
    gdt[GDT_TSS / 8] = (sizeof own->tss - 1) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    gdt[GDT_TSS / 8 + 1] = base >> 32;
    struct table_register gdtr = {sizeof own->gdt - 1, (uint64_t)gdt};
    __asm__ volatile("lgdt %0\n\t"
                     "pushq %1\n\t"
                     "lea 1f(%%rip), %%rax\n\t"
                     "push %%rax\n\t"
                     "lretq\n"
                     "1: mov %2, %%ds; mov %2, %%es; mov %2, %%ss; mov %3, %%fs; mov %3, %%gs\n\t"
                     "ltr %w4"
                     :
                     : "m"(gdtr), "i"(GDT_KERNEL_CODE), "r"(GDT_KERNEL_DATA), "r"(0), "r"(GDT_TSS)
                     : "rax", "memory");
}

static void idt_fill(void) {
    for (unsigned v = 0; v < 256; v++) {
        uint64_t entry = (uint64_t)trap_entries + 16u * v;
        idt[v] = (struct idt_gate){
            .offset_lo = (uint16_t)entry,
            .selector = GDT_KERNEL_CODE,
            .type = 0x8e, /* present interrupt gate */
            .offset_mid = (uint16_t)(entry >> 16),
            .offset_hi = (uint32_t)(entry >> 32),
        };
    }
    idt[8].ist = IST_DOUBLE_FAULT;
    idt[2].ist = IST_NMI;
    idt[18].ist = IST_MACHINE_CHECK;
}

static void idt_load(void) {
    struct table_register idtr = {sizeof idt - 1, (uint64_t)idt};
    __asm__ volatile("lidt %0" : : "m"(idtr));
}

static void harden(void) {
    struct cpuid_regs leaf1 = cpu_cpuid(1, 0);
    struct cpuid_regs leaf7 = cpu_cpuid(7, 0);
    uint64_t cr4 = cpu_read_cr4() | CR4_PGE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    if (leaf7.ebx & BIT(7))
        cr4 |= CR4_SMEP;
    if (leaf7.ebx & BIT(20))
        cr4 |= CR4_SMAP;
    if (leaf7.ecx & BIT(2))
        cr4 |= CR4_UMIP;
    if (leaf1.ecx & BIT(26)) /* XSAVE */
        cr4 |= CR4_OSXSAVE;
    cpu_write_cr4(cr4);
    cpu_write_cr0((cpu_read_cr0() | CR0_WP | CR0_NE | CR0_MP) & ~(CR0_EM | CR0_TS | CR0_CD | CR0_NW));
}

void cpu_init_tables(struct cpu *c, const uint64_t ist[CPU_NR_IST]) {
    for (unsigned i = 0; i < CPU_NR_IST; i++)
        c->own.tss.ist[i] = ist[i];
    c->own.tss.iomap = sizeof c->own.tss;
    gdt_load(&c->own); /* clears GS */
    percpu_set_gs(c);
    idt_load();
    harden();
}

void cpu_init_boot(void) {
    uint64_t ist[CPU_NR_IST];
    for (unsigned i = 0; i < CPU_NR_IST; i++)
        ist[i] = (uint64_t)ist_stack[i] + sizeof ist_stack[i];
    idt_fill();
    cpu_init_tables(percpu_init_boot(), ist);
}

uint8_t *cpu_stack_guard(unsigned index) {
    extern uint8_t boot_stack_guard[];
    if (index == 0)
        return boot_stack_guard;
    return index <= CPU_NR_IST ? ist_stack[index - 1] : NULL;
}

uint64_t cpu_gdt_base(void) {
    return (uint64_t)this_cpu()->own.gdt;
}

uint64_t cpu_idt_base(void) {
    return (uint64_t)idt;
}

uint64_t cpu_tss_base(void) {
    return (uint64_t)&this_cpu()->own.tss;
}

void cpu_halt_until_interrupt(void) {
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}

void cpu_reset(void) {
    acpi_reset();
    io_out8(0xcf9, 0x02);
    io_out8(0xcf9, 0x06);
    struct table_register none = {0, 0};
    __asm__ volatile("lidt %0; int3" : : "m"(none));
    for (;;)
        __asm__ volatile("cli; hlt");
}
