/* SPDX-License-Identifier: MIT */
/* bench_steps.c - exact instruction counts per page of what migration does with it outside the network stack.
 * The same sources as in the kernel, built with its code generation, are single-stepped by the CPU's trap flag: one
 * SIGTRAP per instruction, and one per element of a string instruction, which is how the emulated machine counts as well.
 * Two runs of different length are subtracted, so that what is done once per call does not count. --json: JSON lines. */
#include "guest/gmem.h"
#include "migration/page_scan.h"
#include "migration/receiver.h"
#include "migration/sender.h"
#include "vmx/dirty.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGES 512u
#define FEW 32u
#define MANY 96u
#define SEGMENT 1448u /* octets of a page come in such pieces */

static volatile sig_atomic_t steps;
static uint8_t memory[LARGE_SIZE] __attribute__((aligned(LARGE_SIZE)));
static uint8_t arrived[LARGE_SIZE] __attribute__((aligned(LARGE_SIZE)));
static uint64_t sink;

/* The send queue. What the copy into it costs is counted on its own. */
struct stream {
    uint8_t *data;
    size_t len;
    bool copies;
};
static uint8_t queue_data[2 * LARGE_SIZE];
static struct stream queue = {.data = queue_data};

size_t stream_space(const struct stream *s) {
    return sizeof queue_data - s->len;
}

size_t stream_unacked(const struct stream *s) {
    (void)s;
    return 0;
}

result_t stream_write(struct stream *s, const void *data, size_t len) {
    void *to = s->data + s->len;
    size_t words = len / 8;
    s->len += len;
    if (s->copies)
        __asm__ volatile("rep movsq" : "+D"(to), "+S"(data), "+c"(words) : : "memory");
    return OK;
}

/* The log works on the leaves that setup_log makes; none of these is called. */
result_t ept_split(struct ept *e, gpa_t gpa) {
    (void)e, (void)gpa;
    return ERR_UNSUPP;
}

void ept_join(struct ept *e, gpa_t gpa) {
    (void)e, (void)gpa;
}

uint64_t *ept_leaf_table(const struct ept *e, gpa_t gpa) {
    (void)e, (void)gpa;
    return NULL;
}

uint64_t *ept_region_entry(const struct ept *e, gpa_t gpa) {
    (void)e, (void)gpa;
    return NULL;
}

static void on_trap(int number) {
    (void)number;
    steps++;
}

static void set_trap_flag(bool on) {
    if (on)
        __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" : : : "memory", "cc");
    else
        __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" : : : "memory", "cc");
}

static uint64_t count(void (*run)(unsigned n), unsigned n) {
    steps = 0;
    set_trap_flag(true);
    run(n);
    set_trap_flag(false);
    return (uint64_t)steps;
}

static void scan(unsigned n) {
    for (uint64_t i = 0; i < n; i++) {
        uint64_t hash;
        sink += page_scan(i, memory + i * PAGE_SIZE, &hash);
        sink += hash;
    }
}

static struct sender sender;
static struct gmem source;
static uint8_t *source_chunk[] = {memory};

static void encode(unsigned n) {
    uint32_t seq = 0;
    for (unsigned left = n; left > 0;) {
        unsigned budget = MIN(left, 64u), before = budget;
        if (sender_pump(&sender, &queue, 1, &seq, &budget) != OK)
            abort();
        left -= before - budget;
    }
}

/* A fresh sender whose first n pages are to be sent; what it writes stays in the queue. */
static uint64_t count_encode(unsigned n, bool copies) {
    queue.len = 0;
    queue.copies = copies;
    if (gmem_init(&source, LARGE_SIZE, source_chunk) != OK || sender_init(&sender, &source) != OK)
        abort();
    sender_fill(&sender);
    sender_round_begin(&sender);
    uint64_t counted = count(encode, n);
    sender_exit(&sender);
    return counted;
}

static struct receiver receiver;
static struct page_store store;

static void decode(unsigned n) {
    (void)n;
    for (size_t at = 0; at < queue.len || !receiver_is_idle(&receiver);) {
        unsigned budget = 64;
        size_t used;
        if (receiver_feed(&receiver, queue.data + at, MIN(queue.len - at, (size_t)SEGMENT), &used, &budget) !=
            RECEIVER_MORE)
            abort();
        at += used;
    }
}

static uint64_t count_decode(unsigned n) {
    static uint8_t *chunk[] = {arrived};
    struct gmem target;
    struct wire_round round = {.round = 1, .kind = WIRE_ROUND_ALL, .pages = PAGES};
    (void)count_encode(n, true);
    memset(arrived, 0, sizeof arrived); /* as a new VM's memory is */
    if (gmem_init(&target, LARGE_SIZE, chunk) != OK || receiver_init(&receiver) != OK ||
        page_store_init(&store, &target) != OK || page_store_round_begin(&store, &round, NULL) != OK)
        abort();
    receiver_set_store(&receiver, &store);
    uint64_t counted = count(decode, n);
    if (store.nr_came != n || memcmp(arrived, memory, (size_t)n * PAGE_SIZE) != 0)
        abort();
    page_store_exit(&store);
    receiver_exit(&receiver);
    return counted;
}

static struct dirty_log dirty;

/* As with PML: the CPU's buffer is drained into the log, then the log is read. */
static void collect(unsigned n) {
    static uint64_t bitmap[PAGES / 64];
    for (gpa_t page = 0; page < n; page++)
        dirty_note(&dirty, page << PAGE_SHIFT);
    sink += dirty_collect(&dirty, bitmap);
}

static void setup_log(void) {
    static uint64_t noted[PAGES / 64], leaf[PAGES], entry;
    static struct dirty_region region = {&entry, leaf};
    dirty = (struct dirty_log){
        .mode = DIRTY_MODE_PML, .low_pages = PAGES, .nr_pages = PAGES, .noted = noted, .region = &region};
}

static void fill(bool zero) {
    uint64_t x = 88172645463325252ull;
    for (size_t i = 0; i < sizeof memory; i += 8) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        uint64_t v = zero ? 0 : x;
        memcpy(memory + i, &v, 8);
    }
}

static bool json;

static void report(const char *what, uint64_t few, uint64_t many) {
    uint64_t tenths = (many - few) * 10 / (MANY - FEW);
    if (many <= few) {
        fprintf(stderr, "bench_steps: %s: this machine does not trap after each instruction\n", what);
        exit(1);
    }
    if (json)
        printf("{\"steps\":\"%s\",\"instructions_per_page\":%lu.%lu}\n", what, tenths / 10, tenths % 10);
    else
        printf("%-44s %6lu.%lu instructions per page\n", what, tenths / 10, tenths % 10);
}

int main(int argc, char **argv) {
    struct sigaction trap = {.sa_handler = on_trap};
    json = argc > 1 && strcmp(argv[1], "--json") == 0;
    sigaction(SIGTRAP, &trap, NULL);
    setup_log();
    report("collect, PML", count(collect, FEW), count(collect, MANY));
    fill(false);
    report("scan, page with content", count(scan, FEW), count(scan, MANY));
    report("encode without the copy, page with content", count_encode(FEW, false), count_encode(MANY, false));
    report("encode, page with content", count_encode(FEW, true), count_encode(MANY, true));
    report("decode, page with content", count_decode(FEW), count_decode(MANY));
    fill(true);
    report("encode, zero page", count_encode(FEW, true), count_encode(MANY, true));
    report("decode, zero page", count_decode(FEW), count_decode(MANY));
    return 0;
}
