/* 32-bit Arm, version 7. Features and processors are those of LLVM 19 (tests/codegen/test_target.c
 * compares them with it); the bits of HWCAP: Linux, arch/arm/include/uapi/asm/hwcap.h. Vectors of
 * floats take denormals for 0, whatever the program wants (Arm Architecture Reference Manual for
 * Armv7, A2.7.2). */
#include "targets/internal.h"

#include <elf.h>

enum { CAP = 1, OTHER };

static const hone_preset_feature features[] = {
    {"vfp2", NULL, CAP, 6, false},       {"vfp3", "vfp2", CAP, 13, false},
    {"fp16", NULL, OTHER, 0, false},     {"vfp4", "vfp3,fp16", CAP, 16, false},
    {"neon", "vfp3", CAP, 12, false},    {"hwdiv", NULL, CAP, 18, false},
    {"hwdiv-arm", NULL, CAP, 17, false}, {0},
};

static const hone_preset_cpu cpus[] = {
    {"generic", NULL, "vfp3"},
    {"cortex-a5", "generic", "vfp4"},
    {"cortex-a7", "cortex-a5", "hwdiv,hwdiv-arm"},
    {"cortex-a8", "generic", NULL},
    {"cortex-a9", "cortex-a8", "fp16"},
    {"cortex-a12", "cortex-a7", NULL},
    {"cortex-a15", "cortex-a7", NULL},
    {"cortex-a17", "cortex-a7", NULL},
    {0},
};
static const hone_preset_vectors vectors[] = {{"neon", 16, 16, 1}, {NULL, 16, 8, 1}, {0}};
static const hone_preset_class classes[] = {{"neon", "neon"}, {0}};
static const hone_preset_peak peaks[] = {{0}};
static const hone_preset_tile tiles[] = {
    {0, 4, 2, 1, 256}, {0, 6, 2, 1, 512}, {0, 4, 3, 1, 256}, {0, 2, 2, 2, 256}, {0}};

static const char *const archs[] = {"arm", "armv7", "armv7a", "armv7l", NULL};
static const char *const rules[] = {HONE_TARGETS__CPU_RULES};

/* By the part's number in MIDR; 64-bit ones run code of the last of version 7. */
static const struct {
    uint16_t part;
    const char *name;
} models[] = {
    {0xc05, "cortex-a5"},  {0xc07, "cortex-a7"},  {0xc08, "cortex-a8"},  {0xc09, "cortex-a9"},
    {0xc0d, "cortex-a12"}, {0xc0e, "cortex-a17"}, {0xc0f, "cortex-a15"}, {0xd03, "cortex-a7"},
    {0xd04, "cortex-a7"},  {0xd07, "cortex-a15"}, {0xd08, "cortex-a15"},
};

/* ---- this host ------------------------------------------------------------------------------- */

void hone_targets__arm_read(uint64_t hwcap, uint64_t implementer, uint64_t part,
                            hone_preset_found *ret)
{
    const uint32_t vfp3 = 1u << 13, vfp4 = 1u << 16, all_registers = 1u << 19;
    memset(ret, 0, sizeof *ret);
    ret->words[CAP] = (uint32_t)hwcap;
    if (!(hwcap & all_registers)) /* LLVM's vfp3 has 32 */
        ret->words[CAP] &= ~vfp3;
    ret->words[OTHER] = (hwcap & vfp4) != 0;
    const char *name = "generic";
    for (size_t k = 0; k < HONE_LEN(models); k++)
        if (implementer == 0x41 && models[k].part == part)
            name = models[k].name;
    snprintf(ret->cpu, sizeof ret->cpu, "%s", name);
}

#ifdef __arm__
#include <sys/auxv.h>

static void probe(hone_preset_found *ret)
{
    char implementer[64] = "", part[64] = "";
    hone_file_line("/proc/cpuinfo", "CPU implementer", implementer, sizeof implementer);
    hone_file_line("/proc/cpuinfo", "CPU part", part, sizeof part);
    hone_targets__arm_read(getauxval(AT_HWCAP), strtoull(implementer, NULL, 0),
                           strtoull(part, NULL, 0), ret);
}
#define PROBE probe
#else
#define PROBE NULL
#endif

const hone_preset hone_targets__arm = {
    .name = "arm",
    .archs = archs,
    .triple = "armv7-unknown-linux-gnueabihf",
    .features = features,
    .cpus = cpus,
    .assumed = "+neon", /* LLVM leaves it to the one who compiles */
    .usual = {.cores = 4, .cache_line = 64, .l1_bytes = 32 << 10, .l2_bytes = 512 << 10},
    .fma = "vfp4",
    .half = "fp16",
    .rounding = HONE_PRESET_NEVER,
    .vectors = vectors,
    .fma_latency = 4,
    .fma_per_cycle = 1,
    .classes = classes,
    .peaks = peaks,
    .tiles = tiles,
    .draft = {.ghz = 1.5, .loads_per_cycle = 1, .loop_cycles = 2, .bytes_per_cycle = {8, 4, 2}},
    .rules = rules,
    .elf_machine = EM_ARM,
    .relocs = {R_ARM_NONE, R_ARM_ABS32, R_ARM_GLOB_DAT, R_ARM_JUMP_SLOT, R_ARM_RELATIVE},
    .n_relocs = 5,
    .probe = PROBE,
};
