/* SPDX-License-Identifier: MIT */
/* exits.c - what a VM exit costs: loops over one instruction and reads the TSC before and after.
 * Per instruction one line of TSC ticks (on the emulated machine: instructions) above an empty loop's:
 * `exits: cpuid min=181 med=181 max=640`. hlt-wake counts from the timer's deadline to its handler.
 * Command line: n=1000 (rounds), warm=100 (rounds before them); wp=0 (1: instead of all that, write to the same n pages
 * over and over until most first writes have become dear, because a dirty log with write protection has begun; report
 * that pass, a line a second). */
#include "kernel/hw/acpi_pm_regs.h"
#include "kernel/hw/i8259_regs.h"
#include "kernel/hw/ioapic_regs.h"
#include "kernel/hw/uart16550_regs.h"
#include "kernel/io.h"
#include "tests/guests/runtime.h"

#define MAX_ROUNDS 20000u
#define TIMER_VECTOR 0x41u
#define DUMMY_PORT 0x80u
#define WAKE_TICKS 20000u
#define FAULT_TICKS 100u /* a first write that takes longer made an exit */

static uint64_t samples[MAX_ROUNDS];
static unsigned rounds, warm;
static uint64_t overhead;
static volatile uint64_t woken;
static uint64_t fresh, stride;

static void nothing(void) {
    __asm__ volatile("");
}
static void cpuid(void) {
    uint32_t r[4];
    rt_cpuid(0, 0, r);
}
static void out_dummy(void) {
    io_out8(DUMMY_PORT, 0);
}
static void out_pic(void) {
    io_out8(I8259_MASTER_DATA, 0xff);
}
static void in_pic(void) {
    (void)io_in8(I8259_MASTER_DATA);
}
static void in_uart(void) {
    (void)io_in8(UART_PORT_COM1 + UART_LSR);
}
static void in_pm_timer(void) {
    (void)io_in32(VPM_PM_TMR);
}
static void rdmsr_apic_base(void) {
    (void)rt_rdmsr(MSR_IA32_APIC_BASE);
}
static void rdmsr_deadline(void) {
    (void)rt_rdmsr(MSR_IA32_TSC_DEADLINE);
}
static void wrmsr_deadline(void) {
    rt_wrmsr(MSR_IA32_TSC_DEADLINE, 1ull << 60);
}
static void apic_tpr(void) {
    rt_apic_write(LAPIC_TPR, 0);
}
static void apic_eoi(void) {
    rt_apic_write(LAPIC_EOI, 0);
}
static void ioapic_read(void) {
    (void)mmio_read32((const volatile void *)(uintptr_t)IOAPIC_DEFAULT_BASE, IOAPIC_DATA);
}
static void ioapic_write(void) {
    mmio_write32((volatile void *)(uintptr_t)IOAPIC_DEFAULT_BASE, IOAPIC_INDEX, IOAPIC_REG_VERSION);
}
static void touch(void) {
    *(volatile uint8_t *)(uintptr_t)fresh = 1;
    fresh += stride;
}

static void on_timer(void) {
    woken = rt_tsc();
    rt_apic_write(LAPIC_EOI, 0);
}

/* Shell sort: some thousand numbers, no recursion. */
static void sort(uint64_t *a, unsigned n) {
    for (unsigned gap = n / 2; gap > 0; gap /= 2) {
        for (unsigned i = gap; i < n; i++) {
            uint64_t v = a[i];
            unsigned j = i;
            for (; j >= gap && a[j - gap] > v; j -= gap)
                a[j] = a[j - gap];
            a[j] = v;
        }
    }
}

static void report(const char *name, unsigned n) {
    if (n == 0) {
        rt_printf("exits: %s skipped\n", name);
        return;
    }
    sort(samples, n);
    rt_printf("exits: %s min=%lu med=%lu max=%lu n=%u\n", name, samples[0], samples[n / 2], samples[n - 1],
              n);
}

static void sample(void (*op)(void), unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        uint64_t start = rt_tsc();
        op();
        uint64_t ticks = rt_tsc() - start;
        samples[i] = ticks > overhead ? ticks - overhead : 0;
    }
}

static void measure(const char *name, void (*op)(void)) {
    sample(op, warm);
    sample(op, rounds);
    report(name, rounds);
}

static void measure_touch(const char *name, uint64_t step) {
    stride = step;
    fresh = ALIGN_UP(fresh, LARGE_SIZE);
    unsigned n =
        (unsigned)MIN((uint64_t)rounds, fresh < rt_ram_end() ? (rt_ram_end() - fresh) / 2 / step : 0);
    sample(touch, n);
    report(name, n);
}

/* From the deadline to the handler's first instructions, with the CPU halted in between. */
static void measure_wake(void) {
    rt_irq_set(TIMER_VECTOR, on_timer);
    rt_timer(LAPIC_TIMER_TSC_DEADLINE, TIMER_VECTOR);
    for (unsigned i = 0; i < warm + rounds; i++) {
        uint64_t deadline = rt_tsc() + WAKE_TICKS;
        rt_wrmsr(MSR_IA32_TSC_DEADLINE, deadline);
        rt_wait();
        samples[i < warm ? 0 : i - warm] = woken - deadline;
    }
    report("hlt-wake", rounds);
}

/* The log begins in the middle of a pass: only the writes that faulted are reported. */
static void measure_write_protection(void) {
    uint64_t begin = ALIGN_UP(fresh, LARGE_SIZE);
    unsigned n = (unsigned)MIN((uint64_t)rounds, (rt_ram_end() - begin) / PAGE_SIZE);
    stride = PAGE_SIZE;
    rt_printf("exits: writing to %u pages\n", n);
    do {
        fresh = begin;
        sample(touch, n);
        sort(samples, n);
    } while (samples[n / 2] < FAULT_TICKS);
    unsigned first = 0;
    while (samples[first] < FAULT_TICKS)
        first++;
    for (;;) {
        rt_printf("exits: write-protect min=%lu med=%lu max=%lu n=%u\n", samples[first],
                  samples[first + (n - first) / 2], samples[n - 1], n - first);
        rt_spin(1000000);
    }
}

void guest_main(void) {
    bool deadline = rt_has_tsc_deadline(), x2apic = rt_apic_has_x2apic();
    rounds = (unsigned)MAX(MIN(rt_param("n", 1000), MAX_ROUNDS), 1ul);
    warm = (unsigned)MIN(rt_param("warm", 100), MAX_ROUNDS);
    fresh = rt_free_memory();
    rt_apic_enable(false);
    rt_timer(deadline ? LAPIC_TIMER_TSC_DEADLINE : LAPIC_TIMER_ONESHOT, TIMER_VECTOR);
    sample(nothing, rounds);
    sort(samples, rounds);
    overhead = samples[rounds / 2];
    rt_printf("exits: start, %u rounds, empty loop %lu\n", rounds, overhead);
    if (rt_param("wp", 0) != 0)
        measure_write_protection();
    measure_touch("touch-4k", PAGE_SIZE);
    measure_touch("touch-2m", LARGE_SIZE);
    measure("cpuid", cpuid);
    measure("out-0x80", out_dummy);
    measure("out-pic", out_pic);
    measure("in-pic", in_pic);
    measure("in-uart", in_uart);
    measure("in-pm-timer", in_pm_timer);
    measure("rdmsr-apic-base", rdmsr_apic_base);
    if (deadline) {
        measure("rdmsr-deadline", rdmsr_deadline);
        measure("wrmsr-deadline", wrmsr_deadline);
    }
    measure("mmio-read-ioapic", ioapic_read);
    measure("mmio-write-ioapic", ioapic_write);
    measure("mmio-xapic-tpr", apic_tpr);
    if (x2apic) {
        rt_apic_enable(true);
        measure("wrmsr-x2apic-tpr", apic_tpr);
        measure("wrmsr-x2apic-eoi", apic_eoi);
    }
    if (deadline)
        measure_wake();
    rt_printf("exits: done\n");
}
