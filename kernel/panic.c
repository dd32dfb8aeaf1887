/* SPDX-License-Identifier: MIT */
#include "kernel/panic.h"

#include <stdarg.h>
#include <stdio.h>

#include "kernel/cpu.h"
#include "kernel/io.h"
#include "kernel/paging.h"
#include "kernel/serial.h"
#include "kernel/smp.h"
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
static uint32_t panicking; /* [a] CPU + 1 of the first */

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

static bool is_readable(uint64_t va) {
    bool image = va >= (uint64_t)kernel_start && va < (uint64_t)kernel_end && !in_guard_page(va);
    return image || paging_is_stack(va);
}

/* Words of the stack that point into the kernel's image are return addresses or close to it: `addr2line -e godwit.elf`. */
static void print_stack(uint64_t rsp) {
    print("stack at %016lx:\r\n", (unsigned long)rsp);
    if ((rsp & 7) != 0 || !is_readable(rsp)) {
        print("  not in the kernel's stacks, or below one (overflow)\r\n");
        return;
    }
    const uint64_t *word = (const uint64_t *)rsp;
    for (unsigned i = 0; i < STACK_WORDS && is_readable((uint64_t)(word + i + 3)); i += 4)
        print("  +%03x %016lx %016lx %016lx %016lx\r\n", i * 8, (unsigned long)word[i], (unsigned long)word[i + 1],
              (unsigned long)word[i + 2], (unsigned long)word[i + 3]);
}

/* The first CPU that panics reports; the others stop where they are, and it tells where that was. */
static void begin(void) {
    __asm__ volatile("cli");
    uint32_t none = 0, self = cpu_id() + 1;
    if (!__atomic_compare_exchange_n(&panicking, &none, self, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        if (none == self) /* a fault while printing: nothing more can be said safely */
            cpu_reset();
        for (;;) /* the other CPU's NMI comes */
            cpu_pause();
    }
    smp_stop_others();
    print("\r\n*** godwit: panic on CPU %u%s%s ***\r\n", cpu_id(), this_cpu()->pub.guest != NULL ? ", which runs VM " : "",
          this_cpu()->pub.guest != NULL ? this_cpu()->pub.guest : "");
}

static void print_others(void) {
    for (uint32_t i = 0; i < cpu_nr(); i++) {
        const struct cpu_public *pub = &cpu_get(i)->pub;
        if (i == cpu_id())
            continue;
        if (__atomic_load_n(&pub->stopped, __ATOMIC_ACQUIRE) == 0) {
            print("CPU %u did not stop\r\n", i);
            continue;
        }
        print("CPU %u stopped at rip %016lx rsp %016lx%s%s\r\n", i, (unsigned long)pub->panic_rip, (unsigned long)pub->panic_rsp,
              pub->guest != NULL ? ", in VM " : "", pub->guest != NULL ? pub->guest : "");
    }
}

static void finish(void) NORETURN;
static void finish(void) {
    print_others();
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
