/* SPDX-License-Identifier: MIT */
#include "kernel/panic.h"

#include <stdarg.h>
#include <stdio.h>

#include "kernel/cpu.h"
#include "kernel/io.h"
#include "kernel/serial.h"
#include "kernel/time.h"
#include "kernel/trap.h"

#define STACK_WORDS 32
#define RESTART_DELAY_MS 3000
#define ASSUMED_TSC_HZ 3000000000ull /* before calibration */

static const char *const exception_names[] = {
    "#DE divide error", "#DB debug", "NMI", "#BP breakpoint", "#OF overflow", "#BR bound range", "#UD invalid opcode",
    "#NM device not available", "#DF double fault", "coprocessor overrun", "#TS invalid TSS", "#NP segment not present",
    "#SS stack fault", "#GP general protection", "#PF page fault", "reserved", "#MF x87 error", "#AC alignment check",
    "#MC machine check", "#XM SIMD error", "#VE virtualization", "#CP control protection",
};

extern const uint8_t kernel_start[], kernel_end[];
static bool panicking;

static void print(const char *fmt, ...) {
    char line[200];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    serial_write_sync(line, (size_t)MIN(n, (int)sizeof line - 1));
}

static bool in_guard_page(uint64_t va) {
    for (unsigned i = 0; cpu_stack_guard(i) != NULL; i++)
        if (va >= (uint64_t)cpu_stack_guard(i) && va < (uint64_t)cpu_stack_guard(i) + PAGE_SIZE)
            return true;
    return false;
}

/* Words of the stack that point into the kernel's image are return addresses or close to it: `addr2line -e godwit.elf`. */
static void print_stack(uint64_t rsp) {
    print("stack at %016lx:\r\n", (unsigned long)rsp);
    if (rsp < (uint64_t)kernel_start || rsp >= (uint64_t)kernel_end || (rsp & 7) != 0 || in_guard_page(rsp)) {
        print("  not in the kernel's stacks, or below one (overflow)\r\n");
        return;
    }
    const uint64_t *word = (const uint64_t *)rsp;
    for (unsigned i = 0; i < STACK_WORDS && (const uint8_t *)(word + i + 4) <= kernel_end; i += 4)
        print("  +%03x %016lx %016lx %016lx %016lx\r\n", i * 8, (unsigned long)word[i], (unsigned long)word[i + 1],
              (unsigned long)word[i + 2], (unsigned long)word[i + 3]);
}

static void begin(void) {
    __asm__ volatile("cli");
    if (panicking) { /* a fault while printing: nothing more can be said safely */
        cpu_reset();
    }
    panicking = true;
    print("\r\n*** godwit: panic ***\r\n");
}

static void finish(void) NORETURN;
static void finish(void) {
    print("*** the machine restarts in %d s ***\r\n", RESTART_DELAY_MS / 1000);
    uint64_t hz = time_tsc_hz() != 0 ? time_tsc_hz() : ASSUMED_TSC_HZ;
    for (uint64_t end = cpu_rdtsc() + hz / 1000 * RESTART_DELAY_MS; cpu_rdtsc() < end;)
        cpu_pause();
    cpu_reset();
}

void panic(const char *fmt, ...) {
    char line[200];
    va_list args;
    va_start(args, fmt);
    vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    begin();
    print("%s\r\n", line);
    print_stack((uint64_t)__builtin_frame_address(0));
    finish();
}

void panic_trap(const struct trap_frame *f) {
    const char *name = f->vector < ARRAY_LEN(exception_names) ? exception_names[f->vector] : "exception";
    begin();
    print("CPU exception %u %s, error code %#lx at rip %016lx\r\n", (unsigned)f->vector, name, (unsigned long)f->error,
          (unsigned long)f->rip);
    const struct {
        const char *name;
        uint64_t value;
    } regs[] = {
        {"rax", f->rax}, {"rbx", f->rbx}, {"rcx", f->rcx}, {"rdx", f->rdx}, {"rsi", f->rsi}, {"rdi", f->rdi},
        {"rbp", f->rbp}, {"rsp", f->rsp}, {"r8 ", f->r8},  {"r9 ", f->r9},  {"r10", f->r10}, {"r11", f->r11},
        {"r12", f->r12}, {"r13", f->r13}, {"r14", f->r14}, {"r15", f->r15}, {"rfl", f->rflags}, {"cr0", cpu_read_cr0()},
        {"cr2", cpu_read_cr2()}, {"cr3", cpu_read_cr3()}, {"cr4", cpu_read_cr4()}, {"cs ", f->cs},
    };
    for (size_t i = 0; i < ARRAY_LEN(regs); i++)
        print("%s %016lx%s", regs[i].name, (unsigned long)regs[i].value, i % 4 == 3 ? "\r\n" : "  ");
    print("\r\n");
    print_stack(f->rsp);
    finish();
}
