/* SPDX-License-Identifier: MIT */
#include "guest/vcpu_snapshot.h"

#define EVENT_VALID 0x80000000u
#define EVENT_RESERVED 0x7ffff000u
#define INTERRUPTIBILITY_BITS 0x1fu

static void segments(struct vcpu_state *v, struct snap *s) {
    for (unsigned i = 0; i < NR_SEGMENTS; i++) {
        snap_u16(s, &v->segment[i].selector);
        snap_u32(s, &v->segment[i].limit);
        snap_u32(s, &v->segment[i].access);
        snap_u64(s, &v->segment[i].base);
        snap_require(s, (v->segment[i].access & ~0x1f0ffu) == 0);
    }
    snap_u64(s, &v->gdtr_base);
    snap_u32(s, &v->gdtr_limit);
    snap_u64(s, &v->idtr_base);
    snap_u32(s, &v->idtr_limit);
    snap_require(s, v->gdtr_limit <= 0xffff && v->idtr_limit <= 0xffff);
}

static void msrs(struct vcpu_state *v, struct snap *s) {
    uint64_t *const list[] = {&v->efer, &v->pat, &v->debugctl, &v->sysenter_cs, &v->sysenter_esp, &v->sysenter_eip,
                              &v->star, &v->lstar, &v->cstar, &v->fmask, &v->kernel_gs_base, &v->tsc_aux};
    for (size_t i = 0; i < ARRAY_LEN(list); i++)
        snap_u64(s, list[i]);
}

static void events(struct vcpu_state *v, struct snap *s) {
    snap_u64(s, &v->pending_debug);
    snap_u32(s, &v->interruptibility);
    snap_u32(s, &v->event_info);
    snap_u32(s, &v->event_error);
    snap_u32(s, &v->event_len);
    snap_u8(s, &v->activity);
    snap_require(s, v->activity <= VCPU_WAIT_SIPI);
    snap_require(s, (v->interruptibility & ~INTERRUPTIBILITY_BITS) == 0);
    snap_require(s, v->event_info == 0 || (v->event_info & (EVENT_VALID | EVENT_RESERVED)) == EVENT_VALID);
    snap_require(s, v->event_len <= 15);
}

void vcpu_snapshot(struct vcpu_state *v, struct snap *s) {
    for (unsigned i = 0; i < NR_REGS; i++)
        snap_u64(s, &v->regs[i]);
    snap_u64(s, &v->rip);
    snap_u64(s, &v->rflags);
    snap_u64(s, &v->cr0);
    snap_u64(s, &v->cr2);
    snap_u64(s, &v->cr3);
    snap_u64(s, &v->cr4);
    for (unsigned i = 0; i < 4; i++)
        snap_u64(s, &v->dr[i]);
    snap_u64(s, &v->dr6);
    snap_u64(s, &v->dr7);
    segments(v, s);
    msrs(v, s);
    for (unsigned i = 0; i < 4; i++)
        snap_u64(s, &v->pdpte[i]);
    events(v, s);
    snap_u64(s, &v->xcr0);
    snap_bytes(s, v->xsave, sizeof v->xsave);
}
