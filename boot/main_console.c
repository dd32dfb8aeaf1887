/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "boot/main.h"
#include "console/console.h"
#include "console/ops_real.h"
#include "kernel/acpi.h"
#include "kernel/log_ring.h"
#include "kernel/loop.h"
#include "kernel/paging.h"
#include "kernel/serial.h"
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

static void report_cpu(void (*line)(void *ctx, const char *text), void *ctx) {
    struct reason why;
    char text[CONSOLE_LINE_LEN];
    snprintf(text, sizeof text, "TSC %lu kHz, %u CPUs in the firmware's tables, 1 in use",
             (unsigned long)(time_tsc_hz() / 1000), acpi_get()->nr_cpus);
    line(ctx, text);
    if (vmx_status(&why) != OK) {
        line(ctx, why.text);
        return;
    }
    vmx_caps_report(vmx_get_caps(), line, ctx);
    snprintf(text, sizeof text, "CPU 0: idle %lu us of %lu us since boot", (unsigned long)(loop_idle_ns() / 1000),
             (unsigned long)(time_now_ns() / 1000));
    line(ctx, text);
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
