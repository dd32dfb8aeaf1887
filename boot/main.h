/* SPDX-License-Identifier: MIT */
/* main.h - where the entry stub arrives. */
#ifndef BOOT_MAIN_H
#define BOOT_MAIN_H

#include "kernel/boot_info.h"

void kernel_main(const struct boot_info *info) NORETURN;

#endif
