/* SPDX-License-Identifier: MIT */
#include "kernel/time.h"

#include "kernel/acpi.h"
#include "kernel/cpu.h"
#include "kernel/io.h"
#include "kernel/log.h"
#include "kernel/panic.h"
#include "kernel/time_init.h"

#define PM_TIMER_HZ 3579545ull
#define PIT_HZ 1193182ull
#define CALIBRATE_MS 20
#define MAX_READS 10000000u /* a timer that does not count is no reference */

static struct {
    uint64_t hz;
    uint64_t ns_mul; /* ns = tsc * ns_mul >> 32 */
    uint64_t wall_base_ns;
} clk;

uint64_t time_tsc_hz(void) {
    return clk.hz;
}

uint64_t time_tsc_to_ns(uint64_t tsc) {
    return (uint64_t)(((unsigned __int128)tsc * clk.ns_mul) >> 32);
}

uint64_t time_ns_to_tsc(uint64_t ns) {
    uint64_t sec = ns / NSEC_PER_SEC, rest = ns % NSEC_PER_SEC;
    return sec * clk.hz + rest * (clk.hz / 1000) / (NSEC_PER_SEC / 1000);
}

uint64_t time_now_ns(void) {
    return time_tsc_to_ns(cpu_rdtsc());
}

uint64_t time_wall_ns(void) {
    return clk.wall_base_ns + time_now_ns();
}

void time_delay_us(uint32_t us) {
    uint64_t end = cpu_rdtsc() + time_ns_to_tsc(us * NSEC_PER_USEC);
    while (cpu_rdtsc() < end)
        cpu_pause();
}

/* CPUID leaf 15H, "Time Stamp Counter and Nominal Core Crystal Clock". */
static uint64_t hz_from_cpuid(void) {
    if (cpu_cpuid(0, 0).eax < 0x15)
        return 0;
    struct cpuid_regs r = cpu_cpuid(0x15, 0);
    if (r.eax != 0 && r.ebx != 0 && r.ecx != 0)
        return (uint64_t)r.ecx * r.ebx / r.eax;
    return 0;
}

/* Leaf 16H, "Processor Frequency Information": a rounded figure, the last resort. */
static uint64_t hz_from_nominal(void) {
    if (cpu_cpuid(0, 0).eax < 0x16)
        return 0;
    return (uint64_t)(cpu_cpuid(0x16, 0).eax & 0xffff) * 1000000;
}

static uint64_t hz_from_pm_timer(uint16_t port) {
    uint32_t start = io_in32(port) & 0xffffff, now = start;
    uint64_t tsc = cpu_rdtsc();
    uint32_t want = (uint32_t)(PM_TIMER_HZ * CALIBRATE_MS / 1000);
    for (uint32_t reads = 0; ((now - start) & 0xffffff) < want; reads++) {
        if (reads == MAX_READS)
            return 0;
        now = io_in32(port) & 0xffffff;
    }
    return (cpu_rdtsc() - tsc) * PM_TIMER_HZ / ((now - start) & 0xffffff);
}

/* PIT channel 2 as a one-shot, gated by port 61H. */
static uint64_t hz_from_pit(void) {
    uint32_t count = (uint32_t)(PIT_HZ * CALIBRATE_MS / 1000);
    io_out8(0x61, (uint8_t)((io_in8(0x61) & ~2u) | 1u));
    io_out8(0x43, 0xb0);
    io_out8(0x42, (uint8_t)count);
    io_out8(0x42, (uint8_t)(count >> 8));
    uint64_t tsc = cpu_rdtsc();
    for (uint32_t reads = 0; (io_in8(0x61) & 0x20) == 0; reads++)
        if (reads == MAX_READS)
            return 0;
    return (cpu_rdtsc() - tsc) * PIT_HZ / count;
}

void time_init(uint64_t wall_seconds, uint64_t wall_tsc) {
    const char *source = "CPUID";
    uint64_t hz = hz_from_cpuid();
    if (hz == 0 && acpi_get()->pm_timer_port != 0) {
        hz = hz_from_pm_timer(acpi_get()->pm_timer_port);
        source = "the ACPI PM timer";
    }
    if (hz == 0) {
        hz = hz_from_pit();
        source = "the PIT";
    }
    if (hz == 0) {
        hz = hz_from_nominal();
        source = "the nominal frequency";
    }
    ASSERT(hz >= 1000000);
    clk.hz = hz;
    clk.ns_mul = (NSEC_PER_SEC << 32) / hz;
    clk.wall_base_ns = wall_seconds * NSEC_PER_SEC - time_tsc_to_ns(wall_tsc);
    log_info("time: TSC at %lu kHz (from %s)", (unsigned long)(hz / 1000), source);
}
