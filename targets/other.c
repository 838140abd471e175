/* Any other architecture that LLVM compiles for: nothing is known of it but what its target's text
 * says. */
#include "targets/internal.h"

static const hone_preset_feature features[] = {{0}};
static const hone_preset_cpu cpus[] = {{"generic", NULL, NULL}, {0}};
static const hone_preset_vectors vectors[] = {{NULL, 16, 32, 1}, {0}};
static const hone_preset_class classes[] = {{0}};
static const hone_preset_peak peaks[] = {{0}};

static const hone_preset_tile tiles[] = {
    {32, 14, 2, 1, 512}, {32, 12, 2, 2, 256},
    {32, 8, 3, 1, 384},  {32, 6, 4, 1, 256},
    {32, 8, 2, 4, 512},  {32, 10, 2, 2, 320},
    {32, 4, 4, 2, 512},  {32, 14, 2, 2, 192},
    {0, 6, 2, 1, 512},   {0, 4, 3, 1, 256},
    {0, 4, 2, 4, 384},   {0, 5, 2, 2, 256},
    {0, 12, 1, 1, 512},  {0},
};

static const char *const rules[] = {HONE_TARGETS__CPU_RULES};

const hone_preset hone_targets__other = {
    .name = "other",
    .features = features,
    .cpus = cpus,
    .usual = {.cores = 4, .cache_line = 64, .l1_bytes = 32 << 10, .l2_bytes = 1 << 20},
    .vectors = vectors,
    .fma_latency = 4,
    .fma_per_cycle = 2,
    .classes = classes,
    .peaks = peaks,
    .tiles = tiles,
    .draft = {.ghz = 3.5, .loads_per_cycle = 2, .loop_cycles = 2, .bytes_per_cycle = {32, 12, 4}},
    .rules = rules,
};
