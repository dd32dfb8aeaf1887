#!/bin/sh
# SPDX-License-Identifier: MIT
# The payload guests on QEMU without a hypervisor: they must work on a machine that is not ours.
# Usage: run_qemu.sh BUILD. One emulated instruction is 8 ns, so the result does not depend on the host's load.
# Last line: `N passed, N failed`.
build=$1 passed=0 failed=0
command -v qemu-system-x86_64 >/dev/null || { echo "qemu-system-x86_64 is not installed (package qemu-system-x86)"; exit 1; }
# start NAME ARGUMENTS EXPECTED [NOT-EXPECTED]
start() {
    out=$(timeout 120 qemu-system-x86_64 -machine pc -cpu max -m 128 -icount shift=3,sleep=off -rtc clock=vm -display none -no-reboot \
        -serial stdio -kernel "$build/guests/$1.elf" -append "$2" </dev/null 2>&1)
    if printf '%s' "$out" | grep -q "$3" && ! printf '%s' "$out" | grep -qE "${4:-FAIL|MISMATCH}"; then
        echo "ok      $1 $2"
        passed=$((passed + 1))
    else
        echo "FAILED  $1 $2"
        printf '%s\n' "$out" | tail -n 20
        failed=$((failed + 1))
    fi
}
start hello "" "hello: PASS"
start dirty "mb=16 rate=500 secs=2" "dirty: PASS after 2 s"
start dirty "mb=16 rate=500 secs=2 seq=1 ws=4 verify=100" "dirty: PASS after 2 s"
start exits "n=50" "exits: done"
# QEMU reads absent memory as zero; everything else is as on our platform.
start devtest "" "devtest: done, 1 failed" "FAIL .*(TSC|timer|APIC|PIT|UART|RTC|CPUID)"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
