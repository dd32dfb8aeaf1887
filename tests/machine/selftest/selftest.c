/* SPDX-License-Identifier: MIT */
/* The bench's own test program: an EFI application that sends and checks numbered frames on command.
 *   send N SIZE DEST GAP  N frames of SIZE bytes to broadcast (DEST b) or to a MAC that no card has (DEST u),
 *                         one every GAP TSC counts (0: as fast as the ring allows); receives all the while
 *   show                  what was received since the last clear, as "rx key=value ..."
 *   clear                 start counting anew
 *   tsc                   the TSC
 *   reset                 reset the machine by port 0xcf9
 *   off                   switch the machine off
 * A test frame: addresses, type 0x88b5, struct test_payload, then bytes derived from its number.
 */
#include <efi.h>

#include "st_console.h"
#include "st_nic.h"

#include "kernel/io.h"

#define ETHERTYPE_TEST 0x88b5u          /* IEEE 802 local experimental */
#define NUMBERS_MAX (1u << 20)
#define BOCHS_SHUTDOWN_PORT 0x8900u
#define RESET_PORT 0xcf9u
#define RESET_HARD 0x06u

struct test_payload {
    uint32_t number;
    uint32_t check;                     /* sum of the bytes behind this struct */
    uint64_t tsc;
} PACKED;

struct test_frame {
    uint8_t destination[NIC_MAC_BYTES], source[NIC_MAC_BYTES];
    uint8_t type[2];
    struct test_payload payload;
    uint8_t filler[NIC_FRAME_MAX];
} PACKED;

#define OVERHEAD offsetof(struct test_frame, filler)

static struct {
    uint64_t frames, bytes, bad, twice, backwards, foreign;
    uint64_t delay_min, delay_max;      /* TSC counts from the sender's stamp to reception */
    uint64_t first_tsc, last_tsc;       /* of reception */
    uint32_t highest;
    uint64_t fingerprint;               /* of the order of all numbers and stamps */
} rx;

static uint8_t seen[NUMBERS_MAX / 8];
static struct test_frame tx_frame, rx_frame;

static void clear(void)
{
    __builtin_memset(&rx, 0, sizeof(rx));
    __builtin_memset(seen, 0, sizeof(seen));
    rx.delay_min = ~0ull;
}

static uint32_t sum_filler(const struct test_frame *frame, size_t len)
{
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i++) {
        sum = sum * 31u + frame->filler[i];
    }
    return sum;
}

static void count_number(uint32_t number)
{
    uint32_t bit = number % NUMBERS_MAX;

    rx.twice += (seen[bit / 8] >> (bit % 8)) & 1;
    seen[bit / 8] |= (uint8_t)(1u << (bit % 8));
    rx.backwards += rx.frames > 1 && number < rx.highest;
    rx.highest = MAX(rx.highest, number);
}

static void receive_all(void)
{
    size_t len;

    while ((len = nic_receive(&rx_frame)) > 0) {
        uint64_t now = cpu_rdtsc(), delay = now - rx_frame.payload.tsc;

        if (len < OVERHEAD || rx_frame.type[0] != ETHERTYPE_TEST >> 8
            || rx_frame.type[1] != (ETHERTYPE_TEST & 0xff)) {
            rx.foreign++;
            continue;
        }
        if (sum_filler(&rx_frame, len - OVERHEAD) != rx_frame.payload.check) {
            rx.bad++;
            continue;
        }
        rx.first_tsc = rx.frames ? rx.first_tsc : now;
        rx.last_tsc = now;
        rx.frames++;
        rx.bytes += len;
        rx.delay_min = MIN(rx.delay_min, delay);
        rx.delay_max = MAX(rx.delay_max, delay);
        rx.fingerprint = (rx.fingerprint ^ rx_frame.payload.number ^ delay) * 0x100000001b3ull;
        count_number(rx_frame.payload.number);
    }
}

static void prepare_frame(uint32_t number, size_t len, bool broadcast)
{
    static const uint8_t nobody[NIC_MAC_BYTES] = { 0x02, 0x77, 0x00, 0x00, 0x00, 0x99 };

    if (broadcast) {
        __builtin_memset(tx_frame.destination, 0xff, NIC_MAC_BYTES);
    } else {
        __builtin_memcpy(tx_frame.destination, nobody, NIC_MAC_BYTES);
    }
    __builtin_memcpy(tx_frame.source, nic_mac(), NIC_MAC_BYTES);
    tx_frame.type[0] = ETHERTYPE_TEST >> 8;
    tx_frame.type[1] = ETHERTYPE_TEST & 0xff;
    for (size_t i = 0; i < len - OVERHEAD; i++) {
        tx_frame.filler[i] = (uint8_t)(number + i * 7);
    }
    tx_frame.payload.number = number;
    tx_frame.payload.check = sum_filler(&tx_frame, len - OVERHEAD);
}

static void send(uint32_t count, size_t len, bool broadcast, uint64_t gap)
{
    uint64_t next = cpu_rdtsc();

    len = MIN(MAX(len, (size_t)OVERHEAD), (size_t)NIC_FRAME_MAX);
    for (uint32_t number = 0; number < count; number++) {
        prepare_frame(number, len, broadcast);
        do {
            receive_all();
        } while (cpu_rdtsc() < next);
        next += gap;
        do {
            receive_all();
            tx_frame.payload.tsc = cpu_rdtsc();
        } while (!nic_transmit(&tx_frame, len));
    }
    console_put_number("sent=", count);
    console_put_number(" end_tsc=", cpu_rdtsc());
    console_put("\n");
}

static void show(void)
{
    console_put_number("rx frames=", rx.frames);
    console_put_number(" bytes=", rx.bytes);
    console_put_number(" bad=", rx.bad);
    console_put_number(" twice=", rx.twice);
    console_put_number(" backwards=", rx.backwards);
    console_put_number(" foreign=", rx.foreign);
    console_put_number(" delay_min=", rx.frames ? rx.delay_min : 0);
    console_put_number(" delay_max=", rx.delay_max);
    console_put_number(" first_tsc=", rx.first_tsc);
    console_put_number(" last_tsc=", rx.last_tsc);
    console_put_number(" fingerprint=", rx.fingerprint);
    console_put("\n");
}

static void power_off(void)
{
    console_put("power off\n");
    for (const char *c = "Shutdown"; *c; c++) {
        io_out8(BOCHS_SHUTDOWN_PORT, (uint8_t)*c);
    }
}

/* The next decimal number of a command line. */
static uint64_t next_number(const char **text)
{
    uint64_t value = 0;

    while (**text && (**text < '0' || **text > '9')) {
        (*text)++;
    }
    for (; **text >= '0' && **text <= '9'; (*text)++) {
        value = value * 10 + (uint64_t)(**text - '0');
    }
    return value;
}

static bool is_command(const char *line, const char *name)
{
    size_t len = __builtin_strlen(name);

    return !__builtin_strncmp(line, name, len) && (line[len] == '\0' || line[len] == ' ');
}

static void run_send(const char *line)
{
    uint32_t count = (uint32_t)next_number(&line);
    size_t len = next_number(&line);
    bool broadcast = false;

    for (; *line && (*line < '0' || *line > '9'); line++) {
        broadcast |= *line == 'b';
    }
    send(count, len, broadcast, next_number(&line));
}

static void run(const char *line)
{
    if (is_command(line, "send")) {
        run_send(line);
    } else if (is_command(line, "show")) {
        show();
    } else if (is_command(line, "clear")) {
        clear();
    } else if (is_command(line, "tsc")) {
        console_put_number("tsc=", cpu_rdtsc());
        console_put("\n");
    } else if (is_command(line, "reset")) {
        io_out8(RESET_PORT, RESET_HARD);
    } else if (is_command(line, "off")) {
        power_off();
    } else if (*line) {
        console_put("unknown command\n");
    }
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table);

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE *system_table)
{
    static char line[256];

    (void)image;
    system_table->BootServices->SetWatchdogTimer(0, 0, 0, NULL);
    __asm__ volatile("cli");
    console_init();
    console_put("\nselftest ready");
    console_put(nic_init() ? "\n" : ", no card\n");
    clear();
    for (;;) {
        console_put("> ");
        while (!console_poll(line, sizeof(line))) {
            if (nic_mac()[0]) {
                receive_all();
            }
        }
        run(line);
    }
}
