/* SPDX-License-Identifier: MIT */
/* Preload library for Debian's bochs-bin 3.1: entry point, and the repairs that every run needs.
 *  - long_idiv: the 128/64 bit signed division is miscompiled there (aliasing), which kills any Linux
 *  - srand: the emulated RDRAND is seeded with the wall clock; WIRE_SEED makes it repeat
 *  - bind: the RFB display takes the first free port of 5900 to 5949 on all interfaces, and two emulators
 *    that start at the same moment can both fail; it gets a free port of the loopback interface instead
 * With WIRE_SOCK set the emulator is coupled to the wire process as well (couple.c).
 */
#define _GNU_SOURCE
#include "couple.h"
#include "detour.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define RFB_PORT_MIN 5900
#define RFB_PORT_MAX 5949

/* Bochs' own layout of a signed 128-bit number. */
struct bochs_int128 {
    uint64_t low;
    int64_t high;
};

static void long_idiv(struct bochs_int128 *quotient, int64_t *remainder,
                      const struct bochs_int128 *dividend, int64_t divisor)
{
    __int128 number = (__int128)(((unsigned __int128)(uint64_t)dividend->high << 64) | dividend->low);
    __int128 result = number / divisor;

    *remainder = (int64_t)(number % divisor);
    quotient->low = (uint64_t)result;
    quotient->high = (int64_t)(result >> 64);
}

void srand(unsigned int seed)
{
    void (*next)(unsigned int) = (void (*)(unsigned int))dlsym(RTLD_NEXT, "srand");
    const char *fixed = getenv("WIRE_SEED");

    next(fixed ? (unsigned int)strtoul(fixed, NULL, 0) : seed);
}

int bind(int fd, const struct sockaddr *address, socklen_t len)
{
    int (*next)(int, const struct sockaddr *, socklen_t) =
        (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "bind");
    struct sockaddr_in inet;

    if (address->sa_family != AF_INET || len < sizeof(inet)) {
        return next(fd, address, len);
    }
    memcpy(&inet, address, sizeof(inet));
    if (ntohs(inet.sin_port) >= RFB_PORT_MIN && ntohs(inet.sin_port) <= RFB_PORT_MAX) {
        inet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        inet.sin_port = 0;
    }
    return next(fd, (const struct sockaddr *)&inet, sizeof(inet));
}

/* The library is inherited by whatever the emulator's wrapper starts: only bochs-bin has the symbols. */
__attribute__((constructor)) static void preload_init(void)
{
    if (strcmp(program_invocation_short_name, "bochs-bin")
        && !dlsym(RTLD_DEFAULT, "_Z9long_idivP7Bit128sPlPKS_l")) {
        return;
    }
    detour_replace(detour_find("_Z9long_idivP7Bit128sPlPKS_l"), (const void *)long_idiv);
    if (getenv("WIRE_SOCK")) {
        couple_init();
    }
}
