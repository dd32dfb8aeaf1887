#!/bin/sh
# SPDX-License-Identifier: MIT
# No vector or floating-point instruction in an ELF file, but in the functions listed. Usage: check_nosse.sh ELF [ALLOW]
# ALLOW: a file with `function mnemonic-pattern` per line; default nosse_allow.txt beside this script.
# The guest's vector registers are live while the hypervisor runs: one such instruction would corrupt a guest.
elf=$1 allow=${2:-$(dirname "$0")/nosse_allow.txt}
[ -r "$elf" ] || { echo "$elf: not there" >&2; exit 1; }
objdump -d --no-show-raw-insn "$elf" | awk -v allow="$allow" -v elf="$elf" '
    BEGIN {
        while ((getline line < allow) > 0) {
            sub(/#.*/, "", line)
            if (split(line, word, /[ \t]+/) >= 2) allowed[word[1]] = "^(" word[2] ")$"
        }
    }
    /^[0-9a-f]+ <.*>:$/ { name = $2; gsub(/[<>:]/, "", name); functions++; next }
    /^ *[0-9a-f]+:/ {
        text = $0; sub(/^ *[0-9a-f]+:[ \t]*/, "", text)
        code = text; sub(/[ \t]*(#|<).*/, "", code)
        n = split(code, word, /[ \t]+/)
        mnemonic = word[1]
        for (i = 1; i < n && mnemonic ~ /^(rep|repz|repnz|lock|bnd|notrack|data16|cs|ds|es|ss|fs|gs|rex.*|xacquire|xrelease|addr32)$/; i++)
            mnemonic = word[i + 1]
        hit = code ~ /%[xyz]mm[0-9]/ || code ~ /%mm[0-7]/ || code ~ /%st/ || code ~ /%k[0-7]([^a-z]|$)/ ||
              mnemonic ~ /^f[a-z]/ || mnemonic ~ /^(emms|ldmxcsr|stmxcsr|vldmxcsr|vstmxcsr|vzeroupper|vzeroall)$/ ||
              mnemonic ~ /^x(save|rstor)/
        if (hit && !(name in allowed && mnemonic ~ allowed[name])) { print elf ": " name ": " text > "/dev/stderr"; bad++ }
    }
    END {
        if (functions == 0) { print elf ": no code found" > "/dev/stderr"; exit 1 }
        exit bad > 0
    }'
