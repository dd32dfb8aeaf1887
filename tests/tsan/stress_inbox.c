/* SPDX-License-Identifier: MIT */
/* Several threads post into one inbox, one takes. Every vector that is posted after the last one was acknowledged must come
 * exactly once, with the trigger mode and the memory that its poster wrote before; an owner that sleeps after each look must
 * be woken by the kicks alone. */
#include "guest/vlapic_inbox.h"
#include "tests/tsan/stress.h"

#define POSTERS 4u
#define OWNER POSTERS
#define ROUNDS 4000u
#define FIRST 16u
#define VECTORS 60u /* of each poster: 16 + 4 * 60 = 256 */

static struct vlapic_inbox inbox;
static struct stress_bell bell;
static bool sleeps;           /* the owner sleeps after each look; otherwise it spins */
static uint32_t left;         /* [a] posters that are not finished */
static uint32_t posted[256];  /* its poster's */
static uint32_t taken[256];   /* [a] the owner writes */
static uint32_t payload[256]; /* plain: the inbox alone orders it */
static uint32_t nmi_stamp[POSTERS], nmi_seen[POSTERS]; /* [a] */
static uint32_t nmis_posted, nmis_taken;               /* [a] */
static uint32_t sipi_stamp, sipi_seen, init_seen;      /* [a] */
static uint32_t rose_seen;                             /* [a] */

static uint32_t get(const uint32_t *at) {
    return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}
static void set(uint32_t *at, uint32_t value) {
    __atomic_store_n(at, value, __ATOMIC_RELEASE);
}

static void kick_if(bool needed) {
    if (needed)
        stress_bell_ring(&bell);
}

static bool is_level(unsigned vector, uint32_t round) {
    return ((vector + round) & 3) == 0;
}

static void post_vectors(unsigned poster, uint32_t round) {
    for (unsigned i = 0; i < VECTORS; i++) {
        unsigned v = FIRST + poster * VECTORS + (i * 7 + round) % VECTORS;
        posted[v]++;
        payload[v] = round;
        kick_if(vlapic_inbox_post_vector(&inbox, (uint8_t)v, is_level(v, round)));
    }
}

static void post_nmi(unsigned poster, uint32_t round) {
    set(&nmi_stamp[poster], round);
    __atomic_fetch_add(&nmis_posted, 1, __ATOMIC_RELAXED);
    kick_if(vlapic_inbox_post(&inbox, INBOX_NMI));
}

/* One poster starts a CPU the way kernels do, another one drives a wire. */
static void post_special(unsigned poster, uint32_t round) {
    if (poster == 0) {
        kick_if(vlapic_inbox_post_init(&inbox));
        while (get(&init_seen) < round)
            stress_pause();
        sipi_stamp = round;
        kick_if(vlapic_inbox_post_sipi(&inbox, (uint8_t)round));
        kick_if(vlapic_inbox_post_sipi(&inbox, (uint8_t)round));
    } else if (poster == 1) {
        vlapic_inbox_post_lint(&inbox, 0, true);
        kick_if(vlapic_inbox_post(&inbox, INBOX_LOOK));
        while (get(&rose_seen) < round)
            stress_pause();
        vlapic_inbox_post_lint(&inbox, 0, false);
    }
}

static void wait_until_taken(unsigned poster, uint32_t round) {
    for (unsigned v = FIRST + poster * VECTORS; v < FIRST + (poster + 1) * VECTORS; v++)
        while (get(&taken[v]) < posted[v])
            stress_pause();
    while (get(&nmi_seen[poster]) < round)
        stress_pause();
    while (poster == 0 && get(&sipi_seen) < round)
        stress_pause();
}

static void run_poster(unsigned poster) {
    for (uint32_t round = 1; round <= ROUNDS; round++) {
        post_vectors(poster, round);
        post_nmi(poster, round);
        post_special(poster, round);
        wait_until_taken(poster, round);
    }
    __atomic_fetch_sub(&left, 1, __ATOMIC_SEQ_CST);
    stress_bell_ring(&bell);
}

static void take_vectors(void) {
    for (unsigned w = 0; w < INBOX_WORDS; w++) {
        uint64_t level;
        for (uint64_t vectors = vlapic_inbox_take_vectors(&inbox, w, &level); vectors != 0; vectors &= vectors - 1) {
            unsigned v = 64 * w + (unsigned)__builtin_ctzll(vectors);
            stress_check(payload[v] == taken[v] + 1); /* each round posts it once */
            stress_check(is_level(v, payload[v]) == ((level >> (v & 63) & 1) != 0));
            set(&taken[v], taken[v] + 1);
        }
    }
}

static void take_requests(uint64_t news) {
    if ((news & INBOX_NMI) != 0) {
        nmis_taken++;
        for (unsigned i = 0; i < POSTERS; i++)
            set(&nmi_seen[i], get(&nmi_stamp[i]));
    }
    if ((news & INBOX_INIT) != 0)
        set(&init_seen, init_seen + 1);
    if ((news & INBOX_SIPI) != 0) {
        int vector = vlapic_inbox_take_sipi(&inbox); /* the second of a pair may find that it was taken with the first */
        stress_check(vector == -1 || vector == (int)(sipi_stamp & 0xff));
        if (vector >= 0)
            set(&sipi_seen, sipi_stamp);
    }
    if ((news & INBOX_LINT0_ROSE) != 0) {
        stress_check((news & INBOX_LINT0) != 0);
        set(&rose_seen, rose_seen + 1);
    }
}

static void run_owner(void) {
    while (__atomic_load_n(&left, __ATOMIC_SEQ_CST) != 0) {
        if (vlapic_inbox_has_news(&inbox)) {
            uint64_t news = vlapic_inbox_take(&inbox, INBOX_NEWS);
            if ((news & PID_ON) != 0)
                take_vectors();
            take_requests(news);
        }
        if (sleeps)
            stress_bell_wait(&bell); /* without another look */
        else
            stress_pause();
    }
}

static void run(unsigned index) {
    if (index == OWNER)
        run_owner();
    else
        run_poster(index);
}

static void setup(void) {
    vlapic_inbox_init(&inbox);
    for (unsigned v = 0; v < 256; v++)
        posted[v] = taken[v] = payload[v] = 0;
    for (unsigned i = 0; i < POSTERS; i++)
        nmi_stamp[i] = nmi_seen[i] = 0;
    nmis_posted = nmis_taken = sipi_stamp = sipi_seen = init_seen = rose_seen = 0;
    bell = (struct stress_bell){0};
    left = POSTERS;
}

static void setup_spinning(void) {
    setup();
    sleeps = false;
}

static void setup_sleeping(void) {
    setup();
    sleeps = true;
}

static void check(void) {
    for (unsigned v = FIRST; v < 256; v++)
        stress_check(posted[v] == ROUNDS && taken[v] == ROUNDS);
    stress_check(nmis_taken <= nmis_posted && nmis_taken >= ROUNDS);
    stress_check(init_seen == ROUNDS && sipi_seen == ROUNDS && rose_seen == ROUNDS);
    stress_check(vlapic_inbox_take(&inbox, 0) == 0 || !vlapic_inbox_lint(&inbox, 0));
    stress_check(bell.rings < ROUNDS * (POSTERS * (VECTORS + 1) + 4)); /* kicks are fewer than posts */
}

int main(void) {
    static const struct stress_case cases[] = {
        {"inbox: an owner that spins", POSTERS + 1, setup_spinning, run, check},
        {"inbox: an owner that sleeps until it is kicked", POSTERS + 1, setup_sleeping, run, check},
    };
    return stress_main(cases, ARRAY_LEN(cases));
}
