#!/bin/sh
# SPDX-License-Identifier: MIT
# mkimage.sh - make a bootable disk image that holds the given files; no root and no loop device.
#
#   tools/mkimage.sh OUT.img [SRC=/DEST ...]
#   tools/mkimage.sh build/a.img build/BOOTX64.EFI=/EFI/BOOT/BOOTX64.EFI my.cfg=/godwit/godwit.cfg
#
# Layout: an MBR with one EFI system partition (type 0xEF) from LBA 2048 to the end, FAT32. The size follows
# from the contents, at least 64 MiB, and is a whole number of cylinders of 16 heads and 63 sectors, the
# geometry that Bochs wants (cylinders = size / 516096). Equal contents give equal images, bit for bit.
set -eu
LC_ALL=C TZ=UTC MTOOLSRC=/dev/null MTOOLS_SKIP_CHECK=1
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1700000000}
export LC_ALL TZ MTOOLSRC MTOOLS_SKIP_CHECK SOURCE_DATE_EPOCH
cylinder=$((16 * 63)) first=2048 file_limit=4294967295 image_limit_mib=32768

die() {
    echo "mkimage: $*" >&2
    exit 1
}

# le32 NUMBER - print it as four bytes, least significant first.
le32() {
    # shellcheck disable=SC2059  # the format is the data
    printf "$(printf '\\%03o\\%03o\\%03o\\%03o' \
        $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24)))"
}

# check_pair SRC=/DEST - refuse what cannot be put into the image; add to the contents' size otherwise.
check_pair() {
    src=${1%%=*} dest=${1#*=}
    case $1 in
    *=/*[!/]) ;;
    *) die "'$1': write SOURCE=/PATH/ON/THE/IMAGE" ;;
    esac
    case $dest in
    *//* | */./* | */../* | */. | */.. | *[\\:*?\"\<\>\|]*) die "'$dest': not a valid path on the image" ;;
    esac
    [ -e "$src" ] || die "$src: no such file; it was to become $dest"
    [ -f "$src" ] && [ -r "$src" ] || die "$src: not a readable file; it was to become $dest"
    size=$(stat -L -c %s "$src")
    [ "$size" -le "$file_limit" ] ||
        die "$src: $size bytes, but a file on FAT32 holds at most $file_limit; make it smaller or split it"
    # Round up to 4 KiB clusters and allow as much again for a directory on the way.
    content=$((content + (size / 4096 + 1) * 4096 + 4096))
    dests="$dests$dest
"
}

# check_dests - no path given twice, none both a file and a folder; FAT does not tell upper from lower case.
check_dests() {
    printf %s "$dests" | tr '[:upper:]' '[:lower:]' | awk -F / '
        file[$0]++ {print $0 ": given twice"; exit}
        {p = ""; for (i = 2; i < NF; i++) {p = p "/" $i; dir[p] = 1}}
        END {for (d in dir) if (d in file) print d ": is both a file and a folder"}' | head -n 1
}

# make_dirs - create every folder on the way to the files, parents first, each once.
make_dirs() {
    printf %s "$dests" | awk -F / '{p = ""; for (i = 2; i < NF; i++) {
        p = p "/" $i; if (!seen[tolower(p)]++) print "::" p}}' >"$out.dirs"
    [ ! -s "$out.dirs" ] || xargs -d '\n' mmd -i "$part" <"$out.dirs" >"$out.log" 2>&1 ||
        die "cannot make a folder on the image: $(head -n 1 "$out.log")"
}

[ $# -ge 1 ] || die "usage: tools/mkimage.sh OUT.img [SRC=/DEST ...]"
case $1 in
*=*) die "'$1': the first argument is the image to write; the files follow" ;;
esac
command -v mformat >/dev/null || die "mtools not found; run tools/fetch_host.sh run"
final=$1 out=$1.new.$$
shift
[ -d "$(dirname "$final")" ] || die "$final: the folder $(dirname "$final") does not exist"
[ ! -d "$final" ] || die "$final: is a folder; name a file"
part=$out@@$((first * 512))
content=0 dests=
for pair in "$@"; do
    check_pair "$pair"
done
clash=$(check_dests)
[ -z "$clash" ] || die "$clash"

# File system size: contents plus 1/32 for the tables and a reserve of 1 MiB, at least 64 MiB.
mib=$(((content + content / 32) / 1048576 + 2))
[ "$mib" -ge 64 ] || mib=64
[ "$mib" -le "$image_limit_mib" ] ||
    die "the files need an image of $mib MiB; the limit is $image_limit_mib MiB"
total=$((((mib * 2048 + first + cylinder - 1) / cylinder) * cylinder))
cluster=1 # sectors; FAT32 means at least 65525 clusters
while [ $((cluster < 64 && (total - first) / (cluster * 2) > 67000)) = 1 ]; do
    cluster=$((cluster * 2))
done

trap 'rm -f "$out" "$out.log" "$out.dirs"' EXIT
trap 'exit 130' HUP INT TERM
truncate -s $((total * 512)) "$out" || die "$final: cannot be written"
{
    printf '\000\000\002\000\357\376\377\377' # not active; CHS fields are not used; type 0xEF
    le32 $first
    le32 $((total - first))
} | dd of="$out" bs=1 seek=446 conv=notrunc status=none
printf '\125\252' | dd of="$out" bs=1 seek=510 conv=notrunc status=none
mformat -i "$part" -F -T $((total - first)) -h 16 -s 63 -H $first -c $cluster -N 474f4457 -v GODWIT :: \
    >"$out.log" 2>&1 || die "mformat: $(head -n 1 "$out.log")"
make_dirs
for pair in "$@"; do
    mcopy -i "$part" "${pair%%=*}" "::${pair#*=}" </dev/null >"$out.log" 2>&1 ||
        die "${pair%%=*}: cannot be copied to ${pair#*=}: $(head -n 1 "$out.log")"
done
mv "$out" "$final"
