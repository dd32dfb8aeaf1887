/* SPDX-License-Identifier: MIT */
/* attach.c - see attach.h. */
#include "console/attach.h"

#include <stdio.h>
#include <string.h>

#include "console/console_ring.h"

#define GUEST_CHUNK 512

static void say(struct console *c, const char *text) {
    const struct out o = { console_put_text, c };
    if (!c->at_column_0)
        out_puts(&o, "\n");
    out_puts(&o, text);
    out_puts(&o, "\n");
}

void attach_begin(void *ctx, const char *vm) {
    struct console *c = ctx;
    char text[VM_NAME_LEN + 48];
    snprintf(c->attached, sizeof(c->attached), "%s", vm);
    c->nr_typed = 0;
    c->held_back = 0;
    snprintf(text, sizeof(text), "[%s has the terminal; ^] gives it back]", vm);
    say(c, text);
}

static void end(struct console *c, const char *what) {
    char text[VM_NAME_LEN + MIGRATE_VIEW_PEER_LEN + 96];
    snprintf(text, sizeof(text), "[%s %s; back in the shell]", c->attached, what);
    say(c, text);
    if (c->held_back != 0) {
        snprintf(text, sizeof(text), "[%u messages meanwhile; `log` shows them]", c->held_back);
        say(c, text);
    }
    c->attached[0] = '\0';
    c->nr_typed = 0;
}

/* True while a migration of the attached guest has not been reported yet. */
static bool is_migrating(const struct console *c) {
    struct migrate_view_status s;
    for (unsigned i = 0; c->ops->migrate_status != NULL && c->ops->migrate_status(i, &s); i++)
        if (strcmp(s.vm, c->attached) == 0)
            return true;
    return false;
}

static void end_gone(struct console *c) {
    struct migrate_view_report r;
    char text[MIGRATE_VIEW_PEER_LEN + 16];
    if (c->ops->migrate_report != NULL && c->ops->migrate_report(&r) && r.moved && !r.incoming &&
        strcmp(r.vm, c->attached) == 0) {
        snprintf(text, sizeof(text), "moved to %s", r.peer);
        end(c, text);
    } else {
        end(c, "has ended");
    }
}

/* Keys to the guest; what it does not take stays in typed[]. True when ^] came. */
static bool feed_keys(struct console *c, struct vm *vm, bool *moved) {
    size_t got = c->io.read(c->typed + c->nr_typed, sizeof(c->typed) - c->nr_typed);
    bool full = got == 0 && c->nr_typed == sizeof(c->typed);
    c->nr_typed += MIN(got, sizeof(c->typed) - c->nr_typed);
    char drop[1];
    if (full && c->io.read(drop, 1) == 1 &&
        drop[0] == CONSOLE_ESCAPE) /* a guest that takes nothing cannot keep us */
        return true;
    const char *escape = memchr(c->typed, CONSOLE_ESCAPE, c->nr_typed);
    size_t len = escape != NULL ? (size_t)(escape - c->typed) : c->nr_typed;
    size_t taken = len > 0 ? c->ops->vm_console_write(vm, c->typed, len) : 0;
    taken = MIN(taken, len);
    *moved |= got > 0 || taken > 0;
    if (escape != NULL)
        return true;
    memmove(c->typed, c->typed + taken, c->nr_typed - taken);
    c->nr_typed -= taken;
    return false;
}

static bool copy_output(struct console *c, struct vm *vm) {
    char buf[GUEST_CHUNK];
    bool moved = false;
    while (console_ring_free(c) > CONSOLE_RING / 2) { /* the rest waits in the guest's UART */
        size_t n = c->ops->vm_console_read(vm, buf, sizeof(buf));
        if (n == 0)
            break;
        n = MIN(n, sizeof(buf));
        console_ring_put(c, buf, n);
        c->at_column_0 = buf[n - 1] == '\n';
        moved = true;
    }
    return moved;
}

bool attach_poll(struct console *c) {
    bool moved = false;
    struct vm *vm = c->ops->vm_find(c->attached);
    if (vm == NULL) {
        char key;
        if (c->io.read(&key, 1) == 1 && key == CONSOLE_ESCAPE)
            end(c, "was left");
        else if (!is_migrating(c))
            end_gone(c);
        else
            return false;
        return true;
    }
    moved = copy_output(c, vm);
    if (feed_keys(c, vm, &moved)) {
        end(c, "goes on without the terminal");
        return true;
    }
    if (c->ops->vm_get_state != NULL && c->ops->vm_get_state(vm) == VM_CRASHED) {
        end(c, "has crashed");
        return true;
    }
    return moved;
}
