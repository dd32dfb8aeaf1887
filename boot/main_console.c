/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "boot/main.h"
#include "console/console.h"
#include "console/ops_real.h"
#include "kernel/acpi.h"
#include "kernel/log_ring.h"
#include "kernel/paging.h"
#include "kernel/serial.h"
#include "kernel/smp.h"
#include "kernel/time.h"
#include "vmx/vcpu.h"
#include "vmx/vmx_caps.h"

#define GODWIT_VERSION "0.1"

static struct console console;
static struct console_ops ops;

struct console *main_console(void) {
    return &console;
}

static void show_log_line(const char *line) {
    console_print_async(&console, line);
}

static void report_each_cpu(void (*line)(void *ctx, const char *text), void *ctx) {
    char text[CONSOLE_LINE_LEN];
    uint64_t now_us = time_now_ns() / 1000;
    for (uint32_t i = 0; i < cpu_nr(); i++) {
        const struct cpu *c = cpu_get(i);
        uint64_t idle_us = __atomic_load_n(&c->pub.idle_ns, __ATOMIC_RELAXED) / 1000;
        uint64_t guest_us = __atomic_load_n(&c->pub.guest_ns, __ATOMIC_RELAXED) / 1000;
        snprintf(text, sizeof text, "CPU %u (APIC ID %u): idle %lu us, in guests %lu us of %lu us since boot", i, c->apic_id,
                 (unsigned long)idle_us, (unsigned long)guest_us, (unsigned long)now_us);
        line(ctx, text);
    }
}

static void report_cpu(void (*line)(void *ctx, const char *text), void *ctx) {
    struct reason why;
    char text[CONSOLE_LINE_LEN];
    snprintf(text, sizeof text, "TSC %lu kHz, %u CPUs in the firmware's tables, %u in use, %u did not come up",
             (unsigned long)(time_tsc_hz() / 1000), acpi_get()->nr_cpus, cpu_nr(), smp_nr_absent());
    line(ctx, text);
    if (vmx_status(&why) != OK) {
        line(ctx, why.text);
        return;
    }
    vmx_caps_report(vmx_get_caps(), line, ctx);
    report_each_cpu(line, ctx);
    struct paging_audit audit;
    paging_audit(&audit);
    snprintf(text, sizeof text, "hypervisor mappings: %lu leaves, %lu writable and executable, %lu open to user mode",
             (unsigned long)audit.leaves, (unsigned long)audit.write_exec, (unsigned long)audit.user);
    line(ctx, text);
}

void main_init_console(const struct boot_info *info) {
    static const struct console_io io = {serial_read, serial_write, serial_space};
    static char notice[2 * REASON_LEN];
    ops_real_fill(&ops, main_config());
    ops.version = GODWIT_VERSION;
    ops.cpu_report = report_cpu;
    uint64_t since_ns = time_now_ns() - time_tsc_to_ns(info->handover_tsc);
    snprintf(notice, sizeof notice, "boot: %lu us from the firmware's hand-over to the prompt%s%s",
             (unsigned long)(since_ns / 1000), main_config_notice()[0] != '\0' ? "\n" : "", main_config_notice());
    console_init(&console, &io, &ops, main_config()->host.name, notice);
    log_set_sink(show_log_line);
}

bool main_poll_console(void) {
    return console_poll(&console);
}
