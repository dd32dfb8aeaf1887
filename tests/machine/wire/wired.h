/* SPDX-License-Identifier: MIT */
/* The wire process: its state, shared by the round (wired.c), the clients (wired_clients.c) and the options. */
#ifndef WIRE_WIRED_H
#define WIRE_WIRED_H

#include "link.h"
#include "switch.h"

#include <signal.h>

#define CLIENTS_MAX (WIRE_MACHINES_MAX + 1u)

struct wired_options {
    const char *socket_path;
    const char *stats_path;         /* NULL: standard output */
    uint64_t period_us;
    unsigned machines;              /* wait for this many before the first release */
    unsigned burst;                 /* frames per port and poll at most: must fit the card's receive ring */
    bool wait_for_host;
};

enum role { ROLE_NONE, ROLE_NEW, ROLE_MACHINE, ROLE_HOST };
enum phase { PHASE_RUNNING, PHASE_HOST_TURN };

struct client {
    enum role role;
    struct link link;
    unsigned machine;               /* its number */
    bool ticked;                    /* finished the present interval */
    bool ports[WIRE_PORTS_MAX];
};

struct wired {
    struct wired_options options;
    struct switch_fabric fabric;
    struct client clients[CLIENTS_MAX];
    struct client *host;            /* NULL: none */
    enum phase phase;
    uint64_t poll;                  /* number of the last poll that was reached */
    uint64_t host_poll;             /* the host wants its turn at this poll */
    bool host_waiting;              /* something for the host is in its output buffer */
    bool started;                   /* all expected clients have been there, and the host has said GO */
    bool host_said_go;
    int listener;
    volatile sig_atomic_t stop_requested;
};

extern struct wired wire;

/* wired_parse - read the command line into options and fabric; a mistake ends the process. */
void wired_parse(int argc, char **argv, struct wired_options *options, struct switch_fabric *fabric);

/* wired_now_ns - emulated time of the last poll. */
uint64_t wired_now_ns(void);

/* wired_release - everyone who has ticked goes on into the next interval, with the frames that are due. */
void wired_release(void);

/* clients_accept - take a new connection. clients_read - handle what one client has sent; it may be gone then. */
void clients_accept(void);
void clients_read(struct client *client);
void clients_drop(struct client *client);
unsigned clients_count(enum role role);

#endif
