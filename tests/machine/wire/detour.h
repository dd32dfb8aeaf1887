/* SPDX-License-Identifier: MIT */
/* Finding and replacing functions of the emulator's binary.
 *  - detour_find()     address of an exported symbol, or the process ends with one line
 *  - detour_replace()  every later call of `from` runs `to` instead
 */
#ifndef WIRE_DETOUR_H
#define WIRE_DETOUR_H

/* detour_find - address of a symbol that the emulator exports; ends the process when it does not exist. */
void *detour_find(const char *symbol);

/* detour_replace - write a jump to `to` over the first bytes of `from`, which cannot be called any more. */
void detour_replace(void *from, const void *to);

#endif
