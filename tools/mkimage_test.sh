#!/bin/sh
# SPDX-License-Identifier: MIT
# mkimage_test.sh - checks tools/mkimage.sh; prints PASS or FAIL per check, exit status 0: all passed.
set -u
mkimage=$(cd "$(dirname "$0")" && pwd)/mkimage.sh
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
failed=0

check() { # NAME STATUS
    if [ "$2" -eq 0 ]; then echo "PASS $1"; else echo "FAIL $1"; failed=1; fi
}

# refuse WORDS ARGUMENT... - the image is refused with one line that holds WORDS, and no file is left.
refuse() {
    words=$1
    shift
    "$mkimage" "$@" >said 2>&1 && status=1 || status=0
    [ "$(wc -l <said)" -eq 1 ] && grep -qF "$words" said && [ ! -e no.img ] || status=1
    check "refused: $words" $status
}

head -c 3000000 /dev/urandom >blob
echo text >cfg
long=a-folder-with-a-long-name/vmlinuz-6.1.0-50-cloud-amd64
"$mkimage" a.img blob=/EFI/BOOT/BOOTX64.EFI cfg=/godwit/godwit.cfg cfg=/$long
check "an image is made" $?
mcopy -n -i a.img@@1048576 ::/EFI/BOOT/BOOTX64.EFI back && cmp -s blob back
check "a file comes back as it was" $?
mdir -i a.img@@1048576 ::/$long >/dev/null
check "long names are kept" $?
[ $(($(stat -c %s a.img) % 516096)) -eq 0 ] && [ "$(od -An -tx1 -j 510 -N 2 a.img)" = " 55 aa" ] &&
    [ "$(od -An -tx1 -j 450 -N 1 a.img)" = " ef" ] &&
    [ "$(od -An -tu4 -j 454 -N 4 a.img | tr -d ' ')" = 2048 ]
check "whole cylinders, one partition of type EF at sector 2048" $?
[ "$(dd if=a.img bs=1 skip=$((1048576 + 82)) count=5 2>/dev/null)" = FAT32 ]
check "the file system is FAT32" $?
touch -d 2001-02-03 blob cfg
"$mkimage" b.img blob=/EFI/BOOT/BOOTX64.EFI cfg=/godwit/godwit.cfg cfg=/$long && cmp -s a.img b.img
check "equal contents give equal images" $?
for mib in 62 63 64 129 257 400; do
    truncate -s "${mib}M" big && "$mkimage" big.img big=/big
    check "contents of $mib MiB fit" $?
done
truncate -s 4G huge
refuse "holds at most 4294967295" no.img huge=/huge
refuse "absent: no such file" no.img absent=/x
refuse "not a readable file" no.img .=/x
refuse "SOURCE=/PATH" no.img cfg=x
refuse "given twice" no.img cfg=/a cfg=/A
refuse "both a file and a folder" no.img cfg=/a cfg=/a/b
refuse "not a valid path" no.img cfg=/../x
refuse "does not exist" nowhere/no.img cfg=/x
exit $failed
