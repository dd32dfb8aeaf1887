/* SPDX-License-Identifier: MIT */
/* The fault schedule: see fault.h for the rules' language. */
#define _GNU_SOURCE
#include "fault.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kind_names[NR_FAULT_KINDS] = {
    [FAULT_DROP] = "drop", [FAULT_DUP] = "dup", [FAULT_CORRUPT] = "corrupt",
    [FAULT_DELAY] = "delay", [FAULT_REORDER] = "reorder", [FAULT_DOWN] = "down",
};

/* splitmix64: a good 64-bit sequence from any seed. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* ---- parsing ---- */

static bool parse_number(const char *text, uint64_t *value)
{
    char *end;

    *value = strtoull(text, &end, 0);
    return end != text && !*end;
}

static bool parse_port(const char *text, int *port)
{
    uint64_t value;

    if (!parse_number(text, &value) || value > 255) {
        return false;
    }
    *port = (int)value;
    return true;
}

static bool parse_time(const char *text, uint64_t *ns)
{
    static const struct { const char *unit; uint64_t ns; } units[] = {
        { "", 1000 }, { "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 },
    };
    char *end;
    uint64_t value = strtoull(text, &end, 10);

    for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]) && end != text; i++) {
        if (!strcmp(end, units[i].unit)) {
            *ns = value * units[i].ns;
            return true;
        }
    }
    return false;
}

static bool parse_hex(const char *text, struct fault_pattern *pattern)
{
    size_t digits = strlen(text);

    if (digits == 0 || digits % 2 || digits / 2 > FAULT_PATTERN_MAX) {
        return false;
    }
    for (size_t i = 0; i < digits / 2; i++) {
        const char pair[3] = { text[2 * i], text[2 * i + 1], '\0' };
        char *end;

        pattern->bytes[i] = (uint8_t)strtoul(pair, &end, 16);
        if (*end) {
            return false;
        }
    }
    pattern->len = digits / 2;
    return true;
}

static bool parse_probability(const char *text, double *value)
{
    char *end;

    *value = strtod(text, &end);
    return end != text && !*end && *value >= 0.0 && *value <= 1.0;
}

static bool parse_pair(struct fault_rule *rule, const char *key, const char *value)
{
    if (!strcmp(key, "from")) {
        return parse_port(value, &rule->from);
    } else if (!strcmp(key, "to")) {
        return parse_port(value, &rule->to);
    } else if (!strcmp(key, "port")) {
        return parse_port(value, &rule->port);
    } else if (!strcmp(key, "min")) {
        return parse_number(value, &rule->min_bytes);
    } else if (!strcmp(key, "nth")) {
        return parse_number(value, &rule->nth);
    } else if (!strcmp(key, "every")) {
        return parse_number(value, &rule->every);
    } else if (!strcmp(key, "count")) {
        return parse_number(value, &rule->count);
    } else if (!strcmp(key, "p")) {
        return parse_probability(value, &rule->probability);
    } else if (!strcmp(key, "start")) {
        return parse_time(value, &rule->start_ns);
    } else if (!strcmp(key, "end")) {
        return parse_time(value, &rule->end_ns);
    } else if (!strcmp(key, "us")) {
        return parse_time(value, &rule->delay_ns);
    } else if (!strcmp(key, "after")) {
        return parse_hex(value, &rule->after);
    } else if (!strcmp(key, "match")) {
        return parse_hex(value, &rule->match);
    }
    return false;
}

static bool parse_kind(struct fault_rule *rule, const char *word)
{
    for (unsigned kind = 0; kind < NR_FAULT_KINDS; kind++) {
        if (!strcmp(word, kind_names[kind])) {
            rule->kind = (enum fault_kind)kind;
            return true;
        }
    }
    return false;
}

const char *fault_add(struct fault_schedule *schedule, const char *text)
{
    static char copy[1024];                 /* also holds the word that the caller prints */
    struct fault_rule rule = { .from = -1, .to = -1, .port = -1, .end_ns = UINT64_MAX,
                               .probability = 1.0, .delay_ns = 1000000 };
    char *rest = copy, *word;

    if (schedule->nr_rules == FAULT_RULES_MAX) {
        return "(too many rules)";
    }
    snprintf(copy, sizeof(copy), "%s", text);
    word = strsep(&rest, ",");
    if (!parse_kind(&rule, word)) {
        return word;
    }
    while ((word = strsep(&rest, ","))) {
        char *value = strchr(word, '=');

        if (!value) {
            return word;
        }
        *value = '\0';
        if (!parse_pair(&rule, word, value + 1)) {
            *value = '=';
            return word;
        }
    }
    rule.armed = rule.after.len == 0;
    rule.random = schedule->seed ^ (UINT64_C(0xa0761d6478bd642f) * (schedule->nr_rules + 1u));
    schedule->rules[schedule->nr_rules++] = rule;
    return NULL;
}

/* ---- judging ---- */

static bool contains(const struct fault_frame *frame, const struct fault_pattern *pattern)
{
    return memmem(frame->bytes, frame->len, pattern->bytes, pattern->len) != NULL;
}

static bool is_addressed(const struct fault_rule *rule, const struct fault_frame *frame)
{
    return (rule->from < 0 || rule->from == (int)frame->from)
        && (rule->to < 0 || rule->to == (int)frame->to)
        && (rule->port < 0 || rule->port == (int)frame->from || rule->port == (int)frame->to);
}

static bool is_hit(struct fault_rule *rule, const struct fault_frame *frame)
{
    if (!is_addressed(rule, frame)) {
        return false;
    }
    if (!rule->armed) {
        rule->armed = contains(frame, &rule->after);
        return false;
    }
    if (frame->len < rule->min_bytes || frame->time_ns < rule->start_ns || frame->time_ns >= rule->end_ns
        || (rule->match.len && !contains(frame, &rule->match))) {
        return false;
    }
    rule->seen++;
    if ((rule->nth && rule->seen != rule->nth) || (rule->every && rule->seen % rule->every)
        || (rule->count && rule->applied >= rule->count)) {
        return false;
    }
    if (rule->probability < 1.0
        && (double)(next_random(&rule->random) >> 11) * 0x1p-53 >= rule->probability) {
        return false;
    }
    rule->applied++;
    return true;
}

/* One bit behind the Ethernet header flips, as if the frame check had missed it. */
static void choose_corruption(struct fault_rule *rule, const struct fault_frame *frame,
                              struct fault_verdict *verdict)
{
    const size_t header = 14;
    uint64_t random = next_random(&rule->random);

    if (frame->len > header) {
        verdict->corrupt = true;
        verdict->corrupt_offset = header + (size_t)((random >> 8) % (frame->len - header));
        verdict->corrupt_mask = (uint8_t)(1u << (random & 7));
    }
}

struct fault_verdict fault_judge(struct fault_schedule *schedule, const struct fault_frame *frame)
{
    struct fault_verdict verdict = { .drop = false };

    for (unsigned i = 0; i < schedule->nr_rules; i++) {
        struct fault_rule *rule = &schedule->rules[i];

        if (!is_hit(rule, frame)) {
            continue;
        }
        switch (rule->kind) {
        case FAULT_DROP: verdict.drop = true; break;
        case FAULT_DOWN: verdict.down = true; break;
        case FAULT_DUP: verdict.copies++; break;
        case FAULT_CORRUPT: choose_corruption(rule, frame, &verdict); break;
        case FAULT_DELAY: verdict.delay_ns += rule->delay_ns; break;
        case FAULT_REORDER: verdict.reorder_ns += rule->delay_ns; break;
        case NR_FAULT_KINDS: break;
        }
    }
    return verdict;
}
