/* 32-bit Arm: kernels can be compiled for it; no device runs them yet. */
#include "targets/internal.h"

static const hone_preset_feature features[] = {
    {"vfp2", NULL, 0, 0, false},      {"vfp3", "vfp2", 0, 0, false},
    {"fp16", NULL, 0, 0, false},      {"vfp4", "vfp3,fp16", 0, 0, false},
    {"neon", "vfp3", 0, 0, false},    {"dotprod", "neon", 0, 0, false},
    {"fullfp16", NULL, 0, 0, false},  {"hwdiv", NULL, 0, 0, false},
    {"hwdiv-arm", NULL, 0, 0, false}, {0},
};

static const hone_preset_cpu cpus[] = {{"generic", NULL, NULL, 0, 0, 0}, {0}};
static const hone_preset_vectors vectors[] = {{"neon", 16, 16}, {NULL, 16, 8}, {0}};
static const hone_preset_class classes[] = {{"neon", "neon"}, {0}};
static const hone_preset_peak peaks[] = {{0}};
static const hone_preset_tile tiles[] = {
    {0, 4, 2, 1, 256}, {0, 6, 2, 1, 512}, {0, 4, 3, 1, 256}, {0, 2, 2, 2, 256}, {0}};

static const char *const archs[] = {"arm", "armv7", "armv7a", "armv7l", NULL};
static const char *const rules[] = {HONE_TARGETS__CPU_RULES};

const hone_preset hone_targets__arm = {
    .name = "arm",
    .archs = archs,
    .triple = "arm-unknown-linux-gnueabihf",
    .features = features,
    .cpus = cpus,
    .usual = {.cores = 4, .cache_line = 64, .l1_bytes = 32 << 10, .l2_bytes = 512 << 10},
    .fma = "vfp4",
    .half = "fp16",
    .vectors = vectors,
    .fma_latency = 4,
    .fma_per_cycle = 1,
    .classes = classes,
    .peaks = peaks,
    .tiles = tiles,
    .draft = {.ghz = 1.5, .loads_per_cycle = 1, .loop_cycles = 2, .bytes_per_cycle = {8, 4, 2}},
    .rules = rules,
};
