/* SPDX-License-Identifier: MIT */
/* The switch's statistics as JSON. Utilisation is in per mille of the link rate: of the busiest 10 ms, and
 * between the first and the last frame. */
#include "switch.h"

#include <inttypes.h>

static void report_lane(const struct lane *lane, FILE *out, const char *name)
{
    uint64_t span_ns = lane->last_ns - lane->first_ns;

    fprintf(out, "\"%s\": {\"frames\": %" PRIu64 ", \"bytes\": %" PRIu64 ", \"overflows\": %" PRIu64
            ", \"busiest_permille\": %" PRIu64 ", \"average_permille\": %" PRIu64
            ", \"first_us\": %" PRIu64 ", \"last_us\": %" PRIu64 "}",
            name, lane->frames, lane->bytes, lane->overflows, lane->busiest_ns * 1000u / SWITCH_WINDOW_NS,
            span_ns ? lane->busy_ns * 1000u / span_ns : 0, lane->first_ns / 1000u, lane->last_ns / 1000u);
}

void switch_report(const struct switch_fabric *fabric, FILE *out, uint64_t polls, uint64_t period_us)
{
    const char *separator = "";

    fprintf(out, "{\"polls\": %" PRIu64 ", \"period_us\": %" PRIu64 ", \"rate\": %" PRIu64 ", \"ports\": {",
            polls, period_us, fabric->rate);
    for (unsigned i = 0; i < WIRE_PORTS_MAX; i++) {
        const struct port *port = &fabric->ports[i];

        if (!port->attached && port->up.frames + port->down.frames == 0) {
            continue;
        }
        fprintf(out, "%s\n  \"%u\": {", separator, i);
        report_lane(&port->up, out, "up");
        fprintf(out, ",\n    ");
        report_lane(&port->down, out, "down");
        fprintf(out, ",\n    \"dropped\": %" PRIu64 ", \"down_dropped\": %" PRIu64
                ", \"duplicated\": %" PRIu64 ", \"corrupted\": %" PRIu64 ", \"delayed\": %" PRIu64
                ", \"reordered\": %" PRIu64 "}",
                port->dropped, port->down_dropped, port->duplicated, port->corrupted, port->delayed,
                port->reordered);
        separator = ",";
    }
    fprintf(out, "}}\n");
}
