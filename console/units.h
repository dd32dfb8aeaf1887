/* SPDX-License-Identifier: MIT */
/* units.h - numbers as people write and read them; integers only.
 * - units_parse_u64, units_parse_duration ("10ms"). Sizes and addresses are parsed by kernel/config_value.h.
 * - units_format_*: into a caller's buffer of UNITS_LEN, returned for use inside printf. */
#ifndef CONSOLE_UNITS_H
#define CONSOLE_UNITS_H

#include "kernel/result.h"

#define UNITS_LEN 24

/* Errors of both: ERR_INVAL (no number, unknown unit, trailing text), ERR_RANGE (does not fit 64 bits). */
result_t units_parse_u64(const char *text, uint64_t *out) MUST_CHECK;
/* units_parse_duration - nanoseconds from "10ms", "250us", "1s", "500ns"; a unit is required unless the
 * number is 0. */
result_t units_parse_duration(const char *text, uint64_t *ns) MUST_CHECK;

const char *units_format_size(char buf[UNITS_LEN], uint64_t bytes);   /* "256 MiB", "1.5 GiB" */
const char *units_format_bytes(char buf[UNITS_LEN], uint64_t bytes);  /* decimal: "103.4 MB" */
const char *units_format_rate(char buf[UNITS_LEN], uint64_t bytes_s); /* "112.4 MB/s" */
const char *units_format_duration(char buf[UNITS_LEN],
                                  uint64_t ns);                    /* "812 ns", "6.1 ms", "3.2 s", "2m05s" */
const char *units_format_ipv4(char buf[UNITS_LEN], uint32_t ipv4); /* host byte order */
/* units_per_second - count * 1e9 / ns, saturating; 0 when ns is 0. */
uint64_t units_per_second(uint64_t count, uint64_t ns);

#endif
