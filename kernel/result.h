/* SPDX-License-Identifier: MIT */
/* result.h - how functions fail.
 * - result_t: 0 or a negative code; output parameters are untouched on error.
 * - fail(code): return this on the line that detects the error.
 * - struct reason: the one line that a person reads: what was asked, what was found, the limit, the remedy. */
#ifndef KERNEL_RESULT_H
#define KERNEL_RESULT_H

#include "kernel/types.h"

typedef enum result {
    OK = 0,
    ERR_INVAL = -1,     /* an argument or input is malformed */
    ERR_NOMEM = -2,     /* not enough memory */
    ERR_NODEV = -3,     /* the device or feature is not there */
    ERR_NOENT = -4,     /* no such name, file or object */
    ERR_EXIST = -5,     /* there is one already, or ranges overlap */
    ERR_BUSY = -6,      /* not in this state, try again later */
    ERR_RANGE = -7,     /* a value or address is out of bounds */
    ERR_PROTO = -8,     /* the peer or the stream broke the protocol */
    ERR_VERSION = -9,   /* the peer speaks another version */
    ERR_TIMEOUT = -10,  /* nothing came in time */
    ERR_LINK = -11,     /* the connection is gone */
    ERR_REFUSED = -12,  /* the peer said no and gave a reason */
    ERR_CANCELLED = -13,/* the operator said stop */
    ERR_CORRUPT = -14,  /* a checksum or digest does not match */
    ERR_UNSUPP = -15,   /* understood, but not supported here */
    ERR_FULL = -16,     /* no room now */
    ERR_IO = -17,       /* a device failed */
} result_t;

/* result_str - the name of a code, for logs; never NULL. */
const char *result_str(result_t r);

/* fail - mark the place that detects an error; the code passes through unchanged. */
#define fail(code) (code)

#define REASON_LEN 200
struct reason {
    char text[REASON_LEN]; /* one line, no newline, NUL-terminated */
};

/* reason_set - write the line (cut to fit) and return code, so that `return reason_set(why, ERR_X, "...")` reads well.
 * why may be NULL. Control characters in the result are replaced by '?', since parts may come from a peer. */
result_t reason_set(struct reason *why, result_t code, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
