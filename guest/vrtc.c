/* SPDX-License-Identifier: MIT */
#include "guest/vrtc.h"

#include <string.h>

#include "guest/pio8.h"
#include "guest/vrtc_time.h"

#define DIVIDER_HZ 32768u
#define RESTART_PHASE_NS (NSEC_PER_SEC / 2) /* from the end of a divider reset to the first update */
#define OFFSET_LIMIT (1ll << 40)

/* Nanoseconds on the clock's own axis; whole seconds of it, plus offset_s, are what the registers show. */
static uint64_t axis_ns(const struct vrtc *r, uint64_t guest_ns) {
    return r->wall_base_ns + r->phase_ns + guest_ns;
}

static int64_t second_at(const struct vrtc *r, uint64_t guest_ns) {
    return (int64_t)(axis_ns(r, guest_ns) / NSEC_PER_SEC) + r->offset_s;
}

static uint64_t divider_at(const struct vrtc *r, uint64_t guest_ns) {
    uint64_t ns = axis_ns(r, guest_ns);
    return ns / NSEC_PER_SEC * DIVIDER_HZ + ns % NSEC_PER_SEC * DIVIDER_HZ / NSEC_PER_SEC;
}

static bool is_divider_reset(const struct vrtc *r) {
    return (r->reg_a & RTC_A_DV_RESET) == RTC_A_DV_RESET;
}

static bool is_held(const struct vrtc *r) {
    return (r->reg_b & RTC_B_SET) != 0 || is_divider_reset(r);
}

/* Divider counts per periodic interrupt, 0 when there is none. */
static uint64_t periodic_counts(const struct vrtc *r) {
    unsigned rate = r->reg_a & RTC_A_RS_MASK;
    if (rate == 0 || is_divider_reset(r))
        return 0;
    return BIT((rate < 3 ? rate + 7 : rate) - 1);
}

static uint64_t next_periodic_ns(const struct vrtc *r) {
    uint64_t counts = periodic_counts(r);
    if (counts == 0)
        return VCLOCK_NEVER;
    uint64_t next = (divider_at(r, r->seen_ns) / counts + 1) * counts;
    uint64_t ns = next / DIVIDER_HZ * NSEC_PER_SEC +
                  (next % DIVIDER_HZ * NSEC_PER_SEC + DIVIDER_HZ - 1) / DIVIDER_HZ;
    return ns - r->wall_base_ns - r->phase_ns;
}

static uint64_t next_second_ns(const struct vrtc *r) {
    return r->seen_ns + (NSEC_PER_SEC - axis_ns(r, r->seen_ns) % NSEC_PER_SEC);
}

/* Find the next alarm after seen_ns. */
static void plan_alarm(struct vrtc *r) {
    r->alarm_ns = VCLOCK_NEVER;
    if (is_held(r))
        return;
    int64_t now = second_at(r, r->seen_ns);
    int64_t next = vrtc_time_next_alarm(now, r->reg_b, r->cmos);
    if (next != VRTC_TIME_NO_ALARM)
        r->alarm_ns = next_second_ns(r) + (uint64_t)(next - now - 1) * NSEC_PER_SEC;
}

static void update_irq(struct vrtc *r) {
    irq_line_set(&r->irq8, (r->flags & r->reg_b & RTC_C_FLAGS) != 0);
}

/* Raise the flags for what happened since the last look. */
static void catch_up(struct vrtc *r) {
    uint64_t now = vclock_ns(r->clock);
    if (now <= r->seen_ns)
        return;
    uint64_t counts = periodic_counts(r);
    if (counts != 0 && divider_at(r, now) / counts != divider_at(r, r->seen_ns) / counts)
        r->flags |= RTC_C_PF;
    if (!is_held(r) && second_at(r, now) != second_at(r, r->seen_ns))
        r->flags |= RTC_C_UF;
    bool alarm = now >= r->alarm_ns;
    r->seen_ns = now;
    if (alarm) {
        r->flags |= RTC_C_AF;
        plan_alarm(r);
    }
}

/* The time registers are memory from here on (hold), or the clock starts from them (release). */
static void hold(struct vrtc *r) {
    vrtc_time_encode(second_at(r, r->seen_ns), r->reg_b, r->cmos);
}

static void release(struct vrtc *r) {
    r->offset_s += vrtc_time_decode(r->reg_b, r->cmos) - second_at(r, r->seen_ns);
}

static void write_reg_a(struct vrtc *r, uint8_t value) {
    bool held = is_held(r);
    bool reset = is_divider_reset(r);
    if (!held)
        hold(r);
    r->reg_a = value & (uint8_t)~RTC_A_UIP;
    if (reset && !is_divider_reset(r)) {
        r->phase_ns = 0;
        uint64_t sub_ns = axis_ns(r, r->seen_ns) % NSEC_PER_SEC;
        r->phase_ns = (NSEC_PER_SEC + RESTART_PHASE_NS - sub_ns) % NSEC_PER_SEC;
    }
    if (held && !is_held(r))
        release(r);
    plan_alarm(r);
}

static void write_reg_b(struct vrtc *r, uint8_t value) {
    bool held = is_held(r);
    if (!held)
        hold(r);
    if ((value & RTC_B_SET) != 0)
        value &= (uint8_t)~RTC_B_UIE;
    r->reg_b = value;
    if (held && !is_held(r))
        release(r);
    plan_alarm(r);
}

static bool is_time_register(unsigned index) {
    switch (index) {
    case RTC_SECONDS:
    case RTC_MINUTES:
    case RTC_HOURS:
    case RTC_DAY_OF_WEEK:
    case RTC_DAY_OF_MONTH:
    case RTC_MONTH:
    case RTC_YEAR:
    case CMOS_CENTURY:
        return true;
    default:
        return false;
    }
}

static bool is_alarm_register(unsigned index) {
    return index == RTC_SECONDS_ALARM || index == RTC_MINUTES_ALARM || index == RTC_HOURS_ALARM;
}

static void write_cmos(struct vrtc *r, unsigned index, uint8_t value) {
    bool set_running_clock = is_time_register(index) && !is_held(r);
    if (set_running_clock)
        hold(r);
    r->cmos[index] = value;
    if (set_running_clock)
        release(r);
    if (set_running_clock || is_alarm_register(index))
        plan_alarm(r);
}

static uint8_t read_reg_a(const struct vrtc *r) {
    bool in_progress = !is_held(r) && axis_ns(r, r->seen_ns) % NSEC_PER_SEC >= NSEC_PER_SEC - VRTC_UIP_NS;
    return r->reg_a | (in_progress ? RTC_A_UIP : 0);
}

static uint8_t read_reg_c(struct vrtc *r) {
    uint8_t value = r->flags;
    if ((r->flags & r->reg_b & RTC_C_FLAGS) != 0)
        value |= RTC_C_IRQF;
    r->flags = 0;
    return value;
}

static uint8_t read_register(struct vrtc *r, unsigned index) {
    switch (index) {
    case RTC_REG_A:
        return read_reg_a(r);
    case RTC_REG_B:
        return r->reg_b;
    case RTC_REG_C:
        return read_reg_c(r);
    case RTC_REG_D:
        return RTC_D_VRT;
    default:
        if (is_time_register(index) && !is_held(r))
            hold(r);
        return r->cmos[index];
    }
}

static void write_register(struct vrtc *r, unsigned index, uint8_t value) {
    switch (index) {
    case RTC_REG_A:
        write_reg_a(r, value);
        break;
    case RTC_REG_B:
        write_reg_b(r, value);
        break;
    case RTC_REG_C:
    case RTC_REG_D: /* read-only */
        break;
    default:
        write_cmos(r, index, value);
        break;
    }
}

static uint8_t read_octet(void *dev, uint16_t port) {
    struct vrtc *r = dev;
    if (port != RTC_PORT_DATA) /* the index cannot be read */
        return 0xff;
    catch_up(r);
    uint8_t value = read_register(r, r->index & RTC_INDEX_MASK);
    update_irq(r);
    return value;
}

static void write_octet(void *dev, uint16_t port, uint8_t value) {
    struct vrtc *r = dev;
    if (port == RTC_PORT_INDEX) {
        r->index = value;
    } else if (port == RTC_PORT_DATA) {
        catch_up(r);
        write_register(r, r->index & RTC_INDEX_MASK, value);
        update_irq(r);
    }
}

static uint32_t vrtc_read(void *dev, uint16_t port, unsigned size) {
    return pio8_read(dev, port, size, read_octet);
}

static void vrtc_write(void *dev, uint16_t port, unsigned size, uint32_t value) {
    pio8_write(dev, port, size, value, write_octet);
}

static void store16(uint8_t *cmos, unsigned low_index, uint64_t value, uint64_t limit) {
    value = MIN(value, limit);
    cmos[low_index] = (uint8_t)value;
    cmos[low_index + 1] = (uint8_t)(value >> 8);
}

static void store_memory_size(uint8_t *cmos, uint64_t low_bytes, uint64_t high_bytes) {
    uint64_t ext_kib = low_bytes > MIB ? (low_bytes - MIB) / KIB : 0;
    uint64_t high_64k = MIN(high_bytes / (64 * KIB), 0xfffffful);
    store16(cmos, CMOS_BASE_KIB_LOW, 640, 640);
    store16(cmos, CMOS_EXT_KIB_LOW, ext_kib, 63 * KIB);
    store16(cmos, CMOS_EXT2_KIB_LOW, ext_kib, 63 * KIB);
    store16(cmos, CMOS_ABOVE_16M_LOW, low_bytes > 16 * MIB ? (low_bytes - 16 * MIB) / (64 * KIB) : 0, 0xffff);
    cmos[CMOS_ABOVE_4G_LOW] = (uint8_t)high_64k;
    cmos[CMOS_ABOVE_4G_MID] = (uint8_t)(high_64k >> 8);
    cmos[CMOS_ABOVE_4G_HIGH] = (uint8_t)(high_64k >> 16);
}

void vrtc_init(struct vrtc *r, const struct vclock *clock, struct irq_line irq8, uint64_t wall_base_ns,
               uint64_t low_bytes, uint64_t high_bytes) {
    *r = (struct vrtc){
        .clock = clock,
        .irq8 = irq8,
        .wall_base_ns = wall_base_ns,
        .seen_ns = vclock_ns(clock),
        .reg_a = RTC_A_DV_32768 | 6, /* 1024 Hz, as firmware leaves it */
        .reg_b = RTC_B_24H,
    };
    r->cmos[CMOS_EQUIPMENT] = CMOS_EQUIPMENT_FPU;
    store_memory_size(r->cmos, low_bytes, high_bytes);
    hold(r);
    plan_alarm(r);
}

result_t vrtc_attach(struct vrtc *r, struct bus *bus) {
    const struct pio_handler h = {RTC_PORT_INDEX, RTC_PORT_DATA, vrtc_read, vrtc_write, r, "rtc"};
    return bus_add_pio(bus, &h);
}

uint64_t vrtc_next_event(const struct vrtc *r) {
    uint8_t wanted = r->reg_b & RTC_C_FLAGS;
    uint64_t next = VCLOCK_NEVER;
    if ((r->flags & wanted) != 0) /* the line is high already and stays so until the guest reads register C */
        return VCLOCK_NEVER;
    if ((wanted & RTC_C_PF) != 0)
        next = MIN(next, next_periodic_ns(r));
    if ((wanted & RTC_C_AF) != 0)
        next = MIN(next, r->alarm_ns);
    if ((wanted & RTC_C_UF) != 0 && !is_held(r))
        next = MIN(next, next_second_ns(r));
    return next;
}

void vrtc_run(struct vrtc *r) {
    catch_up(r);
    update_irq(r);
}

void vrtc_snapshot(struct vrtc *r, struct snap *s) {
    uint64_t offset = (uint64_t)r->offset_s;
    snap_u64(s, &r->wall_base_ns);
    snap_u64(s, &r->phase_ns);
    snap_require(s, r->phase_ns < NSEC_PER_SEC);
    snap_u64(s, &offset);
    snap_require(s, (int64_t)offset > -OFFSET_LIMIT && (int64_t)offset < OFFSET_LIMIT);
    if (s->loading && s->status == OK)
        r->offset_s = (int64_t)offset;
    snap_u64(s, &r->seen_ns);
    snap_u64(s, &r->alarm_ns);
    snap_u8(s, &r->index);
    snap_u8(s, &r->reg_a);
    snap_require(s, (r->reg_a & RTC_A_UIP) == 0);
    snap_u8(s, &r->reg_b);
    snap_u8(s, &r->flags);
    snap_require(s, (r->flags & ~RTC_C_FLAGS) == 0);
    snap_bytes(s, r->cmos, sizeof(r->cmos));
}
