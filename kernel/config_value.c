/* SPDX-License-Identifier: MIT */
#include "kernel/config_value.h"

#include <string.h>

/* Takes decimal digits from *text; false when there is none or the number is above max. */
static bool take_number(const char **text, uint64_t max, uint64_t *out) {
    const char *p = *text;
    uint64_t v = 0;
    if (*p < '0' || *p > '9')
        return false;
    for (; *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (v > (max - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *text = p;
    *out = v;
    return true;
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool config_value_number(const char *text, uint64_t *out) {
    uint64_t v;
    if (!take_number(&text, UINT64_MAX, &v) || *text != '\0')
        return false;
    *out = v;
    return true;
}

bool config_value_size(const char *text, uint64_t *out) {
    static const char units[] = "kmgt";
    uint64_t v;
    unsigned shift = 0;
    if (!take_number(&text, UINT64_MAX, &v))
        return false;
    while (*text == ' ')
        text++;
    const char *unit = *text != '\0' ? strchr(units, lower(*text)) : NULL;
    if (unit != NULL) {
        shift = 10 * (unsigned)(unit - units + 1);
        text++;
        if (lower(*text) == 'i')
            text++;
        if (lower(*text) == 'b')
            text++;
    }
    if (*text != '\0' || v > UINT64_MAX >> shift)
        return false;
    *out = v << shift;
    return true;
}

static bool take_ipv4(const char **text, uint8_t out[4]) {
    const char *p = *text;
    uint8_t addr[4];
    for (unsigned i = 0; i < 4; i++) {
        uint64_t v;
        if ((i > 0 && *p++ != '.') || !take_number(&p, 255, &v))
            return false;
        addr[i] = (uint8_t)v;
    }
    memcpy(out, addr, sizeof(addr));
    *text = p;
    return true;
}

bool config_value_ipv4(const char *text, uint8_t out[4]) {
    uint8_t addr[4];
    if (!take_ipv4(&text, addr) || *text != '\0')
        return false;
    memcpy(out, addr, sizeof(addr));
    return true;
}

bool config_value_network(const char *text, uint8_t addr[4], uint8_t *prefix) {
    uint8_t a[4];
    uint64_t v;
    if (!take_ipv4(&text, a) || *text++ != '/' || !take_number(&text, 32, &v) || *text != '\0' || v == 0)
        return false;
    memcpy(addr, a, sizeof(a));
    *prefix = (uint8_t)v;
    return true;
}

bool config_value_endpoint(const char *text, uint8_t addr[4], uint16_t *port) {
    uint8_t a[4];
    uint64_t v = 0;
    if (!take_ipv4(&text, a))
        return false;
    bool given = *text == ':';
    if (given) {
        text++;
        if (!take_number(&text, UINT16_MAX, &v) || v == 0)
            return false;
    }
    if (*text != '\0')
        return false;
    memcpy(addr, a, sizeof(a));
    if (given)
        *port = (uint16_t)v;
    return true;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool config_value_mac(const char *text, uint8_t out[6]) {
    uint8_t mac[6], any = 0;
    for (unsigned i = 0; i < 6; i++) {
        if (i > 0 && *text != ':' && *text != '-')
            return false;
        text += i > 0;
        int high = hex_digit(text[0]);
        int low = high < 0 ? -1 : hex_digit(text[1]);
        if (low < 0)
            return false;
        mac[i] = (uint8_t)(high << 4 | low);
        any |= mac[i];
        text += 2;
    }
    if (*text != '\0' || any == 0 || (mac[0] & 1) != 0)
        return false;
    memcpy(out, mac, sizeof(mac));
    return true;
}
