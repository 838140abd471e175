/* 64-bit RISC-V. Features and processors are those of LLVM 19 (tests/codegen/test_target.c compares
 * them with it); how a host says what it has: Linux, Documentation/arch/riscv/hwprobe.rst. */
#include "targets/internal.h"

#include <elf.h>

enum { LETTERS = 1, EXT, EXT_HIGH, VLEN };

static const hone_preset_feature features[] = {
    {"m", NULL, LETTERS, 'm' - 'a', false},
    {"a", NULL, LETTERS, 'a' - 'a', false},
    {"f", "zicsr", LETTERS, 'f' - 'a', false},
    {"d", "f", LETTERS, 'd' - 'a', false},
    {"c", NULL, LETTERS, 'c' - 'a', false},
    {"zicsr", NULL, LETTERS, 'i' - 'a', false},
    {"zifencei", NULL, LETTERS, 'i' - 'a', false},
    {"zicond", NULL, EXT_HIGH, 3, false},
    {"zba", NULL, EXT, 3, false},
    {"zbb", NULL, EXT, 4, false},
    {"zbc", NULL, EXT, 7, false},
    {"zbs", NULL, EXT, 5, false},
    {"zbkb", NULL, EXT, 8, false},
    {"zfhmin", "f", EXT, 28, false},
    {"zfh", "zfhmin", EXT, 27, false},
    {"zfa", "f", EXT_HIGH, 0, false},
    {"zve32x", "zicsr", EXT_HIGH, 5, false},
    {"zve32f", "f,zve32x", EXT_HIGH, 6, false},
    {"zve64x", "zve32x", EXT_HIGH, 7, false},
    {"zve64f", "zve32f,zve64x", EXT_HIGH, 8, false},
    {"zve64d", "d,zve64f", EXT_HIGH, 9, false},
    {"v", "zve64d,zvl128b", LETTERS, 'v' - 'a', false},
    {"zvl128b", "zve32x", VLEN, 0, false},
    {"zvl256b", "zvl128b", VLEN, 1, false},
    {"zvl512b", "zvl256b", VLEN, 2, false},
    {"zvl1024b", "zvl512b", VLEN, 3, false},
    {"zvfhmin", "zve32f", EXT, 31, false},
    {"zvfh", "zfhmin,zvfhmin", EXT, 30, false},
    {"zvfbfmin", "zve32f", 0, 0, false},
    {"zvfbfwma", "zvfbfmin", 0, 0, false},
    {"zvbb", "zvkb", EXT, 17, false},
    {"zvkb", "zve32x", EXT, 19, false},
    {"xtheadba", NULL, 0, 0, false},
    {"xtheadbb", NULL, 0, 0, false},
    {"xtheadbs", NULL, 0, 0, false},
    {"xtheadvdot", "v", 0, 0, false},
    {"zicbom", NULL, 0, 0, true},
    {"zicboz", NULL, EXT, 6, true},
    {"zicbop", NULL, 0, 0, true},
    {"64bit", NULL, 0, 0, false},
    {"relax", NULL, 0, 0, true},
    {0},
};

static const hone_preset_cpu cpus[] = {
    {"generic-rv64", NULL, "64bit"},
    {"generic", "generic-rv64", NULL},
    {"rocket-rv64", "generic-rv64", "zicsr,zifencei"},
    {"sifive-u54", "rocket-rv64", "m,a,d,c"},
    {"sifive-u74", "sifive-u54", NULL},
    {"sifive-p450", "sifive-u54", "zba,zbb,zbs,zfhmin,zicbom,zicboz,zicbop"},
    {"sifive-p670", "sifive-p450", "v,zvbb"},
    {"sifive-x280", "sifive-u54", "zba,zbb,zfh,v,zvl512b,zvfh"},
    {"spacemit-x60", "sifive-p450", "zicond,zbc,zfh,v,zvl256b,zvfh"},
    {"veyron-v1", "sifive-u54", "zba,zbb,zbc,zbs,zicbom,zicboz,zicbop"},
    {"xiangshan-nanhu", "sifive-u54", "zba,zbb,zbc,zbs,zbkb,zicbom,zicboz"},
    {"syntacore-scr3-rv64", "rocket-rv64", "m,a,c"},
    {0},
};

static const struct {
    uint64_t vendor, arch;
    const char *name;
} models[] = {
    {0x489, 0x8000000000000007, "sifive-u74"},
    {0x710, 0x8000000058000001, "spacemit-x60"},
};

/* Without vectors, four scalar registers stand for one. Groups of eight (LMUL = 8) are four, which
 * is too few for a tile. */
static const hone_preset_vectors vectors[] = {{"zvl1024b", 128, 32, 4}, {"zvl512b", 64, 32, 4},
                                              {"zvl256b", 32, 32, 4},   {"v", 16, 32, 4},
                                              {NULL, 16, 8, 1},         {0}};

/* LLVM 19 has models of few of these processors. Those that reorder are served as well by this one.
 */
static const hone_preset_attribute attributes[] = {{"tune-cpu", "sifive-x280", "v", 16}, {0}};

static const hone_preset_class classes[] = {{"v", "rvv"}, {0}};
static const hone_preset_peak peaks[] = {{0}};

/* Six rows of four vectors are six of one group too, and the next group of B has its place. */
static const hone_preset_tile tiles[] = {
    {32, 6, 4, 4, 256}, {32, 8, 3, 1, 256}, {32, 4, 4, 2, 512}, {32, 12, 2, 2, 256},
    {32, 8, 2, 4, 512}, {0, 2, 2, 1, 256},  {0, 4, 1, 2, 512},  {0},
};

static const char *const archs[] = {"riscv64", NULL};
static const char *const rules[] = {HONE_TARGETS__CPU_RULES};

/* ---- this host ------------------------------------------------------------------------------- */

void hone_targets__riscv64_read(uint64_t hwcap, uint64_t extensions, uint64_t vendor, uint64_t arch,
                                uint64_t vlenb, hone_preset_found *ret)
{
    memset(ret, 0, sizeof *ret);
    uint32_t v = 1u << ('v' - 'a');
    ret->words[LETTERS] = (uint32_t)hwcap & ~v;
    if (extensions & 1) /* FD */
        ret->words[LETTERS] |= 1u << ('f' - 'a') | 1u << ('d' - 'a');
    ret->words[EXT] = (uint32_t)extensions;
    ret->words[EXT_HIGH] = (uint32_t)(extensions >> 32);
    if (vlenb >= 16) {
        ret->words[LETTERS] |= v;
        ret->words[EXT_HIGH] |= 0x3e0; /* zve32x .. zve64d are in it */
        for (unsigned k = 0; k < 4 && vlenb >= (uint64_t)16 << k; k++)
            ret->words[VLEN] |= 1u << k;
    }
    const char *name = "generic-rv64";
    for (size_t k = 0; k < HONE_LEN(models); k++)
        if (models[k].vendor == vendor && models[k].arch == arch)
            name = models[k].name;
    snprintf(ret->cpu, sizeof ret->cpu, "%s", name);
}

/* The features of the list, as far as probe looks for them. Words are of letters and figures. */
void hone_targets__riscv64_isa(const char *isa, hone_preset_found *ret)
{
    isa += strncmp(isa, "rv64", 4) == 0 ? 4 : 0;
    for (; *isa >= 'a' && *isa <= 'z' && *isa != 'z'; isa++)
        if (*isa != 'v') /* as long as nobody says how long its registers are */
            ret->words[LETTERS] |= 1u << (*isa - 'a');
    while (*isa) {
        size_t n = strcspn(isa, "_");
        for (const hone_preset_feature *f = features; f->name; f++)
            if (strlen(f->name) == n && memcmp(f->name, isa, n) == 0 && f->word > LETTERS &&
                f->word != VLEN && (isa[1] != 'v' || ret->words[VLEN]))
                ret->words[f->word] |= 1u << f->bit;
        isa += n + (isa[n] == '_');
    }
}

#if defined(__riscv) && __riscv_xlen == 64
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

static void probe(hone_preset_found *ret)
{
    struct {
        int64_t key;
        uint64_t value;
    } ask[] = {{0, 0}, {1, 0}, {4, 0}}; /* vendor, architecture, extensions */
    long hwprobe = 258;
    char line[512];
    bool asked = syscall(hwprobe, ask, HONE_LEN(ask), 0, NULL, 0) == 0;
    if (!asked) { /* before Linux 6.4 */
        ask[0].value = ask[1].value = ask[2].value = 0;
        if (hone_file_line("/proc/cpuinfo", "mvendorid", line, sizeof line))
            ask[0].value = strtoull(line, NULL, 0);
        if (hone_file_line("/proc/cpuinfo", "marchid", line, sizeof line))
            ask[1].value = strtoull(line, NULL, 0);
    }
    for (size_t k = 0; k < HONE_LEN(ask); k++)
        if (ask[k].key < 0) /* this kernel does not know it */
            ask[k].value = 0;
    uint64_t hwcap = getauxval(AT_HWCAP), vlenb = 0;
    if (hwcap >> ('v' - 'a') & 1)
        __asm__("csrr %0, 0xc22" : "=r"(vlenb));
    hone_targets__riscv64_read(hwcap, ask[2].value, ask[0].value, ask[1].value, vlenb, ret);
    if (!asked && hone_file_line("/proc/cpuinfo", "isa", line, sizeof line))
        hone_targets__riscv64_isa(line, ret);
}
#define PROBE probe
#else
#define PROBE NULL
#endif

const hone_preset hone_targets__riscv64 = {
    .name = "riscv64",
    .archs = archs,
    .triple = "riscv64-unknown-linux-gnu",
    .features = features,
    .cpus = cpus,
    .usual = {.cores = 4, .cache_line = 64, .l1_bytes = 32 << 10, .l2_bytes = 1 << 20},
    .fma = "f",
    .half = "zfhmin",
    .maxnum = "f",
    .vectors = vectors,
    .attributes = attributes,
    .fma_latency = 4,
    .fma_per_cycle = 1,
    .classes = classes,
    .peaks = peaks,
    .tiles = tiles,
    .draft = {.ghz = 1.6,
              .loads_per_cycle = 1,
              .loop_cycles = 2,
              .start_cycles = 1, /* LLVM (SiFive7) */
              .in_order = true,
              .bytes_per_cycle = {8, 4, 2}},
    .rules = rules,
    .elf_machine = EM_RISCV,
    .relocs = {R_RISCV_NONE, R_RISCV_64, R_RISCV_RELATIVE, R_RISCV_JUMP_SLOT},
    .n_relocs = 4,
    .probe = PROBE,
};
