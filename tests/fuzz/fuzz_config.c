/* SPDX-License-Identifier: MIT */
/* fuzz_config.c - any octets as godwit.cfg: no crash, and a result that is complete and within its limits. */
#include <string.h>

#include "kernel/config.h"
#include "tests/fuzz/fuzz.h"

static bool ends(const char *text, size_t cap) {
    return memchr(text, '\0', cap) != NULL;
}

static void check_vm(const struct config_vm *vm) {
    FUZZ_CHECK(ends(vm->name, sizeof(vm->name)) && vm->name[0] != '\0');
    FUZZ_CHECK(ends(vm->kernel, sizeof(vm->kernel)) && ends(vm->initrd, sizeof(vm->initrd)));
    FUZZ_CHECK(ends(vm->cmdline, sizeof(vm->cmdline)));
    FUZZ_CHECK(vm->broken || vm->kernel[0] != '\0');
    FUZZ_CHECK(vm->memory_bytes >= CONFIG_MEMORY_MIN && vm->memory_bytes <= CONFIG_MEMORY_MAX);
    FUZZ_CHECK(vm->memory_bytes % LARGE_SIZE == 0);
    FUZZ_CHECK(vm->nr_vcpus >= 1 && vm->nr_vcpus <= CONFIG_MAX_VCPUS);
    FUZZ_CHECK(vm->cpu >= CONFIG_CPU_V2 && vm->cpu <= CONFIG_CPU_HOST);
    FUZZ_CHECK(vm->dirty >= CONFIG_DIRTY_AUTO && vm->dirty <= CONFIG_DIRTY_WP);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len) {
    static struct config c;
    struct reason why = {""};
    result_t r = config_parse((const char *)data, len, &c, &why);
    FUZZ_CHECK((r == OK) == (c.nr_errors == 0));
    FUZZ_CHECK((r == OK) == (why.text[0] == '\0'));
    FUZZ_CHECK(r == OK || strncmp(why.text, "godwit.cfg:", 11) == 0);
    FUZZ_CHECK(c.nr_vms <= CONFIG_MAX_VMS && c.nr_peers <= CONFIG_MAX_PEERS);
    FUZZ_CHECK(ends(c.host.name, sizeof(c.host.name)) && c.host.migration_port != 0);
    FUZZ_CHECK(c.net.mode == CONFIG_MODE_DHCP || (c.net.prefix >= 1 && c.net.prefix <= 32));
    for (unsigned i = 0; i < c.nr_vms; i++)
        check_vm(&c.vm[i]);
    for (unsigned i = 0; i < c.nr_peers; i++)
        FUZZ_CHECK(ends(c.peer[i].name, sizeof(c.peer[i].name)) && c.peer[i].port != 0);
    return 0;
}
