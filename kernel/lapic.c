/* SPDX-License-Identifier: MIT */
#include "kernel/lapic.h"

#include "kernel/acpi.h"
#include "kernel/cpu.h"
#include "kernel/frames.h"
#include "kernel/hw/cpuid_regs.h"
#include "kernel/hw/ioapic_regs.h"
#include "kernel/hw/lapic_regs.h"
#include "kernel/hw/msr_regs.h"
#include "kernel/io.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/time.h"
#include "kernel/trap.h"

#define TIMER_ONESHOT 0u
#define TIMER_DEADLINE 2u
#define MEASURE_US 1000

static struct {
    volatile void *page; /* NULL in x2APIC mode */
    bool deadline;
    uint64_t count_hz; /* one-shot mode: counts per second with divider 1 */
} lapic;

static uint32_t reg_read(uint32_t offset) {
    if (lapic.page != NULL)
        return mmio_read32(lapic.page, offset);
    return (uint32_t)cpu_rdmsr(MSR_IA32_X2APIC_FIRST + offset / 16);
}

static void reg_write(uint32_t offset, uint32_t value) {
    if (lapic.page != NULL)
        mmio_write32(lapic.page, offset, value);
    else
        cpu_wrmsr(MSR_IA32_X2APIC_FIRST + offset / 16, value);
}

void lapic_eoi(void) {
    reg_write(LAPIC_EOI, 0);
}

static void measure_count(void) {
    reg_write(LAPIC_TIMER_DIVIDE, LAPIC_TIMER_DIVIDE_1);
    reg_write(LAPIC_LVT_TIMER, LAPIC_LVT_MASKED | VECTOR_TIMER);
    reg_write(LAPIC_TIMER_INIT, UINT32_MAX);
    time_delay_us(MEASURE_US);
    lapic.count_hz = (uint64_t)(UINT32_MAX - reg_read(LAPIC_TIMER_CURRENT)) * (1000000 / MEASURE_US);
    reg_write(LAPIC_TIMER_INIT, 0);
}

/* The firmware's interrupt routes are not ours: mask every IOAPIC input, or a level-triggered one never stops. */
static void ioapic_mask_all(void) {
    const struct acpi_info *acpi = acpi_get();
    for (unsigned i = 0; i < acpi->nr_ioapics; i++) {
        volatile void *io = mmio_map(acpi->ioapic[i], PAGE_SIZE);
        if (io == NULL)
            return;
        mmio_write32(io, IOAPIC_INDEX, IOAPIC_REG_VERSION);
        unsigned last = mmio_read32(io, IOAPIC_DATA) >> 16 & 0xff;
        for (unsigned pin = 0; pin <= last; pin++) {
            mmio_write32(io, IOAPIC_INDEX, IOAPIC_REG_REDIRECTION + 2 * pin);
            mmio_write32(io, IOAPIC_DATA, LAPIC_LVT_MASKED);
        }
    }
}

static void enable(bool x2apic) {
    uint64_t base = cpu_rdmsr(MSR_IA32_APIC_BASE) | APIC_BASE_EN;
    cpu_wrmsr(MSR_IA32_APIC_BASE, base);
    if (x2apic)
        cpu_wrmsr(MSR_IA32_APIC_BASE, base | APIC_BASE_EXTD);
    reg_write(LAPIC_SVR, LAPIC_SVR_ENABLE | VECTOR_SPURIOUS);
    reg_write(LAPIC_TPR, 0);
    reg_write(LAPIC_LVT_LINT0, LAPIC_LVT_MASKED);
    reg_write(LAPIC_LVT_LINT1, LAPIC_LVT_MASKED);
    reg_write(LAPIC_LVT_THERMAL, LAPIC_LVT_MASKED);
    reg_write(LAPIC_LVT_PMI, LAPIC_LVT_MASKED);
    reg_write(LAPIC_LVT_ERROR, LAPIC_LVT_MASKED);
}

static void enable_timer(void) {
    uint32_t mode = lapic.deadline ? TIMER_DEADLINE : TIMER_ONESHOT;
    reg_write(LAPIC_TIMER_DIVIDE, LAPIC_TIMER_DIVIDE_1);
    reg_write(LAPIC_LVT_TIMER, mode << LAPIC_LVT_TIMER_MODE_SHIFT | VECTOR_TIMER);
}

void lapic_init(void) {
    uint32_t features = cpu_cpuid(1, 0).ecx;
    bool x2apic = (features & CPUID_1_ECX_X2APIC) != 0;
    if (!x2apic) {
        lapic.page = mmio_map(cpu_rdmsr(MSR_IA32_APIC_BASE) & APIC_BASE_ADDR_MASK & (BIT(40) - 1), LAPIC_PAGE_SIZE);
        ASSERT(lapic.page != NULL);
    }
    enable(x2apic);
    ioapic_mask_all();
    /* The legacy PIC must stay silent: mask all its lines. */
    io_out8(0x21, 0xff);
    io_out8(0xa1, 0xff);
    lapic.deadline = (features & CPUID_1_ECX_TSC_DEADLINE) != 0;
    if (!lapic.deadline)
        measure_count();
    enable_timer();
    log_info("lapic: %s mode, timer by %s", lapic.page == NULL ? "x2APIC" : "xAPIC",
             lapic.deadline ? "TSC deadline" : "one-shot count");
}

void lapic_init_cpu(void) {
    enable(lapic.page == NULL);
    enable_timer();
}

uint32_t lapic_id(void) {
    uint32_t id = reg_read(LAPIC_ID);
    return lapic.page != NULL ? id >> LAPIC_ID_SHIFT : id;
}

static void send(uint32_t apic_id, uint32_t low) {
    if (lapic.page == NULL) {
        /* WRMSR to the x2APIC does not wait for earlier stores: the receiver must see them. SDM 10.12.3. */
        __asm__ volatile("mfence; lfence" : : : "memory");
        cpu_wrmsr(MSR_IA32_X2APIC_FIRST + LAPIC_ICR_LOW / 16, (uint64_t)apic_id << 32 | low);
        return;
    }
    while ((reg_read(LAPIC_ICR_LOW) & LAPIC_ICR_PENDING) != 0)
        cpu_pause();
    reg_write(LAPIC_ICR_HIGH, apic_id << LAPIC_ID_SHIFT);
    reg_write(LAPIC_ICR_LOW, low);
}

void lapic_send_ipi(uint32_t apic_id, uint8_t vector) {
    send(apic_id, (uint32_t)LAPIC_ICR_ASSERT | vector);
}

void lapic_send_nmi(uint32_t apic_id) {
    send(apic_id, (uint32_t)LAPIC_ICR_ASSERT | LAPIC_MODE_NMI << LAPIC_ICR_MODE_SHIFT);
}

void lapic_send_init(uint32_t apic_id) {
    send(apic_id, (uint32_t)LAPIC_ICR_ASSERT | LAPIC_MODE_INIT << LAPIC_ICR_MODE_SHIFT);
}

void lapic_send_sipi(uint32_t apic_id, uint8_t page) {
    send(apic_id, (uint32_t)LAPIC_ICR_ASSERT | LAPIC_MODE_SIPI << LAPIC_ICR_MODE_SHIFT | page);
}

void lapic_timer_arm(uint64_t deadline_ns) {
    if (lapic.deadline) {
        cpu_wrmsr(MSR_IA32_TSC_DEADLINE, time_ns_to_tsc(deadline_ns));
        return;
    }
    uint64_t now = time_now_ns();
    uint64_t delta = deadline_ns > now ? MIN(deadline_ns - now, NSEC_PER_SEC) : 1;
    uint64_t count = delta * (lapic.count_hz / 1000) / (NSEC_PER_SEC / 1000);
    reg_write(LAPIC_TIMER_INIT, (uint32_t)MAX(count, 1ul));
}
