/* SPDX-License-Identifier: MIT */
/* console_ring.h - inside the console: its output ring. Others include console/console.h. */
#ifndef CONSOLE_CONSOLE_RING_H
#define CONSOLE_CONSOLE_RING_H

#include "console/console.h"

size_t console_ring_used(const struct console *c);
size_t console_ring_free(const struct console *c);
/* console_ring_put - all of data, or none and c->lost counts it. */
void console_ring_put(struct console *c, const char *data, size_t len);
/* console_ring_drain - give the terminal what it takes; true when something moved. */
bool console_ring_drain(struct console *c);
/* Write functions for struct out; ctx is the console. raw: '\n' becomes CR LF; text: also, and controls
 * become '?'. */
void console_put_raw(void *ctx, const char *data, size_t len);
void console_put_text(void *ctx, const char *data, size_t len);

#endif
