/* SPDX-License-Identifier: MIT */
/* One local APIC alone, its surroundings played by the test. test_virq.c has them wired together. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* kernel/result.h has its own */

#include "guest/vlapic.h"

#define HZ 2000000000ull /* two TSC ticks per ns */
#define PHYS_BITS 40u

struct bench {
    struct vlapic l;
    struct vclock time; /* tsc_offset is the guest TSC */
    struct vlapic_env env;
    unsigned sends;
    struct irq_msg sent;
    unsigned shorthand;
    int eoi_vector;
};

static uint64_t read_tsc(const struct vclock *c) {
    return c->tsc_offset;
}

static void on_send(void *ctx, struct vlapic *from, const struct irq_msg *msg, unsigned shorthand) {
    struct bench *b = ctx;
    assert_ptr_equal(from, &b->l);
    b->sends++;
    b->sent = *msg;
    b->shorthand = shorthand;
}
static void on_eoi(void *ctx, uint8_t vector) {
    ((struct bench *)ctx)->eoi_vector = vector;
}
static int on_ack(void *ctx) {
    (void)!vlapic_post_lint(&((struct bench *)ctx)->l, 0, false);
    return 0x77;
}
/* What another CPU posts, and the owner takes at once. */
static void lint(struct bench *b, unsigned pin, bool level) {
    (void)!vlapic_post_lint(&b->l, pin, level);
    vlapic_fold(&b->l);
}
static void post(struct bench *b, uint8_t mode, uint8_t vector) {
    (void)!vlapic_post(&b->l, &(struct irq_msg){.mode = mode, .vector = vector});
}

static void wr(struct bench *b, uint32_t offset, uint32_t value) {
    vlapic_mmio_write(&b->l, offset, 4, value);
}
static uint32_t rd(struct bench *b, uint32_t offset) {
    return (uint32_t)vlapic_mmio_read(&b->l, offset, 4);
}

static int setup(void **state) {
    struct bench *b = aligned_alloc(4096, sizeof *b);
    memset(b, 0, sizeof *b);
    b->env = (struct vlapic_env){b, on_send, on_eoi, on_ack};
    b->eoi_vector = -1;
    vclock_init(&b->time, HZ, read_tsc);
    b->time.tsc_offset = 1000000;
    vlapic_init(&b->l, 0, &b->time, &b->env);
    wr(b, LAPIC_SVR, 0x1ff);
    *state = b;
    return 0;
}
static int teardown(void **state) {
    free(*state);
    return 0;
}

static void advance_ns(struct bench *b, uint64_t ns) {
    b->time.tsc_offset += ns * (HZ / NSEC_PER_SEC);
}

static void test_vlapic_reset_state(void **state) {
    struct bench *b = *state;
    vlapic_init(&b->l, 3, &b->time, &b->env);
    assert_int_equal(rd(b, LAPIC_ID), 3u << 24);
    assert_int_equal(rd(b, LAPIC_SVR), 0xff);
    assert_int_equal(rd(b, LAPIC_DFR), 0xffffffff);
    assert_int_equal(rd(b, LAPIC_VERSION), 0x01050014);
    for (uint32_t lvt = LAPIC_LVT_TIMER; lvt <= LAPIC_LVT_ERROR; lvt += 0x10)
        assert_int_equal(rd(b, lvt), 0x10000);
    assert_true(b->l.base == (LAPIC_DEFAULT_BASE | APIC_BASE_EN)); /* no BSP bit */
    vlapic_raise(&b->l, 0x40, false);                              /* software-disabled: dropped */
    assert_int_equal(rd(b, LAPIC_IRR + 0x20), 0);
}

static void test_vlapic_priority_and_eoi(void **state) {
    struct bench *b = *state;
    assert_int_equal(vlapic_accept(&b->l), -1);
    vlapic_raise(&b->l, 0x45, false);
    vlapic_raise(&b->l, 0x61, false);
    assert_true(vlapic_has_pending(&b->l));
    assert_int_equal(vlapic_accept(&b->l), 0x61);
    assert_int_equal(rd(b, LAPIC_PPR), 0x60);
    assert_false(vlapic_has_pending(&b->l));
    vlapic_raise(&b->l, 0x6f, false); /* same class: must wait */
    assert_false(vlapic_has_pending(&b->l));
    vlapic_raise(&b->l, 0xf0, false);
    assert_int_equal(vlapic_accept(&b->l), 0xf0);
    assert_int_equal(rd(b, LAPIC_ISR + 0x70), 1u << 16);
    wr(b, LAPIC_EOI, 0);
    assert_false(vlapic_has_pending(&b->l));
    assert_int_equal(rd(b, LAPIC_PPR), 0x60);
    wr(b, LAPIC_EOI, 0);
    assert_int_equal(vlapic_accept(&b->l), 0x6f);
    wr(b, LAPIC_EOI, 0);
    assert_int_equal(vlapic_accept(&b->l), 0x45);
    wr(b, LAPIC_EOI, 0);
    assert_int_equal(rd(b, LAPIC_PPR), 0);
    assert_int_equal(b->eoi_vector, -1); /* all were edges */
    wr(b, LAPIC_EOI, 0);                 /* one too many changes nothing */
    assert_int_equal(rd(b, LAPIC_PPR), 0);
}

static void test_vlapic_tpr_holds_back(void **state) {
    struct bench *b = *state;
    wr(b, LAPIC_TPR, 0x50);
    vlapic_raise(&b->l, 0x5f, false);
    assert_false(vlapic_has_pending(&b->l));
    assert_int_equal(vlapic_accept(&b->l), -1);
    vlapic_set_tpr(&b->l, 0x4f);
    assert_true(vlapic_has_pending(&b->l));
    assert_int_equal(rd(b, LAPIC_PPR), 0x4f);
    assert_int_equal(vlapic_accept(&b->l), 0x5f);
}

static void test_vlapic_every_vector(void **state) {
    struct bench *b = *state;
    for (unsigned v = 16; v < 256; v++) {
        vlapic_raise(&b->l, (uint8_t)v, (v & 1) != 0);
        assert_int_equal(rd(b, LAPIC_IRR + (v / 32) * 0x10), 1u << (v & 31));
        assert_int_equal(vlapic_accept(&b->l), v);
        assert_int_equal(rd(b, LAPIC_IRR + (v / 32) * 0x10), 0);
        assert_int_equal(rd(b, LAPIC_ISR + (v / 32) * 0x10), 1u << (v & 31));
        b->eoi_vector = -1;
        wr(b, LAPIC_EOI, 0);
        assert_int_equal(b->eoi_vector, (v & 1) != 0 ? (int)v : -1);
        assert_int_equal(rd(b, LAPIC_ISR + (v / 32) * 0x10), 0);
    }
    for (unsigned v = 0; v < 16; v++)
        vlapic_raise(&b->l, (uint8_t)v, false);
    assert_false(vlapic_has_pending(&b->l));
    wr(b, LAPIC_ESR, 0);
    assert_int_equal(rd(b, LAPIC_ESR), LAPIC_ESR_RECV_ILLEGAL);
}

static void test_vlapic_all_vectors_in_order(void **state) {
    struct bench *b = *state;
    for (unsigned v = 16; v < 256; v++)
        vlapic_raise(&b->l, (uint8_t)v, false);
    for (unsigned v = 255; v >= 16; v--) {
        assert_int_equal(vlapic_accept(&b->l), v);
        vlapic_eoi(&b->l);
    }
    assert_int_equal(vlapic_accept(&b->l), -1);
}

static void test_vlapic_eoi_suppression(void **state) {
    struct bench *b = *state;
    wr(b, LAPIC_SVR, 0x11ff);
    vlapic_raise(&b->l, 0x40, true);
    vlapic_accept(&b->l);
    wr(b, LAPIC_EOI, 0);
    assert_int_equal(b->eoi_vector, -1);
}

static void test_vlapic_esr(void **state) {
    struct bench *b = *state;
    wr(b, LAPIC_LVT_ERROR, 0x33);
    wr(b, LAPIC_ICR_LOW, 0x000c4005 & ~0xc0000u); /* fixed, vector 5 */
    assert_int_equal(b->sends, 0);
    assert_int_equal(rd(b, LAPIC_ESR), 0); /* only a write shows it */
    wr(b, LAPIC_ESR, 0);
    assert_int_equal(rd(b, LAPIC_ESR), LAPIC_ESR_SEND_ILLEGAL);
    assert_int_equal(vlapic_accept(&b->l), 0x33);
    wr(b, LAPIC_ESR, 0);
    assert_int_equal(rd(b, LAPIC_ESR), 0);
    wr(b, LAPIC_ID, 0x09000000);
    assert_int_equal(rd(b, LAPIC_ID), 0);
    rd(b, 0x40);
    wr(b, LAPIC_ESR, 0);
    assert_int_equal(rd(b, LAPIC_ESR), LAPIC_ESR_ILLEGAL_REG);
}

static void test_vlapic_mmio_sizes(void **state) {
    struct bench *b = *state;
    wr(b, LAPIC_TIMER_INIT, 0x12345678);
    assert_int_equal(vlapic_mmio_read(&b->l, LAPIC_TIMER_INIT + 1, 1), 0x56 & 0xff);
    assert_int_equal(vlapic_mmio_read(&b->l, LAPIC_TIMER_INIT + 2, 2), 0x1234);
    assert_int_equal(vlapic_mmio_read(&b->l, LAPIC_TIMER_INIT + 2, 4), 0);
    assert_int_equal(vlapic_mmio_read(&b->l, 0xffc, 4), 0);
    vlapic_mmio_write(&b->l, LAPIC_TPR, 1, 0x20);
    vlapic_mmio_write(&b->l, LAPIC_TPR + 4, 4, 0x20);
    vlapic_mmio_write(&b->l, 0x1000, 4, 0x20);
    assert_int_equal(rd(b, LAPIC_TPR), 0);
}

static void test_vlapic_one_shot(void **state) {
    struct bench *b = *state;
    wr(b, LAPIC_LVT_TIMER, 0x40);
    wr(b, LAPIC_TIMER_DIVIDE, LAPIC_TIMER_DIVIDE_16);
    uint64_t start = b->time.tsc_offset;
    wr(b, LAPIC_TIMER_INIT, 1000);
    assert_int_equal(rd(b, LAPIC_TIMER_CURRENT), 1000);
    assert_true(vlapic_next_event_tsc(&b->l) == start + 16000 * 2);
    advance_ns(b, 8000);
    assert_int_equal(rd(b, LAPIC_TIMER_CURRENT), 500);
    b->time.tsc_offset = start + 16000 * 2 - 1;
    vlapic_run(&b->l);
    assert_false(vlapic_has_pending(&b->l));
    assert_int_equal(rd(b, LAPIC_TIMER_CURRENT), 1);
    b->time.tsc_offset++;
    vlapic_run(&b->l);
    assert_int_equal(vlapic_accept(&b->l), 0x40);
    assert_int_equal(rd(b, LAPIC_TIMER_CURRENT), 0);
    assert_true(vlapic_next_event_tsc(&b->l) == VCLOCK_NEVER);
}

static void test_vlapic_divisors(void **state) {
    struct bench *b = *state;
    static const struct {
        uint32_t code;
        unsigned divisor;
    } row[] = {{0xb, 1}, {0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {0xa, 128}};
    for (size_t i = 0; i < ARRAY_LEN(row); i++) {
        wr(b, LAPIC_TIMER_DIVIDE, row[i].code);
        wr(b, LAPIC_TIMER_INIT, 100);
        assert_true(vlapic_next_event_tsc(&b->l) == b->time.tsc_offset + 100 * row[i].divisor * 2);
        assert_int_equal(rd(b, LAPIC_TIMER_DIVIDE), row[i].code);
    }
}

static void test_vlapic_periodic(void **state) {
    struct bench *b = *state;
    const uint64_t period = 1000000;
    wr(b, LAPIC_LVT_TIMER, 0x20040);
    wr(b, LAPIC_TIMER_DIVIDE, LAPIC_TIMER_DIVIDE_1);
    uint64_t start = b->time.tsc_offset;
    wr(b, LAPIC_TIMER_INIT, (uint32_t)period);
    for (unsigned i = 1; i <= 3; i++) {
        assert_true(vlapic_next_event_tsc(&b->l) == start + i * period * 2);
        b->time.tsc_offset = start + i * period * 2 + 100;
        vlapic_run(&b->l);
        assert_int_equal(vlapic_accept(&b->l), 0x40);
        vlapic_eoi(&b->l);
        assert_int_equal(rd(b, LAPIC_TIMER_CURRENT), period - 50);
    }
    /* A stop of 1000 and a half periods is one interrupt, and the phase stays. */
    b->time.tsc_offset = start + 1003 * period * 2 + period;
    vlapic_run(&b->l);
    assert_int_equal(vlapic_accept(&b->l), 0x40);
    vlapic_eoi(&b->l);
    vlapic_run(&b->l);
    assert_int_equal(vlapic_accept(&b->l), -1);
    assert_true(vlapic_next_event_tsc(&b->l) == start + 1004 * period * 2);
    wr(b, LAPIC_TIMER_INIT, 0);
    assert_true(vlapic_next_event_tsc(&b->l) == VCLOCK_NEVER);
}

static void test_vlapic_tiny_period_is_slowed(void **state) {
    struct bench *b = *state;
    wr(b, LAPIC_LVT_TIMER, 0x20040);
    wr(b, LAPIC_TIMER_DIVIDE, LAPIC_TIMER_DIVIDE_1);
    wr(b, LAPIC_TIMER_INIT, 3);
    advance_ns(b, 3);
    vlapic_run(&b->l);
    assert_true(vlapic_next_event_tsc(&b->l) >= b->time.tsc_offset + (VLAPIC_MIN_PERIOD_NS - 3) * 2);
    assert_in_range(rd(b, LAPIC_TIMER_CURRENT), 1, 3);
}

static void test_vlapic_change_divisor_while_running(void **state) {
    struct bench *b = *state;
    wr(b, LAPIC_TIMER_DIVIDE, LAPIC_TIMER_DIVIDE_1);
    wr(b, LAPIC_TIMER_INIT, 1000);
    advance_ns(b, 400);
    wr(b, LAPIC_TIMER_DIVIDE, LAPIC_TIMER_DIVIDE_16);
    assert_int_equal(rd(b, LAPIC_TIMER_CURRENT), 600);
    assert_true(vlapic_next_event_tsc(&b->l) == b->time.tsc_offset + 600 * 16 * 2);
}

static void test_vlapic_masked_timer_counts_silently(void **state) {
    struct bench *b = *state;
    wr(b, LAPIC_LVT_TIMER, 0x10040);
    wr(b, LAPIC_TIMER_INIT, 100);
    advance_ns(b, 1000);
    vlapic_run(&b->l);
    assert_false(vlapic_has_pending(&b->l));
    assert_int_equal(rd(b, LAPIC_TIMER_CURRENT), 0);
}

static void test_vlapic_tsc_deadline(void **state) {
    struct bench *b = *state;
    vlapic_write_tsc_deadline(&b->l, 5000000); /* ignored in one-shot mode */
    assert_true(vlapic_next_event_tsc(&b->l) == VCLOCK_NEVER);
    wr(b, LAPIC_LVT_TIMER, 0x40041);
    wr(b, LAPIC_TIMER_INIT, 100); /* ignored in deadline mode */
    assert_true(vlapic_next_event_tsc(&b->l) == VCLOCK_NEVER);
    vlapic_write_tsc_deadline(&b->l, 5000000);
    assert_true(vlapic_next_event_tsc(&b->l) == 5000000);
    assert_true(vlapic_read_tsc_deadline(&b->l) == 5000000);
    assert_int_equal(rd(b, LAPIC_TIMER_CURRENT), 0);
    b->time.tsc_offset = 5000000;
    assert_true(vlapic_read_tsc_deadline(&b->l) == 0);
    assert_int_equal(vlapic_accept(&b->l), 0x41);
    assert_true(vlapic_next_event_tsc(&b->l) == VCLOCK_NEVER);
    vlapic_eoi(&b->l);
    vlapic_write_tsc_deadline(&b->l, 1); /* in the past: fires at once */
    vlapic_run(&b->l);
    assert_int_equal(vlapic_accept(&b->l), 0x41);
    vlapic_eoi(&b->l);
    vlapic_write_tsc_deadline(&b->l, 9000000);
    vlapic_write_tsc_deadline(&b->l, 0);
    assert_true(vlapic_next_event_tsc(&b->l) == VCLOCK_NEVER);
    vlapic_write_tsc_deadline(&b->l, 9000000);
    wr(b, LAPIC_LVT_TIMER, 0x41); /* leaving the mode disarms */
    assert_true(vlapic_next_event_tsc(&b->l) == VCLOCK_NEVER);
}

static void test_vlapic_deadline_follows_tsc_adjust(void **state) {
    struct bench *b = *state;
    wr(b, LAPIC_LVT_TIMER, 0x40041);
    vlapic_set_tsc_adjust(&b->l, (uint64_t)-900000);
    vlapic_write_tsc_deadline(&b->l, 200000);
    assert_true(vlapic_next_event_tsc(&b->l) == 1100000);
    vlapic_write_tsc_deadline(&b->l, UINT64_MAX);
    assert_true(vlapic_next_event_tsc(&b->l) == VCLOCK_NEVER);
    vlapic_set_tsc_adjust(&b->l, 5000000);
    vlapic_write_tsc_deadline(&b->l, 6100000);
    assert_true(vlapic_next_event_tsc(&b->l) == 1100000);
    vlapic_write_tsc_deadline(&b->l, 10); /* long past */
    assert_true(vlapic_next_event_tsc(&b->l) == 0);
    vlapic_write_tsc_deadline(&b->l, 6100000);
    vlapic_set_tsc_adjust(&b->l, 4000000);
    assert_true(vlapic_next_event_tsc(&b->l) == 2100000);
}

static void test_vlapic_extint(void **state) {
    struct bench *b = *state;
    lint(b, 0, true); /* LINT0 masked */
    assert_false(vlapic_has_pending(&b->l));
    wr(b, LAPIC_LVT_LINT0, LAPIC_MODE_EXTINT << 8);
    assert_true(vlapic_has_pending(&b->l));
    vlapic_raise(&b->l, 0x50, false);
    assert_int_equal(vlapic_accept(&b->l), 0x77); /* ExtINT first */
    assert_int_equal(vlapic_accept(&b->l), 0x50);
    assert_int_equal(rd(b, LAPIC_ISR + 0x30), 0); /* an ExtINT is not in service */
    lint(b, 0, true);
    wr(b, LAPIC_SVR, 0xff); /* software disable masks LINT0 */
    assert_false(vlapic_has_pending(&b->l));
    assert_true(vlapic_write_base(&b->l, LAPIC_DEFAULT_BASE | APIC_BASE_BSP, PHYS_BITS));
    assert_true(vlapic_has_pending(&b->l)); /* hardware disable: LINT0 is INTR */
}

static void test_vlapic_lint_fixed_and_nmi(void **state) {
    struct bench *b = *state;
    wr(b, LAPIC_LVT_LINT0, 0x38);
    lint(b, 0, true);
    lint(b, 0, true);
    assert_int_equal(vlapic_accept(&b->l), 0x38);
    assert_int_equal(vlapic_accept(&b->l), -1);
    wr(b, LAPIC_LVT_LINT1, LAPIC_MODE_NMI << 8);
    lint(b, 1, true);
    assert_true(vlapic_nmi_pending(&b->l));
    assert_true(vlapic_has_pending(&b->l));
    assert_int_equal(vlapic_accept(&b->l), -1); /* NMIs are apart */
    assert_true(vlapic_accept_nmi(&b->l));
    assert_false(vlapic_accept_nmi(&b->l));
}

static void test_vlapic_virtual_wire(void **state) {
    struct bench *b = *state;
    vlapic_init(&b->l, 0, &b->time, &b->env);
    vlapic_set_virtual_wire(&b->l);
    lint(b, 0, true);
    assert_int_equal(vlapic_accept(&b->l), 0x77);
    assert_int_equal(rd(b, LAPIC_SVR), 0x1ff);
}

static void test_vlapic_base_transitions(void **state) {
    struct bench *b = *state;
    const uint64_t off = LAPIC_DEFAULT_BASE | APIC_BASE_BSP;
    const uint64_t x1 = off | APIC_BASE_EN, x2 = x1 | APIC_BASE_EXTD;
    assert_false(vlapic_write_base(&b->l, off | APIC_BASE_EXTD, PHYS_BITS)); /* invalid state */
    assert_false(vlapic_write_base(&b->l, x1 | 1, PHYS_BITS));               /* reserved */
    assert_false(vlapic_write_base(&b->l, x1 | BIT(9), PHYS_BITS));
    assert_false(vlapic_write_base(&b->l, x1 | BIT(PHYS_BITS), PHYS_BITS));
    assert_true(vlapic_write_base(&b->l, x2, PHYS_BITS));
    assert_false(vlapic_write_base(&b->l, x1, PHYS_BITS)); /* x2APIC -> xAPIC */
    assert_true(vlapic_write_base(&b->l, x2, PHYS_BITS));
    assert_true(vlapic_write_base(&b->l, off, PHYS_BITS));
    assert_false(vlapic_write_base(&b->l, x2, PHYS_BITS)); /* disabled -> x2APIC */
    assert_true(vlapic_write_base(&b->l, x1, PHYS_BITS));
    assert_int_equal(rd(b, LAPIC_SVR), 0xff); /* disabling has reset it */
}

static void test_vlapic_disabled_and_moved(void **state) {
    struct bench *b = *state;
    assert_true(vlapic_write_base(&b->l, LAPIC_DEFAULT_BASE | APIC_BASE_BSP, PHYS_BITS));
    assert_true(b->l.mmio_base == VLAPIC_NO_MMIO);
    assert_int_equal(rd(b, LAPIC_VERSION), 0xffffffff);
    wr(b, LAPIC_SVR, 0x1ff);
    vlapic_raise(&b->l, 0x40, false);
    assert_false(vlapic_has_pending(&b->l));
    assert_true(vlapic_write_base(&b->l, 0xd0000000 | APIC_BASE_BSP | APIC_BASE_EN, PHYS_BITS));
    assert_true(b->l.mmio_base == 0xd0000000);
    wr(b, LAPIC_SVR, 0x1ff);
    vlapic_raise(&b->l, 0x40, false);
    assert_true(vlapic_has_pending(&b->l));
}

static void go_x2(struct bench *b, uint32_t id) {
    vlapic_init(&b->l, id, &b->time, &b->env);
    wr(b, LAPIC_SVR, 0x1ff);
    assert_true(vlapic_write_base(&b->l, b->l.base | APIC_BASE_EXTD, PHYS_BITS));
}

static void test_vlapic_x2apic_registers(void **state) {
    struct bench *b = *state;
    uint64_t v = 0;
    assert_false(vlapic_msr_read(&b->l, MSR_IA32_X2APIC_APICID, &v)); /* still xAPIC */
    go_x2(b, 0x25);
    assert_true(vlapic_msr_read(&b->l, MSR_IA32_X2APIC_APICID, &v));
    assert_int_equal(v, 0x25);
    assert_true(vlapic_msr_read(&b->l, MSR_IA32_X2APIC_LDR, &v));
    assert_int_equal(v, 0x20020);
    assert_true(vlapic_msr_read(&b->l, MSR_IA32_X2APIC_SIVR, &v));
    assert_int_equal(v, 0x1ff);
    assert_int_equal(rd(b, LAPIC_ID), 0xffffffff); /* the page is gone */
    static const uint32_t unreadable[] = {0x800, 0x801, 0x80b, 0x80e, 0x831, 0x82f, 0x83f, 0x840, 0x8ff};
    for (size_t i = 0; i < ARRAY_LEN(unreadable); i++)
        assert_false(vlapic_msr_read(&b->l, unreadable[i], &v));
    static const uint32_t unwritable[] = {0x802, 0x803, 0x80a, 0x80d, 0x80e, 0x810,
                                          0x818, 0x820, 0x831, 0x839, 0x840};
    for (size_t i = 0; i < ARRAY_LEN(unwritable); i++)
        assert_false(vlapic_msr_write(&b->l, unwritable[i], 0));
    assert_false(vlapic_msr_write(&b->l, MSR_IA32_X2APIC_TPR, 0x100));
    assert_false(vlapic_msr_write(&b->l, MSR_IA32_X2APIC_TPR, BIT(32)));
    assert_false(vlapic_msr_write(&b->l, MSR_IA32_X2APIC_EOI, 1));
    assert_false(vlapic_msr_write(&b->l, MSR_IA32_X2APIC_ESR, 1));
    assert_true(vlapic_msr_write(&b->l, MSR_IA32_X2APIC_ESR, 0));
    assert_true(vlapic_msr_write(&b->l, MSR_IA32_X2APIC_LVT_TIMER, 0x400ec));
    vlapic_raise(&b->l, 0x40, true);
    assert_int_equal(vlapic_accept(&b->l), 0x40);
    assert_true(vlapic_msr_write(&b->l, MSR_IA32_X2APIC_EOI, 0));
    assert_int_equal(b->eoi_vector, 0x40);
}

static void test_vlapic_ipis(void **state) {
    struct bench *b = *state;
    wr(b, LAPIC_ICR_HIGH, 0x05000000);
    wr(b, LAPIC_ICR_LOW, 0x4061);
    assert_int_equal(b->sent.dest, 5);
    assert_int_equal(b->sent.vector, 0x61);
    assert_false(b->sent.logical);
    assert_false(b->sent.wide);
    assert_int_equal(rd(b, LAPIC_ICR_LOW), 0x4061);
    wr(b, LAPIC_ICR_LOW, 0xc4500); /* INIT, all but self */
    assert_int_equal(b->sent.mode, LAPIC_MODE_INIT);
    assert_int_equal(b->shorthand, LAPIC_SHORTHAND_OTHERS);
    unsigned before = b->sends;
    wr(b, LAPIC_ICR_LOW, 0x08500); /* INIT de-assert */
    assert_int_equal(b->sends, before);
    go_x2(b, 0);
    assert_true(vlapic_msr_write(&b->l, MSR_IA32_X2APIC_ICR, 0x1200000000ull | 0x800 | 0x71));
    assert_int_equal(b->sent.dest, 0x12);
    assert_true(b->sent.logical);
    assert_true(b->sent.wide);
    assert_false(vlapic_msr_write(&b->l, MSR_IA32_X2APIC_ICR, BIT(20)));
    assert_true(vlapic_msr_write(&b->l, MSR_IA32_X2APIC_SELF_IPI, 0x72));
    assert_int_equal(b->shorthand, LAPIC_SHORTHAND_SELF);
    assert_int_equal(b->sent.vector, 0x72);
}

static void test_vlapic_message_modes(void **state) {
    struct bench *b = *state;
    struct vlapic_requests r;
    post(b, LAPIC_MODE_SIPI, 0);
    assert_true(vlapic_take(&b->l, &r));
    assert_true(r.sipi && !r.init && r.sipi_vector == 0);
    assert_false(vlapic_take(&b->l, &r));
    post(b, LAPIC_MODE_NMI, 0x40);
    post(b, LAPIC_MODE_NMI, 0x40);
    assert_false(vlapic_take(&b->l, &r));
    assert_true(vlapic_accept_nmi(&b->l));
    assert_false(vlapic_accept_nmi(&b->l)); /* two are one */
    post(b, LAPIC_MODE_EXTINT, 0);
    vlapic_fold(&b->l);
    assert_int_equal(vlapic_accept(&b->l), 0x77);
    assert_int_equal(vlapic_accept(&b->l), -1); /* a message is one interrupt */
    post(b, LAPIC_MODE_SMI, 0x40);
    post(b, 3, 0x40);
    assert_false(vlapic_has_news(&b->l));
    post(b, LAPIC_MODE_FIXED, 0x51);
    assert_false(vlapic_has_pending(&b->l)); /* not taken yet */
    assert_true(vlapic_has_news(&b->l));
    post(b, LAPIC_MODE_LOWEST, 0x62);
    vlapic_fold(&b->l);
    assert_int_equal(vlapic_accept(&b->l), 0x62);
    vlapic_eoi(&b->l);
    assert_int_equal(vlapic_accept(&b->l), 0x51);
    post(b, LAPIC_MODE_FIXED, 0xf);
    vlapic_fold(&b->l);
    wr(b, LAPIC_ESR, 0);
    assert_int_equal(rd(b, LAPIC_ESR), LAPIC_ESR_RECV_ILLEGAL);
}

static void test_vlapic_init_and_sipi(void **state) {
    struct bench *b = *state;
    struct vlapic_requests r;
    post(b, LAPIC_MODE_FIXED, 0x51);
    post(b, LAPIC_MODE_NMI, 0);
    post(b, LAPIC_MODE_INIT, 0);
    post(b, LAPIC_MODE_SIPI, 0x99);
    post(b, LAPIC_MODE_SIPI, 0x12);
    vlapic_fold(&b->l); /* leaves those of the vCPU where they are */
    assert_true(vlapic_take(&b->l, &r));
    assert_true(r.init && r.sipi);
    assert_int_equal(r.sipi_vector, 0x12);
    assert_int_equal(rd(b, LAPIC_SVR), 0xff);
    assert_false(vlapic_has_pending(&b->l)); /* what was pending before the INIT is gone */
    assert_false(vlapic_take(&b->l, &r));
    post(b, LAPIC_MODE_SIPI, 0x12);
    post(b, LAPIC_MODE_INIT, 0); /* cancels the SIPI */
    post(b, LAPIC_MODE_NMI, 0);
    post(b, LAPIC_MODE_FIXED, 0x51);
    assert_true(vlapic_take(&b->l, &r));
    assert_true(r.init && !r.sipi);
    assert_int_equal(b->l.pending, VLAPIC_PENDING_NMI); /* held until it has started; the vector met a disabled APIC */
}

static void test_vlapic_disabled_takes_no_message(void **state) {
    struct bench *b = *state;
    struct vlapic_requests r;
    static const uint8_t modes[] = {LAPIC_MODE_FIXED, LAPIC_MODE_LOWEST, LAPIC_MODE_NMI, LAPIC_MODE_INIT, LAPIC_MODE_SIPI,
                                    LAPIC_MODE_EXTINT};
    post(b, LAPIC_MODE_FIXED, 0x51);
    wr(b, LAPIC_SVR, 0xff);
    post(b, LAPIC_MODE_FIXED, 0x61);
    wr(b, LAPIC_SVR, 0x1ff);
    assert_int_equal(vlapic_accept(&b->l), 0x51); /* came before, stays */
    assert_int_equal(vlapic_accept(&b->l), -1);
    assert_true(vlapic_write_base(&b->l, LAPIC_DEFAULT_BASE | APIC_BASE_BSP, PHYS_BITS));
    for (size_t i = 0; i < ARRAY_LEN(modes); i++)
        post(b, modes[i], 0x71);
    assert_false(vlapic_take(&b->l, &r));
    assert_false(vlapic_has_news(&b->l));
    assert_false(vlapic_has_pending(&b->l));
    lint(b, 1, true); /* but the pins are connected through */
    assert_true(vlapic_accept_nmi(&b->l));
}

static bool matches(struct bench *b, uint32_t dest, bool logical, bool wide) {
    return vlapic_matches(&b->l, &(struct irq_msg){.dest = dest, .logical = logical, .wide = wide});
}

static void test_vlapic_destinations(void **state) {
    struct bench *b = *state;
    vlapic_init(&b->l, 2, &b->time, &b->env);
    assert_true(matches(b, 2, false, false));
    assert_true(matches(b, 0xff, false, false));
    assert_false(matches(b, 1, false, false));
    wr(b, LAPIC_LDR, 0x04000000);
    assert_true(matches(b, 0x0c, true, false));
    assert_false(matches(b, 0x0a, true, false));
    wr(b, LAPIC_DFR, 0x0fffffff); /* cluster model */
    wr(b, LAPIC_LDR, 0x32000000);
    assert_true(matches(b, 0x3a, true, false));
    assert_false(matches(b, 0x2a, true, false));
    assert_false(matches(b, 0x34, true, false));
    go_x2(b, 0x12);
    assert_true(matches(b, 0x12, false, true));
    assert_false(matches(b, 0xff, false, true));
    assert_true(matches(b, 0xffffffff, false, true));
    assert_true(matches(b, 0x10004, true, true));
    assert_false(matches(b, 0x20004, true, true));
    assert_false(matches(b, 0x10003, true, true));
}

static void test_vlapic_kick_once(void **state) {
    struct bench *b = *state;
    const struct irq_msg fixed = {.mode = LAPIC_MODE_FIXED, .vector = 0x40}, nmi = {.mode = LAPIC_MODE_NMI};
    for (unsigned round = 0; round < 2; round++) {
        assert_true(vlapic_post(&b->l, &fixed));
        assert_false(vlapic_post(&b->l, &fixed));
        assert_false(vlapic_post(&b->l, &(struct irq_msg){.vector = 0x41}));
        assert_true(vlapic_post(&b->l, &nmi));
        assert_false(vlapic_post(&b->l, &(struct irq_msg){.mode = LAPIC_MODE_EXTINT}));
        vlapic_fold(&b->l);
        assert_false(vlapic_has_news(&b->l));
    }
    assert_int_equal(vlapic_accept(&b->l), 0x77);
    /* A masked pin is worth no kick, and a falling one neither; both are noticed. */
    assert_false(vlapic_post_lint(&b->l, 0, true));
    wr(b, LAPIC_LVT_LINT0, LAPIC_MODE_EXTINT << 8);
    assert_int_equal(b->l.pending & VLAPIC_PENDING_EXTINT, VLAPIC_PENDING_EXTINT);
    vlapic_fold(&b->l);
    assert_false(vlapic_post_lint(&b->l, 0, false));
    assert_true(vlapic_has_news(&b->l));
    assert_true(vlapic_post_lint(&b->l, 0, true)); /* the quiet news do not swallow the kick */
    assert_false(vlapic_post_lint(&b->l, 0, true));
    (void)!vlapic_post_lint(&b->l, 0, false);
    vlapic_fold(&b->l);
    assert_int_equal(b->l.pending & VLAPIC_PENDING_EXTINT, 0);
}

/* The page is what a processor with APIC virtualisation would find. SDM Vol. 3C "Virtual APIC State". */
static void test_vlapic_page_layout(void **state) {
    struct bench *b = *state;
    uint64_t exits[4];
    assert_int_equal((uintptr_t)&b->l % 4096, 0);
    vlapic_set_tpr(&b->l, 0x20);
    vlapic_raise(&b->l, 0x91, true);
    vlapic_raise(&b->l, 0x33, false);
    vlapic_raise(&b->l, 0xff, true);
    assert_int_equal(vlapic_interrupt_status(&b->l), 0x00ff);
    assert_int_equal(vlapic_accept(&b->l), 0xff);
    assert_int_equal(vlapic_interrupt_status(&b->l), 0xff91);
    assert_int_equal(b->l.page.word[0x080 / 4], 0x20);
    assert_int_equal(b->l.page.word[0x0a0 / 4], 0xf0);
    assert_int_equal(b->l.page.word[0x170 / 4], 1u << 31); /* ISR */
    assert_int_equal(b->l.page.word[0x240 / 4], 1u << 17); /* IRR */
    assert_int_equal(b->l.page.word[0x210 / 4], 1u << 19);
    vlapic_eoi_exits(&b->l, exits);
    assert_true(exits[0] == 0 && exits[1] == 0 && exits[2] == BIT(0x11) && exits[3] == BIT(63));
    wr(b, LAPIC_ICR_HIGH, 0x05000000);
    wr(b, LAPIC_ICR_LOW, 0x4061);
    assert_int_equal(b->l.page.word[0x300 / 4], 0x4061);
    assert_int_equal(b->l.page.word[0x310 / 4], 0x05000000);
    go_x2(b, 0x25);
    assert_int_equal(b->l.page.word[0x020 / 4], 0x25);
    assert_int_equal(b->l.page.word[0x0d0 / 4], 0x20020);
    assert_true(vlapic_msr_write(&b->l, MSR_IA32_X2APIC_ICR, 0x1200000000ull | 0x871));
    assert_int_equal(b->l.page.word[0x300 / 4], 0x871); /* RDMSR returns the 64 bits at 0x300 */
    assert_int_equal(b->l.page.word[0x304 / 4], 0x12);
    post(b, LAPIC_MODE_INIT, 0);
    assert_true(vlapic_take(&b->l, &(struct vlapic_requests){false}));
    assert_int_equal(b->l.page.word[0x020 / 4], 0x25); /* INIT changes neither mode nor ID */
    assert_int_equal(b->l.page.word[0x0d0 / 4], 0x20020);
}

/* A processor delivers 0x91, the guest raises its TPR and finishes it; software finds out afterwards. */
static void test_vlapic_resync_after_hardware(void **state) {
    struct bench *b = *state;
    vlapic_raise(&b->l, 0x91, false);
    vlapic_raise(&b->l, 0x52, false);
    b->l.page.word[0x240 / 4] &= ~(1u << 17);
    b->l.page.word[0x140 / 4] |= 1u << 17;
    vlapic_resync(&b->l);
    assert_false(vlapic_has_pending(&b->l)); /* 0x52 is below 0x91 */
    assert_int_equal(rd(b, LAPIC_PPR), 0x90);
    assert_int_equal(vlapic_interrupt_status(&b->l), 0x9152);
    b->l.page.word[0x140 / 4] = 0;
    b->l.page.word[0x080 / 4] = 0x60;
    vlapic_resync(&b->l);
    assert_int_equal(rd(b, LAPIC_PPR), 0x60);
    assert_false(vlapic_has_pending(&b->l));
    b->l.page.word[0x080 / 4] = 0x4f;
    vlapic_resync(&b->l);
    assert_int_equal(vlapic_accept(&b->l), 0x52);
    vlapic_eoi_broadcast(&b->l, 0x91);
    assert_int_equal(b->eoi_vector, 0x91);
}

static size_t save(struct vlapic *l, uint8_t *buf, size_t cap) {
    struct snap s;
    size_t used = 0;
    snap_begin_save(&s, buf, cap);
    vlapic_snapshot(l, &s);
    assert_int_equal(snap_end(&s, &used), OK);
    return used;
}

static void round_trip(struct bench *b) {
    uint8_t first[1024], second[1024];
    struct snap s;
    struct bench other = {.time = b->time};
    other.env = (struct vlapic_env){&other, on_send, on_eoi, on_ack};
    vlapic_init(&other.l, b->l.id, &other.time, &other.env);
    size_t n = save(&b->l, first, sizeof first);
    snap_begin_load(&s, first, n);
    vlapic_snapshot(&other.l, &s);
    assert_int_equal(snap_end(&s, NULL), OK);
    assert_int_equal(save(&other.l, second, sizeof second), n);
    assert_memory_equal(first, second, n);
    /* Derived fields as well: the copy must go on exactly alike. */
    other.l.clock = b->l.clock;
    other.l.env = b->l.env;
    assert_memory_equal(&other.l, &b->l, sizeof b->l);
    for (size_t cut = 0; cut < n; cut++) {
        snap_begin_load(&s, first, cut);
        vlapic_snapshot(&other.l, &s);
        assert_int_equal(snap_end(&s, NULL), ERR_CORRUPT);
    }
}

static void test_vlapic_snapshot(void **state) {
    struct bench *b = *state;
    wr(b, LAPIC_TPR, 0x20);
    vlapic_raise(&b->l, 0x91, true);
    vlapic_raise(&b->l, 0xa1, false);
    vlapic_accept(&b->l);
    vlapic_raise_nmi(&b->l);
    wr(b, LAPIC_LVT_LINT0, LAPIC_MODE_EXTINT << 8);
    lint(b, 0, true);
    round_trip(b);
    wr(b, LAPIC_LVT_TIMER, 0x20040);
    wr(b, LAPIC_TIMER_DIVIDE, LAPIC_TIMER_DIVIDE_16);
    wr(b, LAPIC_TIMER_INIT, 777777);
    advance_ns(b, 1234567);
    round_trip(b);
    wr(b, LAPIC_LVT_TIMER, 0x40040);
    vlapic_set_tsc_adjust(&b->l, 12345);
    vlapic_write_tsc_deadline(&b->l, b->time.tsc_offset + 99999);
    round_trip(b);
    go_x2(b, 7);
    round_trip(b);
}

static void test_vlapic_snapshot_rejects_bad_state(void **state) {
    struct bench *b = *state;
    uint8_t buf[1024];
    struct snap s;
    b->l.base = LAPIC_DEFAULT_BASE | APIC_BASE_EXTD; /* the invalid mode */
    size_t n = save(&b->l, buf, sizeof buf);
    snap_begin_load(&s, buf, n);
    vlapic_snapshot(&b->l, &s);
    assert_int_equal(snap_end(&s, NULL), ERR_CORRUPT);
    vlapic_init(&b->l, 0, &b->time, &b->env);
    b->l.timer_expiry_ns = UINT64_MAX - 1;
    n = save(&b->l, buf, sizeof buf);
    snap_begin_load(&s, buf, n);
    vlapic_snapshot(&b->l, &s);
    assert_int_equal(snap_end(&s, NULL), ERR_CORRUPT);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_vlapic_reset_state), T(test_vlapic_priority_and_eoi), T(test_vlapic_tpr_holds_back),
        T(test_vlapic_every_vector), T(test_vlapic_all_vectors_in_order), T(test_vlapic_eoi_suppression),
        T(test_vlapic_esr), T(test_vlapic_mmio_sizes), T(test_vlapic_one_shot), T(test_vlapic_divisors),
        T(test_vlapic_periodic), T(test_vlapic_tiny_period_is_slowed),
        T(test_vlapic_change_divisor_while_running), T(test_vlapic_masked_timer_counts_silently),
        T(test_vlapic_tsc_deadline), T(test_vlapic_deadline_follows_tsc_adjust), T(test_vlapic_extint),
        T(test_vlapic_lint_fixed_and_nmi), T(test_vlapic_virtual_wire), T(test_vlapic_base_transitions),
        T(test_vlapic_disabled_and_moved), T(test_vlapic_x2apic_registers), T(test_vlapic_ipis),
        T(test_vlapic_message_modes), T(test_vlapic_init_and_sipi),
        T(test_vlapic_disabled_takes_no_message), T(test_vlapic_destinations),
        T(test_vlapic_kick_once), T(test_vlapic_page_layout), T(test_vlapic_resync_after_hardware), T(test_vlapic_snapshot),
        T(test_vlapic_snapshot_rejects_bad_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
