/* SPDX-License-Identifier: MIT */
/* random.h - unpredictable numbers for identifiers, sequence numbers and ports. Not for keys: those will come from the
 * DRBG of the TLS library.
 * - random_stir: mix in something unpredictable.   - random_bytes: take some; uses RDRAND too where there is one. */
#ifndef KERNEL_RANDOM_H
#define KERNEL_RANDOM_H

#include "kernel/types.h"

void random_stir(const void *data, size_t len);
void random_bytes(void *buf, size_t len);

#endif
