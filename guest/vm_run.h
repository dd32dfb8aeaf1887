/* SPDX-License-Identifier: MIT */
/* vm_run.h - running VMs on this CPU.
 * - vm_poll: one time slice for every VM that wants to run; true when one did. Resets, power-offs and crashes are
 *   carried out here, outside the guest's own exits.
 * - vm_next_ns: host time of the earliest timer of a halted VM.
 * - vm_set_files: where boot files come from (the loader's list).   - vm_slot: live VMs by slot, for the scheduler.
 * Context: CPU 0's loop. */
#ifndef GUEST_VM_RUN_H
#define GUEST_VM_RUN_H

#include "guest/vm.h"

#define VM_SLICE_NS (100 * NSEC_PER_USEC)

bool vm_poll(void);
uint64_t vm_next_ns(void);

typedef bool (*vm_file_fn)(const char *name, const uint8_t **data, size_t *len);
void vm_set_files(vm_file_fn fn);

#define VM_SLOTS 32
struct vm *vm_slot(unsigned index); /* NULL: empty */

#endif
