/* SPDX-License-Identifier: MIT */
#include "tests/guests/runtime.h"

#include <stdarg.h>

#include "guest/boot_params.h"
#include "kernel/hw/acpi_pm_regs.h"
#include "kernel/hw/uart16550_regs.h"
#include "kernel/io.h"

#define PM1A_S5(type) (uint16_t)(ACPI_PM1_SLP_EN | (type) << ACPI_PM1_SLP_TYP_SHIFT)
#define QEMU_SLP_TYP_S5 0u

/* PVH's start information, as far as it is used. */
struct pvh_start_info {
    uint32_t magic, version, flags, nr_modules;
    uint64_t modules, cmdline, rsdp, memmap;
    uint32_t memmap_entries, rsvd;
};
struct pvh_memmap_entry {
    uint64_t addr, size;
    uint32_t type, rsvd;
};

void guest_start(const struct boot_params *params, const struct pvh_start_info *info);
void guest_irq_init(void);
void *memset(void *dst, int c, size_t n);
void *memcpy(void *dst, const void *src, size_t n);

extern char guest_end[];
static const char *cmdline = "";
static uint64_t ram_end;
static unsigned nr_failed;

/* The compiler may call these. */
void *memset(void *dst, int c, size_t n) {
    void *d = dst;
    __asm__ volatile("rep stosb" : "+D"(d), "+c"(n) : "a"(c) : "memory");
    return dst;
}

void *memcpy(void *dst, const void *src, size_t n) {
    void *d = dst;
    __asm__ volatile("rep movsb" : "+D"(d), "+S"(src), "+c"(n) : : "memory");
    return dst;
}

static void put(char c) {
    if (c == '\n')
        put('\r');
    while ((io_in8(UART_PORT_COM1 + UART_LSR) & UART_LSR_THRE) == 0)
        cpu_pause();
    io_out8(UART_PORT_COM1 + UART_THR, (uint8_t)c);
}

static void put_number(uint64_t v, unsigned base, unsigned width, char pad) {
    char digits[24];
    unsigned n = 0;
    do {
        digits[n++] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v != 0);
    for (; width > n; width--)
        put(pad);
    while (n > 0)
        put(digits[--n]);
}

static void put_signed(int64_t v, unsigned width, char pad) {
    if (v < 0)
        put('-');
    put_number(v < 0 ? 0 - (uint64_t)v : (uint64_t)v, 10, width, pad);
}

static void print(const char *fmt, va_list args) {
    for (; *fmt != '\0'; fmt++) {
        if (*fmt != '%') {
            put(*fmt);
            continue;
        }
        char pad = *++fmt == '0' ? '0' : ' ';
        unsigned width = 0;
        for (; *fmt >= '0' && *fmt <= '9'; fmt++)
            width = width * 10 + (unsigned)(*fmt - '0');
        bool wide = *fmt == 'l';
        for (; *fmt == 'l'; fmt++)
            continue;
        if (*fmt == 's') {
            for (const char *s = va_arg(args, const char *); *s != '\0'; s++)
                put(*s);
        } else if (*fmt == 'd') {
            put_signed(wide ? va_arg(args, int64_t) : va_arg(args, int), width, pad);
        } else if (*fmt == 'u' || *fmt == 'x') {
            put_number(wide ? va_arg(args, uint64_t) : va_arg(args, unsigned), *fmt == 'u' ? 10 : 16, width,
                       pad);
        } else {
            put(*fmt == 'c' ? (char)va_arg(args, int) : *fmt);
        }
    }
}

void rt_printf(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    print(fmt, args);
    va_end(args);
}

void rt_check(const char *topic, bool good, const char *fmt, ...) {
    va_list args;
    rt_printf("%s: %s ", topic, good ? "PASS" : "FAIL");
    va_start(args, fmt);
    print(fmt, args);
    va_end(args);
    put('\n');
    nr_failed += !good;
}

unsigned rt_nr_failed(void) {
    return nr_failed;
}

static const char *find_param(const char *name) {
    for (const char *p = cmdline; *p != '\0'; p++) {
        size_t n = 0;
        if (p != cmdline && p[-1] != ' ')
            continue;
        while (name[n] != '\0' && p[n] == name[n])
            n++;
        if (name[n] == '\0' && p[n] == '=')
            return p + n + 1;
    }
    return NULL;
}

uint64_t rt_param(const char *name, uint64_t fallback) {
    const char *p = find_param(name);
    uint64_t v = 0;
    if (p == NULL || *p < '0' || *p > '9')
        return fallback;
    for (; *p >= '0' && *p <= '9'; p++)
        v = v * 10 + (uint64_t)(*p - '0');
    return *p == 'K' ? v * KIB : *p == 'M' ? v * MIB : *p == 'G' ? v * GIB : v;
}

uint64_t rt_free_memory(void) {
    return ALIGN_UP((uint64_t)(uintptr_t)guest_end, PAGE_SIZE);
}

uint64_t rt_ram_end(void) {
    return ram_end;
}

static void note_ram(uint64_t addr, uint64_t size, uint32_t type) {
    if (type == E820_RAM && addr <= MIB && addr + size > MIB)
        ram_end = addr + size;
}

static void read_params(const struct boot_params *params, const struct pvh_start_info *info) {
    if (params != NULL) {
        cmdline = (const char *)(uintptr_t)params->hdr.cmd_line_ptr;
        for (unsigned i = 0; i < params->e820_entries; i++)
            note_ram(params->e820_table[i].addr, params->e820_table[i].size, params->e820_table[i].type);
        return;
    }
    if (info->cmdline != 0)
        cmdline = (const char *)(uintptr_t)info->cmdline;
    const struct pvh_memmap_entry *map = (const struct pvh_memmap_entry *)(uintptr_t)info->memmap;
    for (unsigned i = 0; i < info->memmap_entries; i++)
        note_ram(map[i].addr, map[i].size, map[i].type);
}

void rt_power_off(void) {
    io_out16(VPM_PM1A_CNT, PM1A_S5(VPM_SLP_TYP_S5));
    io_out16(VPM_PM1A_CNT, PM1A_S5(QEMU_SLP_TYP_S5));
    for (;;)
        __asm__ volatile("cli; hlt");
}

void guest_start(const struct boot_params *params, const struct pvh_start_info *info) {
    read_params(params, info);
    guest_irq_init();
    guest_main();
    rt_power_off();
}
