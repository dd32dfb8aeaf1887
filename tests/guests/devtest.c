/* SPDX-License-Identifier: MIT */
/* devtest.c - the platform as a guest sees it: one line `devtest: PASS|FAIL what` per property, then the sum.
 * Clocks are compared with each other, never with a wall clock. */
#include "kernel/hw/acpi_pm_regs.h"
#include "kernel/hw/i8254_regs.h"
#include "kernel/hw/i8259_regs.h"
#include "kernel/hw/ioapic_regs.h"
#include "kernel/hw/mc146818_regs.h"
#include "kernel/hw/uart16550_regs.h"
#include "kernel/io.h"
#include "tests/guests/runtime.h"

#define VECTOR 0x50u
#define PIC_VECTOR 0x60u
#define IRQ_UART 4u
#define PIN_PIT 2u
#define check(...) rt_check("devtest", __VA_ARGS__)

static volatile unsigned nr_irqs;
static volatile uint64_t irq_tsc;

static void on_irq(void) {
    nr_irqs++;
    irq_tsc = rt_tsc();
    rt_apic_write(LAPIC_EOI, 0);
}

/* Is value within percent of expected? */
static bool near(uint64_t value, uint64_t expected, unsigned percent) {
    uint64_t slack = expected / 100 * percent;
    return value + slack >= expected && value <= expected + slack;
}

/* Interrupts on until `count` came or so many microseconds went by. */
static bool await_irqs(unsigned count, uint64_t us) {
    uint64_t end = rt_tsc() + rt_tsc_hz() / 1000000 * us;
    rt_irq_enable();
    while (nr_irqs < count && rt_tsc() < end)
        cpu_pause();
    rt_irq_disable();
    return nr_irqs >= count;
}

static void test_cpuid(void) {
    uint32_t r[4], hv[4];
    rt_cpuid(0, 0, r);
    check(r[0] >= 0xd, "CPUID has %u basic leaves", r[0]);
    rt_cpuid(1, 0, r);
    check((r[3] & BIT(4)) != 0 && (r[3] & BIT(9)) != 0, "CPUID shows a TSC and a local APIC");
    check((r[2] & BIT(5)) == 0, "CPUID hides VMX");
    check((r[2] & BIT(31)) != 0, "CPUID says that this is a virtual machine");
    rt_cpuid(0x40000000, 0, hv);
    check(hv[0] >= 0x40000001 && hv[0] < 0x40010000, "hypervisor leaves up to 0x%x", hv[0]);
    rt_cpuid(0x80000000, 0, r);
    check(r[0] >= 0x80000008, "CPUID has extended leaves up to 0x%x", r[0]);
}

static uint64_t pm_ticks(uint64_t us) {
    uint32_t start = io_in32(VPM_PM_TMR);
    rt_spin(us);
    return io_in32(VPM_PM_TMR) - start;
}

static uint16_t pit_count0(void) {
    io_out8(I8254_PORT_CONTROL, 0); /* latch channel 0 */
    uint8_t low = io_in8(I8254_PORT_CHANNEL0);
    return (uint16_t)(low | io_in8(I8254_PORT_CHANNEL0) << 8);
}

static void pit_start(unsigned mode, uint16_t count) {
    io_out8(I8254_PORT_CONTROL, (uint8_t)(I8254_RW_LSB_MSB << I8254_CONTROL_RW_SHIFT | mode << 1));
    io_out8(I8254_PORT_CHANNEL0, (uint8_t)count);
    io_out8(I8254_PORT_CHANNEL0, (uint8_t)(count >> 8));
}

static void test_clocks(void) {
    uint64_t ticks = pm_ticks(20000);
    check(near(ticks, ACPI_PM_TIMER_HZ / 50, 2), "PM timer agrees with the TSC: %lu ticks in 20 ms", ticks);
    pit_start(2, 0xffff);
    rt_spin(1000); /* the first period has begun */
    uint16_t first = pit_count0();
    rt_spin(20000);
    uint16_t gone = (uint16_t)(first - pit_count0());
    check(near(gone, I8254_HZ / 50, 2), "PIT agrees with the TSC: %u ticks in 20 ms", gone);
    uint64_t last = rt_tsc();
    bool forward = true;
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t now = rt_tsc();
        forward = forward && now > last;
        last = now;
    }
    check(forward, "the TSC only goes forward");
}

static uint8_t rtc(uint8_t reg) {
    io_out8(RTC_PORT_INDEX, reg);
    return io_in8(RTC_PORT_DATA);
}

/* TSC at the next change of the seconds; 0 when none came in 2.5 s. */
static uint64_t await_second(void) {
    uint8_t second = rtc(RTC_SECONDS);
    uint64_t end = rt_tsc() + rt_tsc_hz() / 2 * 5;
    while (rt_tsc() < end) {
        if ((rtc(RTC_REG_A) & RTC_A_UIP) == 0 && rtc(RTC_SECONDS) != second)
            return rt_tsc();
    }
    return 0;
}

static void test_rtc(void) {
    check((rtc(RTC_REG_D) & RTC_D_VRT) != 0, "RTC battery is good");
    check((rtc(RTC_REG_B) & RTC_B_SET) == 0, "RTC runs");
    uint64_t first = await_second(), second = await_second();
    check(first != 0 && second != 0, "RTC seconds tick");
    check(near(second - first, rt_tsc_hz(), 2), "RTC agrees with the TSC: %lu ticks per second",
          second - first);
    bool bcd = (rtc(RTC_REG_B) & RTC_B_BINARY) == 0;
    uint8_t month = rtc(RTC_MONTH), day = rtc(RTC_DAY_OF_MONTH);
    check(month >= 1 && month <= (bcd ? 0x12 : 12) && day >= 1 && day <= (bcd ? 0x31 : 31),
          "RTC date is one");
}

static void test_timer_modes(const char *kind) {
    uint64_t hz = rt_tsc_hz();
    rt_irq_set(VECTOR, on_irq);
    nr_irqs = 0;
    rt_timer(LAPIC_TIMER_ONESHOT, VECTOR);
    uint64_t start = rt_tsc();
    rt_apic_write(LAPIC_TIMER_INIT, UINT32_MAX);
    rt_spin(2000);
    uint32_t gone = UINT32_MAX - rt_apic_read(LAPIC_TIMER_CURRENT);
    uint64_t apic_hz = gone * (hz / (rt_tsc() - start));
    check(gone > 1000, "%s timer counts: %lu kHz", kind, apic_hz / 1000);
    start = rt_tsc();
    rt_apic_write(LAPIC_TIMER_INIT, (uint32_t)(apic_hz / 500));
    check(await_irqs(1, 20000) && near(irq_tsc - start, hz / 500, 25), "%s one-shot comes once", kind);
    rt_spin(5000);
    (void)await_irqs(2, 1000);
    check(nr_irqs == 1, "%s one-shot comes only once", kind);
    nr_irqs = 0;
    rt_timer(LAPIC_TIMER_PERIODIC, VECTOR);
    start = rt_tsc();
    rt_apic_write(LAPIC_TIMER_INIT, (uint32_t)(apic_hz / 500));
    check(await_irqs(10, 100000) && near(irq_tsc - start, hz / 50, 25), "%s periodic comes ten times", kind);
    rt_apic_write(LAPIC_TIMER_INIT, 0);
    if (!rt_has_tsc_deadline())
        return;
    rt_timer(LAPIC_TIMER_TSC_DEADLINE, VECTOR);
    nr_irqs = 0;
    uint64_t deadline = rt_tsc() + hz / 500;
    rt_wrmsr(MSR_IA32_TSC_DEADLINE, deadline);
    check(await_irqs(1, 20000) && irq_tsc >= deadline, "%s deadline is not early", kind);
    check(rt_rdmsr(MSR_IA32_TSC_DEADLINE) == 0, "%s deadline reads 0 afterwards", kind);
    rt_wrmsr(MSR_IA32_TSC_DEADLINE, rt_tsc() + hz / 500);
    rt_wait();
    check(nr_irqs == 2, "%s deadline ends HLT", kind);
}

static void test_apic(void) {
    rt_apic_enable(false);
    check((rt_apic_read(LAPIC_VERSION) & 0xff) >= 0x14, "local APIC version 0x%x",
          rt_apic_read(LAPIC_VERSION));
    test_timer_modes("xAPIC");
    if (rt_apic_has_x2apic()) {
        rt_apic_enable(true);
        test_timer_modes("x2APIC");
    }
}

static void ioapic_set(unsigned pin, uint32_t low) {
    volatile void *base = (volatile void *)(uintptr_t)IOAPIC_DEFAULT_BASE;
    mmio_write32(base, IOAPIC_INDEX, IOAPIC_REG_REDIRECTION + 2 * pin + 1);
    mmio_write32(base, IOAPIC_DATA, 0); /* to the CPU with ID 0 */
    mmio_write32(base, IOAPIC_INDEX, IOAPIC_REG_REDIRECTION + 2 * pin);
    mmio_write32(base, IOAPIC_DATA, low);
}

static void test_ioapic(void) {
    nr_irqs = 0;
    ioapic_set(PIN_PIT, VECTOR);
    pit_start(2, I8254_HZ / 500);
    check(await_irqs(5, 100000), "PIT interrupts through the IOAPIC");
    ioapic_set(PIN_PIT, (uint32_t)IOAPIC_RTE_MASKED);
    (void)await_irqs(UINT32_MAX, 5000); /* one may be under way */
    unsigned before = nr_irqs;
    (void)await_irqs(UINT32_MAX, 20000);
    check(nr_irqs == before, "a masked IOAPIC pin is silent");
}

static void on_pic(void) {
    nr_irqs++;
    io_out8(I8259_MASTER_COMMAND, I8259_OCW2_EOI << I8259_OCW2_COMMAND_SHIFT); /* EOI */
}

/* The way of old kernels: 8259 through LINT0. */
static void test_pic(void) {
    static const uint8_t init[] = {PIC_VECTOR, 4, 1};
    rt_irq_set(PIC_VECTOR, on_pic);
    rt_apic_write(LAPIC_LVT_LINT0, 7u << LAPIC_LVT_MODE_SHIFT); /* ExtINT */
    io_out8(I8259_MASTER_COMMAND, I8259_ICW1 | I8259_ICW1_NEEDS_ICW4);
    for (unsigned i = 0; i < ARRAY_LEN(init); i++)
        io_out8(I8259_MASTER_DATA, init[i]);
    io_out8(I8259_MASTER_DATA, 0xfe); /* IRQ 0 alone */
    nr_irqs = 0;
    pit_start(2, I8254_HZ / 500);
    check(await_irqs(5, 100000), "PIT interrupts through the PIC");
    io_out8(I8259_MASTER_DATA, 0xff);
    rt_apic_write(LAPIC_LVT_LINT0, (uint32_t)LAPIC_LVT_MASKED);
    pit_start(0, 1);
}

static void test_uart(void) {
    uint16_t base = UART_PORT_COM1;
    while ((io_in8(base + UART_LSR) & UART_LSR_TEMT) == 0)
        cpu_pause();
    io_out8(base + UART_MCR, UART_MCR_LOOP);
    while ((io_in8(base + UART_LSR) & UART_LSR_DR) != 0)
        (void)io_in8(base + UART_RBR);
    bool same = true;
    for (unsigned v = 0; v < 256; v += 17) {
        io_out8(base + UART_THR, (uint8_t)v);
        rt_spin(1000);
        same = same && (io_in8(base + UART_LSR) & UART_LSR_DR) != 0 && io_in8(base + UART_RBR) == v;
    }
    io_out8(base + UART_SCR, 0x5a);
    bool scratch = io_in8(base + UART_SCR) == 0x5a;
    io_out8(base + UART_MCR, 0x0b); /* DTR, RTS, OUT2 */
    check(same, "UART loops back");
    check(scratch, "UART keeps its scratch register");
    nr_irqs = 0;
    rt_irq_set(VECTOR, on_irq);
    ioapic_set(IRQ_UART, VECTOR);
    io_out8(base + UART_IER, UART_IER_THRI);
    bool came = await_irqs(1, 20000);
    bool cause = (io_in8(base + UART_IIR) & UART_IIR_ID_MASK) == UART_IIR_THRI;
    io_out8(base + UART_IER, 0);
    ioapic_set(IRQ_UART, (uint32_t)IOAPIC_RTE_MASKED);
    check(came && cause, "UART interrupts when its transmitter is empty");
}

static void test_absent(void) {
    check(io_in8(0x1234) == 0xff && io_in32(0x1238) == UINT32_MAX, "an absent port reads all ones");
    check(mmio_read32((const volatile void *)(uintptr_t)0xfd000000, 0) == UINT32_MAX,
          "absent memory reads all ones");
}

void guest_main(void) {
    rt_printf("devtest: start, TSC %lu kHz\n", rt_tsc_hz() / 1000);
    test_cpuid();
    test_clocks();
    test_apic();
    test_ioapic();
    test_pic();
    test_uart();
    test_rtc();
    test_absent();
    rt_printf("devtest: done, %u failed\n", rt_nr_failed());
}
