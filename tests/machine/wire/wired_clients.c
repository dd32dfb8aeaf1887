/* SPDX-License-Identifier: MIT */
/* The clients of the wire process: machines and the test host come, say something, and go. */
#define _GNU_SOURCE
#include "wired.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void tell_host(enum wire_type type, uint64_t value, const void *payload, size_t len)
{
    if (wire.host) {
        link_put(&wire.host->link, type, value, payload, len);
        wire.host_waiting = true;
    }
}

/* ---- clients come and go ---- */

void clients_drop(struct client *client)
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
        wire.stop_requested |= wire.options.wait_for_host;  /* a killed test takes its machines along */
    }
    *client = (struct client){ .role = ROLE_NONE, .link.fd = -1 };
}

void clients_accept(void)
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

unsigned clients_count(enum role role)
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
        fprintf(stderr, "wired: port %" PRIu64 " is taken or does not exist (0 to %u)\n", port,
                WIRE_PORTS_MAX - 1);
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
    switch_send(&wire.fabric, port, wired_now_ns() + (head->value & WIRE_OFFSET_MASK), payload, head->len);
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
static bool pass_to_machine(unsigned number, const struct wire_head *head, uint64_t value,
                            const uint8_t *payload)
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
            wired_release();
        }
        return true;
    default:
        return false;
    }
}

void clients_read(struct client *client)
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
        clients_drop(client);
    }
}
