/* SPDX-License-Identifier: MIT */
/* Finding and replacing functions of the emulator's binary.
 *  - detour_find()     address of an exported symbol, or the process ends with one line
 *  - detour_replace()  every later call of `from` runs `to` instead
 *  - detour_wrap()     the same, and `to` can still call what `from` was
 */
#ifndef WIRE_DETOUR_H
#define WIRE_DETOUR_H

#include <stddef.h>
#include <stdint.h>

/* detour_find - address of a symbol that the emulator exports; ends the process when it does not exist. */
void *detour_find(const char *symbol);

/* detour_replace - write a jump to `to` over the first bytes of `from`, which cannot be called any more. */
void detour_replace(void *from, const void *to);

/* detour_wrap - detour_replace(), returning an entry to the original. head: the first head_len bytes that `from` is
 * expected to have (12 to 32, whole instructions without relative operands); ends the process when it has others. */
void *detour_wrap(void *from, const void *to, const uint8_t *head, size_t head_len);

#endif
