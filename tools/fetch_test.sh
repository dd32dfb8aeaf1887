#!/bin/sh
# SPDX-License-Identifier: MIT
# fetch_test.sh - checks tools/fetch.sh against a mirror that is a folder (no network); prints PASS or FAIL
# per check, exit status 0: all passed.
set -u
tools=$(cd "$(dirname "$0")" && pwd)
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
mkdir -p tree/tools mirror/pool/x fallback
cp "$tools/fetch.sh" tree/tools/
echo one >mirror/pool/x/one_1.deb
echo two >mirror/pool/x/two_1.deb
sum() {
    sha256sum "$1" | cut -d' ' -f1
}
cat >tree/tools/deps.lock <<EOF
# comment
build deb bookworm one 1:1 pool/x/one_1.deb $(sum mirror/pool/x/one_1.deb)
run deb sid two 1 pool/x/two_1.deb $(sum mirror/pool/x/two_1.deb)
EOF
export GODWIT_CACHE="$dir/cache" GODWIT_MIRROR="file:$dir/mirror"
unset GODWIT_DEBS_FALLBACK
failed=0

check() { # NAME STATUS
    if [ "$2" -eq 0 ]; then echo "PASS $1"; else echo "FAIL $1"; failed=1; fi
}

refuse() { # WORDS ARGUMENT...
    words=$1
    shift
    tree/tools/fetch.sh "$@" >said 2>error && status=1 || status=0
    [ "$(wc -l <error)" -eq 1 ] && grep -qF "$words" error || status=1
    [ $status -eq 0 ] || cat error
    check "refused: $words" $status
}

tree/tools/fetch.sh build >said && cmp -s cache/pool/one_1.deb mirror/pool/x/one_1.deb &&
    [ ! -e cache/pool/two_1.deb ]
check "the build set alone is fetched" $?
tree/tools/fetch.sh >said && cmp -s cache/pool/two_1.deb mirror/pool/x/two_1.deb
check "all sets are fetched" $?
GODWIT_MIRROR="file:$dir/nowhere" tree/tools/fetch.sh >said && [ ! -s said ]
check "nothing to do needs no mirror" $?
echo broken >cache/pool/one_1.deb
tree/tools/fetch.sh >said && cmp -s cache/pool/one_1.deb mirror/pool/x/one_1.deb
check "a damaged file in the cache is fetched again" $?
mv mirror/pool/x/two_1.deb fallback/
rm cache/pool/two_1.deb
refuse "two 1: " all
refuse "GODWIT_DEBS_FALLBACK" all
tree/tools/fetch.sh build
check "the build set does not need what is gone" $?
GODWIT_DEBS_FALLBACK=$dir/fallback tree/tools/fetch.sh >said && cmp -s cache/pool/two_1.deb fallback/two_1.deb
check "the fallback folder is used" $?
rm cache/pool/two_1.deb
echo other >fallback/two_1.deb
export GODWIT_DEBS_FALLBACK="$dir/fallback"
refuse "pinned is" all
echo other >mirror/pool/x/two_1.deb
rm fallback/two_1.deb
refuse "two 1: " all
[ ! -e cache/pool/two_1.deb ] && [ -z "$(find cache -name '.part*')" ]
check "a wrong file does not reach the cache" $?
refuse "unknown mode" nonsense
exit $failed
