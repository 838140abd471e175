/* AArch64. Features and processors are those of LLVM 19 (tests/codegen/test_target.c compares them
 * with it); the bits of HWCAP: Linux, Documentation/arch/arm64/elf_hwcaps.rst. */
#include "targets/internal.h"

#include <elf.h>

enum { CAP = 1, CAP_HIGH, CAP2, CAP2_HIGH };

static const hone_preset_feature features[] = {
    {"fp-armv8", NULL, CAP, 0, false},
    {"neon", NULL, CAP, 1, false},
    {"crc", NULL, CAP, 7, false},
    {"lse", NULL, CAP, 8, false},
    {"rdm", NULL, CAP, 12, false},
    {"aes", NULL, CAP, 3, false},
    {"sha2", NULL, CAP, 6, false},
    {"sha3", "sha2", CAP, 17, false},
    {"sm4", NULL, CAP, 19, false},
    {"fullfp16", NULL, CAP, 10, false},
    {"fp16fml", "fullfp16", CAP, 23, false},
    {"dotprod", NULL, CAP, 20, false},
    {"rcpc", NULL, CAP, 15, false},
    {"rcpc-immo", "rcpc", CAP, 26, false},
    {"complxnum", NULL, CAP, 14, false},
    {"jsconv", NULL, CAP, 13, false},
    {"flagm", NULL, CAP, 27, false},
    {"altnzcv", NULL, CAP2, 7, false},
    {"fptoint", NULL, CAP2, 8, false},
    {"lse2", NULL, CAP, 25, false},
    {"bf16", NULL, CAP2, 14, false},
    {"i8mm", NULL, CAP2, 13, false},
    {"sve", "fullfp16", CAP, 22, false},
    {"f32mm", "sve", CAP2, 10, false},
    {"f64mm", "sve", CAP2, 11, false},
    {"sve2", "sve", CAP2, 1, false},
    {"sve2-aes", "aes,sve2", CAP2, 2, false},
    {"sve2-bitperm", "sve2", CAP2, 4, false},
    {"sve2-sha3", "sha3,sve2", CAP2, 5, false},
    {"sve2-sm4", "sm4,sve2", CAP2, 6, false},
    {"sve2p1", "sve2", CAP2_HIGH, 4, false},
    {"sme", "bf16", CAP2, 23, false},
    {"sme-f64f64", "sme", CAP2, 25, false},
    {"sme-i16i64", "sme", CAP2, 24, false},
    {"sme2", "sme", CAP2_HIGH, 5, false},
    {"mops", NULL, CAP2_HIGH, 11, false},
    {"cssc", NULL, CAP2_HIGH, 2, false},
    {"rand", NULL, CAP2, 16, true},
    {"sb", NULL, CAP, 29, true},
    {"mte", NULL, CAP2, 18, true},
    {"bti", NULL, CAP2, 17, true},
    {"pauth", NULL, CAP, 30, true},
    {0},
};

/* Some of LLVM's features are two of Linux's. */
static const hone_preset_source sources[] = {
    {CAP, 0, 0, 0, HONE_TARGET_HWCAP, 0},
    {CAP_HIGH, 0, 0, 0, HONE_TARGET_HWCAP_HIGH, 0},
    {CAP2, 0, 0, 0, HONE_TARGET_HWCAP2, 0},
    {CAP2_HIGH, 0, 0, 0, HONE_TARGET_HWCAP2_HIGH, 0},
    {CAP, 1u << 3, 0, 0, HONE_TARGET_HWCAP, 1u << 4},   /* aes, pmull */
    {CAP, 1u << 6, 0, 0, HONE_TARGET_HWCAP, 1u << 5},   /* sha2, sha1 */
    {CAP, 1u << 17, 0, 0, HONE_TARGET_HWCAP, 1u << 21}, /* sha3, sha512 */
    {CAP, 1u << 19, 0, 0, HONE_TARGET_HWCAP, 1u << 18}, /* sm4, sm3 */
    {CAP, 1u << 10, 0, 0, HONE_TARGET_HWCAP, 1u << 9},  /* asimdhp, fphp */
    {CAP2, 1u << 2, 0, 0, HONE_TARGET_HWCAP2, 1u << 3}, /* sveaes, svepmull */
    {0},
};

static const hone_preset_cpu cpus[] = {
    {"generic", NULL, "fp-armv8,neon"},
    {"cortex-a34", "generic", "crc,aes,sha2"},
    {"cortex-a35", "cortex-a34", NULL},
    {"cortex-a53", "cortex-a34", NULL},
    {"cortex-a55", "cortex-a34", "lse,rdm,fullfp16,dotprod,rcpc"},
    {"cortex-a57", "cortex-a34", NULL},
    {"cortex-a65", "cortex-a55", NULL},
    {"cortex-a72", "cortex-a34", NULL},
    {"cortex-a73", "cortex-a34", NULL},
    {"cortex-a75", "cortex-a55", NULL},
    {"cortex-a76", "cortex-a55", NULL},
    {"cortex-a77", "cortex-a55", NULL},
    {"cortex-a78", "cortex-a55", NULL},
    {"cortex-a78c", "cortex-a55", "flagm,pauth"},
    {"cortex-a510", "generic",
     "crc,lse,rdm,fp16fml,dotprod,rcpc-immo,complxnum,jsconv,flagm,altnzcv,fptoint,lse2,bf16,i8mm,"
     "sve2-bitperm,sb,mte,bti,pauth"},
    {"cortex-a520", "cortex-a510", NULL},
    {"cortex-a710", "cortex-a510", NULL},
    {"cortex-a715", "cortex-a510", NULL},
    {"cortex-a720", "cortex-a510", NULL},
    {"cortex-a725", "cortex-a510", NULL},
    {"cortex-x1", "cortex-a55", NULL},
    {"cortex-x1c", "cortex-a78c", "rcpc-immo,lse2"},
    {"cortex-x2", "cortex-a510", NULL},
    {"cortex-x3", "cortex-a510", NULL},
    {"cortex-x4", "cortex-a510", NULL},
    {"cortex-x925", "cortex-a510", NULL},
    {"neoverse-e1", "cortex-a55", NULL},
    {"neoverse-n1", "cortex-a55", NULL},
    {"neoverse-n2", "cortex-a510", NULL},
    {"neoverse-n3", "cortex-a510", "rand"},
    {"neoverse-v1", "cortex-x1c", "sha3,sm4,fp16fml,complxnum,jsconv,bf16,i8mm,sve,rand"},
    {"neoverse-v2", "neoverse-n3", NULL},
    {"neoverse-v3", "neoverse-n3", NULL},
    {"a64fx", "cortex-a34", "lse,rdm,complxnum,sve"},
    {"ampere1", "cortex-x1c", "sha3,complxnum,jsconv,altnzcv,fptoint,bf16,i8mm,rand,sb,bti"},
    {"ampere1a", "ampere1", "sm4,mte"},
    {"ampere1b", "ampere1a", "cssc"},
    {"apple-m1", "cortex-x1c", "sha3,fp16fml,complxnum,jsconv,altnzcv,fptoint,sb"},
    {"apple-m2", "apple-m1", "bf16,i8mm,bti"},
    {"apple-m3", "apple-m2", NULL},
    {"apple-m4", "apple-m2", "sme-f64f64,sme-i16i64,sme2"},
    {"carmel", "cortex-a34", "lse,rdm,fullfp16"},
    {"exynos-m3", "cortex-a34", NULL},
    {"exynos-m4", "carmel", "dotprod"},
    {"falkor", "cortex-a34", "rdm"},
    {"kryo", "cortex-a34", NULL},
    {"saphira", "falkor", "lse,dotprod,rcpc-immo,complxnum,jsconv,flagm,lse2,pauth"},
    {"oryon-1", "ampere1", "sm4,fp16fml"},
    {"thunderx2t99", "falkor", "lse"},
    {"thunderxt88", "cortex-a34", NULL},
    {"tsv110", "exynos-m4", "fp16fml,complxnum,jsconv"},
    {0},
};

/* By MIDR_EL1's implementer and part. */
static const struct {
    uint8_t implementer;
    uint16_t part;
    const char *name;
} models[] = {
    {0x41, 0xd02, "cortex-a34"},   {0x41, 0xd04, "cortex-a35"},  {0x41, 0xd03, "cortex-a53"},
    {0x41, 0xd05, "cortex-a55"},   {0x41, 0xd07, "cortex-a57"},  {0x41, 0xd06, "cortex-a65"},
    {0x41, 0xd08, "cortex-a72"},   {0x41, 0xd09, "cortex-a73"},  {0x41, 0xd0a, "cortex-a75"},
    {0x41, 0xd0b, "cortex-a76"},   {0x41, 0xd0d, "cortex-a77"},  {0x41, 0xd41, "cortex-a78"},
    {0x41, 0xd4b, "cortex-a78c"},  {0x41, 0xd46, "cortex-a510"}, {0x41, 0xd80, "cortex-a520"},
    {0x41, 0xd47, "cortex-a710"},  {0x41, 0xd4d, "cortex-a715"}, {0x41, 0xd81, "cortex-a720"},
    {0x41, 0xd87, "cortex-a725"},  {0x41, 0xd44, "cortex-x1"},   {0x41, 0xd4c, "cortex-x1c"},
    {0x41, 0xd48, "cortex-x2"},    {0x41, 0xd4e, "cortex-x3"},   {0x41, 0xd82, "cortex-x4"},
    {0x41, 0xd85, "cortex-x925"},  {0x41, 0xd4a, "neoverse-e1"}, {0x41, 0xd0c, "neoverse-n1"},
    {0x41, 0xd49, "neoverse-n2"},  {0x41, 0xd8e, "neoverse-n3"}, {0x41, 0xd40, "neoverse-v1"},
    {0x41, 0xd4f, "neoverse-v2"},  {0x41, 0xd84, "neoverse-v3"}, {0x42, 0x516, "thunderx2t99"},
    {0x43, 0x0af, "thunderx2t99"}, {0x43, 0x0a1, "thunderxt88"}, {0x46, 0x001, "a64fx"},
    {0x48, 0xd01, "tsv110"},       {0x4e, 0x004, "carmel"},      {0x51, 0x001, "oryon-1"},
    {0x51, 0x800, "cortex-a73"},   {0x51, 0x801, "cortex-a73"},  {0x51, 0x802, "cortex-a75"},
    {0x51, 0x803, "cortex-a75"},   {0x51, 0x804, "cortex-a76"},  {0x51, 0x805, "cortex-a76"},
    {0x51, 0x201, "kryo"},         {0x51, 0x205, "kryo"},        {0x51, 0x211, "kryo"},
    {0x51, 0xc00, "falkor"},       {0x51, 0xc01, "saphira"},     {0x53, 0x002, "exynos-m3"},
    {0x53, 0x003, "exynos-m4"},    {0x61, 0x022, "apple-m1"},    {0x61, 0x023, "apple-m1"},
    {0x61, 0x024, "apple-m1"},     {0x61, 0x025, "apple-m1"},    {0x61, 0x028, "apple-m1"},
    {0x61, 0x029, "apple-m1"},     {0x61, 0x032, "apple-m2"},    {0x61, 0x033, "apple-m2"},
    {0x61, 0x034, "apple-m2"},     {0x61, 0x035, "apple-m2"},    {0x61, 0x038, "apple-m2"},
    {0x61, 0x039, "apple-m2"},     {0xc0, 0xac3, "ampere1"},     {0xc0, 0xac4, "ampere1a"},
    {0xc0, 0xac5, "ampere1b"},
};

/* Of SVE's registers, whose length is the machine's, the first 128 bits are NEON's. */
static const hone_preset_vectors vectors[] = {{NULL, 16, 32, 1}, {0}};

/* These processors reorder by themselves. By their own models LLVM 19 moves all loads of an
 * unrolled body to its start, and then has no registers left. */
static const hone_preset_attribute attributes[] = {{"tune-cpu", "generic", "sve", 32}, {0}};

static const hone_preset_class classes[] = {{"sve2", "sve"}, {"sve", "sve"}, {"neon", "neon"}, {0}};

/* smmla does 32 products of bytes in 16 bytes of result where sdot does 16. An outer product of
 * streaming vectors of 512 bits is 256 products of f32, 512 of bf16 or 1024 of bytes in a cycle. */
static const hone_preset_peak peaks[] = {
    {"i8mm", 0, 12}, {"bf16", 0, 12}, {"sme", 2048, 0}, {"sme2", 2048, 0}, {0}};

/* 8 by 12 first, as in BLIS (kernels/armv8a) and most others. */
static const hone_preset_tile tiles[] = {
    {32, 8, 3, 1, 384},
    {32, 6, 4, 1, 256},
    {32, 4, 4, 2, 512},
    {32, 12, 2, 2, 256},
    {32, 8, 2, 4, 512},
    {32, 10, 2, 2, 320},
    {32, 14, 2, 1, 512},
    {0, 4, 3, 1, 256},
    {0, 6, 2, 1, 512},
    {0, 4, 2, 4, 384},
    {0},
};

static const char *const archs[] = {"aarch64", "arm64", NULL};
static const char *const rules[] = {HONE_TARGETS__CPU_RULES};
HONE_TARGETS__INTRINS(aarch64);

/* ---- this host ------------------------------------------------------------------------------- */

void hone_targets__aarch64_read(uint64_t hwcap, uint64_t hwcap2, uint64_t midr, uint32_t sve_bytes,
                                hone_preset_found *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->vector_bytes = 16; /* or the next power of two below, which is how code is made */
    while (2 * (uint32_t)ret->vector_bytes <= sve_bytes)
        ret->vector_bytes *= 2;
    const uint32_t words[] = {(uint32_t)hwcap, (uint32_t)(hwcap >> 32), (uint32_t)hwcap2,
                              (uint32_t)(hwcap2 >> 32)};
    for (const hone_preset_source *s = sources; s->word; s++) {
        uint32_t got = words[s->reg - HONE_TARGET_HWCAP];
        if (!s->bits)
            ret->words[s->word] = got;
        else if ((got & s->mask) != s->mask)
            ret->words[s->word] &= ~s->bits;
    }
    const char *name = "generic";
    for (size_t k = 0; k < HONE_LEN(models); k++)
        if (models[k].implementer == (midr >> 24 & 0xff) && models[k].part == (midr >> 4 & 0xfff))
            name = models[k].name;
    snprintf(ret->cpu, sizeof ret->cpu, "%s", name);
}

#ifdef __aarch64__
#include <sys/auxv.h>
#include <sys/prctl.h>

#ifndef PR_SVE_GET_VL
#define PR_SVE_GET_VL 51
#define PR_SVE_VL_LEN_MASK 0xffff
#endif

static void probe(hone_preset_found *ret)
{
    uint64_t hwcap = getauxval(AT_HWCAP), midr = 0;
    if (hwcap >> 11 & 1) /* the kernel lets programs read it */
        __asm__("mrs %0, midr_el1" : "=r"(midr));
    int sve = prctl(PR_SVE_GET_VL);
    hone_targets__aarch64_read(hwcap, getauxval(AT_HWCAP2), midr,
                               sve > 0 ? (uint32_t)sve & PR_SVE_VL_LEN_MASK : 0, ret);
}
#define PROBE probe
#else
#define PROBE NULL
#endif

const hone_preset hone_targets__aarch64 = {
    .name = "aarch64",
    .archs = archs,
    .triple = "aarch64-unknown-linux-gnu",
    .features = features,
    .sources = sources,
    .cpus = cpus,
    .usual = {.cores = 4,
              .cache_line = 64,
              .l1_bytes = 64 << 10,
              .l2_bytes = 1 << 20,
              .l3_bytes = 4 << 20},
    .maxnum = "neon",
    .vectors = vectors,
    .attributes = attributes,
    .scalable = "sve",
    .fma_latency = 4,
    .fma_per_cycle = 2,
    .classes = classes,
    .peaks = peaks,
    .tiles = tiles,
    .draft = {.ghz = 2.5, .loads_per_cycle = 2, .loop_cycles = 2, .bytes_per_cycle = {16, 8, 4}},
    .rules = rules,
    .intrins = hone_targets__aarch64_intrins,
    .intrins_end = hone_targets__aarch64_intrins_end,
    .elf_machine = EM_AARCH64,
    .relocs = {R_AARCH64_NONE, R_AARCH64_ABS64, R_AARCH64_RELATIVE, R_AARCH64_GLOB_DAT,
               R_AARCH64_JUMP_SLOT},
    .n_relocs = 5,
    .probe = PROBE,
};
