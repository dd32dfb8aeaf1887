/* SPDX-License-Identifier: MIT */
#include "guest/vkvmclock.h"

#include "kernel/hw/msr_regs.h"

struct time_info {
    uint32_t version;           /* 0 */
    uint32_t rsvd0;             /* 4 */
    uint64_t tsc_timestamp;     /* 8 */
    uint64_t system_time;       /* 16 */
    uint32_t tsc_to_system_mul; /* 24 */
    int8_t tsc_shift;           /* 28 */
    uint8_t flags;              /* 29 */
    uint8_t rsvd1[2];           /* 30 */
};
_Static_assert(sizeof(struct time_info) == 32, "pvclock_vcpu_time_info");

struct wall_clock {
    uint32_t version; /* 0 */
    uint32_t sec;     /* 4 */
    uint32_t nsec;    /* 8 */
};
_Static_assert(sizeof(struct wall_clock) == 12, "pvclock_wall_clock");

void vkvmclock_scale(const struct vclock *clock, uint32_t *mul, int8_t *shift) {
    uint64_t m = clock->ns_mul;
    int8_t s = 0;
    while (m > UINT32_MAX) {
        m >>= 1;
        s++;
    }
    *mul = (uint32_t)m;
    *shift = s;
}

/* The reader's protocol: an odd version means "being written", a changed version means "read again". The
 * version goes first and last; x86 keeps the order of stores, the barriers keep the compiler's. */
static result_t write_versioned(struct gmem *mem, gpa_t gpa, uint32_t *version, void *body, size_t len) {
    uint32_t odd = *version + 1, even = *version + 2;
    result_t r = gmem_write(mem, gpa, &odd, sizeof(odd));
    __asm__ volatile("" ::: "memory");
    if (r == OK)
        r = gmem_write(mem, gpa + sizeof(odd), (uint8_t *)body + sizeof(odd), len - sizeof(odd));
    __asm__ volatile("" ::: "memory");
    if (r == OK)
        r = gmem_write(mem, gpa, &even, sizeof(even));
    if (r == OK)
        *version = even;
    return r;
}

/* Is all of [gpa, gpa + len) RAM? Checked before anything is written. */
static result_t check_target(const struct gmem *mem, gpa_t gpa, size_t len) {
    uint8_t scratch[sizeof(struct time_info)];
    if (gpa % 4 != 0)
        return fail(ERR_RANGE);
    return gmem_read(mem, gpa, scratch, len);
}

static bool is_stable(const struct vkvmclock *k) {
    for (uint32_t i = 1; i < k->nr_vcpus; i++)
        if (k->vcpu[i].tsc_adjust != k->vcpu[0].tsc_adjust)
            return false;
    return true;
}

static gpa_t system_gpa(const struct vkvmclock_vcpu *v) {
    return v->system_msr & ~KVM_SYSTEM_TIME_ENABLE;
}

/* A page that stopped being RAM (it cannot) would merely not be written. */
static void write_system_time(struct vkvmclock *k, struct vkvmclock_vcpu *v, uint8_t flags) {
    struct time_info t = {.tsc_timestamp = v->tsc_adjust, .flags = flags};
    if ((v->system_msr & KVM_SYSTEM_TIME_ENABLE) == 0)
        return;
    if (is_stable(k))
        t.flags |= PVCLOCK_TSC_STABLE;
    vkvmclock_scale(k->clock, &t.tsc_to_system_mul, &t.tsc_shift);
    result_t r = write_versioned(k->mem, system_gpa(v), &v->version, &t, sizeof(t));
    (void)r;
}

static void write_all(struct vkvmclock *k, uint8_t flags) {
    for (uint32_t i = 0; i < k->nr_vcpus; i++)
        write_system_time(k, &k->vcpu[i], flags);
}

static result_t set_system_time(struct vkvmclock *k, struct vkvmclock_vcpu *v, uint64_t value) {
    if ((value & KVM_SYSTEM_TIME_ENABLE) != 0) {
        result_t r = check_target(k->mem, value & ~KVM_SYSTEM_TIME_ENABLE, sizeof(struct time_info));
        if (r != OK)
            return r;
    }
    v->system_msr = value;
    write_system_time(k, v, 0);
    return OK;
}

static result_t set_wall_clock(struct vkvmclock *k, uint64_t value) {
    struct wall_clock w = {
        .sec = (uint32_t)(k->wall_base_ns / NSEC_PER_SEC),
        .nsec = (uint32_t)(k->wall_base_ns % NSEC_PER_SEC),
    };
    result_t r = check_target(k->mem, value, sizeof(w));
    if (r != OK)
        return r;
    k->wall_msr = value;
    return write_versioned(k->mem, value, &k->wall_version, &w, sizeof(w));
}

void vkvmclock_init(struct vkvmclock *k, uint32_t nr_vcpus, const struct vclock *clock, struct gmem *mem,
                    uint64_t wall_base_ns) {
    *k = (struct vkvmclock){
        .clock = clock,
        .mem = mem,
        .wall_base_ns = wall_base_ns,
        .nr_vcpus = MIN(nr_vcpus, VKVMCLOCK_MAX_VCPUS),
    };
}

result_t vkvmclock_read_msr(const struct vkvmclock *k, uint32_t cpu, uint32_t msr, uint64_t *value) {
    if (cpu >= k->nr_vcpus)
        return fail(ERR_NOENT);
    switch (msr) {
    case MSR_KVM_SYSTEM_TIME:
    case MSR_KVM_SYSTEM_TIME_OLD:
        *value = k->vcpu[cpu].system_msr;
        return OK;
    case MSR_KVM_WALL_CLOCK:
    case MSR_KVM_WALL_CLOCK_OLD:
        *value = k->wall_msr;
        return OK;
    default:
        return fail(ERR_NOENT);
    }
}

result_t vkvmclock_write_msr(struct vkvmclock *k, uint32_t cpu, uint32_t msr, uint64_t value) {
    if (cpu >= k->nr_vcpus)
        return fail(ERR_NOENT);
    switch (msr) {
    case MSR_KVM_SYSTEM_TIME:
    case MSR_KVM_SYSTEM_TIME_OLD:
        return set_system_time(k, &k->vcpu[cpu], value);
    case MSR_KVM_WALL_CLOCK:
    case MSR_KVM_WALL_CLOCK_OLD:
        return set_wall_clock(k, value);
    default:
        return fail(ERR_NOENT);
    }
}

void vkvmclock_set_tsc_adjust(struct vkvmclock *k, uint32_t cpu, uint64_t tsc_adjust) {
    if (cpu >= k->nr_vcpus)
        return;
    k->vcpu[cpu].tsc_adjust = tsc_adjust;
    write_all(k, 0); /* the stable flag of every vCPU depends on it */
}

void vkvmclock_update(struct vkvmclock *k, bool guest_stopped) {
    write_all(k, guest_stopped ? PVCLOCK_GUEST_STOPPED : 0);
}

void vkvmclock_snapshot(struct vkvmclock *k, struct snap *s) {
    uint32_t nr_vcpus = k->nr_vcpus;
    snap_u64(s, &k->wall_base_ns);
    snap_u64(s, &k->wall_msr);
    snap_u32(s, &k->wall_version);
    snap_require(s, k->wall_version % 2 == 0);
    snap_u32(s, &nr_vcpus);
    snap_require(s, nr_vcpus == k->nr_vcpus);
    for (uint32_t i = 0; i < k->nr_vcpus; i++) {
        struct vkvmclock_vcpu *v = &k->vcpu[i];
        snap_u64(s, &v->system_msr);
        snap_require(s, (v->system_msr & 2) == 0); /* hence the address is a multiple of 4 */
        snap_u64(s, &v->tsc_adjust);
        snap_u32(s, &v->version);
        snap_require(s, v->version % 2 == 0);
    }
}
