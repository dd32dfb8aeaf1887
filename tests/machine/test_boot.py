# SPDX-License-Identifier: MIT
"""From power-on to the prompt, with good, bad and missing configurations, and what `vm start` refuses.

Machines that need a boot of their own share a bench, so that they boot at the same time."""
import re

from lib import guests, moves
from lib.bench import Bench
from lib.bochs import BUILD
from lib.godwit import Host, address_of, configuration
from lib.image import BOOT_FILE, make_esp_image, make_godwit_image
from lib.marks import slow
from lib.qemu import QemuBench, has_nested_vmx

GUESTS = BUILD / "guests"
CHECK = moves.payload_section("mb=4 rate=100 hlt=1", "check", "16M")
BOOT_LIMIT_US = 300_000                 # from the firmware's hand-over to the prompt, emulated
IMAGE_LIMIT = 3 << 19                   # 1.5 MiB
OWN_MEMORY_LIMIT = 64 << 20
ANY_PROMPT = r"godwit:[\w.-]+> "


def boot(bench, name, image, **settings):
    """Describe a machine whose prompt says whatever its configuration made of it."""
    host = Host(bench.machine(name, image, **settings))
    host.prompt = ANY_PROMPT
    return host


def await_prompts(bench, *hosts):
    bench.start()
    for host in hosts:
        host.expect_prompt(limit=30)


def refused(host, command, *words):
    """The command is refused with exactly one line, which holds all the words; returns it."""
    printed = host.run(command)
    errors = [line for line in printed.splitlines() if line.startswith("error:")]
    assert len(errors) == 1, f"{command}: {printed}"
    missing = [word for word in words if word not in errors[0]]
    assert not missing, f"{command}: {errors[0]!r} does not say {missing}"
    return errors[0]


def free_bytes(host):
    return host.run_json("mem")[0]["free_bytes"]


def run_guest(host):
    """The payload guest "check" verifies its memory: the host still does what it is for."""
    moves.start(host, "check")
    moves.attach(host, "check")
    assert moves.next_line(host, limit=10).verified > 0
    moves.detach(host)
    assert "check: stopped" in host.run("vm stop check")


def test_boot_to_prompt(folder):
    """Time from the hand-over, sizes, and no mapping of the hypervisor both writable and executable."""
    config = configuration("alpha", 0, extra=CHECK)
    with Bench(folder, pcap=False) as bench:
        alpha = boot(bench, "alpha", make_godwit_image(folder / "a.img", config, moves.payload_files()))
        await_prompts(bench, alpha)
        assert re.search(r"^godwit:alpha> ", alpha.machine.text, re.MULTILINE), alpha.machine.text
        boot_us = int(re.search(r"boot: (\d+) us from the firmware's hand-over", alpha.machine.text)[1])
        assert 0 < boot_us <= BOOT_LIMIT_US, boot_us
        cpu = alpha.run("cpu")
        audit = re.search(r"mappings: (\d+) leaves, (\d+) writable and executable, (\d+) open to user mode", cpu)
        assert audit and int(audit[1]) > 0, cpu
        assert (audit[2], audit[3]) == ("0", "0"), audit[0]
        own = alpha.run_json("mem")[0]["hypervisor_bytes"]
        assert 0 < own <= OWN_MEMORY_LIMIT, own
        run_guest(alpha)
    assert (BUILD / "BOOTX64.EFI").stat().st_size <= IMAGE_LIMIT


def test_what_vm_start_and_migrate_refuse(folder):
    """Every refusal is one line, and after all of them the host has as much memory as before and still runs guests."""
    section = "[vm {}]\nkernel = {}\nmemory = {}\n"
    vms = [("hello", "hello.bin", "16M"), ("nofile", "absent.bin", "16M"),
           ("text", "text.bin", "16M"), ("elf", "elf.bin", "16M"), ("empty", "empty.bin", "16M"),
           ("short", "short.bin", "64M"), ("big", "hello.bin", "64G"), ("tiny", "vmlinuz", "2M")]
    extra = CHECK + moves.payload_section("mb=4 rate=100 hlt=1", "busy") + "".join(section.format(*vm) for vm in vms)
    extra += "[vm noinitrd]\nkernel = hello.bin\ninitrd = absent.img\nmemory = 16M\n"
    kernel = guests.debian_kernel().read_bytes()
    files = {**moves.payload_files(), "hello.bin": GUESTS / "hello.bin", "text.bin": "no kernel at all\n" * 99,
             "elf.bin": GUESTS / "hello.elf", "empty.bin": b"", "short.bin": kernel[:1 << 20], "vmlinuz": kernel}
    with Bench(folder, pcap=False) as bench:
        config = configuration("alpha", 0, [("beta", 1)], extra)
        alpha = boot(bench, "alpha", make_godwit_image(folder / "a.img", config, files))
        await_prompts(bench, alpha)
        free = free_bytes(alpha)
        refused(alpha, "vm start nofile", "nofile", "absent.bin", "not in \\godwit\\")
        refused(alpha, "vm start text", "not a bzImage", "without a Linux header")
        refused(alpha, "vm start elf", "not a bzImage", "ELF", "vmlinuz")
        refused(alpha, "vm start empty", "not a bzImage", "empty")
        refused(alpha, "vm start short", "cut short", str(1 << 20))
        refused(alpha, "vm start big", "asks for 65536 MiB", "MiB are free", "stop another VM")
        refused(alpha, "vm start tiny", "guest memory is too small")
        refused(alpha, "vm start noinitrd", "noinitrd", "absent.img", "not in \\godwit\\")
        refused(alpha, "vm start nobody", "no VM is named 'nobody'")
        refused(alpha, "vm start hallo", "did you mean 'hello'?")
        refused(alpha, "vm stop hello", "hello", "not running")
        refused(alpha, "vm console hello", "not running", "vm start hello")
        refused(alpha, "migrate hello to beta", "hello", "only a running VM")
        assert free_bytes(alpha) == free
        assert "busy: started" in alpha.run("vm start busy")
        refused(alpha, "vm start busy", "busy", "running already")
        refused(alpha, "vm resume busy", "is running, not paused")
        refused(alpha, "migrate busy to betta", "did you mean 'beta'?")
        refused(alpha, "migrate busy to 10.0.0.256", "10.0.0.256")
        refused(alpha, "migrate nobody to beta", "no VM is named 'nobody'")
        refused(alpha, "reboot", "busy", "would be lost")
        alpha.send("migrate busy to beta\r")            # nobody has that address
        alpha.expect(rf"busy -> \S+: not moved: no answer from {address_of(1)}:\d+ within", limit=20)
        alpha.expect_prompt()
        assert re.search(r"^busy +running ", alpha.run("vm list"), re.MULTILINE), alpha.machine.text
        assert "busy: stopped" in alpha.run("vm stop busy")
        assert free_bytes(alpha) == free
        run_guest(alpha)


BAD_CONFIGURATIONS = {
    # name: (godwit.cfg or None, what the console says)
    "none": (None, r"no (folder|file) .*godwit"),
    "empty": ("", r"godwit\.cfg:1:1: the file is empty; write"),
    "malformed": ("[host]\nname = malformed\n[net\naddress = 10.0.0.1/24\n", r"godwit\.cfg:3:\d+: "),
    "unknown": ("[host]\nname = unknown\n[vm web]\nkernel = hello.bin\n  ram = 16M\n",
                r'godwit\.cfg:5:3: "ram" is not a key of \[vm\]; allowed are kernel'),
}


def bad_image(folder, name):
    config = BAD_CONFIGURATIONS[name][0]
    path = folder / f"{name}.img"
    if config is None:
        return make_esp_image(path, {BOOT_FILE: BUILD / "BOOTX64.EFI"})
    return make_godwit_image(path, config, {"hello.bin": GUESTS / "hello.bin"})


def test_bad_configurations_boot_to_the_prompt(folder):
    """Missing, empty, malformed and with an unknown key: one line says what is wrong and where; the rest works."""
    with Bench(folder, pcap=False) as bench:
        hosts = {name: boot(bench, name, bad_image(folder, name), memory_mib=256) for name in BAD_CONFIGURATIONS}
        await_prompts(bench, *hosts.values())
        for name, host in hosts.items():
            said = [line for line in host.machine.text.splitlines() if re.search(BAD_CONFIGURATIONS[name][1], line)]
            assert said, f"{name}: {host.machine.text[-1500:]}"
            assert "total" in host.run("mem")
        assert "no VMs" in hosts["none"].run("vm list")
        assert "web" in hosts["unknown"].run("vm list")
        refused(hosts["unknown"], "vm start web", "web", "mistake")
        assert re.search(r"godwit:unknown> $", hosts["unknown"].machine.text)


def test_without_vmx(folder):
    """A machine without VT-x drives its card and says in one line why it starts no VM."""
    with Bench(folder, pcap=False) as bench:
        image = make_godwit_image(folder / "a.img", configuration("alpha", 0, extra=CHECK), moves.payload_files())
        alpha = boot(bench, "alpha", image, exclude_features="vmx")
        await_prompts(bench, alpha)
        refused(alpha, "vm start check", "this CPU has no VT-x", "need")
        assert "this CPU has no VT-x" in alpha.run("cpu")
        assert "1000 Mbit/s" in alpha.run("net")


def test_without_network_card(folder):
    """A machine without a card says so in one line. On QEMU, because the bench's Bochs polls its wire by the card."""
    with QemuBench(folder) as bench:
        image = make_godwit_image(folder / "a.img", configuration("alpha", 0, [("beta", 1)], CHECK), moves.payload_files())
        alpha = boot(bench, "alpha", image, cards=0)
        await_prompts(bench, alpha)
        assert re.search(r" W net: no network card found; supported: ", alpha.machine.text), alpha.machine.text
        refused(alpha, "net", "no network card")
        refused(alpha, f"net ping {address_of(1)} 1")
        if has_nested_vmx():
            run_guest(alpha)
        else:
            refused(alpha, "vm start check", "VT-x")


@slow
def test_debian_boots_on_every_baseline(folder):
    """The stock kernel reaches user space with the baselines v2, v3 and host, on one machine after the other."""
    extra = "".join(guests.debian_section(name, extra=f"cpu = {name}\n") for name in ("v2", "v3", "host"))
    with Bench(folder, pcap=False) as bench:
        image = make_godwit_image(folder / "a.img", configuration("alpha", 0, extra=extra), guests.debian_files())
        alpha = boot(bench, "alpha", image, memory_mib=768)
        await_prompts(bench, alpha)
        for name in ("v2", "v3", "host"):
            assert f"{name}: started" in alpha.run(f"vm start {name}")
            mark = len(alpha.machine.text)
            moves.attach(alpha, name)
            alpha.expect(guests.DIRTIER_LINE.pattern, limit=60)
            seen = alpha.machine.text[mark:]
            assert guests.reports(seen)[-1].errors == 0 and not guests.alarms(seen), seen
            moves.detach(alpha)
            assert f"{name}: stopped" in alpha.run(f"vm stop {name}")
