/* SPDX-License-Identifier: MIT */
#include "guest/vacpi.h"

#include <stdlib.h>
#include <string.h>

#include "guest/vacpi_aml.h"
#include "guest/vacpi_dsdt.h"
#include "kernel/hw/acpi_pm_regs.h"
#include "kernel/hw/mc146818_regs.h"

#define AREA_BYTES (VACPI_END - VACPI_START)
#define OEM_ID "GODWIT"      /* 6 octets */
#define OEM_TABLE "GUEST   " /* 8 octets */
#define CREATOR "GDWT"       /* 4 octets */
#define FACS_OFFSET 0x40u
#define TABLES_OFFSET 0x80u

/* Table header. Source: ACPI Specification 6.4, section 5.2.6 "System Description Table Header". */
#define HEADER_LENGTH 4
#define HEADER_CHECKSUM 9

/* FADT flags. Source: ACPI Specification 6.4, table 5.10 "Fixed ACPI Description Table Fixed Feature Flags".
 * */
#define FADT_WBINVD BIT(0)
#define FADT_PROC_C1 BIT(2)
#define FADT_SLP_BUTTON BIT(5)   /* no sleep button in the fixed registers; a power button is (bit 4 = 0) */
#define FADT_FIX_RTC BIT(6)      /* no RTC wake status in the fixed registers */
#define FADT_TMR_VAL_EXT BIT(8)  /* the timer has 32 bits */
#define FADT_RESET_REG_SUP BIT(10)
/* IA-PC boot flags, table 5.11: there is no 8042 to find (bit 1 = 0) */
#define BOOT_LEGACY_DEVICES BIT(0)
#define BOOT_NO_VGA BIT(2)
#define NO_C2_LATENCY 0xfff
#define NO_C3_LATENCY 0xfff
#define PROFILE_ENTERPRISE_SERVER 4

/* Generic address. Source: ACPI Specification 6.4, section 5.2.3.2 "Generic Address Structure". */
#define GAS_SYSTEM_IO 1
#define GAS_BYTE 1
#define GAS_WORD 2
#define GAS_DWORD 3

/* MADT. Source: ACPI Specification 6.4, section 5.2.12 "Multiple APIC Description Table (MADT)". */
#define MADT_PCAT_COMPAT 1
#define MADT_LAPIC 0
#define MADT_IOAPIC 1
#define MADT_OVERRIDE 2
#define MADT_LAPIC_NMI 4
#define MADT_X2APIC 9
#define MADT_X2APIC_NMI 10
#define MADT_ENABLED 1
#define MADT_INTI_LEVEL_HIGH 0x0d
#define FIRST_X2APIC_ID 255u

static uint8_t checksum(const uint8_t *p, size_t len) {
    uint8_t sum = 0;
    while (len-- > 0)
        sum = (uint8_t)(sum + *p++);
    return (uint8_t)-sum;
}

static void align(struct aml *a, size_t to) {
    while (a->pos % to != 0 && !a->full)
        aml_put8(a, 0);
}

/* Begin a table; returns its offset. table_close fills in the length and checksum. */
static size_t table_open(struct aml *a, const char *signature, uint8_t revision) {
    align(a, 16);
    size_t start = a->pos;
    aml_put_bytes(a, signature, 4);
    aml_put32(a, 0);
    aml_put8(a, revision);
    aml_put8(a, 0);
    aml_put_bytes(a, OEM_ID, 6);
    aml_put_bytes(a, OEM_TABLE, 8);
    aml_put32(a, 1); /* OEM revision */
    aml_put_bytes(a, CREATOR, 4);
    aml_put32(a, 1); /* creator revision */
    return start;
}

static uint32_t table_close(struct aml *a, size_t start) {
    size_t len = a->pos - start;
    if (!a->full) {
        for (unsigned i = 0; i < 4; i++)
            a->buf[start + HEADER_LENGTH + i] = (uint8_t)(len >> (8 * i));
        a->buf[start + HEADER_CHECKSUM] = checksum(a->buf + start, len);
    }
    return VACPI_START + (uint32_t)start;
}

static uint32_t emit_dsdt(struct aml *a) {
    size_t start = table_open(a, "DSDT", 2);
    vacpi_dsdt_emit(a);
    return table_close(a, start);
}

static void put_gas(struct aml *a, uint8_t bits, uint8_t access, uint64_t port) {
    aml_put8(a, port != 0 ? GAS_SYSTEM_IO : 0);
    aml_put8(a, bits);
    aml_put8(a, 0); /* bit offset */
    aml_put8(a, access);
    aml_put64(a, port);
}

static void put_no_gas(struct aml *a) {
    put_gas(a, 0, 0, 0);
}

/* Offsets 36 .. 115 */
static void emit_fadt_legacy(struct aml *a, uint32_t facs, uint32_t dsdt) {
    aml_put32(a, facs);
    aml_put32(a, dsdt);
    aml_put8(a, 0);                         /* 44 reserved */
    aml_put8(a, PROFILE_ENTERPRISE_SERVER); /* 45 */
    aml_put16(a, VPM_SCI_IRQ);              /* 46 */
    aml_put32(a, 0);                        /* 48 SMI_CMD: none, the machine is in ACPI mode */
    aml_put32(a, 0);                        /* 52 ACPI_ENABLE, ACPI_DISABLE, S4BIOS_REQ, PSTATE_CNT */
    aml_put32(a, VPM_PM1A_EVT);             /* 56 */
    aml_put32(a, 0);                        /* 60 PM1b_EVT_BLK */
    aml_put32(a, VPM_PM1A_CNT);             /* 64 */
    aml_put32(a, 0);                        /* 68 PM1b_CNT_BLK */
    aml_put32(a, 0);                        /* 72 PM2_CNT_BLK */
    aml_put32(a, VPM_PM_TMR);               /* 76 */
    aml_put32(a, VPM_GPE0);                 /* 80 */
    aml_put32(a, 0);                        /* 84 GPE1_BLK */
    aml_put8(a, VPM_PM1A_EVT_LEN);          /* 88 */
    aml_put8(a, VPM_PM1A_CNT_LEN);          /* 89 */
    aml_put8(a, 0);                         /* 90 PM2_CNT_LEN */
    aml_put8(a, VPM_PM_TMR_LEN);            /* 91 */
    aml_put8(a, VPM_GPE0_LEN);              /* 92 */
    aml_put8(a, 0);                         /* 93 GPE1_BLK_LEN */
    aml_put8(a, 0);                         /* 94 GPE1_BASE */
    aml_put8(a, 0);                         /* 95 CST_CNT */
    aml_put16(a, NO_C2_LATENCY);            /* 96 */
    aml_put16(a, NO_C3_LATENCY);            /* 98 */
    aml_put32(a, 0);                        /* 100 FLUSH_SIZE, FLUSH_STRIDE: WBINVD works */
    aml_put16(a, 0);                        /* 104 DUTY_OFFSET, DUTY_WIDTH */
    aml_put16(a, 0);                        /* 106 DAY_ALRM, MON_ALRM: none */
    aml_put8(a, CMOS_CENTURY);              /* 108 */
    aml_put16(a, BOOT_LEGACY_DEVICES | BOOT_NO_VGA); /* 109 */
    aml_put8(a, 0);                         /* 111 reserved */
    aml_put32(a, FADT_WBINVD | FADT_PROC_C1 | FADT_SLP_BUTTON | FADT_FIX_RTC | FADT_TMR_VAL_EXT |
                     FADT_RESET_REG_SUP);   /* 112 */
}

/* Offsets 116 .. 275 */
static void emit_fadt_extended(struct aml *a, uint32_t dsdt) {
    put_gas(a, 8, GAS_BYTE, PC_PORT_RESET);                      /* 116 */
    aml_put8(a, PC_RESET_VALUE);                                 /* 128 */
    aml_put16(a, 0);                                             /* 129 ARM_BOOT_ARCH */
    aml_put8(a, 0);                                              /* 131 minor version */
    aml_put64(a, 0);                                             /* 132 X_FIRMWARE_CTRL: offset 36 counts */
    aml_put64(a, dsdt);                                          /* 140 */
    put_gas(a, VPM_PM1A_EVT_LEN * 8, GAS_WORD, VPM_PM1A_EVT);    /* 148 */
    put_no_gas(a);                                               /* 160 X_PM1b_EVT_BLK */
    put_gas(a, VPM_PM1A_CNT_LEN * 8, GAS_WORD, VPM_PM1A_CNT);    /* 172 */
    put_no_gas(a);                                               /* 184 X_PM1b_CNT_BLK */
    put_no_gas(a);                                               /* 196 X_PM2_CNT_BLK */
    put_gas(a, VPM_PM_TMR_LEN * 8, GAS_DWORD, VPM_PM_TMR);       /* 208 */
    put_gas(a, VPM_GPE0_LEN * 8, GAS_BYTE, VPM_GPE0);            /* 220 */
    put_no_gas(a);                                               /* 232 X_GPE1_BLK */
    put_no_gas(a);                                               /* 244 SLEEP_CONTROL_REG */
    put_no_gas(a);                                               /* 256 SLEEP_STATUS_REG */
    aml_put_bytes(a, "GODWIT\0\0", 8);                           /* 268 hypervisor vendor identity */
}

static uint32_t emit_fadt(struct aml *a, uint32_t dsdt) {
    size_t start = table_open(a, "FACP", 6);
    emit_fadt_legacy(a, VACPI_START + FACS_OFFSET, dsdt);
    emit_fadt_extended(a, dsdt);
    return table_close(a, start);
}

static void emit_processor(struct aml *a, uint32_t id) {
    if (id < FIRST_X2APIC_ID) {
        aml_put8(a, MADT_LAPIC);
        aml_put8(a, 8);
        aml_put8(a, (uint8_t)id); /* processor uid */
        aml_put8(a, (uint8_t)id); /* APIC id */
        aml_put32(a, MADT_ENABLED);
    } else {
        aml_put8(a, MADT_X2APIC);
        aml_put8(a, 16);
        aml_put16(a, 0);
        aml_put32(a, id);
        aml_put32(a, MADT_ENABLED);
        aml_put32(a, id);
    }
}

static void emit_override(struct aml *a, uint8_t irq, uint32_t gsi, uint16_t flags) {
    aml_put8(a, MADT_OVERRIDE);
    aml_put8(a, 10);
    aml_put8(a, 0); /* ISA */
    aml_put8(a, irq);
    aml_put32(a, gsi);
    aml_put16(a, flags);
}

/* NMI is wired to LINT1 of every processor. */
static void emit_nmi(struct aml *a, bool has_x2apic_ids) {
    aml_put8(a, MADT_LAPIC_NMI);
    aml_put8(a, 6);
    aml_put8(a, 0xff); /* all processors */
    aml_put16(a, 0);
    aml_put8(a, 1);
    if (!has_x2apic_ids)
        return;
    aml_put8(a, MADT_X2APIC_NMI);
    aml_put8(a, 12);
    aml_put16(a, 0);
    aml_put32(a, UINT32_MAX);
    aml_put8(a, 1);
    aml_put8(a, 0);
    aml_put16(a, 0);
}

static uint32_t emit_madt(struct aml *a, const struct vacpi_config *config) {
    size_t start = table_open(a, "APIC", 5);
    aml_put32(a, VACPI_LAPIC_ADDRESS);
    aml_put32(a, MADT_PCAT_COMPAT);
    for (uint32_t id = 0; id < config->nr_vcpus; id++)
        emit_processor(a, id);
    aml_put8(a, MADT_IOAPIC);
    aml_put8(a, 12);
    aml_put8(a, config->ioapic_id);
    aml_put8(a, 0);
    aml_put32(a, VACPI_IOAPIC_ADDRESS);
    aml_put32(a, 0); /* first global system interrupt */
    emit_override(a, 0, 2, 0);
    emit_override(a, VPM_SCI_IRQ, VPM_SCI_IRQ, MADT_INTI_LEVEL_HIGH);
    emit_nmi(a, config->nr_vcpus > FIRST_X2APIC_ID);
    return table_close(a, start);
}

/* Source: ACPI Specification 6.4, section 5.2.10 "Firmware ACPI Control Structure (FACS)". */
static void emit_facs(struct aml *a) {
    size_t start = a->pos;
    aml_put_bytes(a, "FACS", 4);
    aml_put32(a, 64);
    while (a->pos < start + 32 && !a->full)
        aml_put8(a, 0); /* signature of the hardware, waking vectors, global lock, flags */
    aml_put8(a, 2);     /* version */
    while (a->pos < start + 64 && !a->full)
        aml_put8(a, 0);
}

/* Source: ACPI Specification 6.4, section 5.2.5.3 "Root System Description Pointer (RSDP) Structure". */
static void fill_rsdp(uint8_t *p, uint32_t rsdt, uint32_t xsdt) {
    struct aml a = {.buf = p, .cap = 36};
    aml_put_bytes(&a, "RSD PTR ", 8);
    aml_put8(&a, 0); /* 8 checksum of octets 0 .. 19 */
    aml_put_bytes(&a, OEM_ID, 6);
    aml_put8(&a, 2); /* 15 revision */
    aml_put32(&a, rsdt);
    aml_put32(&a, 36);
    aml_put64(&a, xsdt);
    aml_put32(&a, 0); /* 32 checksum of all, 33 reserved */
    p[8] = checksum(p, 20);
    p[32] = checksum(p, 36);
}

/* Everything into buf, which becomes [VACPI_START, VACPI_END). */
static result_t emit_all(uint8_t *buf, const struct vacpi_config *config) {
    struct aml a = {.buf = buf, .cap = AREA_BYTES};
    while (a.pos < FACS_OFFSET)
        aml_put8(&a, 0);
    emit_facs(&a);
    _Static_assert(FACS_OFFSET + 64 == TABLES_OFFSET, "the FACS ends where the tables begin");
    uint32_t dsdt = emit_dsdt(&a);
    uint32_t fadt = emit_fadt(&a, dsdt);
    uint32_t madt = emit_madt(&a, config);
    size_t start = table_open(&a, "RSDT", 1);
    aml_put32(&a, fadt);
    aml_put32(&a, madt);
    uint32_t rsdt = table_close(&a, start);
    start = table_open(&a, "XSDT", 1);
    aml_put64(&a, fadt);
    aml_put64(&a, madt);
    uint32_t xsdt = table_close(&a, start);
    fill_rsdp(buf, rsdt, xsdt);
    return a.full ? fail(ERR_FULL) : OK;
}

result_t vacpi_build(struct gmem *g, const struct vacpi_config *config, gpa_t *rsdp) {
    if (config->nr_vcpus == 0 || config->nr_vcpus > VACPI_MAX_VCPUS)
        return fail(ERR_INVAL);
    uint8_t *area = calloc(1, AREA_BYTES);
    if (area == NULL)
        return fail(ERR_NOMEM);
    result_t r = emit_all(area, config);
    if (r == OK)
        r = gmem_write(g, VACPI_START, area, AREA_BYTES);
    free(area);
    if (r == OK)
        *rsdp = VACPI_START;
    return r;
}
