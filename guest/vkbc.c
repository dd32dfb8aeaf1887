/* SPDX-License-Identifier: MIT */
#include "guest/vkbc.h"

#include "kernel/hw/i8042_regs.h"

#define STATUS_VARYING (I8042_STATUS_OBF | I8042_STATUS_COMMAND | I8042_STATUS_AUX | I8042_STATUS_TIMEOUT)
#define STATUS_FIXED (I8042_STATUS_SYS | I8042_STATUS_UNLOCKED)
#define CONFIG_AFTER_RESET \
    (I8042_CONFIG_SYS | I8042_CONFIG_KBD_OFF | I8042_CONFIG_AUX_OFF | I8042_CONFIG_TRANSLATE)
#define INPUT_PORT 0x80u /* not locked */

static void ask_reset(struct vkbc *k) {
    if (k->ops.reset != NULL)
        k->ops.reset(k->ops.ctx);
}

/* Put an octet into the output buffer. */
static void answer(struct vkbc *k, uint8_t value, uint8_t status) {
    k->data = value;
    k->status = (uint8_t)((k->status & I8042_STATUS_COMMAND) | I8042_STATUS_OBF | status);
}

static void set_output_port(struct vkbc *k, uint8_t value) {
    k->output_port = value | I8042_OUTPUT_RUN;
    if ((value & I8042_OUTPUT_RUN) == 0)
        ask_reset(k);
}

static void run_command(struct vkbc *k, uint8_t command) {
    k->command = 0;
    if (command >= I8042_CMD_PULSE_FIRST) {
        if ((command & I8042_OUTPUT_RUN) == 0)
            ask_reset(k);
        return;
    }
    switch (command) {
    case I8042_CMD_READ_CONFIG:
        answer(k, k->config, 0);
        break;
    case I8042_CMD_AUX_OFF:
        k->config |= I8042_CONFIG_AUX_OFF;
        break;
    case I8042_CMD_AUX_ON:
        k->config &= (uint8_t)~I8042_CONFIG_AUX_OFF;
        break;
    case I8042_CMD_KBD_OFF:
        k->config |= I8042_CONFIG_KBD_OFF;
        break;
    case I8042_CMD_KBD_ON:
        k->config &= (uint8_t)~I8042_CONFIG_KBD_OFF;
        break;
    case I8042_CMD_SELF_TEST:
        answer(k, I8042_SELF_TEST_PASSED, 0);
        break;
    case I8042_CMD_AUX_TEST:
    case I8042_CMD_KBD_TEST:
        answer(k, I8042_TEST_CLOCK_LOW, 0);
        break;
    case I8042_CMD_READ_INPUT:
        answer(k, INPUT_PORT, 0);
        break;
    case I8042_CMD_READ_OUTPUT:
        answer(k, k->output_port, 0);
        break;
    case I8042_CMD_WRITE_CONFIG:
    case I8042_CMD_WRITE_OUTPUT:
    case I8042_CMD_LOOP_KBD:
    case I8042_CMD_LOOP_AUX:
    case I8042_CMD_WRITE_AUX:
        k->command = command;
        break;
    default: /* unknown ones are ignored */
        break;
    }
}

static void take_data(struct vkbc *k, uint8_t value) {
    uint8_t command = k->command;
    k->command = 0;
    switch (command) {
    case I8042_CMD_WRITE_CONFIG:
        k->config = value;
        break;
    case I8042_CMD_WRITE_OUTPUT:
        set_output_port(k, value);
        break;
    case I8042_CMD_LOOP_KBD:
    case I8042_CMD_LOOP_AUX: /* no mouse port: the octet comes back as the keyboard's, so drivers know */
        answer(k, value, 0);
        break;
    case I8042_CMD_WRITE_AUX:
        answer(k, I8042_DEVICE_RESEND, I8042_STATUS_AUX | I8042_STATUS_TIMEOUT);
        break;
    default: /* for the keyboard */
        answer(k, I8042_DEVICE_RESEND, I8042_STATUS_TIMEOUT);
        break;
    }
}

static uint32_t read_data(void *dev, uint16_t port, unsigned size) {
    struct vkbc *k = dev;
    (void)port, (void)size;
    k->status &= (uint8_t)~(I8042_STATUS_OBF | I8042_STATUS_AUX | I8042_STATUS_TIMEOUT);
    return k->data;
}

static void write_data(void *dev, uint16_t port, unsigned size, uint32_t value) {
    struct vkbc *k = dev;
    (void)port, (void)size;
    k->status &= (uint8_t)~I8042_STATUS_COMMAND;
    take_data(k, (uint8_t)value);
}

static uint32_t read_status(void *dev, uint16_t port, unsigned size) {
    struct vkbc *k = dev;
    (void)port, (void)size;
    return k->status | STATUS_FIXED;
}

static void write_command(void *dev, uint16_t port, unsigned size, uint32_t value) {
    struct vkbc *k = dev;
    (void)port, (void)size;
    k->status |= I8042_STATUS_COMMAND;
    run_command(k, (uint8_t)value);
}

void vkbc_init(struct vkbc *k, struct power_ops ops) {
    *k = (struct vkbc){
        .ops = ops,
        .config = CONFIG_AFTER_RESET,
        .output_port = I8042_OUTPUT_RUN | I8042_OUTPUT_A20,
        .status = I8042_STATUS_COMMAND,
    };
}

result_t vkbc_attach(struct vkbc *k, struct bus *bus) {
    const struct pio_handler data = {I8042_PORT_DATA, I8042_PORT_DATA, read_data, write_data, k, "kbc-data"};
    const struct pio_handler status = {I8042_PORT_STATUS, I8042_PORT_STATUS, read_status, write_command,
                                       k, "kbc-status"};
    result_t r = bus_add_pio(bus, &data);
    return r == OK ? bus_add_pio(bus, &status) : r;
}

void vkbc_snapshot(struct vkbc *k, struct snap *s) {
    snap_u8(s, &k->config);
    snap_u8(s, &k->output_port);
    snap_u8(s, &k->command);
    snap_u8(s, &k->data);
    snap_u8(s, &k->status);
    snap_require(s, (k->status & ~STATUS_VARYING) == 0);
}
