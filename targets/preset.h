/* What hone knows about an architecture: constant data, in one file each, of which
 * targets/presets.def is the list. docs/TARGETS.md says how to add one.
 *
 * Threads: presets are constants, which any may read.
 *
 * Tables end with a row of zeros; lists of names with NULL. */
#ifndef HONE_PRESET_H
#define HONE_PRESET_H

#include "targets/target.h"

#define HONE_PRESET_WORDS 20
#define HONE_PRESET_RELOCS 6

/* A feature of LLVM's that code made here may use, or that a host may have. */
typedef struct hone_preset_feature {
    const char *name;    /* LLVM's */
    const char *implies; /* what LLVM switches on with it: "avx2,fma"; NULL: nothing */
    uint8_t word, bit;   /* of what probe finds; word 0: it does not look for this one */
    bool idle;           /* no code made here ever uses it, so a device may lack it */
} hone_preset_feature;

/* Where features are told of: a bit of a word of probe's stands for bits of a register. A bit may
 * have several rows, and needs what all of them say. */
typedef struct hone_preset_source {
    uint8_t word;
    uint32_t bits; /* of the word that the row is for; 0: all, each the same bit of the register */
    uint32_t leaf, subleaf;
    hone_target_register reg;
    uint32_t mask; /* with `bits`: what must be set there */
} hone_preset_source;

/* What is taken for granted of a processor that only its name is known of: orders of magnitude. */
typedef struct hone_preset_usual {
    int32_t cores, cache_line;
    int64_t l1_bytes, l2_bytes, l3_bytes;
} hone_preset_usual;

/* A processor by LLVM's name. */
typedef struct hone_preset_cpu {
    const char *name;
    const char *like;     /* a row above, whose features it has too; NULL: none */
    const char *features; /* those it adds: "sha,avx512bf16"; NULL: none */
} hone_preset_cpu;

/* A target by name that is no processor of LLVM's. */
typedef struct hone_preset_name {
    const char *name, *cpu; /* the latter as LLVM calls it */
    const char *features;   /* as a target lists them: "+simd128" */
    int32_t cores;          /* 0: the preset's usual */
} hone_preset_name;

/* What is known of a processor beside its features (targets/processors.def). */
typedef struct hone_preset_numbers {
    const char *cpu; /* LLVM's name */
    int32_t cache_line;
    int64_t l1_bytes, l2_bytes, l3_bytes;
    int32_t fma_latency, fma_per_cycle; /* cycles; pipe_bytes wide */
    int32_t pipe_bytes;                 /* wider vectors take several turns; 0: they do not */
    int32_t loads_per_cycle;            /* vectors, from L1 */
    int32_t vector_bytes;               /* where no feature tells; 0: one does */
    const char *source;
} hone_preset_numbers;

/* The vectors a target has, widest first. */
typedef struct hone_preset_vectors {
    const char *feature; /* that brings them; NULL, in the last row: there in any case */
    int32_t bytes, registers;
    int32_t group; /* 1, 2, 4 .. so many registers one instruction may take as one vector */
} hone_preset_vectors;

/* An attribute of LLVM's functions, for targets with the feature whose code is for vectors of at
 * least so many bytes. */
typedef struct hone_preset_attribute {
    const char *name, *value;
    const char *feature;
    int32_t vector_bytes;
} hone_preset_attribute;

/* The first feature a target has names its class (hone_target_class). */
typedef struct hone_preset_class {
    const char *feature, *name;
} hone_preset_class;

/* A register tile that seeds start from. Rows of one number of registers stand together; those with
 * the largest number the target has are used, in their order. */
typedef struct hone_preset_tile {
    int32_t registers; /* vector registers it needs */
    int32_t rows, vectors;
    int32_t k_unroll;
    int32_t depth; /* steps of the sum in one block (BLIS: kc) */
} hone_preset_tile;

/* Orders of magnitude for the draft (costmodel/draft.c). */
typedef struct hone_preset_draft {
    double ghz;
    double loads_per_cycle;
    double loop_cycles;  /* counter, compare, branch, addressing of one innermost iteration */
    double start_cycles; /* a vector instruction's, beside the time its registers take */
    bool in_order; /* a scalar that a multiply-add needs is not read before the last is done */
    double
        bytes_per_cycle[3]; /* between L1 and L2, L2 and L3, L3 and memory, as read by one core */
} hone_preset_draft;

/* What instructions of a feature can do at most beside the ordinary vector instructions: operations
 * in one cycle on one core. */
typedef struct hone_preset_peak {
    const char *feature;
    double ops;
    double ops_per_byte; /* of a vector, for each fma_per_cycle; the larger of the two counts */
} hone_preset_peak;

/* In the place of a feature that brings something: nothing brings it. */
#define HONE_PRESET_NEVER ""

/* What probe finds. */
typedef struct hone_preset_found {
    uint32_t words[HONE_PRESET_WORDS]; /* [0] is not used */
    char cpu[64];                      /* LLVM's name, "" when it is not known */
    int32_t vector_bytes;              /* where no feature tells; 0: one does */
} hone_preset_found;

typedef struct hone_preset {
    const char *name;         /* as in classes: "x86_64" */
    const char *const *archs; /* as triples begin; NULL: any */
    const char *triple;       /* of a host of this kind */
    const hone_preset_feature *features;
    /* The order in which a host's are listed; NULL: that of the table. "a|b" is a where the host
     * has it; where it has not, b is there, and nothing is said of a. */
    const char *host_order;
    const hone_preset_source *sources; /* NULL: programs cannot find out about features */
    const hone_preset_cpu *cpus;
    const char
        *assumed; /* features that targets by name have beside their processor's; NULL: none */
    const hone_preset_name *names; /* targets by name beside the processors; NULL: none */
    hone_preset_usual usual;
    const char
        *fma; /* the feature that brings multiply-add with one rounding; NULL: always there */
    /* The one that converts between f16 and f32; NULL: always there. HONE_PRESET_NEVER, and where
     * it is missing: operations on integers do. */
    const char *half;
    /* The one that rounds to integers, of vectors too; NULL: always there. HONE_PRESET_NEVER, and
     * where it is missing: sums and comparisons do. */
    const char *rounding;
    /* The one that brings multiply-add with one rounding or two, as the machine has it, for vectors
     * of `vectors`, and LLVM's intrinsic for it; NULL: none does. */
    struct {
        const char *feature, *intrinsic;
    } madd;
    /* An access adds its constant offset as a number that does not wrap around, so that one is part
     * of it only where the address before it is known to lie before it, too. */
    bool unsigned_offsets;
    /* The one whose minima and maxima are IEEE 754-2019's minimumNumber and maximumNumber, and what
     * LLVM makes of llvm.minnum; NULL: none is. */
    const char *maxnum;
    /* LLVM's intrinsic that orders stores which pass by the caches before those after it; NULL:
     * they are ordered as others are. */
    const char *stream_fence;
    const hone_preset_vectors *vectors;
    const hone_preset_attribute *attributes; /* NULL: none */
    /* The one whose vectors are as long as the machine has them: a target that has it may say more
     * vector_bytes than `vectors`, and its code then runs where they are at least so long; NULL:
     * there is none. */
    const char *scalable;
    int32_t fma_latency, fma_per_cycle; /* cycles; of the widest vectors */
    const hone_preset_class *classes;
    const hone_preset_peak *peaks;
    const hone_preset_tile *tiles;
    hone_preset_draft draft;
    const char *const *rules;          /* in their order, by their names in space/rule/table.c */
    const char *intrins, *intrins_end; /* text of its tensor intrinsics (docs/INTRINSICS.md) */
    /* Artifacts: machine, and the kinds of relocation a device admits; 0 machine: no device. */
    uint16_t elf_machine;
    uint32_t relocs[HONE_PRESET_RELOCS];
    unsigned n_relocs;
    /* LLVM's IR of a hone_rt_api called hone_rt: artifacts are modules that have everything they
     * need in them, this too, and are run by a runtime. NULL: artifacts are shared objects. */
    const char *runtime, *runtime_end;
    /* The features of modules that share their memory between threads, which have this in them;
     * else they have one thread. NULL: nothing brings it. */
    const char *shares;
    const char *shared_runtime, *shared_runtime_end;
    /* Finds out about this host. NULL in a build for another architecture. */
    void (*probe)(hone_preset_found *ret);
} hone_preset;

/* The row of targets/processors.def for a processor; NULL: it has none. */
const hone_preset_numbers *hone_preset_numbers_of(const char *cpu);

/* Vector registers that one instruction of the target may take as one vector; 1: there are no
 * groups. */
int32_t hone_preset_group(const hone_target *t);

/* The k-th, in the order of presets.def; NULL: there are fewer. */
const hone_preset *hone_preset_at(unsigned k);
/* The one for this target: the last of the list takes any. */
const hone_preset *hone_preset_of(const hone_target *t);
/* What people call the target: its processor, or where that is "generic" its name of `names`, else
 * its architecture. The target's or static. */
const char *hone_preset_name_of(const hone_target *t);
/* Artifacts for the target are modules, which have one thread, or that share their memory between
 * several. */
bool hone_preset_is_alone(const hone_target *t);
bool hone_preset_shares(const hone_target *t);
#define HONE_PRESET_SHARING 64 /* as many threads at most */
/* The one this program was compiled for, NULL: none. */
const hone_preset *hone_preset_host(void);

#endif
