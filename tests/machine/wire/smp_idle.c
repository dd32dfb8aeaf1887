/* SPDX-License-Identifier: MIT */
/* Jumping over the time in which all CPUs sleep: see smp_idle.h.
 *
 * One round of the emulator's loop, three CPUs:
 *
 *   CPU 0: a trace, or handleAsyncEvent() = true (sleeps)   .. CPU 1 .. CPU 2 .. clock: countdown -= ticks of this round
 *
 * A sleeping CPU asks for events at each of its turns. Hence, when the calls of handleAsyncEvent() come from CPU 0, 1, ...
 * n-1 in this order and all of them say "sleeps", they are of one round in which no CPU executed anything. Nothing but
 * the clock can wake one of them, so the countdown to the clock's next event may be shortened to one tick. */
#include "smp_idle.h"
#include "detour.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES 19u
#define ACTIVITY_OPERAND 15u            /* in the head: mov disp32(%rdi), %eax */

static struct {
    uint32_t *countdown;                /* ticks to the clock's next event */
    size_t activity_offset;             /* of a CPU's activity state: 0 = active */
    void ***cpus;                       /* the emulator's array */
    const uint8_t *nr_cpus;
    unsigned nr_asleep;                 /* CPUs 0 to this one were asleep in this round */
    bool (*handle_async_event)(void *cpu);
} idle;

static bool is_asleep(const void *cpu)
{
    uint32_t activity;

    memcpy(&activity, (const char *)cpu + idle.activity_offset, sizeof(activity));
    return activity != 0;
}

/* At the start of a CPU's turn, if something may have happened to it. True: it goes on sleeping. A VM exit does not return. */
static bool on_async_event(void *cpu)
{
    unsigned before = idle.nr_asleep;
    bool sleeps;

    idle.nr_asleep = 0;
    sleeps = idle.handle_async_event(cpu);
    if (*idle.nr_cpus < 2 || !sleeps || !is_asleep(cpu)) {
        return sleeps;
    }
    if (cpu == (*idle.cpus)[0]) {
        idle.nr_asleep = 1;
    } else if (cpu == (*idle.cpus)[before]) {
        idle.nr_asleep = before + 1;
    }
    if (idle.nr_asleep == *idle.nr_cpus) {
        idle.nr_asleep = 0;
        if (*idle.countdown > 1) {
            *idle.countdown = 1;
        }
    }
    return sleeps;
}

/* The countdown has no accessor: countdownEvent() stores the new period, then the countdown, from one register. */
static size_t find_countdown_offset(const uint8_t *code)
{
    static const uint8_t store[] = { 0x41, 0x89, 0xb8 };    /* mov %edi, disp32(%r8) */

    for (unsigned i = 0; i < 512; i++) {
        if (!memcmp(code + i, store, sizeof(store)) && !memcmp(code + i + 7, store, sizeof(store))) {
            uint32_t offset;

            memcpy(&offset, code + i + 7 + sizeof(store), sizeof(offset));
            return offset;
        }
    }
    fprintf(stderr, "wire: countdownEvent looks unfamiliar; the bench knows Bochs 3.1 of Debian\n");
    exit(3);
}

void smp_idle_init(void *pc_system)
{
    /* endbr64; push %rbp; push %rbx; mov %rdi,%rbx; sub $8,%rsp; mov 0x91dc(%rdi),%eax */
    static const uint8_t head[HEAD_BYTES] = { 0xf3, 0x0f, 0x1e, 0xfa, 0x55, 0x53, 0x48, 0x89, 0xfb, 0x48,
                                              0x83, 0xec, 0x08, 0x8b, 0x87, 0xdc, 0x91, 0x00, 0x00 };
    uint32_t activity;

    memcpy(&activity, head + ACTIVITY_OPERAND, sizeof(activity));
    idle.activity_offset = activity;
    idle.countdown = (uint32_t *)(void *)((char *)pc_system
        + find_countdown_offset(detour_find("_ZN14bx_pc_system_c14countdownEventEv")));
    idle.cpus = detour_find("bx_cpu_array");
    idle.nr_cpus = detour_find("bx_cpu_count");
    *(void **)&idle.handle_async_event = detour_wrap(detour_find("_ZN8BX_CPU_C16handleAsyncEventEv"),
                                                     (const void *)on_async_event, head, sizeof(head));
}
