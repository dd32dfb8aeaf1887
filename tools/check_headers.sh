#!/bin/sh
# SPDX-License-Identifier: MIT
# Every header compiles alone, and twice in a row. Usage: check_headers.sh [ROOT [BUILD]]
# Headers that need a fetched package are left out, by name, while BUILD/deps is not there.
root=${1:-.} build=${2:-build}
cd "$root" || exit 1
status=0 count=0
dep() { sed -n "s/^$1 *:*= *//p" "$build/deps/deps.mk" 2>/dev/null | head -n 1; }
flags="-std=gnu11 -fsyntax-only -Wall -Wextra -Wundef -Werror -I. -DGODWIT_HOSTED"
efi=$(dep GNUEFI_INC) lwip=$(dep LWIP_DIR)
[ -n "$efi" ] && flags="$flags -isystem $efi -isystem $efi/x86_64 -DGNU_EFI_USE_MS_ABI -fshort-wchar"
[ -n "$lwip" ] && flags="$flags -isystem $lwip/src/include -Inet -Inet/port -Inet/lwip"
for header in $(find boot console migration guest vmx net drivers kernel tests -name '*.h' 2>/dev/null | sort); do
    # shellcheck disable=SC2086
    out=$(printf '#include "%s"\n#include "%s"\n' "$header" "$header" |
        ${CC:-gcc} $flags -I"${header%/*}" -x c - 2>&1)
    if [ $? -eq 0 ]; then
        count=$((count + 1))
    elif printf '%s' "$out" | grep -qE 'fatal error: (lwip/|efi|netif/|arch/)'; then
        echo "$header: left out, $build/deps is not there" >&2
    else
        echo "$header does not compile alone:" >&2
        printf '%s\n' "$out" | head -n 5 >&2
        status=1
    fi
done
[ "$count" -gt 0 ] || { echo "no headers found" >&2; status=1; }
exit $status
