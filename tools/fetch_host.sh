#!/bin/sh
# SPDX-License-Identifier: MIT
# fetch_host.sh - install the Debian packages that building, running or testing needs on this machine.
#
#   tools/fetch_host.sh build|run|test   build: compile Godwit; run: also start machines; test: everything
#
# Only missing packages are installed, after saying which; that needs root or sudo. Nothing missing: nothing
# is run and no network is touched.
set -eu
LC_ALL=C
export LC_ALL
build="gcc libc6-dev make binutils dpkg-dev xz-utils bzip2 python3"
run="mtools cpio libgtk-3-0 libltdl7 libreadline8 vgabios ovmf"
test="qemu-system-x86 libcmocka-dev clang libclang-rt-dev spin iproute2"

die() {
    echo "fetch_host: $*" >&2
    exit 1
}

case ${1:-} in
build) want=$build ;;
run) want="$build $run" ;;
test) want="$build $run $test" ;;
*) die "name a set: build, run or test" ;;
esac
command -v dpkg-query >/dev/null || die "this machine has no dpkg; install by hand what matches: $want"
missing=
for p in $want; do
    dpkg-query -W -f '${db:Status-Abbrev}' "$p" 2>/dev/null | grep -q '^.i' || missing="$missing $p"
done
[ -n "$missing" ] || exit 0
sudo=
if [ "$(id -u)" -ne 0 ]; then
    sudo=sudo
    command -v sudo >/dev/null ||
        die "packages missing, and no sudo; as root, run: apt-get install --no-install-recommends$missing"
fi
echo "fetch_host: installing${sudo:+ with sudo}:$missing"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
trap 'exit 130' HUP INT TERM
# shellcheck disable=SC2086  # missing is a list of words, sudo may be empty
if ! { $sudo apt-get -q update && DEBIAN_FRONTEND=noninteractive $sudo apt-get -q install -y \
    --no-install-recommends $missing; } >"$log" 2>&1 </dev/null; then
    die "apt-get: $(grep -m 1 '^E: ' "$log" || tail -n 1 "$log"); install by hand:$missing"
fi
