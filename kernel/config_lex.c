/* SPDX-License-Identifier: MIT */
#include "kernel/config_lex.h"

/* One line's octets while it is taken apart. */
struct cursor {
    const char *p;
    size_t len, pos;
};

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static bool is_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

static unsigned column(const struct cursor *c) {
    return (unsigned)c->pos + 1;
}

static void skip_blanks(struct cursor *c) {
    while (c->pos < c->len && is_blank(c->p[c->pos]))
        c->pos++;
}

/* Nothing but white space and a comment from here on? */
static bool at_end(struct cursor *c) {
    skip_blanks(c);
    return c->pos >= c->len || c->p[c->pos] == '#';
}

static enum config_line_kind bad(struct config_line *out, unsigned col, const char *error) {
    out->error = error;
    out->error_column = col;
    return CONFIG_LINE_BAD;
}

/* Copies a word into buf (cap includes the end mark); false when it is empty or too long. */
static bool take_word(struct cursor *c, char *buf, size_t cap) {
    size_t n = 0;
    for (; c->pos < c->len && is_word(c->p[c->pos]); c->pos++) {
        if (n + 1 >= cap)
            return false;
        buf[n++] = c->p[c->pos];
    }
    buf[n] = '\0';
    return n > 0;
}

static enum config_line_kind lex_section(struct cursor *c, struct config_line *out) {
    c->pos++; /* the bracket */
    skip_blanks(c);
    out->key_column = column(c);
    if (!take_word(c, out->key, sizeof(out->key)))
        return bad(out, out->key_column,
                   "a section's name is missing or too long; write for example [vm web]");
    skip_blanks(c);
    out->value_column = column(c);
    if (c->pos < c->len && c->p[c->pos] != ']' && !take_word(c, out->value, CONFIG_KEY_LEN))
        return bad(out, out->value_column,
                   "a name has 1 to 31 letters, digits, '-', '_' or '.'; write for example [vm web]");
    skip_blanks(c);
    if (c->pos >= c->len || c->p[c->pos] != ']')
        return bad(out, column(c), "']' expected; write for example [host] or [vm web]");
    c->pos++;
    if (!at_end(c))
        return bad(out, column(c), "nothing but a comment may follow a section; begin a new line");
    return CONFIG_LINE_SECTION;
}

static enum config_line_kind lex_quoted(struct cursor *c, struct config_line *out) {
    size_t n = 0;
    for (c->pos++; c->pos < c->len && c->p[c->pos] != '"'; c->pos++) {
        char ch = c->p[c->pos];
        if (ch == '\\' && c->pos + 1 < c->len && (c->p[c->pos + 1] == '"' || c->p[c->pos + 1] == '\\'))
            ch = c->p[++c->pos];
        out->value[n++] = ch; /* the line's limit is the buffer's */
    }
    out->value[n] = '\0';
    if (c->pos >= c->len)
        return bad(out, out->value_column, "the closing '\"' is missing on this line");
    c->pos++;
    if (!at_end(c))
        return bad(out, column(c), "nothing but a comment may follow a quoted value");
    return CONFIG_LINE_PAIR;
}

static enum config_line_kind lex_plain(struct cursor *c, struct config_line *out) {
    size_t n = 0;
    while (c->pos < c->len && !(c->p[c->pos] == '#' && is_blank(c->p[c->pos - 1])))
        out->value[n++] = c->p[c->pos++];
    while (n > 0 && is_blank(out->value[n - 1]))
        n--;
    out->value[n] = '\0';
    return CONFIG_LINE_PAIR;
}

static enum config_line_kind lex_pair(struct cursor *c, struct config_line *out) {
    out->key_column = column(c);
    if (!take_word(c, out->key, sizeof(out->key)))
        return bad(out, out->key_column,
                   "a section such as [vm web] or a line such as memory = 256M expected");
    skip_blanks(c);
    if (c->pos >= c->len || c->p[c->pos] != '=')
        return bad(out, column(c), "'=' expected after the key; write for example memory = 256M");
    c->pos++;
    skip_blanks(c);
    out->value_column = column(c);
    return c->pos < c->len && c->p[c->pos] == '"' ? lex_quoted(c, out) : lex_plain(c, out);
}

static bool is_text(char ch, bool in_comment) {
    uint8_t b = (uint8_t)ch;
    return b == '\t' || (b >= 0x20 && b < 0x7f) || (b >= 0x80 && in_comment);
}

/* Is each octet text? A comment may hold any language; the rest is ASCII. */
static bool check_text(const struct cursor *c, struct config_line *out) {
    bool in_comment = false, in_quotes = false;
    for (size_t i = 0; i < c->len; i++) {
        char ch = c->p[i];
        if (ch == '"' && !in_comment && !(in_quotes && c->p[i - 1] == '\\'))
            in_quotes = !in_quotes;
        if (ch == '#' && !in_quotes && (i == 0 || is_blank(c->p[i - 1])))
            in_comment = true;
        if (!is_text(ch, in_comment)) {
            out->error_column = (unsigned)i + 1;
            out->byte = (uint8_t)ch;
            return false;
        }
    }
    return true;
}

void config_lex_init(struct config_lex *lex, const char *text, size_t len) {
    static const uint8_t bom[] = {0xef, 0xbb, 0xbf};
    *lex = (struct config_lex){.text = text, .len = len};
    size_t n = 0;
    while (n < sizeof(bom) && n < len && (uint8_t)text[n] == bom[n])
        n++;
    if (n == sizeof(bom))
        lex->pos = n;
}

/* The octets up to the line's end; moves on to the next line. */
static struct cursor take_line(struct config_lex *lex) {
    const char *p = lex->text + lex->pos;
    size_t left = lex->len - lex->pos, n = 0;
    while (n < left && p[n] != '\n' && p[n] != '\r')
        n++;
    lex->pos += n;
    if (n < left)
        lex->pos += p[n] == '\r' && n + 1 < left && p[n + 1] == '\n' ? 2 : 1;
    return (struct cursor){.p = p, .len = n};
}

enum config_line_kind config_lex_next(struct config_lex *lex, struct config_line *out) {
    out->key[0] = out->value[0] = '\0';
    out->key_column = out->value_column = out->error_column = 1;
    if (lex->pos >= lex->len)
        return out->kind = CONFIG_LINE_END;
    struct cursor c = take_line(lex);
    out->number = ++lex->line;
    if (!check_text(&c, out)) {
        lex->pos = lex->len;
        return out->kind = CONFIG_LINE_BINARY;
    }
    if (c.len > CONFIG_LINE_MAX)
        return out->kind =
                   bad(out, CONFIG_LINE_MAX + 1, "the line is longer than 1200 characters; shorten it");
    if (at_end(&c))
        return out->kind = CONFIG_LINE_BLANK;
    return out->kind = c.p[c.pos] == '[' ? lex_section(&c, out) : lex_pair(&c, out);
}
