#!/bin/sh
# SPDX-License-Identifier: MIT
# Run thread-sanitizer programs one after another; last line `N passed, N failed` counts cases.
# Address-space randomisation goes off where that is allowed: older sanitizer runtimes do not start with much of it.
passed=0 failed=0
fixed=
if setarch "$(uname -m)" -R true 2>/dev/null; then fixed="setarch $(uname -m) -R"; fi
for program in "$@"; do
    out=$(TSAN_OPTIONS="halt_on_error=1 second_deadlock_stack=1" $fixed "$program" 2>&1)
    status=$?
    p=$(printf '%s\n' "$out" | grep -c '^PASS ')
    f=$(printf '%s\n' "$out" | grep -c '^FAIL ')
    if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
    if [ "$f" -ne 0 ]; then printf '%s\n' "$out"; fi
    echo "${program##*/}: $p passed, $f failed"
    passed=$((passed + p)) failed=$((failed + f))
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
