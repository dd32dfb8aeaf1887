/* SPDX-License-Identifier: MIT */
/* frames.c - RAM in blocks of 2 MiB; a block is free, given out whole, or split into 512 frames with a bitmap.
 * Small runs come from split blocks first, so that large ones last. Lowest address first: a VM's memory is then
 * contiguous as far as RAM is, which gives 1 GiB leaves. */
#include "kernel/frames.h"

#include <string.h>

#include "kernel/frames_init.h"
#include "kernel/panic.h"

#define FRAMES_PER_BLOCK 512u
#define MAP_WORDS (FRAMES_PER_BLOCK / 64)

struct block {
    uint64_t used[MAP_WORDS]; /* 1 = given out or not RAM */
    uint16_t nr_free;         /* frames */
};

static struct {
    struct block *block; /* index = physical address / 2 MiB */
    uint64_t nr_blocks;
    uint64_t first_large, first_small; /* no free block / free frame below these */
    struct frames_stats stats;
} pool;

uint64_t frames_table_bytes(hpa_t ram_end) {
    return ALIGN_UP(ram_end / LARGE_SIZE * sizeof(struct block), PAGE_SIZE);
}

void frames_init(void *table, hpa_t ram_end) {
    pool.block = table;
    pool.nr_blocks = ram_end / LARGE_SIZE;
    for (uint64_t i = 0; i < pool.nr_blocks; i++) {
        memset(pool.block[i].used, 0xff, sizeof pool.block[i].used);
        pool.block[i].nr_free = 0;
    }
}

static void add_frame(struct block *b, unsigned frame) {
    if ((b->used[frame / 64] & BIT(frame % 64)) == 0)
        return; /* ranges of the firmware's map overlap */
    b->used[frame / 64] &= ~BIT(frame % 64);
    b->nr_free++;
    pool.stats.free_large += b->nr_free == FRAMES_PER_BLOCK;
    pool.stats.total_bytes += PAGE_SIZE;
    pool.stats.free_bytes += PAGE_SIZE;
}

static void add_block(struct block *b) {
    memset(b->used, 0, sizeof b->used);
    b->nr_free = FRAMES_PER_BLOCK;
    pool.stats.free_large++;
    pool.stats.total_bytes += LARGE_SIZE;
    pool.stats.free_bytes += LARGE_SIZE;
}

void frames_add(hpa_t start, hpa_t end) {
    hpa_t pa = ALIGN_UP(start, PAGE_SIZE);
    while (pa + PAGE_SIZE <= end && pa / LARGE_SIZE < pool.nr_blocks) {
        struct block *b = &pool.block[pa / LARGE_SIZE];
        if (pa % LARGE_SIZE == 0 && end - pa >= LARGE_SIZE && b->nr_free == 0) {
            add_block(b);
            pa += LARGE_SIZE;
        } else {
            add_frame(b, (unsigned)(pa / PAGE_SIZE % FRAMES_PER_BLOCK));
            pa += PAGE_SIZE;
        }
    }
}

/* First frame of a free aligned run of 2^order frames in the block, or FRAMES_PER_BLOCK. */
static unsigned find_run(const struct block *b, unsigned order) {
    unsigned run = 1u << order;
    uint64_t mask = run >= 64 ? UINT64_MAX : BIT(run) - 1;
    for (unsigned frame = 0; frame < FRAMES_PER_BLOCK; frame += run) {
        bool free = true;
        for (unsigned w = frame / 64; free && w <= (frame + run - 1) / 64; w++)
            free = (b->used[w] & (mask << (frame % 64))) == 0;
        if (free)
            return frame;
    }
    return FRAMES_PER_BLOCK;
}

static void mark(struct block *b, unsigned frame, unsigned order, bool used) {
    for (unsigned i = frame; i < frame + (1u << order); i++) {
        ASSERT(((b->used[i / 64] & BIT(i % 64)) != 0) != used);
        b->used[i / 64] ^= BIT(i % 64);
    }
    bool was_large = b->nr_free == FRAMES_PER_BLOCK;
    b->nr_free = (uint16_t)(used ? b->nr_free - (1u << order) : b->nr_free + (1u << order));
    pool.stats.free_large += (b->nr_free == FRAMES_PER_BLOCK) - was_large;
    uint64_t bytes = PAGE_SIZE << order;
    pool.stats.free_bytes = used ? pool.stats.free_bytes - bytes : pool.stats.free_bytes + bytes;
}

/* Prefer a block that is split already (`whole` false), else a whole one. */
static hpa_t take(unsigned order, bool whole) {
    for (uint64_t i = whole ? pool.first_large : pool.first_small; i < pool.nr_blocks; i++) {
        struct block *b = &pool.block[i];
        if (b->nr_free < (1u << order) || (b->nr_free == FRAMES_PER_BLOCK) != whole)
            continue;
        unsigned frame = find_run(b, order);
        if (frame == FRAMES_PER_BLOCK)
            continue;
        mark(b, frame, order, true);
        if (whole)
            pool.first_large = i;
        else if (order == 0)
            pool.first_small = i;
        return i * LARGE_SIZE + frame * PAGE_SIZE;
    }
    return 0;
}

hpa_t frames_alloc(unsigned order) {
    hpa_t pa = order < FRAMES_MAX_ORDER ? take(order, false) : 0;
    if (pa == 0)
        pa = take(order, true);
    if (pa == 0)
        return 0;
    if (order < FRAMES_MAX_ORDER)
        pool.first_small = MIN(pool.first_small, pa / LARGE_SIZE);
    memset(phys_to_virt(pa), 0, PAGE_SIZE << order);
    return pa;
}

void frames_free(hpa_t pa, unsigned order) {
    ASSERT(order <= FRAMES_MAX_ORDER && pa != 0);
    ASSERT(pa % (PAGE_SIZE << order) == 0 && pa / LARGE_SIZE < pool.nr_blocks);
    mark(&pool.block[pa / LARGE_SIZE], (unsigned)(pa / PAGE_SIZE % FRAMES_PER_BLOCK), order, false);
    pool.first_large = MIN(pool.first_large, pa / LARGE_SIZE);
    pool.first_small = MIN(pool.first_small, pa / LARGE_SIZE);
}

struct frames_stats frames_stats(void) {
    return pool.stats;
}
