/* SPDX-License-Identifier: MIT */
/* main.c - the composition root: the whole story of the hypervisor's start, one call per line. */
#include "boot/main.h"

#include "kernel/acpi.h"
#include "kernel/cpu.h"
#include "kernel/lapic.h"
#include "kernel/log.h"
#include "kernel/loop.h"
#include "kernel/memory.h"
#include "kernel/panic.h"
#include "kernel/serial.h"
#include "kernel/time_init.h"

void kernel_main(const struct boot_info *info) {
    cpu_init();                                        /* own descriptor tables: exceptions are readable from here on */
    serial_init(SERIAL_COM1);                          /* output is queued, never waited for */
    if (info->magic != BOOT_INFO_MAGIC)
        panic("the loader passed no boot information");
    memory_init(info);                                 /* page tables, heap, frames */
    acpi_init(info->rsdp, info->direct_map_end);       /* PM timer, reset register */
    time_init(info->wall_seconds, info->handover_tsc); /* TSC frequency */
    lapic_init();                                      /* timer that wakes an idle CPU */
    log_info("godwit: up");
    loop_add(&(struct loop_task){"serial", serial_poll, serial_next_ns});
    loop_run();
}
