/* SPDX-License-Identifier: MIT */
/* vrtc_time.h - the calendar of the real-time clock: seconds since 1970 to register octets and back, and
 * alarms.
 * - vrtc_time_encode, vrtc_time_decode: between a time and the eight registers in CMOS order.
 * - vrtc_time_next_alarm: when an alarm matches next. */
#ifndef GUEST_VRTC_TIME_H
#define GUEST_VRTC_TIME_H

#include "kernel/types.h"

#define VRTC_TIME_NO_ALARM INT64_MAX

/* vrtc_time_encode - sec: seconds since 1970, may be negative. reg_b: gives BCD or binary, 12 or 24 hours.
 * cmos: RTC_BYTES octets, of which only the time registers are written. */
void vrtc_time_encode(int64_t sec, uint8_t reg_b, uint8_t *cmos);
/* vrtc_time_decode - the inverse; fields out of range carry over into the next larger one. */
int64_t vrtc_time_decode(uint8_t reg_b, const uint8_t *cmos);
/* vrtc_time_next_alarm - the first second after `after` that matches; VRTC_TIME_NO_ALARM if none ever does.
 * */
int64_t vrtc_time_next_alarm(int64_t after, uint8_t reg_b, const uint8_t *cmos);

#endif
