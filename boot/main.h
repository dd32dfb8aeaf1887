/* SPDX-License-Identifier: MIT */
/* main.h - the kernel's start: main.c tells the story, the others are its longer sentences.
 *   main_config.c   godwit.cfg -> what each part wants to know        main_console.c  the operator's terminal
 *   main_services.c entropy, VT-x, network, migration                 main_cpus.c     the other CPUs */
#ifndef BOOT_MAIN_H
#define BOOT_MAIN_H

#include "console/console.h"
#include "kernel/boot_info.h"
#include "kernel/config.h"

void kernel_main(const struct boot_info *info) NORETURN;

/* main_config.c */
void main_check_boot_info(const struct boot_info *info);
void main_load_config(const struct boot_info *info);
void main_select_console(void);
const struct config *main_config(void);
const char *main_config_notice(void); /* first mistake of the configuration or the loader's message, or "" */
void main_define_vms(const struct boot_info *info);

/* main_services.c */
void main_init_entropy(const struct boot_info *info);
void main_init_vmx(void);
void main_init_net(void);
void main_init_migration(void);

/* main_cpus.c */
void main_start_cpus(const struct boot_info *info);

/* main_console.c */
struct console *main_console(void);
void main_init_console(const struct boot_info *info);
bool main_poll_console(void);

#endif
