/* SPDX-License-Identifier: MIT */
/* Coupling the emulator to the wire process: see couple.c. */
#ifndef WIRE_COUPLE_H
#define WIRE_COUPLE_H

/* couple_init - hook the emulator; called once, before its main(). */
void couple_init(void);

#endif
