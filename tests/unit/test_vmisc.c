/* SPDX-License-Identifier: MIT */
#include "tests/unit/device_fixture.h"

#include "guest/vmisc.h"
#include "kernel/hw/i8042_regs.h"
#include "kernel/hw/pci_regs.h"

struct misc_test {
    struct fixture f;
    struct vmisc misc;
    unsigned resets;
};

static struct misc_test t;

static void on_reset(void *ctx) {
    struct misc_test *test = ctx;
    test->resets++;
}

static int setup(void **state) {
    (void)state;
    t.resets = 0;
    fixture_init(&t.f);
    vmisc_init(&t.misc, (struct power_ops){.reset = on_reset, .ctx = &t});
    assert_int_equal(vmisc_attach(&t.misc, &t.f.bus), OK);
    return 0;
}

static uint32_t in(uint16_t port, unsigned size) {
    return bus_pio_read(&t.f.bus, port, size);
}

static void out(uint16_t port, unsigned size, uint32_t value) {
    bus_pio_write(&t.f.bus, port, size, value);
}

static void kbc_command(uint8_t command) {
    assert_int_equal(in(I8042_PORT_STATUS, 1) & I8042_STATUS_IBF, 0);
    out(I8042_PORT_STATUS, 1, command);
}

static uint8_t kbc_answer(uint8_t status) {
    assert_int_equal(in(I8042_PORT_STATUS, 1) & (I8042_STATUS_OBF | I8042_STATUS_AUX | I8042_STATUS_TIMEOUT),
                     I8042_STATUS_OBF | status);
    uint8_t value = (uint8_t)in(I8042_PORT_DATA, 1);
    assert_int_equal(in(I8042_PORT_STATUS, 1) & I8042_STATUS_OBF, 0);
    return value;
}

static void test_vkbc_probe_ends(void **state) {
    (void)state;
    assert_int_equal(in(I8042_PORT_STATUS, 1), 0x1c);
    for (unsigned i = 0; i < 20; i++) /* flushing finds nothing */
        (void)in(I8042_PORT_DATA, 1);
    kbc_command(I8042_CMD_SELF_TEST);
    assert_int_equal(kbc_answer(0), I8042_SELF_TEST_PASSED);
    kbc_command(I8042_CMD_READ_CONFIG);
    uint8_t config = kbc_answer(0);
    kbc_command(I8042_CMD_WRITE_CONFIG);
    out(I8042_PORT_DATA, 1, config ^ I8042_CONFIG_TRANSLATE);
    assert_int_equal(in(I8042_PORT_STATUS, 1) & I8042_STATUS_COMMAND, 0);
    kbc_command(I8042_CMD_READ_CONFIG);
    assert_int_equal(kbc_answer(0), config ^ I8042_CONFIG_TRANSLATE);
    kbc_command(I8042_CMD_KBD_TEST);
    assert_int_equal(kbc_answer(0), I8042_TEST_CLOCK_LOW);
    kbc_command(I8042_CMD_AUX_TEST);
    assert_int_equal(kbc_answer(0), I8042_TEST_CLOCK_LOW);
}

static void test_vkbc_nothing_is_plugged_in(void **state) {
    (void)state;
    out(I8042_PORT_DATA, 1, 0xff); /* reset the keyboard */
    assert_int_equal(kbc_answer(I8042_STATUS_TIMEOUT), I8042_DEVICE_RESEND);
    kbc_command(I8042_CMD_WRITE_AUX);
    out(I8042_PORT_DATA, 1, 0xf2);
    assert_int_equal(kbc_answer(I8042_STATUS_AUX | I8042_STATUS_TIMEOUT), I8042_DEVICE_RESEND);
    kbc_command(I8042_CMD_LOOP_AUX);
    out(I8042_PORT_DATA, 1, 0x5a);
    assert_int_equal(kbc_answer(0), 0x5a); /* not marked as the mouse's */
}

static void test_vkbc_switches(void **state) {
    (void)state;
    kbc_command(I8042_CMD_KBD_ON);
    kbc_command(I8042_CMD_AUX_ON);
    kbc_command(I8042_CMD_READ_CONFIG);
    assert_int_equal(kbc_answer(0) & (I8042_CONFIG_KBD_OFF | I8042_CONFIG_AUX_OFF), 0);
    kbc_command(I8042_CMD_KBD_OFF);
    kbc_command(I8042_CMD_AUX_OFF);
    kbc_command(I8042_CMD_READ_CONFIG);
    assert_int_equal(kbc_answer(0) & (I8042_CONFIG_KBD_OFF | I8042_CONFIG_AUX_OFF),
                     I8042_CONFIG_KBD_OFF | I8042_CONFIG_AUX_OFF);
}

static void test_vkbc_reset(void **state) {
    (void)state;
    kbc_command(0xff);
    kbc_command(0xf1);
    assert_int_equal(t.resets, 0); /* the reset line is not among the pulsed ones */
    kbc_command(0xfe);
    assert_int_equal(t.resets, 1);
    kbc_command(I8042_CMD_WRITE_OUTPUT);
    out(I8042_PORT_DATA, 1, I8042_OUTPUT_RUN);
    assert_int_equal(t.resets, 1);
    kbc_command(I8042_CMD_READ_OUTPUT);
    assert_int_equal(kbc_answer(0) & I8042_OUTPUT_A20, 0);
    kbc_command(I8042_CMD_WRITE_OUTPUT);
    out(I8042_PORT_DATA, 1, I8042_OUTPUT_A20);
    assert_int_equal(t.resets, 2);
}

static uint32_t config_address(unsigned bus, unsigned slot, unsigned function, unsigned reg) {
    return PCI_CONFIG_ENABLE | bus << PCI_CONFIG_BUS_SHIFT | slot << PCI_CONFIG_SLOT_SHIFT |
           function << PCI_CONFIG_FUNC_SHIFT | reg;
}

static uint32_t config_read(uint32_t address, unsigned reg, unsigned size) {
    out(PCI_CONFIG_ADDRESS, 4, address | (reg & 0xfc));
    return in((uint16_t)(PCI_CONFIG_DATA + (reg & 3)), size);
}

static void test_vpcihost_bridge(void **state) {
    (void)state;
    uint32_t bridge = config_address(0, 0, 0, 0);
    assert_int_equal(config_read(bridge, PCI_VENDOR, 4), 0x12378086);
    assert_int_equal(config_read(bridge, PCI_DEVICE, 2), 0x1237);
    assert_int_equal(config_read(bridge, PCI_SUBCLASS, 2), 0x0600);
    assert_int_equal(config_read(bridge, PCI_CLASS, 1), PCI_CLASS_BRIDGE);
    assert_int_equal(config_read(bridge, PCI_HEADER_TYPE, 1), 0);
    for (unsigned bar = 0; bar < PCI_NR_BARS; bar++) {
        assert_int_equal(config_read(bridge, PCI_BAR(bar), 4), 0);
        out(PCI_CONFIG_DATA, 4, 0xffffffff); /* sizing */
        assert_int_equal(config_read(bridge, PCI_BAR(bar), 4), 0);
    }
}

static void test_vpcihost_everything_else_is_absent(void **state) {
    (void)state;
    for (unsigned bus = 0; bus < PCI_MAX_BUSES; bus++)
        for (unsigned devfn = 0; devfn < 256; devfn++) {
            uint32_t address = config_address(bus, devfn >> 3, devfn & 7, 0);
            if (bus != 0 || devfn != 0)
                assert_int_equal(config_read(address, PCI_VENDOR, 4), 0xffffffff);
        }
    out(PCI_CONFIG_ADDRESS, 4, 0); /* not enabled */
    assert_int_equal(in(PCI_CONFIG_DATA, 4), 0xffffffff);
}

/* How systems find out that mechanism 1 is there, and not mechanism 2. */
static void test_vpcihost_mechanism_probe(void **state) {
    (void)state;
    out(0xcfb, 1, 0x01);
    out(PCI_CONFIG_ADDRESS, 4, PCI_CONFIG_ENABLE);
    assert_int_equal(in(PCI_CONFIG_ADDRESS, 4), PCI_CONFIG_ENABLE);
    out(PCI_CONFIG_ADDRESS, 4, 0xffffffff);
    assert_int_equal(in(PCI_CONFIG_ADDRESS, 4), 0x80fffffc);
    out(PCI_CONFIG_ADDRESS, 1, 0x12); /* an octet access is not for this register */
    assert_int_equal(in(PCI_CONFIG_ADDRESS, 4), 0x80fffffc);
    assert_int_equal(in(PCI_CONFIG_ADDRESS, 1), 0xff);
}

struct fake_function {
    unsigned offset, size;
    uint32_t value;
};

static uint32_t fake_read(void *dev, unsigned offset, unsigned size) {
    struct fake_function *f = dev;
    f->offset = offset, f->size = size;
    return 0x11223344;
}

static void fake_write(void *dev, unsigned offset, unsigned size, uint32_t value) {
    struct fake_function *f = dev;
    f->offset = offset, f->size = size, f->value = value;
}

static void test_vpcihost_functions(void **state) {
    (void)state;
    struct fake_function f = {0};
    struct vpci_function fn = {fake_read, fake_write, &f};
    assert_int_equal(vpcihost_add(&t.misc.pci, 0, &fn), ERR_RANGE);
    assert_int_equal(vpcihost_add(&t.misc.pci, VPCIHOST_SLOTS, &fn), ERR_RANGE);
    assert_int_equal(vpcihost_add(&t.misc.pci, 31, &fn), OK);
    assert_int_equal(vpcihost_add(&t.misc.pci, 31, &fn), ERR_EXIST);
    assert_int_equal(config_read(config_address(0, 31, 0, 0), 0x46, 2), 0x3344);
    assert_int_equal(f.offset, 0x46);
    assert_int_equal(f.size, 2);
    out(PCI_CONFIG_DATA + 3, 1, 0xab);
    assert_int_equal(f.offset, 0x47);
    assert_int_equal(f.value, 0xab);
    f.size = 0;
    assert_int_equal(in(PCI_CONFIG_DATA + 2, 4), 0xffffffff); /* would cross the register */
    out(PCI_CONFIG_DATA + 1, 4, 0);
    assert_int_equal(f.size, 0);
    assert_int_equal(config_read(config_address(0, 31, 1, 0), 0, 4), 0xffffffff);
}

static void test_vmisc_cursor(void **state) {
    (void)state;
    out(0x3d4, 2, 0x550e); /* index and data in one access */
    out(0x3d4, 1, 0x0f);
    out(0x3d5, 1, 0x66);
    out(0x3d4, 1, 0x0e);
    assert_int_equal(in(0x3d5, 1), 0x55);
    out(0x3d4, 1, 0xff); /* beyond the registers */
    out(0x3d5, 1, 1);
    assert_int_equal(in(0x3d5, 1), 1);
}

static void test_vmisc_absent_ports(void **state) {
    (void)state;
    static const uint16_t absent[] = {0x80,  0xed,  0xf0,  0xf1,  0x278, 0x2e9,
                                      0x2f8, 0x2f9, 0x378, 0x3e9, 0xcfa};
    for (unsigned i = 0; i < ARRAY_LEN(absent); i++) {
        out(absent[i], 1, 0);
        assert_int_equal(in(absent[i], 1), 0xff);
    }
}

static void test_vmisc_snapshot(void **state) {
    (void)state;
    struct vmisc copy;
    kbc_command(I8042_CMD_WRITE_CONFIG); /* its data is still to come */
    out(I8042_PORT_STATUS, 1, I8042_CMD_SELF_TEST);
    out(I8042_PORT_STATUS, 1, I8042_CMD_WRITE_OUTPUT);
    out(PCI_CONFIG_ADDRESS, 4, config_address(0, 5, 0, 0x10));
    out(0x3d4, 2, 0x7f1f);
    vmisc_init(&copy, (struct power_ops){.reset = on_reset, .ctx = &t});
    assert_snapshot_round_trip(&t.misc, &copy, vmisc_snapshot);
    bus_init(&t.f.bus, memset(t.f.index, 0, sizeof(t.f.index)));
    assert_int_equal(vmisc_attach(&copy, &t.f.bus), OK);
    assert_int_equal(in(0x3d5, 1), 0x7f);
    assert_int_equal(in(PCI_CONFIG_ADDRESS, 4), config_address(0, 5, 0, 0x10));
    assert_int_equal(kbc_answer(0), I8042_SELF_TEST_PASSED);
    out(I8042_PORT_DATA, 1, 0); /* the data of WRITE_OUTPUT */
    assert_int_equal(t.resets, 1);
}

#define TEST(fn) cmocka_unit_test_setup(fn, setup)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_vkbc_probe_ends),
        TEST(test_vkbc_nothing_is_plugged_in),
        TEST(test_vkbc_switches),
        TEST(test_vkbc_reset),
        TEST(test_vpcihost_bridge),
        TEST(test_vpcihost_everything_else_is_absent),
        TEST(test_vpcihost_mechanism_probe),
        TEST(test_vpcihost_functions),
        TEST(test_vmisc_cursor),
        TEST(test_vmisc_absent_ports),
        TEST(test_vmisc_snapshot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
