/* SPDX-License-Identifier: MIT */
/* keys.h - octets from a terminal to keys, one octet at a time, so that a sequence may be split across reads.
 * Understands VT100/VT220/xterm/Linux-console arrows, Home, End, Delete and the Emacs control keys.
 * Unknown or damaged sequences are swallowed; a control octet inside one ends it and counts itself.
 * Source: ECMA-48, section 5.4 "Control sequences". */
#ifndef CONSOLE_KEYS_H
#define CONSOLE_KEYS_H

#include "kernel/types.h"

enum key {
    KEY_NONE = 0, /* nothing (yet) */
    KEY_CHAR,     /* a printable ASCII character, the octet itself */
    KEY_ENTER,
    KEY_TAB,
    KEY_BACKSPACE,
    KEY_DELETE,
    KEY_LEFT,
    KEY_RIGHT,
    KEY_UP,
    KEY_DOWN,
    KEY_HOME,
    KEY_END,
    KEY_KILL_END,   /* ^K */
    KEY_KILL_START, /* ^U */
    KEY_KILL_WORD,  /* ^W */
    KEY_CLEAR,      /* ^L */
    KEY_INTERRUPT,  /* ^C */
    KEY_DELETE_EOF, /* ^D */
};

struct keys {
    uint8_t state;   /* private: plain, after ESC, in CSI, after ESC O */
    uint8_t param;   /* first numeric parameter of a CSI, saturating */
    bool param_done; /* a ';' came */
    bool after_cr;   /* LF directly after CR is the same Enter */
};

/* keys_decode - feed one octet. A zeroed struct keys is the initial state. */
enum key keys_decode(struct keys *k, char octet);

#endif
