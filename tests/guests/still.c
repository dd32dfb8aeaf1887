/* SPDX-License-Identifier: MIT */
/* still.c - a passenger that does next to nothing: memory with content, memory without, and a halted CPU.
 * What the hypervisor executes while it is here, or moves, is the hypervisor's own doing.
 * Command line: mb=16 (memory to be filled with content), wake=250 (microseconds between two wake-ups; 0: never).
 * Prints `still: 4096 pages filled`. */
#include "tests/guests/runtime.h"

#define TIMER_VECTOR 0x40u
#define WORDS (PAGE_SIZE / 8)

static uint64_t fill(uint64_t mb) {
    uint64_t start = rt_free_memory(), nr_pages = MIN(mb * (MIB / PAGE_SIZE), (rt_ram_end() - start) / PAGE_SIZE);
    uint64_t *word = (uint64_t *)(uintptr_t)start, x = 1;
    for (uint64_t i = 0; i < nr_pages * WORDS; i++)
        word[i] = x = x * 6364136223846793005 + 1442695040888963407;
    return nr_pages;
}

static void on_timer(void) {
    rt_apic_write(LAPIC_EOI, 0);
}

void guest_main(void) {
    uint64_t ticks = rt_tsc_hz() / 1000000 * rt_param("wake", 250);
    rt_printf("still: %lu pages filled\n", fill(rt_param("mb", 16)));
    rt_apic_enable(rt_apic_has_x2apic());
    rt_irq_set(TIMER_VECTOR, on_timer);
    rt_timer(LAPIC_TIMER_TSC_DEADLINE, TIMER_VECTOR);
    while (ticks != 0) {
        rt_wrmsr(MSR_IA32_TSC_DEADLINE, rt_tsc() + ticks);
        rt_wait();
    }
    for (;;)
        __asm__ volatile("cli; hlt" : : : "memory");
}
