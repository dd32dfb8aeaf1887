/* SPDX-License-Identifier: MIT */
#include "guest/vm_sched.h"

#include <string.h>

#include "guest/vm_priv.h"
#include "kernel/io.h"
#include "kernel/panic.h"
#include "kernel/smp.h"
#include "kernel/time.h"

static struct {
    struct sched_queue q;
} __attribute__((aligned(64))) queues[CPU_MAX];

static struct sched_queue *my_queue(void) {
    return &queues[cpu_id()].q;
}

static struct vm_cpu *cpu_of(struct sched_entity *e) {
    return container_of(e, struct vm_cpu, sched);
}

uint32_t sched_load(uint32_t cpu) {
    return __atomic_load_n(&queues[cpu].q.load, __ATOMIC_RELAXED);
}

/* A message: the entity has come to this CPU, unless its VM was closed meanwhile. */
static void adopt(void *arg) {
    struct sched_entity *e = arg;
    if (vm_may_run(cpu_of(e)->vm) && e->home == (int32_t)cpu_id())
        sched_queue_add(my_queue(), e);
    my_queue()->balance_tsc = cpu_rdtsc() + time_ns_to_tsc(SCHED_BALANCE_NS);
}

/* ---- opening and closing ---- */

struct call {
    struct vm *vm;
    void (*fn)(struct vcpu *v);
};

static bool is_home_of(uint32_t cpu, void *arg) {
    const struct call *call = arg;
    for (unsigned i = 0; i < call->vm->spec.nr_vcpus; i++)
        if (__atomic_load_n(&call->vm->cpu[i].sched.home, __ATOMIC_SEQ_CST) == (int32_t)cpu)
            return true;
    return cpu == 0; /* may have a stopped VM's vCPU loaded */
}

static void take_here(void *arg) {
    const struct call *call = arg;
    for (unsigned i = 0; i < call->vm->spec.nr_vcpus; i++) {
        struct vm_cpu *c = &call->vm->cpu[i];
        if (c->sched.home != (int32_t)cpu_id())
            continue;
        sched_queue_add(my_queue(), &c->sched);
        if (c->vcpu.activity == VCPU_HALTED && c->vcpu.first_entry_tsc == 0)
            c->vcpu.first_entry_tsc = cpu_rdtsc(); /* it has a CPU and chooses to wait: it runs */
    }
}

static void drop_here(void *arg) {
    const struct call *call = arg;
    for (unsigned i = 0; i < call->vm->spec.nr_vcpus; i++) {
        struct vm_cpu *c = &call->vm->cpu[i];
        if (sched_queue_has(my_queue(), &c->sched)) {
            sched_queue_remove(my_queue(), &c->sched);
            vm_cpu_sync_eoi(c); /* writes to the guest's memory, so now and not when its state is saved */
        }
        if (cpu_id() != 0 && vcpu_is_here(&c->vcpu))
            vcpu_put();
    }
}

static bool is_allowed(const struct vm *vm, uint32_t cpu) {
    return (void)vm, cpu_get(cpu)->own.vmxon != 0;
}

/* The CPU with the fewest vCPUs; CPU 0, which has other work, counts as having one more, and the last home is kept on a tie. */
static int32_t choose_home(const struct vm *vm, const uint32_t *extra, int32_t last) {
    int32_t best = SCHED_NO_CPU;
    uint32_t best_load = UINT32_MAX;
    for (uint32_t i = 0; i < cpu_nr(); i++) {
        uint32_t load = 2 * (sched_load(i) + extra[i] + (i == 0)) + ((int32_t)i != last);
        if (is_allowed(vm, i) && load < best_load) {
            best_load = load;
            best = (int32_t)i;
        }
    }
    return best != SCHED_NO_CPU ? best : 0; /* pinned to CPUs that this host does not have */
}

void sched_open(struct vm *vm) {
    static uint32_t extra[CPU_MAX]; /* CPU 0 only */
    struct call call = {vm, NULL};
    memset(extra, 0, sizeof extra);
    for (unsigned i = 0; i < vm->spec.nr_vcpus; i++) {
        struct sched_entity *e = &vm->cpu[i].sched;
        int32_t home = choose_home(vm, extra, e->home);
        if (home != 0 && vcpu_is_here(&vm->cpu[i].vcpu))
            vcpu_put();
        extra[home]++;
        __atomic_store_n(&e->home, home, __ATOMIC_SEQ_CST);
    }
    smp_call(is_home_of, take_here, &call);
}

void sched_close(struct vm *vm) {
    struct call call = {vm, NULL};
    ASSERT(!vm_may_run(vm)); /* so that a vCPU on its way between two CPUs is not queued again */
    smp_call(is_home_of, drop_here, &call);
}

static bool is_any(uint32_t cpu, void *arg) {
    (void)cpu, (void)arg;
    return true;
}

static void nothing(void *arg) {
    (void)arg;
}

/* Messages are taken in order: when all CPUs have taken this one, they have taken every adoption that came before. */
void sched_forget(void) {
    smp_call(is_any, nothing, NULL);
}

static void on_loaded_here(void *arg) {
    const struct call *call = arg;
    for (unsigned i = 0; i < call->vm->spec.nr_vcpus; i++)
        if (vcpu_is_here(&call->vm->cpu[i].vcpu))
            call->fn(&call->vm->cpu[i].vcpu);
}

void sched_on_loaded(struct vm *vm, void (*fn)(struct vcpu *v)) {
    struct call call = {vm, fn};
    smp_call(is_home_of, on_loaded_here, &call);
}

/* ---- kicks ---- */

/* The message itself is the purpose: it makes the vCPU that has the CPU give way, so that the queue is looked at. */
static void look_around(void *arg) {
    (void)arg;
}

void sched_kick(struct vm *vm, unsigned index) {
    struct vm_cpu *c = &vm->cpu[index];
    int32_t home = __atomic_load_n(&c->sched.home, __ATOMIC_SEQ_CST);
    if (home == SCHED_NO_CPU)
        return; /* looked at when it runs */
    if (home == (int32_t)cpu_id()) {
        struct vcpu *running = vcpu_current();
        if (running != NULL && running != &c->vcpu && c->vcpu.activity != VCPU_ACTIVE)
            vcpu_request_stop(running); /* this one wakes up and may be further behind */
        return;
    }
    struct cpu *to = cpu_get((uint32_t)home);
    if (vcpu_loaded_on(&c->vcpu) != home && !mailbox_has_mail(&to->pub.mailbox))
        (void)!mailbox_post(&to->pub.mailbox, look_around, NULL); /* full: it looks around anyway */
    smp_kick(to);
}

void sched_kick_housekeeper(void) {
    smp_kick(cpu_get(0));
}

/* ---- running ---- */

/* Cheap and generous: vcpu_run says for certain. */
static bool is_ready(struct sched_entity *e, uint64_t now) {
    struct vm_cpu *c = cpu_of(e);
    return vm_may_run(c->vm) && (c->vcpu.activity == VCPU_ACTIVE || vm_cpu_has_events(c) || vm_cpu_next_timer(c) <= now);
}

/* The slice ends early when a sleeper of this CPU wants it back. */
static uint64_t slice_end(const struct sched_queue *q, const struct sched_entity *chosen, uint64_t now) {
    uint64_t ns = cpu_id() == 0 ? SCHED_SLICE_CPU0_NS : q->first->next == NULL ? SCHED_SLICE_ALONE_NS : SCHED_SLICE_SHARED_NS;
    uint64_t end = now + time_ns_to_tsc(ns);
    for (struct sched_entity *e = q->first; e != NULL; e = e->next)
        if (e != chosen && cpu_of(e)->vcpu.activity != VCPU_ACTIVE)
            end = MIN(end, MAX(vm_cpu_next_timer(cpu_of(e)), now));
    return end;
}

/* True: the vCPU used its time and may want more. */
static bool run(struct sched_queue *q, struct sched_entity *e, uint64_t now) {
    struct vm_cpu *c = cpu_of(e);
    struct cpu_public *pub = &this_cpu()->pub;
    pub->guest = c->vm->spec.name;
    vkvmpv_add_steal(&c->pv, time_tsc_to_ns(now - e->ready_tsc));
    enum vcpu_stop stop = vcpu_run(&c->vcpu, slice_end(q, e, now));
    pub->guest = NULL;
    sched_queue_account(q, e, now, c->vcpu.last_exit_tsc);
    __atomic_store_n(&pub->guest_ns, pub->guest_ns + time_tsc_to_ns(c->vcpu.last_exit_tsc - now), __ATOMIC_RELAXED);
    switch (stop) {
    case VCPU_STOP_SLICE:
        return true;
    case VCPU_STOP_YIELD:
        e->is_yielding = true;
        return true;
    case VCPU_STOP_HALTED:
        e->ready_tsc = 0;
        return false;
    case VCPU_STOP_CRASHED:
        vm_cpu_crashed(c);
        return true;
    }
    return false;
}

/* ---- balance ---- */

static int32_t find_better(const struct vm *vm) {
    uint32_t nr_ready[CPU_MAX];
    for (uint32_t i = 0; i < cpu_nr(); i++)
        nr_ready[i] = is_allowed(vm, i) || i == cpu_id() ? __atomic_load_n(&queues[i].q.nr_ready, __ATOMIC_RELAXED) : UINT32_MAX;
    return sched_better_cpu(nr_ready, cpu_nr(), cpu_id());
}

/* Give a vCPU to a CPU with less to do. */
static void balance(struct sched_queue *q, uint64_t now) {
    if (q->nr_ready < 2 || now < q->balance_tsc)
        return;
    q->balance_tsc = now + time_ns_to_tsc(SCHED_BALANCE_NS);
    struct sched_entity *moving = sched_queue_oldest(q);
    int32_t to = moving != NULL ? find_better(cpu_of(moving)->vm) : SCHED_NO_CPU;
    if (to == SCHED_NO_CPU)
        return;
    if (vcpu_is_here(&cpu_of(moving)->vcpu))
        vcpu_put();
    sched_queue_remove(q, moving);
    __atomic_store_n(&moving->home, to, __ATOMIC_SEQ_CST); /* before the message: sched_close asks the new home */
    if (mailbox_post(&cpu_get((uint32_t)to)->pub.mailbox, adopt, moving) != OK) {
        __atomic_store_n(&moving->home, (int32_t)cpu_id(), __ATOMIC_SEQ_CST);
        sched_queue_add(q, moving);
        return;
    }
    smp_kick(cpu_get((uint32_t)to));
}

bool sched_poll(void) {
    struct sched_queue *q = my_queue();
    if (q->first == NULL && q->nr_ready == 0)
        return false;
    uint64_t now = cpu_rdtsc();
    struct sched_entity *e = sched_queue_pick(q, now, time_ns_to_tsc(SCHED_SLEEPER_CREDIT_NS), is_ready);
    if (e == NULL)
        return false;
    bool busy = run(q, e, now) || q->nr_ready > 1;
    balance(q, now);
    return busy;
}

uint64_t sched_next_ns(void) {
    uint64_t next = UINT64_MAX;
    for (struct sched_entity *e = my_queue()->first; e != NULL; e = e->next)
        if (vm_may_run(cpu_of(e)->vm))
            next = MIN(next, vm_cpu_next_timer(cpu_of(e)));
    return next == UINT64_MAX ? next : time_tsc_to_ns(next);
}
