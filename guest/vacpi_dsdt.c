/* SPDX-License-Identifier: MIT */
/* In ASL, what follows is:
 *   Name (\_S5, Package (4) { 5, 5, 0, 0 })
 *   Scope (\_SB) {
 *     Device (PCI0) { _HID PNP0A03, _BBN, _UID, _CRS: buses, ports, memory; _PRT: slots 1..31, pins
 * A..D }
 *     Device (SYSR) { PNP0C02: ports and pages of the board that no driver may use }
 *     Device (PIC)  { PNP0000 }   Device (TIMR) { PNP0100 }   Device (RTC) { PNP0B00 }   Device (SPKR) {
 * PNP0800 }
 *     Device (COM1) { PNP0501 }
 *   } */
#include "guest/vacpi_dsdt.h"

#include "guest/vacpi.h"
#include "kernel/hw/acpi_pm_regs.h"
#include "kernel/hw/i8254_regs.h"
#include "kernel/hw/mc146818_regs.h"
#include "kernel/hw/uart16550_regs.h"

#define PCI_SLOTS 32u
#define PCI_PINS 4u
#define IOAPIC_BYTES 0x1000u
#define LAPIC_BYTES 0x1000u

static void named_integer(struct aml *a, const char *name, uint64_t value) {
    aml_name(a, name);
    aml_integer(a, value);
}

static void hardware_id(struct aml *a, const char *id) {
    aml_name(a, "_HID");
    aml_eisa_id(a, id);
}

/* Package (4) { typ for PM1a, typ for PM1b, reserved, reserved } */
static void emit_s5(struct aml *a) {
    aml_name(a, "\\_S5");
    size_t package = aml_open_package(a, 4);
    aml_integer(a, VPM_SLP_TYP_S5);
    aml_integer(a, VPM_SLP_TYP_S5);
    aml_integer(a, 0);
    aml_integer(a, 0);
    aml_close(a, package);
}

static void emit_pci_resources(struct aml *a) {
    aml_name(a, "_CRS");
    size_t resources = aml_open_resources(a);
    aml_res_window_bus(a, 0, 255);
    aml_res_io(a, 0xcf8, 8); /* configuration mechanism 1 */
    aml_res_window_io(a, 0x0000, 0x0cf7);
    aml_res_window_io(a, 0x0d00, 0xffff);
    aml_res_window_memory(a, VACPI_PCI_FIRST, VACPI_PCI_LAST);
    aml_close_resources(a, resources);
}

/* Package (4) { address with any function, pin, no link device, global system interrupt } */
static void emit_pci_route(struct aml *a, unsigned slot, unsigned pin) {
    size_t package = aml_open_package(a, 4);
    aml_integer(a, (uint64_t)slot << 16 | 0xffff);
    aml_integer(a, pin);
    aml_integer(a, 0);
    aml_integer(a, vacpi_pci_gsi(slot, pin));
    aml_close(a, package);
}

static void emit_pci(struct aml *a) {
    size_t device = aml_open_device(a, "PCI0");
    hardware_id(a, "PNP0A03");
    named_integer(a, "_BBN", 0);
    named_integer(a, "_UID", 0);
    emit_pci_resources(a);
    aml_name(a, "_PRT");
    size_t table = aml_open_package(a, (PCI_SLOTS - 1) * PCI_PINS);
    for (unsigned slot = 1; slot < PCI_SLOTS; slot++)
        for (unsigned pin = 0; pin < PCI_PINS; pin++)
            emit_pci_route(a, slot, pin);
    aml_close(a, table);
    aml_close(a, device);
}

static void emit_system_resources(struct aml *a) {
    size_t device = aml_open_device(a, "SYSR");
    hardware_id(a, "PNP0C02");
    aml_name(a, "_CRS");
    size_t resources = aml_open_resources(a);
    aml_res_io(a, VPM_BASE, VPM_LEN);
    aml_res_io(a, PC_PORT_A, 1);
    aml_res_fixed_memory(a, VACPI_IOAPIC_ADDRESS, IOAPIC_BYTES);
    aml_res_fixed_memory(a, VACPI_LAPIC_ADDRESS, LAPIC_BYTES);
    aml_close_resources(a, resources);
    aml_close(a, device);
}

struct isa_device {
    const char *name, *id;
    struct {
        uint16_t port;
        uint8_t len;
    } io[3];
    int irq; /* -1: none */
};

static void emit_isa_device(struct aml *a, const struct isa_device *d) {
    size_t device = aml_open_device(a, d->name);
    hardware_id(a, d->id);
    named_integer(a, "_UID", 0);
    aml_name(a, "_CRS");
    size_t resources = aml_open_resources(a);
    for (unsigned i = 0; i < ARRAY_LEN(d->io) && d->io[i].len != 0; i++)
        aml_res_io(a, d->io[i].port, d->io[i].len);
    if (d->irq >= 0)
        aml_res_irq(a, (unsigned)d->irq);
    aml_close_resources(a, resources);
    aml_close(a, device);
}

void vacpi_dsdt_emit(struct aml *a) {
    static const struct isa_device isa[] = {
        {"PIC", "PNP0000", {{0x20, 2}, {0xa0, 2}, {0x4d0, 2}}, 2},
        {"TIMR", "PNP0100", {{I8254_PORT_CHANNEL0, 4}}, 0},
        {"RTC", "PNP0B00", {{RTC_PORT_INDEX, 2}}, RTC_IRQ},
        {"SPKR", "PNP0800", {{PORT61, 1}}, -1},
        {"COM1", "PNP0501", {{UART_PORT_COM1, UART_PORTS}}, 4},
    };
    emit_s5(a);
    size_t scope = aml_open_scope(a, "\\_SB");
    emit_pci(a);
    emit_system_resources(a);
    for (unsigned i = 0; i < ARRAY_LEN(isa); i++)
        emit_isa_device(a, &isa[i]);
    aml_close(a, scope);
}
