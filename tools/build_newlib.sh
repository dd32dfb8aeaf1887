#!/bin/sh
# SPDX-License-Identifier: MIT
# build_newlib.sh - build newlib for the kernel: freestanding, top 2 GiB, no red zone, no vector registers
# in integer code (tools/kcc), integer-only printf and scanf, locks and system calls left to the kernel.
#
#   tools/build_newlib.sh TARBALL WORK DEST   uses the folder WORK (removed at the end), installs DEST/include
#                                             and DEST/lib; the log is WORK.log
set -eu
LC_ALL=C
export LC_ALL
tarball=$1 work=$2 dest=$3
top=$(cd "$(dirname "$0")/.." && pwd)
rm -rf "$work"
mkdir -p "$work/src" "$work/obj" "$dest"
tar -x -C "$work/src" --strip-components=1 -f "$tarball"
flags="-O2 -g -gno-record-gcc-switches -ffreestanding -fno-pic -fno-pie -mno-red-zone -mcmodel=kernel"
flags="$flags -fno-stack-protector -fno-tree-vectorize -fno-asynchronous-unwind-tables -fcf-protection=none"
flags="$flags -ffunction-sections -fdata-sections -ffile-prefix-map=$work=/newlib"
if ! (
    cd "$work/obj"
    ../src/configure --target=x86_64-elf --prefix=/ --disable-multilib --disable-nls --disable-libgloss \
        --disable-newlib-supplied-syscalls --disable-newlib-io-float --enable-newlib-io-long-long \
        --enable-newlib-io-c99-formats --disable-newlib-mb --disable-newlib-wide-orient \
        --disable-newlib-fseek-optimization --enable-newlib-retargetable-locking \
        --enable-newlib-global-atexit --enable-newlib-global-stdio-streams --enable-lite-exit \
        CC_FOR_TARGET="$top/tools/kcc" AR_FOR_TARGET=ar RANLIB_FOR_TARGET=ranlib AS_FOR_TARGET=as \
        LD_FOR_TARGET=ld NM_FOR_TARGET=nm OBJCOPY_FOR_TARGET=objcopy OBJDUMP_FOR_TARGET=objdump \
        READELF_FOR_TARGET=readelf STRIP_FOR_TARGET=strip MAKEINFO=true CFLAGS_FOR_TARGET="$flags" &&
        make MAKEFLAGS= -j"$(nproc)" all-target-newlib &&
        make MAKEFLAGS= install-target-newlib DESTDIR="$work/root"
) >"$work.log" 2>&1; then
    found=$(grep -m 1 -E ' error: |Error [0-9]' "$work.log" || echo "build failed")
    echo "newlib: $found; see $work.log" >&2
    exit 1
fi
mv "$work/root/x86_64-elf/include" "$work/root/x86_64-elf/lib" "$dest/"
rm -rf "$work"
