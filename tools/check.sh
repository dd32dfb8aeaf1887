#!/bin/sh
# SPDX-License-Identifier: MIT
# All repository checks, each preceded by a proof that it can fail. Usage: check.sh BUILD
# Last line: `N passed, N failed`.
build=${1:-build}
passed=0 failed=0
run() {
    name=$1
    shift
    if out=$("$@" 2>&1); then
        echo "ok      $name"
        passed=$((passed + 1))
    else
        echo "FAILED  $name"
        printf '%s\n' "$out" | sed 's/^/        /' | head -n "${CHECK_LINES:-40}"
        failed=$((failed + 1))
    fi
}
run "the checks can fail" tools/check_selftest.sh
run "includes follow the layers" tools/check_includes.py
run "headers compile alone" tools/check_headers.sh . "$build"
run "text hygiene" tools/check_words.py
if [ -f "$build/godwit.elf" ]; then
    run "kernel: no vector or floating-point instruction" tools/check_nosse.sh "$build/godwit.elf"
    run "kernel: no memory writable and executable" tools/check_wx.py "$build/godwit.elf"
else
    echo "skipped kernel: $build/godwit.elf is not there, run make first"
fi
for elf in "$build"/guests/*.elf; do
    [ -f "$elf" ] || continue
    run "${elf##*/}: no vector instruction, no memory writable and executable" \
        sh -c 'tools/check_nosse.sh "$1" && tools/check_wx.py "$1"' - "$elf"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
