/* SPDX-License-Identifier: MIT */
/* keys.c - see keys.h. */
#include "console/keys.h"

enum { STATE_PLAIN = 0, STATE_ESC, STATE_CSI, STATE_SS3 };

static const uint8_t control_keys[32] = {
    [0x01] = KEY_HOME,  [0x02] = KEY_LEFT,     [0x03] = KEY_INTERRUPT,  [0x04] = KEY_DELETE_EOF,
    [0x05] = KEY_END,   [0x06] = KEY_RIGHT,    [0x08] = KEY_BACKSPACE,  [0x09] = KEY_TAB,
    [0x0a] = KEY_ENTER, [0x0b] = KEY_KILL_END, [0x0c] = KEY_CLEAR,      [0x0d] = KEY_ENTER,
    [0x0e] = KEY_DOWN,  [0x10] = KEY_UP,       [0x15] = KEY_KILL_START, [0x17] = KEY_KILL_WORD,
};

/* CSI n ~ */
static enum key tilde_key(uint8_t param) {
    switch (param) {
    case 1:
    case 7:
        return KEY_HOME;
    case 3:
        return KEY_DELETE;
    case 4:
    case 8:
        return KEY_END;
    default:
        return KEY_NONE;
    }
}

static enum key final_key(const struct keys *k, uint8_t c) {
    switch (c) {
    case 'A':
        return KEY_UP;
    case 'B':
        return KEY_DOWN;
    case 'C':
        return KEY_RIGHT;
    case 'D':
        return KEY_LEFT;
    case 'H':
        return KEY_HOME;
    case 'F':
        return KEY_END;
    case '~':
        return tilde_key(k->param);
    default:
        return KEY_NONE;
    }
}

static enum key decode_escape(struct keys *k, uint8_t c) {
    k->state = c == '[' ? STATE_CSI : c == 'O' ? STATE_SS3 : STATE_PLAIN;
    k->param = 0;
    k->param_done = false;
    return KEY_NONE; /* ESC and another character: an Alt key, ignored */
}

static enum key decode_csi(struct keys *k, uint8_t c) {
    if (c >= '0' && c <= '9' && !k->param_done)
        k->param = (uint8_t)(k->param > 20 ? 255 : k->param * 10 + (c - '0'));
    else if (c == ';')
        k->param_done = true;
    if (c < 0x40)
        return KEY_NONE;
    k->state = STATE_PLAIN;
    return final_key(k, c);
}

enum key keys_decode(struct keys *k, char octet) {
    uint8_t c = (uint8_t)octet;
    bool after_cr = k->after_cr;
    k->after_cr = c == '\r';
    if (c == 0x1b) {
        k->state = STATE_ESC;
        return KEY_NONE;
    }
    if (c < 0x20) {
        k->state = STATE_PLAIN;
        return c == '\n' && after_cr ? KEY_NONE : (enum key)control_keys[c];
    }
    if (c >= 0x80) {
        k->state = STATE_PLAIN;
        return KEY_NONE;
    }
    switch (k->state) {
    case STATE_ESC:
        return decode_escape(k, c);
    case STATE_CSI:
        return decode_csi(k, c);
    case STATE_SS3:
        k->state = STATE_PLAIN;
        return final_key(k, c);
    default:
        return c == 0x7f ? KEY_BACKSPACE : KEY_CHAR;
    }
}
