/* SPDX-License-Identifier: MIT */
#include "kernel/result.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const names[] = {
    [-OK] = "OK",
    [-ERR_INVAL] = "ERR_INVAL",
    [-ERR_NOMEM] = "ERR_NOMEM",
    [-ERR_NODEV] = "ERR_NODEV",
    [-ERR_NOENT] = "ERR_NOENT",
    [-ERR_EXIST] = "ERR_EXIST",
    [-ERR_BUSY] = "ERR_BUSY",
    [-ERR_RANGE] = "ERR_RANGE",
    [-ERR_PROTO] = "ERR_PROTO",
    [-ERR_VERSION] = "ERR_VERSION",
    [-ERR_TIMEOUT] = "ERR_TIMEOUT",
    [-ERR_LINK] = "ERR_LINK",
    [-ERR_REFUSED] = "ERR_REFUSED",
    [-ERR_CANCELLED] = "ERR_CANCELLED",
    [-ERR_CORRUPT] = "ERR_CORRUPT",
    [-ERR_UNSUPP] = "ERR_UNSUPP",
    [-ERR_FULL] = "ERR_FULL",
    [-ERR_IO] = "ERR_IO",
};

const char *result_str(result_t r) {
    int index = -(int)r;
    if (index < 0 || (size_t)index >= ARRAY_LEN(names) || names[index] == NULL)
        return "ERR_UNKNOWN";
    return names[index];
}

result_t reason_set(struct reason *why, result_t code, const char *fmt, ...) {
    if (why == NULL)
        return code;
    va_list args;
    va_start(args, fmt);
    vsnprintf(why->text, sizeof why->text, fmt, args);
    va_end(args);
    for (char *c = why->text; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
    return code;
}
