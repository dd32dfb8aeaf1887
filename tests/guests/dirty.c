/* SPDX-License-Identifier: MIT */
/* dirty.c - a passenger that dirties memory at a set rate and verifies all of it all the time.
 * Each page of the region holds 512 words made of its number and its generation; a table remembers which
 * generation each page has. A page (or part of the table) that arrives old, mixed or elsewhere is a mismatch.
 * Command line: mb=64 (region), rate=1000 (pages written per second), ws=mb (MiB of the region that are
 * written), seq=0 (1: one page after the other, else at random), hlt=0 (1: sleep between the milliseconds'
 * work and verify only `verify` pages per second; needs the TSC deadline timer), verify=4000, secs=0 (then
 * verify everything once more, print PASS or FAIL and switch off; 0: when q is typed on the console), seed=1.
 * Every guest second: `dirty: t=3 gen=3000 verified=12000 passes=1 errors=0`. */
#include "kernel/hw/uart16550_regs.h"
#include "kernel/io.h"
#include "tests/guests/runtime.h"

#define WORDS 512u
#define TIMER_VECTOR 0x40u
#define MAX_DETAILS 8u

struct work {
    uint64_t *region;
    uint32_t *gen;     /* generation of each page */
    uint64_t nr_pages; /* of the region */
    uint64_t nr_hot;   /* of these, from the start on, the ones written */
    uint64_t next;     /* sequential writing */
    uint64_t random;
    uint64_t cursor; /* next page to verify */
    uint64_t written, verified, passes, errors;
    bool sequential;
};

static uint64_t pattern(uint64_t page, uint64_t gen, unsigned word) {
    return (page << 32 | gen) * 0x9e3779b97f4a7c15 + word * 0xbf58476d1ce4e5b9;
}

static void write_page(struct work *w, uint64_t page) {
    uint64_t *p = w->region + page * WORDS, gen = ++w->gen[page], v = pattern(page, gen, 0);
    for (unsigned i = 0; i < WORDS; i++, v += 0xbf58476d1ce4e5b9)
        p[i] = v;
}

static void verify_page(struct work *w, uint64_t page) {
    const uint64_t *p = w->region + page * WORDS;
    uint64_t gen = w->gen[page], v = pattern(page, gen, 0);
    w->verified++;
    for (unsigned i = 0; i < WORDS; i++, v += 0xbf58476d1ce4e5b9) {
        if (p[i] == v)
            continue;
        if (w->errors++ < MAX_DETAILS)
            rt_printf("dirty: MISMATCH page=%lu word=%u gen=%lu at=0x%lx want=%lx got=%lx\n", page, i, gen,
                      (uint64_t)(uintptr_t)&p[i], v, p[i]);
        return;
    }
}

static void verify_next(struct work *w) {
    verify_page(w, w->cursor);
    if (++w->cursor == w->nr_pages) {
        w->cursor = 0;
        w->passes++;
    }
}

static void write_next(struct work *w) {
    uint64_t page = w->next;
    if (w->sequential) {
        w->next = w->next + 1 == w->nr_hot ? 0 : w->next + 1;
    } else {
        w->random = w->random * 6364136223846793005 + 1442695040888963407;
        page = (w->random >> 33) % w->nr_hot;
    }
    verify_page(w, page); /* what was there must be right before it goes */
    write_page(w, page);
    w->written++;
}

static void report(const struct work *w, uint64_t seconds) {
    rt_printf("dirty: t=%lu gen=%lu verified=%lu passes=%lu errors=%lu\n", seconds, w->written, w->verified,
              w->passes, w->errors);
}

/* Has someone typed q on the console? */
static bool asked_to_end(void) {
    return (io_in8(UART_PORT_COM1 + UART_LSR) & UART_LSR_DR) != 0 && io_in8(UART_PORT_COM1 + UART_RBR) == 'q';
}

/* Everything once more, then the verdict. */
static void finish(struct work *w, uint64_t seconds) {
    for (uint64_t page = 0; page < w->nr_pages; page++)
        verify_page(w, page);
    report(w, seconds);
    rt_printf("dirty: %s after %lu s\n", w->errors == 0 ? "PASS" : "FAIL", seconds);
}

static void on_timer(void) {
    rt_apic_write(LAPIC_EOI, 0);
}

/* Sleep until the next millisecond by the local APIC's timer in deadline mode. */
static void sleep_until(uint64_t tsc) {
    rt_wrmsr(MSR_IA32_TSC_DEADLINE, tsc);
    rt_wait();
}

static void setup(struct work *w, uint64_t mb) {
    uint64_t start = rt_free_memory(), pages = mb * (MIB / PAGE_SIZE);
    uint64_t table = ALIGN_UP(pages * sizeof(uint32_t), PAGE_SIZE);
    if (start + table + pages * PAGE_SIZE > rt_ram_end()) {
        pages = (rt_ram_end() - start) / (PAGE_SIZE + sizeof(uint32_t)) - 1;
        table = ALIGN_UP(pages * sizeof(uint32_t), PAGE_SIZE);
    }
    *w = (struct work){.gen = (uint32_t *)(uintptr_t)start,
                       .region = (uint64_t *)(uintptr_t)(start + table),
                       .nr_pages = pages,
                       .nr_hot = MIN(rt_param("ws", mb) * (MIB / PAGE_SIZE), pages),
                       .random = rt_param("seed", 1),
                       .sequential = rt_param("seq", 0) != 0};
    w->nr_hot = MAX(w->nr_hot, 1ul);
    for (uint64_t i = 0; i < pages; i++) {
        w->gen[i] = 0;
        write_page(w, i);
    }
    rt_printf("dirty: region 0x%lx pages=%lu hot=%lu\n", (uint64_t)(uintptr_t)w->region, pages, w->nr_hot);
}

void guest_main(void) {
    struct work w;
    uint64_t rate = rt_param("rate", 1000), secs = rt_param("secs", 0), per_second = rt_param("verify", 4000);
    bool hlt = rt_param("hlt", 0) != 0 && rt_has_tsc_deadline();
    uint64_t hz = rt_tsc_hz();
    rt_printf("dirty: start, TSC %lu kHz, rate=%lu pages/s\n", hz / 1000, rate);
    setup(&w, MAX(rt_param("mb", 64), 1ul));
    if (hlt) {
        rt_apic_enable(rt_apic_has_x2apic());
        rt_irq_set(TIMER_VECTOR, on_timer);
        rt_timer(LAPIC_TIMER_TSC_DEADLINE, TIMER_VECTOR);
    }
    uint64_t start = rt_tsc(), last = start, second = start + hz, seconds = 0, pace = hz / 1000,
             slot = start + pace;
    uint64_t slots = 0, write_due = 0, verify_due = 0;
    while (secs == 0 || seconds < secs) {
        uint64_t now = rt_tsc();
        if (now < last) {
            w.errors++;
            rt_printf("dirty: MISMATCH the TSC went back by %lu\n", last - now);
        }
        last = now;
        if (now >= slot) { /* one millisecond's work */
            slot += pace;
            slots++;
            for (; write_due * 1000 < slots * rate; write_due++)
                write_next(&w);
            for (; hlt && verify_due * 1000 < slots * per_second; verify_due++)
                verify_next(&w);
        } else if (hlt) {
            sleep_until(slot);
        } else {
            verify_next(&w);
        }
        if (now >= second) {
            second += hz;
            report(&w, ++seconds);
            if (asked_to_end())
                break;
        }
    }
    finish(&w, seconds);
}
