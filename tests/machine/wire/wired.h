/* SPDX-License-Identifier: MIT */
/* Options of the wire process. */
#ifndef WIRE_WIRED_H
#define WIRE_WIRED_H

#include "switch.h"

struct wired_options {
    const char *socket_path;
    const char *stats_path;         /* NULL: standard output */
    uint64_t period_us;
    unsigned machines;              /* wait for this many before the first release */
    unsigned burst;                 /* frames per port and poll at most: must fit the card's receive ring */
    bool wait_for_host;
};

/* wired_parse - read the command line into options and fabric; ends the process with one line on a mistake. */
void wired_parse(int argc, char **argv, struct wired_options *options, struct switch_fabric *fabric);

#endif
