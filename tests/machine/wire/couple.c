/* SPDX-License-Identifier: MIT */
/* Coupling the emulator to the wire process, in lock-step.
 *
 * A timer of our own fires every poll period of emulated time, tells wired that this machine got so far, and
 * blocks until wired releases the next interval. What crosses the machine's border goes through that socket:
 *  - network: the module eth_tuntap with `ethdev=wire:PORT`. No tun device is opened: its open, ioctl, read
 *    and write end here. Its own 1 ms timer stays inactive; frames are handed in at our poll, any number.
 *  - serial: `mode=socket-client, dev=127.0.0.1:UNIT` (UNIT 1 to 4) is connected to a socket pair of ours.
 * Environment: WIRE_SOCK (path of wired's socket), WIRE_MACHINE (number of this machine).
 *
 * One interval, k to k+1:
 *
 *   emulator runs ..... writes frames and serial bytes -> buffered with their offset in the interval
 *   poll timer fires .. everything buffered + TICK -> wired; frames and input from wired -> devices; RELEASE
 */
#define _GNU_SOURCE
#include "couple.h"
#include "detour.h"
#include "guest_trace.h"
#include "link.h"
#include "smp_idle.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define NICS_MAX 4u
#define TUN_PATH "wire"             /* the part of ethdev before the colon */

typedef void timer_handler_t(void *self);

struct nic {
    int fd;                         /* stands for the tun device inside the emulator */
    unsigned port;                  /* on the wire */
    timer_handler_t *poll;          /* the module's own handler: reads one frame */
    void *poll_self;
};

static struct {
    bool enabled;
    struct link link;
    uint64_t poll;                  /* polls of this machine so far */
    uint64_t poll_ns;               /* emulated time of the last one */
    struct nic nics[NICS_MAX];
    unsigned nr_nics;
    int serial[WIRE_UNITS_MAX];     /* our ends of the socket pairs, -1: not in use */
    const uint8_t *frame;           /* being handed to a NIC; NULL: taken */
    size_t frame_len;
    size_t ips_offset;              /* of the double m_ips (million instructions per second) in pc_system */
    void *pc_system;
    int (*register_timer_ticks)(void *pc_system, void *self, timer_handler_t *handler, uint64_t ticks,
                                bool continuous, bool active, const char *id);
    uint64_t (*time_nsec)(void *pc_system);
    bool (*save_state)(void *sim, const char *folder);
    void **sim;
} couple = { .link = { .fd = -1 }, .serial = { -1, -1, -1, -1 } };

static void die(const char *what)
{
    perror(what);
    _exit(3);
}

/* ---- the poll ---- */

/* Everything that the machine sent since the last poll goes into the output buffer. */
static void collect_serial(void)
{
    uint8_t bytes[4096];

    for (unsigned unit = 0; unit < WIRE_UNITS_MAX; unit++) {
        ssize_t got;

        while (couple.serial[unit] >= 0
               && (got = recv(couple.serial[unit], bytes, sizeof(bytes), MSG_DONTWAIT)) > 0) {
            link_put(&couple.link, WIRE_SERIAL, unit, bytes, (size_t)got);
        }
    }
}

static void hand_frame_in(unsigned port, const uint8_t *bytes, size_t len)
{
    for (unsigned i = 0; i < couple.nr_nics; i++) {
        struct nic *nic = &couple.nics[i];

        if (nic->port == port && nic->poll) {
            couple.frame = bytes;
            couple.frame_len = len;
            nic->poll(nic->poll_self);      /* calls read() below */
            couple.frame = NULL;
        }
    }
}

static void hand_serial_in(unsigned unit, const uint8_t *bytes, size_t len)
{
    if (unit < WIRE_UNITS_MAX && couple.serial[unit] >= 0) {
        if (send(couple.serial[unit], bytes, len, MSG_NOSIGNAL) != (ssize_t)len) {
            die("wire: serial input");
        }
    }
}

static void save_snapshot(const uint8_t *name, size_t len)
{
    char folder[1024];

    if (len >= sizeof(folder)) {
        return;
    }
    memcpy(folder, name, len);
    folder[len] = '\0';
    mkdir(folder, 0755);
    fprintf(stderr, "wire: snapshot %s: %s\n", folder,
            couple.save_state(*couple.sim, folder) ? "saved" : "failed");
}

/* Returns true when the next interval may begin. */
static bool handle_message(const struct wire_head *head, const uint8_t *payload)
{
    switch (head->type) {
    case WIRE_FRAME:
        hand_frame_in((unsigned)(head->value >> WIRE_PORT_SHIFT), payload, head->len);
        return false;
    case WIRE_SERIAL:
        hand_serial_in((unsigned)head->value & 0xffff, payload, head->len);
        return false;
    case WIRE_SAVE:
        save_snapshot(payload, head->len);
        return false;
    case WIRE_RELEASE:
        return true;
    default:
        fprintf(stderr, "wire: unexpected message %u\n", head->type);
        _exit(3);
    }
}

static void await_release(void)
{
    struct wire_head head;
    const uint8_t *payload;

    for (;;) {
        while (link_take(&couple.link, &head, &payload)) {
            if (handle_message(&head, payload)) {
                return;
            }
        }
        if (!link_fill(&couple.link)) {
            fprintf(stderr, "wire: closed at poll %llu, this machine ends\n",
                    (unsigned long long)couple.poll);
            _exit(4);
        }
    }
}

static void poll_timer(void *self)
{
    (void)self;
    couple.poll++;
    guest_trace_poll();
    collect_serial();
    link_put(&couple.link, WIRE_TICK, couple.poll, NULL, 0);
    if (!link_flush(&couple.link)) {
        _exit(4);
    }
    couple.poll_ns = couple.time_nsec(couple.pc_system);
    await_release();
}

/* ---- joining ---- */

static uint64_t join(void)
{
    const char *path = getenv("WIRE_SOCK");
    const char *number = getenv("WIRE_MACHINE");
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    struct wire_head head;
    const uint8_t *payload;

    if (strlen(path) >= sizeof(address.sun_path)) {
        fprintf(stderr, "wire: WIRE_SOCK is longer than %zu bytes\n", sizeof(address.sun_path) - 1);
        _exit(3);
    }
    memcpy(address.sun_path, path, strlen(path));
    couple.link.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    couple.enabled = false;                 /* connect() below is the real one */
    if (couple.link.fd < 0 || connect(couple.link.fd, (struct sockaddr *)&address, sizeof(address))) {
        die("wire: connect");
    }
    couple.enabled = true;
    link_put(&couple.link, WIRE_HELLO_MACHINE, number ? strtoul(number, NULL, 0) : 0, NULL, 0);
    link_flush(&couple.link);
    while (!link_take(&couple.link, &head, &payload)) {
        if (!link_fill(&couple.link)) {
            fprintf(stderr, "wire: refused by wired\n");
            _exit(3);
        }
    }
    return head.value;
}

static uint64_t ticks_of_us(uint64_t us)
{
    double ips_mhz;

    memcpy(&ips_mhz, (const char *)couple.pc_system + couple.ips_offset, sizeof(ips_mhz));
    return (uint64_t)((double)us * ips_mhz);
}

/* Takes the place of bx_pc_system_c::register_timer, which is nothing but this conversion. The first caller
 * finds the clock set up and brings our own timer with it. */
static int register_timer(void *pc_system, void *self, timer_handler_t *handler, uint32_t useconds,
                          bool continuous, bool active, const char *id)
{
    if (couple.link.fd < 0) {
        couple.pc_system = pc_system;
        guest_trace_init(pc_system, couple.time_nsec);
        smp_idle_init(pc_system);
        uint64_t period_us = join();
        couple.register_timer_ticks(pc_system, &couple, poll_timer, ticks_of_us(period_us), true, true,
                                    "wire");
    }
    if (id && !strcmp(id, "eth_tuntap") && couple.nr_nics > 0) {
        struct nic *nic = &couple.nics[couple.nr_nics - 1];

        nic->poll = handler;
        nic->poll_self = self;
        active = false;
    }
    return couple.register_timer_ticks(pc_system, self, handler, ticks_of_us(useconds), continuous, active,
                                       id);
}

/* m_ips has no accessor: its offset is the operand of `mulsd disp32(%rdi), %xmm0` in register_timer. */
static size_t find_ips_offset(const uint8_t *code)
{
    static const uint8_t mulsd[] = { 0xf2, 0x0f, 0x59, 0x87 };

    for (unsigned i = 0; i < 64; i++) {
        if (!memcmp(code + i, mulsd, sizeof(mulsd))) {
            uint32_t offset;

            memcpy(&offset, code + i + sizeof(mulsd), sizeof(offset));
            return offset;
        }
    }
    fprintf(stderr, "wire: register_timer looks unfamiliar; the bench knows Bochs 3.1 of Debian\n");
    exit(3);
}

/* What was sent in the last, unfinished interval (a power-off message, say) still belongs to the record. */
static void say_last_words(void)
{
    if (couple.link.fd >= 0) {
        collect_serial();
        link_flush(&couple.link);
    }
}

void couple_init(void)
{
    void *code = detour_find("_ZN14bx_pc_system_c14register_timerEPvPFvS0_EjbbPKc");

    couple.ips_offset = find_ips_offset(code);
    *(void **)&couple.register_timer_ticks =
        detour_find("_ZN14bx_pc_system_c20register_timer_ticksEPvPFvS0_EmbbPKc");
    *(void **)&couple.time_nsec = detour_find("_ZN14bx_pc_system_c9time_nsecEv");
    *(void **)&couple.save_state = detour_find("_ZN13bx_real_sim_c10save_stateEPKc");
    couple.sim = detour_find("SIM");
    detour_replace(code, (const void *)register_timer);
    couple.enabled = true;
    atexit(say_last_words);
}

/* ---- system calls of the emulator's modules ---- */

static struct nic *find_nic(int fd)
{
    for (unsigned i = 0; i < couple.nr_nics; i++) {
        if (couple.nics[i].fd == fd) {
            return &couple.nics[i];
        }
    }
    return NULL;
}

int open64(const char *path, int flags, ...)
{
    int (*next)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
    va_list args;
    unsigned mode;

    va_start(args, flags);
    mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, unsigned) : 0;
    va_end(args);
    if (!couple.enabled || strcmp(path, TUN_PATH) || couple.nr_nics == NICS_MAX) {
        return next(path, flags, mode);
    }
    couple.nics[couple.nr_nics].fd = next("/dev/null", O_RDWR);
    return couple.nics[couple.nr_nics++].fd;
}

int ioctl(int fd, unsigned long request, ...)
{
    int (*next)(int, unsigned long, ...) = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
    struct nic *nic = find_nic(fd);
    va_list args;
    void *argument;

    va_start(args, request);
    argument = va_arg(args, void *);
    va_end(args);
    if (!nic || request != TUNSETIFF) {
        return next(fd, request, argument);
    }
    nic->port = (unsigned)strtoul(((const struct ifreq *)argument)->ifr_name, NULL, 10);
    link_put(&couple.link, WIRE_PORT, nic->port, NULL, 0);
    return 0;
}

ssize_t read(int fd, void *buffer, size_t len)
{
    ssize_t (*next)(int, void *, size_t) = (ssize_t (*)(int, void *, size_t))dlsym(RTLD_NEXT, "read");

    if (!find_nic(fd)) {
        return next(fd, buffer, len);
    }
    if (!couple.frame) {
        errno = EAGAIN;
        return -1;
    }
    len = couple.frame_len < len ? couple.frame_len : len;
    memcpy(buffer, couple.frame, len);
    couple.frame = NULL;
    return (ssize_t)len;
}

ssize_t write(int fd, const void *buffer, size_t len)
{
    ssize_t (*next)(int, const void *, size_t) =
        (ssize_t (*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    struct nic *nic = find_nic(fd);

    if (!nic) {
        return next(fd, buffer, len);
    }
    /* Before the first poll of a restored machine the time of the last one is not known. */
    uint64_t offset_ns = couple.poll ? couple.time_nsec(couple.pc_system) - couple.poll_ns : 0;
    if (len <= WIRE_FRAME_MAX) {
        link_put(&couple.link, WIRE_FRAME,
                 (uint64_t)nic->port << WIRE_PORT_SHIFT | (offset_ns & WIRE_OFFSET_MASK), buffer, len);
    }
    return (ssize_t)len;
}

int connect(int fd, const struct sockaddr *address, socklen_t len)
{
    int (*next)(int, const struct sockaddr *, socklen_t) =
        (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "connect");
    const struct sockaddr_in *inet = (const struct sockaddr_in *)address;
    unsigned unit = address->sa_family == AF_INET ? ntohs(inet->sin_port) - 1u : WIRE_UNITS_MAX;
    int pair[2];

    if (!couple.enabled || unit >= WIRE_UNITS_MAX) {
        return next(fd, address, len);
    }
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || dup2(pair[0], fd) < 0) {
        die("wire: socketpair");
    }
    close(pair[0]);
    couple.serial[unit] = pair[1];
    return 0;
}
