/* SPDX-License-Identifier: MIT */
/* vkvmclock.h - the KVM paravirtual clock: guests read guest time from their TSC and a page that is written
 * once.
 * - vkvmclock_init: no page registered.
 * - vkvmclock_read_msr, vkvmclock_write_msr: the MSRs; a write fills the guest's structure.
 * - vkvmclock_set_tsc_adjust: a vCPU's TSC differs from the VM's time axis by this (IA32_TSC_ADJUST).
 * - vkvmclock_update: write all structures again, after a migration.   - vkvmclock_snapshot: the field list.
 *
 * system_time is vclock_ns: tsc_timestamp is the vCPU's TSC when guest time was 0, system_time there is 0,
 * and the multiplier is vclock's own. So the structure never needs a refresh, is the same before and after a
 * move, and its time cannot step back. (Below 1 GHz the 32-bit multiplier loses the lowest bits of vclock's:
 * less than one part in 2^31, always to the slow side.)
 *
 *   struct pvclock_vcpu_time_info, 32 octets            struct pvclock_wall_clock, 12 octets
 *      0 version (odd while being written)                 0 version
 *      8 tsc_timestamp                                     4 seconds   of wall time at system_time 0
 *     16 system_time                                       8 nanoseconds
 *     24 tsc_to_system_mul, 28 tsc_shift, 29 flags
 * Source: Linux, Documentation/virt/kvm/x86/msr.rst, "KVM-specific MSRs".
 * Context: the CPU that runs the VM. */
#ifndef GUEST_VKVMCLOCK_H
#define GUEST_VKVMCLOCK_H

#include "guest/gmem.h"
#include "guest/snapshot.h"
#include "guest/vclock.h"

#define VKVMCLOCK_MAX_VCPUS 32u
#define PVCLOCK_TSC_STABLE 0x01u   /* one time for all vCPUs: no maximum over CPUs needed */
#define PVCLOCK_GUEST_STOPPED 0x02u /* the guest was stopped: do not call it a soft lockup */

struct vkvmclock_vcpu {
    uint64_t system_msr; /* as written: address, bit 0 = enabled */
    uint64_t tsc_adjust; /* the vCPU's TSC minus vclock_tsc */
    uint32_t version;    /* of the last complete structure, even */
};

struct vkvmclock {
    const struct vclock *clock;
    struct gmem *mem;
    uint64_t wall_base_ns; /* ns since 1970 at guest ns 0 */
    uint64_t wall_msr;
    uint32_t wall_version;
    uint32_t nr_vcpus;
    struct vkvmclock_vcpu vcpu[VKVMCLOCK_MAX_VCPUS];
};

/* vkvmclock_init - nr_vcpus: 1 .. VKVMCLOCK_MAX_VCPUS. wall_base_ns: as for vrtc_init. */
void vkvmclock_init(struct vkvmclock *k, uint32_t nr_vcpus, const struct vclock *clock, struct gmem *mem,
                    uint64_t wall_base_ns);

/* vkvmclock_read_msr, vkvmclock_write_msr - MSR_KVM_SYSTEM_TIME, MSR_KVM_WALL_CLOCK and their old numbers,
 * on vCPU cpu.
 * Errors: ERR_NOENT (not one of these MSRs), ERR_RANGE (the address is not RAM, or not a multiple of 4); for
 * both the guest gets #GP and nothing changes. */
result_t vkvmclock_read_msr(const struct vkvmclock *k, uint32_t cpu, uint32_t msr,
                            uint64_t *value) MUST_CHECK;
result_t vkvmclock_write_msr(struct vkvmclock *k, uint32_t cpu, uint32_t msr, uint64_t value) MUST_CHECK;

/* vkvmclock_set_tsc_adjust - while the TSCs of the vCPUs differ, the stable flag is off. */
void vkvmclock_set_tsc_adjust(struct vkvmclock *k, uint32_t cpu, uint64_t tsc_adjust);

/* vkvmclock_update - guest_stopped: tell the guest that it was stopped (off unless the operator wants it). */
void vkvmclock_update(struct vkvmclock *k, bool guest_stopped);
void vkvmclock_snapshot(struct vkvmclock *k, struct snap *s);

/* vkvmclock_scale - ns = (ticks << shift) * mul >> 32, never faster than vclock's own conversion. */
void vkvmclock_scale(const struct vclock *clock, uint32_t *mul, int8_t *shift);

#endif
