/* SPDX-License-Identifier: MIT */
/* A machine with several CPUs that all sleep: emulated time goes on to the next event at once.
 *
 * The emulator gives each CPU a turn after the other and lets a sleeping one count `quantum` ticks per turn. With
 * several CPUs it does nothing else when all of them sleep, so an idle second costs as much as a busy one, and the
 * more the smaller the quantum is. Here the clock jumps instead; what happens, and when, stays the same.
 * A machine with one CPU is left alone: the emulator has a short cut of its own for it. */
#ifndef WIRE_SMP_IDLE_H
#define WIRE_SMP_IDLE_H

/* smp_idle_init - hook the emulator's functions; pc_system is its clock. */
void smp_idle_init(void *pc_system);

#endif
