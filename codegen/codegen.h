/* codegen: from a scheduled program to machine code, through LLVM 19's C API.
 *
 * The program's loops are emitted as they stand: serial loops as loops, unrolled ones as copies,
 * vectorised ones as vector operations, parallel ones as calls of the runtime with an outlined
 * body. The kernel's interface is hone_rt_kernel (runtime/hone_rt.h).
 *
 * Threads: a hone_codegen belongs to one thread at a time; the first is made before there is a
 * second, for LLVM's options are the process's. */
#ifndef HONE_CODEGEN_H
#define HONE_CODEGEN_H

#include "ir/ir.h"
#include "libcall/libcall.h"
#include "targets/target.h"

/* This host: LLVM's cpu name and features, caches from sysfs or cpuid.
 * HONE_E_LLVM. */
hone_status hone_target_native(hone_target *ret, hone_error *err) HONE_NODISCARD;

/* One per process and target: owns the target machine. */
typedef struct hone_codegen hone_codegen;
/* HONE_E_INPUT (unknown cpu or triple), HONE_E_LLVM. */
hone_status hone_codegen_new(const hone_target *t, hone_codegen **ret,
                             hone_error *err) HONE_NODISCARD;
void hone_codegen_free(hone_codegen *g);
const char *hone_codegen_version(void); /* "LLVM 19.1.7" */

typedef enum hone_emit {
    HONE_EMIT_OBJECT,
    HONE_EMIT_ASM,
    HONE_EMIT_LLVM,   /* as text */
    HONE_EMIT_BITCODE /* LLVM's, of which hone_codegen_emit_variants makes one object */
} hone_emit;

/* What a block annotated hone.intrin="NAME" becomes: a call of a function, inlined, instead of its
 * loops. The function is the only one defined in `impl`; it is void and gets a pointer for each of
 * n_args accesses of the block in the loops: to the first element, the others following row-major.
 */
#define HONE_CODEGEN_INTRIN_ARGS 8
#define HONE_CODEGEN_INTRIN_LOOPS 6
typedef struct hone_codegen_intrin {
    const char *name, *features; /* the latter must be the target's: "+avx512vnni" */
    const char *impl;            /* LLVM IR */
    unsigned n_args, n_loops;
    /* 0: the element stored; k: the k-th other load in the block's value, in order of appearance */
    unsigned access[HONE_CODEGEN_INTRIN_ARGS];
    int64_t extent[HONE_CODEGEN_INTRIN_LOOPS]; /* of the loops of more than one iteration */
    /* elements by which a step of a loop must move an access */
    int64_t stride[HONE_CODEGEN_INTRIN_ARGS][HONE_CODEGEN_INTRIN_LOOPS];
} hone_codegen_intrin;

/* The first dimension of some arguments is not the program's, but a number that comes with the
 * call. The program has the largest it may be; element [i, ..] of an output is made of elements [i,
 * ..] of these arguments alone (hone_program_rows, ir/ir.h), so that the others may be left out. */
typedef struct hone_codegen_size {
    const char *name;    /* what the kernel calls it */
    int64_t least, most; /* 1 <= least <= most */
    uint64_t args;       /* bit k: of argument k, one of the first 64 */
} hone_codegen_size;

typedef struct hone_codegen_options {
    hone_emit emit;
    /* NULL: define hone_kernel (and hone_pack). Otherwise define `int NAME(args...)` which calls
     * the kernel through hone_rt_default(threads), `int NAME_pack_ARG(const T *ARG, void *packed)`
     * and `int64_t NAME_pack_ARG_bytes(void)` for each packed argument; everything else internal.
     */
    const char *name;
    int32_t threads;
    bool plain; /* as the oracle: no use of parallel, vector and unroll kinds, no fast pipelines;
                   sums of f32 kept in f64 */
    const hone_codegen_intrin *intrins; /* those the program may use; borrowed for the call */
    unsigned n_intrins;
    bool no_prepack; /* keep blocks annotated hone.prepack inside the kernel */
    bool cold;       /* one of many kernels that run in turn: what is packed comes from far away */
    /* NULL: none. Otherwise it is the first parameter of NAME, an int64_t; hone_kernel finds a
     * pointer to it behind those to the arguments. Whoever calls sees to its range. Inputs of that
     * size are not packed ahead. */
    const hone_codegen_size *size;
    /* NULL: all arguments are dense. Otherwise by argument, 0: it is. Else it has two dimensions or
     * more, and this is how many elements are from one row, its last dimension, to the next: at
     * least as many as a row has. Not of those that are packed. */
    const int64_t *pitch;
    bool in_place; /* the output may lie where an input does that is read at the same elements */
} hone_codegen_options;

/* What the caller of the kernel must know. */
typedef struct hone_code {
    uint8_t *bytes; /* object, or text with a NUL after it; hone_code_free */
    size_t n;
    unsigned n_args;
    /* per argument: 0, or the bytes of its packed form; of variants, the largest */
    int64_t pack_bytes[HONE_MAX_ARGS];
    bool has_pack;
    bool shares;              /* a module whose memory threads share */
    unsigned n_variants;      /* of hone_codegen_emit_variants, or 0 */
    hone_codegen_size size;   /* of hone_codegen_emit_sizes; name NULL: none. Borrowed from there */
    const hone_libcall *call; /* of hone_codegen_emit_call; NULL: none. Borrowed from there */
    int64_t code_bytes;       /* size of .text, 0 if not an object */
    int64_t lower_ns, llvm_ns; /* processor time of the calling thread */
} hone_code;
void hone_code_free(hone_code *c);

/* HONE_E_INPUT with what is wrong with the implementation; HONE_REJECT_BUILD: the target does not
 * have its features, so that it was not looked at. */
hone_status hone_codegen_check_intrin(hone_codegen *g, const hone_codegen_intrin *in,
                                      hone_error *err) HONE_NODISCARD;
/* HONE_REJECT_TOO_BIG (unrolled body or scratch over the limits), HONE_REJECT_BUILD (a construct it
 * cannot express, said which), HONE_E_LLVM. The program is not changed. */
hone_status hone_codegen_emit(hone_codegen *g, const hone_program *p, const hone_codegen_options *o,
                              hone_code *ret, hone_error *err) HONE_NODISCARD;

/* A library's function (libcall/libcall.h) in the place of a schedule of p, whose arguments it
 * takes. NULL in `name`: an artifact, which defines hone_kernel and HONE_LIBCALL_SYMBOL. Otherwise
 * NAME, which calls the function by its name: that is undefined in the object, and nothing of
 * hone's runtime is. Not as bitcode. HONE_E_INPUT: it wants an argument that the kernel does not
 * have, or NAME is the function's. HONE_E_LLVM. */
hone_status hone_codegen_emit_call(hone_codegen *g, const hone_program *p, const hone_libcall *c,
                                   hone_emit emit, const char *name, hone_code *ret,
                                   hone_error *err) HONE_NODISCARD;

/* ---- one function for several processors ---- */

#define HONE_CODEGEN_MAX_VARIANTS 16
typedef struct hone_codegen_variant {
    const char *name; /* what hone_rt_variant (runtime/hone_rt.h) calls it */
    const hone_target *target;
    const hone_program *program;  /* all schedule one kernel: their arguments are the same */
    hone_codegen_options options; /* without emit and name */
} hone_codegen_variant;

/* HONE_E_INPUT: too many or none, two of one name, targets of different architectures, or one that
 * hone_target_needs refuses. Looks at names and targets only. */
hone_status hone_codegen_check_variants(const hone_codegen_variant *v, unsigned n,
                                        hone_error *err) HONE_NODISCARD;
/* One object with code for all targets: NAME, its pack functions and NAME_variants, a
 * hone_rt_variants. They choose at the first call (runtime/hone_rt.h); everything else is internal.
 * An argument is packed when any variant packs it; to pack it for one that does not is to copy it,
 * and the bytes are those of the variant that runs. ret_order[k]: which of v is tried as the k-th:
 * one that can run wherever another can comes after it, and otherwise in the order given.
 * What hone_codegen_check_variants returns; or hone_codegen_new and hone_codegen_emit, with the
 * name of the variant. */
hone_status hone_codegen_emit_variants(const hone_codegen_variant *v, unsigned n, const char *name,
                                       unsigned ret_order[HONE_CODEGEN_MAX_VARIANTS],
                                       hone_code *ret, hone_error *err) HONE_NODISCARD;

/* ---- one function for a range of sizes ---- */

#define HONE_CODEGEN_MAX_SIZED 8
typedef struct hone_codegen_sized {
    const hone_program *program;  /* all schedule one kernel, for as large a size as they are for */
    hone_codegen_options options; /* without emit and name; `size` says when it may be called */
} hone_codegen_sized;
typedef struct hone_codegen_range {
    int64_t last;     /* of the sizes from the range before on */
    unsigned variant; /* that is called for these */
} hone_codegen_range;

/* One object with NAME(size, args...), which calls one of the variants, found in as many
 * comparisons as a tree of the ranges is deep; for sizes below `least` or over the last range it
 * does nothing and returns HONE_RT_NOSIZE. Ranges are in order, and each is within its variant's.
 * Everything else is internal, nothing is packed ahead. What hone_codegen_new and hone_codegen_emit
 * return, with *ret_bad, which of the variants it is about, n for none. */
hone_status hone_codegen_emit_sizes(const hone_target *t, const hone_codegen_sized *v, unsigned n,
                                    int64_t least, const hone_codegen_range *ranges,
                                    unsigned n_ranges, const char *name, unsigned *ret_bad,
                                    hone_code *ret, hone_error *err) HONE_NODISCARD;

/* ---- a network as one function ---- */

/* Where an argument of a call lies. */
typedef enum hone_codegen_area {
    HONE_CODEGEN_IN,       /* `at`: which of the network's inputs */
    HONE_CODEGEN_OUT,      /* which of its outputs */
    HONE_CODEGEN_WEIGHTS,  /* `at`: bytes from the start of the weights */
    HONE_CODEGEN_WORKSPACE /* bytes from the start of the workspace */
} hone_codegen_area;
typedef struct hone_codegen_place {
    hone_codegen_area area;
    int64_t at;
} hone_codegen_place;

typedef struct hone_codegen_kernel {
    const hone_program *program;
    hone_codegen_options options; /* without emit, name and size */
} hone_codegen_kernel;
typedef struct hone_codegen_call {
    unsigned kernel;
    const hone_codegen_place *args; /* one for each argument of the kernel */
} hone_codegen_call;
typedef struct hone_codegen_copy { /* at the end, from an input or the weights to an output */
    hone_codegen_place from;
    unsigned out;
    int64_t bytes;
} hone_codegen_copy;

typedef struct hone_codegen_network {
    const char *name;
    unsigned n_in, n_out, n_kernels, n_calls, n_copies;
    const hone_codegen_kernel *kernels;
    const hone_codegen_call *calls; /* in order */
    const hone_codegen_copy *copies;
    int64_t weights_bytes;
    uint64_t weights_hash; /* as hone_rt_net_hash */
    bool watched;          /* NAME_watch too */
    bool (*stop)(void *);  /* asked before each kernel, with NULL: is it to stop? May be NULL */
} hone_codegen_network;

/* Call `call` of the network has returned 0; `args` are the arguments that it had, packed ones as
 * packed. */
typedef void hone_codegen_watch(void *ctx, int64_t call, void *const *args);

/* One object with `int NAME_run(const hone_rt_net *net, const T *in.., T *out.., void *workspace)`,
 * which makes the calls one after the other and returns the first nonzero result, and
 * NAME_network, a hone_rt_network (runtime/hone_rt.h) that says what it needs. Arguments that
 * kernels take packed are packed by hone_rt_net_open, each once. Everything else is internal.
 * Watched, also `int32_t NAME_watch(const hone_rt_net *net, void *const *args, hone_codegen_watch
 * *after, void *ctx)`: NAME_run with its parameters from args, behind `net` and in order, that
 * calls `after`, unless that is NULL, when each call has returned. *ret_bad: which of the kernels
 * an error is about, n_kernels: none. *ret_packed: the bytes of all that is packed. What
 * hone_codegen_new and hone_codegen_emit return; HONE_E_INTERRUPTED: `stop`. */
hone_status hone_codegen_emit_network(const hone_target *t, const hone_codegen_network *n,
                                      unsigned *ret_bad, int64_t *ret_packed, hone_code *ret,
                                      hone_error *err) HONE_NODISCARD;

/* object -> shared object, or module: by the system's linker, for other processors by LLVM's. A
 * module has its memory in itself, and exports it as "memory", with hone_kernel, hone_pack if there
 * is one, and where hone_rt and __heap_base are. Caller frees *ret. HONE_E_TOOL, HONE_E_IO,
 * HONE_E_LIMIT, HONE_E_NOMEM; HONE_E_KILLED: the linker was, from outside. SIGXFSZ should be
 * ignored or have a handler. */
hone_status hone_codegen_link(const uint8_t *object, size_t n, uint8_t **ret, size_t *ret_n,
                              hone_error *err) HONE_NODISCARD;
typedef enum hone_codegen_linked {
    HONE_LINKED_HERE,    /* for this processor */
    HONE_LINKED_FOREIGN, /* for others */
    HONE_LINKED_MODULE,  /* WebAssembly */
    HONE_LINKED_KINDS
} hone_codegen_linked;
/* The linker that this would start, from PATH; NULL: there is none. The caller frees it. */
char *hone_codegen_linker_path(hone_codegen_linked what);

/* A process of its own that links, for one that may open no files and start no programs any more:
 * it is forked before that, and goes when its parent does. Not thread safe. */
typedef struct hone_codegen_linker hone_codegen_linker;
/* `enter` closes the new process in, before it has got anything to link; it is told the n linkers
 * there are. HONE_E_IO, HONE_E_LIMIT, HONE_E_NOMEM. */
hone_status hone_codegen_linker_start(void (*enter)(const char *const *linkers, unsigned n),
                                      hone_codegen_linker **ret, hone_error *err) HONE_NODISCARD;
/* As hone_codegen_link; also HONE_E_KILLED: that process was, from outside, and no other comes. */
hone_status hone_codegen_linker_link(hone_codegen_linker *l, const uint8_t *object, size_t n,
                                     uint8_t **ret, size_t *ret_n, hone_error *err) HONE_NODISCARD;
void hone_codegen_linker_stop(hone_codegen_linker *l);

/* Can a function be called so, in C and C++ beside their libraries and hone's runtime? HONE_E_INPUT
 * with whose name it is. */
#define HONE_CODEGEN_MAX_SYMBOL 200
hone_status hone_codegen_symbol_check(const char *name, hone_error *err) HONE_NODISCARD;
/* "float"; f16 and bf16 are uint16_t, bool is uint8_t. */
const char *hone_codegen_c_type(uint8_t dtype);
/* The C and C++ header that declares NAME and its pack functions; arguments have the names that
 * they have in the kernel, made distinct where C cannot have them. Text appended to out. */
void hone_codegen_header(const hone_program *p, const char *name, const hone_code *code,
                         hone_buf *out);
/* The JavaScript module, NAME.mjs, that loads what hone_codegen_link made of the kernel as
 * NAME.wasm. Text appended to out. */
void hone_codegen_loader(const hone_program *p, const char *name, const hone_code *code,
                         hone_buf *out);

#endif
