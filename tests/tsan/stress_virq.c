/* SPDX-License-Identifier: MIT */
/* A machine's interrupt controllers with each vCPU on a thread of its own, and a device on another.
 * - A token goes round the ring of vCPUs as an IPI, by all kinds of addressing; if one is lost, nothing moves any more.
 * - The device raises a level-triggered wire and an ISA wire; each time must be handled exactly once, by whoever gets it.
 * - One more vCPU switches its APIC off and on, moves its logical ID, opens and closes LINT0, and is sent INITs and SIPIs.
 * vCPUs sleep after a look that found nothing, and wake by virq's kicks alone. */
#include "guest/virq.h"
#include "tests/tsan/stress.h"

#define RING 3u
#define CHAOS RING
#define CPUS (RING + 1)
#define DEVICE CPUS
#define LAPS 20000u
#define RAISES 10000u
#define TOKEN 0x90u
#define NOISE 0x31u
#define TIMER 0x41u
#define WIRE 0xa1u
#define WIRE_GSI 10u
#define ISA_IRQ 3u
#define ISA_VECTOR 0x33u

static struct vlapic lapics[CPUS];
static struct virq virq;
static struct bus bus;
static uint8_t pio_index[BUS_PIO_PORTS];
static struct vclock time;
static struct spinlock lock = SPINLOCK("vm", LOCK_RANK_VM);
static struct stress_bell bells[CPUS];
static uint32_t laps;                          /* the token's holder has it */
static uint32_t wires_handled, isas_handled;   /* [a] */
static uint32_t timers[CPUS], sipis, inits;    /* the vCPU's own */
static uint32_t finished;                      /* [a] of the token and the device */

static uint64_t read_tsc(const struct vclock *c) {
    (void)c;
    return 1000;
}

static void on_kick(void *ctx, unsigned cpu) {
    (void)ctx;
    stress_bell_ring(&bells[cpu]);
}

static void finish(void) {
    __atomic_fetch_add(&finished, 1, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < CPUS; i++)
        stress_bell_ring(&bells[i]);
}

static bool is_over(void) {
    return __atomic_load_n(&finished, __ATOMIC_SEQ_CST) == 2;
}

static void wr(unsigned cpu, uint32_t offset, uint32_t value) {
    vlapic_mmio_write(&lapics[cpu], offset, 4, value);
}

static void send(unsigned from, uint32_t dest, uint32_t command) {
    wr(from, LAPIC_ICR_HIGH, dest << LAPIC_ID_SHIFT);
    wr(from, LAPIC_ICR_LOW, command);
}

static void set_gsi(unsigned gsi, bool level) {
    spin_lock(&lock);
    virq_set_gsi(&virq, gsi, level);
    spin_unlock(&lock);
}

/* What other vCPUs get while the token is here. */
static void make_noise(unsigned cpu) {
    static const uint32_t commands[] = {
        LAPIC_MODE_NMI << 8, LAPIC_MODE_INIT << 8 | LAPIC_ICR_ASSERT, LAPIC_MODE_SIPI << 8 | 0x12, NOISE, LAPIC_MODE_EXTINT << 8,
    };
    send(cpu, CHAOS, commands[laps % ARRAY_LEN(commands)]);
    wr(cpu, LAPIC_ICR_LOW, NOISE | LAPIC_SHORTHAND_OTHERS << LAPIC_ICR_SHORTHAND_SHIFT);
    wr(cpu, LAPIC_TPR, laps & 0xf0);
    vlapic_write_tsc_deadline(&lapics[cpu], 1);
    vlapic_run(&lapics[cpu]);
    wr(cpu, LAPIC_TPR, 0);
}

static void pass_token(unsigned cpu) {
    unsigned next = (cpu + 1) % RING;
    make_noise(cpu);
    if (++laps == LAPS * RING) {
        finish();
        return;
    }
    if (laps % 3 == 0)
        send(cpu, next, TOKEN);
    else if (laps % 3 == 1)
        send(cpu, 1u << next, TOKEN | LAPIC_ICR_LOGICAL);
    else
        send(cpu, 1u << next, TOKEN | LAPIC_ICR_LOGICAL | LAPIC_MODE_LOWEST << LAPIC_ICR_MODE_SHIFT);
}

static void end_isa_interrupt(void) {
    spin_lock(&lock);
    bus_pio_write(&bus, I8259_MASTER_COMMAND, 1, 0x20);
    spin_unlock(&lock);
    __atomic_fetch_add(&isas_handled, 1, __ATOMIC_RELEASE);
}

static void handle(unsigned cpu, unsigned vector) {
    if (vector == ISA_VECTOR) {
        end_isa_interrupt();
        return; /* an ExtINT is not in service */
    }
    if (vector == WIRE) {
        set_gsi(WIRE_GSI, false);
        __atomic_fetch_add(&wires_handled, 1, __ATOMIC_RELEASE);
    }
    timers[cpu] += vector == TIMER;
    wr(cpu, LAPIC_EOI, 0);
    if (vector == TOKEN)
        pass_token(cpu);
}

/* What the loop of a vCPU does; false: there was nothing. */
static bool serve(unsigned cpu) {
    struct vlapic_requests r;
    bool busy = false;
    if (vlapic_take(&lapics[cpu], &r)) {
        inits += r.init;
        sipis += r.sipi;
        stress_check(cpu == CHAOS && (!r.sipi || r.sipi_vector == 0x12));
    }
    for (int vector = vlapic_accept(&lapics[cpu]); vector >= 0; vector = vlapic_accept(&lapics[cpu])) {
        handle(cpu, (unsigned)vector);
        busy = true;
    }
    return vlapic_accept_nmi(&lapics[cpu]) || busy;
}

static void run_chaos(void) {
    struct vlapic *l = &lapics[CHAOS];
    for (uint32_t turn = 0; !is_over(); turn++) {
        serve(CHAOS);
        if (turn % 16 == 5 && !vlapic_write_base(l, LAPIC_DEFAULT_BASE, 40))
            stress_check(false);
        serve(CHAOS);
        if (turn % 16 == 9 && !vlapic_write_base(l, LAPIC_DEFAULT_BASE | APIC_BASE_EN, 40))
            stress_check(false);
        wr(CHAOS, LAPIC_SVR, (turn & 1) != 0 ? 0x1ff : 0xff);
        wr(CHAOS, LAPIC_DFR, (turn & 2) != 0 ? 0x0fffffff : 0xffffffff);
        wr(CHAOS, LAPIC_LDR, (turn & 4) != 0 ? 0x80000000 : 0x40000000);
        wr(CHAOS, LAPIC_LVT_LINT0, (turn & 8) != 0 ? LAPIC_MODE_EXTINT << 8 : NOISE);
        stress_pause();
    }
    serve(CHAOS);
}

static void run_ring(unsigned cpu) {
    while (!is_over())
        if (!serve(cpu))
            stress_bell_wait(&bells[cpu]);
}

static void wait_for(const uint32_t *count, uint32_t value) {
    while (__atomic_load_n(count, __ATOMIC_ACQUIRE) < value)
        stress_pause();
}

static void run_device(void) {
    for (uint32_t i = 1; i <= RAISES; i++) {
        set_gsi(WIRE_GSI, true);
        set_gsi(ISA_IRQ, true);
        set_gsi(ISA_IRQ, false);
        spin_lock(&lock);
        virq_msi(&virq, 0xfee07004, 0x4100 | NOISE); /* lowest priority in the ring */
        spin_unlock(&lock);
        wait_for(&wires_handled, i);
        wait_for(&isas_handled, i);
    }
    finish();
}

static void run(unsigned index) {
    if (index == DEVICE)
        run_device();
    else if (index == CHAOS)
        run_chaos();
    else
        run_ring(index);
}

static void write_rte(unsigned pin, uint32_t low, uint32_t dest) {
    vioapic_write(&virq.ioapic, IOAPIC_INDEX, 4, IOAPIC_REG_REDIRECTION + 2 * pin + 1);
    vioapic_write(&virq.ioapic, IOAPIC_DATA, 4, dest << 24);
    vioapic_write(&virq.ioapic, IOAPIC_INDEX, 4, IOAPIC_REG_REDIRECTION + 2 * pin);
    vioapic_write(&virq.ioapic, IOAPIC_DATA, 4, low);
}

static void setup(void) {
    static const struct {
        uint16_t port;
        uint8_t value;
    } pic[] = {{0x20, 0x11}, {0x21, 0x30}, {0x21, 4}, {0x21, 1}, {0x21, 0xf7}};
    const struct virq_host host = {NULL, on_kick, NULL, &lock};
    vclock_init(&time, NSEC_PER_SEC, read_tsc);
    bus_init(&bus, pio_index);
    virq_init(&virq, CPUS, lapics, &time, &host);
    stress_check(virq_attach(&virq, &bus) == OK);
    for (size_t i = 0; i < ARRAY_LEN(pic); i++)
        bus_pio_write(&bus, pic[i].port, 1, pic[i].value);
    for (unsigned i = 0; i < CPUS; i++) {
        wr(i, LAPIC_SVR, 0x1ff);
        wr(i, LAPIC_LDR, 1u << (24 + (i < RING ? i : 7)));
        wr(i, LAPIC_LVT_TIMER, TIMER | LAPIC_TIMER_TSC_DEADLINE << LAPIC_LVT_TIMER_MODE_SHIFT);
    }
    write_rte(WIRE_GSI, WIRE | 0x8900, 7); /* level, logical, lowest priority in the ring */
    send(RING - 1, 0, TOKEN);
}

static void check(void) {
    stress_check(laps == LAPS * RING);
    stress_check(wires_handled == RAISES);
    stress_check(isas_handled == RAISES);
    stress_check(inits > 0 && sipis > 0);
    for (unsigned i = 0; i < RING; i++)
        stress_check(timers[i] > 0);
}

int main(void) {
    static const struct stress_case cases[] = {
        {"virq: a token, two wires and an APIC that comes and goes", CPUS + 1, setup, run, check},
    };
    return stress_main(cases, ARRAY_LEN(cases));
}
