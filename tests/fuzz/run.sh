#!/bin/sh
# Run fuzz targets one after another. Usage: run.sh quick|long BUILD PROGRAM...
# quick: a fixed number of runs from a fixed seed and the kept corpus alone; long: FUZZ_SECONDS each, finds are kept in
# BUILD/fuzz/corpus. Last line: `N passed, N failed`.
kind=$1 build=$2
shift 2
passed=0 failed=0
for program in "$@"; do
    name=${program##*/}
    finds=$build/fuzz/corpus/$name
    [ "$kind" = quick ] && finds=$build/fuzz/quick/$name && rm -rf "$finds"
    mkdir -p "$finds"
    seeds=tests/fuzz/corpus/$name
    [ -d "$seeds" ] || seeds=
    if [ "$kind" = quick ]; then limit="-runs=${FUZZ_RUNS:-20000} -seed=1"; else limit="-max_total_time=${FUZZ_SECONDS:-60}"; fi
    log=$build/fuzz/$name.log
    # shellcheck disable=SC2086
    if "$program" $limit -max_len="${FUZZ_MAX_LEN:-8192}" -timeout=20 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$build/fuzz/$name-" "$finds" $seeds >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        echo "$name: ok, $runs runs, $(ls "$finds" | wc -l) finds"
        passed=$((passed + 1))
    else
        grep -E 'violated|ERROR|SUMMARY|runtime error|Test unit written' "$log" || tail -n 5 "$log"
        echo "$name: FAILED, see $log"
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
