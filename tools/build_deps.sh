#!/bin/sh
# SPDX-License-Identifier: MIT
# build_deps.sh - unpack the fetched packages into build/deps/ and build newlib for the kernel.
#
#   tools/build_deps.sh [build|run|all]   the set as for tools/fetch.sh, which must have run (default: all)
#
# Result, all below build/deps/:
#   PACKAGE-VERSION/   one folder per package     newlib/      installed newlib (include/, lib/libc.a)
#   bochs, bxhub       start the emulator         deps.mk      make variables that name all this
#   stamp              one line per set: what it was made from; nothing to do while it agrees
# The installed newlib is also kept in the cache folder, so that other clones need not build it again.
set -eu
LC_ALL=C
export LC_ALL
top=$(cd "$(dirname "$0")/.." && pwd)
lock=$top/tools/deps.lock
cache=${GODWIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/godwit}
out=$top/build/deps
tmp=$out/.new

die() {
    echo "build_deps: $*" >&2
    exit 1
}

version_of() {
    awk -v p="$1" '$4 == p {print $5; exit}' "$lock"
}

# dir_of PACKAGE - the folder that it is unpacked into (versions without the epoch: make dislikes colons).
dir_of() {
    version=$(version_of "$1")
    [ -n "$version" ] || die "$1: not in tools/deps.lock"
    echo "$1-${version#*:}"
}

# files_of PACKAGE - the fetched files of a package.
files_of() {
    awk -v p="$1" -v pool="$cache/pool/" '$4 == p {sub(".*/", pool, $6); print $6}' "$lock"
}

# check_fetched SET - stop unless all files of the set are in the cache.
check_fetched() {
    awk -v s="$1" '$1 == s {sub(".*/", "", $6); print $6}' "$lock" | while read -r f; do
        [ -f "$cache/pool/$f" ] || die "$f is not in $cache/pool; run tools/fetch.sh $1"
    done
}

# unpack DIR COMMAND... - run COMMAND with the name of a new folder added; it becomes DIR when that succeeds.
unpack() {
    dir=$out/$1
    shift
    [ ! -d "$dir" ] || return 0
    rm -rf "$tmp"
    "$@" "$tmp"
    mv "$tmp" "$dir"
}

unpack_deb() {
    dpkg-deb -x "$1" "$2"
}

unpack_source() {
    dpkg-source --no-check --no-copy -q -x "$1" "$2" >"$out/unpack.log" 2>&1 ||
        die "$1: dpkg-source failed: $(tail -n 1 "$out/unpack.log")"
}

# unpack_kernel DEB DIR - the kernel image alone; the modules are 80 MB that nothing here needs.
unpack_kernel() {
    mkdir -p "$2"
    dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --wildcards './boot/vmlinuz-*'
}

# unpack_bochs DIR - the emulator with the C and C++ libraries it was linked with, in one folder.
unpack_bochs() {
    for p in bochs libc6 libstdc++6 libgcc-s1; do
        dpkg-deb -x "$(files_of "$p")" "$1"
    done
}

# newlib_install - put newlib into build/deps/newlib, from the cache when it was built there from the same
# sources with the same compiler. build/deps/newlib/key says what the installed one was made from.
newlib_install() {
    key=$(cat "$(files_of newlib-source)" "$top/tools/build_newlib.sh" "$top/tools/kcc" "$out/gcc.version" |
        sha256sum | cut -c1-16)
    [ "$(cat "$out/newlib/key" 2>/dev/null)" != "$key" ] || return 0
    rm -rf "$out/newlib" "$tmp"
    if [ -d "$cache/newlib-$key" ]; then
        cp -R "$cache/newlib-$key" "$tmp"
    else
        echo "build_deps: building newlib $(version_of newlib-source), a minute of CPU time, once per machine"
        "$top/tools/build_newlib.sh" "$out/$(dir_of newlib-source)"/usr/src/newlib/newlib-*.tar.xz \
            "$out/newlib.work" "$tmp"
        echo "$key" >"$tmp/key"
        cp -R "$tmp" "$cache/newlib-$key.$$"
        mv -T "$cache/newlib-$key.$$" "$cache/newlib-$key" 2>/dev/null ||
            rm -rf "$cache/newlib-$key.$$" # another clone was first
    fi
    mv "$tmp" "$out/newlib"
}

# launcher NAME BINARY - write build/deps/NAME, which runs a program of the emulator's package with the
# libraries that came along; what they do not hold comes from this machine.
launcher() {
    cat >"$tmp" <<EOF
#!/bin/sh
# $2 with its own C library. Environment: BOCHS_PRELOAD (a library to load first).
root=\$(cd "\$(dirname "\$0")" && pwd)/$(dir_of bochs)
lib=\$root/usr/lib/x86_64-linux-gnu
export LTDL_LIBRARY_PATH="\$lib/bochs/plugins" BXSHARE="\$root/usr/share/bochs" LC_ALL=C
exec "\$lib/ld-linux-x86-64.so.2" --library-path "\$lib:/usr/lib/x86_64-linux-gnu:/lib/x86_64-linux-gnu" \\
    \${BOCHS_PRELOAD:+--preload "\$BOCHS_PRELOAD"} "\$root/usr/bin/$2" "\$@"
EOF
    chmod +x "$tmp"
    mv "$tmp" "$out/$1"
}

write_deps_mk() {
    kernel=$(awk '$4 ~ /^linux-image-/ {print $4; exit}' "$lock")
    lwip=$(version_of lwip)
    cat >"$tmp" <<EOF
# Made by tools/build_deps.sh: where the unpacked and built packages are.
NEWLIB_INC := build/deps/newlib/include
NEWLIB_LIBC := build/deps/newlib/lib/libc.a
NEWLIB_VERSION := $(version_of newlib-source)
LWIP_DIR := build/deps/$(dir_of lwip)
LWIP_VERSION := ${lwip%%+*}
LZ4_DIR := build/deps/$(dir_of lz4)
GNUEFI_INC := build/deps/$(dir_of gnu-efi)/usr/include/efi
GNUEFI_LIBDIR := build/deps/$(dir_of gnu-efi)/usr/lib
BOCHS := build/deps/bochs
BOCHS_ROOT := build/deps/$(dir_of bochs)
GUEST_KVER := ${kernel#linux-image-}
GUEST_VMLINUZ := build/deps/$(dir_of "$kernel")/boot/vmlinuz-${kernel#linux-image-}
BUSYBOX := build/deps/$(dir_of busybox-static)/bin/busybox
EOF
    cmp -s "$tmp" "$out/deps.mk" || mv "$tmp" "$out/deps.mk"
    rm -f "$tmp"
}

make_build() {
    for tool in dpkg-source xz gcc make ar; do
        command -v "$tool" >/dev/null || die "$tool not found; run tools/fetch_host.sh build"
    done
    unpack "$(dir_of newlib-source)" unpack_deb "$(files_of newlib-source)"
    unpack "$(dir_of gnu-efi)" unpack_deb "$(files_of gnu-efi)"
    for p in lwip lz4; do
        unpack "$(dir_of "$p")" unpack_source "$(files_of "$p" | grep 'dsc$')"
    done
    newlib_install
}

make_run() {
    kernel=$(awk '$4 ~ /^linux-image-/ {print $4; exit}' "$lock")
    unpack "$(dir_of bochs)" unpack_bochs
    unpack "$(dir_of "$kernel")" unpack_kernel "$(files_of "$kernel")"
    unpack "$(dir_of busybox-static)" unpack_deb "$(files_of busybox-static)"
    launcher bochs bochs-bin
    launcher bxhub bxhub
}

case ${1:-all} in
build) sets=build ;;
run | all) sets="build run" ;;
*) die "unknown set '$1'; use build, run or all" ;;
esac
case $top in
*[[:space:]]*) die "the path '$top' holds a space; make and newlib cannot build there: move the tree" ;;
esac
mkdir -p "$out"
if [ -z "${GODWIT_DEPS_LOCKED:-}" ]; then # one at a time in this tree
    exec env GODWIT_DEPS_LOCKED=1 flock "$out/.lock" "$0" "$@"
fi
gcc -v 2>&1 | tail -n 1 >"$out/gcc.version" || die "gcc not found; run tools/fetch_host.sh build"
made_from=$(cat "$lock" "$top/tools/build_deps.sh" "$top/tools/build_newlib.sh" "$top/tools/kcc" \
    "$out/gcc.version" | sha256sum | cut -c1-64)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' HUP INT TERM
for s in $sets; do
    grep -qsx "$s $made_from" "$out/stamp" && continue
    check_fetched "$s"
    "make_$s"
    write_deps_mk
    grep -s " $made_from\$" "$out/stamp" >"$tmp" || true
    echo "$s $made_from" >>"$tmp"
    mv "$tmp" "$out/stamp"
done
