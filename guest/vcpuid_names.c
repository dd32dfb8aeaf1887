/* SPDX-License-Identifier: MIT */
/* vcpuid_names.c - the names of CPUID feature bits, as the SDM spells them. */
#include "guest/vcpuid.h"

#include <stdio.h>

static const char *const word_names[VCPUID_NR_WORDS] = {
    [VCPUID_1_ECX] = "CPUID.1:ECX",
    [VCPUID_1_EDX] = "CPUID.1:EDX",
    [VCPUID_7_0_EBX] = "CPUID.7.0:EBX",
    [VCPUID_7_0_ECX] = "CPUID.7.0:ECX",
    [VCPUID_7_0_EDX] = "CPUID.7.0:EDX",
    [VCPUID_7_1_EAX] = "CPUID.7.1:EAX",
    [VCPUID_EXT1_ECX] = "CPUID.80000001:ECX",
    [VCPUID_EXT1_EDX] = "CPUID.80000001:EDX",
    [VCPUID_D_1_EAX] = "CPUID.D.1:EAX",
    [VCPUID_XCR0] = "XCR0",
    [VCPUID_EXT7_EDX] = "CPUID.80000007:EDX",
    [VCPUID_EXT8_EBX] = "CPUID.80000008:EBX",
    [VCPUID_7_1_EDX] = "CPUID.7.1:EDX",
    [VCPUID_ARCH_CAP] = "IA32_ARCH_CAPABILITIES",
};

static const char *const names[VCPUID_NR_WORDS][32] = {
    [VCPUID_1_ECX] = {"SSE3", "PCLMULQDQ", "DTES64", "MONITOR", "DS-CPL", "VMX", "SMX", "EIST", "TM2",
                      "SSSE3", "CNXT-ID", "SDBG", "FMA", "CMPXCHG16B", "xTPR", "PDCM", NULL, "PCID", "DCA",
                      "SSE4.1", "SSE4.2", "x2APIC", "MOVBE", "POPCNT", "TSC-Deadline", "AESNI", "XSAVE",
                      "OSXSAVE", "AVX", "F16C", "RDRAND", "hypervisor"},
    [VCPUID_1_EDX] = {"FPU", "VME", "DE", "PSE", "TSC", "MSR", "PAE", "MCE", "CX8", "APIC", NULL, "SEP",
                      "MTRR", "PGE", "MCA", "CMOV", "PAT", "PSE-36", "PSN", "CLFSH", NULL, "DS", "ACPI",
                      "MMX", "FXSR", "SSE", "SSE2", "SS", "HTT", "TM", NULL, "PBE"},
    [VCPUID_7_0_EBX] = {"FSGSBASE", "IA32_TSC_ADJUST", "SGX", "BMI1", "HLE", "AVX2", "FDP_EXCPTN_ONLY",
                        "SMEP", "BMI2", "ERMS", "INVPCID", "RTM", "RDT-M", "FCS/FDS deprecation", "MPX",
                        "RDT-A", "AVX512F", "AVX512DQ", "RDSEED", "ADX", "SMAP", "AVX512_IFMA", NULL,
                        "CLFLUSHOPT", "CLWB", "Intel PT", "AVX512PF", "AVX512ER", "AVX512CD", "SHA",
                        "AVX512BW", "AVX512VL"},
    [VCPUID_7_0_ECX] = {"PREFETCHWT1", "AVX512_VBMI", "UMIP", "PKU", "OSPKE", "WAITPKG", "AVX512_VBMI2",
                        "CET_SS", "GFNI", "VAES", "VPCLMULQDQ", "AVX512_VNNI", "AVX512_BITALG", "TME_EN",
                        "AVX512_VPOPCNTDQ", NULL, "LA57", [22] = "RDPID", "KL", "BUS_LOCK_DETECT",
                        "CLDEMOTE", NULL, "MOVDIRI", "MOVDIR64B", "ENQCMD", "SGX_LC", "PKS"},
    [VCPUID_7_0_EDX] = {[2] = "AVX512_4VNNIW", "AVX512_4FMAPS", "FSRM", "UINTR",
                        [8] = "AVX512_VP2INTERSECT", "SRBDS_CTRL", "MD_CLEAR", "RTM_ALWAYS_ABORT",
                        [13] = "RTM_FORCE_ABORT", "SERIALIZE", "Hybrid", "TSXLDTRK", [18] = "PCONFIG",
                        "Architectural LBRs", "CET_IBT", [22] = "AMX-BF16", "AVX512_FP16", "AMX-TILE",
                        "AMX-INT8", "IBRS/IBPB", "STIBP", "L1D_FLUSH", "IA32_ARCH_CAPABILITIES",
                        "IA32_CORE_CAPABILITIES", "SSBD"},
    [VCPUID_7_1_EAX] = {"SHA512", "SM3", "SM4", [4] = "AVX-VNNI", "AVX512_BF16", [7] = "CMPCCXADD",
                        [10] = "FZRM", "FSRS", "FSRC", [21] = "AMX-FP16", "HRESET", "AVX-IFMA",
                        [26] = "LAM"},
    [VCPUID_EXT1_ECX] = {[0] = "LAHF/SAHF", [5] = "LZCNT", [8] = "PREFETCHW"},
    [VCPUID_EXT1_EDX] = {[11] = "SYSCALL", [20] = "NX", [26] = "1-GByte pages", [27] = "RDTSCP",
                         [29] = "Intel 64"},
    [VCPUID_D_1_EAX] = {"XSAVEOPT", "XSAVEC", "XGETBV with ECX=1", "XSAVES", "XFD"},
    [VCPUID_XCR0] = {"XCR0.x87", "XCR0.SSE", "XCR0.AVX", "XCR0.BNDREG", "XCR0.BNDCSR", "XCR0.opmask",
                     "XCR0.ZMM_Hi256", "XCR0.Hi16_ZMM", NULL, "XCR0.PKRU", [17] = "XCR0.TILECFG",
                     "XCR0.TILEDATA"},
    [VCPUID_EXT7_EDX] = {[8] = "Invariant TSC"},
    [VCPUID_EXT8_EBX] = {[9] = "WBNOINVD"},
    [VCPUID_7_1_EDX] = {[4] = "AVX-VNNI-INT8", "AVX-NE-CONVERT", [14] = "PREFETCHI"},
    [VCPUID_ARCH_CAP] = {"RDCL_NO", "IBRS_ALL", "RSBA", "SKIP_L1DFL_VMENTRY", "SSB_NO", "MDS_NO",
                         "IF_PSCHANGE_MC_NO", "TSX_CTRL", "TAA_NO", [13] = "SBDR_SSDP_NO", "FBSDP_NO",
                         "PSDP_NO", [17] = "FB_CLEAR", "FB_CLEAR_CTRL", "RRSBA", "BHI_NO",
                         "XAPIC_DISABLE_STATUS", [24] = "PBRSB_NO", "GDS_CTRL", "GDS_NO", "RFDS_NO",
                         "RFDS_CLEAR"},
};

const char *vcpuid_feature_name(enum vcpuid_word word, unsigned bit, char *buf, size_t len) {
    if ((unsigned)word < VCPUID_NR_WORDS && bit < 32 && names[word][bit] != NULL)
        return names[word][bit];
    snprintf(buf, len, "%s bit %u", (unsigned)word < VCPUID_NR_WORDS ? word_names[word] : "word?", bit);
    return buf;
}
