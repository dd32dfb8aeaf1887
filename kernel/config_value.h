/* SPDX-License-Identifier: MIT */
/* config_value.h - values of godwit.cfg: numbers, sizes, addresses. Each takes the whole text or refuses it.
 * All return false, output untouched, when the text is anything else. */
#ifndef KERNEL_CONFIG_VALUE_H
#define KERNEL_CONFIG_VALUE_H

#include "kernel/types.h"

/* Decimal, no sign. */
bool config_value_number(const char *text, uint64_t *out);
/* Decimal with K, M, G or T (powers of 1024; "MiB" and "MB" too, any case), or plain octets. */
bool config_value_size(const char *text, uint64_t *out);
/* 10.0.0.1 - four octets, first to last. */
bool config_value_ipv4(const char *text, uint8_t out[4]);
/* 10.0.0.1/24 - prefix 1 to 32. */
bool config_value_network(const char *text, uint8_t addr[4], uint8_t *prefix);
/* 10.0.0.1 or 10.0.0.1:7600; port is untouched when none is given. */
bool config_value_endpoint(const char *text, uint8_t addr[4], uint16_t *port);
/* 52:54:00:12:34:56 or with dashes: a single station's address, not zero. */
bool config_value_mac(const char *text, uint8_t out[6]);

#endif
