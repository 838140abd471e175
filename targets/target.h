/* What a kernel is made for: plain data that rules, cost model and code generator read. Text
 * form (stored, sent, compared): compact JSON with sorted keys, names as in TVM's Target where TVM
 * has them:
 * {"kind":"llvm","mattr":"+avx2,...","mcpu":"znver4","mtriple":"...","num-cores":2,...}.
 *
 * Threads: all functions may be called by any. */
#ifndef HONE_TARGET_H
#define HONE_TARGET_H

#include "base/base.h"

typedef struct hone_target {
    char triple[64];     /* "x86_64-pc-linux-gnu" */
    char cpu[64];        /* LLVM's name: "znver4" */
    char features[4096]; /* LLVM's list: "+avx2,-sse4a,..." */
    int32_t cores;
    int32_t vector_bytes;                 /* widest vector register; with SVE: that code is for */
    int32_t vector_registers;             /* architectural, of that width */
    int32_t fma_latency;                  /* cycles */
    int32_t fma_per_cycle;                /* vector_bytes-wide FMAs started per cycle */
    int32_t cache_line;                   /* bytes */
    int64_t l1_bytes, l2_bytes, l3_bytes; /* data caches; l3 shared, 0 when absent */
} hone_target;

/* Canonical text; caller frees. */
char *hone_target_text(const hone_target *t);
/* HONE_E_INPUT naming the member at fault. Does not resolve "native": that is hone_target_native
 * (codegen/codegen.h), which asks LLVM about this host. */
hone_status hone_target_parse(const char *text, hone_target *ret, hone_error *err) HONE_NODISCARD;

/* The target of a processor's name ("znver4", "x86-64-v3", "neoverse-n1"): its preset's triple and
 * usual number of cores, caches and pipes by targets/processors.def where they are there, the
 * features LLVM knows it to have, vectors by these (docs/TARGETS.md). HONE_E_INPUT: no preset has
 * that name; the message names the nearest. */
hone_status hone_target_named(const char *name, hone_target *ret, hone_error *err) HONE_NODISCARD;

/* The k-th name that hone_target_named takes, by architecture; NULL: there are fewer. */
const char *hone_target_name_at(unsigned k);

/* This host, without LLVM, as text that LLVM understands. HONE_E_NOTFOUND: hone knows nothing of
 * its architecture. */
hone_status hone_target_host(hone_target *ret, hone_error *err) HONE_NODISCARD;
/* Fills in cores, caches and vectors of this host, whose triple, cpu and features are there. */
void hone_target_fill_host(hone_target *t);

/* Does the target have all of `features` ("+avx512vnni,+avx512vl")? "" asks for nothing. The last
 * mention in its list counts; what the list does not mention comes from its CPU and from what the
 * mentioned features imply, as LLVM has it. */
bool hone_target_has(const hone_target *t, const char *features);
/* Can the device run code made for `needed`: the same architecture, every feature that code may
 * use, and vectors as long where code depends on that (SVE)? What only makes code fast or slow, as
 * caches and cores, is not compared. */
bool hone_target_can_run(const hone_target *device, const hone_target *needed);
/* The same, turned round: when it cannot, ret is the architecture or the first feature it lacks. */
bool hone_target_lacks(const hone_target *device, const hone_target *needed, char ret[64]);
/* The number of features that code for `a` may use and `b` has not. */
unsigned hone_target_beyond(const hone_target *a, const hone_target *b);

/* Where a program that runs finds out what its processor has. Of CPUID's registers `leaf` and
 * `subleaf` say which; the others have neither. */
typedef enum hone_target_register {
    HONE_TARGET_EAX,
    HONE_TARGET_EBX,
    HONE_TARGET_ECX,
    HONE_TARGET_EDX,
    HONE_TARGET_XCR0,  /* what the operating system saves: xgetbv's lower half */
    HONE_TARGET_HWCAP, /* AT_HWCAP's lower half, its upper one, and AT_HWCAP2's */
    HONE_TARGET_HWCAP_HIGH,
    HONE_TARGET_HWCAP2,
    HONE_TARGET_HWCAP2_HIGH,
    HONE_TARGET_VECTORS, /* bit k: scalable vectors have at least 16 << k bytes */
} hone_target_register;
/* All bits of `mask` must be set there. */
typedef struct hone_target_need {
    uint32_t leaf, subleaf, reg /* hone_target_register */, mask;
} hone_target_need;
#define HONE_TARGET_MAX_NEEDS 32
/* What must be so for code made for the target to run: one row for each register, in the order of
 * the preset. HONE_E_INPUT: its processor is in no table, or it may use a feature that no register
 * tells of, said which. */
hone_status hone_target_needs(const hone_target *t, hone_target_need ret[HONE_TARGET_MAX_NEEDS],
                              unsigned *ret_n, hone_error *err) HONE_NODISCARD;

/* "x86_64/avx512": the class two targets share when schedules are worth trying across them.
 * Caller frees. */
char *hone_target_class(const hone_target *t);
/* The architecture of a class: "x86_64" of "x86_64/avx512". Caller frees. */
char *hone_target_class_arch(const char *class);
/* Is `class` the class `of`, or one of the architecture `of`? */
bool hone_target_class_within(const char *class, const char *of);
/* A speed no program on `threads` cores reaches: 10^9 operations on values made from elements of
 * element_bytes (the narrowest it loads) in a second. `features`: those its tensor intrinsics need
 * ("+amx-int8"), since nothing else uses matrix units; "" for none. */
double hone_target_peak_gops(const hone_target *t, int32_t threads, int element_bytes,
                             const char *features);

#endif
