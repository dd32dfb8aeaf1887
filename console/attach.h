/* SPDX-License-Identifier: MIT */
/* attach.h - inside the console: the terminal given to a guest (`vm console`). Others include
 * console/console.h. */
#ifndef CONSOLE_ATTACH_H
#define CONSOLE_ATTACH_H

#include "console/console.h"

/* attach_begin - ctx is the console. The guest's backlog follows with the next polls. */
void attach_begin(void *ctx, const char *vm);
static inline bool attach_active(const struct console *c) {
    return c->attached[0] != '\0';
}
/* attach_poll - keys to the guest, its output to the terminal. True when something moved. When the guest is
 * gone or ^] came, it is detached, a line says why, and attach_active is false; the caller brings the prompt
 * back. */
bool attach_poll(struct console *c);

#endif
