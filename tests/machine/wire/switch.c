/* SPDX-License-Identifier: MIT */
/* A learning Ethernet switch in emulated time: see switch.h. */
#include "switch.h"

#include "pcap.h"

#include <stdlib.h>
#include <string.h>

#define MAC_BYTES 6u
#define ETHERNET_MIN 60u            /* bytes without FCS; shorter frames are padded on the wire */
#define ETHERNET_OVERHEAD 24u       /* preamble 8, FCS 4, gap 12 */

/* ---- queues and links ---- */

static void queue_init(struct frame_queue *queue)
{
    queue->head = NULL;
    queue->tail = &queue->head;
}

static struct frame *queue_pop(struct frame_queue *queue)
{
    struct frame *frame = queue->head;

    queue->head = frame->next;
    if (!queue->head) {
        queue->tail = &queue->head;
    }
    return frame;
}

/* Insert by time, behind frames of the same time. Almost always that is the tail. */
static void queue_insert(struct frame_queue *queue, struct frame *frame)
{
    struct frame **place = &queue->head;

    while (*place && (*place)->time_ns <= frame->time_ns) {
        place = &(*place)->next;
    }
    frame->next = *place;
    *place = frame;
    if (!frame->next) {
        queue->tail = &frame->next;
    }
}

static void queue_append(struct frame_queue *queue, struct frame *frame)
{
    frame->next = NULL;
    *queue->tail = frame;
    queue->tail = &frame->next;
}

static struct frame *frame_new(const uint8_t *bytes, size_t len, unsigned from, uint64_t time_ns)
{
    struct frame *frame = malloc(sizeof(*frame) + len);

    if (!frame) {
        perror("wired: malloc");
        exit(3);
    }
    *frame = (struct frame){ .time_ns = time_ns, .from = from, .len = len };
    memcpy(frame->bytes, bytes, len);
    return frame;
}

static uint64_t serialise_ns(const struct switch_fabric *fabric, size_t len)
{
    uint64_t bits = 8u * ((len < ETHERNET_MIN ? ETHERNET_MIN : len) + ETHERNET_OVERHEAD);

    return fabric->rate ? bits * 1000000000u / fabric->rate : 0;
}

/* Does the link's queue take another `len` bytes at now_ns? What waits is what the link has yet to send. */
static bool lane_has_room(const struct switch_fabric *fabric, const struct lane *lane, uint64_t now_ns,
                          size_t len, uint64_t limit)
{
    uint64_t waiting_ns = lane->free_ns > now_ns ? lane->free_ns - now_ns : 0;

    return waiting_ns / 1000u * (fabric->rate / 8u) / 1000000u + len <= limit;
}

/* Add [begin, end) to the busy time of the windows that it touches. */
static void account_windows(struct lane *lane, uint64_t begin_ns, uint64_t end_ns)
{
    while (begin_ns < end_ns) {
        uint64_t window = begin_ns / SWITCH_WINDOW_NS;
        uint64_t window_end_ns = (window + 1) * SWITCH_WINDOW_NS;
        uint64_t part_end_ns = end_ns < window_end_ns ? end_ns : window_end_ns;

        if (window != lane->window) {
            lane->window = window;
            lane->window_busy_ns = 0;
        }
        lane->window_busy_ns += part_end_ns - begin_ns;
        if (lane->window_busy_ns > lane->busiest_ns) {
            lane->busiest_ns = lane->window_busy_ns;
        }
        begin_ns = part_end_ns;
    }
}

/* Put a frame on the link: the time its last bit arrives. Keeps the link's account. */
static uint64_t lane_transmit(const struct switch_fabric *fabric, struct lane *lane, uint64_t now_ns,
                              size_t len)
{
    uint64_t duration_ns = serialise_ns(fabric, len);
    uint64_t begin_ns = lane->free_ns > now_ns ? lane->free_ns : now_ns;
    uint64_t end_ns = begin_ns + duration_ns;

    if (lane->frames == 0) {
        lane->first_ns = begin_ns;
    }
    account_windows(lane, begin_ns, end_ns);
    lane->frames++;
    lane->bytes += len;
    lane->busy_ns += duration_ns;
    lane->last_ns = lane->free_ns = end_ns;
    return end_ns;
}

/* ---- addresses ---- */

static unsigned mac_slot(const uint8_t *mac)
{
    unsigned hash = 0;

    for (unsigned i = 0; i < MAC_BYTES; i++) {
        hash = hash * 31u + mac[i];
    }
    return hash % SWITCH_MACS;
}

/* The entry of this address, or the one to use for it: open addressing, the home slot when all are taken. */
static struct mac_entry *mac_find(struct switch_fabric *fabric, const uint8_t *mac)
{
    unsigned home = mac_slot(mac);

    for (unsigned i = 0; i < SWITCH_MACS; i++) {
        struct mac_entry *entry = &fabric->macs[(home + i) % SWITCH_MACS];

        if (!entry->used || !memcmp(entry->mac, mac, MAC_BYTES)) {
            return entry;
        }
    }
    return &fabric->macs[home];
}

static void mac_learn(struct switch_fabric *fabric, const uint8_t *mac, unsigned port)
{
    struct mac_entry *entry = mac_find(fabric, mac);

    memcpy(entry->mac, mac, MAC_BYTES);
    entry->used = true;
    entry->port = port;
}

static bool mac_is_group(const uint8_t *mac)
{
    return mac[0] & 1;
}

/* ---- forwarding ---- */

static void enqueue_down(struct switch_fabric *fabric, struct port *port, const struct frame *frame,
                         const struct fault_verdict *verdict)
{
    struct lane *lane = &port->down;
    struct frame *copy;

    if (!lane_has_room(fabric, lane, frame->time_ns, frame->len, fabric->down_limit)) {
        lane->overflows++;
        return;
    }
    copy = frame_new(frame->bytes, frame->len, frame->from, 0);
    copy->time_ns = lane_transmit(fabric, lane, frame->time_ns + verdict->delay_ns, frame->len)
                  + fabric->delay_ns + verdict->reorder_ns;
    if (verdict->corrupt) {
        copy->bytes[verdict->corrupt_offset] ^= verdict->corrupt_mask;
    }
    if (!lane->queue.head) {
        queue_append(&lane->queue, copy);
    } else {
        queue_insert(&lane->queue, copy);
    }
}

static void forward_to(struct switch_fabric *fabric, unsigned to, const struct frame *frame)
{
    struct port *port = &fabric->ports[to];
    const struct fault_frame subject = { .from = frame->from, .to = to, .time_ns = frame->time_ns,
                                         .bytes = frame->bytes, .len = frame->len };
    struct fault_verdict verdict = fault_judge(&fabric->faults, &subject);

    if (verdict.down || verdict.drop) {
        port->down_dropped += verdict.down;
        port->dropped += !verdict.down;
        return;
    }
    port->duplicated += verdict.copies;
    port->corrupted += verdict.corrupt;
    port->delayed += verdict.delay_ns != 0;
    port->reordered += verdict.reorder_ns != 0;
    for (unsigned i = 0; i <= verdict.copies; i++) {
        enqueue_down(fabric, port, frame, &verdict);
    }
}

static void forward(struct switch_fabric *fabric, const struct frame *frame)
{
    const uint8_t *destination = frame->bytes, *source = frame->bytes + MAC_BYTES;
    const struct mac_entry *known = mac_is_group(destination) ? NULL : mac_find(fabric, destination);

    pcap_write(fabric->capture, frame->time_ns, frame->bytes, frame->len);
    pcap_write(fabric->ports[frame->from].capture, frame->time_ns, frame->bytes, frame->len);
    if (!mac_is_group(source)) {
        mac_learn(fabric, source, frame->from);
    }
    if (known && known->used && !memcmp(known->mac, destination, MAC_BYTES)
        && fabric->ports[known->port].attached) {
        if (known->port != frame->from) {
            forward_to(fabric, known->port, frame);
        }
        return;
    }
    for (unsigned to = 0; to < WIRE_PORTS_MAX; to++) {
        if (to != frame->from && fabric->ports[to].attached) {
            forward_to(fabric, to, frame);
        }
    }
}

void switch_init(struct switch_fabric *fabric)
{
    for (unsigned i = 0; i < WIRE_PORTS_MAX; i++) {
        queue_init(&fabric->ports[i].up.queue);
        queue_init(&fabric->ports[i].down.queue);
    }
}

void switch_attach(struct switch_fabric *fabric, unsigned port)
{
    fabric->ports[port].attached = true;
}

void switch_detach(struct switch_fabric *fabric, unsigned port)
{
    struct frame_queue *queue = &fabric->ports[port].down.queue;

    fabric->ports[port].attached = false;
    while (queue->head) {
        free(queue_pop(queue));
    }
}

void switch_send(struct switch_fabric *fabric, unsigned port, uint64_t time_ns, const uint8_t *bytes,
                 size_t len)
{
    struct lane *lane = &fabric->ports[port].up;

    if (len < 2 * MAC_BYTES || len > WIRE_FRAME_MAX) {
        return;
    }
    if (!lane_has_room(fabric, lane, time_ns, len, fabric->up_limit)) {
        lane->overflows++;
        return;
    }
    queue_append(&lane->queue, frame_new(bytes, len, port, lane_transmit(fabric, lane, time_ns, len)));
}

void switch_run(struct switch_fabric *fabric, uint64_t until_ns)
{
    for (;;) {
        struct frame_queue *first = NULL;

        for (unsigned i = 0; i < WIRE_PORTS_MAX; i++) {
            struct frame_queue *queue = &fabric->ports[i].up.queue;

            if (queue->head && queue->head->time_ns <= until_ns
                && (!first || queue->head->time_ns < first->head->time_ns)) {
                first = queue;
            }
        }
        if (!first) {
            return;
        }
        struct frame *frame = queue_pop(first);
        forward(fabric, frame);
        free(frame);
    }
}

struct frame *switch_take(struct switch_fabric *fabric, unsigned port, uint64_t now_ns)
{
    struct frame_queue *queue = &fabric->ports[port].down.queue;
    struct frame *frame;

    if (!queue->head || queue->head->time_ns > now_ns) {
        return NULL;
    }
    frame = queue_pop(queue);
    pcap_write(fabric->ports[port].capture, frame->time_ns, frame->bytes, frame->len);
    return frame;
}
