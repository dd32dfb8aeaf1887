/* SPDX-License-Identifier: MIT */
/* config_lex.h - splits the text of godwit.cfg into lines with a meaning; needs nothing but memory functions.
 * - config_lex_init: bind a text (a UTF-8 byte order mark is skipped).
 * - config_lex_next: the next line: a section, a `key = value` pair, or a mistake with its column.
 *
 *     [section]   [section NAME]   key = value   key = "quoted # value"   # comment
 *
 * Lines end with LF, CR LF or CR. `#` begins a comment at the start of a line and after white space. In a
 * quoted value \" and \\ stand for " and \; any other backslash stands for itself. Outside comments only
 * ASCII is text. */
#ifndef KERNEL_CONFIG_LEX_H
#define KERNEL_CONFIG_LEX_H

#include "kernel/types.h"

#define CONFIG_LINE_MAX 1200u /* octets of one line, without its end */
#define CONFIG_KEY_LEN 32u
#define CONFIG_VALUE_LEN (CONFIG_LINE_MAX + 1)

enum config_line_kind {
    CONFIG_LINE_END = 1, /* no more lines */
    CONFIG_LINE_BLANK,   /* empty or a comment */
    CONFIG_LINE_SECTION, /* key: the word; value: its name or "" */
    CONFIG_LINE_PAIR,    /* key, value */
    CONFIG_LINE_BAD,     /* error, column; the next line can be read */
    CONFIG_LINE_BINARY   /* not a text file: byte, column; nothing more can be read */
};

struct config_line {
    enum config_line_kind kind;
    unsigned number;       /* line, counted from 1 */
    unsigned key_column;   /* columns count octets from 1 */
    unsigned value_column; /* of the value or the section's name */
    char key[CONFIG_KEY_LEN];
    char value[CONFIG_VALUE_LEN];
    const char *error;     /* CONFIG_LINE_BAD: what is wrong and what to write */
    unsigned error_column; /* CONFIG_LINE_BAD, CONFIG_LINE_BINARY */
    uint8_t byte;          /* CONFIG_LINE_BINARY */
};

struct config_lex {
    const char *text;
    size_t len, pos;
    unsigned line;
};

void config_lex_init(struct config_lex *lex, const char *text, size_t len);
/* config_lex_next - returns out->kind. After CONFIG_LINE_BINARY it returns CONFIG_LINE_END. */
enum config_line_kind config_lex_next(struct config_lex *lex, struct config_line *out);

#endif
