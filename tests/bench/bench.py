#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measure everything the project makes promises about, and print it beside its targets: `make bench`.

    bench.py [--only GROUP[,GROUP]]     groups: machine, migration, host, size

Results also go to build/bench/results.json, one JSON object per line. A missed target is no failure; the status is 1
only when something could not be measured.
"""
import argparse
import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent / "machine")]
import hosts                            # noqa: E402
import machine_figures                  # noqa: E402
import size_figures                     # noqa: E402
from figures import Figures             # noqa: E402
from lib.bench import Bench             # noqa: E402
from lib.bochs import BUILD, ROOT       # noqa: E402

RESULTS = BUILD / "bench" / "results.json"
MIGRATION_BENCH = ROOT / "tests" / "machine" / "bench_migrate.py"
HOST = "throughput on this host's CPU (peer: memcpy of memory larger than the caches, in the same run)"
MIGRATION = "migration of a Debian guest of 256 MiB over a modelled 1 Gbit/s wire, guest {}"
WIRE_RATE = 10_000_000_000              # for counts: the CPUs are the limit, not the wire
GROUPS = ("machine", "migration", "host", "size")


def attempt(figures, what, function, *arguments):
    """Measure one thing; whatever goes wrong is told at the end, and the others still run."""
    print(f"bench: {what} ...", file=sys.stderr, flush=True)
    try:
        return function(*arguments)
    except Exception as problem:        # of any kind: it is reported, not hidden
        figures.fail(what, f"{type(problem).__name__}: {problem}")
    return None


def json_output(command):
    """JSON lines that a program prints."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{command[0]}: status {done.returncode}: {done.stderr.strip()[-400:]}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def count_steps():
    """{what: instructions per page} outside the network stack."""
    lines = json_output([BUILD / "bench" / "bench_steps", "--json"])
    return {line["steps"]: line["instructions_per_page"] for line in lines}


def measure_host(figures):
    """Throughput of the hot paths on a real CPU."""
    lines = json_output([BUILD / "bench" / "bench_pages", "--json"])
    memcpy = next(line["gb_per_s"] for line in lines if line["bench"].startswith("memcpy"))
    for line in lines:
        figures.add(HOST, line["bench"], line["gb_per_s"], "GB/s", peer=memcpy)


def measure_machines(figures):
    """One boot of two hosts; all their figures."""
    folder = BUILD / "bench" / "machine"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    steps = attempt(figures, machine_figures.PAGES, count_steps)
    with Bench(folder, rate=WIRE_RATE, pcap=False) as bench:
        alpha, beta = hosts.describe(bench, folder)
        bench.start()
        for host in (alpha, beta):
            host.expect(hosts.PROMPT, 120)
        attempt(figures, machine_figures.BOOT, machine_figures.measure_boot, figures, BUILD / "BOOTX64.EFI",
                alpha.machine.text)
        attempt(figures, machine_figures.BOOT, machine_figures.measure_memory, figures, alpha, beta)
        attempt(figures, machine_figures.EXITS, machine_figures.measure_exits, figures, alpha, beta)
        attempt(figures, machine_figures.PAGES, machine_figures.measure_pages, figures, alpha, beta, steps)


def measure_migration(figures):
    """The migration bench has machines of its own, and says what each row means and should be."""
    out = BUILD / "bench" / "migrate.json"
    json_output([sys.executable, MIGRATION_BENCH, "--json", out])
    rows = runpy.run_path(str(MIGRATION_BENCH))["ROWS"]
    for guest, values in json.loads(out.read_text()).items():
        for name, value_of, unit, target, at_least in rows:
            figures.add(MIGRATION.format(guest), name, value_of(values), unit, target=target, at_least=at_least)


def measure_size(figures):
    size_figures.measure_sizes(figures, BUILD / "bench" / "godwit.map", ROOT)


def parse_arguments():
    parser = argparse.ArgumentParser(description="measure, and print figures beside their targets")
    parser.add_argument("--only", default=",".join(GROUPS), help="groups: " + ", ".join(GROUPS))
    args = parser.parse_args()
    args.only = args.only.split(",")
    for name in args.only:
        if name not in GROUPS:
            parser.error(f"there is no group '{name}', only {', '.join(GROUPS)}")
    return args


def main():
    args = parse_arguments()
    figures = Figures()
    for name in GROUPS:
        if name in args.only:
            attempt(figures, name, globals()[f"measure_{name}" if name != "machine" else "measure_machines"], figures)
    figures.write(RESULTS)
    print(figures.table())
    print(f"results: {RESULTS}")
    return 1 if figures.failures else 0


if __name__ == "__main__":
    sys.exit(main())
