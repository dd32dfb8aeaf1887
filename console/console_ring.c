/* SPDX-License-Identifier: MIT */
/* console_ring.c - the way to the terminal: a ring that is filled whole and emptied as the terminal takes it.
 * */
#include "console/console_ring.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

size_t console_ring_used(const struct console *c) {
    return c->ring_head - c->ring_tail;
}

size_t console_ring_free(const struct console *c) {
    return CONSOLE_RING - console_ring_used(c);
}

/* All or nothing, so that no line ends in the middle of an escape or a number. */
void console_ring_put(struct console *c, const char *data, size_t len) {
    if (c->lost != 0 || len > console_ring_free(c)) {
        c->lost += len;
        return;
    }
    for (size_t i = 0; i < len; i++)
        c->ring[(c->ring_head + i) % CONSOLE_RING] = data[i];
    c->ring_head += (uint32_t)len;
}

static void tell_loss(struct console *c) {
    char text[64];
    if (c->lost == 0 || console_ring_used(c) > CONSOLE_RING / 2)
        return;
    int n = snprintf(text, sizeof(text), "\r\n[%" PRIu64 " characters lost: the terminal is too slow]\r\n",
                     c->lost);
    c->lost = 0;
    console_ring_put(c, text, (size_t)n);
}

bool console_ring_drain(struct console *c) {
    bool moved = false;
    tell_loss(c);
    while (console_ring_used(c) > 0) {
        size_t at = c->ring_tail % CONSOLE_RING;
        size_t run = MIN(console_ring_used(c), CONSOLE_RING - at);
        size_t taken = c->io.write(c->ring + at, MIN(run, c->io.tx_free()));
        if (taken == 0)
            break;
        c->ring_tail += (uint32_t)MIN(taken, run);
        moved = true;
    }
    return moved;
}

/* Octets as they are; '\n' becomes CR LF. */
void console_put_raw(void *ctx, const char *data, size_t len) {
    struct console *c = ctx;
    for (size_t from = 0; from < len;) {
        const char *newline = memchr(data + from, '\n', len - from);
        size_t end = newline != NULL ? (size_t)(newline - data) : len;
        console_ring_put(c, data + from, end - from);
        if (newline != NULL)
            console_ring_put(c, "\r\n", 2);
        from = newline != NULL ? end + 1 : len;
    }
    if (len > 0)
        c->at_column_0 = data[len - 1] == '\n';
}

/* Text that may hold what a peer or a file said: only printable ASCII and '\n' pass. */
void console_put_text(void *ctx, const char *data, size_t len) {
    char clean[128];
    while (len > 0) {
        size_t n = MIN(len, sizeof(clean));
        for (size_t i = 0; i < n; i++)
            clean[i] = (data[i] >= 0x20 && data[i] < 0x7f) || data[i] == '\n' ? data[i] : '?';
        console_put_raw(ctx, clean, n);
        data += n;
        len -= n;
    }
}
