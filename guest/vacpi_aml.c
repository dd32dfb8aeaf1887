/* SPDX-License-Identifier: MIT */
#include "guest/vacpi_aml.h"

#include <string.h>

/* AML octets. Source: ACPI Specification 6.4, section 20.3 "AML Byte Stream Byte Values". */
#define OP_ZERO 0x00u
#define OP_ONE 0x01u
#define OP_NAME 0x08u
#define OP_BYTE 0x0au
#define OP_WORD 0x0bu
#define OP_DWORD 0x0cu
#define OP_STRING 0x0du
#define OP_QWORD 0x0eu
#define OP_SCOPE 0x10u
#define OP_BUFFER 0x11u
#define OP_PACKAGE 0x12u
#define OP_ROOT '\\'
#define OP_EXT 0x5bu
#define OP_EXT_DEVICE 0x82u

/* Resource descriptors. Source: ACPI Specification 6.4, sections 6.4.2 and 6.4.3. */
#define RES_IRQ 0x22u            /* small, 2 octets: edge, active high, exclusive */
#define RES_IO 0x47u             /* small, 7 octets */
#define RES_IO_DECODE16 0x01u
#define RES_END 0x79u            /* small, 1 octet: checksum, 0 = not computed */
#define RES_FIXED_MEMORY32 0x86u /* large */
#define RES_DWORD_WINDOW 0x87u   /* large */
#define RES_WORD_WINDOW 0x88u    /* large */
#define RES_WRITABLE 0x01u
#define WINDOW_MEMORY 0u
#define WINDOW_IO 1u
#define WINDOW_BUS 2u
#define WINDOW_FIXED 0x0cu       /* minimum and maximum are fixed, positive decode, producer */
#define WINDOW_IO_ENTIRE 0x03u   /* ISA and non-ISA ports */

void aml_put_bytes(struct aml *a, const void *v, size_t len) {
    if (a->full || len > a->cap - a->pos) {
        a->full = true;
        return;
    }
    memcpy(a->buf + a->pos, v, len);
    a->pos += len;
}

static void put_little(struct aml *a, uint64_t v, size_t len) {
    uint8_t octets[8];
    for (size_t i = 0; i < len; i++)
        octets[i] = (uint8_t)(v >> (8 * i));
    aml_put_bytes(a, octets, len);
}

void aml_put8(struct aml *a, uint8_t v) {
    put_little(a, v, 1);
}

void aml_put16(struct aml *a, uint16_t v) {
    put_little(a, v, 2);
}

void aml_put32(struct aml *a, uint32_t v) {
    put_little(a, v, 4);
}

void aml_put64(struct aml *a, uint64_t v) {
    put_little(a, v, 8);
}

void aml_integer(struct aml *a, uint64_t v) {
    if (v <= 1) {
        aml_put8(a, v == 0 ? (uint8_t)OP_ZERO : (uint8_t)OP_ONE);
    } else if (v <= UINT8_MAX) {
        aml_put8(a, OP_BYTE);
        put_little(a, v, 1);
    } else if (v <= UINT16_MAX) {
        aml_put8(a, OP_WORD);
        put_little(a, v, 2);
    } else if (v <= UINT32_MAX) {
        aml_put8(a, OP_DWORD);
        put_little(a, v, 4);
    } else {
        aml_put8(a, OP_QWORD);
        put_little(a, v, 8);
    }
}

void aml_string(struct aml *a, const char *text) {
    aml_put8(a, OP_STRING);
    aml_put_bytes(a, text, strlen(text) + 1);
}

static uint32_t hex_digit(char c) {
    return (uint32_t)(c <= '9' ? c - '0' : c - 'A' + 10);
}

/* Three letters of five bits, then four hex digits, stored with the highest octet first. */
void aml_eisa_id(struct aml *a, const char *id) {
    uint32_t v = (uint32_t)(id[0] - '@') << 10 | (uint32_t)(id[1] - '@') << 5 | (uint32_t)(id[2] - '@');
    for (unsigned i = 3; i < 7; i++)
        v = v << 4 | hex_digit(id[i]);
    aml_put8(a, OP_DWORD);
    aml_put32(a, v >> 24 | (v >> 8 & 0xff00) | (v << 8 & 0xff0000) | v << 24);
}

static void put_name_segment(struct aml *a, const char *name) {
    char segment[4] = {'_', '_', '_', '_'};
    if (name[0] == '\\') {
        aml_put8(a, OP_ROOT);
        name++;
    }
    memcpy(segment, name, MIN(strlen(name), sizeof(segment)));
    aml_put_bytes(a, segment, sizeof(segment));
}

void aml_name(struct aml *a, const char *name) {
    aml_put8(a, OP_NAME);
    put_name_segment(a, name);
}

size_t aml_open_scope(struct aml *a, const char *name) {
    aml_put8(a, OP_SCOPE);
    size_t mark = a->pos;
    put_name_segment(a, name);
    return mark;
}

size_t aml_open_device(struct aml *a, const char *name) {
    aml_put8(a, OP_EXT);
    aml_put8(a, OP_EXT_DEVICE);
    size_t mark = a->pos;
    put_name_segment(a, name);
    return mark;
}

size_t aml_open_package(struct aml *a, uint8_t nr_elements) {
    aml_put8(a, OP_PACKAGE);
    size_t mark = a->pos;
    aml_put8(a, nr_elements);
    return mark;
}

/* Make room for `len` octets at `mark` by moving what follows. */
static uint8_t *insert(struct aml *a, size_t mark, size_t len) {
    static const uint8_t zeros[4];
    size_t end = a->pos;
    aml_put_bytes(a, zeros, len);
    if (a->full)
        return NULL;
    memmove(a->buf + mark + len, a->buf + mark, end - mark);
    return a->buf + mark;
}

/* PkgLength counts itself. One octet holds 6 bits; more octets hold 4 bits in the first and 8 in each other.
 * */
void aml_close(struct aml *a, size_t mark) {
    size_t len = a->pos - mark;
    size_t octets = len + 1 < 64 ? 1 : len + 2 < BIT(12) ? 2 : 3;
    uint8_t *p = insert(a, mark, octets);
    if (p == NULL)
        return;
    len += octets;
    if (octets == 1) {
        p[0] = (uint8_t)len;
        return;
    }
    p[0] = (uint8_t)((octets - 1) << 6 | (len & 15));
    for (size_t i = 1; i < octets; i++)
        p[i] = (uint8_t)(len >> (8 * i - 4));
}

size_t aml_open_resources(struct aml *a) {
    aml_put8(a, OP_BUFFER);
    return a->pos;
}

/* The buffer's size is a constant before its octets; two octets of it are always enough here. */
void aml_close_resources(struct aml *a, size_t mark) {
    aml_put8(a, RES_END);
    aml_put8(a, 0);
    size_t len = a->pos - mark;
    uint8_t *p = insert(a, mark, 3);
    if (p == NULL)
        return;
    p[0] = OP_WORD;
    p[1] = (uint8_t)len;
    p[2] = (uint8_t)(len >> 8);
    aml_close(a, mark);
}

void aml_res_io(struct aml *a, uint16_t port, uint8_t len) {
    aml_put8(a, RES_IO);
    aml_put8(a, RES_IO_DECODE16);
    aml_put16(a, port); /* minimum */
    aml_put16(a, port); /* maximum */
    aml_put8(a, 1);     /* alignment */
    aml_put8(a, len);
}

void aml_res_irq(struct aml *a, unsigned irq) {
    aml_put8(a, RES_IRQ);
    aml_put16(a, (uint16_t)BIT(irq));
}

void aml_res_fixed_memory(struct aml *a, uint32_t base, uint32_t len) {
    aml_put8(a, RES_FIXED_MEMORY32);
    aml_put16(a, 9);
    aml_put8(a, RES_WRITABLE);
    aml_put32(a, base);
    aml_put32(a, len);
}

static void word_window(struct aml *a, uint8_t type, uint8_t type_flags, uint16_t first, uint16_t last) {
    aml_put8(a, RES_WORD_WINDOW);
    aml_put16(a, 13);
    aml_put8(a, type);
    aml_put8(a, WINDOW_FIXED);
    aml_put8(a, type_flags);
    aml_put16(a, 0); /* granularity */
    aml_put16(a, first);
    aml_put16(a, last);
    aml_put16(a, 0); /* translation */
    aml_put16(a, (uint16_t)(last - first + 1));
}

void aml_res_window_bus(struct aml *a, uint16_t first, uint16_t last) {
    word_window(a, WINDOW_BUS, 0, first, last);
}

void aml_res_window_io(struct aml *a, uint16_t first, uint16_t last) {
    word_window(a, WINDOW_IO, WINDOW_IO_ENTIRE, first, last);
}

void aml_res_window_memory(struct aml *a, uint32_t first, uint32_t last) {
    aml_put8(a, RES_DWORD_WINDOW);
    aml_put16(a, 23);
    aml_put8(a, WINDOW_MEMORY);
    aml_put8(a, WINDOW_FIXED);
    aml_put8(a, RES_WRITABLE); /* not cacheable */
    aml_put32(a, 0);           /* granularity */
    aml_put32(a, first);
    aml_put32(a, last);
    aml_put32(a, 0);           /* translation */
    aml_put32(a, last - first + 1);
}
