/* SPDX-License-Identifier: MIT */
/* Command line of the wire process. */
#include "pcap.h"
#include "wired.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "wired --socket PATH [options]\n"
    "  --machines N        emulators to wait for before the first release (default 1)\n"
    "  --host              wait for a test host's first GO as well\n"
    "  --period US         poll period in emulated microseconds (default 100)\n"
    "  --rate BITS         link rate per port and direction in bits/s (default 1000000000; 0: unlimited)\n"
    "  --delay US          propagation delay (default 0; delivery is at a poll in any case)\n"
    "  --queue BYTES       queue in front of each station (default 1048576)\n"
    "  --txqueue BYTES     frames a station may have waiting for its own link (default 67108864)\n"
    "  --burst N           frames per port and poll at most (default 192)\n"
    "  --seed N            seed of the fault rules (default 1)\n"
    "  --fault RULE        a fault rule, see fault.h; may be repeated\n"
    "  --pcap FILE         capture every frame once, as it reaches the switch\n"
    "  --pcap-port N=FILE  capture what port N sends and receives\n"
    "  --stats FILE        statistics as JSON at the end (default: standard output)\n";

enum option_id {
    OPT_SOCKET = 1, OPT_MACHINES, OPT_HOST, OPT_PERIOD, OPT_RATE, OPT_DELAY, OPT_QUEUE, OPT_TXQUEUE,
    OPT_BURST, OPT_SEED, OPT_FAULT, OPT_PCAP, OPT_PCAP_PORT, OPT_STATS, OPT_HELP,
};

static const struct option long_options[] = {
    { "socket", required_argument, NULL, OPT_SOCKET },
    { "machines", required_argument, NULL, OPT_MACHINES },
    { "host", no_argument, NULL, OPT_HOST },
    { "period", required_argument, NULL, OPT_PERIOD },
    { "rate", required_argument, NULL, OPT_RATE },
    { "delay", required_argument, NULL, OPT_DELAY },
    { "queue", required_argument, NULL, OPT_QUEUE },
    { "txqueue", required_argument, NULL, OPT_TXQUEUE },
    { "burst", required_argument, NULL, OPT_BURST },
    { "seed", required_argument, NULL, OPT_SEED },
    { "fault", required_argument, NULL, OPT_FAULT },
    { "pcap", required_argument, NULL, OPT_PCAP },
    { "pcap-port", required_argument, NULL, OPT_PCAP_PORT },
    { "stats", required_argument, NULL, OPT_STATS },
    { "help", no_argument, NULL, OPT_HELP },
    { NULL, 0, NULL, 0 },
};

static void refuse(const char *option, const char *text)
{
    fprintf(stderr, "wired: %s: cannot use \"%s\"; wired --help lists the options\n", option, text);
    exit(2);
}

static uint64_t number(const char *option, const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 0);

    if (end == text || *end) {
        refuse(option, text);
    }
    return value;
}

static void add_port_capture(struct switch_fabric *fabric, const char *text)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);

    if (end == text || *end != '=' || port >= WIRE_PORTS_MAX) {
        refuse("--pcap-port", text);
    }
    fabric->ports[port].capture = pcap_open(end + 1);
}

static void apply(int id, const char *name, const char *text, struct wired_options *options,
                  struct switch_fabric *fabric)
{
    switch (id) {
    case OPT_SOCKET: options->socket_path = text; break;
    case OPT_STATS: options->stats_path = text; break;
    case OPT_MACHINES: options->machines = (unsigned)number(name, text); break;
    case OPT_HOST: options->wait_for_host = true; break;
    case OPT_PERIOD: options->period_us = number(name, text); break;
    case OPT_BURST: options->burst = (unsigned)number(name, text); break;
    case OPT_RATE: fabric->rate = number(name, text); break;
    case OPT_DELAY: fabric->delay_ns = 1000u * number(name, text); break;
    case OPT_QUEUE: fabric->down_limit = number(name, text); break;
    case OPT_TXQUEUE: fabric->up_limit = number(name, text); break;
    case OPT_SEED: fabric->faults.seed = number(name, text); break;
    case OPT_PCAP: fabric->capture = pcap_open(text); break;
    case OPT_PCAP_PORT: add_port_capture(fabric, text); break;
    case OPT_HELP: fputs(usage, stdout); exit(0);
    default: fputs(usage, stderr); exit(2);
    }
}

void wired_parse(int argc, char **argv, struct wired_options *options, struct switch_fabric *fabric)
{
    const char *rules[FAULT_RULES_MAX], *wrong;
    unsigned nr_rules = 0;
    int id, index;

    *options = (struct wired_options){ .period_us = 100, .machines = 1, .burst = 192 };
    fabric->rate = 1000000000;
    fabric->down_limit = 1 << 20;
    fabric->up_limit = 64 << 20;
    fabric->faults.seed = 1;
    while ((id = getopt_long(argc, argv, "", long_options, &index)) != -1) {
        if (id != OPT_FAULT) {
            apply(id, id == '?' ? "" : long_options[index].name, optarg, options, fabric);
        } else if (nr_rules < FAULT_RULES_MAX) {
            rules[nr_rules++] = optarg;         /* parsed below, when the seed is known */
        }
    }
    for (unsigned i = 0; i < nr_rules; i++) {
        wrong = fault_add(&fabric->faults, rules[i]);
        if (wrong) {
            refuse(rules[i], wrong);
        }
    }
    if (!options->socket_path || !options->period_us || optind != argc) {
        fputs(usage, stderr);
        exit(2);
    }
}
