#!/bin/sh
# SPDX-License-Identifier: MIT
# mkinitramfs.sh - make the Debian test guest's initramfs: busybox, the workload and its init script.
#
#   tools/mkinitramfs.sh OUT     uncompressed cpio (unpacks fastest under emulation); OUT.gz: gzip -1
#
# Needs build/deps (tools/build_deps.sh run), gcc with the static C library, and cpio. The same inputs give
# the same file.
set -eu
LC_ALL=C
export LC_ALL
top=$(cd "$(dirname "$0")/.." && pwd)
src=$top/tests/guests/initramfs

die() {
    echo "mkinitramfs: $*" >&2
    exit 1
}

[ $# -eq 1 ] || die "usage: tools/mkinitramfs.sh OUT"
command -v cpio >/dev/null || die "cpio not found; run tools/fetch_host.sh run"
busybox=$top/$(sed -n 's/^BUSYBOX := //p' "$top/build/deps/deps.mk" 2>/dev/null || true)
[ -f "$busybox" ] ||
    die "no busybox in build/deps; run tools/fetch.sh and tools/build_deps.sh run"
[ -d "$(dirname "$1")" ] || die "$1: the folder $(dirname "$1") does not exist"
work=$(mktemp -d)
trap 'rm -rf "$work" "$1.new.$$"' EXIT
trap 'exit 130' HUP INT TERM
root=$work/root
mkdir -p "$root/bin" "$root/proc" "$root/sys" "$root/dev" "$root/tmp"
gcc -std=gnu11 -O2 -static -s -Wall -Wextra -Wshadow -Wconversion -Werror -ffile-prefix-map="$src=." \
    -Wl,--build-id=none -o "$root/bin/dirtier" "$src/dirtier.c" 2>"$work/log" ||
    die "dirtier.c: $(grep -m 1 -E 'error|cannot find' "$work/log" || head -n 1 "$work/log")"
cp "$src/init" "$root/init"
cp "$busybox" "$root/bin/busybox"
"$busybox" --list | while read -r applet; do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
chmod 755 "$root/init" "$root/bin/busybox" "$root/bin/dirtier"
find "$root" -exec touch -h -d @1700000000 {} +
(cd "$root" && find . | sort | cpio --quiet -o -H newc --reproducible -R 0:0) >"$work/cpio"
case $1 in
*.gz) gzip -1 -n <"$work/cpio" >"$1.new.$$" ;;
*) cp "$work/cpio" "$1.new.$$" ;;
esac
mv "$1.new.$$" "$1"
