/* SPDX-License-Identifier: MIT */
#include "kernel/tsc_sync.h"

#include "kernel/cpu.h"
#include "kernel/hw/cpuid_regs.h"
#include "kernel/hw/msr_regs.h"
#include "kernel/io.h"

#define ROUNDS 32u
#define TRIES 4u
#define REQUEST_DONE UINT32_MAX
#define REQUEST_ADJUST (UINT32_MAX - 1)

static void subtract(int64_t offset) {
    bool has_adjust = cpu_cpuid(0, 0).eax >= 7 && (cpu_cpuid(7, 0).ebx & CPUID_7_EBX_TSC_ADJUST) != 0;
    if (has_adjust)
        cpu_wrmsr(MSR_IA32_TSC_ADJUST, cpu_rdmsr(MSR_IA32_TSC_ADJUST) - (uint64_t)offset);
    else
        cpu_wrmsr(MSR_IA32_TSC, cpu_rdtsc() - (uint64_t)offset);
}

void tsc_sync_answer(struct tsc_sync *s) {
    uint32_t done = 0;
    for (;;) {
        uint32_t request = __atomic_load_n(&s->request, __ATOMIC_ACQUIRE); /* partner: ask */
        if (request == done) {
            cpu_pause();
            continue;
        }
        if (request == REQUEST_DONE)
            return;
        if (request == REQUEST_ADJUST)
            subtract(s->offset);
        s->tsc = cpu_rdtsc();
        done = request;
        __atomic_store_n(&s->answer, request, __ATOMIC_RELEASE); /* partner: ask */
    }
}

static void ask(struct tsc_sync *s, uint32_t request) {
    __atomic_store_n(&s->request, request, __ATOMIC_RELEASE);
    while (__atomic_load_n(&s->answer, __ATOMIC_ACQUIRE) != request)
        cpu_pause();
}

static struct tsc_verdict measure_once(struct tsc_sync *s, uint32_t *request) {
    struct tsc_verdict v = {.error = UINT64_MAX};
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t t0 = cpu_rdtsc();
        ask(s, ++*request);
        uint64_t t1 = cpu_rdtsc();
        if ((t1 - t0) / 2 >= v.error)
            continue;
        v.error = (t1 - t0) / 2;
        v.offset = (int64_t)(s->tsc - (t0 + v.error));
    }
    v.aligned = (uint64_t)(v.offset < 0 ? -v.offset : v.offset) <= v.error + 1;
    return v;
}

struct tsc_verdict tsc_sync_measure(struct tsc_sync *s) {
    uint32_t request = 0;
    struct tsc_verdict v = measure_once(s, &request);
    bool adjusted = false;
    for (unsigned i = 0; i < TRIES && !v.aligned; i++) {
        s->offset = v.offset;
        ask(s, REQUEST_ADJUST);
        adjusted = true;
        v = measure_once(s, &request);
    }
    v.adjusted = adjusted;
    __atomic_store_n(&s->request, REQUEST_DONE, __ATOMIC_RELEASE);
    return v;
}
