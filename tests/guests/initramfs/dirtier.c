/* SPDX-License-Identifier: MIT */
/*
 * dirtier - the test guest's workload: keeps rewriting memory at a set rate and checks all the time that
 * memory, vector registers and clocks are what they must be.
 *
 * - Settings are arguments KEY=NUMBER; words it does not know are ignored, so that it can be given the whole
 *   kernel command line: dirty_mb (32; 0: no memory), dirty_rate (2000 pages per second; 0: only verify),
 *   dirty_seed (1), dirty_sweep (5 seconds for verifying all pages once; 0: no sweeps).
 * - Every page is rewritten in a pseudo-random order and verified just before. Besides, a sweep verifies all
 *   pages in turn.
 * - Prints, each second:   dirtier: t=UPTIME wall=EPOCH gen=REWRITES sweeps=N verified=PAGES errors=N
 *                                   clockback=N gap_us=LONGEST DELAY OF A WAKE-UP IN THAT SECOND
 *   and at once:           dirtier: MISMATCH page=P offset=BYTES want=WORD got=WORD
 *                          dirtier: MISMATCH xmm=REGISTER want=WORD got=WORD
 *                          dirtier: CLOCKBACK clock=NAME before=NS after=NS
 * - Between bursts it sleeps, so that the guest idles.
 *
 * A page holds, as 64-bit words: magic, page number, generation, checksum, then 508 words that follow from
 * (seed, page number, generation). The generation expected of each page is also kept in a table elsewhere, so
 * that a page that is whole but old is found as well.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#define PAGE_BYTES 4096u
#define PAGE_WORDS (PAGE_BYTES / 8)
#define HEADER_WORDS 4u
#define PAGE_MAGIC UINT64_C(0x4750544957444f47) /* "GODWITPG" in memory order */
#define NS_PER_SEC UINT64_C(1000000000)
#define TICK_NS UINT64_C(10000000)
#define MOST_MISMATCH_LINES 20u
#define XMM_COUNT 16u

struct settings {
    uint64_t mb, rate, seed, sweep;
};

struct clock_watch {
    const char *name;
    clockid_t id;
    uint64_t last_ns;
};

struct dirtier {
    struct settings set;
    uint64_t pages;
    uint64_t *area;       /* pages * PAGE_WORDS */
    uint64_t *expected;   /* generation of each page */
    uint64_t random;      /* state of the order of rewrites */
    uint64_t sweep_next;  /* page */
    uint64_t write_credit, sweep_credit; /* pages * NS_PER_SEC that are due */
    uint64_t rewritten, sweeps, verified, errors, clockback;
    uint64_t gap_ns;      /* longest delay of a wake-up since the last line */
    struct clock_watch mono, wall;
};

static uint64_t mix(uint64_t x)
{
    x ^= x >> 30;
    x *= UINT64_C(0xbf58476d1ce4e5b9);
    x ^= x >> 27;
    x *= UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static uint64_t next_random(struct dirtier *d)
{
    d->random += UINT64_C(0x9e3779b97f4a7c15);
    return mix(d->random);
}

/* First pattern word of a page; the following ones come from next_word(). */
static uint64_t first_word(const struct dirtier *d, uint64_t page, uint64_t generation)
{
    return mix(mix(d->set.seed ^ mix(page)) + generation);
}

static uint64_t next_word(uint64_t word)
{
    return word * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
}

static void page_write(struct dirtier *d, uint64_t page, uint64_t generation)
{
    uint64_t *words = d->area + page * PAGE_WORDS;
    uint64_t word = first_word(d, page, generation);

    words[0] = PAGE_MAGIC;
    words[1] = page;
    words[2] = generation;
    words[3] = mix(PAGE_MAGIC ^ page ^ word);
    for (unsigned i = HEADER_WORDS; i < PAGE_WORDS; i++) {
        words[i] = word;
        word = next_word(word);
    }
    d->expected[page] = generation;
}

static void report_mismatch(struct dirtier *d, uint64_t page, unsigned index, uint64_t want, uint64_t got)
{
    if (++d->errors <= MOST_MISMATCH_LINES)
        printf("dirtier: MISMATCH page=%" PRIu64 " offset=%u want=%016" PRIx64 " got=%016" PRIx64 "\n",
               page, index * 8, want, got);
}

/* Verify one page; a bad one is reported once and then made good. */
static void page_verify(struct dirtier *d, uint64_t page)
{
    const uint64_t *words = d->area + page * PAGE_WORDS;
    uint64_t generation = d->expected[page];
    uint64_t word = first_word(d, page, generation);
    uint64_t header[HEADER_WORDS] = {PAGE_MAGIC, page, generation, mix(PAGE_MAGIC ^ page ^ word)};
    unsigned i;

    d->verified++;
    for (i = 0; i < HEADER_WORDS && words[i] == header[i]; i++)
        ;
    if (i < HEADER_WORDS) {
        report_mismatch(d, page, i, header[i], words[i]);
    } else {
        for (; i < PAGE_WORDS && words[i] == word; i++)
            word = next_word(word);
        if (i == PAGE_WORDS)
            return;
        report_mismatch(d, page, i, word, words[i]);
    }
    page_write(d, page, generation + 1);
}

static uint64_t clock_read(struct dirtier *d, struct clock_watch *watch)
{
    struct timespec ts;
    uint64_t now;

    clock_gettime(watch->id, &ts);
    now = (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
    if (now < watch->last_ns && ++d->clockback <= MOST_MISMATCH_LINES)
        printf("dirtier: CLOCKBACK clock=%s before=%" PRIu64 " after=%" PRIu64 "\n", watch->name,
               watch->last_ns, now);
    watch->last_ns = now;
    return now;
}

/* Sleep until the monotonic clock reads `until_ns`, with a pattern in all vector registers meanwhile. */
static void sleep_until(struct dirtier *d, uint64_t until_ns)
{
    struct timespec ts = {
        .tv_sec = (time_t)(until_ns / NS_PER_SEC),
        .tv_nsec = (long)(until_ns % NS_PER_SEC),
    };
    uint64_t in[XMM_COUNT * 2], out[XMM_COUNT * 2];
    register long flags __asm__("rdx") = (long)&ts;
    register long rest __asm__("r10") = 0;
    long result = SYS_clock_nanosleep;

    for (unsigned i = 0; i < XMM_COUNT * 2; i++)
        in[i] = mix(until_ns + i);
#define LOAD(n) "movdqu 16*" #n "(%[in]), %%xmm" #n "\n\t"
#define STORE(n) "movdqu %%xmm" #n ", 16*" #n "(%[out])\n\t"
#define ALL(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11) f(12) f(13) f(14) f(15)
    __asm__ volatile(ALL(LOAD) "syscall\n\t" ALL(STORE)
                     : "+a"(result)
                     : [in] "r"(in), [out] "r"(out), "D"((long)CLOCK_MONOTONIC), "S"((long)TIMER_ABSTIME),
                       "r"(flags), "r"(rest)
                     : "rcx", "r11", "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
                       "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    for (unsigned i = 0; i < XMM_COUNT * 2; i++) {
        if (in[i] != out[i] && ++d->errors <= MOST_MISMATCH_LINES)
            printf("dirtier: MISMATCH xmm=%u want=%016" PRIx64 " got=%016" PRIx64 "\n", i / 2, in[i], out[i]);
    }
}

static void rewrite_due(struct dirtier *d)
{
    for (; d->write_credit >= NS_PER_SEC; d->write_credit -= NS_PER_SEC) {
        uint64_t page = next_random(d) % d->pages;

        page_verify(d, page);
        page_write(d, page, d->expected[page] + 1);
        d->rewritten++;
    }
}

static void sweep_due(struct dirtier *d)
{
    for (; d->sweep_credit >= NS_PER_SEC; d->sweep_credit -= NS_PER_SEC) {
        page_verify(d, d->sweep_next);
        if (++d->sweep_next == d->pages) {
            d->sweep_next = 0;
            d->sweeps++;
        }
    }
}

static void print_line(struct dirtier *d, uint64_t mono, uint64_t wall)
{
    printf("dirtier: t=%" PRIu64 " wall=%" PRIu64 " gen=%" PRIu64 " sweeps=%" PRIu64 " verified=%" PRIu64
           " errors=%" PRIu64 " clockback=%" PRIu64 " gap_us=%" PRIu64 "\n",
           mono / NS_PER_SEC, wall / NS_PER_SEC, d->rewritten, d->sweeps, d->verified, d->errors,
           d->clockback, d->gap_ns / 1000);
    d->gap_ns = 0;
}

/* One burst: the work that became due over `elapsed_ns`. A long gap is not made up for by a storm. */
static void burst(struct dirtier *d, uint64_t elapsed_ns)
{
    if (elapsed_ns > 10 * TICK_NS)
        elapsed_ns = 10 * TICK_NS;
    d->write_credit += d->set.rate * elapsed_ns;
    if (d->set.sweep)
        d->sweep_credit += d->pages * elapsed_ns / d->set.sweep;
    if (d->pages) {
        rewrite_due(d);
        sweep_due(d);
    }
}

static _Noreturn void run(struct dirtier *d)
{
    uint64_t before = clock_read(d, &d->mono);
    uint64_t due = before;

    for (;;) {
        uint64_t now, wall;

        due += TICK_NS;
        if (due < before) /* the last burst took longer than a tick */
            due = before + TICK_NS;
        sleep_until(d, due);
        now = clock_read(d, &d->mono);
        wall = clock_read(d, &d->wall);
        if (now > due && now - due > d->gap_ns)
            d->gap_ns = now - due;
        if (now / NS_PER_SEC != before / NS_PER_SEC)
            print_line(d, now, wall);
        burst(d, now > before ? now - before : 0);
        before = now;
    }
}

static void take_argument(struct settings *set, const char *word)
{
    const struct {
        const char *key;
        uint64_t *value;
    } known[] = {
        {"dirty_mb=", &set->mb},
        {"dirty_rate=", &set->rate},
        {"dirty_seed=", &set->seed},
        {"dirty_sweep=", &set->sweep},
    };

    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        size_t length = strlen(known[i].key);
        char *end;

        if (strncmp(word, known[i].key, length) != 0)
            continue;
        *known[i].value = strtoull(word + length, &end, 10);
        if (*end != '\0' || end == word + length || *known[i].value > 1000000000) {
            printf("dirtier: '%s': not a number up to 1000000000\n", word);
            exit(1);
        }
    }
}

static void *memory_of(uint64_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        printf("dirtier: cannot map %" PRIu64 " bytes; make dirty_mb smaller or the guest larger\n", bytes);
        exit(1);
    }
    return p;
}

int main(int argc, char **argv)
{
    struct dirtier d = {
        .set = {.mb = 32, .rate = 2000, .seed = 1, .sweep = 5},
        .mono = {.name = "monotonic", .id = CLOCK_MONOTONIC},
        .wall = {.name = "realtime", .id = CLOCK_REALTIME},
    };

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++)
        take_argument(&d.set, argv[i]);
    d.pages = d.set.mb * (1048576 / PAGE_BYTES);
    d.random = d.set.seed;
    if (d.pages) {
        d.area = memory_of(d.pages * PAGE_BYTES);
        d.expected = memory_of(d.pages * sizeof(*d.expected));
    }
    for (uint64_t page = 0; page < d.pages; page++)
        page_write(&d, page, 1);
    printf("dirtier: ready mb=%" PRIu64 " rate=%" PRIu64 " seed=%" PRIu64 " sweep=%" PRIu64 "\n", d.set.mb,
           d.set.rate, d.set.seed, d.set.sweep);
    run(&d);
}
