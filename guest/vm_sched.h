/* SPDX-License-Identifier: MIT */
/* vm_sched.h - which vCPU runs on which CPU, and when.
 * - sched_open: a VM's vCPUs get home CPUs and may run.   - sched_close: none runs any more, all are unloaded; back at once.
 * - sched_on_loaded: a function for each vCPU that is loaded somewhere, on its CPU, all CPUs at the same time.
 * - sched_kick: something came for a vCPU: it exits, wakes up, or gets the CPU soon.
 * - sched_poll, sched_next_ns: the loop's task on each CPU.
 *
 * Each CPU has a queue of its own that no other CPU touches: vCPUs come and go by messages. Of those that can run, the one
 * that has had the least CPU time runs for a slice; one that slept does not save up time. A CPU that has more to do than
 * another gives one of them away, in turn (not a pinned one); its home is where it is queued.
 * While a VM may run, only a vCPU's home CPU loads it; after sched_close only CPU 0 does. */
#ifndef GUEST_VM_SCHED_H
#define GUEST_VM_SCHED_H

#include "guest/sched_queue.h"
#include "vmx/vcpu.h"

struct vm;

#define SCHED_SLICE_CPU0_NS (100 * NSEC_PER_USEC) /* CPU 0 has the network, migration and the console to look after */
#define SCHED_SLICE_SHARED_NS NSEC_PER_MSEC       /* others run on this CPU, too */
#define SCHED_SLICE_ALONE_NS (10 * NSEC_PER_MSEC) /* kicks end it */
#define SCHED_SLEEPER_CREDIT_NS (2 * NSEC_PER_MSEC)
#define SCHED_BALANCE_NS (10 * NSEC_PER_MSEC)

/* sched_open, sched_close - Context: CPU 0. vm->state tells whether it may run. */
void sched_open(struct vm *vm);
void sched_close(struct vm *vm);
/* sched_forget - after sched_close, before the VM's memory goes: no message about it is on its way any more. */
void sched_forget(void);
void sched_on_loaded(struct vm *vm, void (*fn)(struct vcpu *v));
/* sched_kick - any CPU. */
void sched_kick(struct vm *vm, unsigned cpu);
/* sched_kick_housekeeper - CPU 0 shall look after the VMs (one has ended). Any CPU. */
void sched_kick_housekeeper(void);

bool sched_poll(void);
uint64_t sched_next_ns(void);
/* sched_load - [a] vCPUs at home on this CPU. */
uint32_t sched_load(uint32_t cpu);

#endif
