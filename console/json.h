/* SPDX-License-Identifier: MIT */
/* json.h - one JSON object per line, written as it is built.
 * - json_begin .. json_end: one line `{"event":"NAME",...}` and its newline.
 * - json_str/u64/bool/null: members; key NULL inside an array.
 * - json_open, json_close: nested '{' or '['.
 * Strings are escaped; octets that are not printable ASCII become \u00XX (as ISO 8859-1), so a line is always
 * valid JSON. */
#ifndef CONSOLE_JSON_H
#define CONSOLE_JSON_H

#include "console/out.h"

#define JSON_MAX_DEPTH 4

struct json {
    const struct out *out;
    unsigned depth;
    bool comma; /* the next member needs one */
    char closer[JSON_MAX_DEPTH];
};

void json_begin(struct json *j, const struct out *o, const char *event);
void json_end(struct json *j);
void json_str(struct json *j, const char *key, const char *value); /* value NULL: null */
void json_u64(struct json *j, const char *key, uint64_t value);
void json_bool(struct json *j, const char *key, bool value);
/* json_open - bracket: '{' or '['; deeper than JSON_MAX_DEPTH is a bug and does nothing. */
void json_open(struct json *j, const char *key, char bracket);
void json_close(struct json *j);

#endif
