/* SPDX-License-Identifier: MIT */
/* hello.c - the smallest passenger: prints where it is and switches off. */
#include "tests/guests/runtime.h"

void guest_main(void) {
    uint32_t r[4];
    char vendor[13] = {0};
    rt_cpuid(0, 0, r);
    *(uint32_t *)(void *)&vendor[0] = r[1];
    *(uint32_t *)(void *)&vendor[4] = r[3];
    *(uint32_t *)(void *)&vendor[8] = r[2];
    rt_printf("hello: guest of %lu MiB on %s, TSC %lu kHz\n", rt_ram_end() / MIB, vendor, rt_tsc_hz() / 1000);
    rt_printf("hello: PASS\n");
}
