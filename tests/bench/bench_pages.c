/* SPDX-License-Identifier: MIT */
/* bench_pages.c - what migration does with each page, in GB/s of guest memory, beside memcpy in the same run.
 * The memory is larger than the caches, so that each pass is cold; "hot" repeats one chunk of 2 MiB. Best of
 * several runs. */
#include "migration/page_scan.h"
#include "migration/receiver.h"
#include "migration/sender.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHUNKS 64u /* 128 MiB */
#define BYTES (CHUNKS * LARGE_SIZE)
#define RUNS 5

/* The send queue: one large buffer. */
struct stream {
    uint8_t *data;
    size_t len, cap;
};

size_t stream_space(const struct stream *s) {
    return s->cap - s->len;
}

size_t stream_unacked(const struct stream *s) {
    (void)s;
    return 0;
}

result_t stream_write(struct stream *s, const void *data, size_t len) {
    memcpy(s->data + s->len, data, len);
    s->len += len;
    return OK;
}

struct bench {
    struct gmem from, to;
    uint8_t *from_chunk[CHUNKS], *to_chunk[CHUNKS];
    struct stream queue;
    uint64_t sum;
};

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void fill(struct bench *b, bool zero) {
    uint64_t x = 88172645463325252ull;
    for (unsigned c = 0; c < CHUNKS; c++)
        for (size_t i = 0; i < LARGE_SIZE; i += 8) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            uint64_t v = zero ? 0 : x;
            memcpy(b->from_chunk[c] + i, &v, 8);
        }
}

static void run_memcpy(struct bench *b) {
    for (unsigned c = 0; c < CHUNKS; c++)
        memcpy(b->to_chunk[c], b->from_chunk[c], LARGE_SIZE);
}

static void run_memcpy_hot(struct bench *b) {
    for (unsigned c = 0; c < CHUNKS; c++) {
        memcpy(b->to_chunk[0], b->from_chunk[0], LARGE_SIZE);
        __asm__ volatile("" : : : "memory");
    }
}

static void run_zero_test(struct bench *b) {
    for (uint64_t i = 0; i < b->from.nr_pages; i++)
        b->sum += page_is_zero(gmem_page(&b->from, i));
}

static void run_hash(struct bench *b) {
    for (uint64_t i = 0; i < b->from.nr_pages; i++)
        b->sum += page_hash(i, gmem_page(&b->from, i));
}

static void run_hash_hot(struct bench *b) {
    for (uint64_t i = 0; i < b->from.nr_pages; i++)
        b->sum += page_hash(i, gmem_page(&b->from, i & 511));
}

static void run_scan(struct bench *b) {
    for (uint64_t i = 0; i < b->from.nr_pages; i++) {
        uint64_t hash;
        b->sum += page_scan(i, gmem_page(&b->from, i), &hash);
        b->sum += hash;
    }
}

static void run_encode(struct bench *b) {
    struct sender s;
    uint32_t seq = 0;
    if (sender_init(&s, &b->from) != OK)
        exit(1);
    sender_fill(&s);
    sender_round_begin(&s);
    b->queue.len = 0;
    while (s.left > 0) {
        unsigned budget = 64;
        if (sender_pump(&s, &b->queue, 1, &seq, &budget) != OK)
            exit(1);
    }
    b->sum += s.digest;
    sender_exit(&s);
}

static void run_decode(struct bench *b) {
    struct receiver rx;
    struct page_store store;
    struct wire_round round = {.round = 1, .kind = WIRE_ROUND_ALL, .pages = b->to.nr_pages};
    if (receiver_init(&rx) != OK || page_store_init(&store, &b->to) != OK ||
        page_store_round_begin(&store, &round, NULL) != OK)
        exit(1);
    receiver_set_store(&rx, &store);
    for (size_t at = 0; at < b->queue.len || !receiver_is_idle(&rx);) {
        unsigned budget = 64;
        size_t used;
        if (receiver_feed(&rx, b->queue.data + at, b->queue.len - at, &used, &budget) != RECEIVER_MORE) {
            fprintf(stderr, "%s\n", rx.why.text);
            exit(1);
        }
        at += used;
    }
    b->sum -= store.digest;
    if (store.nr_came != b->to.nr_pages)
        exit(1);
    receiver_exit(&rx);
    page_store_exit(&store);
}

static double measure(struct bench *b, void (*run)(struct bench *)) {
    double best = 1e9;
    for (unsigned i = 0; i < RUNS; i++) {
        double start = seconds();
        run(b);
        double took = seconds() - start;
        best = took < best ? took : best;
    }
    return (double)BYTES / best * 1e-9;
}

static void report(bool json, const char *what, double gbs, double memcpy_gbs) {
    double ns = (double)PAGE_SIZE / gbs;
    if (json)
        printf("{\"bench\":\"%s\",\"gb_per_s\":%.2f,\"ns_per_page\":%.0f,\"of_memcpy\":%.2f}\n", what, gbs,
               ns, gbs / memcpy_gbs);
    else
        printf("%-34s %8.2f GB/s %8.0f ns/page %7.2f x memcpy\n", what, gbs, ns, gbs / memcpy_gbs);
}

static void init(struct bench *b) {
    memset(b, 0, sizeof *b);
    for (unsigned c = 0; c < CHUNKS; c++) {
        b->from_chunk[c] = aligned_alloc(PAGE_SIZE, LARGE_SIZE);
        b->to_chunk[c] = aligned_alloc(PAGE_SIZE, LARGE_SIZE);
        memset(b->to_chunk[c], 1, LARGE_SIZE);
    }
    b->queue.cap = BYTES + BYTES / 64 + MIB;
    b->queue.data = malloc(b->queue.cap);
    memset(b->queue.data, 0, b->queue.cap);
    if (gmem_init(&b->from, BYTES, b->from_chunk) != OK || gmem_init(&b->to, BYTES, b->to_chunk) != OK)
        exit(1);
}

int main(int argc, char **argv) {
    static struct bench b;
    bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
    init(&b);
    fill(&b, false);
    double reference = measure(&b, run_memcpy), hot = measure(&b, run_memcpy_hot);
    report(json, "memcpy, cold", reference, reference);
    report(json, "memcpy, 2 MiB again and again", hot, reference);
    report(json, "zero test, page with content", measure(&b, run_zero_test), reference);
    report(json, "digest, cold", measure(&b, run_hash), reference);
    report(json, "digest, 2 MiB again and again", measure(&b, run_hash_hot), reference);
    report(json, "scan (zero test and digest)", measure(&b, run_scan), reference);
    report(json, "encode (scan, records, one copy)", measure(&b, run_encode), reference);
    report(json, "decode (parse, one copy, digest)", measure(&b, run_decode), reference);
    fill(&b, true);
    report(json, "scan, zero pages", measure(&b, run_scan), reference);
    report(json, "encode, zero pages", measure(&b, run_encode), reference);
    report(json, "decode, zero pages", measure(&b, run_decode), reference);
    return 0;
}
