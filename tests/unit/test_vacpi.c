/* SPDX-License-Identifier: MIT */
/* An ACPI reader of its own: nothing here is shared with the writer but the constants of the board. */
#include "tests/unit/device_fixture.h"

#include <stdio.h>
#include <stdlib.h>

#include "guest/vacpi.h"
#include "guest/vacpi_aml.h"
#include "kernel/hw/acpi_pm_regs.h"

static uint8_t chunk0[LARGE_SIZE];
static uint8_t *chunks[] = {chunk0};
static struct gmem g;

static const uint8_t *mem(uint64_t gpa) {
    assert_true(gpa < sizeof(chunk0));
    return chunk0 + gpa;
}

static uint64_t le(const uint8_t *p, unsigned len) {
    uint64_t v = 0;
    for (unsigned i = 0; i < len; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static uint8_t sum(const uint8_t *p, size_t len) {
    uint8_t s = 0;
    for (size_t i = 0; i < len; i++)
        s = (uint8_t)(s + p[i]);
    return s;
}

/* A whole table: signature, bounds, checksum. */
static const uint8_t *table_at(uint64_t gpa, const char *signature, size_t *len) {
    const uint8_t *t = mem(gpa);
    *len = le(t + 4, 4);
    assert_memory_equal(t, signature, 4);
    assert_true(*len >= 36 && gpa >= VACPI_START && gpa + *len <= VACPI_END);
    assert_int_equal(sum(t, *len), 0);
    return t;
}

/* Through RSDT and XSDT, which must agree. */
static const uint8_t *find_table(const char *signature, size_t *len) {
    const uint8_t *found = NULL;
    const uint8_t *rsdp = NULL;
    for (uint64_t gpa = 0xe0000; gpa < 0x100000 && rsdp == NULL; gpa += 16)
        if (memcmp(mem(gpa), "RSD PTR ", 8) == 0)
            rsdp = mem(gpa);
    assert_non_null(rsdp);
    assert_int_equal(sum(rsdp, 20), 0);
    assert_int_equal(sum(rsdp, 36), 0);
    assert_int_equal(rsdp[15], 2);
    assert_int_equal(le(rsdp + 20, 4), 36);
    size_t rsdt_len, xsdt_len;
    const uint8_t *rsdt = table_at(le(rsdp + 16, 4), "RSDT", &rsdt_len);
    const uint8_t *xsdt = table_at(le(rsdp + 24, 8), "XSDT", &xsdt_len);
    assert_int_equal((rsdt_len - 36) / 4, (xsdt_len - 36) / 8);
    for (size_t i = 0; i < (rsdt_len - 36) / 4; i++) {
        uint64_t gpa = le(xsdt + 36 + 8 * i, 8);
        assert_int_equal(gpa, le(rsdt + 36 + 4 * i, 4));
        if (memcmp(mem(gpa), signature, 4) == 0) {
            assert_null(found);
            found = table_at(gpa, signature, len);
        }
    }
    assert_non_null(found);
    return found;
}

static void build(uint32_t nr_vcpus) {
    gpa_t rsdp = 0;
    struct vacpi_config config = {.nr_vcpus = nr_vcpus, .ioapic_id = 0};
    memset(chunk0, 0xcc, sizeof(chunk0));
    assert_int_equal(gmem_init(&g, sizeof(chunk0), chunks), OK);
    assert_int_equal(vacpi_build(&g, &config, &rsdp), OK);
    assert_int_equal(rsdp, VACPI_START);
}

static void test_vacpi_stays_in_its_area(void **state) {
    (void)state;
    build(VACPI_MAX_VCPUS);
    for (uint64_t gpa = 0; gpa < sizeof(chunk0); gpa++)
        if (gpa < VACPI_START || gpa >= VACPI_END)
            assert_int_equal(*mem(gpa), 0xcc);
}

static void test_vacpi_marks_pages_dirty(void **state) {
    (void)state;
    uint64_t dirty[8] = {0};
    gpa_t rsdp;
    struct vacpi_config config = {.nr_vcpus = 1};
    assert_int_equal(gmem_init(&g, sizeof(chunk0), chunks), OK);
    g.dirty = dirty;
    assert_int_equal(vacpi_build(&g, &config, &rsdp), OK);
    assert_true((dirty[(VACPI_START >> 12) / 64] >> ((VACPI_START >> 12) % 64) & 1) != 0);
}

static void test_vacpi_refuses_bad_configurations(void **state) {
    (void)state;
    gpa_t rsdp = 7;
    struct vacpi_config config = {.nr_vcpus = 0};
    assert_int_equal(vacpi_build(&g, &config, &rsdp), ERR_INVAL);
    config.nr_vcpus = VACPI_MAX_VCPUS + 1;
    assert_int_equal(vacpi_build(&g, &config, &rsdp), ERR_INVAL);
    assert_int_equal(rsdp, 7);
}

static void assert_gas_is_port(const uint8_t *gas, uint64_t port, unsigned bits) {
    assert_int_equal(gas[0], 1);
    assert_int_equal(gas[1], bits);
    assert_int_equal(gas[2], 0);
    assert_int_equal(le(gas + 4, 8), port);
}

static void test_vacpi_fadt(void **state) {
    (void)state;
    size_t len, dsdt_len;
    build(2);
    const uint8_t *t = find_table("FACP", &len);
    assert_int_equal(len, 276);
    assert_int_equal(t[8], 6);
    assert_int_equal(le(t + 40, 4), le(t + 140, 8)); /* DSDT */
    (void)table_at(le(t + 40, 4), "DSDT", &dsdt_len);
    assert_int_equal(le(t + 46, 2), VPM_SCI_IRQ);
    assert_int_equal(le(t + 48, 4), 0); /* no SMI command port: ACPI mode only */
    assert_int_equal(le(t + 56, 4), VPM_PM1A_EVT);
    assert_int_equal(le(t + 64, 4), VPM_PM1A_CNT);
    assert_int_equal(le(t + 76, 4), VPM_PM_TMR);
    assert_int_equal(le(t + 80, 4), VPM_GPE0);
    assert_int_equal(t[88], 4);
    assert_int_equal(t[89], 2);
    assert_int_equal(t[91], 4);
    assert_int_equal(t[108], 0x32); /* century */
    uint64_t boot = le(t + 109, 2), flags = le(t + 112, 4);
    assert_int_equal(boot & 2, 0);            /* no 8042 */
    assert_int_equal(boot & 4, 4);            /* no VGA */
    assert_int_equal(boot & 0x20, 0);         /* there is an RTC */
    assert_int_equal(flags >> 4 & 1, 0);      /* power button in the fixed registers */
    assert_int_equal(flags >> 8 & 1, 1);      /* 32-bit timer */
    assert_int_equal(flags >> 10 & 1, 1);     /* reset register */
    assert_int_equal(flags >> 20 & 1, 0);     /* not hardware-reduced */
    assert_gas_is_port(t + 116, 0xcf9, 8);
    assert_int_equal(t[128], 6);
    assert_gas_is_port(t + 148, VPM_PM1A_EVT, 32);
    assert_gas_is_port(t + 172, VPM_PM1A_CNT, 16);
    assert_gas_is_port(t + 208, VPM_PM_TMR, 32);
    assert_gas_is_port(t + 220, VPM_GPE0, 32);
    uint64_t facs = le(t + 36, 4);
    assert_int_equal(facs % 64, 0);
    assert_memory_equal(mem(facs), "FACS", 4);
    assert_int_equal(le(mem(facs) + 4, 4), 64);
    assert_int_equal(mem(facs)[32], 2);
}

struct madt_view {
    unsigned lapics, x2apics, ioapics, nmis;
    uint8_t seen[VACPI_MAX_VCPUS];
    uint32_t irq0_gsi, sci_flags;
};

static void read_madt(struct madt_view *v) {
    size_t len;
    const uint8_t *t = find_table("APIC", &len);
    memset(v, 0, sizeof(*v));
    assert_int_equal(le(t + 36, 4), VACPI_LAPIC_ADDRESS);
    assert_int_equal(le(t + 40, 4), 1);
    for (size_t at = 44; at < len; at += t[at + 1]) {
        const uint8_t *e = t + at;
        assert_true(e[1] >= 2 && at + e[1] <= len);
        if (e[0] == 0) {
            assert_int_equal(e[1], 8);
            assert_int_equal(le(e + 4, 4), 1);
            v->lapics++, v->seen[e[3]]++;
        } else if (e[0] == 9) {
            assert_int_equal(e[1], 16);
            assert_int_equal(le(e + 8, 4), 1);
            assert_true(le(e + 4, 4) >= 255);
            v->x2apics++, v->seen[le(e + 4, 4)]++;
        } else if (e[0] == 1) {
            assert_int_equal(e[1], 12);
            assert_int_equal(le(e + 4, 4), VACPI_IOAPIC_ADDRESS);
            assert_int_equal(le(e + 8, 4), 0);
            v->ioapics++;
        } else if (e[0] == 2) {
            assert_int_equal(e[1], 10);
            if (e[3] == 0)
                v->irq0_gsi = (uint32_t)le(e + 4, 4);
            if (e[3] == VPM_SCI_IRQ)
                v->sci_flags = (uint32_t)le(e + 8, 2);
        } else if (e[0] == 4) {
            assert_int_equal(e[2], 0xff);
            assert_int_equal(e[5], 1); /* LINT1 */
            v->nmis++;
        } else {
            assert_int_equal(e[0], 10);
        }
    }
}

static void test_vacpi_madt(void **state) {
    (void)state;
    static const uint32_t counts[] = {1, 2, 32, 255, 256, VACPI_MAX_VCPUS};
    static struct madt_view v;
    for (unsigned i = 0; i < ARRAY_LEN(counts); i++) {
        build(counts[i]);
        read_madt(&v);
        assert_int_equal(v.lapics, MIN(counts[i], 255u));
        assert_int_equal(v.lapics + v.x2apics, counts[i]);
        for (uint32_t id = 0; id < VACPI_MAX_VCPUS; id++)
            assert_int_equal(v.seen[id], id < counts[i]);
        assert_int_equal(v.ioapics, 1);
        assert_int_equal(v.nmis, 1);
        assert_int_equal(v.irq0_gsi, 2);
        assert_int_equal(v.sci_flags, 0x0d); /* active high, level */
    }
}

/* A reader for the AML subset: walks every construct and must end exactly at each end. */
struct aml_view {
    unsigned devices, names, routes;
    bool has_s5, has_com1_irq, has_memory_window;
    uint32_t hids[16];
    unsigned nr_hids;
};

static size_t package_length(const uint8_t *p, unsigned *octets) {
    *octets = 1u + (p[0] >> 6);
    if (*octets == 1)
        return p[0] & 0x3f;
    size_t len = p[0] & 0x0f;
    for (unsigned i = 1; i < *octets; i++)
        len |= (size_t)p[i] << (8 * i - 4);
    return len;
}

static uint64_t read_integer(const uint8_t **p) {
    static const uint8_t size[] = {[0x0a] = 1, [0x0b] = 2, [0x0c] = 4, [0x0e] = 8};
    uint8_t op = *(*p)++;
    if (op <= 1)
        return op;
    assert_true(op < sizeof(size) && size[op] != 0);
    uint64_t v = le(*p, size[op]);
    *p += size[op];
    return v;
}

static void read_resources(struct aml_view *v, const uint8_t *p, const uint8_t *end) {
    while (p[0] != 0x79) {
        size_t len = (p[0] & 0x80) != 0 ? 3 + le(p + 1, 2) : 1 + (p[0] & 7u);
        if (p[0] == 0x22 && le(p + 1, 2) == 1u << 4)
            v->has_com1_irq = true;
        if (p[0] == 0x87 && p[3] == 0) {
            assert_int_equal(le(p + 14, 4) - le(p + 10, 4) + 1, le(p + 22, 4));
            v->has_memory_window = true;
        }
        if (p[0] == 0x88)
            assert_int_equal((le(p + 10, 2) - le(p + 8, 2) + 1) & 0xffff, le(p + 14, 2));
        p += len;
        assert_true(p < end);
    }
    assert_ptr_equal(p + 2, end);
}

static const uint8_t *read_object(struct aml_view *v, const uint8_t *p);

static const uint8_t *read_package(struct aml_view *v, const uint8_t *p) {
    unsigned octets;
    const uint8_t *end = p + package_length(p, &octets);
    p += octets;
    unsigned count = *p++;
    for (unsigned i = 0; i < count; i++)
        p = read_object(v, p);
    assert_ptr_equal(p, end);
    return p;
}

static const uint8_t *read_object(struct aml_view *v, const uint8_t *p) {
    unsigned octets;
    if (*p == 0x12)
        return read_package(v, p + 1);
    if (*p == 0x11) {
        const uint8_t *end = p + 1 + package_length(p + 1, &octets);
        p += 1 + octets;
        uint64_t size = read_integer(&p);
        assert_ptr_equal(p + size, end);
        read_resources(v, p, end);
        return end;
    }
    (void)read_integer(&p);
    return p;
}

static void read_route_table(struct aml_view *v, const uint8_t *p) {
    unsigned octets;
    assert_int_equal(*p, 0x12);
    (void)package_length(p + 1, &octets);
    p += 1 + octets;
    unsigned count = *p++;
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(*p, 0x12);
        const uint8_t *end = p + 1 + package_length(p + 1, &octets);
        p += 1 + octets;
        assert_int_equal(*p++, 4);
        uint64_t address = read_integer(&p), pin = read_integer(&p), source = read_integer(&p);
        uint64_t gsi = read_integer(&p);
        assert_ptr_equal(p, end);
        assert_int_equal(address & 0xffff, 0xffff);
        assert_int_equal(source, 0);
        assert_true(gsi >= 16 && gsi < 24);
        assert_int_equal(gsi, vacpi_pci_gsi((unsigned)(address >> 16), (unsigned)pin));
        v->routes++;
    }
}

static void read_term_list(struct aml_view *v, const uint8_t *p, const uint8_t *end) {
    while (p < end) {
        unsigned octets;
        if (*p == 0x08) {
            const uint8_t *name = p + 1 + (p[1] == '\\');
            const uint8_t *object = name + 4;
            v->names++;
            v->has_s5 = v->has_s5 || memcmp(name, "_S5_", 4) == 0;
            if (memcmp(name, "_HID", 4) == 0) {
                assert_int_equal(object[0], 0x0c);
                v->hids[v->nr_hids++ % 16] = (uint32_t)le(object + 1, 4);
            }
            if (memcmp(name, "_PRT", 4) == 0)
                read_route_table(v, object);
            p = read_object(v, object);
        } else {
            bool is_device = *p == 0x5b;
            assert_int_equal(p[is_device], is_device ? 0x82 : 0x10);
            p += 1 + is_device;
            const uint8_t *inner_end = p + package_length(p, &octets);
            p += octets;
            v->devices += is_device;
            read_term_list(v, p + 4 + (*p == '\\'), inner_end);
            p = inner_end;
        }
    }
    assert_ptr_equal(p, end);
}

static void test_vacpi_dsdt(void **state) {
    (void)state;
    size_t len;
    struct aml_view v = {0};
    build(1);
    const uint8_t *fadt = find_table("FACP", &len);
    const uint8_t *dsdt = table_at(le(fadt + 40, 4), "DSDT", &len);
    assert_int_equal(dsdt[8], 2);
    read_term_list(&v, dsdt + 36, dsdt + len);
    assert_true(v.has_s5 && v.has_com1_irq && v.has_memory_window);
    assert_int_equal(v.routes, 31 * 4);
    assert_int_equal(v.nr_hids, v.devices);
    assert_int_equal(v.hids[0], 0x030ad041); /* PNP0A03 */
}

static void test_vacpi_aml_encodings(void **state) {
    (void)state;
    uint8_t buf[5000];
    static const uint8_t integers[] = {0x00, 0x01, 0x0a, 0x02, 0x0b, 0x00, 0x01, 0x0c, 0x00, 0x00, 0x01, 0x00,
                                       0x0e, 0, 0, 0, 0, 1, 0, 0, 0};
    struct aml a = {.buf = buf, .cap = sizeof(buf)};
    aml_integer(&a, 0);
    aml_integer(&a, 1);
    aml_integer(&a, 2);
    aml_integer(&a, 0x100);
    aml_integer(&a, 0x10000);
    aml_integer(&a, 1ull << 32);
    assert_int_equal(a.pos, sizeof(integers));
    assert_memory_equal(buf, integers, sizeof(integers));
    for (size_t body = 4; body < 4300; body++) { /* each length form, and both sides of each border */
        unsigned octets;
        a = (struct aml){.buf = buf, .cap = sizeof(buf)};
        size_t mark = aml_open_scope(&a, "\\_SB");
        while (a.pos < mark + body + 1)
            aml_put8(&a, 0x5a);
        aml_close(&a, mark);
        size_t len = package_length(buf + 1, &octets);
        assert_int_equal(len, octets + 1 + body);
        assert_int_equal(a.pos, 1 + len);
        assert_int_equal(octets, len < 64 ? 1 : len < 4096 ? 2 : 3);
        assert_memory_equal(buf + 1 + octets, "\\_SB_", 5);
    }
    uint8_t small[8];
    a = (struct aml){.buf = small, .cap = sizeof(small)};
    size_t mark = aml_open_device(&a, "PCI0");
    aml_string(&a, "does not fit");
    aml_close(&a, mark);
    assert_true(a.full && a.pos <= sizeof(small));
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vacpi_stays_in_its_area),
        cmocka_unit_test(test_vacpi_marks_pages_dirty),
        cmocka_unit_test(test_vacpi_refuses_bad_configurations),
        cmocka_unit_test(test_vacpi_fadt),
        cmocka_unit_test(test_vacpi_madt),
        cmocka_unit_test(test_vacpi_dsdt),
        cmocka_unit_test(test_vacpi_aml_encodings),
    };
    if (argc == 2) { /* write the area to a file, for a disassembler */
        gpa_t rsdp;
        FILE *f = fopen(argv[1], "wb");
        struct vacpi_config config = {.nr_vcpus = 2};
        if (f == NULL || gmem_init(&g, sizeof(chunk0), chunks) != OK || vacpi_build(&g, &config, &rsdp) != OK)
            return 1;
        return fwrite(mem(VACPI_START), VACPI_END - VACPI_START, 1, f) != 1 || fclose(f) != 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
