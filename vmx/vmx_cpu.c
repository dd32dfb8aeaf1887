/* SPDX-License-Identifier: MIT */
/* vmx_cpu.c - VMX operation on each CPU, and what all vCPUs share. */
#include <string.h>

#include "kernel/cpu.h"
#include "kernel/frames.h"
#include "kernel/percpu.h"
#include "vmx/vcpu.h"
#include "vmx/vmx_caps.h"

static struct {
    struct vmx_caps caps;
    result_t status;
    struct reason why;
} vmx = {.status = ERR_NODEV, .why = {"VT-x was not set up"}};

static hpa_t table_alloc(void) {
    return frames_alloc(0);
}

static void table_free(hpa_t pa) {
    frames_free(pa, 0);
}

static const struct ept_mem ept_mem = {table_alloc, table_free, phys_to_virt};

const struct ept_mem *vmx_get_ept_mem(void) {
    return &ept_mem;
}

const struct vmx_caps *vmx_get_caps(void) {
    return &vmx.caps;
}

static result_t enter_operation(struct reason *why) {
    hpa_t vmxon = frames_alloc(0);
    if (vmxon == 0)
        return reason_set(why, ERR_NOMEM, "no memory for the VMXON region");
    *(uint32_t *)phys_to_virt(vmxon) = vmx.caps.revision;
    cpu_write_cr0((cpu_read_cr0() | vmx.caps.cr0_fixed0) & vmx.caps.cr0_fixed1);
    cpu_write_cr4(((cpu_read_cr4() | vmx.caps.cr4_fixed0) & vmx.caps.cr4_fixed1) | CR4_VMXE);
    bool failed;
    __asm__ volatile("vmxon %1" : "=@ccna"(failed) : "m"(vmxon) : "memory");
    if (failed) {
        frames_free(vmxon, 0);
        return reason_set(why, ERR_NODEV, "VMXON failed although CPUID and IA32_FEATURE_CONTROL allow it");
    }
    this_cpu()->own.vmxon = vmxon;
    return OK;
}

result_t vmx_init(struct reason *why) {
    vmx.status = vmx_caps_read(&vmx.caps, &vmx.why);
    if (vmx.status == OK)
        vmx.status = enter_operation(&vmx.why);
    if (vmx.status != OK)
        *why = vmx.why;
    return vmx.status;
}

result_t vmx_init_cpu(struct reason *why) {
    struct vmx_caps caps;
    if (vmx.status != OK)
        return vmx_status(why);
    result_t r = vmx_caps_read(&caps, why);
    if (r == OK && memcmp(&caps, &vmx.caps, sizeof caps) != 0)
        r = reason_set(why, ERR_UNSUPP, "its VT-x capabilities differ from CPU 0's; guests do not run on it");
    return r == OK ? enter_operation(why) : r;
}

result_t vmx_status(struct reason *why) {
    if (vmx.status != OK)
        *why = vmx.why;
    return vmx.status;
}
