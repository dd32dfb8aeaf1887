/* SPDX-License-Identifier: MIT */
/* VM entries and exits of the emulated CPU: see guest_trace.h. */
#include "guest_trace.h"
#include "detour.h"

#include <stdbool.h>
#include <stdio.h>

#define CPUS_MAX 64u

static struct {
    void *pc_system;
    uint64_t (*time_nsec)(void *pc_system);
    const void *in_guest[CPUS_MAX]; /* CPUs that run a guest now */
    unsigned nr_in_guest;
    uint64_t exit_ns;               /* of the VM exit after which no CPU ran a guest */
    bool exited;                    /* exit_ns is valid and not written yet */
    FILE *file;
    uint32_t (*load_guest_state)(void *cpu, uint64_t *qualification);
    void (*load_host_state)(void *cpu);
} trace;

static void write_event(const char *what, uint64_t ns)
{
    if (!trace.file) {
        trace.file = fopen("guest.trace", "w");
    }
    if (trace.file) {
        fprintf(trace.file, "%s %llu\n", what, (unsigned long long)ns);
        fflush(trace.file);
    }
}

static void write_exit(uint64_t now_ns)
{
    if (trace.exited && now_ns - trace.exit_ns >= GUEST_TRACE_GAP_NS) {
        write_event("exit", trace.exit_ns);
        trace.exited = false;
    }
}

static void note_exit(const void *cpu)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < trace.nr_in_guest; i++) {
        if (trace.in_guest[i] != cpu) {
            trace.in_guest[kept++] = trace.in_guest[i];
        }
    }
    trace.nr_in_guest = kept;
}

static void note_entry(const void *cpu)
{
    note_exit(cpu);                 /* a reset may have ended its guest */
    if (trace.nr_in_guest < CPUS_MAX) {
        trace.in_guest[trace.nr_in_guest++] = cpu;
    }
}

/* Part of every VM entry. A failed entry is followed by load_host_state() like an exit. */
static uint32_t on_entry(void *cpu, uint64_t *qualification)
{
    if (trace.nr_in_guest == 0) {
        uint64_t now_ns = trace.time_nsec(trace.pc_system);

        write_exit(now_ns);
        if (!trace.exited) {        /* the gap was long, or this is the first entry */
            write_event("entry", now_ns);
        }
    }
    note_entry(cpu);
    return trace.load_guest_state(cpu, qualification);
}

static void on_exit_from_guest(void *cpu)
{
    note_exit(cpu);
    if (trace.nr_in_guest == 0) {
        trace.exit_ns = trace.time_nsec(trace.pc_system);
        trace.exited = true;
    }
    trace.load_host_state(cpu);
}

void guest_trace_poll(void)
{
    if (trace.nr_in_guest == 0) {
        write_exit(trace.time_nsec(trace.pc_system));
    }
}

void guest_trace_init(void *pc_system, uint64_t (*time_nsec)(void *pc_system))
{
    /* endbr64; sub $0x258,%rsp; mov %rbx,0x228(%rsp) */
    static const uint8_t entry_head[] = { 0xf3, 0x0f, 0x1e, 0xfa, 0x48, 0x81, 0xec, 0x58, 0x02, 0x00,
                                          0x00, 0x48, 0x89, 0x9c, 0x24, 0x28, 0x02, 0x00, 0x00 };
    /* endbr64; push %r14; push %r13; push %r12; push %rbp; push %rbx */
    static const uint8_t exit_head[] = { 0xf3, 0x0f, 0x1e, 0xfa, 0x41, 0x56, 0x41, 0x55, 0x41, 0x54, 0x55, 0x53 };

    trace.pc_system = pc_system;
    trace.time_nsec = time_nsec;
    *(void **)&trace.load_guest_state = detour_wrap(detour_find("_ZN8BX_CPU_C26VMenterLoadCheckGuestStateEPm"),
                                                    (const void *)on_entry, entry_head, sizeof(entry_head));
    *(void **)&trace.load_host_state = detour_wrap(detour_find("_ZN8BX_CPU_C19VMexitLoadHostStateEv"),
                                                   (const void *)on_exit_from_guest, exit_head, sizeof(exit_head));
}
