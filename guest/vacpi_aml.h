/* SPDX-License-Identifier: MIT */
/* vacpi_aml.h - a writer of octets with the few AML and resource constructs that the guest's DSDT needs.
 * - aml_put8 .. aml_put64, aml_put_bytes: plain little-endian octets (the static tables use only these).
 * - aml_name, aml_integer, aml_string, aml_eisa_id: objects.
 * - aml_open_scope .. aml_open_buffer, aml_close: constructs that contain others; close writes the package
 * length.
 * - aml_res_*: resource descriptors inside a buffer; aml_res_end is the last one.
 * Errors stick: what does not fit sets `full` and writes nothing more.
 * Source: ACPI Specification 6.4, chapter 20 "ACPI Machine Language (AML) Specification" and section 6.4
 * "Resource Data Types for ACPI". */
#ifndef GUEST_VACPI_AML_H
#define GUEST_VACPI_AML_H

#include "kernel/types.h"

struct aml {
    uint8_t *buf;
    size_t cap;
    size_t pos;
    bool full;
};

void aml_put8(struct aml *a, uint8_t v);
void aml_put16(struct aml *a, uint16_t v);
void aml_put32(struct aml *a, uint32_t v);
void aml_put64(struct aml *a, uint64_t v);
void aml_put_bytes(struct aml *a, const void *v, size_t len);

/* aml_integer - the shortest encoding of a constant. */
void aml_integer(struct aml *a, uint64_t v);
void aml_string(struct aml *a, const char *text);
/* aml_eisa_id - a hardware identifier such as "PNP0A03" as the packed 32-bit constant. */
void aml_eisa_id(struct aml *a, const char *id);
/* aml_name - Name (name, ...): the caller writes the object next. name: one segment of up to four characters,
 * with or without a leading backslash. */
void aml_name(struct aml *a, const char *name);

/* Containers: the result of open goes to close. */
size_t aml_open_scope(struct aml *a, const char *name);
size_t aml_open_device(struct aml *a, const char *name);
size_t aml_open_package(struct aml *a, uint8_t nr_elements);
void aml_close(struct aml *a, size_t mark);

/* A resource template: a buffer whose length aml_close_resources fills in. */
size_t aml_open_resources(struct aml *a);
void aml_close_resources(struct aml *a, size_t mark);
/* aml_res_io - a fixed range of `len` ports. */
void aml_res_io(struct aml *a, uint16_t port, uint8_t len);
/* aml_res_irq - an edge-triggered, active-high, exclusive ISA interrupt. */
void aml_res_irq(struct aml *a, unsigned irq);
/* aml_res_fixed_memory - a fixed 32-bit range, read and write. */
void aml_res_fixed_memory(struct aml *a, uint32_t base, uint32_t len);
/* aml_res_window_* - what a bridge passes on: [first, last]. */
void aml_res_window_bus(struct aml *a, uint16_t first, uint16_t last);
void aml_res_window_io(struct aml *a, uint16_t first, uint16_t last);
void aml_res_window_memory(struct aml *a, uint32_t first, uint32_t last);

#endif
