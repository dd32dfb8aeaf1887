/* SPDX-License-Identifier: MIT */
/* The wire process: keeps N emulators in lock-step and carries their frames and serial bytes.
 *
 * Time stands in polls. A machine that finished its interval says TICK and waits; when every live machine has
 * ticked, the switch moves frames up to this poll, the test host (if there is one, and if it has something to see)
 * gets its turn, and then all machines are released into the next interval. The order in which messages arrive
 * from different machines has no influence: each machine's own order and emulated time stamps are all that counts.
 *
 *            all ticked, host to be asked                 GO
 *   RUNNING ------------------------------> HOST_TURN ---------> RUNNING (poll + 1)
 *      |                                                            ^
 *      +------------- all ticked, nothing for the host -------------+
 */
#define _GNU_SOURCE
#include "wired.h"

#include "link.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define NANOSECONDS 1000u
#define CLIENTS_MAX (WIRE_MACHINES_MAX + 1u)

enum role { ROLE_NONE, ROLE_NEW, ROLE_MACHINE, ROLE_HOST };
enum phase { PHASE_RUNNING, PHASE_HOST_TURN };

struct client {
    enum role role;
    struct link link;
    unsigned machine;               /* its number */
    bool ticked;                    /* finished the present interval */
    bool ports[WIRE_PORTS_MAX];
};

static struct {
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
} wire;

static volatile sig_atomic_t stop_requested;

static void on_signal(int number)
{
    (void)number;
    stop_requested = 1;
}

static uint64_t now_ns(void)
{
    return wire.poll * wire.options.period_us * NANOSECONDS;
}

static void tell_host(enum wire_type type, uint64_t value, const void *payload, size_t len)
{
    if (wire.host) {
        link_put(&wire.host->link, type, value, payload, len);
        wire.host_waiting = true;
    }
}

/* ---- clients come and go ---- */

static void drop_client(struct client *client)
{
    for (unsigned port = 0; port < WIRE_PORTS_MAX; port++) {
        if (client->ports[port]) {
            switch_detach(&wire.fabric, port);
        }
    }
    link_close(&client->link);
    if (client->role == ROLE_MACHINE) {
        tell_host(WIRE_LEAVE, client->machine, NULL, 0);
    } else if (client->role == ROLE_HOST) {
        wire.host = NULL;
        wire.phase = PHASE_RUNNING;
        stop_requested |= wire.options.wait_for_host;   /* a test that was killed takes its machines along */
    }
    *client = (struct client){ .role = ROLE_NONE, .link.fd = -1 };
}

static void accept_client(void)
{
    int fd = accept4(wire.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    for (unsigned i = 0; fd >= 0 && i < CLIENTS_MAX; i++) {
        struct client *client = &wire.clients[i];

        if (client->role == ROLE_NONE) {
            *client = (struct client){ .role = ROLE_NEW, .link.fd = fd };
            return;
        }
    }
    if (fd >= 0) {
        close(fd);
    }
}

static struct client *find_machine(unsigned number)
{
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        if (wire.clients[i].role == ROLE_MACHINE && wire.clients[i].machine == number) {
            return &wire.clients[i];
        }
    }
    return NULL;
}

static unsigned count_role(enum role role)
{
    unsigned count = 0;

    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        count += wire.clients[i].role == role;
    }
    return count;
}

static bool greet(struct client *client, const struct wire_head *head)
{
    if (head->type == WIRE_HELLO_MACHINE && !find_machine((unsigned)head->value)) {
        client->role = ROLE_MACHINE;
        client->machine = (unsigned)head->value;
        tell_host(WIRE_JOIN, client->machine, NULL, 0);
    } else if (head->type == WIRE_HELLO_HOST && !wire.host) {
        client->role = ROLE_HOST;
        wire.host = client;
        for (unsigned i = 0; i < CLIENTS_MAX; i++) {
            if (wire.clients[i].role == ROLE_MACHINE) {
                tell_host(WIRE_JOIN, wire.clients[i].machine, NULL, 0);
            }
        }
    } else {
        return false;
    }
    link_put(&client->link, WIRE_WELCOME, wire.options.period_us, NULL, 0);
    return true;
}

/* ---- messages; all return false when the sender does not keep to the protocol ---- */

static bool take_port(struct client *client, uint64_t port)
{
    if (port >= WIRE_PORTS_MAX || wire.fabric.ports[port].attached) {
        fprintf(stderr, "wired: port %" PRIu64 " is taken or does not exist (0 to %u)\n", port, WIRE_PORTS_MAX - 1);
        return false;
    }
    client->ports[port] = true;
    switch_attach(&wire.fabric, (unsigned)port);
    return true;
}

static bool take_frame(const struct client *client, const struct wire_head *head, const uint8_t *payload)
{
    unsigned port = (unsigned)(head->value >> WIRE_PORT_SHIFT);

    if (port >= WIRE_PORTS_MAX || !client->ports[port]) {
        return false;
    }
    switch_send(&wire.fabric, port, now_ns() + (head->value & WIRE_OFFSET_MASK), payload, head->len);
    return true;
}

static bool handle_machine(struct client *client, const struct wire_head *head, const uint8_t *payload)
{
    switch (head->type) {
    case WIRE_PORT:
        return take_port(client, head->value);
    case WIRE_FRAME:
        return take_frame(client, head, payload);
    case WIRE_SERIAL:
        tell_host(WIRE_SERIAL, (uint64_t)client->machine << 16 | head->value, payload, head->len);
        return true;
    case WIRE_TICK:
        client->ticked = true;
        return true;
    default:
        return false;
    }
}

/* Forward the host's order to a machine, whatever it is about. */
static bool pass_to_machine(unsigned number, const struct wire_head *head, uint64_t value, const uint8_t *payload)
{
    struct client *machine = find_machine(number);

    if (machine) {
        link_put(&machine->link, (enum wire_type)head->type, value, payload, head->len);
    }
    return true;
}

static bool add_fault(const uint8_t *payload, size_t len)
{
    char text[1024];
    const char *wrong;

    snprintf(text, sizeof(text), "%.*s", (int)len, (const char *)payload);
    wrong = fault_add(&wire.fabric.faults, text);
    if (wrong) {
        fprintf(stderr, "wired: fault rule \"%s\": cannot use \"%s\"\n", text, wrong);
    }
    return !wrong;
}

static void release(void);

/* The host is served at poll 0 already: nothing starts before its first GO. */
static bool handle_host(struct client *client, const struct wire_head *head, const uint8_t *payload)
{
    switch (head->type) {
    case WIRE_PORT:
        return take_port(client, head->value);
    case WIRE_FRAME:
        return take_frame(client, head, payload);
    case WIRE_SERIAL:
        return pass_to_machine((unsigned)(head->value >> 16), head, head->value & 0xffff, payload);
    case WIRE_SAVE:
        return pass_to_machine((unsigned)head->value, head, 0, payload);
    case WIRE_FAULT:
        return add_fault(payload, head->len);
    case WIRE_GO:
        wire.host_poll = head->value;
        wire.host_said_go = true;
        if (wire.phase == PHASE_HOST_TURN) {
            release();
        }
        return true;
    default:
        return false;
    }
}

static void read_client(struct client *client)
{
    struct wire_head head;
    const uint8_t *payload;
    bool alive = link_fill(&client->link), good = true;

    while (good && link_take(&client->link, &head, &payload)) {
        switch (client->role) {
        case ROLE_NEW: good = greet(client, &head); break;
        case ROLE_MACHINE: good = handle_machine(client, &head, payload); break;
        case ROLE_HOST: good = handle_host(client, &head, payload); break;
        case ROLE_NONE: return;
        }
    }
    if (!good || link_is_broken(&client->link)) {
        fprintf(stderr, "wired: message %u not understood, connection closed\n", head.type);
        alive = false;
    }
    if (!alive) {
        drop_client(client);
    }
}

/* ---- the round ---- */

static void deliver(struct client *client)
{
    for (unsigned port = 0; port < WIRE_PORTS_MAX; port++) {
        struct frame *frame;

        for (unsigned n = 0; client->ports[port] && n < wire.options.burst
             && (frame = switch_take(&wire.fabric, port, now_ns())); n++) {
            link_put(&client->link, WIRE_FRAME, (uint64_t)port << WIRE_PORT_SHIFT, frame->bytes, frame->len);
            wire.host_waiting |= client->role == ROLE_HOST;
            free(frame);
        }
    }
}

static void release(void)
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
    if (!wire.started && count_role(ROLE_MACHINE) >= wire.options.machines
        && (wire.host_said_go || !wire.options.wait_for_host)) {
        wire.started = true;
    }
}

/* Every machine has ended its interval: this is the next poll. With no machine left the host still gets its turn. */
static void advance(void)
{
    start_when_complete();
    if (!wire.started || wire.phase != PHASE_RUNNING) {
        return;
    }
    if (all_ticked()) {
        wire.poll++;
        switch_run(&wire.fabric, now_ns());
        if (wire.host) {
            deliver(wire.host);
        }
    } else if (count_role(ROLE_MACHINE) > 0 || !wire.host_waiting) {
        return;
    }
    if (wire.host && (wire.host_waiting || wire.poll >= wire.host_poll)) {
        wire.phase = PHASE_HOST_TURN;
        wire.host_waiting = false;
        link_put(&wire.host->link, WIRE_TURN, wire.poll, NULL, 0);
    } else {
        release();
    }
}

static void flush_clients(void)
{
    for (unsigned i = 0; i < CLIENTS_MAX; i++) {
        if (wire.clients[i].role != ROLE_NONE && !link_flush(&wire.clients[i].link)) {
            drop_client(&wire.clients[i]);
        }
    }
}

/* Once everybody has been there and has left, the wire has nothing to do any more. */
static bool is_deserted(void)
{
    return wire.started && !wire.host && count_role(ROLE_MACHINE) == 0;
}

static void serve(void)
{
    struct pollfd fds[CLIENTS_MAX + 1];

    while (!stop_requested && !is_deserted()) {
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
                read_client(&wire.clients[i]);
            }
        }
        if (fds[CLIENTS_MAX].revents & POLLIN) {
            accept_client();
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
