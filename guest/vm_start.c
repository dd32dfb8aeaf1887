/* SPDX-License-Identifier: MIT */
/* vm_start.c - a local start: boot files and ACPI tables into guest memory, the vCPU at the kernel's entry. */
#include "guest/bzimage.h"
#include "guest/vacpi.h"
#include "guest/vm_priv.h"
#include "guest/vm_run.h"
#include "vmx/vcpu_state.h"

#define AR_CODE64 0xa09bu
#define AR_DATA 0xc093u

static vm_file_fn find_file;

void vm_set_files(vm_file_fn fn) {
    find_file = fn;
}

static result_t get_file(const struct vm *vm, const char *name, const uint8_t **data, size_t *len, struct reason *why) {
    if (find_file == NULL || !find_file(name, data, len))
        return reason_set(why, ERR_NOENT, "VM %s: file %s is not in \\godwit\\ on the boot volume (files are read when the "
                          "machine starts)", vm->spec.name, name);
    return OK;
}

static struct vcpu_segment_state flat(uint16_t selector, uint32_t access) {
    return (struct vcpu_segment_state){.selector = selector, .limit = UINT32_MAX, .access = access};
}

static void entry_state(const struct boot_entry *entry, struct vcpu_state *s) {
    vcpu_state_reset(s);
    s->regs[REG_RDX] = 0;
    s->rip = entry->rip;
    s->regs[REG_RSP] = entry->rsp;
    s->regs[REG_RSI] = entry->rsi;
    s->cr0 = entry->cr0;
    s->cr3 = entry->cr3;
    s->cr4 = entry->cr4;
    s->efer = entry->efer;
    s->gdtr_base = entry->gdt_base;
    s->gdtr_limit = entry->gdt_limit;
    s->idtr_limit = 0;
    for (unsigned i = 0; i <= SEG_GS; i++)
        s->segment[i] = flat(entry->ds_selector, AR_DATA);
    s->segment[SEG_CS] = flat(entry->cs_selector, AR_CODE64);
}

result_t vm_load_boot(struct vm *vm, struct reason *why) {
    struct bzimage_args args = {.cmdline = vm->spec.cmdline};
    result_t r = get_file(vm, vm->spec.kernel, &args.kernel, &args.kernel_len, why);
    if (r == OK && vm->spec.initrd[0] != '\0')
        r = get_file(vm, vm->spec.initrd, &args.initrd, &args.initrd_len, why);
    const struct vacpi_config acpi = {.nr_vcpus = vm->spec.nr_vcpus, .ioapic_id = 0};
    if (r == OK && vacpi_build(&vm->mem, &acpi, &args.acpi_rsdp) != OK)
        r = reason_set(why, ERR_NOMEM, "VM %s: its ACPI tables do not fit into its memory", vm->spec.name);
    struct boot_entry entry;
    if (r == OK)
        r = bzimage_load(&vm->mem, &args, &entry, why);
    if (r != OK)
        return r;
    static struct vcpu_state state; /* too large for the stack; one caller at a time (CPU 0) */
    entry_state(&entry, &state);
    r = vcpu_set_state(&vm->cpu[0].vcpu, &state, why);
    vcpu_state_reset(&state); /* the others wait for INIT-SIPI, as firmware leaves them */
    state.activity = VCPU_WAIT_SIPI;
    for (unsigned i = 1; i < vm->spec.nr_vcpus && r == OK; i++)
        r = vcpu_set_state(&vm->cpu[i].vcpu, &state, why);
    return r;
}
