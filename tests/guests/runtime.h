/* SPDX-License-Identifier: MIT */
/* runtime.h - what a payload guest may use: console, command line, time, interrupts, local APIC.
 * A payload supplies guest_main(); when it returns the machine is switched off.
 * Freestanding, one CPU, identity map of the first 4 GiB, interrupts off until rt_irq_enable. */
#ifndef TESTS_GUESTS_RUNTIME_H
#define TESTS_GUESTS_RUNTIME_H

#include "kernel/hw/lapic_regs.h"
#include "kernel/hw/msr_regs.h"
#include "kernel/types.h"

void guest_main(void);

/* Console: the first UART, polled. %s %c %d %u %x %lu %lx %%, and a width with or without leading 0. */
void rt_printf(const char *fmt, ...) PRINTF_LIKE(1, 2);

/* rt_param - the number behind `name=` on the command line (K, M, G allowed), or fallback. */
uint64_t rt_param(const char *name, uint64_t fallback);
/* rt_free_memory - first octet behind this guest's own image, page aligned. rt_ram_end - end of low RAM. */
uint64_t rt_free_memory(void);
uint64_t rt_ram_end(void);

/* Time: the TSC. Its frequency comes from CPUID 0x15, 0x40000010 or the PIT, in this order. */
uint64_t rt_tsc_hz(void);

/* rt_spin - let so many microseconds go by. */
void rt_spin(uint64_t us);

static inline uint64_t rt_tsc(void) {
    uint32_t lo, hi;
    __asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
    return (uint64_t)hi << 32 | lo;
}

static inline void rt_cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4]) {
    __asm__ volatile("cpuid" : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3]) : "a"(leaf), "c"(sub));
}

static inline uint64_t rt_rdmsr(uint32_t msr) {
    uint32_t lo, hi;
    __asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
    return (uint64_t)hi << 32 | lo;
}

static inline void rt_wrmsr(uint32_t msr, uint64_t v) {
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32)) : "memory");
}

/* Interrupts. Handlers run with interrupts off; EOI is theirs. An exception without handler prints and stops.
 * */
typedef void (*rt_handler)(void);
void rt_irq_set(unsigned vector, rt_handler handler);
static inline void rt_irq_enable(void) {
    __asm__ volatile("sti" : : : "memory");
}
static inline void rt_irq_disable(void) {
    __asm__ volatile("cli" : : : "memory");
}
/* rt_timer - the local APIC's timer: LAPIC_TIMER_ONESHOT, _PERIODIC or _TSC_DEADLINE; interrupts come at
 * vector. */
void rt_timer(unsigned mode, unsigned vector);
/* rt_wait - enable interrupts, halt until one came, disable them. */
static inline void rt_wait(void) {
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}

/* Local APIC by register offset (kernel/hw/lapic_regs.h): xAPIC in memory, or x2APIC once switched. */
void rt_apic_enable(bool x2apic); /* also masks the PICs; spurious vector 0xff */
bool rt_apic_has_x2apic(void);
bool rt_has_tsc_deadline(void);
uint32_t rt_apic_read(unsigned reg);
void rt_apic_write(unsigned reg, uint32_t v);

/* Verdicts: prints `TOPIC: PASS what` or `TOPIC: FAIL what`; rt_nr_failed counts the latter. */
void rt_check(const char *topic, bool good, const char *fmt, ...) PRINTF_LIKE(3, 4);
unsigned rt_nr_failed(void);

/* rt_power_off - ACPI S5 through PM1a control; does not return. */
void rt_power_off(void) NORETURN;

#endif
