/* SPDX-License-Identifier: MIT */
/* json.c - see json.h. Source: RFC 8259, section 7 "Strings". */
#include "console/json.h"

#include <inttypes.h>

static void put_escaped(const struct out *o, const char *text) {
    out_puts(o, "\"");
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            out_printf(o, "\\%c", c);
        else if (c < 0x20 || c >= 0x7f)
            out_printf(o, "\\u%04x", c);
        else
            out_write(o, text, 1);
    }
    out_puts(o, "\"");
}

static void put_key(struct json *j, const char *key) {
    if (j->comma)
        out_puts(j->out, ",");
    j->comma = true;
    if (key != NULL) {
        put_escaped(j->out, key);
        out_puts(j->out, ":");
    }
}

void json_begin(struct json *j, const struct out *o, const char *event) {
    *j = (struct json){ .out = o };
    json_open(j, NULL, '{');
    json_str(j, "event", event);
}

void json_end(struct json *j) {
    while (j->depth > 0)
        json_close(j);
    out_puts(j->out, "\n");
}

void json_str(struct json *j, const char *key, const char *value) {
    put_key(j, key);
    if (value == NULL)
        out_puts(j->out, "null");
    else
        put_escaped(j->out, value);
}

void json_u64(struct json *j, const char *key, uint64_t value) {
    put_key(j, key);
    out_printf(j->out, "%" PRIu64, value);
}

void json_bool(struct json *j, const char *key, bool value) {
    put_key(j, key);
    out_puts(j->out, value ? "true" : "false");
}

void json_open(struct json *j, const char *key, char bracket) {
    if (j->depth == JSON_MAX_DEPTH)
        return;
    put_key(j, key);
    out_write(j->out, &bracket, 1);
    j->closer[j->depth++] = bracket == '{' ? '}' : ']';
    j->comma = false;
}

void json_close(struct json *j) {
    if (j->depth == 0)
        return;
    out_write(j->out, &j->closer[--j->depth], 1);
    j->comma = true;
}
