/* SPDX-License-Identifier: MIT */
/* vm_access.c - instructions that reach a device through memory addresses, and INS/OUTS. */
#include "guest/gwalk.h"
#include "guest/mmio_decode.h"
#include "guest/vm_priv.h"
#include "kernel/log.h"
#include "vmx/vmcs.h"

#define EFER_LMA BIT(10)
#define AR_LONG BIT(13)
#define AR_DB BIT(14)
#define RFLAGS_DF BIT(10)

struct access {
    struct vm_cpu *cpu;
    gpa_t fault_gpa;
    struct gwalk_regs walk;
};

static uint64_t segment_base(enum mmio_segment segment) {
    switch (segment) {
    case MMIO_ES:
        return vmcs_read_nat(VMCS_GUEST_ES_BASE);
    case MMIO_CS:
        return vmcs_read_nat(VMCS_GUEST_CS_BASE);
    case MMIO_SS:
        return vmcs_read_nat(VMCS_GUEST_SS_BASE);
    case MMIO_DS:
        return vmcs_read_nat(VMCS_GUEST_DS_BASE);
    case MMIO_FS:
        return vmcs_read_nat(VMCS_GUEST_FS_BASE);
    case MMIO_GS:
        return vmcs_read_nat(VMCS_GUEST_GS_BASE);
    }
    return 0;
}

static struct gwalk_regs walk_regs(void) {
    return (struct gwalk_regs){
        .cr0 = vmcs_read_nat(VMCS_GUEST_CR0),
        .cr3 = vmcs_read_nat(VMCS_GUEST_CR3),
        .cr4 = vmcs_read_nat(VMCS_GUEST_CR4),
        .efer = vmcs_read_64(VMCS_GUEST_EFER),
    };
}

static struct vlapic *lapic_of(const struct vm_cpu *c) {
    return virq_lapic(&c->vm->irq, c->index);
}

/* The page of the vCPU's own local APIC: nobody else reaches it, so it needs no lock. */
static bool is_own_lapic(const struct vm_cpu *c, gpa_t gpa) {
    return (gpa & ~(gpa_t)(LAPIC_PAGE_SIZE - 1)) == lapic_of(c)->mmio_base;
}

static uint64_t device_read(struct vm_cpu *c, gpa_t gpa, unsigned size) {
    if (is_own_lapic(c, gpa)) {
        vm_cpu_sync_eoi(c);
        return vlapic_mmio_read(lapic_of(c), (uint32_t)gpa & (LAPIC_PAGE_SIZE - 1), size);
    }
    vm_lock(c->vm);
    uint64_t value = bus_mmio_read(&c->vm->bus, gpa, size);
    vm_unlock(c->vm);
    return value;
}

static void device_write(struct vm_cpu *c, gpa_t gpa, unsigned size, uint64_t value) {
    if (is_own_lapic(c, gpa)) {
        vm_cpu_sync_eoi(c);
        vlapic_mmio_write(lapic_of(c), (uint32_t)gpa & (LAPIC_PAGE_SIZE - 1), size, value);
        return;
    }
    vm_lock(c->vm);
    bus_mmio_write(&c->vm->bus, gpa, size, value);
    vm_unlock(c->vm);
}

/* RAM or device; an access that crosses out of RAM is a device access and reads as ones. */
static uint64_t any_read(struct vm_cpu *c, gpa_t gpa, unsigned size) {
    uint64_t value = 0;
    if (gmem_read(&c->vm->mem, gpa, &value, size) == OK)
        return value;
    return device_read(c, gpa, size);
}

static void any_write(struct vm_cpu *c, gpa_t gpa, unsigned size, uint64_t value) {
    if (gmem_write(&c->vm->mem, gpa, &value, size) != OK)
        device_write(c, gpa, size, value);
}

static result_t place_gpa(struct access *a, const struct mmio_insn *insn, enum mmio_place place, uint64_t offset, gpa_t *gpa) {
    enum mmio_segment segment = place == MMIO_PLACE_DEST ? MMIO_ES : (enum mmio_segment)insn->segment;
    return gwalk_translate(&a->cpu->vm->mem, &a->walk, segment_base(segment) + offset, gpa);
}

struct insn_access {
    struct access a;
    struct mmio_insn insn;
};

static result_t insn_read(void *ctx, enum mmio_place place, uint64_t offset, unsigned size, uint64_t *value) {
    struct insn_access *ia = ctx;
    if (place == MMIO_PLACE_FAULT) {
        *value = device_read(ia->a.cpu, ia->a.fault_gpa, size);
        return OK;
    }
    gpa_t gpa;
    result_t r = place_gpa(&ia->a, &ia->insn, place, offset, &gpa);
    if (r == OK)
        *value = any_read(ia->a.cpu, gpa, size);
    return r;
}

static result_t insn_write(void *ctx, enum mmio_place place, uint64_t offset, unsigned size, uint64_t value) {
    struct insn_access *ia = ctx;
    if (place == MMIO_PLACE_FAULT) {
        device_write(ia->a.cpu, ia->a.fault_gpa, size, value);
        return OK;
    }
    gpa_t gpa;
    result_t r = place_gpa(&ia->a, &ia->insn, place, offset, &gpa);
    if (r == OK)
        any_write(ia->a.cpu, gpa, size, value);
    return r;
}

static enum mmio_mode code_mode(const struct gwalk_regs *walk) {
    uint32_t ar = vmcs_read_32(VMCS_GUEST_CS_AR);
    if ((walk->efer & EFER_LMA) != 0 && (ar & AR_LONG) != 0)
        return MMIO_MODE_64;
    return (ar & AR_DB) != 0 ? MMIO_MODE_32 : MMIO_MODE_16;
}

bool vm_emulate_mmio(void *ctx, struct vcpu *v, gpa_t gpa, bool write) {
    (void)write;
    struct insn_access ia = {.a = {.cpu = ctx, .fault_gpa = gpa, .walk = walk_regs()}};
    struct vm *vm = ia.a.cpu->vm;
    uint64_t rip = vmcs_read_nat(VMCS_GUEST_RIP);
    uint8_t bytes[GWALK_FETCH_BYTES];
    unsigned n;
    if (gwalk_fetch(&vm->mem, &ia.a.walk, vmcs_read_nat(VMCS_GUEST_CS_BASE) + rip, bytes, &n) != OK)
        return false;
    if (mmio_decode(bytes, n, code_mode(&ia.a.walk), &ia.insn) != OK) {
        log_warn("vm %s: instruction %02x %02x %02x %02x at %#lx touches device address %#lx and is not known", vm->spec.name,
                 bytes[0], bytes[1], bytes[2], bytes[3], (unsigned long)rip, (unsigned long)gpa);
        return false;
    }
    const struct mmio_access access = {&ia, insn_read, insn_write};
    uint64_t rflags = vmcs_read_nat(VMCS_GUEST_RFLAGS);
    uint64_t old_rflags = rflags;
    bool again = false;
    v->regs[REG_RSP] = vmcs_read_nat(VMCS_GUEST_RSP);
    if (mmio_emulate(&ia.insn, v->regs, &rflags, &access, &again) != OK)
        return false;
    if (rflags != old_rflags)
        vmcs_write_nat(VMCS_GUEST_RFLAGS, rflags);
    if (!again)
        vmcs_write_nat(VMCS_GUEST_RIP, rip + ia.insn.len);
    return true;
}

/* Exit qualification: size 2:0, direction 3 (1 = in), REP 5, port 31:16. Instruction information: address size 9:7.
 * One element per exit: RIP stays until RCX is used up. SDM 27.2.1, table 27-5; 27.2.5, table 27-14. */
bool vm_emulate_string_io(void *ctx, struct vcpu *v, uint64_t qualification) {
    struct vm_cpu *c = ctx;
    unsigned size = (unsigned)(qualification & 7) + 1;
    bool in = (qualification & BIT(3)) != 0, rep = (qualification & BIT(5)) != 0;
    uint16_t port = (uint16_t)(qualification >> 16);
    unsigned addr_code = vmcs_read_32(VMCS_EXIT_INSN_INFO) >> 7 & 7;
    uint64_t mask = addr_code == 0 ? 0xffff : addr_code == 1 ? UINT32_MAX : UINT64_MAX;
    uint64_t *index = &v->regs[in ? REG_RDI : REG_RSI];
    if (!rep || (v->regs[REG_RCX] & mask) != 0) {
        struct gwalk_regs walk = walk_regs();
        gpa_t gpa;
        if (gwalk_translate(&c->vm->mem, &walk, vmcs_read_nat(VMCS_GUEST_LINEAR_ADDRESS), &gpa) != OK)
            return false;
        if (in)
            any_write(c, gpa, size, v->ops->pio_read(c, port, size));
        else
            v->ops->pio_write(c, port, size, (uint32_t)any_read(c, gpa, size));
        uint64_t step = (vmcs_read_nat(VMCS_GUEST_RFLAGS) & RFLAGS_DF) != 0 ? -(uint64_t)size : size;
        *index = (*index & ~mask) | ((*index + step) & mask);
        if (rep)
            v->regs[REG_RCX] = (v->regs[REG_RCX] & ~mask) | ((v->regs[REG_RCX] - 1) & mask);
    }
    if (!rep || (v->regs[REG_RCX] & mask) == 0)
        vcpu_skip_instruction(v);
    return true;
}
