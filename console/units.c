/* SPDX-License-Identifier: MIT */
/* units.c - see units.h. */
#include "console/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit duration_units[] = {
    { "ns", 1 }, { "us", NSEC_PER_USEC }, { "ms", NSEC_PER_MSEC }, { "s", NSEC_PER_SEC }, { NULL, 0 },
};
static const struct unit plain_units[] = { { "", 1 }, { NULL, 0 } };

static result_t parse(const char *text, const struct unit *units, uint64_t *out) {
    uint64_t value = 0;
    size_t digits = 0;
    for (; text[digits] >= '0' && text[digits] <= '9'; digits++)
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text[digits] - '0'), &value))
            return fail(ERR_RANGE);
    if (digits == 0)
        return fail(ERR_INVAL);
    for (; units->name != NULL; units++) {
        if (strcasecmp(units->name, text + digits) != 0)
            continue;
        if (__builtin_mul_overflow(value, units->factor, &value))
            return fail(ERR_RANGE);
        *out = value;
        return OK;
    }
    return fail(ERR_INVAL);
}

result_t units_parse_u64(const char *text, uint64_t *out) {
    return parse(text, plain_units, out);
}

result_t units_parse_duration(const char *text, uint64_t *ns) {
    if (strcmp(text, "0") == 0) {
        *ns = 0;
        return OK;
    }
    return parse(text, duration_units, ns);
}

/* One decimal while the value is below 1000 of its unit and not whole. */
static const char *scaled(char buf[UNITS_LEN], uint64_t value, uint64_t factor, const char *unit) {
    uint64_t whole = value / factor;
    uint64_t tenth = factor >= 10 ? value % factor / (factor / 10) : 0;
    tenth = MIN(tenth, 9u); /* factor is not always a multiple of ten */
    if (whole < 1000 && factor > 1)
        snprintf(buf, UNITS_LEN, "%" PRIu64 ".%u %s", whole, (unsigned)tenth, unit);
    else
        snprintf(buf, UNITS_LEN, "%" PRIu64 " %s", whole, unit);
    return buf;
}

const char *units_format_size(char buf[UNITS_LEN], uint64_t bytes) {
    static const struct unit steps[] = { { "GiB", GIB }, { "MiB", MIB }, { "KiB", KIB }, { "B", 1 } };
    size_t i = 0;
    while (i + 1 < ARRAY_LEN(steps) && bytes < steps[i].factor)
        i++;
    if (bytes % steps[i].factor == 0) {
        snprintf(buf, UNITS_LEN, "%" PRIu64 " %s", bytes / steps[i].factor, steps[i].name);
        return buf;
    }
    return scaled(buf, bytes, steps[i].factor, steps[i].name);
}

const char *units_format_bytes(char buf[UNITS_LEN], uint64_t bytes) {
    static const struct unit steps[] = {
        { "GB", 1000000000 }, { "MB", 1000000 }, { "kB", 1000 }, { "B", 1 }
    };
    size_t i = 0;
    while (i + 1 < ARRAY_LEN(steps) && bytes < steps[i].factor)
        i++;
    return scaled(buf, bytes, steps[i].factor, steps[i].name);
}

const char *units_format_rate(char buf[UNITS_LEN], uint64_t bytes_s) {
    if (bytes_s >= 1000000)
        return scaled(buf, bytes_s, 1000000, "MB/s");
    return scaled(buf, bytes_s, 1000, "kB/s");
}

const char *units_format_duration(char buf[UNITS_LEN], uint64_t ns) {
    if (ns < NSEC_PER_USEC)
        return scaled(buf, ns, 1, "ns");
    if (ns < NSEC_PER_MSEC)
        return scaled(buf, ns, NSEC_PER_USEC, "us");
    if (ns < NSEC_PER_SEC)
        return scaled(buf, ns, NSEC_PER_MSEC, "ms");
    if (ns < 60 * NSEC_PER_SEC)
        return scaled(buf, ns, NSEC_PER_SEC, "s");
    uint64_t s = ns / NSEC_PER_SEC;
    if (s < 3600)
        snprintf(buf, UNITS_LEN, "%um%02us", (unsigned)(s / 60), (unsigned)(s % 60));
    else
        snprintf(buf, UNITS_LEN, "%" PRIu64 "h%02um", s / 3600, (unsigned)(s / 60 % 60));
    return buf;
}

const char *units_format_ipv4(char buf[UNITS_LEN], uint32_t ipv4) {
    snprintf(buf, UNITS_LEN, "%u.%u.%u.%u", ipv4 >> 24, ipv4 >> 16 & 255u, ipv4 >> 8 & 255u, ipv4 & 255u);
    return buf;
}

uint64_t units_per_second(uint64_t count, uint64_t ns) {
    if (ns == 0)
        return 0;
    uint64_t product;
    if (!__builtin_mul_overflow(count, NSEC_PER_SEC, &product))
        return product / ns;
    return ns < NSEC_PER_SEC ? UINT64_MAX : count / (ns / NSEC_PER_SEC);
}
