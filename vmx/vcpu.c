/* SPDX-License-Identifier: MIT */
/* vcpu.c - making a vCPU, its VMCS, and keeping the right vCPU's registers in the CPU. */
#include "vmx/vcpu.h"

#include <stdlib.h>
#include <string.h>

#include "kernel/cpu.h"
#include "kernel/frames.h"
#include "kernel/hw/msr_regs.h"
#include "kernel/hw/vmx_regs.h"
#include "kernel/panic.h"
#include "kernel/percpu.h"
#include "vmx/vcpu_priv.h"
#include "vmx/vmcs.h"
#include "vmx/vmx_caps.h"

/* VPIDs in use, one bit each; 0 is the hypervisor's. Context: CPU 0. */
#define NR_VPIDS 2048u
static uint64_t vpids[NR_VPIDS / 64] = {1};

/* MSRs that the guest reads and writes without an exit: they are in the VMCS or switched by vcpu_make_current. */
static const uint32_t direct_msrs[] = {
    MSR_IA32_SYSENTER_CS, MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP, MSR_IA32_STAR, MSR_IA32_LSTAR, MSR_IA32_CSTAR,
    MSR_IA32_FMASK, MSR_IA32_FS_BASE, MSR_IA32_GS_BASE, MSR_IA32_KERNEL_GS_BASE,
};

/* MSR bitmap, SDM 24.6.9: reads low, reads high, writes low, writes high, 1 KiB each; 1 = exit. */
static void msr_allow(uint8_t *bitmap, uint32_t msr) {
    uint32_t base = msr >= 0xc0000000u ? 1024 : 0;
    uint32_t bit = msr & 0x1fff;
    bitmap[base + bit / 8] &= (uint8_t)~(1u << (bit % 8));
    bitmap[base + 2048 + bit / 8] &= (uint8_t)~(1u << (bit % 8));
}

static result_t allocate(struct vcpu *v) {
    v->vmcs = frames_alloc(0);
    v->msr_bitmap = frames_alloc(0);
    v->io_bitmap = frames_alloc(1);
    hpa_t pml = frames_alloc(0);
    hpa_t xsave = frames_alloc(0);
    v->pml = pml != 0 ? phys_to_virt(pml) : NULL;
    v->xsave = xsave != 0 ? phys_to_virt(xsave) : NULL;
    if (v->vmcs == 0 || v->msr_bitmap == 0 || v->io_bitmap == 0 || v->pml == NULL || v->xsave == NULL)
        return fail(ERR_NOMEM);
    return OK;
}

static uint16_t vpid_take(void) {
    for (unsigned w = 0; w < ARRAY_LEN(vpids); w++) {
        if (~vpids[w] == 0)
            continue;
        unsigned bit = (unsigned)__builtin_ctzll(~vpids[w]);
        vpids[w] |= BIT(bit);
        return (uint16_t)(w * 64 + bit);
    }
    return 0;
}

struct vcpu *vcpu_current(void) {
    return this_cpu()->own.vmx_current;
}

bool vcpu_is_here(const struct vcpu *v) {
    return vcpu_current() == v;
}

result_t vcpu_create(struct vcpu *v, const struct vcpu_ops *ops, void *ctx, struct ept *ept, struct dirty_log *dirty) {
    if (allocate(v) != OK) {
        vcpu_destroy(v);
        return fail(ERR_NOMEM);
    }
    v->ops = ops;
    v->ctx = ctx;
    v->ept = ept;
    v->dirty = dirty;
    v->loaded_cpu = VCPU_NOT_LOADED;
    v->last_cpu = VCPU_NOT_LOADED;
    v->vpid = vpid_take();
    ASSERT(v->vpid != 0); /* a host has fewer vCPUs than VPIDs */
    uint8_t *bitmap = phys_to_virt(v->msr_bitmap);
    memset(bitmap, 0xff, PAGE_SIZE);
    for (size_t i = 0; i < ARRAY_LEN(direct_msrs); i++)
        msr_allow(bitmap, direct_msrs[i]);
    memset(phys_to_virt(v->io_bitmap), 0xff, 2 * PAGE_SIZE);
    *(uint32_t *)phys_to_virt(v->vmcs) = vmx_get_caps()->revision;
    ASSERT(vmcs_clear(v->vmcs));
    v->preemption_shift = (uint8_t)vmx_get_caps()->preemption_shift;
    v->xcr0 = 1;
    v->dr6 = 0xffff0ff0;
    /* The EPT root and the VPID may have served an earlier vCPU, on any CPU: the first load on each invalidates. SDM 28.4.3.3,
     * 28.4.3.4 (guidelines for INVVPID, INVEPT). */
    vcpu_make_current(v);
    vcpu_setup_vmcs(v);
    return OK;
}

void vcpu_destroy(struct vcpu *v) {
    if (v->vmcs != 0 && vcpu_is_here(v))
        vcpu_put();
    vpids[v->vpid / 64] &= v->vpid != 0 ? ~BIT(v->vpid % 64) : UINT64_MAX;
    if (v->vmcs != 0)
        frames_free(v->vmcs, 0);
    if (v->msr_bitmap != 0)
        frames_free(v->msr_bitmap, 0);
    if (v->io_bitmap != 0)
        frames_free(v->io_bitmap, 1);
    if (v->pml != NULL)
        frames_free(virt_to_phys(v->pml), 0);
    if (v->xsave != NULL)
        frames_free(virt_to_phys(v->xsave), 0);
    memset(v, 0, sizeof *v);
}

/* All state components that a guest of this host can have and that fit into the area: one mask for every vCPU, so that
 * nothing of one guest stays in the registers of another. x87 and SSE are in it whatever XCR0 says (CR4.OSFXSR decides). */
static uint64_t xsave_mask(void) {
    enum { LEGACY = 3, AVX = 4, AVX512 = 7 << 5, PKRU = 1 << 9 };
    static uint64_t mask;
    if (mask == 0)
        mask = (cpu_cpuid(0xd, 0).eax & (LEGACY | AVX | AVX512 | PKRU)) | LEGACY;
    return mask;
}

static bool have_xsave(void) {
    return (cpu_read_cr4() & CR4_OSXSAVE) != 0;
}

/* XRSTOR faults on a bad header or MXCSR, and the area may come from a stream: keep what can be loaded.
 * SDM Vol. 1, 13.4.2 "XSAVE Header". */
static void sanitize_xsave(uint8_t *area, uint64_t mask) {
    enum { MXCSR = 24, XSTATE_BV = 512, HEADER_END = 576 };
    uint64_t present;
    memcpy(&present, area + XSTATE_BV, sizeof present);
    present &= mask;
    memset(area + XSTATE_BV, 0, HEADER_END - XSTATE_BV);
    memcpy(area + XSTATE_BV, &present, sizeof present);
    area[MXCSR + 2] = area[MXCSR + 3] = 0;
}

static void fpu_save(struct vcpu *v) {
    uint64_t mask = xsave_mask();
    if (!have_xsave()) {
        __asm__ volatile("fxsave64 (%0)" : : "r"(v->xsave) : "memory");
        return;
    }
    cpu_write_xcr0(mask);
    __asm__ volatile("xsave64 (%0)" : : "r"(v->xsave), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32)) : "memory");
}

static void fpu_load(struct vcpu *v) {
    uint64_t mask = xsave_mask();
    sanitize_xsave(v->xsave, mask);
    if (!have_xsave()) {
        __asm__ volatile("fxrstor64 (%0)" : : "r"(v->xsave) : "memory");
        return;
    }
    cpu_write_xcr0(mask);
    __asm__ volatile("xrstor64 (%0)" : : "r"(v->xsave), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32)) : "memory");
    cpu_write_xcr0(v->xcr0);
}

static void registers_save(struct vcpu *v) {
    __asm__ volatile("mov %%dr0, %0" : "=r"(v->dr[0]));
    __asm__ volatile("mov %%dr1, %0" : "=r"(v->dr[1]));
    __asm__ volatile("mov %%dr2, %0" : "=r"(v->dr[2]));
    __asm__ volatile("mov %%dr3, %0" : "=r"(v->dr[3]));
    __asm__ volatile("mov %%dr6, %0" : "=r"(v->dr6));
    v->cr2 = cpu_read_cr2();
    v->msr_star = cpu_rdmsr(MSR_IA32_STAR);
    v->msr_lstar = cpu_rdmsr(MSR_IA32_LSTAR);
    v->msr_cstar = cpu_rdmsr(MSR_IA32_CSTAR);
    v->msr_fmask = cpu_rdmsr(MSR_IA32_FMASK);
    v->msr_kernel_gs_base = cpu_rdmsr(MSR_IA32_KERNEL_GS_BASE);
    if (vmx_get_caps()->rdtscp)
        v->msr_tsc_aux = cpu_rdmsr(MSR_IA32_TSC_AUX);
    fpu_save(v);
}

static void registers_load(struct vcpu *v) {
    __asm__ volatile("mov %0, %%dr0" : : "r"(v->dr[0]));
    __asm__ volatile("mov %0, %%dr1" : : "r"(v->dr[1]));
    __asm__ volatile("mov %0, %%dr2" : : "r"(v->dr[2]));
    __asm__ volatile("mov %0, %%dr3" : : "r"(v->dr[3]));
    __asm__ volatile("mov %0, %%dr6" : : "r"(v->dr6));
    cpu_write_cr2(v->cr2);
    cpu_wrmsr(MSR_IA32_STAR, v->msr_star);
    cpu_wrmsr(MSR_IA32_LSTAR, v->msr_lstar);
    cpu_wrmsr(MSR_IA32_CSTAR, v->msr_cstar);
    cpu_wrmsr(MSR_IA32_FMASK, v->msr_fmask);
    cpu_wrmsr(MSR_IA32_KERNEL_GS_BASE, v->msr_kernel_gs_base);
    if (vmx_get_caps()->rdtscp)
        cpu_wrmsr(MSR_IA32_TSC_AUX, v->msr_tsc_aux);
    fpu_load(v);
}

void vcpu_put(void) {
    struct vcpu *v = vcpu_current();
    if (v == NULL)
        return;
    vcpu_pml_drain(v); /* so that one that is not loaded has nothing left in its log */
    registers_save(v);
    ASSERT(vmcs_clear(v->vmcs));
    v->launched = false;
    this_cpu()->own.vmx_current = NULL;
    __atomic_store_n(&v->loaded_cpu, VCPU_NOT_LOADED, __ATOMIC_SEQ_CST); /* all of it is in memory: another CPU may load it */
}

/* Coming from another CPU, translations that this CPU kept from an earlier visit are stale: the guest may have changed its
 * page tables, and invalidated them, over there. */
static void arrive(struct vcpu *v) {
    v->last_cpu = (int32_t)cpu_id();
    vcpu_setup_host();
    vcpu_flush_ept(v);
    vcpu_flush_linear(v);
}

void vcpu_make_current(struct vcpu *v) {
    if (vcpu_current() != v) {
        vcpu_put();
        ASSERT(vcpu_loaded_on(v) == VCPU_NOT_LOADED);
        ASSERT(vmcs_load(v->vmcs));
        this_cpu()->own.vmx_current = v;
        __atomic_store_n(&v->loaded_cpu, (int32_t)cpu_id(), __ATOMIC_SEQ_CST);
        registers_load(v);
        if (v->last_cpu != (int32_t)cpu_id())
            arrive(v);
    }
    vcpu_sync_dirty_log(v);
    if (v->flushed_generation != __atomic_load_n(&v->ept->generation, __ATOMIC_ACQUIRE))
        vcpu_flush_ept(v);
}

void vcpu_set_tsc_offset(struct vcpu *v, uint64_t offset) {
    v->tsc_offset = offset;
    vcpu_make_current(v);
    vmcs_write_64(VMCS_TSC_OFFSET, offset);
}

struct invalidation {
    uint64_t target;
    uint64_t address;
};

static void invept(uint64_t type, uint64_t eptp) {
    struct invalidation d = {eptp, 0};
    bool failed;
    __asm__ volatile("invept %1, %2" : "=@ccna"(failed) : "m"(d), "r"(type) : "memory");
    ASSERT(!failed);
}

void vcpu_flush_ept(struct vcpu *v) {
    enum { SINGLE_CONTEXT = 1, ALL_CONTEXTS = 2 };
    v->flushed_generation = __atomic_load_n(&v->ept->generation, __ATOMIC_ACQUIRE);
    invept(vmx_get_caps()->invept_single ? SINGLE_CONTEXT : ALL_CONTEXTS, ept_pointer(v->ept));
}

void vcpu_flush_linear(const struct vcpu *v) {
    enum { SINGLE_CONTEXT = 1 };
    if (!vmx_get_caps()->vpid)
        return; /* every entry flushes */
    struct invalidation d = {v->vpid, 0};
    bool failed;
    __asm__ volatile("invvpid %1, %2" : "=@ccna"(failed) : "m"(d), "r"((uint64_t)SINGLE_CONTEXT) : "memory");
    ASSERT(!failed);
}

#define PML_ENTRIES 512u

static void pml_enable(struct vcpu *v, bool on) {
    v->pml_on = on;
    uint32_t ctls = vmcs_read_32(VMCS_PROC_CTLS2) & ~VMX_PROC2_PML;
    if (on) {
        vmcs_write_64(VMCS_PML_ADDRESS, virt_to_phys(v->pml));
        vmcs_write_16(VMCS_GUEST_PML_INDEX, PML_ENTRIES - 1);
        ctls |= VMX_PROC2_PML;
    }
    vmcs_write_32(VMCS_PROC_CTLS2, ctls);
}

void vcpu_sync_dirty_log(struct vcpu *v) {
    if (v->pml_on != dirty_is_pml(v->dirty))
        pml_enable(v, !v->pml_on);
}

/* The index counts down from 511 and points to the next free entry; 0xffff when the log is full. */
void vcpu_pml_drain(struct vcpu *v) {
    if (!v->pml_on)
        return;
    uint16_t index = (uint16_t)(vmcs_read_16(VMCS_GUEST_PML_INDEX) + 1);
    if (index >= PML_ENTRIES)
        return;
    for (; index < PML_ENTRIES; index++)
        dirty_note(v->dirty, v->pml[index]);
    vmcs_write_16(VMCS_GUEST_PML_INDEX, PML_ENTRIES - 1);
}
