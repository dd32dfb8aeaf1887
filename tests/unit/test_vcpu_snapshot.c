/* SPDX-License-Identifier: MIT */
/* test_vcpu_snapshot.c - the vCPU section: save, load and save again are equal, and hostile values are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#undef fail

#include "guest/vcpu_snapshot.h"

#define BUFFER 8192

static struct vcpu_state state, copy;
static uint8_t first[BUFFER], second[BUFFER];

/* Every octet different from its neighbours, then the fields with rules made legal. */
static void fill(struct vcpu_state *s) {
    uint8_t *p = (uint8_t *)s;
    for (size_t i = 0; i < sizeof *s; i++)
        p[i] = (uint8_t)(i * 7 + i / 251 + 1);
    for (unsigned i = 0; i < NR_SEGMENTS; i++)
        s->segment[i].access = 0xa09b + i * 0x1000 % 0x4000;
    for (unsigned i = 0; i < NR_SEGMENTS; i++)
        s->segment[i].access &= 0x1f0ff;
    s->gdtr_limit = 0x7f;
    s->idtr_limit = 0xfff;
    s->interruptibility = 1;
    s->event_info = 0x80000000u | 0x300 | 14 | 0x800;
    s->event_len = 3;
    s->activity = VCPU_HALTED;
}

static size_t save(struct vcpu_state *s, uint8_t *buf) {
    struct snap snap;
    size_t used = 0;
    snap_begin_save(&snap, buf, BUFFER);
    vcpu_snapshot(s, &snap);
    assert_int_equal(snap_end(&snap, &used), OK);
    return used;
}

static result_t load(struct vcpu_state *s, const uint8_t *buf, size_t len) {
    struct snap snap;
    snap_begin_load(&snap, buf, len);
    vcpu_snapshot(s, &snap);
    return snap_end(&snap, NULL);
}

static void test_vcpu_snapshot_save_load_save_is_equal(void **unused) {
    (void)unused;
    fill(&state);
    size_t len = save(&state, first);
    memset(&copy, 0, sizeof copy);
    assert_int_equal(load(&copy, first, len), OK);
    assert_int_equal(save(&copy, second), len);
    assert_memory_equal(first, second, len);
}

/* A field that is forgotten in the list stays zero in the copy: compare member by member. */
static void test_vcpu_snapshot_holds_every_field(void **unused) {
    (void)unused;
    fill(&state);
    size_t len = save(&state, first);
    memset(&copy, 0, sizeof copy);
    assert_int_equal(load(&copy, first, len), OK);
    assert_memory_equal(copy.regs, state.regs, sizeof state.regs);
    assert_memory_equal(copy.dr, state.dr, sizeof state.dr);
    assert_memory_equal(copy.pdpte, state.pdpte, sizeof state.pdpte);
    assert_memory_equal(copy.xsave, state.xsave, sizeof state.xsave);
    const size_t words[] = {
#define AT(member) offsetof(struct vcpu_state, member)
        AT(rip), AT(rflags), AT(cr0), AT(cr2), AT(cr3), AT(cr4), AT(dr6), AT(dr7), AT(gdtr_base), AT(idtr_base), AT(efer),
        AT(pat), AT(debugctl), AT(sysenter_cs), AT(sysenter_esp), AT(sysenter_eip), AT(star), AT(lstar), AT(cstar),
        AT(fmask), AT(kernel_gs_base), AT(tsc_aux), AT(pending_debug), AT(xcr0),
#undef AT
    };
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        assert_memory_equal((uint8_t *)&copy + words[i], (uint8_t *)&state + words[i], 8);
    for (unsigned i = 0; i < NR_SEGMENTS; i++) {
        assert_int_equal(copy.segment[i].selector, state.segment[i].selector);
        assert_int_equal(copy.segment[i].limit, state.segment[i].limit);
        assert_int_equal(copy.segment[i].access, state.segment[i].access);
        assert_int_equal(copy.segment[i].base, state.segment[i].base);
    }
    assert_int_equal(copy.event_info, state.event_info);
    assert_int_equal(copy.event_error, state.event_error);
    assert_int_equal(copy.interruptibility, state.interruptibility);
    assert_true(copy.activity == VCPU_HALTED);
}

static void test_vcpu_snapshot_refuses_what_hardware_cannot_hold(void **unused) {
    (void)unused;
    fill(&state);
    state.interruptibility = 0x100;
    assert_int_equal(load(&copy, first, save(&state, first)), ERR_CORRUPT);
    fill(&state);
    state.event_info = 0x300 | 14; /* a type without the valid bit */
    assert_int_equal(load(&copy, first, save(&state, first)), ERR_CORRUPT);
    fill(&state);
    state.segment[SEG_CS].access = 0x80000000u;
    assert_int_equal(load(&copy, first, save(&state, first)), ERR_CORRUPT);
    fill(&state);
    state.event_len = 16;
    assert_int_equal(load(&copy, first, save(&state, first)), ERR_CORRUPT);
}

static void test_vcpu_snapshot_refuses_a_wrong_length(void **unused) {
    (void)unused;
    fill(&state);
    size_t len = save(&state, first);
    assert_int_equal(load(&copy, first, len - 1), ERR_CORRUPT);
    assert_int_equal(load(&copy, first, len + 1), ERR_CORRUPT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vcpu_snapshot_save_load_save_is_equal),
        cmocka_unit_test(test_vcpu_snapshot_holds_every_field),
        cmocka_unit_test(test_vcpu_snapshot_refuses_what_hardware_cannot_hold),
        cmocka_unit_test(test_vcpu_snapshot_refuses_a_wrong_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
