/* WebAssembly with 32-bit addresses: code for Node and for web pages. Features are those of LLVM 19
 * (tests/codegen/test_target.c compares them with it). What runs it is a processor nobody knows:
 * numbers are those of today's x86-64 and 64-bit Arm ones as an engine uses them, and there is no
 * host of this kind, so devices run it by a runtime (docs/WASM.md). */
#include "targets/internal.h"

static const hone_preset_feature features[] = {
    {"simd128", NULL, 0, 0, false},
    {"relaxed-simd", NULL, 0, 0, false},
    {"half-precision", NULL, 0, 0, false},
    {"bulk-memory", NULL, 0, 0, false},
    {"nontrapping-fptoint", NULL, 0, 0, false},
    {"sign-ext", NULL, 0, 0, false},
    {"mutable-globals", NULL, 0, 0, false},
    {"multivalue", NULL, 0, 0, false},
    {"reference-types", NULL, 0, 0, false},
    {"atomics", NULL, 0, 0, false},
    {"tail-call", NULL, 0, 0, false},
    {"exception-handling", NULL, 0, 0, true},
    {"extended-const", NULL, 0, 0, true},
    {"multimemory", NULL, 0, 0, true},
    {0},
};

static const hone_preset_cpu cpus[] = {
    {"generic", NULL, "multivalue,mutable-globals,reference-types,sign-ext"},
    {0},
};

/* All of WebAssembly 2.0 that code made here uses: in engines since 2021 (Safari: 2023). */
#define BASE "+bulk-memory,+mutable-globals,+nontrapping-fptoint,+sign-ext,+simd128"
static const hone_preset_name names[] = {
    {"wasm32", "generic", BASE, 0},
    {"wasm32-relaxed", "generic", BASE ",+relaxed-simd", 0},
    {"wasm32-threads", "generic", "+atomics," BASE, 4},
    {0},
};

/* Of x86-64's 16 registers an engine keeps one or two for itself. Without vectors, four numbers
 * stand for one. */
static const hone_preset_vectors vectors[] = {{"simd128", 16, 16, 1}, {NULL, 16, 8, 1}, {0}};

static const hone_preset_class classes[] = {
    {"relaxed-simd", "relaxed"}, {"simd128", "simd128"}, {0}};
static const hone_preset_peak peaks[] = {{0}};

/* A product needs a register before it is added. */
static const hone_preset_tile tiles[] = {
    {0, 4, 2, 1, 512}, {0, 5, 2, 1, 384}, {0, 6, 2, 1, 256}, {0, 3, 3, 1, 384},
    {0, 4, 2, 4, 256}, {0, 8, 1, 1, 512}, {0, 4, 3, 1, 256}, {0},
};

static const char *const archs[] = {"wasm32", NULL};
static const char *const rules[] = {HONE_TARGETS__CPU_RULES};

HONE_TARGETS__RUNTIME(wasm32);
HONE_TARGETS__RUNTIME(wasm32_shared);

const hone_preset hone_targets__wasm32 = {
    .name = "wasm32",
    .archs = archs,
    .triple = "wasm32-unknown-unknown",
    .features = features,
    .cpus = cpus,
    .names = names,
    .usual = {.cores = 1,
              .cache_line = 64,
              .l1_bytes = 32 << 10,
              .l2_bytes = 1 << 20,
              .l3_bytes = 16 << 20},
    .fma = HONE_PRESET_NEVER,
    .half = HONE_PRESET_NEVER,
    .madd = {"relaxed-simd", "llvm.wasm.relaxed.madd"},
    .unsigned_offsets = true,
    .vectors = vectors,
    .fma_latency = 4, /* of the addition: the product does not wait for it */
    .fma_per_cycle = 2,
    .classes = classes,
    .peaks = peaks,
    .tiles = tiles,
    .draft = {.ghz = 3.5, .loads_per_cycle = 2, .loop_cycles = 3, .bytes_per_cycle = {32, 12, 4}},
    .rules = rules,
    .runtime = hone_targets__wasm32_runtime,
    .runtime_end = hone_targets__wasm32_runtime_end,
    .shares = "atomics,bulk-memory,mutable-globals", /* what wasm-ld wants for it */
    .shared_runtime = hone_targets__wasm32_shared_runtime,
    .shared_runtime_end = hone_targets__wasm32_shared_runtime_end,
};
