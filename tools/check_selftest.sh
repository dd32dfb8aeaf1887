#!/bin/sh
# SPDX-License-Identifier: MIT
# Proves that each check passes on a good tree and fails, with the right words, on one seeded mistake at a time.
tools=$(cd "$(dirname "$0")" && pwd)
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
status=0

# A small good tree in $tmp/tree.
fresh() {
    rm -rf "$tmp/tree"
    mkdir -p "$tmp/tree/kernel" "$tmp/tree/guest" "$tmp/tree/net"
    cd "$tmp/tree" || exit 1
    spdx='/* SPDX-License-Identifier: MIT */'
    printf '%s\n#ifndef A_H\n#define A_H\nint a(void);\n#endif\n' "$spdx" >kernel/a.h
    printf '%s\n#include "kernel/a.h"\nint a(void) {\n    return 1;\n}\n' "$spdx" >kernel/a.c
    printf '%s\n#ifndef B_H\n#define B_H\n#include "kernel/a.h"\n#endif\n' "$spdx" >guest/b.h
}
passes() {
    "$@" >/dev/null 2>"$tmp/err" || { echo "a good input fails: $*"; cat "$tmp/err"; status=1; }
}
# fails WORDS COMMAND...
fails() {
    words=$1
    shift
    if "$@" >/dev/null 2>"$tmp/err"; then
        echo "passes in spite of a mistake ($words): $*"
        status=1
    elif ! grep -qF -- "$words" "$tmp/err"; then
        echo "does not say '$words': $*"
        cat "$tmp/err"
        status=1
    fi
}

includes="$tools/check_includes.py --root $tmp/tree"
fresh && passes $includes
fresh && echo '#include "guest/b.h"' >>kernel/a.c && fails 'kernel/ may not include guest/' $includes
fresh && echo '#include "a.h"' >>kernel/a.c && fails 'has no folder' $includes
fresh && echo '#include "kernel/none.h"' >>kernel/a.c && fails 'does not exist' $includes
fresh && echo '#include "lwip/tcp.h"' >>guest/b.h && fails 'only net/ may' $includes
fresh && echo '#include <pthread.h>' >>guest/b.h && fails 'is no freestanding' $includes
fresh && printf '#include <string.h>\n#include "kernel/a.h"\n' >kernel/a.c && fails 'comes first' $includes
fresh && echo '#include "kernel/c.h"' >>kernel/a.h && echo '#include "kernel/a.h"' >kernel/c.h &&
    fails 'include each other' $includes
fresh && rm -r kernel guest && fails 'no source files' $includes

headers="$tools/check_headers.sh $tmp/tree build"
fresh && passes $headers
fresh && printf '#ifndef C_H\n#define C_H\nuint8_t c(void);\n#endif\n' >net/c.h && fails 'net/c.h does not compile alone' $headers
fresh && echo 'struct twice { int x; };' >net/c.h && fails 'net/c.h does not compile alone' $headers
fresh && rm -r kernel guest && fails 'no headers' $headers

text="$tools/check_words.py --root $tmp/tree"
fresh && passes $text
fresh && echo 'int x;' >kernel/c.c && fails 'no SPDX' $text
fresh && printf '\tint x;\n' >>kernel/a.c && fails 'a tab' $text
fresh && echo 'int x; ' >>kernel/a.c && fails 'trailing blanks' $text
fresh && printf 'int x;\r\n' >>kernel/a.c && fails 'a carriage return' $text
fresh && printf 'int x;' >>kernel/a.c && fails 'no newline at the end' $text
fresh && echo '/* TODO: later */' >>kernel/a.c && fails 'without the condition' $text
fresh && echo '/* TODO until two CPUs run: a lock */' >>kernel/a.c && passes $text
fresh && printf '/* %0132d */\n' 0 >>kernel/a.c && fails 'columns' $text

# compile OUTPUT SOURCE [LD-OPTION...]
compile() {
    out=$1 source=$2
    shift 2
    printf '%s\n' "$source" | "${CC:-gcc}" -x assembler -c -o "$tmp/x.o" - && ld "$@" -e f -o "$out" "$tmp/x.o"
}
code='.text
.globl f
f: mov %rax, %rbx
rep stosb
nopw %cs:0x0(%rax,%rax,1)
ret'
elf=$tmp/x.elf
: >"$tmp/none.txt"
echo 'f [a-z]* # everything' >"$tmp/allow.txt"
compile "$elf" "$code" && passes "$tools/check_nosse.sh" "$elf" "$tmp/none.txt"
for insn in 'movaps %xmm0, %xmm1' 'vpxor %ymm1, %ymm2, %ymm3' 'movq %mm0, %mm1' 'fldz' 'fxsave (%rax)' 'emms' \
    'xsave (%rax)' 'vzeroupper' 'ldmxcsr (%rax)' 'movsd (%rax), %xmm3' 'fwait'; do
    compile "$elf" "$code
$insn" && fails ': f: ' "$tools/check_nosse.sh" "$elf" "$tmp/none.txt"
    passes "$tools/check_nosse.sh" "$elf" "$tmp/allow.txt"
done
echo 'f xsave64?|fxsave64?' >"$tmp/some.txt"
compile "$elf" "$code
xsave64 (%rax)" && passes "$tools/check_nosse.sh" "$elf" "$tmp/some.txt"
compile "$elf" "$code
xsave64 (%rax)
movaps %xmm0, (%rax)" && fails 'movaps' "$tools/check_nosse.sh" "$elf" "$tmp/some.txt"
compile "$elf" "$code
call fstat
fstat: ret" && passes "$tools/check_nosse.sh" "$elf" "$tmp/none.txt"
fails 'not there' "$tools/check_nosse.sh" "$tmp/missing.elf"

compile "$elf" "$code" && passes "$tools/check_wx.py" "$elf"
compile "$elf" "$code" -N --no-warn-rwx-segments && fails 'writable and executable' "$tools/check_wx.py" "$elf"
compile "$elf" "$code" -z execstack && fails 'the stack is executable' "$tools/check_wx.py" "$elf"
compile "$elf" "$code
.data
.quad 1" -z max-page-size=64 -z noseparate-code && fails 'share a page' "$tools/check_wx.py" "$elf"
fails 'not a 64-bit ELF' "$tools/check_wx.py" "$tmp/none.txt"
exit $status
