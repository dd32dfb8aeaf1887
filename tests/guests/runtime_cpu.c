/* SPDX-License-Identifier: MIT */
/* runtime_cpu.c - a payload guest's interrupts, local APIC and TSC frequency. */
#include "kernel/hw/i8254_regs.h"
#include "kernel/hw/i8259_regs.h"
#include "kernel/io.h"
#include "tests/guests/runtime.h"

#define MSR_X2APIC 0x800u /* plus register offset / 16 */

struct gate {
    uint16_t offset_low, selector, flags, offset_middle;
    uint32_t offset_high, rsvd;
};
_Static_assert(sizeof(struct gate) == 16, "interrupt gate");

void guest_irq_init(void);
void guest_interrupt(uint64_t vector, uint64_t error, uint64_t rip);

extern char vector_stubs[];
static struct gate idt[256];
static rt_handler handlers[256];
static bool in_x2apic;

void guest_irq_init(void) {
    for (unsigned i = 0; i < ARRAY_LEN(idt); i++) {
        uint64_t at = (uint64_t)(uintptr_t)vector_stubs + 16 * i;
        idt[i] = (struct gate){.offset_low = (uint16_t)at,
                               .selector = 0x10,
                               .flags = 0x8e00,
                               .offset_middle = (uint16_t)(at >> 16),
                               .offset_high = (uint32_t)(at >> 32)};
    }
    const struct PACKED {
        uint16_t limit;
        uint64_t base;
    } idtr = {sizeof(idt) - 1, (uint64_t)(uintptr_t)idt};
    __asm__ volatile("lidt %0" : : "m"(idtr));
}

void rt_irq_set(unsigned vector, rt_handler handler) {
    handlers[vector] = handler;
}

void guest_interrupt(uint64_t vector, uint64_t error, uint64_t rip) {
    uint64_t cr2;
    if (handlers[vector] != NULL) {
        handlers[vector]();
        return;
    }
    if (vector == 0xff) /* spurious */
        return;
    __asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
    rt_printf("guest: FAIL vector %lu error %lx rip %lx cr2 %lx\n", vector, error, rip, cr2);
    rt_power_off();
}

bool rt_apic_has_x2apic(void) {
    uint32_t r[4];
    rt_cpuid(1, 0, r);
    return (r[2] & BIT(21)) != 0;
}

uint32_t rt_apic_read(unsigned reg) {
    if (in_x2apic)
        return (uint32_t)rt_rdmsr(MSR_X2APIC + (reg >> 4));
    return mmio_read32((const volatile void *)(uintptr_t)LAPIC_DEFAULT_BASE, reg);
}

void rt_apic_write(unsigned reg, uint32_t v) {
    if (in_x2apic)
        rt_wrmsr(MSR_X2APIC + (reg >> 4), v);
    else
        mmio_write32((volatile void *)(uintptr_t)LAPIC_DEFAULT_BASE, reg, v);
}

void rt_apic_enable(bool x2apic) {
    uint64_t base = rt_rdmsr(MSR_IA32_APIC_BASE) | APIC_BASE_EN;
    io_out8(I8259_MASTER_DATA, 0xff);
    io_out8(I8259_SLAVE_DATA, 0xff);
    rt_wrmsr(MSR_IA32_APIC_BASE, base);
    if (x2apic)
        rt_wrmsr(MSR_IA32_APIC_BASE, base | APIC_BASE_EXTD);
    in_x2apic = x2apic;
    rt_apic_write(LAPIC_TPR, 0);
    rt_apic_write(LAPIC_SVR, (uint32_t)LAPIC_SVR_ENABLE | 0xff);
}

bool rt_has_tsc_deadline(void) {
    uint32_t r[4];
    rt_cpuid(1, 0, r);
    return (r[2] & BIT(24)) != 0;
}

void rt_timer(unsigned mode, unsigned vector) {
    rt_apic_write(LAPIC_TIMER_DIVIDE, LAPIC_TIMER_DIVIDE_1);
    rt_apic_write(LAPIC_LVT_TIMER, mode << LAPIC_LVT_TIMER_MODE_SHIFT | vector);
}

/* TSC ticks in 1/20 s by the PIT's channel 2 and its output at port 0x61. */
static uint64_t hz_by_pit(void) {
    uint16_t count = I8254_HZ / 20;
    io_out8(PORT61, (uint8_t)((io_in8(PORT61) & ~PORT61_SPEAKER) | PORT61_GATE2));
    io_out8(I8254_PORT_CONTROL, 0xb0); /* channel 2, both octets, mode 0 */
    io_out8(I8254_PORT_CHANNEL2, (uint8_t)count);
    io_out8(I8254_PORT_CHANNEL2, (uint8_t)(count >> 8));
    uint64_t start = rt_tsc();
    while ((io_in8(PORT61) & PORT61_OUT2) == 0)
        cpu_pause();
    return (rt_tsc() - start) * 20;
}

static uint64_t hz_by_cpuid(void) {
    uint32_t r[4], max;
    rt_cpuid(0, 0, r);
    max = r[0];
    if (max >= 0x15) {
        rt_cpuid(0x15, 0, r);
        if (r[0] != 0 && r[1] != 0 && r[2] != 0)
            return (uint64_t)r[2] * r[1] / r[0];
    }
    rt_cpuid(0x40000000, 0, r);
    if (r[0] >= 0x40000010 && r[0] < 0x40010000) {
        rt_cpuid(0x40000010, 0, r);
        return (uint64_t)r[0] * 1000;
    }
    return 0;
}

uint64_t rt_tsc_hz(void) {
    static uint64_t hz;
    if (hz == 0)
        hz = hz_by_cpuid();
    if (hz == 0)
        hz = hz_by_pit();
    return hz;
}

void rt_spin(uint64_t us) {
    uint64_t end = rt_tsc() + rt_tsc_hz() / 1000000 * us;
    while (rt_tsc() < end)
        cpu_pause();
}
