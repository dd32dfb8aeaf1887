/* SPDX-License-Identifier: MIT */
/* test_frames.c - the frame allocator against a list of what was given out: alignment, no overlap, zeroed, nothing lost.
 * The direct map is a reserved range of user space, and frames.c is compiled into this program with that base. */
#define DIRECT_MAP_BASE 0x200000000000ull

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "kernel/frames.c"

#define RAM_END (16ul * LARGE_SIZE)
#define MAX_RUNS 8192u
#define MAP_FLAGS (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE)

static jmp_buf panic_return;
static bool panic_expected;

void panic(const char *fmt, ...) {
    (void)fmt;
    if (panic_expected)
        longjmp(panic_return, 1);
    abort();
}

/* Runs `statement`, which must end in an assertion failure of the allocator. */
#define assert_panics(statement)          \
    do {                                  \
        panic_expected = true;            \
        if (setjmp(panic_return) == 0) {  \
            statement;                    \
            fail_msg("no panic: " #statement); \
        }                                 \
        panic_expected = false;           \
    } while (0)

static uint64_t table[RAM_END / LARGE_SIZE * 16];

static int map_ram(void **state) {
    (void)state;
    void *want = phys_to_virt(0);
    void *got = mmap(want, RAM_END, PROT_READ | PROT_WRITE, MAP_FLAGS, -1, 0);
    return got == want ? 0 : -1;
}

static int unmap_ram(void **state) {
    (void)state;
    return munmap(phys_to_virt(0), RAM_END);
}

/* An allocator over all RAM but the first 2 MiB, whose memory holds rubbish. */
static int setup(void **state) {
    (void)state;
    memset(&pool, 0, sizeof pool);
    assert_true(frames_table_bytes(RAM_END) >= RAM_END / LARGE_SIZE * sizeof(struct block));
    assert_true(sizeof table >= RAM_END / LARGE_SIZE * sizeof(struct block));
    memset(table, 0x77, sizeof table);
    frames_init(table, RAM_END);
    memset(phys_to_virt(0), 0xcc, RAM_END);
    return 0;
}

static bool is_zero(hpa_t pa, size_t len) {
    const uint8_t *p = phys_to_virt(pa);
    return p[0] == 0 && memcmp(p, p + 1, len - 1) == 0;
}

static void test_frames_empty_gives_nothing(void **state) {
    (void)state;
    for (unsigned order = 0; order <= FRAMES_MAX_ORDER + 1; order++)
        assert_int_equal(frames_alloc(order), 0);
    assert_int_equal(frames_stats().total_bytes, 0);
    assert_int_equal(frames_stats().free_large, 0);
}

static void test_frames_counts_what_was_added(void **state) {
    (void)state;
    frames_add(LARGE_SIZE + 1, 3 * LARGE_SIZE - 1); /* ends are rounded inwards */
    struct frames_stats s = frames_stats();
    assert_int_equal(s.total_bytes, 2 * LARGE_SIZE - 2 * PAGE_SIZE);
    assert_int_equal(s.free_bytes, s.total_bytes);
    assert_int_equal(s.free_large, 0);
    frames_add(4 * LARGE_SIZE, 6 * LARGE_SIZE);
    assert_int_equal(frames_stats().free_large, 2);
    frames_add(RAM_END - PAGE_SIZE, RAM_END + LARGE_SIZE); /* beyond the table: ignored */
    assert_int_equal(frames_stats().total_bytes, s.total_bytes + 2 * LARGE_SIZE + PAGE_SIZE);
    frames_add(5 * LARGE_SIZE, 5 * LARGE_SIZE);
    assert_int_equal(frames_stats().free_large, 2);
}

/* A firmware map whose ranges overlap must not make frames that exist twice. */
static void test_frames_added_twice_count_once(void **state) {
    (void)state;
    frames_add(LARGE_SIZE, 3 * LARGE_SIZE);
    frames_add(2 * LARGE_SIZE, 4 * LARGE_SIZE - PAGE_SIZE);
    frames_add(3 * LARGE_SIZE, 4 * LARGE_SIZE);
    assert_int_equal(frames_stats().total_bytes, 3 * LARGE_SIZE);
    assert_int_equal(frames_stats().free_large, 3);
    for (unsigned i = 0; i < 3; i++)
        assert_int_not_equal(frames_alloc(FRAMES_MAX_ORDER), 0);
    assert_int_equal(frames_alloc(0), 0);
}

static void test_frames_are_zeroed_and_aligned(void **state) {
    (void)state;
    frames_add(LARGE_SIZE, RAM_END);
    for (unsigned order = 0; order <= FRAMES_MAX_ORDER; order++) {
        hpa_t pa = frames_alloc(order);
        assert_int_not_equal(pa, 0);
        assert_int_equal(pa % (PAGE_SIZE << order), 0);
        assert_true(is_zero(pa, PAGE_SIZE << order));
        memset(phys_to_virt(pa), 0xdd, PAGE_SIZE << order);
        frames_free(pa, order);
        hpa_t again = frames_alloc(order);
        assert_true(is_zero(again, PAGE_SIZE << order));
        frames_free(again, order);
    }
    assert_int_equal(frames_stats().free_bytes, frames_stats().total_bytes);
}

static void test_frames_small_ones_share_a_block(void **state) {
    (void)state;
    frames_add(LARGE_SIZE, RAM_END);
    uint64_t large = frames_stats().free_large;
    for (unsigned i = 0; i < FRAMES_PER_BLOCK; i++)
        assert_int_not_equal(frames_alloc(0), 0);
    assert_int_equal(frames_stats().free_large, large - 1);
    assert_int_not_equal(frames_alloc(0), 0);
    assert_int_equal(frames_stats().free_large, large - 2);
}

static void test_frames_large_ones_are_contiguous_from_below(void **state) {
    (void)state;
    frames_add(LARGE_SIZE, RAM_END);
    for (hpa_t want = LARGE_SIZE; want < RAM_END; want += LARGE_SIZE)
        assert_int_equal(frames_alloc(FRAMES_MAX_ORDER), want);
    assert_int_equal(frames_alloc(FRAMES_MAX_ORDER), 0);
    assert_int_equal(frames_alloc(0), 0);
    frames_free(3 * LARGE_SIZE, FRAMES_MAX_ORDER);
    assert_int_equal(frames_alloc(FRAMES_MAX_ORDER), 3 * LARGE_SIZE);
}

/* Nothing free may be overlooked by the hints: after any order of frees every last frame can be had again. */
static void test_frames_all_can_be_taken_again(void **state) {
    (void)state;
    static hpa_t taken[RAM_END / PAGE_SIZE];
    frames_add(LARGE_SIZE, RAM_END);
    for (unsigned step = 1; step < 8; step += 2) { /* odd steps visit every frame of a power of two */
        size_t n = 0;
        while ((taken[n] = frames_alloc(0)) != 0)
            n++;
        assert_int_equal(n, (RAM_END - LARGE_SIZE) / PAGE_SIZE);
        for (size_t i = 0; i < RAM_END / PAGE_SIZE; i++) {
            size_t slot = i * step % (RAM_END / PAGE_SIZE);
            if (slot < n)
                frames_free(taken[slot], 0);
        }
        assert_int_equal(frames_stats().free_bytes, frames_stats().total_bytes);
        assert_int_equal(frames_stats().free_large, RAM_END / LARGE_SIZE - 1);
    }
}

static void test_frames_freed_wrongly_is_caught(void **state) {
    (void)state;
    frames_add(LARGE_SIZE, RAM_END);
    hpa_t pa = frames_alloc(3);
    assert_panics(frames_free(pa + PAGE_SIZE, 3));          /* not aligned to its size */
    assert_panics(frames_free(RAM_END, 0));                 /* beyond the table */
    assert_panics(frames_free(0, 0));                       /* "none" is no frame */
    assert_panics(frames_free(pa, FRAMES_MAX_ORDER + 1));   /* no such order */
    frames_free(pa, 3);
    assert_panics(frames_free(pa, 3));                      /* twice */
}

struct run {
    hpa_t pa;
    unsigned order;
};

/* Every run carries its number in all its frames; an overlap would show as somebody else's number. */
static void stamp(const struct run *r, uint64_t number) {
    for (unsigned i = 0; i < 1u << r->order; i++)
        *(uint64_t *)phys_to_virt(r->pa + i * PAGE_SIZE) = number;
}

static void check_stamp(const struct run *r, uint64_t number) {
    for (unsigned i = 0; i < 1u << r->order; i++)
        assert_int_equal(*(uint64_t *)phys_to_virt(r->pa + i * PAGE_SIZE), number);
}

static uint64_t next_random(uint64_t *seed) {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void test_frames_random_use_loses_nothing(void **state) {
    (void)state;
    static struct run runs[MAX_RUNS];
    static uint64_t number[MAX_RUNS];
    uint64_t seed = 0x2545f4914f6cdd1d, held = 0, refused = 0;
    size_t n = 0;
    frames_add(LARGE_SIZE, RAM_END);
    for (uint64_t step = 1; step < 60000; step++) {
        uint64_t r = next_random(&seed);
        if (n < MAX_RUNS && r % 5 < 3) {
            unsigned order = r / 8 % 16 == 0 ? FRAMES_MAX_ORDER : (unsigned)(r / 128 % 4);
            hpa_t pa = frames_alloc(order);
            if (pa == 0) {
                refused++;
                continue;
            }
            assert_true(pa >= LARGE_SIZE && pa + (PAGE_SIZE << order) <= RAM_END);
            runs[n] = (struct run){pa, order}, number[n] = step;
            stamp(&runs[n++], step);
            held += PAGE_SIZE << order;
        } else if (n > 0) {
            size_t i = r / 8 % n;
            check_stamp(&runs[i], number[i]);
            frames_free(runs[i].pa, runs[i].order);
            held -= PAGE_SIZE << runs[i].order;
            runs[i] = runs[--n], number[i] = number[n];
        }
        assert_int_equal(frames_stats().free_bytes, frames_stats().total_bytes - held);
    }
    assert_true(refused > 0); /* the pool was really exhausted now and then */
    while (n-- > 0) {
        check_stamp(&runs[n], number[n]);
        frames_free(runs[n].pa, runs[n].order);
    }
    assert_int_equal(frames_stats().free_bytes, frames_stats().total_bytes);
    assert_int_equal(frames_stats().free_large, RAM_END / LARGE_SIZE - 1);
}

int main(void) {
#define FRESH(test) cmocka_unit_test_setup(test, setup)
    const struct CMUnitTest tests[] = {
        FRESH(test_frames_empty_gives_nothing),
        FRESH(test_frames_counts_what_was_added),
        FRESH(test_frames_added_twice_count_once),
        FRESH(test_frames_are_zeroed_and_aligned),
        FRESH(test_frames_small_ones_share_a_block),
        FRESH(test_frames_large_ones_are_contiguous_from_below),
        FRESH(test_frames_all_can_be_taken_again),
        FRESH(test_frames_freed_wrongly_is_caught),
        FRESH(test_frames_random_use_loses_nothing),
    };
    return cmocka_run_group_tests(tests, map_ram, unmap_ram);
}
