/* SPDX-License-Identifier: MIT */
#include "vmx/vcpu_state.h"

#include <string.h>

#include "kernel/cpu.h"
#include "kernel/hw/msr_regs.h"
#include "kernel/hw/vmx_regs.h"
#include "kernel/panic.h"
#include "vmx/vcpu_priv.h"
#include "vmx/vmcs.h"
#include "vmx/vmx_caps.h"

static const struct {
    vmcs_16_t selector;
    vmcs_32_t limit, access;
    vmcs_nat_t base;
} segment_fields[NR_SEGMENTS] = {
#define SEGMENT(name)                                                                             \
    [SEG_##name] = {{VMCS_ENC_GUEST_##name##_SEL}, {VMCS_ENC_GUEST_##name##_LIMIT},                \
                    {VMCS_ENC_GUEST_##name##_AR}, {VMCS_ENC_GUEST_##name##_BASE}}
    SEGMENT(ES), SEGMENT(CS), SEGMENT(SS), SEGMENT(DS), SEGMENT(FS), SEGMENT(GS), SEGMENT(LDTR), SEGMENT(TR),
#undef SEGMENT
};

/* Natural-width fields that are state as they stand. */
static const struct {
    vmcs_nat_t field;
    size_t offset;
} nat_fields[] = {
    {{VMCS_ENC_GUEST_RIP}, offsetof(struct vcpu_state, rip)},
    {{VMCS_ENC_GUEST_RFLAGS}, offsetof(struct vcpu_state, rflags)},
    {{VMCS_ENC_GUEST_CR3}, offsetof(struct vcpu_state, cr3)},
    {{VMCS_ENC_GUEST_DR7}, offsetof(struct vcpu_state, dr7)},
    {{VMCS_ENC_GUEST_GDTR_BASE}, offsetof(struct vcpu_state, gdtr_base)},
    {{VMCS_ENC_GUEST_IDTR_BASE}, offsetof(struct vcpu_state, idtr_base)},
    {{VMCS_ENC_GUEST_SYSENTER_ESP}, offsetof(struct vcpu_state, sysenter_esp)},
    {{VMCS_ENC_GUEST_SYSENTER_EIP}, offsetof(struct vcpu_state, sysenter_eip)},
    {{VMCS_ENC_GUEST_PENDING_DEBUG}, offsetof(struct vcpu_state, pending_debug)},
};
static const struct {
    vmcs_64_t field;
    size_t offset;
} quad_fields[] = {
    {{VMCS_ENC_GUEST_EFER}, offsetof(struct vcpu_state, efer)},
    {{VMCS_ENC_GUEST_PAT}, offsetof(struct vcpu_state, pat)},
    {{VMCS_ENC_GUEST_DEBUGCTL}, offsetof(struct vcpu_state, debugctl)},
    {{VMCS_ENC_GUEST_PDPTE0}, offsetof(struct vcpu_state, pdpte[0])},
    {{VMCS_ENC_GUEST_PDPTE1}, offsetof(struct vcpu_state, pdpte[1])},
    {{VMCS_ENC_GUEST_PDPTE2}, offsetof(struct vcpu_state, pdpte[2])},
    {{VMCS_ENC_GUEST_PDPTE3}, offsetof(struct vcpu_state, pdpte[3])},
};

static uint64_t *field_at(struct vcpu_state *s, size_t offset) {
    return (uint64_t *)(void *)((uint8_t *)s + offset);
}

static uint64_t field_value(const struct vcpu_state *s, size_t offset) {
    uint64_t value;
    memcpy(&value, (const uint8_t *)s + offset, sizeof value);
    return value;
}

static uint64_t visible(vmcs_nat_t real, vmcs_nat_t shadow, vmcs_nat_t mask) {
    uint64_t owned = vmcs_read_nat(mask);
    return (vmcs_read_nat(real) & ~owned) | (vmcs_read_nat(shadow) & owned);
}

static void get_segments(struct vcpu_state *s) {
    for (unsigned i = 0; i < NR_SEGMENTS; i++) {
        s->segment[i].selector = vmcs_read_16(segment_fields[i].selector);
        s->segment[i].limit = vmcs_read_32(segment_fields[i].limit);
        s->segment[i].access = vmcs_read_32(segment_fields[i].access);
        s->segment[i].base = vmcs_read_nat(segment_fields[i].base);
    }
    s->gdtr_limit = vmcs_read_32(VMCS_GUEST_GDTR_LIMIT);
    s->idtr_limit = vmcs_read_32(VMCS_GUEST_IDTR_LIMIT);
}

void vcpu_get_state(struct vcpu *v, struct vcpu_state *s) {
    memset(s, 0, sizeof *s);
    vcpu_put(); /* FPU, debug and syscall registers into struct vcpu */
    vcpu_make_current(v);
    memcpy(s->regs, v->regs, sizeof s->regs);
    s->regs[REG_RSP] = vmcs_read_nat(VMCS_GUEST_RSP);
    for (size_t i = 0; i < ARRAY_LEN(nat_fields); i++)
        *field_at(s, nat_fields[i].offset) = vmcs_read_nat(nat_fields[i].field);
    for (size_t i = 0; i < ARRAY_LEN(quad_fields); i++)
        *field_at(s, quad_fields[i].offset) = vmcs_read_64(quad_fields[i].field);
    get_segments(s);
    s->cr0 = visible(VMCS_GUEST_CR0, VMCS_CR0_SHADOW, VMCS_CR0_MASK);
    s->cr4 = visible(VMCS_GUEST_CR4, VMCS_CR4_SHADOW, VMCS_CR4_MASK);
    s->sysenter_cs = vmcs_read_32(VMCS_GUEST_SYSENTER_CS);
    s->interruptibility = vmcs_read_32(VMCS_GUEST_INTERRUPTIBILITY);
    if (v->event_queued) {
        s->event_info = vmcs_read_32(VMCS_ENTRY_INTR_INFO);
        s->event_error = vmcs_read_32(VMCS_ENTRY_ERROR_CODE);
        s->event_len = vmcs_read_32(VMCS_ENTRY_INSN_LEN);
    }
    s->activity = v->activity;
    s->cr2 = v->cr2;
    memcpy(s->dr, v->dr, sizeof s->dr);
    s->dr6 = v->dr6;
    s->star = v->msr_star;
    s->lstar = v->msr_lstar;
    s->cstar = v->msr_cstar;
    s->fmask = v->msr_fmask;
    s->kernel_gs_base = v->msr_kernel_gs_base;
    s->tsc_aux = v->msr_tsc_aux;
    s->xcr0 = v->xcr0;
    memcpy(s->xsave, v->xsave, sizeof s->xsave);
}

static bool is_canonical(uint64_t va) {
    return (uint64_t)((int64_t)(va << 16) >> 16) == va;
}

static result_t check_state(const struct vcpu *v, const struct vcpu_state *s, struct reason *why) {
    const struct vmx_caps *caps = vmx_get_caps();
    uint64_t cr4_allowed = v->ops->cr4_allowed(v->ctx) & caps->cr4_fixed1;
    if ((s->cr4 & ~cr4_allowed) != 0)
        return reason_set(why, ERR_INVAL, "vCPU state: CR4 %#lx has bits that the guest was not given (%#lx)",
                          (unsigned long)s->cr4, (unsigned long)cr4_allowed);
    if ((s->cr0 & ~caps->cr0_fixed1) != 0)
        return reason_set(why, ERR_INVAL, "vCPU state: CR0 %#lx has reserved bits", (unsigned long)s->cr0);
    if (!vcpu_xcr0_is_valid(s->xcr0, v->ops->xcr0_allowed(v->ctx)))
        return reason_set(why, ERR_INVAL, "vCPU state: XCR0 %#lx is not within what the guest was given", (unsigned long)s->xcr0);
    bool long_mode = (s->cr0 & CR0_PG) != 0 && (s->efer & EFER_LME) != 0;
    if ((s->efer & ~(EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)) != 0 || long_mode != ((s->efer & EFER_LMA) != 0) ||
        ((s->cr0 & CR0_PG) != 0 && (s->cr0 & CR0_PE) == 0) || (long_mode && (s->cr4 & CR4_PAE) == 0))
        return reason_set(why, ERR_INVAL, "vCPU state: CR0 %#lx, CR4 %#lx and EFER %#lx contradict each other",
                          (unsigned long)s->cr0, (unsigned long)s->cr4, (unsigned long)s->efer);
    /* What a load into this CPU would fault on. A bad VMCS value only fails that VM's entry. */
    if (!is_canonical(s->lstar) || !is_canonical(s->cstar) || !is_canonical(s->kernel_gs_base) || s->fmask > UINT32_MAX ||
        s->tsc_aux > UINT32_MAX || s->dr6 > UINT32_MAX)
        return reason_set(why, ERR_INVAL, "vCPU state: a register holds a value that this CPU cannot hold");
    return OK;
}

static void set_segments(const struct vcpu_state *s) {
    for (unsigned i = 0; i < NR_SEGMENTS; i++) {
        vmcs_write_16(segment_fields[i].selector, s->segment[i].selector);
        vmcs_write_32(segment_fields[i].limit, s->segment[i].limit);
        vmcs_write_32(segment_fields[i].access, s->segment[i].access);
        vmcs_write_nat(segment_fields[i].base, s->segment[i].base);
    }
    vmcs_write_32(VMCS_GUEST_GDTR_LIMIT, s->gdtr_limit);
    vmcs_write_32(VMCS_GUEST_IDTR_LIMIT, s->idtr_limit);
}

static void set_vmcs(struct vcpu *v, const struct vcpu_state *s) {
    for (size_t i = 0; i < ARRAY_LEN(nat_fields); i++)
        vmcs_write_nat(nat_fields[i].field, field_value(s, nat_fields[i].offset));
    for (size_t i = 0; i < ARRAY_LEN(quad_fields); i++)
        vmcs_write_64(quad_fields[i].field, field_value(s, quad_fields[i].offset));
    set_segments(s);
    vmcs_write_nat(VMCS_GUEST_RSP, s->regs[REG_RSP]);
    vmcs_write_nat(VMCS_CR0_SHADOW, s->cr0);
    vmcs_write_nat(VMCS_GUEST_CR0, (s->cr0 | CR0_NE) & ~(CR0_CD | CR0_NW));
    vmcs_write_nat(VMCS_CR4_MASK, VCPU_CR4_OWNED | ~v->ops->cr4_allowed(v->ctx));
    vmcs_write_nat(VMCS_CR4_SHADOW, s->cr4);
    vmcs_write_nat(VMCS_GUEST_CR4, s->cr4 | CR4_VMXE);
    uint32_t entry = vmcs_read_32(VMCS_ENTRY_CTLS) & ~VMX_ENTRY_IA32E;
    vmcs_write_32(VMCS_ENTRY_CTLS, entry | ((s->efer & EFER_LMA) != 0 ? VMX_ENTRY_IA32E : 0));
    vmcs_write_32(VMCS_GUEST_SYSENTER_CS, (uint32_t)s->sysenter_cs);
    vmcs_write_32(VMCS_GUEST_INTERRUPTIBILITY, s->interruptibility);
    vmcs_write_32(VMCS_GUEST_ACTIVITY, VMX_ACTIVITY_ACTIVE);
    vmcs_write_32(VMCS_ENTRY_INTR_INFO, s->event_info);
    vmcs_write_32(VMCS_ENTRY_ERROR_CODE, s->event_error);
    vmcs_write_32(VMCS_ENTRY_INSN_LEN, s->event_len);
}

result_t vcpu_set_state(struct vcpu *v, const struct vcpu_state *s, struct reason *why) {
    result_t r = check_state(v, s, why);
    if (r != OK)
        return r;
    vcpu_put(); /* whoever was current keeps its registers; ours are then loaded from the structure */
    memcpy(v->regs, s->regs, sizeof v->regs);
    v->event_queued = (s->event_info & VMX_INTR_VALID) != 0;
    v->activity = s->activity;
    v->cr2 = s->cr2;
    memcpy(v->dr, s->dr, sizeof v->dr);
    v->dr6 = s->dr6;
    v->msr_star = s->star;
    v->msr_lstar = s->lstar;
    v->msr_cstar = s->cstar;
    v->msr_fmask = s->fmask;
    v->msr_kernel_gs_base = s->kernel_gs_base;
    v->msr_tsc_aux = s->tsc_aux;
    v->xcr0 = s->xcr0;
    memcpy(v->xsave, s->xsave, sizeof s->xsave);
    vcpu_make_current(v);
    set_vmcs(v, s);
    vcpu_flush_linear(v);
    return OK;
}

#define PAT_RESET 0x0007040600070406ull
#define AR_DATA16 0x93u
#define AR_CODE16 0x9bu

void vcpu_state_reset(struct vcpu_state *s) {
    memset(s, 0, sizeof *s);
    s->rip = 0xfff0;
    s->rflags = 2;
    s->regs[REG_RDX] = 0x600; /* family, as CPUs report it at reset */
    s->cr0 = CR0_CD | CR0_NW | CR0_ET;
    s->dr6 = 0xffff0ff0;
    s->dr7 = 0x400;
    for (unsigned i = 0; i < NR_SEGMENTS; i++)
        s->segment[i] = (struct vcpu_segment_state){.limit = 0xffff, .access = AR_DATA16};
    s->segment[SEG_CS] = (struct vcpu_segment_state){.selector = 0xf000, .limit = 0xffff, .access = AR_CODE16, .base = 0xffff0000};
    s->segment[SEG_LDTR].access = 0x82;
    s->segment[SEG_TR].access = 0x8b;
    s->gdtr_limit = s->idtr_limit = 0xffff;
    s->pat = PAT_RESET;
    s->xcr0 = 1;
    /* FCW 037FH and MXCSR 1F80H: the rest of the area is in its initial configuration (XSTATE_BV = 0 would leave
     * MXCSR to XRSTOR's rules, so the header says that x87 and SSE are present). */
    s->xsave[0] = 0x7f;
    s->xsave[1] = 0x03;
    s->xsave[24] = 0x80;
    s->xsave[25] = 0x1f;
    s->xsave[512] = 3;
}

void vcpu_take_init(struct vcpu *v) {
    struct vcpu_state old, fresh;
    vcpu_get_state(v, &old);
    vcpu_state_reset(&fresh);
    fresh.cr0 = (old.cr0 & (CR0_CD | CR0_NW)) | CR0_ET;
    fresh.pat = old.pat;
    fresh.sysenter_cs = old.sysenter_cs;
    fresh.sysenter_esp = old.sysenter_esp;
    fresh.sysenter_eip = old.sysenter_eip;
    fresh.star = old.star;
    fresh.lstar = old.lstar;
    fresh.cstar = old.cstar;
    fresh.fmask = old.fmask;
    fresh.kernel_gs_base = old.kernel_gs_base;
    fresh.tsc_aux = old.tsc_aux;
    fresh.xcr0 = old.xcr0;
    memcpy(fresh.xsave, old.xsave, sizeof fresh.xsave);
    fresh.activity = VCPU_WAIT_SIPI;
    result_t r = vcpu_set_state(v, &fresh, NULL);
    ASSERT(r == OK);
    v->recheck = true;
}

void vcpu_take_sipi(struct vcpu *v, uint8_t vector) {
    if (v->activity != VCPU_WAIT_SIPI)
        return;
    vcpu_make_current(v);
    vmcs_write_16(VMCS_GUEST_CS_SEL, (uint16_t)(vector << 8));
    vmcs_write_nat(VMCS_GUEST_CS_BASE, (uint64_t)vector << 12);
    vmcs_write_nat(VMCS_GUEST_RIP, 0);
    v->activity = VCPU_ACTIVE;
}
