/* SPDX-License-Identifier: MIT */
#include <string.h>

#include "boot/main.h"
#include "guest/vm.h"
#include "guest/vm_run.h"
#include "kernel/frames.h"
#include "kernel/log.h"
#include "kernel/log_ring.h"
#include "kernel/panic.h"
#include "kernel/serial.h"

static struct config config;
static struct reason notice;
static const struct boot_info *boot;

void main_check_boot_info(const struct boot_info *info) {
    if (info->magic != BOOT_INFO_MAGIC)
        panic("the loader passed no boot information");
    boot = info;
}

static bool boot_file(const char *name, const uint8_t **data, size_t *len) {
    for (uint64_t i = 0; i < boot->nr_files; i++) {
        if (strcmp(boot->files[i].name, name) != 0)
            continue;
        *data = phys_to_virt(boot->files[i].pa);
        *len = boot->files[i].size;
        return true;
    }
    return false;
}

void main_load_config(const struct boot_info *info) {
    const uint8_t *text;
    size_t len;
    if (!boot_file("godwit.cfg", &text, &len)) {
        config_defaults(&config);
        reason_set(&notice, ERR_NOENT, "%s", info->message);
        return;
    }
    if (config_parse((const char *)text, len, &config, &notice) != OK)
        log_warn("%s", notice.text);
    else if (info->message[0] != '\0')
        reason_set(&notice, ERR_NOENT, "%s", info->message);
    log_set_level(config.host.log);
}

void main_select_console(void) {
    if (config.host.console == CONFIG_CONSOLE_COM2)
        serial_init(SERIAL_COM2); /* what is queued already goes out there */
}

const struct config *main_config(void) {
    return &config;
}

const char *main_config_notice(void) {
    return notice.text;
}

static void define_vm(const struct config_vm *c) {
    static const enum cpu_baseline baselines[] = {
        [CONFIG_CPU_V2] = CPU_BASELINE_V2, [CONFIG_CPU_V3] = CPU_BASELINE_V3, [CONFIG_CPU_HOST] = CPU_BASELINE_HOST};
    static const enum dirty_method methods[] = {
        [CONFIG_DIRTY_AUTO] = DIRTY_AUTO, [CONFIG_DIRTY_PML] = DIRTY_PML, [CONFIG_DIRTY_DBIT] = DIRTY_DBIT,
        [CONFIG_DIRTY_WP] = DIRTY_WP};
    struct vm_spec spec = {.memory_bytes = c->memory_bytes, .nr_vcpus = c->nr_vcpus, .cpu = baselines[c->cpu],
                           .dirty = methods[c->dirty], .autostart = c->autostart && !c->broken, .broken = c->broken};
    memcpy(spec.name, c->name, sizeof spec.name);
    memcpy(spec.kernel, c->kernel, sizeof spec.kernel);
    memcpy(spec.initrd, c->initrd, sizeof spec.initrd);
    memcpy(spec.cmdline, c->cmdline, sizeof spec.cmdline);
    struct reason why;
    if (vm_define(&spec, &why) != OK) {
        log_warn("%s", why.text);
        return;
    }
    if (spec.autostart && vm_boot(spec.name, &why) != OK)
        log_warn("autostart: %s", why.text);
}
_Static_assert(sizeof((struct vm_spec){0}.name) == CONFIG_NAME_LEN, "VM name");
_Static_assert(sizeof((struct vm_spec){0}.kernel) == CONFIG_FILE_LEN, "file name");
_Static_assert(sizeof((struct vm_spec){0}.cmdline) == CONFIG_CMDLINE_LEN, "command line");

void main_define_vms(const struct boot_info *info) {
    (void)info;
    vm_set_files(boot_file);
    for (unsigned i = 0; i < config.nr_vms; i++)
        define_vm(&config.vm[i]);
}
