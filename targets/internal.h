/* What the files of this room share. */
#ifndef HONE_TARGETS_INTERNAL_H
#define HONE_TARGETS_INTERNAL_H

#include "targets/preset.h"

#define HONE_PRESET(name) extern const hone_preset hone_targets__##name;
#include "targets/presets.def"
#undef HONE_PRESET

/* The rules of a processor with vectors and caches, in their order. */
#define HONE_TARGETS__CPU_RULES                                                          \
    "const", "inline", "custom", "attention", "intrin", "groups", "contraction", "rows", \
        "reduction", "elementwise", NULL

/* Tensor intrinsics from a file, which the assembler looks for in the include folders, of which the
 * source root is one: HONE_TARGETS__INTRINS(x86_64) takes targets/x86_64.intrin. */
#define HONE_TARGETS__INTRINS(name)                         \
    __asm__(".pushsection .rodata\n"                        \
            ".global hone_targets__" #name "_intrins\n"     \
            ".global hone_targets__" #name "_intrins_end\n" \
            "hone_targets__" #name "_intrins:\n"            \
            ".incbin \"targets/" #name ".intrin\"\n"        \
            "hone_targets__" #name "_intrins_end:\n"        \
            ".byte 0\n"                                     \
            ".popsection\n");                               \
    extern const char hone_targets__##name##_intrins[], hone_targets__##name##_intrins_end[]

/* The same of LLVM's IR, targets/NAME.ll: what artifacts have in them beside kernels. */
#define HONE_TARGETS__RUNTIME(name)                         \
    __asm__(".pushsection .rodata\n"                        \
            ".global hone_targets__" #name "_runtime\n"     \
            ".global hone_targets__" #name "_runtime_end\n" \
            "hone_targets__" #name "_runtime:\n"            \
            ".incbin \"targets/" #name ".ll\"\n"            \
            "hone_targets__" #name "_runtime_end:\n"        \
            ".byte 0\n"                                     \
            ".popsection\n");                               \
    extern const char hone_targets__##name##_runtime[], hone_targets__##name##_runtime_end[]

/* The CPU's row, NULL: not in the table. */
const hone_preset_cpu *hone_targets__cpu(const hone_preset *p, const char *name);
/* Is the name one of the list "a,b"? */
bool hone_targets__in_list(const char *list, const char *name, size_t n);
/* Does the target (of preset p) have the feature? What its list does not mention comes from its CPU
 * and from what it does mention. */
bool hone_targets__has(const hone_preset *p, const hone_target *t, const char *name, size_t n);
/* The same of every feature of the preset, by its number in the table, and much faster than one by
 * one. ret holds as many as there are, at most 256. */
void hone_targets__all(const hone_preset *p, const hone_target *t, bool *ret);
/* Is there a feature that code for the target may use and that no source tells of? */
bool hone_targets__untold(const hone_preset *p, const hone_target *t, char ret[64]);
/* The list for a host: every feature of the preset that probe looks for, switched on if the host
 * has it and all it implies. ret holds sizeof (hone_target){0}.features bytes. */
void hone_targets__host_features(const hone_preset *p, const hone_preset_found *h, char *ret);
/* l1_bytes, l2_bytes, l3_bytes and cache_line from a folder like
 * /sys/devices/system/cpu/cpu0/cache; what is not found there keeps its value. */
void hone_targets__read_caches(const char *folder, hone_target *t);
/* vector_bytes, vector_registers, fma_latency and fma_per_cycle, by triple, CPU and features;
 * found_bytes: how long the vectors are that no feature tells of, 0: not known. */
void hone_targets__find_vectors(hone_target *t, int32_t found_bytes);

/* The parts of probe that decide, apart from asking the machine. */
typedef void hone_targets__cpuid(uint32_t leaf, uint32_t sub,
                                 uint32_t ret[4]); /* eax ebx ecx edx */
void hone_targets__x86_64_read(hone_targets__cpuid *cpuid, uint64_t xcr0, hone_preset_found *ret);
/* sve_bytes: of a register, 0: there is no SVE. */
void hone_targets__aarch64_read(uint64_t hwcap, uint64_t hwcap2, uint64_t midr, uint32_t sve_bytes,
                                hone_preset_found *ret);
/* implementer, part: of /proc/cpuinfo. */
void hone_targets__arm_read(uint64_t hwcap, uint64_t implementer, uint64_t part,
                            hone_preset_found *ret);
/* extensions: Linux's RISCV_HWPROBE_IMA_EXT_0; hwcap: a bit for each letter; vlenb: bytes of a
 * vector register, 0 for none. */
void hone_targets__riscv64_read(uint64_t hwcap, uint64_t extensions, uint64_t vendor, uint64_t arch,
                                uint64_t vlenb, hone_preset_found *ret);
/* Adds what /proc/cpuinfo's line "isa" says, of a kernel that cannot be asked:
 * "rv64imafdcv_zba_zbb". */
void hone_targets__riscv64_isa(const char *isa, hone_preset_found *ret);

#endif
