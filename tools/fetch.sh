#!/bin/sh
# SPDX-License-Identifier: MIT
# fetch.sh - download the packages pinned in tools/deps.lock into the cache; never needs root.
#
#   tools/fetch.sh [build|run|all]   fetch that set (run and all include build; default: all)
#   tools/fetch.sh relock            print a lock file with the versions that the archive holds now
#   tools/fetch.sh host SET          install host packages (tools/fetch_host.sh)
#
# Environment:
#   GODWIT_CACHE          cache folder (default: ${XDG_CACHE_HOME:-$HOME/.cache}/godwit)
#   GODWIT_MIRROR         Debian mirror to use instead of the one in this machine's apt configuration
#   GODWIT_DEBS_FALLBACK  folder with copies of packages, used when a download fails
# Everything present and intact: no network is touched. A file is accepted only if its SHA-256 matches.
set -eu
LC_ALL=C
export LC_ALL
top=$(cd "$(dirname "$0")/.." && pwd)
lock=$top/tools/deps.lock
cache=${GODWIT_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/godwit}
helper=/usr/lib/apt/apt-helper
apt_opts="-o APT::Sandbox::User= -o Acquire::Retries=3 -o Acquire::Check-Valid-Until=false"
apt_opts="$apt_opts -o Acquire::Languages=none"

die() {
    echo "fetch: $*" >&2
    exit 1
}

sha256_of() {
    sha256sum "$1" | cut -d' ' -f1
}

# mirror_of SUITE - print the base address of the mirror that carries SUITE. The machine's own apt
# configuration names it: addresses of the form BASE/dists/RELEASE/..., one line per index.
mirror_of() {
    [ -n "${bases:-}" ] || bases=$(apt-get --print-uris update 2>/dev/null |
        sed -n "s|^'\(.*\)/dists/\([^/]*\)/InRelease' .*|\1 \2|p")
    plain=${GODWIT_MIRROR:-$(echo "$bases" | awk '$2 ~ /-(security|backports)$/ {next} {print $1; exit}')}
    case $plain in
    mirror*file:*) plain=$(awk '!/^#/ && NF {print $1; exit}' "/${plain#*file:/}") ;;
    esac
    plain=${plain%/}
    case $1 in
    *-security)
        base=$(echo "$bases" | awk '$2 ~ /-security$/ {print $1; exit}')
        [ -z "${GODWIT_MIRROR:-}" ] && [ -n "$base" ] || base=$plain-security ;;
    *) base=$plain ;;
    esac
    case $base in
    mirror*file:*) base=$(awk '!/^#/ && NF {print $1; exit}' "/${base#*file:/}") ;;
    esac
    [ -n "$plain" ] || die "this machine's apt has no Debian mirror configured; set GODWIT_MIRROR"
    echo "${base%/}"
}

# fetch_one SUITE PACKAGE VERSION PATH SHA256 - bring one file into the cache, or stop with one line.
fetch_one() {
    name=${4##*/} part=$cache/pool/.part.$$ found=
    mirror=$(mirror_of "$1")
    # shellcheck disable=SC2086  # apt_opts is a list of words
    if "$helper" $apt_opts download-file "$mirror/$4" "$part" "SHA256:$5" >"$part.log" 2>&1; then
        [ ! -L "$part" ] || cp --remove-destination "$(readlink -f "$part")" "$part" # from a file: mirror
        echo "fetch: $name"
    else
        found=$(sed -n 's/^E: //p' "$part.log" | head -n 1)
        rm -f "$part"
        if [ -f "${GODWIT_DEBS_FALLBACK:-/nonexistent}/$name" ]; then
            cp "$GODWIT_DEBS_FALLBACK/$name" "$part"
            echo "fetch: $name (from $GODWIT_DEBS_FALLBACK)"
        fi
    fi
    rm -f "$part.log" "$part.FAILED"
    [ -f "$part" ] || die "$2 $3: ${found:-download failed}; put $name into the folder named by" \
        "GODWIT_DEBS_FALLBACK, or run tools/fetch.sh relock"
    got=$(sha256_of "$part")
    if [ "$got" != "$5" ]; then
        rm -f "$part"
        die "$2 $3: $name has SHA-256 $got, pinned is $5; replace the damaged copy or" \
            "run tools/fetch.sh relock"
    fi
    mv "$part" "$cache/pool/$name"
}

# fetch_set SET - fetch what is missing of one set.
fetch_set() {
    while read -r set _ suite package version path sha; do
        [ "$set" = "$1" ] || continue
        file=$cache/pool/${path##*/}
        [ -f "$file" ] && [ "$(sha256_of "$file")" = "$sha" ] && continue
        fetch_one "$suite" "$package" "$version" "$path" "$sha" </dev/null
    done <"$lock"
}

# relock_index SUITE deb|src - print the suite's package index from the private apt root.
relock_index() {
    case $2 in
    deb) set -- "$1" "$2" binary-amd64_Packages ;;
    src) set -- "$1" "$2" source_Sources ;;
    esac
    for index in "$cache"/apt/lists/*_dists_"$1"_main_"$3"*; do
        [ -f "$index" ] && "$helper" cat-file "$index"
    done
}

# relock_deb SET SUITE PACKAGE - print the lock line of a binary package as the archive has it now. The
# guest kernel's name carries its ABI number; the package without number says which one is current.
relock_deb() {
    want=$3
    case $want in
    linux-image-[0-9]*-cloud-amd64)
        want=$(relock_index "$2" deb | awk '/^Package: / {p = $2}
            p == "linux-image-cloud-amd64" && /^Depends: / && match($0, /linux-image-[0-9][^ ,]*/) {
                print substr($0, RSTART, RLENGTH); exit}') ;;
    esac
    relock_index "$2" deb | awk -v want="$want" -v head="$1 deb $2 $want" '
        /^Package: / {p = $2} p != want {next}
        /^Version: / {v = $2} /^Filename: / {f = $2} /^SHA256: / {s = $2}
        /^$/ {exit}
        END {if (v == "") exit 1; print head, v, f, s}' ||
        die "$want: not in suite $2 any more; choose another suite in tools/deps.lock"
}

# relock_src SET SUITE PACKAGE - the same for the files of a source package (the last version listed).
relock_src() {
    relock_index "$2" src | awk -v want="$3" -v head="$1 src $2 $3" '
        /^Package: / {p = $2; sums = 0} p != want {next}
        /^[^ ]/ {sums = 0}
        /^Version: / {v = $2} /^Directory: / {d = $2}
        /^Checksums-Sha256:/ {sums = 1; n = 0; next}
        sums && /^ / {s[n] = $1; f[n++] = $3}
        END {if (!n) exit 1; for (i = 0; i < n; i++) print head, v, d "/" f[i], s[i]}' ||
        die "$3: no source in suite $2 any more; choose another suite in tools/deps.lock"
}

relock() {
    root=$cache/apt keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    mkdir -p "$root/lists/partial" "$root/archives/partial"
    awk '!/^#/ && NF {print $2, $3}' "$lock" | sort -u | while read -r kind suite; do
        echo "deb${kind#deb} [signed-by=$keyring] $(mirror_of "$suite") $suite main" |
            sed 's/^debsrc/deb-src/'
    done >"$root/sources.list"
    # shellcheck disable=SC2086
    apt-get $apt_opts -o Dir::Etc::SourceList="$root/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State::Lists="$root/lists" -o Dir::Cache="$root" update >&2 ||
        die "relock: apt-get update failed; see its message above"
    grep '^#' "$lock"
    awk '!/^#/ && NF && !seen[$1, $2, $3, $4]++ {print $1, $2, $3, $4}' "$lock" |
        while read -r set kind suite package; do
            "relock_$kind" "$set" "$suite" "$package" || exit 1
        done
}

case ${1:-all} in
build) sets=build ;;
run | all) sets="build run" ;;
relock) relock; exit ;;
host) shift; exec "$top/tools/fetch_host.sh" "$@" ;;
*) die "unknown mode '$1'; use build, run, all, relock or host" ;;
esac
[ -x "$helper" ] || die "$helper not found: Debian's apt is needed to download packages"
mkdir -p "$cache/pool"
trap 'rm -f "$cache/pool/.part.$$"*' EXIT
trap 'exit 130' HUP INT TERM
for s in $sets; do
    fetch_set "$s"
done
