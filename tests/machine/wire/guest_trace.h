/* SPDX-License-Identifier: MIT */
/* When did any of the emulated CPUs run a guest? Seen from the emulator itself, by their VM entries and VM exits, so that what
 * a hypervisor says about its blackout can be compared with what was.
 *
 * File guest.trace in the machine's folder, one line per event, times in emulated ns since the machine's power-on
 * (machines that were switched on together share this axis):
 *   exit NS     a VM exit after which no CPU ran a guest for at least GUEST_TRACE_GAP_NS
 *   entry NS    the VM entry that ended such a gap, or the first one of all
 */
#ifndef WIRE_GUEST_TRACE_H
#define WIRE_GUEST_TRACE_H

#include <stdint.h>

#define GUEST_TRACE_GAP_NS 500000u

/* guest_trace_init - hook the emulator's functions; time_nsec(pc_system) is its clock. */
void guest_trace_init(void *pc_system, uint64_t (*time_nsec)(void *pc_system));

/* guest_trace_poll - write an exit as soon as its gap is long enough. */
void guest_trace_poll(void);

#endif
