#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# run_all.sh - every test, part by part; a part that fails does not keep the others from running.
#
#   tests/run_all.sh all|quick      quick: without the machine tests and the guests on QEMU
#
# Installs and fetches what is missing first. Each part's output goes to the terminal and to build/test/PART.log; the
# counts are those that the part prints (`N passed, N failed`, or lines PASS and FAIL); a part that fails without
# counts counts as one failure. Last line, the sum: `N passed, N failed`.
set -o pipefail
cd "$(dirname "$0")/.." || exit 1
kind=${1:-all} logs=build/test
passed=0 failed=0 skipped=0 table=

# The counts in a part's output: passed, failed, skipped.
counts_of() {
    awk '/^([a-z]+: )?[0-9]+ passed, [0-9]+ failed/ {
             sub(/^[a-z]+: /, ""); closing = 1; p = $1; f = $3; s = ($6 ~ /^skipped/) ? $5 : 0; next}
         /^PASS / {lines_p++} /^FAIL / {lines_f++}
         END {if (closing) print p, f, s; else print lines_p + 0, lines_f + 0, 0}' "$1"
}

# part NAME MINUTES COMMAND... - run it, at most so long, and add its counts.
part() {
    local name=$1 limit=$2 log=$logs/${1// /-}.log begin=$SECONDS status=0 p f s
    shift 2
    echo
    echo "== $name"
    timeout -s INT -k 60 "${limit}m" "$@" </dev/null 2>&1 | tee "$log" |
        sed -u -E 's/^([0-9]+) passed, ([0-9]+) failed/   \1 passed and \2 failed/' || status=$?
    read -r p f s <<<"$(counts_of "$log")"
    [ "$status" -ne 124 ] || echo "   stopped: it took more than $limit minutes"
    if [ "$status" -ne 0 ] && [ "$f" -eq 0 ]; then f=1; fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    table+=$(printf '%-22s %6d %6d %6d %6d s' "$name" "$p" "$f" "$s" $((SECONDS - begin)))$'\n'
    return "$status"
}

case $kind in
all | quick) ;;
*) echo "run_all: '$kind' is unknown; use all or quick" >&2; exit 2 ;;
esac
mkdir -p "$logs"
jobs=$(nproc)
export MAKEFLAGS=
run_make() {
    part "$1" "$2" make --no-print-directory -k -j"$jobs" "${@:3}"
}

part "host packages" 15 tools/fetch_host.sh test
part "packages" 15 sh -c 'tools/fetch.sh all && tools/build_deps.sh all'
run_make build 15 all guests wire bench-tools build/initrd.img
run_make checks 5 check
for script in tools/*_test.sh; do
    part "$(basename "$script" .sh)" 5 "$script"
done
part "workload selftest" 5 tests/guests/initramfs/selftest.py
part "demo selftest" 5 tests/machine/demo_test.py
run_make "unit tests" 15 unit
run_make "thread sanitizer" 5 tsan
run_make "stream over lwIP" 10 net-test
run_make fuzzing 20 fuzz-quick
if [ "$kind" = all ]; then
    run_make "guests on QEMU" 10 guests-qemu
    part machines 60 tests/machine/run_tests.py --all
fi

echo
printf '%-22s %6s %6s %6s %8s\n%s' part passed failed skipped took "$table"
[ "$skipped" -eq 0 ] || echo "$skipped skipped: this machine cannot run them, see above"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
