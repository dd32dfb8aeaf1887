/* SPDX-License-Identifier: MIT */
#include "vmx/vmcs.h"

#include <stdio.h>

static const struct {
    const char *name;
    uint32_t enc;
} fields[] = {
#define VMCS_FIELD(width, name, encoding) {#name, encoding},
#include "vmx/vmcs_fields.def"
#undef VMCS_FIELD
};

void vmcs_dump(void (*line)(const char *text)) {
    char text[160];
    int n = 0;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        n += snprintf(text + n, sizeof text - (size_t)n, "%-22s %016lx  ", fields[i].name,
                      (unsigned long)vmcs_read_raw(fields[i].enc));
        if (i % 3 == 2 || i + 1 == ARRAY_LEN(fields)) {
            line(text);
            n = 0;
        }
    }
}
