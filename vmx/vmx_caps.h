/* SPDX-License-Identifier: MIT */
/* vmx_caps.h - what this CPU's VT-x can do, decided once.
 * - vmx_caps_read: per control word wanted/required/allowed -> used; the first missing requirement becomes the reason.
 * - vmx_caps_report: one line per feature, for the `cpu` command.
 * Source: SDM Vol. 3D, appendix A "VMX Capability Reporting Facility". */
#ifndef VMX_VMX_CAPS_H
#define VMX_VMX_CAPS_H

#include "kernel/result.h"

struct vmx_caps {
    uint32_t revision;
    uint32_t pin, proc, proc2, exit, entry; /* controls to use; entry without IA-32e mode */
    uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
    uint32_t preemption_shift; /* the timer counts at TSC >> this */
    bool ept_ad, ept_1g, pml, vpid, invept_single, invvpid_single;
    bool preemption_timer, rdtscp, invpcid, tsc_scaling, pause_loop;
};

/* vmx_caps_read - ERR_NODEV with a one-line reason (no VT-x, locked off by the firmware, missing control and why it is needed). */
result_t vmx_caps_read(struct vmx_caps *caps, struct reason *why) MUST_CHECK;
void vmx_caps_report(const struct vmx_caps *caps, void (*line)(void *ctx, const char *text), void *ctx);

#endif
