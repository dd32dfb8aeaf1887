/* SPDX-License-Identifier: MIT */
#include "guest/vrtc_time.h"

#include "kernel/hw/mc146818_regs.h"

#define SEC_PER_DAY 86400
#define DAYS_PER_400_YEARS 146097
#define ANYTHING UINT32_MAX

struct date {
    int64_t year;
    uint32_t month, day; /* from 1 */
};

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0 ? 1 : 0);
}

/* Years are counted from 1 March, so that the leap day comes last and month lengths repeat with period five.
 * */
static struct date date_of_day(int64_t days_since_1970) {
    int64_t days = days_since_1970 + 719468; /* since 0000-03-01 */
    int64_t era = floor_div(days, DAYS_PER_400_YEARS);
    uint32_t doe = (uint32_t)(days - era * DAYS_PER_400_YEARS);
    uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    uint32_t m = (5 * doy + 2) / 153; /* 0 = March */
    return (struct date){
        .year = era * 400 + yoe + (m >= 10 ? 1 : 0),
        .month = m < 10 ? m + 3 : m - 9,
        .day = doy - (153 * m + 2) / 5 + 1,
    };
}

/* Day 0 and days beyond the month's end count on; month: 1 .. 12. */
static int64_t day_of_date(struct date d) {
    int64_t year = d.year - (d.month <= 2 ? 1 : 0);
    int64_t era = floor_div(year, 400);
    int64_t yoe = year - era * 400;
    int64_t m = d.month > 2 ? d.month - 3 : d.month + 9;
    int64_t doy = (153 * m + 2) / 5 + d.day - 1;
    return era * DAYS_PER_400_YEARS + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static uint8_t to_reg(uint32_t value, uint8_t reg_b) {
    return (uint8_t)((reg_b & RTC_B_BINARY) != 0 ? value : value / 10 << 4 | value % 10);
}

static uint32_t from_reg(uint8_t raw, uint8_t reg_b) {
    return (reg_b & RTC_B_BINARY) != 0 ? raw : (raw >> 4) * 10u + (raw & 15u);
}

static uint8_t hour_to_reg(uint32_t hour, uint8_t reg_b) {
    if ((reg_b & RTC_B_24H) != 0)
        return to_reg(hour, reg_b);
    uint8_t raw = to_reg((hour + 11) % 12 + 1, reg_b);
    return hour >= 12 ? raw | RTC_HOURS_PM : raw;
}

static uint32_t hour_from_reg(uint8_t raw, uint8_t reg_b) {
    if ((reg_b & RTC_B_24H) != 0)
        return from_reg(raw, reg_b);
    uint32_t hour = from_reg((uint8_t)(raw & ~RTC_HOURS_PM), reg_b) % 12;
    return hour + ((raw & RTC_HOURS_PM) != 0 ? 12 : 0);
}

void vrtc_time_encode(int64_t sec, uint8_t reg_b, uint8_t *cmos) {
    int64_t days = floor_div(sec, SEC_PER_DAY);
    uint32_t rest = (uint32_t)(sec - days * SEC_PER_DAY);
    struct date d = date_of_day(days);
    int64_t century = floor_div(d.year, 100);
    cmos[RTC_SECONDS] = to_reg(rest % 60, reg_b);
    cmos[RTC_MINUTES] = to_reg(rest / 60 % 60, reg_b);
    cmos[RTC_HOURS] = hour_to_reg(rest / 3600, reg_b);
    int64_t weekday = days + 4; /* 1970 began on a Thursday */
    cmos[RTC_DAY_OF_WEEK] = (uint8_t)(weekday - floor_div(weekday, 7) * 7 + 1);
    cmos[RTC_DAY_OF_MONTH] = to_reg(d.day, reg_b);
    cmos[RTC_MONTH] = to_reg(d.month, reg_b);
    cmos[RTC_YEAR] = to_reg((uint32_t)(d.year - century * 100), reg_b);
    cmos[CMOS_CENTURY] = to_reg((uint32_t)(century - floor_div(century, 100) * 100), reg_b);
}

int64_t vrtc_time_decode(uint8_t reg_b, const uint8_t *cmos) {
    uint32_t month = from_reg(cmos[RTC_MONTH], reg_b);
    struct date d = {
        .year = from_reg(cmos[CMOS_CENTURY], reg_b) * 100ll + from_reg(cmos[RTC_YEAR], reg_b),
        .month = MIN(MAX(month, 1u), 12u),
        .day = from_reg(cmos[RTC_DAY_OF_MONTH], reg_b),
    };
    return day_of_date(d) * SEC_PER_DAY + hour_from_reg(cmos[RTC_HOURS], reg_b) * 3600ll +
           from_reg(cmos[RTC_MINUTES], reg_b) * 60ll + from_reg(cmos[RTC_SECONDS], reg_b);
}

static bool matches(uint32_t pattern, uint32_t value) {
    return pattern == ANYTHING || pattern == value;
}

static uint32_t alarm_field(uint8_t raw, uint8_t reg_b, bool is_hour) {
    if ((raw & RTC_ALARM_DONT_CARE) == RTC_ALARM_DONT_CARE)
        return ANYTHING;
    return is_hour ? hour_from_reg(raw, reg_b) : from_reg(raw, reg_b);
}

int64_t vrtc_time_next_alarm(int64_t after, uint8_t reg_b, const uint8_t *cmos) {
    uint32_t h = alarm_field(cmos[RTC_HOURS_ALARM], reg_b, true);
    uint32_t m = alarm_field(cmos[RTC_MINUTES_ALARM], reg_b, false);
    uint32_t s = alarm_field(cmos[RTC_SECONDS_ALARM], reg_b, false);
    if ((h != ANYTHING && h >= 24) || (m != ANYTHING && m >= 60) || (s != ANYTHING && s >= 60))
        return VRTC_TIME_NO_ALARM;
    int64_t sec = after + 1;
    int64_t midnight = floor_div(sec, SEC_PER_DAY) * SEC_PER_DAY;
    for (;;) { /* skip what is left of the first unit that does not match: below 150 rounds */
        uint32_t t = (uint32_t)(sec - midnight);
        if (!matches(h, t / 3600 % 24))
            sec += 3600 - t % 3600;
        else if (!matches(m, t / 60 % 60))
            sec += 60 - t % 60;
        else if (!matches(s, t % 60))
            sec++;
        else
            return sec;
    }
}
