/* SPDX-License-Identifier: MIT */
/* pio8.h - eight-bit ports: a wider access becomes one access per octet on successive ports, as an ISA bridge
 * does it.
 * - pio8_read, pio8_write: split an access of 1, 2 or 4 octets. The octet functions answer ports that are not
 *   theirs with 0xff and drop writes to them. */
#ifndef GUEST_PIO8_H
#define GUEST_PIO8_H

#include "kernel/types.h"

typedef uint8_t (*pio8_read_fn)(void *dev, uint16_t port);
typedef void (*pio8_write_fn)(void *dev, uint16_t port, uint8_t value);

static inline uint32_t pio8_read(void *dev, uint16_t port, unsigned size, pio8_read_fn read) {
    uint32_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint32_t)read(dev, (uint16_t)(port + i)) << (8 * i);
    return value;
}

static inline void pio8_write(void *dev, uint16_t port, unsigned size, uint32_t value, pio8_write_fn write) {
    for (unsigned i = 0; i < size; i++)
        write(dev, (uint16_t)(port + i), (uint8_t)(value >> (8 * i)));
}

#endif
