/* SPDX-License-Identifier: MIT */
/* test_config.c - the configuration parser: what it understands, and the line and column of each mistake. */
#include "kernel/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernel/config_value.h"

static struct config cfg;
static struct reason why;

/* Parses a copy in a block of exactly its size, so that the sanitizer sees any octet read too far. */
static result_t parse_octets(const char *text, size_t len) {
    char *copy = malloc(len + (len == 0));
    assert_non_null(copy);
    memcpy(copy, text, len);
    memset(&cfg, 0x5a, sizeof(cfg));
    memset(&why, 0, sizeof(why));
    result_t r = config_parse(copy, len, &cfg, &why);
    free(copy);
    return r;
}

static result_t parse(const char *text) {
    return parse_octets(text, strlen(text));
}

static void assert_mistake(const char *text, const char *expected) {
    assert_int_equal(parse(text), ERR_INVAL);
    assert_string_equal(why.text, expected);
}

static const char full[] = "# a machine\n"
                           "[host]\n"
                           "name = alpha   # its name\n"
                           "console=com2\n"
                           "log = debug\n"
                           "migration_port = 7601\n"
                           "[net]\n"
                           "address = 10.0.0.1/24\n"
                           "gateway = 10.0.0.254\n"
                           "mac = 52:54:00:12:34:56\n"
                           "nic = 1\n"
                           "[peer beta]\n"
                           "address = 10.0.0.2:7602\n"
                           "[peer gamma]\n"
                           "address = 10.0.0.3\n"
                           "[vm web]\n"
                           "kernel = vmlinuz\n"
                           "initrd = initrd.img\n"
                           "cmdline = \"console=ttyS0 a=\\\"b c\\\" # no comment\" # one\n"
                           "memory = 512M\n"
                           "vcpus = 2\n"
                           "cpu = v3\n"
                           "dirty = pml\n"
                           "autostart = yes\n"
                           "[vm small]\n"
                           "kernel = dirty.bin\n";

static void check_full(void) {
    const uint8_t addr[4] = {10, 0, 0, 1}, gw[4] = {10, 0, 0, 254}, beta[4] = {10, 0, 0, 2};
    const uint8_t mac[6] = {0x52, 0x54, 0, 0x12, 0x34, 0x56};
    assert_string_equal(cfg.host.name, "alpha");
    assert_int_equal(cfg.host.console, CONFIG_CONSOLE_COM2);
    assert_int_equal(cfg.host.log, LOG_DEBUG);
    assert_int_equal(cfg.host.migration_port, 7601);
    assert_int_equal(cfg.net.mode, CONFIG_MODE_STATIC);
    assert_memory_equal(cfg.net.address, addr, 4);
    assert_int_equal(cfg.net.prefix, 24);
    assert_memory_equal(cfg.net.gateway, gw, 4);
    assert_memory_equal(cfg.net.mac, mac, 6);
    assert_int_equal(cfg.net.nic, 1);
    assert_int_equal(cfg.nr_peers, 2);
    assert_string_equal(cfg.peer[0].name, "beta");
    assert_memory_equal(cfg.peer[0].address, beta, 4);
    assert_int_equal(cfg.peer[0].port, 7602);
    assert_int_equal(cfg.peer[1].port, CONFIG_MIGRATION_PORT);
    assert_int_equal(cfg.nr_vms, 2);
    assert_string_equal(cfg.vm[0].name, "web");
    assert_string_equal(cfg.vm[0].kernel, "vmlinuz");
    assert_string_equal(cfg.vm[0].initrd, "initrd.img");
    assert_string_equal(cfg.vm[0].cmdline, "console=ttyS0 a=\"b c\" # no comment");
    assert_int_equal(cfg.vm[0].memory_bytes, 512 * MIB);
    assert_int_equal(cfg.vm[0].nr_vcpus, 2);
    assert_int_equal(cfg.vm[0].cpu, CONFIG_CPU_V3);
    assert_int_equal(cfg.vm[0].dirty, CONFIG_DIRTY_PML);
    assert_true(cfg.vm[0].autostart);
    assert_false(cfg.vm[0].broken);
}

static void test_config_full(void **state) {
    (void)state;
    assert_int_equal(parse(full), OK);
    check_full();
    assert_int_equal(cfg.nr_errors, 0);
    assert_string_equal(cfg.vm[1].name, "small");
    assert_string_equal(cfg.vm[1].initrd, "");
    assert_int_equal(cfg.vm[1].memory_bytes, CONFIG_MEMORY_DEFAULT);
    assert_int_equal(cfg.vm[1].nr_vcpus, 1);
    assert_int_equal(cfg.vm[1].cpu, CONFIG_CPU_V2);
    assert_int_equal(cfg.vm[1].dirty, CONFIG_DIRTY_AUTO);
    assert_false(cfg.vm[1].autostart);
}

/* The same file with DOS and old line ends, a byte order mark, and no end of the last line. */
static void test_config_line_ends(void **state) {
    (void)state;
    char text[2 * sizeof(full) + 8] = "\xef\xbb\xbf";
    size_t n = 3;
    for (const char *p = full; *p != '\0'; p++) {
        if (*p == '\n')
            text[n++] = '\r';
        text[n++] = *p;
    }
    assert_int_equal(parse_octets(text, n), OK);
    check_full();
    assert_int_equal(parse_octets(text, n - 2), OK);
    check_full();
    n = 0;
    for (const char *p = full; *p != '\0'; p++)
        text[n++] = *p == '\n' ? '\r' : *p;
    assert_int_equal(parse_octets(text, n), OK);
    check_full();
    assert_int_equal(parse("[vm a]\r\n\r\nkernel = \"x\r\n"), ERR_INVAL);
    assert_non_null(strstr(why.text, "godwit.cfg:3:10: "));
}

static void test_config_defaults(void **state) {
    (void)state;
    assert_int_equal(parse("[vm a]\nkernel=k\n"), OK);
    assert_string_equal(cfg.host.name, "godwit");
    assert_int_equal(cfg.host.console, CONFIG_CONSOLE_COM1);
    assert_int_equal(cfg.host.migration_port, CONFIG_MIGRATION_PORT);
    assert_int_equal(cfg.net.mode, CONFIG_MODE_DHCP);
    assert_int_equal(parse("[net]\n"), OK);
    assert_int_equal(cfg.net.mode, CONFIG_MODE_DHCP);
}

static void test_config_empty(void **state) {
    (void)state;
    const char *hint = "write for example: [vm web], and on the next line: kernel = vmlinuz";
    char expected[REASON_LEN];
    memset(&cfg, 0x5a, sizeof(cfg));
    assert_int_equal(config_parse(NULL, 0, &cfg, &why), ERR_INVAL);
    snprintf(expected, sizeof(expected), "godwit.cfg:1:1: the file is empty; %s", hint);
    assert_string_equal(why.text, expected);
    assert_int_equal(cfg.net.mode, CONFIG_MODE_DHCP);
    assert_int_equal(cfg.nr_vms, 0);
    snprintf(expected, sizeof(expected), "godwit.cfg:1:1: the file has nothing but comments; %s", hint);
    assert_mistake("# only this\n\n", expected);
    assert_int_equal(parse("\xef\xbb\xbf"), ERR_INVAL);
}

static void test_config_values_refused(void **state) {
    (void)state;
    assert_mistake("[vm web]\nkernel = k\nmemory = abc\n",
                   "godwit.cfg:3:10: memory: \"abc\" is not a size; write for example 256M (2M to 512G)");
    assert_true(cfg.vm[0].broken);
    assert_mistake("[vm web]\nkernel = k\nmemory = 1T\n",
                   "godwit.cfg:3:10: memory: 1T is out of range; write 2M to 512G");
    assert_mistake("[vm web]\nkernel = k\n  memory = 5M\n",
                   "godwit.cfg:3:12: memory: 5M is not a multiple of 2M; the next one is 6M");
    assert_mistake("[vm web]\nkernel = k\nmemory = 99999999999999999999\n",
                   "godwit.cfg:3:10: memory: \"99999999999999999999\" is not a size; write for example 256M "
                   "(2M to 512G)");
    assert_mistake("[vm web]\nkernel = k\nvcpus = 0\n",
                   "godwit.cfg:3:9: vcpus: 0 is out of range; write 1 to 64");
    assert_mistake("[vm web]\nkernel = k\nvcpus = -1\n",
                   "godwit.cfg:3:9: vcpus: \"-1\" is not a number; write 1 to 64");
    assert_mistake("[vm web]\nkernel = k\ncpu = v9\n",
                   "godwit.cfg:3:7: cpu: \"v9\" is not one of the choices; allowed are v2, v3, host");
    assert_mistake("[vm web]\nkernel = k\nautostart = maybe\n",
                   "godwit.cfg:3:13: autostart: \"maybe\" is not one of the choices; allowed are yes, no");
    assert_mistake("[vm web]\nkernel =\n", "godwit.cfg:2:9: kernel: a value is missing after '='");
    assert_mistake("[host]\nname = two words\n",
                   "godwit.cfg:2:8: name: \"two words\" is not a name; write one word, for example alpha");
    assert_mistake("[host]\nmigration_port = 65536\n",
                   "godwit.cfg:2:18: migration_port: 65536 is out of range; write 1 to 65535");
    assert_mistake(
        "[net]\naddress = 10.0.0.1\n",
        "godwit.cfg:2:11: address: \"10.0.0.1\" is not an address with its prefix length; write for "
        "example 10.0.0.1/24");
    assert_mistake("[peer b]\naddress = beta\n",
                   "godwit.cfg:2:11: address: \"beta\" is not a host's address; write for "
                   "example 10.0.0.2 or 10.0.0.2:7600");
    assert_int_equal(cfg.nr_peers, 0);
    assert_mistake(
        "[net]\nmac = 01:00:5e:00:00:01\n",
        "godwit.cfg:2:7: mac: \"01:00:5e:00:00:01\" is not a station's MAC address; write for example "
        "52:54:00:12:34:56");
}

static void test_config_structure_refused(void **state) {
    (void)state;
    assert_mistake("memory = 2M\n",
                   "godwit.cfg:1:1: \"memory\" stands before the first section; begin with [host], [net], "
                   "[peer NAME] or [vm NAME]");
    assert_mistake(
        "[disk]\nsize = 1\n",
        "godwit.cfg:1:2: [disk] is not a section; allowed are [host], [net], [peer NAME], [vm NAME]");
    assert_int_equal(cfg.nr_errors, 1);
    assert_mistake(
        "[vm web]\nmemroy = 256M\nkernel = k\n",
        "godwit.cfg:2:1: \"memroy\" is not a key of [vm]; allowed are kernel, initrd, cmdline, memory, "
        "vcpus, cpu, dirty, autostart");
    assert_mistake("[vm web]\nkernel = k\nkernel = k\n",
                   "godwit.cfg:3:1: kernel is set a second time in this section; keep one");
    assert_mistake("[vm web]\nkernel = k\n[vm web]\nkernel = k\n",
                   "godwit.cfg:3:5: [vm web] appears a second time, first on line 1; rename one");
    assert_int_equal(cfg.nr_vms, 1);
    assert_mistake("[net]\n[host]\n[net]\n",
                   "godwit.cfg:3:2: [net] appears a second time, first on line 1; join them");
    assert_mistake("[vm]\n", "godwit.cfg:1:4: [vm] needs a name; write for example [vm web]");
    assert_mistake("[host alpha]\n", "godwit.cfg:1:7: [host] takes no name, found \"alpha\"; write [host]");
    assert_mistake("\n[vm web]\nmemory = 256M\n",
                   "godwit.cfg:2:1: this vm has no kernel; write for example kernel = vmlinuz");
    assert_mistake("[peer b]\n",
                   "godwit.cfg:1:1: this peer has no address; write for example address = 10.0.0.2");
    assert_mistake("[host\n", "godwit.cfg:1:6: ']' expected; write for example [host] or [vm web]");
    assert_mistake("[host] x\n",
                   "godwit.cfg:1:8: nothing but a comment may follow a section; begin a new line");
    assert_mistake("[vm a]\nkernel k\n",
                   "godwit.cfg:2:8: '=' expected after the key; write for example memory = 256M");
    assert_mistake("[vm a]\n= k\n",
                   "godwit.cfg:2:1: a section such as [vm web] or a line such as memory = 256M expected");
    assert_mistake("[vm a]\nkernel = \"k\n", "godwit.cfg:2:10: the closing '\"' is missing on this line");
    assert_mistake("[vm a]\nkernel = \"k\" v\n",
                   "godwit.cfg:2:14: nothing but a comment may follow a quoted value");
    assert_mistake("[vm a/b]\n", "godwit.cfg:1:6: ']' expected; write for example [host] or [vm web]");
}

static void test_config_net_refused(void **state) {
    (void)state;
    assert_mistake("[net]\nmode = static\n",
                   "godwit.cfg:1:1: [net] has mode = static and no address; write for example "
                   "address = 10.0.0.1/24");
    assert_int_equal(cfg.net.mode, CONFIG_MODE_DHCP);
    assert_int_equal(parse("[net]\nmode = dhcp\naddress = 10.0.0.1/24\n"), ERR_INVAL);
    assert_int_equal(parse("[net]\ngateway = 10.0.0.1\n"), ERR_INVAL);
    assert_int_equal(parse("[net]\naddress = 10.0.0.1/24\ngateway = 10.0.1.1\n"), ERR_INVAL);
    assert_non_null(strstr(why.text, "the gateway 10.0.1.1 is outside the network"));
    assert_int_equal(parse("[net]\naddress = 10.0.0.1/23\ngateway = 10.0.1.1\n"), OK);
    assert_int_equal(parse("[net]\naddress = 10.0.0.1/32\n"), OK);
    assert_int_equal(parse("[net]\nmode = static\naddress = 10.0.0.1/8\n"), OK);
}

static void test_config_binary_refused(void **state) {
    (void)state;
    static const char nul[] = "[vm a]\nker\0nel = k\n", utf16[] = "\xff\xfe[\0v\0m\0";
    assert_int_equal(parse_octets(nul, sizeof(nul) - 1), ERR_INVAL);
    assert_string_equal(
        why.text, "godwit.cfg:2:4: octet 0x00 is not text; the file must be plain ASCII outside comments");
    assert_int_equal(parse_octets(utf16, sizeof(utf16) - 1), ERR_INVAL);
    assert_string_equal(why.text, "godwit.cfg:1:1: the file is UTF-16; save it as ASCII or UTF-8");
    assert_int_equal(parse("# gr\xc3\xbc\xc3\x9f\x65\n[vm a] # \xe2\x82\xac\nkernel = k\n"), OK);
    assert_int_equal(parse("[vm a]\nkernel = \"\xc3\xbc # x\"\n"), ERR_INVAL);
}

static void test_config_long_lines(void **state) {
    (void)state;
    static char text[3000];
    size_t n = (size_t)sprintf(text, "[vm a]\nkernel = k\ncmdline = ");
    memset(text + n, 'x', CONFIG_CMDLINE_LEN - 1);
    assert_int_equal(parse(text), OK);
    assert_int_equal(strlen(cfg.vm[0].cmdline), CONFIG_CMDLINE_LEN - 1);
    memset(text + n, 'x', CONFIG_CMDLINE_LEN);
    assert_mistake(text, "godwit.cfg:3:11: cmdline: 1024 characters are too many; at most 1023 fit");
    memset(text + n, 'x', 2000);
    assert_mistake(text, "godwit.cfg:3:1201: the line is longer than 1200 characters; shorten it");
}

/* A mistake does not hide what is right before and behind it. */
static void test_config_goes_on(void **state) {
    (void)state;
    assert_int_equal(
        parse("[net]\naddress = 10.0.0.1/24\n[bogus]\nx = 1\n[vm a]\nkernel = k\nmemory = 1\nvcpus = 3\n"
              "[vm b]\nkernel = l\n"),
        ERR_INVAL);
    assert_non_null(strstr(why.text, "godwit.cfg:3:2: "));
    assert_int_equal(cfg.nr_errors, 2);
    assert_int_equal(cfg.net.mode, CONFIG_MODE_STATIC);
    assert_int_equal(cfg.nr_vms, 2);
    assert_true(cfg.vm[0].broken);
    assert_int_equal(cfg.vm[0].nr_vcpus, 3);
    assert_false(cfg.vm[1].broken);
}

static void test_config_table_limits(void **state) {
    (void)state;
    static char text[4000];
    size_t n = 0;
    for (unsigned i = 0; i <= CONFIG_MAX_VMS; i++)
        n += (size_t)sprintf(text + n, "[vm v%u]\nkernel = k\n[peer p%u]\naddress = 1.2.3.4\n", i, i);
    assert_int_equal(parse(text), ERR_INVAL);
    assert_int_equal(cfg.nr_vms, CONFIG_MAX_VMS);
    assert_int_equal(cfg.nr_peers, CONFIG_MAX_PEERS);
    assert_int_equal(cfg.nr_errors, 2);
    assert_non_null(strstr(why.text, "[vm v16] is one too many; at most 16 vms"));
}

static void test_config_value_sizes(void **state) {
    (void)state;
    static const struct {
        const char *text;
        uint64_t value;
    } good[] = {
        {"0", 0},           {"4096", 4096},   {"64k", 65536},     {"2M", 2 * MIB},
        {"2 MiB", 2 * MIB}, {"3gb", 3 * GIB}, {"1T", 1024 * GIB}, {"18446744073709551615", UINT64_MAX}};
    static const char *const refused[] = {
        "", "M", "1X", "1MM", "1M2", "-1M", "0x10", "18446744073709551616", "16777216T", " 1"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        uint64_t v = ~good[i].value;
        assert_true(config_value_size(good[i].text, &v));
        assert_int_equal(v, good[i].value);
    }
    for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
        uint64_t v = 42;
        assert_false(config_value_size(refused[i], &v));
        assert_int_equal(v, 42);
    }
}

static void test_config_value_addresses(void **state) {
    (void)state;
    static const char *const refused[] = {"",       "1.2.3",   "1.2.3.4.5", "256.0.0.1",
                                          "1..2.3", "a.b.c.d", "1.2.3.4 ",  "01.2.3.1000"};
    uint8_t a[4], prefix;
    uint16_t port = 1;
    for (size_t i = 0; i < ARRAY_LEN(refused); i++)
        assert_false(config_value_ipv4(refused[i], a));
    assert_true(config_value_ipv4("255.255.255.255", a));
    assert_false(config_value_network("1.2.3.4/33", a, &prefix));
    assert_false(config_value_network("1.2.3.4/0", a, &prefix));
    assert_false(config_value_endpoint("1.2.3.4:", a, &port));
    assert_false(config_value_endpoint("1.2.3.4:0", a, &port));
    assert_false(config_value_endpoint("1.2.3.4:65536", a, &port));
    assert_true(config_value_endpoint("1.2.3.4", a, &port));
    assert_int_equal(port, 1);
    uint8_t mac[6];
    assert_true(config_value_mac("AA-bb-cc-0D-ee-0f", mac));
    assert_int_equal(mac[5], 0x0f);
    assert_false(config_value_mac("00:00:00:00:00:00", mac));
    assert_false(config_value_mac("aa:bb:cc:dd:ee", mac));
    assert_false(config_value_mac("aa:bb:cc:dd:ee:ff:00", mac));
    assert_false(config_value_mac("aa:bb:cc:dd:ee:f", mac));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_full),
        cmocka_unit_test(test_config_line_ends),
        cmocka_unit_test(test_config_defaults),
        cmocka_unit_test(test_config_empty),
        cmocka_unit_test(test_config_values_refused),
        cmocka_unit_test(test_config_structure_refused),
        cmocka_unit_test(test_config_net_refused),
        cmocka_unit_test(test_config_binary_refused),
        cmocka_unit_test(test_config_long_lines),
        cmocka_unit_test(test_config_goes_on),
        cmocka_unit_test(test_config_table_limits),
        cmocka_unit_test(test_config_value_sizes),
        cmocka_unit_test(test_config_value_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
