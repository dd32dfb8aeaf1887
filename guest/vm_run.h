/* SPDX-License-Identifier: MIT */
/* vm_run.h - VMs and the loops.
 * - vm_poll, vm_next_ns: the task of every CPU that runs guests: one time slice of one vCPU; the time of the next timer.
 * - vm_housekeep: the task of CPU 0: resets, power-offs and crashes are carried out here, outside the guests' own exits.
 * - vm_set_files: where boot files come from (the loader's list).   - vm_slot: live VMs by slot. */
#ifndef GUEST_VM_RUN_H
#define GUEST_VM_RUN_H

#include "guest/vm.h"

bool vm_poll(void);
bool vm_housekeep(void);
uint64_t vm_next_ns(void);

typedef bool (*vm_file_fn)(const char *name, const uint8_t **data, size_t *len);
void vm_set_files(vm_file_fn fn);

#define VM_SLOTS 32
struct vm *vm_slot(unsigned index); /* NULL: empty */
unsigned vm_slots_used(void);       /* slots from here on have never held a machine */

#endif
