# SPDX-License-Identifier: MIT
"""Hosts that run Godwit: images with a configuration, the prompt, and commands."""
import json
import re

from .image import make_godwit_image

NETWORK = "10.0.0."
MIGRATION_PORT = 7600


def address_of(number):
    """Address of the host with this number in its bench."""
    return f"{NETWORK}{number + 1}"


def prompt_of(name):
    return rf"godwit:{name}> "


def configuration(name, number, peers=(), extra=""):
    """godwit.cfg of a host with a static address; peers: (name, number) of others; extra: further text."""
    text = f"[host]\nname = {name}\n[net]\naddress = {address_of(number)}/24\n"
    for peer, peer_number in peers:
        text += f"[peer {peer}]\naddress = {address_of(peer_number)}\n"
    return text + extra


class Host:
    """A machine that boots Godwit. Commands go through run() and run_json()."""

    def __init__(self, machine):
        self.machine = machine
        self.name = machine.name
        self.prompt = prompt_of(machine.name)

    def run(self, command, limit=10.0):
        """Type a command; returns what it printed before the next prompt."""
        return self.machine.run(command, self.prompt, limit)

    def run_json(self, command, limit=10.0):
        """Run a command with --json; returns its objects."""
        return json_lines(self.run(command + " --json", limit))

    def ping(self, address, limit=5.0):
        """Ping another station until an answer is printed; returns its round trip in microseconds."""
        self.send(f"net ping {address} 1\r")
        answer = self.expect(rf"{re.escape(address)}: answer 1 after ([\d.]+) (us|ms)", limit)
        return float(answer.group(1)) * (1000 if answer.group(2) == "ms" else 1)

    def expect(self, pattern, limit=30.0):
        return self.machine.expect(pattern, limit)

    def send(self, text):
        self.machine.send(text)

    def expect_prompt(self, limit=10.0):
        return self.machine.expect(self.prompt, limit)


def json_lines(text):
    """The JSON objects in console output."""
    found = []
    for line in re.split(r"[\r\n]+", text):
        if line.startswith("{"):
            found.append(json.loads(line))
    return found


def make_hosts(bench, folder, names=("alpha", "beta"), files=None, extra=None, **settings):
    """Describe one host per name, each with all others as peers. extra: {name: text} appended to its
    configuration; files: {name in \\godwit: source}; settings: fields of bochs.Config, or {host: fields}."""
    everyone = [(name, number) for number, name in enumerate(names)]
    hosts = []
    for name, number in everyone:
        own = {key: value[name] if isinstance(value, dict) else value for key, value in settings.items()
               if not isinstance(value, dict) or name in value}
        config = configuration(name, number, [peer for peer in everyone if peer[0] != name], (extra or {}).get(name, ""))
        image = make_godwit_image(folder / f"{name}.img", config, files)
        hosts.append(Host(bench.machine(name, image, **own)))
    return hosts


def boot_hosts(bench, folder, names=("alpha", "beta"), **arguments):
    """make_hosts(), then all of them are at their prompts."""
    hosts = make_hosts(bench, folder, names, **arguments)
    bench.boot(r"godwit:\w+> ")
    return hosts
