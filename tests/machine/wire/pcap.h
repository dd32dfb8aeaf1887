/* SPDX-License-Identifier: MIT */
/* Capture files in the classic pcap format, Ethernet, microseconds of emulated time since power-on. */
#ifndef WIRE_PCAP_H
#define WIRE_PCAP_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* pcap_open - create the file with its header; ends the process when that fails. */
FILE *pcap_open(const char *path);

/* pcap_write - append one frame; file may be NULL. */
void pcap_write(FILE *file, uint64_t time_ns, const void *frame, size_t len);

#endif
