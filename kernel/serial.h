/* SPDX-License-Identifier: MIT */
/* serial.h - the host's 16550 UART: the operator's console.
 * Output goes to a ring and is drained by serial_poll, so printing never waits for the wire.
 * - serial_init(port): 115200 8N1, FIFO on.   - serial_write: queue; drops what does not fit and counts it.
 * - serial_space: free octets in the ring.    - serial_read: octets that came in.
 * - serial_poll: move octets; true when something moved.  - serial_next_ns: when to poll again (UINT64_MAX: nothing queued).
 * - serial_write_sync: flush and write by busy waiting, for panics.
 * Context: CPU 0. */
#ifndef KERNEL_SERIAL_H
#define KERNEL_SERIAL_H

#include "kernel/types.h"

#define SERIAL_COM1 0x3f8
#define SERIAL_COM2 0x2f8

void serial_init(uint16_t port);
size_t serial_write(const char *data, size_t len);
size_t serial_space(void);
size_t serial_read(char *buf, size_t cap);
bool serial_poll(void);
uint64_t serial_next_ns(void);
void serial_write_sync(const char *data, size_t len);
void serial_flush_sync(void);

#endif
