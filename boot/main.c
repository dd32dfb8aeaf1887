/* SPDX-License-Identifier: MIT */
/* main.c - the composition root: the whole story of the hypervisor's start, one call per line. */
#include "boot/main.h"

#include "drivers/pci.h"
#include "guest/vm_run.h"
#include "kernel/acpi.h"
#include "kernel/cpu.h"
#include "kernel/lapic.h"
#include "kernel/log_ring.h"
#include "kernel/loop.h"
#include "kernel/memory.h"
#include "kernel/panic.h"
#include "kernel/serial.h"
#include "kernel/time_init.h"
#include "migration/audit.h"
#include "migration/migration.h"
#include "net/net.h"

void kernel_main(const struct boot_info *info) {
    cpu_init_boot();                                   /* own descriptor tables: exceptions are readable from here on */
    main_check_boot_info(info);                        /* ... and the magic says that we were started by our loader */
    serial_init(SERIAL_COM1);                          /* output is queued, never waited for */
    memory_init(info);                                 /* page tables, heap, frames */
    acpi_init(info->rsdp, info->direct_map_end);       /* PM timer, reset register */
    time_init(info->wall_seconds, info->wall_tsc);     /* TSC frequency */
    lapic_init();                                      /* the timer that wakes an idle CPU */
    main_load_config(info);                            /* godwit.cfg; mistakes are kept for the console's notice */
    main_select_console();                             /* the operator's serial port, if it is not COM1 */
    main_init_entropy(info);                           /* firmware, RDSEED, RDRAND */
    main_init_vmx();                                   /* VMXON, or the reason why `vm start` will refuse */
    main_start_cpus(info);                             /* the other CPUs, each in its own loop from here on */
    pci_scan();                                        /* what is plugged in */
    main_init_net();                                   /* the NIC and lwIP, or the reason why there is no network */
    main_init_migration();                             /* listen for guests that come */
    main_define_vms(info);                             /* the configured VMs, and where their files are */
    main_init_console(info);                           /* prompt */
    loop_add(&(struct loop_task){"vm", vm_poll, vm_next_ns});
    loop_add(&(struct loop_task){"vm ends", vm_housekeep, NULL});
    loop_add(&(struct loop_task){"log", log_poll, NULL});
    loop_add(&(struct loop_task){"serial", serial_poll, serial_next_ns});
    loop_add(&(struct loop_task){"net", net_poll, net_next_timeout_ns});
    loop_add(&(struct loop_task){"migration", migration_poll, NULL});
    loop_add(&(struct loop_task){"audit", audit_poll, audit_next_ns});
    loop_add(&(struct loop_task){"console", main_poll_console, NULL});
    loop_run();
}
