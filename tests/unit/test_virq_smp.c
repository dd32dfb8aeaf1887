/* SPDX-License-Identifier: MIT */
/* Several vCPUs: interprocessor interrupts in every mode and addressing, starting CPUs, APICs that come and go, locks. */
#include "tests/unit/virq_bench.h"

static void go_x2(struct bench *b, unsigned cpu) {
    assert_true(vlapic_write_base(lapic(b, cpu), lapic(b, cpu)->base | APIC_BASE_EXTD, 40));
}
static void icr(struct bench *b, unsigned from, uint32_t dest, uint32_t low) {
    lapic_wr(b, from, LAPIC_ICR_HIGH, dest << 24);
    lapic_wr(b, from, LAPIC_ICR_LOW, low);
}
static void icr_x2(struct bench *b, unsigned from, uint32_t dest, uint32_t low) {
    assert_true(vlapic_msr_write(lapic(b, from), MSR_IA32_X2APIC_ICR, (uint64_t)dest << 32 | low));
}
/* The set of vCPUs that got `vector`, and nobody anything else. */
static unsigned who_got(struct bench *b, int vector) {
    unsigned set = 0;
    for (unsigned i = 0; i < CPUS; i++) {
        int got = take(b, i);
        assert_true(got == vector || got == -1);
        set |= got == vector ? 1u << i : 0;
        assert_int_equal(take(b, i), -1);
    }
    return set;
}
static uint32_t esr(struct bench *b, unsigned cpu) {
    lapic_wr(b, cpu, LAPIC_ESR, 0);
    return (uint32_t)vlapic_mmio_read(lapic(b, cpu), LAPIC_ESR, 4);
}

static void test_virq_shorthands(void **state) {
    struct bench *b = *state;
    lapic_wr(b, 1, LAPIC_ICR_LOW, 0x44068); /* self */
    assert_int_equal(take(b, 1), 0x68);
    assert_int_equal(take(b, 0), -1);
    lapic_wr(b, 1, LAPIC_ICR_LOW, 0x84069); /* all */
    for (unsigned i = 0; i < CPUS; i++)
        assert_int_equal(take(b, i), 0x69);
    lapic_wr(b, 1, LAPIC_ICR_LOW, 0xc406a); /* all but self */
    for (unsigned i = 0; i < CPUS; i++)
        assert_int_equal(take(b, i), i == 1 ? -1 : 0x6a);
    lapic_wr(b, 0, LAPIC_ICR_LOW, 0xc4500);
    lapic_wr(b, 0, LAPIC_ICR_LOW, 0xc4600); /* SIPI with vector 0 */
    for (unsigned i = 0; i < CPUS; i++) {
        look(b, i);
        assert_int_equal(b->got[i].init, i != 0);
        assert_int_equal(b->got[i].sipi, i != 0);
        assert_int_equal(b->got[i].sipi_vector, 0);
    }
    assert_int_equal(b->resets, 0);
    lapic_wr(b, 1, LAPIC_ICR_LOW, 0xc4500); /* INIT for the boot CPU: the host's affair */
    look(b, 0);
    assert_int_equal(b->resets, 1);
    assert_false(b->got[0].init);
}

static void test_virq_each_has_its_page(void **state) {
    struct bench *b = *state;
    assert_true(vlapic_write_base(lapic(b, 0), 0xd0000000 | APIC_BASE_BSP | APIC_BASE_EN, 40));
    assert_true(lapic(b, 0)->mmio_base == 0xd0000000);
    assert_true(lapic(b, 1)->mmio_base == LAPIC_DEFAULT_BASE);
    assert_int_equal(vlapic_mmio_read(lapic(b, 1), LAPIC_ID, 4), 1u << 24);
    assert_int_equal(bus_mmio_read(&b->bus, 0xfee00030, 4), 0xffffffff); /* on no bus */
}

static void test_virq_physical_and_logical(void **state) {
    struct bench *b = *state;
    icr(b, 0, 2, 0x4051);
    assert_int_equal(who_got(b, 0x51), 4);
    icr(b, 3, 3, 0x4051); /* itself, by its ID */
    assert_int_equal(who_got(b, 0x51), 8);
    icr(b, 0, 0xff, 0x4051);
    assert_int_equal(who_got(b, 0x51), 15);
    icr(b, 0, 0x0b, 0x4851); /* flat */
    assert_int_equal(who_got(b, 0x51), 11);
    icr(b, 0, 0x0a, 0x4951); /* flat, lowest priority: one of them, in turns */
    unsigned first = who_got(b, 0x51);
    icr(b, 0, 0x0a, 0x4951);
    assert_int_equal(first | who_got(b, 0x51), 0x0a);
    for (unsigned i = 0; i < CPUS; i++) { /* clusters 1 and 2 of two members each */
        lapic_wr(b, i, LAPIC_DFR, 0x0fffffff);
        lapic_wr(b, i, LAPIC_LDR, (i / 2 + 1) << 28 | (1u << i % 2) << 24);
    }
    icr(b, 0, 0x13, 0x4852);
    assert_int_equal(who_got(b, 0x52), 3);
    icr(b, 0, 0x22, 0x4852);
    assert_int_equal(who_got(b, 0x52), 8);
    icr(b, 0, 0xff, 0x4852);
    assert_int_equal(who_got(b, 0x52), 15);
    lapic_wr(b, 0, LAPIC_LVT_ERROR, 0xfe);
    icr(b, 0, 9, 0x4051); /* nobody: no error on processors that have no APIC bus */
    icr(b, 0, 0x31, 0x4852);
    icr(b, 0, 0x31, 0x4952);
    assert_int_equal(who_got(b, 0x51), 0);
    assert_int_equal(esr(b, 0), 0);
}

static void test_virq_x2apic_addressing(void **state) {
    struct bench *b = *state;
    for (unsigned i = 0; i < CPUS; i++)
        go_x2(b, i);
    icr_x2(b, 0, 2, 0x4051);
    assert_int_equal(who_got(b, 0x51), 4);
    icr_x2(b, 0, 0xff, 0x4051); /* the narrow broadcast is none here */
    assert_int_equal(who_got(b, 0x51), 0);
    icr_x2(b, 0, 0xffffffff, 0x4051);
    assert_int_equal(who_got(b, 0x51), 15);
    icr_x2(b, 0, 0xffffffff, 0x4851);
    assert_int_equal(who_got(b, 0x51), 15);
    icr_x2(b, 0, 0x0000000a, 0x4851); /* cluster 0, members 1 and 3 */
    assert_int_equal(who_got(b, 0x51), 0x0a);
    icr_x2(b, 0, 0x0001000a, 0x4851);
    assert_int_equal(who_got(b, 0x51), 0);
    icr_x2(b, 1, 0, 0xc4051);
    assert_int_equal(who_got(b, 0x51), 13);
    assert_true(vlapic_msr_write(lapic(b, 2), MSR_IA32_X2APIC_SELF_IPI, 0x53));
    assert_int_equal(who_got(b, 0x53), 4);
    virq_msi(&b->v, 0xfeeff000, 0x4054); /* a device's broadcast is narrow and reaches all */
    assert_int_equal(who_got(b, 0x54), 15);
    virq_msi(&b->v, 0xfee03000, 0x4054);
    assert_int_equal(who_got(b, 0x54), 8);
}

/* Two modes at the same time, as while a kernel switches one CPU after the other. */
static void test_virq_mixed_modes(void **state) {
    struct bench *b = *state;
    go_x2(b, 1);
    icr(b, 0, 1, 0x4051);
    assert_int_equal(who_got(b, 0x51), 2);
    icr(b, 0, 0xff, 0x4051);
    assert_int_equal(who_got(b, 0x51), 15);
    icr_x2(b, 1, 0, 0x4052);
    assert_int_equal(who_got(b, 0x52), 1);
    icr_x2(b, 1, 0xffffffff, 0x4052);
    assert_int_equal(who_got(b, 0x52), 15);
}

/* INIT, its de-assertion, and two SIPIs: the universal start-up algorithm of the MultiProcessor Specification. */
static void test_virq_universal_startup(void **state) {
    struct bench *b = *state;
    icr(b, 0, 1, 0xc500);
    look(b, 1);
    assert_true(b->got[1].init && !b->got[1].sipi);
    b->got[1] = (struct vlapic_requests){false};
    icr(b, 0, 1, 0x8500);
    look(b, 1);
    assert_false(b->got[1].init);
    icr(b, 0, 1, 0x4699);
    look(b, 1);
    assert_true(b->got[1].sipi && b->got[1].sipi_vector == 0x99);
    b->got[1] = (struct vlapic_requests){false};
    icr(b, 0, 1, 0x4699); /* the second one: the vCPU drops it unless it waits */
    look(b, 1);
    assert_true(b->got[1].sipi && !b->got[1].init);
    assert_int_equal(vlapic_mmio_read(lapic(b, 1), LAPIC_SVR, 4), 0xff);
    icr(b, 1, 1, 0x4500); /* to itself: not at once, but when it looks */
    assert_int_equal(vlapic_mmio_read(lapic(b, 1), LAPIC_SVR, 4), 0xff);
    look(b, 1);
    assert_true(b->got[1].init);
    icr(b, 0, 0, 0x4500);
    assert_int_equal(b->resets, 1);
}

static void test_virq_disabled_apic(void **state) {
    struct bench *b = *state;
    lapic_wr(b, 2, LAPIC_SVR, 0xff);
    icr(b, 0, 0xff, 0x4051);
    assert_int_equal(who_got(b, 0x51), 11);
    for (unsigned i = 0; i < CPUS; i++) {
        icr(b, 0, 0x0f, 0x4951); /* lowest priority passes it over */
        assert_true((who_got(b, 0x51) & 11) != 0);
    }
    icr(b, 0, 2, 0x4400);
    look(b, 2);
    assert_true(vlapic_accept_nmi(lapic(b, 2))); /* NMIs, INITs and SIPIs it takes all the same */
    assert_true(vlapic_write_base(lapic(b, 2), LAPIC_DEFAULT_BASE, 40));
    icr(b, 0, 2, 0x4400);
    icr(b, 0, 2, 0x4500);
    icr(b, 0, 2, 0x4612);
    look(b, 2);
    assert_false(vlapic_accept_nmi(lapic(b, 2)));
    assert_false(b->got[2].init || b->got[2].sipi);
    assert_true(vlapic_write_base(lapic(b, 2), LAPIC_DEFAULT_BASE | APIC_BASE_EN, 40));
    lapic_wr(b, 2, LAPIC_SVR, 0x1ff);
    icr(b, 0, 2, 0x4052);
    assert_int_equal(who_got(b, 0x52), 4);
}

static void test_virq_illegal_vectors(void **state) {
    struct bench *b = *state;
    icr(b, 0, 1, 0x4005);
    assert_int_equal(esr(b, 0), LAPIC_ESR_SEND_ILLEGAL);
    assert_int_equal(who_got(b, 5), 0);
    virq_msi(&b->v, 0xfee01000, 0x400f);
    look(b, 1);
    assert_int_equal(esr(b, 1), LAPIC_ESR_RECV_ILLEGAL);
    lapic_wr(b, 1, LAPIC_LVT_TIMER, 0x400 * 0x100 | 7); /* the timer's own */
    vlapic_write_tsc_deadline(lapic(b, 1), 1);
    b->time.tsc_offset = 2;
    vlapic_run(lapic(b, 1));
    assert_int_equal(esr(b, 1), LAPIC_ESR_RECV_ILLEGAL);
    go_x2(b, 2);
    assert_true(vlapic_msr_write(lapic(b, 2), MSR_IA32_X2APIC_SELF_IPI, 3));
    uint64_t value = 0;
    assert_true(vlapic_msr_write(lapic(b, 2), MSR_IA32_X2APIC_ESR, 0));
    assert_true(vlapic_msr_read(lapic(b, 2), MSR_IA32_X2APIC_ESR, &value));
    assert_int_equal(value, LAPIC_ESR_SEND_ILLEGAL);
    icr(b, 0, 1, 0x4305); /* reserved mode, and an SMI: nothing */
    icr(b, 0, 1, 0x4205);
    assert_false(vlapic_has_news(lapic(b, 1)));
}

/* However much is sent: one kick and one look per target. */
static void test_virq_storm(void **state) {
    struct bench *b = *state;
    for (unsigned i = 0; i < 100000; i++)
        icr(b, 0, 0, 0xc4000 | (16 + i % 240));
    for (unsigned i = 1; i < CPUS; i++) {
        assert_int_equal(b->kicks[i], 1);
        for (int v = 255; v >= 16; v--)
            assert_int_equal(take(b, i), v);
        assert_int_equal(take(b, i), -1);
    }
    assert_int_equal(b->kicks[0], 0);
}

static void test_virq_msi_redirection_hint(void **state) {
    struct bench *b = *state;
    lapic_wr(b, 1, LAPIC_TPR, 0x20);
    virq_msi(&b->v, 0xfee0600c, 0x4055); /* CPUs 1 and 2, logical, the one of lower priority */
    assert_int_equal(who_got(b, 0x55), 4);
    virq_msi(&b->v, 0xfee0600c, 0x4055);
    assert_int_equal(who_got(b, 0x55), 4);
    virq_msi(&b->v, 0xfee06004, 0x4055); /* no hint: both */
    assert_int_equal(who_got(b, 0x55), 6);
    virq_msi(&b->v, 0xfee01008, 0x4055); /* physical: nobody to choose from */
    assert_int_equal(who_got(b, 0x55), 2);
}

/* virq takes the lock for the PIC and the IOAPIC, and for nothing else. */
static void test_virq_lock(void **state) {
    struct bench *b = *state;
    struct spinlock lock = SPINLOCK("vm", LOCK_RANK_VM);
    b->v.host.lock = &lock;
    program_pic(b);
    rte(b, 11, 0x8052, 0);
    virq_set_gsi(&b->v, 11, true);
    virq_set_gsi(&b->v, 11, false);
    icr(b, 1, 0, 0x4051);
    icr(b, 0, 0, 0xc4000 | 0x51);
    lapic_wr(b, 0, LAPIC_TPR, 0x10);
    assert_int_equal(accept(b, 0), 0x3b); /* IRQ 11 came by the PIC, too */
    assert_int_equal(lock.next, 1);
    assert_int_equal(take(b, 0), 0x52);
    assert_int_equal(lock.next, 2);
    assert_int_equal(take(b, 0), 0x51);
    assert_int_equal(lock.next, 2);
    assert_int_equal(lock.serving, 2);
}

/* Two CPUs have LINT0 open; one of them gets the interrupt, the other one nothing. */
static void test_virq_extint_once(void **state) {
    struct bench *b = *state;
    program_pic(b);
    lapic_wr(b, 1, LAPIC_LVT_LINT0, 0x700);
    virq_set_gsi(&b->v, 3, true);
    virq_set_gsi(&b->v, 3, false);
    assert_true(is_pending(b, 0) && is_pending(b, 1));
    assert_int_equal(b->kicks[0], 1);
    assert_int_equal(b->kicks[1], 1);
    assert_int_equal(b->kicks[2], 0); /* its pin is masked */
    assert_int_equal(vlapic_accept(lapic(b, 1)), 0x33);
    assert_int_equal(vlapic_accept(lapic(b, 0)), -1);
    assert_false(vlapic_has_pending(lapic(b, 0)));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_virq_shorthands), T(test_virq_each_has_its_page), T(test_virq_physical_and_logical),
        T(test_virq_x2apic_addressing), T(test_virq_mixed_modes), T(test_virq_universal_startup), T(test_virq_disabled_apic),
        T(test_virq_illegal_vectors), T(test_virq_storm), T(test_virq_msi_redirection_hint), T(test_virq_lock),
        T(test_virq_extint_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
