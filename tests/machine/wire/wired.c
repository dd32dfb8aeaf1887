/* SPDX-License-Identifier: MIT */
/* The wire process: keeps N emulators in lock-step and carries their frames and serial bytes.
 *
 * Time stands in polls. A machine that finished its interval says TICK and waits; when every live machine has
 * ticked, the switch moves frames up to this poll, the test host (if there is one, and if it has something to
 * see) gets its turn, and then all machines are released into the next interval. The order in which messages
 * arrive from different machines has no influence: each machine's own order and emulated time stamps are all
 * that counts.
 *
 *            all ticked, host to be asked                 GO
 *   RUNNING ------------------------------> HOST_TURN ---------> RUNNING (poll + 1)
 *      |                                                            ^
 *      +------------- all ticked, nothing for the host -------------+
 */
#define _GNU_SOURCE
#include "wired.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define NANOSECONDS 1000u             /* of a microsecond */

struct wired wire;

static void on_signal(int number)
{
    (void)number;
    wire.stop_requested = 1;
}

uint64_t wired_now_ns(void)
{
    return wire.poll * wire.options.period_us * NANOSECONDS;
}

/* ---- the round ---- */

static void deliver(struct client *client)
{
    for (unsigned port = 0; port < WIRE_PORTS_MAX; port++) {
        struct frame *frame;

        for (unsigned n = 0; client->ports[port] && n < wire.options.burst
             && (frame = switch_take(&wire.fabric, port, wired_now_ns())); n++) {
            link_put(&client->link, WIRE_FRAME, (uint64_t)port << WIRE_PORT_SHIFT, frame->bytes, frame->len);
            wire.host_waiting |= client->role == ROLE_HOST;
            free(frame);
        }
    }
}

void wired_release(void)
{
    wire.phase = PHASE_RUNNING;
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        struct client *client = &wire.clients[i];

        if (client->role == ROLE_MACHINE && client->ticked) {
            client->ticked = false;
            deliver(client);
            link_put(&client->link, WIRE_RELEASE, wire.poll, NULL, 0);
        }
    }
}

static bool all_ticked(void)
{
    bool any = false;

    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        if (wire.clients[i].role == ROLE_MACHINE) {
            if (!wire.clients[i].ticked) {
                return false;
            }
            any = true;
        }
    }
    return any;
}

static void start_when_complete(void)
{
    if (!wire.started && clients_count(ROLE_MACHINE) >= wire.options.machines
        && (wire.host_said_go || !wire.options.wait_for_host)) {
        wire.started = true;
    }
}

/* Every machine has ended its interval: this is the next poll. With no machine left the host still gets its
 * turn. */
static void advance(void)
{
    start_when_complete();
    if (!wire.started || wire.phase != PHASE_RUNNING) {
        return;
    }
    if (all_ticked()) {
        wire.poll++;
        switch_run(&wire.fabric, wired_now_ns());
        if (wire.host) {
            deliver(wire.host);
        }
    } else if (clients_count(ROLE_MACHINE) > 0 || !wire.host_waiting) {
        return;
    }
    if (wire.host && (wire.host_waiting || wire.poll >= wire.host_poll)) {
        wire.phase = PHASE_HOST_TURN;
        wire.host_waiting = false;
        link_put(&wire.host->link, WIRE_TURN, wire.poll, NULL, 0);
    } else {
        wired_release();
    }
}

static void flush_clients(void)
{
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        if (wire.clients[i].role != ROLE_NONE && !link_flush(&wire.clients[i].link)) {
            clients_drop(&wire.clients[i]);
        }
    }
}

/* Once everybody has been there and has left, the wire has nothing to do any more. */
static bool is_deserted(void)
{
    return wire.started && !wire.host && clients_count(ROLE_MACHINE) == 0;
}

static void serve(void)
{
    struct pollfd fds[CLIENTS_MAX + 1];

    while (!wire.stop_requested && !is_deserted()) {
        fds[CLIENTS_MAX] = (struct pollfd){ .fd = wire.listener, .events = POLLIN };
        for (unsigned i = 0; i < CLIENTS_MAX; i++) {
            const struct link *link = &wire.clients[i].link;

            fds[i] = (struct pollfd){ .fd = link->fd, .events = POLLIN };
            if (link->out.begin < link->out.end) {
                fds[i].events |= POLLOUT;
            }
        }
        if (poll(fds, CLIENTS_MAX + 1, -1) < 0 && errno != EINTR) {
            perror("wired: poll");
            return;
        }
        for (unsigned i = 0; i < CLIENTS_MAX; i++) {
            if (fds[i].revents & (POLLIN | POLLHUP | POLLERR)) {
                clients_read(&wire.clients[i]);
            }
        }
        if (fds[CLIENTS_MAX].revents & POLLIN) {
            clients_accept();
        }
        advance();
        flush_clients();
    }
}

static void listen_at(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    if (strlen(path) >= sizeof(address.sun_path)) {
        fprintf(stderr, "wired: --socket: path is longer than %zu bytes\n", sizeof(address.sun_path) - 1);
        exit(2);
    }
    memcpy(address.sun_path, path, strlen(path));
    unlink(path);
    wire.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (wire.listener < 0 || bind(wire.listener, (struct sockaddr *)&address, sizeof(address))
        || listen(wire.listener, CLIENTS_MAX)) {
        perror(path);
        exit(2);
    }
}

static void report(void)
{
    FILE *out = wire.options.stats_path ? fopen(wire.options.stats_path, "w") : stdout;

    if (!out) {
        perror(wire.options.stats_path);
        exit(2);
    }
    switch_report(&wire.fabric, out, wire.poll, wire.options.period_us);
    fclose(out);
}

int main(int argc, char **argv)
{
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        wire.clients[i].link.fd = -1;
    }
    switch_init(&wire.fabric);
    wired_parse(argc, argv, &wire.options, &wire.fabric);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    listen_at(wire.options.socket_path);
    serve();
    report();
    unlink(wire.options.socket_path);
    return 0;               /* exit closes the capture files */
}
