/* SPDX-License-Identifier: MIT */
/* The inbox of a local APIC: what each function does, and every order in which the atomic operations of two posters and the
 * owner can happen. For the latter the inbox's source is compiled in here with a scheduling point before each operation (but
 * relaxed loads, of which none decides anything alone); the actors are coroutines, and all schedules are run one after another.
 * What the memory orders mean for a compiler and a processor is the thread sanitizer's matter: tests/tsan/stress_inbox.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <ucontext.h>

#include <cmocka.h>
#undef fail /* kernel/result.h has its own */

static void step(void);
#define __atomic_load_n(p, o) ((o) == __ATOMIC_RELAXED ? (void)0 : step(), __atomic_load_n(p, o))
#define __atomic_store_n(p, v, o) (step(), __atomic_store_n(p, v, o))
#define __atomic_exchange_n(p, v, o) (step(), __atomic_exchange_n(p, v, o))
#define __atomic_fetch_or(p, v, o) (step(), __atomic_fetch_or(p, v, o))
#define __atomic_fetch_and(p, v, o) (step(), __atomic_fetch_and(p, v, o))
#include "guest/vlapic_inbox.c"

/* ---- all schedules ---- */

#define ACTORS 3u /* the last one is the owner */
#define OWNER (ACTORS - 1)
#define MAX_STEPS 256u
#define STACK_BYTES (64 * KIB)

enum actor_state { READY, ASLEEP, DONE };

static struct {
    ucontext_t scheduler, context[ACTORS];
    uint8_t stack[ACTORS][STACK_BYTES];
    enum actor_state state[ACTORS];
    unsigned running;
    bool exploring; /* otherwise step() does nothing */
    bool bell;
    unsigned choice[MAX_STEPS], options[MAX_STEPS]; /* the schedule: at each step the n-th of those that are ready */
    unsigned nr_steps;
    uint64_t nr_schedules;
} world;

static struct vlapic_inbox inbox;
static uint64_t taken_vectors, taken_level, taken_requests;
static int taken_sipi;
static unsigned times_taken[256], looks;
static void (*post_a)(void), (*post_b)(void);

static void step(void) {
    if (world.exploring)
        swapcontext(&world.context[world.running], &world.scheduler);
}

static void kick_if(bool needed) {
    if (!needed)
        return;
    step();
    world.bell = true;
    if (world.state[OWNER] == ASLEEP)
        world.state[OWNER] = READY;
}

static void look(void) {
    looks++;
    if (!vlapic_inbox_has_news(&inbox))
        return;
    uint64_t level, news = vlapic_inbox_take(&inbox, INBOX_NEWS);
    taken_requests |= news & (INBOX_REQUESTS | INBOX_QUIET);
    if ((news & PID_ON) != 0) {
        uint64_t vectors = vlapic_inbox_take_vectors(&inbox, 0, &level);
        taken_vectors |= vectors;
        taken_level = (taken_level & ~vectors) | level;
        for (; vectors != 0; vectors &= vectors - 1)
            times_taken[__builtin_ctzll(vectors)]++;
    }
    if ((news & INBOX_SIPI) != 0) {
        int sipi = vlapic_inbox_take_sipi(&inbox);
        taken_sipi = sipi >= 0 ? sipi : taken_sipi;
    }
}

static void actor_main(void) {
    unsigned me = world.running;
    if (me == OWNER) {
        for (;;) {
            look();
            world.state[OWNER] = world.bell ? READY : ASLEEP; /* sti; hlt */
            step();
            world.bell = false;
        }
    }
    (me == 0 ? post_a : post_b)();
    world.state[me] = DONE;
    swapcontext(&world.context[me], &world.scheduler);
}

static void start_actors(void) {
    static ucontext_t here;
    getcontext(&here);
    for (unsigned i = 0; i < ACTORS; i++) {
        world.state[i] = i == 1 && post_b == NULL ? DONE : READY;
        world.context[i] = here;
        world.context[i].uc_stack.ss_sp = world.stack[i];
        world.context[i].uc_stack.ss_size = STACK_BYTES;
        world.context[i].uc_link = NULL;
        makecontext(&world.context[i], actor_main, 0);
    }
    world.bell = false;
    world.nr_steps = 0;
    vlapic_inbox_init(&inbox);
    taken_vectors = taken_level = taken_requests = 0;
    taken_sipi = -1;
    memset(times_taken, 0, sizeof times_taken);
    looks = 0;
}

/* The n-th actor that is ready; their number, too. */
static unsigned nr_ready(unsigned n, unsigned *actor) {
    unsigned ready = 0;
    for (unsigned i = 0; i < ACTORS; i++)
        if (world.state[i] == READY && ready++ == n)
            *actor = i;
    return ready;
}

static void run_schedule(unsigned fixed) {
    unsigned actor = 0;
    start_actors();
    for (;;) {
        unsigned n = world.nr_steps < fixed ? world.choice[world.nr_steps] : 0;
        unsigned ready = nr_ready(n, &actor);
        if (ready == 0)
            return;
        assert_true(world.nr_steps < MAX_STEPS);
        world.choice[world.nr_steps] = n;
        world.options[world.nr_steps++] = ready;
        world.running = actor;
        world.exploring = true;
        swapcontext(&world.scheduler, &world.context[actor]);
        world.exploring = false;
    }
}

/* All schedules of posts a and b (NULL: none) against an owner who looks, sleeps without another look, and looks again when it
 * was kicked. verdict: after each of them. */
static void explore(void (*a)(void), void (*b)(void), void (*verdict)(void)) {
    unsigned fixed = 0;
    post_a = a;
    post_b = b;
    world.nr_schedules = 0;
    for (;;) {
        run_schedule(fixed);
        world.nr_schedules++;
        verdict();
        unsigned at = world.nr_steps;
        while (at > 0 && world.choice[at - 1] + 1 == world.options[at - 1])
            at--;
        if (at == 0)
            return;
        world.choice[at - 1]++;
        fixed = at;
    }
}

/* ---- schedules ---- */

static void post_40(void) {
    kick_if(vlapic_inbox_post_vector(&inbox, 40, false));
}
static void post_40_level(void) {
    kick_if(vlapic_inbox_post_vector(&inbox, 40, true));
}
static void post_41(void) {
    kick_if(vlapic_inbox_post_vector(&inbox, 41, true));
}
static void post_nmi(void) {
    kick_if(vlapic_inbox_post(&inbox, INBOX_NMI));
}
static void post_init_sipi(void) {
    kick_if(vlapic_inbox_post_init(&inbox));
    kick_if(vlapic_inbox_post_sipi(&inbox, 7));
}
static void post_init(void) {
    kick_if(vlapic_inbox_post_init(&inbox));
}
static void post_sipi(void) {
    kick_if(vlapic_inbox_post_sipi(&inbox, 9));
}
static void post_wire(void) {
    vlapic_inbox_post_lint(&inbox, 0, true);
    vlapic_inbox_post_lint(&inbox, 0, false);
}

static void all_is_taken(void) {
    for (unsigned w = 0; w < INBOX_WORDS; w++)
        assert_true(inbox.pir[w] == 0);
    assert_int_equal(inbox.control & (INBOX_REQUESTS | PID_ON), 0);
}
static void same_vector(void) {
    all_is_taken();
    assert_true(taken_vectors == BIT(40));
    assert_in_range(times_taken[40], 1, 2);
    assert_true(looks <= 3);
}
static void two_vectors(void) {
    all_is_taken();
    assert_true(taken_vectors == (BIT(40) | BIT(41)));
    assert_true(taken_level == BIT(41));
    assert_int_equal(times_taken[40], 1);
    assert_int_equal(times_taken[41], 1);
}
static void vector_and_nmi(void) {
    all_is_taken();
    assert_true(taken_vectors == BIT(40) && taken_requests == INBOX_NMI);
}
static void init_then_sipi(void) {
    all_is_taken();
    assert_int_equal(taken_requests, INBOX_INIT | INBOX_SIPI);
    assert_int_equal(taken_sipi, 7);
}
/* The INIT may cancel the SIPI, whose bit stays and means nothing. */
static void init_and_other_sipi(void) {
    all_is_taken();
    assert_int_equal(taken_requests, INBOX_INIT | INBOX_SIPI);
    assert_true(taken_sipi == -1 || taken_sipi == 9);
}
/* A wire that pulses is worth no kick, but it must not swallow another's. */
static void wire_and_nmi(void) {
    assert_int_equal(inbox.control & (INBOX_REQUESTS | PID_ON | INBOX_LINT0), 0);
    assert_true((taken_requests & INBOX_NMI) != 0);
    uint64_t wire = INBOX_LINT0_ROSE | INBOX_LINT_FELL;
    assert_true(((taken_requests | inbox.control) & wire) == wire);
}

static void test_inbox_every_order(void **state) {
    (void)state;
    static const struct {
        void (*a)(void), (*b)(void), (*verdict)(void);
    } row[] = {
        {post_40, NULL, NULL},         {post_40, post_40, same_vector},   {post_40, post_40_level, same_vector},
        {post_40, post_41, two_vectors}, {post_40, post_nmi, vector_and_nmi}, {post_init_sipi, NULL, init_then_sipi},
        {post_init, post_sipi, init_and_other_sipi}, {post_wire, post_nmi, wire_and_nmi},
    };
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        explore(row[i].a, row[i].b, row[i].verdict != NULL ? row[i].verdict : all_is_taken);
        assert_true(world.nr_schedules > 20);
        print_message("case %zu: %lu schedules\n", i, (unsigned long)world.nr_schedules);
    }
}

/* ---- one after another ---- */

static void test_inbox_descriptor_layout(void **state) {
    (void)state;
    static const uint8_t vectors[] = {16, 63, 64, 200, 255};
    uint64_t level;
    vlapic_inbox_init(&inbox);
    assert_int_equal((uintptr_t)&inbox % 64, 0);
    for (size_t i = 0; i < ARRAY_LEN(vectors); i++) {
        assert_int_equal(vlapic_inbox_post_vector(&inbox, vectors[i], (i & 1) != 0), i == 0);
        assert_int_equal(((uint8_t *)&inbox)[vectors[i] / 8], vectors[i] == 63 || vectors[i] == 255 ? 0x80 : 1);
    }
    assert_int_equal(((uint8_t *)&inbox)[32], 1); /* ON is bit 256 */
    assert_true(vlapic_inbox_take(&inbox, 0) == PID_ON);
    assert_true(vlapic_inbox_take_vectors(&inbox, 0, &level) == (BIT(16) | BIT(63)) && level == BIT(63));
    assert_true(vlapic_inbox_take_vectors(&inbox, 1, &level) == BIT(0) && level == 0);
    assert_true(vlapic_inbox_take_vectors(&inbox, 2, &level) == 0);
    assert_true(vlapic_inbox_take_vectors(&inbox, 3, &level) == (BIT(8) | BIT(63)) && level == BIT(8));
    assert_false(vlapic_inbox_has_news(&inbox));
    assert_true(vlapic_inbox_post_vector(&inbox, 5, false)); /* no vector */
    assert_true(vlapic_inbox_take(&inbox, INBOX_NEWS) == INBOX_BAD_VECTOR);
    assert_true(inbox.pir[0] == 0);
    inbox.control = PID_ON | 0xabull << PID_NV_SHIFT | 0x12345678ull << PID_NDST_SHIFT;
    assert_true(vlapic_inbox_post(&inbox, INBOX_NMI));
    (void)vlapic_inbox_take(&inbox, INBOX_NEWS);
    assert_true(inbox.control == (0xabull << PID_NV_SHIFT | 0x12345678ull << PID_NDST_SHIFT)); /* ours to keep */
}

static void test_inbox_mask(void **state) {
    (void)state;
    vlapic_inbox_init(&inbox);
    assert_true(vlapic_inbox_post_init(&inbox));
    assert_false(vlapic_inbox_post_sipi(&inbox, 0));
    assert_false(vlapic_inbox_post(&inbox, INBOX_NMI));
    assert_true(vlapic_inbox_take(&inbox, INBOX_NMI) == (INBOX_NMI | INBOX_INIT | INBOX_SIPI));
    assert_true(vlapic_inbox_has_news(&inbox));
    assert_true(vlapic_inbox_take(&inbox, INBOX_NEWS) == (INBOX_INIT | INBOX_SIPI));
    assert_int_equal(vlapic_inbox_take_sipi(&inbox), 0);
    assert_int_equal(vlapic_inbox_take_sipi(&inbox), -1);
    vlapic_inbox_load_lint(&inbox, false, true);
    assert_false(vlapic_inbox_has_news(&inbox));
    assert_true(vlapic_inbox_lint(&inbox, 1) && !vlapic_inbox_lint(&inbox, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inbox_every_order),
        cmocka_unit_test(test_inbox_descriptor_layout),
        cmocka_unit_test(test_inbox_mask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
