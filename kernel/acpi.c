/* SPDX-License-Identifier: MIT */
#include "kernel/acpi.h"

#include <string.h>

#include "kernel/frames.h"
#include "kernel/io.h"
#include "kernel/log.h"

#define SDT_HEADER 36u
#define FADT_FLAG_TMR_VAL_EXT BIT(8)
#define FADT_FLAG_RESET_REG BIT(10)
#define PM1_SLP_EN BIT(13)

static struct acpi_info acpi;
static hpa_t map_end;

static uint32_t get32(const uint8_t *p) {
    uint32_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

static uint64_t get64(const uint8_t *p) {
    uint64_t v;
    memcpy(&v, p, sizeof v);
    return v;
}

/* A table with header, inside the direct map, with a correct checksum; else NULL. */
static const uint8_t *table_at(hpa_t pa) {
    if (pa == 0 || pa >= map_end || map_end - pa < SDT_HEADER)
        return NULL;
    const uint8_t *t = phys_to_virt(pa);
    uint32_t len = get32(t + 4);
    if (len < SDT_HEADER || len > MIB || map_end - pa < len)
        return NULL;
    uint8_t sum = 0;
    for (uint32_t i = 0; i < len; i++)
        sum = (uint8_t)(sum + t[i]);
    if (sum != 0) {
        log_warn("acpi: table %.4s at %#lx has a wrong checksum and is ignored", (const char *)t, (unsigned long)pa);
        return NULL;
    }
    return t;
}

static void parse_fadt(const uint8_t *t) {
    uint32_t len = get32(t + 4);
    if (len < 116)
        return;
    uint32_t flags = get32(t + 112);
    acpi.pm1a_cnt_port = (uint16_t)get32(t + 64);
    acpi.pm1b_cnt_port = (uint16_t)get32(t + 68);
    acpi.pm_timer_port = (uint16_t)get32(t + 76);
    acpi.pm_timer_32bit = (flags & FADT_FLAG_TMR_VAL_EXT) != 0;
    /* RESET_REG is a Generic Address Structure at offset 116: space id 1 = I/O, address at +4. */
    if (len >= 129 && (flags & FADT_FLAG_RESET_REG) != 0 && t[116] == 1) {
        acpi.reset_port = (uint16_t)get64(t + 120);
        acpi.reset_value = t[128];
    }
}

/* A CPU can be listed twice, as a local APIC and as a local x2APIC (ACPI 6.5, 5.2.12.12). */
static void add_cpu(uint32_t apic_id) {
    for (unsigned i = 0; i < acpi.nr_cpus; i++)
        if (acpi.apic_id[i] == apic_id)
            return;
    if (acpi.nr_cpus == ACPI_MAX_CPUS)
        acpi.nr_cpus_beyond++;
    else
        acpi.apic_id[acpi.nr_cpus++] = apic_id;
}

static void parse_madt(const uint8_t *t) {
    uint32_t len = get32(t + 4);
    for (uint32_t off = 44; off + 2 <= len && t[off + 1] >= 2; off += t[off + 1]) {
        if (t[off] == 0 && off + 8 <= len && (get32(t + off + 4) & 1) != 0 && t[off + 3] != 0xff)
            add_cpu(t[off + 3]);
        if (t[off] == 1 && off + 12 <= len && acpi.nr_ioapics < ACPI_MAX_IOAPICS)
            acpi.ioapic[acpi.nr_ioapics++] = get32(t + off + 4);
        if (t[off] == 9 && off + 16 <= len && (get32(t + off + 8) & 1) != 0)
            add_cpu(get32(t + off + 4));
    }
}

void acpi_init(hpa_t rsdp, hpa_t direct_map_end) {
    map_end = direct_map_end;
    if (rsdp == 0 || rsdp + 36 > map_end) {
        log_warn("acpi: the firmware gives no root pointer; timer calibration and reset use legacy hardware");
        return;
    }
    const uint8_t *root = phys_to_virt(rsdp);
    bool wide = root[15] >= 2 && get64(root + 24) != 0;
    const uint8_t *list = table_at(wide ? get64(root + 24) : get32(root + 16));
    if (list == NULL)
        return;
    uint32_t step = wide ? 8 : 4;
    for (uint32_t off = SDT_HEADER; off + step <= get32(list + 4); off += step) {
        const uint8_t *t = table_at(wide ? get64(list + off) : get32(list + off));
        if (t != NULL && memcmp(t, "FACP", 4) == 0)
            parse_fadt(t);
        if (t != NULL && memcmp(t, "APIC", 4) == 0)
            parse_madt(t);
    }
    acpi.found = true;
}

const struct acpi_info *acpi_get(void) {
    return &acpi;
}

void acpi_reset(void) {
    if (acpi.reset_port != 0)
        io_out8(acpi.reset_port, acpi.reset_value);
}

void acpi_power_off(void) {
    /* SLP_TYPa for S5 is in AML; 0, 5 and 7 cover the machines met so far (emulators 0 or 5, servers 5 or 7). */
    static const uint16_t types[] = {0, 5, 7};
    if (acpi.pm1a_cnt_port == 0)
        return;
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        io_out16(acpi.pm1a_cnt_port, (uint16_t)(types[i] << 10 | PM1_SLP_EN));
}
