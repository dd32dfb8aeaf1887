/* SPDX-License-Identifier: MIT */
/* test_e1000.c - the 8254x rings against a card played by the test: plain memory for registers, and functions
 * that move head pointers and set DD as the manual says. */
#include "drivers/e1000_rx.h"
#include "drivers/e1000_tx.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct card {
    uint32_t regs[E1000_REGS_SIZE / 4];
    struct e1000_rx_desc rx_desc[E1000_RX_DESCS];
    struct e1000_tx_desc tx_desc[E1000_TX_DESCS];
    struct e1000_rx rx;
    struct e1000_tx tx;
    struct nic nic;
    uint8_t *buffers;
    /* what the callbacks saw */
    unsigned received, finished;
    uint32_t next_number; /* expected in the next frame */
    struct nic_buf *kept[E1000_RX_BUFS];
    unsigned nr_kept;
    bool keep;
    uintptr_t last_cookie;
};

static uint32_t *reg(struct card *c, unsigned offset) {
    return &c->regs[offset / 4];
}

static uint8_t *chunk(void *ctx, unsigned i, hpa_t *pa) {
    struct card *c = ctx;
    uint8_t *at = c->buffers + (size_t)i * NIC_RX_BUF_BYTES;
    *pa = (hpa_t)(uintptr_t)at;
    return at;
}

static bool on_rx(void *ctx, struct nic_buf *buf) {
    struct card *c = ctx;
    uint32_t number;
    memcpy(&number, buf->data, sizeof number);
    assert_int_equal(number, c->next_number++);
    c->received++;
    if (!c->keep || c->nic.rx_spare == 0)
        return false;
    c->kept[c->nr_kept++] = buf;
    return true;
}

static void on_tx_done(void *ctx, void *cookie) {
    struct card *c = ctx;
    c->finished++;
    assert_int_equal((uintptr_t)cookie, c->last_cookie + 1); /* in order */
    c->last_cookie = (uintptr_t)cookie;
}

static int setup(void **state) {
    struct card *c = calloc(1, sizeof *c);
    c->buffers = calloc(E1000_RX_BUFS, NIC_RX_BUF_BYTES);
    c->nic.rx = on_rx;
    c->nic.tx_done = on_tx_done;
    c->nic.ctx = c;
    e1000_rx_init(&c->rx, c->regs, c->rx_desc, 0x123456000, chunk, c);
    e1000_tx_init(&c->tx, c->regs, c->tx_desc, 0x123457000);
    *state = c;
    return 0;
}

static int teardown(void **state) {
    struct card *c = *state;
    free(c->buffers);
    free(c);
    return 0;
}

/* The card receives frame `number` of len octets; false when it has no descriptor. */
static bool card_receive(struct card *c, uint32_t number, uint16_t len) {
    uint32_t head = *reg(c, E1000_RDH);
    if (head == *reg(c, E1000_RDT))
        return false;
    struct e1000_rx_desc *d = &c->rx_desc[head];
    memcpy((void *)(uintptr_t)d->addr, &number, sizeof number);
    d->length = len;
    d->status |= E1000_RXD_STAT_DD | E1000_RXD_STAT_EOP | E1000_RXD_STAT_IXSM; /* OR-ed, as Bochs does */
    *reg(c, E1000_RDH) = (head + 1) % E1000_RX_DESCS;
    return true;
}

static void test_e1000_rx_init_registers(void **state) {
    struct card *c = *state;
    assert_int_equal(*reg(c, E1000_RDBAL), 0x23456000);
    assert_int_equal(*reg(c, E1000_RDBAH), 1);
    assert_int_equal(*reg(c, E1000_RDLEN), sizeof c->rx_desc);
    assert_int_not_equal(*reg(c, E1000_RDH), *reg(c, E1000_RDT));
    assert_false(e1000_rx_waiting(&c->rx));
    assert_int_equal(e1000_rx_poll(&c->rx, &c->nic, 64), 0);
}

static void test_e1000_rx_full_ring_in_order(void **state) {
    struct card *c = *state;
    uint32_t number = 0;
    for (unsigned round = 0; round < 20; round++) {
        unsigned came = 0;
        while (card_receive(c, number, 100)) {
            number++;
            came++;
        }
        assert_int_equal(came, E1000_RX_DESCS - 1);
        while (e1000_rx_poll(&c->rx, &c->nic, 50) != 0)
            assert_int_not_equal(*reg(c, E1000_RDT), *reg(c, E1000_RDH));
    }
    assert_int_equal(c->received, number);
    assert_int_equal(c->nic.stats.rx_frames, number);
}

static void test_e1000_rx_budget_and_tail_once(void **state) {
    struct card *c = *state;
    for (uint32_t i = 0; i < 10; i++)
        assert_true(card_receive(c, i, 60));
    assert_int_equal(e1000_rx_poll(&c->rx, &c->nic, 4), 4);
    assert_int_equal(*reg(c, E1000_RDT), 3);
    assert_int_equal(e1000_rx_poll(&c->rx, &c->nic, 64), 6);
    assert_int_equal(*reg(c, E1000_RDT), 9);
}

/* A receiver that keeps everything gets distinct buffers until the spare ones are gone, and the ring stays
 * full. */
static void test_e1000_rx_keep_until_spare_is_gone(void **state) {
    struct card *c = *state;
    uint32_t number = 0;
    c->keep = true;
    for (unsigned i = 0; i < 2 * E1000_RX_BUFS; i++) {
        assert_true(card_receive(c, number++, 1514));
        assert_int_equal(e1000_rx_poll(&c->rx, &c->nic, 1), 1);
    }
    assert_int_equal(c->nr_kept, E1000_RX_BUFS - E1000_RX_DESCS);
    uint8_t *seen = calloc(E1000_RX_BUFS, 1);
    for (unsigned i = 0; i < c->nr_kept; i++)
        assert_int_equal(seen[c->kept[i]->index]++, 0);
    for (unsigned i = 0; i < E1000_RX_DESCS; i++) /* none of them is still under a descriptor */
        assert_int_equal(seen[c->rx.owner[i]->index]++, 0);
    free(seen);
    while (c->nr_kept != 0)
        e1000_rx_release(&c->rx, &c->nic, c->kept[--c->nr_kept]);
    assert_int_equal(c->nic.rx_spare, E1000_RX_BUFS - E1000_RX_DESCS);
}

static void test_e1000_rx_drops_broken_frames(void **state) {
    struct card *c = *state;
    assert_true(card_receive(c, 0, 60));
    c->rx_desc[0].status = E1000_RXD_STAT_DD; /* no EOP */
    assert_true(card_receive(c, 0, 60));
    c->rx_desc[1].errors = E1000_RXD_ERR_CE;
    assert_true(card_receive(c, 0, 5));
    assert_true(card_receive(c, 0, NIC_RX_BUF_BYTES + 1));
    assert_true(card_receive(c, 0, 60));
    assert_int_equal(e1000_rx_poll(&c->rx, &c->nic, 64), 5);
    assert_int_equal(c->received, 1);
    assert_int_equal(c->nic.stats.rx_errors, 4);
    assert_int_equal(c->rx_desc[1].errors, 0); /* recycled clean */
}

/* The card sends everything up to the tail; returns the number of frames. */
static unsigned card_send(struct card *c) {
    unsigned frames = 0;
    uint32_t head = *reg(c, E1000_TDH);
    for (; head != *reg(c, E1000_TDT); head = (head + 1) % E1000_TX_DESCS) {
        struct e1000_tx_desc *d = &c->tx_desc[head];
        if (d->cmd & E1000_TXD_CMD_RS) {
            d->status |= E1000_TXD_STAT_DD;
            if (d->cmd & E1000_TXD_DTYP_DATA)
                frames++;
        }
    }
    *reg(c, E1000_TDH) = head;
    return frames;
}

static void test_e1000_tx_many_frames(void **state) {
    struct card *c = *state;
    struct nic_seg segs[3] = {{0x1000, 54}, {0x2000, 700}, {0x9000, 760}};
    unsigned sent = 0, wire = 0;
    for (unsigned i = 0; i < 5000; i++) {
        struct nic_frame f = {.segs = segs, .nr_segs = 1 + i % 3, .cookie = (void *)(uintptr_t)(sent + 1)};
        if (i % 2)
            f.flags = NIC_TX_CSUM, f.csum_start = 34, f.csum_offset = 16;
        result_t r = e1000_tx_send(&c->tx, &c->nic, &f);
        if (r == OK)
            sent++;
        else
            assert_int_equal(r, ERR_FULL);
        if (i % 397 == 0)
            wire += card_send(c);
        if (i % 31 == 0)
            e1000_tx_reap(&c->tx, &c->nic);
    }
    assert_true(c->nic.stats.tx_full > 0);
    e1000_tx_flush(&c->tx);
    wire += card_send(c);
    e1000_tx_reap(&c->tx, &c->nic);
    assert_int_equal(wire, sent);
    assert_int_equal(c->finished, sent);
    assert_int_equal(c->nic.stats.tx_frames, sent);
}

static void test_e1000_tx_context_only_when_it_changes(void **state) {
    struct card *c = *state;
    struct nic_seg seg = {0x1000, 1514};
    struct nic_frame f = {
        .segs = &seg, .nr_segs = 1, .flags = NIC_TX_CSUM, .csum_start = 34, .csum_offset = 16};
    assert_int_equal(e1000_tx_send(&c->tx, &c->nic, &f), OK);
    assert_int_equal(c->tx.next, 2); /* context, data */
    assert_int_equal(c->tx_desc[0].cmd & E1000_TXD_DTYP_DATA, 0);
    assert_int_equal(c->tx_desc[0].tucss, 34);
    assert_int_equal(c->tx_desc[0].tucso, 50);
    assert_int_equal(c->tx_desc[1].popts, E1000_TXD_POPTS_TXSM);
    assert_int_equal(c->tx_desc[1].cmd & E1000_TXD_LEN_MASK, 1514);
    assert_int_equal(e1000_tx_send(&c->tx, &c->nic, &f), OK);
    assert_int_equal(c->tx.next, 3);
    f.csum_start = 54;
    assert_int_equal(e1000_tx_send(&c->tx, &c->nic, &f), OK);
    assert_int_equal(c->tx.next, 5);
}

static void test_e1000_tx_tso_context(void **state) {
    struct card *c = *state;
    struct nic_seg segs[2] = {{0x1000, 54}, {0x2000, 5840}};
    struct nic_frame f = {.segs = segs,
                          .nr_segs = 2,
                          .flags = NIC_TX_CSUM | NIC_TX_TSO4,
                          .l3_start = 14,
                          .csum_start = 34,
                          .csum_offset = 16,
                          .header_len = 54,
                          .mss = 1460};
    assert_int_equal(e1000_tx_send(&c->tx, &c->nic, &f), OK);
    const struct e1000_tx_desc *d = c->tx_desc;
    assert_int_equal(d[0].ipcss, 14);
    assert_int_equal(d[0].ipcso, 24);
    assert_int_equal(d[0].ipcse, 33);
    assert_int_equal(d[0].popts, 54);
    assert_int_equal(d[0].mss, 1460);
    assert_int_equal(d[0].cmd & E1000_TXD_LEN_MASK, 5840);
    assert_true(d[0].cmd & E1000_TXD_CMD_TSE);
    assert_true(d[1].cmd & E1000_TXD_CMD_TSE);
    assert_false(d[1].cmd & E1000_TXD_CMD_EOP);
    assert_true(d[2].cmd & E1000_TXD_CMD_EOP);
    assert_int_equal(d[1].popts, E1000_TXD_POPTS_TXSM | E1000_TXD_POPTS_IXSM);
    f.flags = NIC_TX_CSUM; /* the plain context has to be set again after a TSO one */
    assert_int_equal(e1000_tx_send(&c->tx, &c->nic, &f), OK);
    assert_int_equal(c->tx.next, 6);
}

static void test_e1000_tx_refuses_bad_frames(void **state) {
    struct card *c = *state;
    struct nic_seg segs[NIC_MAX_SEGS + 1] = {{0x1000, 0}};
    struct nic_frame f = {.segs = segs, .nr_segs = 0};
    assert_int_equal(e1000_tx_send(&c->tx, &c->nic, &f), ERR_INVAL);
    f.nr_segs = NIC_MAX_SEGS + 1;
    assert_int_equal(e1000_tx_send(&c->tx, &c->nic, &f), ERR_INVAL);
    f.nr_segs = 1; /* empty segment */
    assert_int_equal(e1000_tx_send(&c->tx, &c->nic, &f), ERR_INVAL);
    segs[0].len = NIC_MAX_TSO_BYTES + 1;
    assert_int_equal(e1000_tx_send(&c->tx, &c->nic, &f), ERR_INVAL);
    segs[0].len = 100;
    f.flags = NIC_TX_CSUM | NIC_TX_TSO4; /* no mss */
    assert_int_equal(e1000_tx_send(&c->tx, &c->nic, &f), ERR_INVAL);
    assert_int_equal(c->tx.next, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_e1000_rx_init_registers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_e1000_rx_full_ring_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_e1000_rx_budget_and_tail_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_e1000_rx_keep_until_spare_is_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_e1000_rx_drops_broken_frames, setup, teardown),
        cmocka_unit_test_setup_teardown(test_e1000_tx_many_frames, setup, teardown),
        cmocka_unit_test_setup_teardown(test_e1000_tx_context_only_when_it_changes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_e1000_tx_tso_context, setup, teardown),
        cmocka_unit_test_setup_teardown(test_e1000_tx_refuses_bad_frames, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
