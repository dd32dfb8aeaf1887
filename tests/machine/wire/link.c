/* SPDX-License-Identifier: MIT */
/* One end of a message stream with buffers in both directions; used by the preload library and by wired. */
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECEIVE_BYTES 65536u

/* Make room for `more` bytes at the end. */
static void buffer_reserve(struct link_buffer *buffer, size_t more)
{
    if (buffer->begin == buffer->end) {
        buffer->begin = buffer->end = 0;
    }
    if (buffer->capacity - buffer->end >= more) {
        return;
    }
    memmove(buffer->bytes, buffer->bytes + buffer->begin, buffer->end - buffer->begin);
    buffer->end -= buffer->begin;
    buffer->begin = 0;
    if (buffer->capacity - buffer->end < more) {
        buffer->capacity = 2 * (buffer->end + more);
        buffer->bytes = realloc(buffer->bytes, buffer->capacity);
        if (!buffer->bytes) {
            perror("wire: realloc");
            _exit(3);
        }
    }
}

static void buffer_append(struct link_buffer *buffer, const void *data, size_t len)
{
    memcpy(buffer->bytes + buffer->end, data, len);
    buffer->end += len;
}

void link_put(struct link *link, enum wire_type type, uint64_t value, const void *payload, size_t len)
{
    struct wire_head head = { .type = type, .len = (uint32_t)len, .value = value };

    buffer_reserve(&link->out, sizeof(head) + len);
    buffer_append(&link->out, &head, sizeof(head));
    if (len) {
        buffer_append(&link->out, payload, len);
    }
}

bool link_flush(struct link *link)
{
    while (link->out.begin < link->out.end) {
        ssize_t sent = send(link->fd, link->out.bytes + link->out.begin, link->out.end - link->out.begin,
                            MSG_NOSIGNAL);

        if (sent > 0) {
            link->out.begin += (size_t)sent;
        } else if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
            return true;
        } else if (!(sent < 0 && errno == EINTR)) {
            return false;
        }
    }
    return true;
}

bool link_fill(struct link *link)
{
    ssize_t got;

    buffer_reserve(&link->in, RECEIVE_BYTES);
    do {
        got = recv(link->fd, link->in.bytes + link->in.end, RECEIVE_BYTES, 0);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        link->in.end += (size_t)got;
        return true;
    }
    return got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
}

static bool peek_head(const struct link *link, struct wire_head *head)
{
    if (link->in.end - link->in.begin < sizeof(*head)) {
        return false;
    }
    memcpy(head, link->in.bytes + link->in.begin, sizeof(*head));
    return true;
}

bool link_take(struct link *link, struct wire_head *head, const uint8_t **payload)
{
    if (!peek_head(link, head) || head->len > WIRE_PAYLOAD_MAX
        || link->in.end - link->in.begin < sizeof(*head) + head->len) {
        return false;
    }
    *payload = link->in.bytes + link->in.begin + sizeof(*head);
    link->in.begin += sizeof(*head) + head->len;
    return true;
}

bool link_is_broken(const struct link *link)
{
    struct wire_head head;

    return peek_head(link, &head) && head.len > WIRE_PAYLOAD_MAX;
}

void link_close(struct link *link)
{
    if (link->fd >= 0) {
        close(link->fd);
    }
    free(link->in.bytes);
    free(link->out.bytes);
    *link = (struct link){ .fd = -1 };
}
