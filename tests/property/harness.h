/* Random pairs of a workload and a trace, and what must hold for each of them:
 *
 *   the scheduled program verifies and computes what the unscheduled one does (interpreter), after
 *   every instruction; so does its machine code, on two threads, run twice beside guard pages; one
 *   in four is made for a lesser processor;
 *   the machine code accesses nothing but its own memory, and no two iterations of a parallel loop
 *   the same byte, one of them to write it;
 *   a rejected instruction leaves program and trace as they were;
 *   program text and trace text print, parse and print the same; the trace replays to the program.
 *
 * gen_workload.c makes workloads, gen_trace.c traces (over every instruction of
 * space/trace/inst.def), oracle.c checks, run.c compiles and runs, watch.c and shadow.c see every
 * access of memory, shrink.c makes a failure small and case.c reads and writes it as a file;
 * shapes.c draws sizes for kernels that come with hone.
 * Nothing here needs a test framework: the fuzzer uses it too. */
#ifndef HONE_TESTS_PROPERTY_HARNESS_H
#define HONE_TESTS_PROPERTY_HARNESS_H

#include "codegen/codegen.h"
#include "runtime/hone_rt.h"
#include "space/space.h"

/* ---- memory and machine code (run.c) ----------------------------------------------------------
 */

#define PAIR_MAX_ARGS 32

/* The argument buffers of a program, each between two pages that must not be touched. */
typedef struct pair_args {
    unsigned n;
    char *map[PAIR_MAX_ARGS];
    size_t mapped[PAIR_MAX_ARGS], bytes[PAIR_MAX_ARGS];
    void *at[PAIR_MAX_ARGS]; /* 64-byte aligned */
} pair_args;

void pair_args_new(pair_args *a, const hone_program *p);
void pair_args_free(pair_args *a);
/* Puts the buffers right before the page behind (up to 63 bytes) or right behind the page before;
 * what is left over is filled with a pattern. */
void pair_args_place(pair_args *a, bool at_end);
/* Inputs by seed, small enough that sums of them are exact; outputs get what no kernel computes. */
void pair_args_fill(const pair_args *a, const hone_program *p, uint64_t seed);
/* NULL, or what differs: an output of p from that of `want` by more than `tolerance` (relative to
 * max(1, |want|)), an input that was changed, or a byte around a buffer. Static storage. */
const char *pair_args_differ(const hone_program *p, const pair_args *want, const pair_args *got,
                             double tolerance);

typedef struct pair_code {
    hone_code code;
    void *lib;
    hone_rt_kernel kernel;
    int32_t (*pack)(const void *const *from, void *const *to, const hone_rt_api *rt);
    void **watch; /* functions that code calls which is watched; else NULL */
} pair_code;

hone_status pair_code_new(hone_codegen *g, const hone_program *p, const hone_codegen_options *o,
                          pair_code *ret, hone_error *err) HONE_NODISCARD;
/* From the object in c->code. */
hone_status pair_code_load(pair_code *c, hone_error *err) HONE_NODISCARD;
/* Packs the const inputs, when there is something to pack, and runs the kernel. Its result. */
int32_t pair_code_run(const pair_code *c, const pair_args *args, const hone_rt_api *rt);
void pair_code_free(pair_code *c);

/* Of a vector loaded whole some elements may not be used, and may be another iteration's. */
typedef enum pair_access { PAIR_LOAD, PAIR_LOAD_WHOLE, PAIR_STORE } pair_access;
/* The same, of code that tells of every access of memory (watch.c). */
hone_status pair_code_new_watched(hone_codegen *g, const hone_target *t, const hone_program *p,
                                  const hone_codegen_options *o, pair_code *ret,
                                  hone_error *err) HONE_NODISCARD;
/* IR as text becomes an object that does so. */
hone_status pair_watch_ir(const hone_target *t, hone_code *code, hone_error *err) HONE_NODISCARD;
/* Runs it, each iteration of a parallel loop by itself (shadow.c). NULL, or what it touched that it
 * must not touch, or what two iterations both touched: static storage. */
const char *pair_code_watch(const pair_code *c, const hone_program *p, const pair_args *args,
                            bool backwards, int32_t *ret_result);

/* ---- one pair (oracle.c) ----------------------------------------------------------------------
 */

typedef struct pair_stats {
    uint64_t pairs, agreed; /* agreed: whose final program was compared */
    uint64_t compiled, watched, unbuilt, too_long, spoiled, bad_workloads, spaces, candidates;
    uint64_t applied[HONE_INST_COUNT], rejected[HONE_INST_COUNT], malformed[HONE_INST_COUNT];
} pair_stats;

/* What a run found; in memory that is shared with the process that started it. */
typedef struct pair_report {
    pair_stats stats;
    uint64_t seed;
    char on[24];          /* lesser processor of the pair at hand; "": this one */
    char kind[40];        /* "": nothing wrong. Else which check failed, in a word or two */
    char detail[2048];    /* and how */
    char workload[16384]; /* of the pair at hand */
    char trace[1 << 17];  /* so far, with the instruction at hand last */
} pair_report;

/* A lesser processor that this one can stand in for. */
typedef struct pair_lesser {
    const char *name; /* NULL: there is none */
    hone_codegen *codegen;
    hone_target target;
} pair_lesser;
#define PAIR_LESSER 2

typedef struct pair_env {
    hone_codegen *codegen; /* NULL: nothing is compiled */
    hone_target target;
    const char *on; /* the lesser processor it is, NULL: this one */
    pair_lesser lesser[PAIR_LESSER];
    bool each;  /* compare after every instruction, not only at the end */
    bool plain; /* compile without loop kinds too; one in eight random pairs does anyway */
} pair_env;

typedef struct pair {
    const pair_env *env;
    pair_report *r;
    hone_program base;
    hone_sched s;
    hone_rng rng;
    hone_trace pool; /* texts and lists of the instruction being made */
    pair_args want, got;
    double tolerance;
    unsigned steps; /* instructions tried */
} pair;

/* All `bool` here: false when a check failed (r->kind says which) or the workload is not legal
 * (r->kind is then ""). */
bool pair_open(pair *p, const pair_env *env, const char *workload, uint64_t seed, pair_report *r);
void pair_close(pair *p);
/* Applies one instruction, whose texts and lists are in p->pool, and checks. *ret_st: applied,
 * rejected or malformed (HONE_E_INPUT). */
bool pair_apply(pair *p, hone_inst_kind kind, const hone_value *inputs, uint32_t n_inputs,
                const hone_value *attrs, uint32_t n_attrs, const int64_t *decision,
                uint32_t n_decision, hone_rv *ret_first, uint32_t *ret_n, hone_status *ret_st);
/* The instructions of t but those dropped, those that use their results, and those rejected. */
bool pair_replay(pair *p, const hone_trace *t, const bool *drop);
/* All checks of the program and trace reached. */
bool pair_finish(pair *p);
bool pair_fail(pair *p, const char *kind, const char *fmt, ...) HONE_PRINTF(3, 4);
/* Statement instances of the program, at most 2^40. */
int64_t pair_work(const hone_program *p);

/* ---- making them ------------------------------------------------------------------------------
 */

/* A random workload, as text; the caller frees. */
char *pair_workload(hone_rng *rng);
/* The same kernel with long names, none of whose letters but the first and what was the name
 * before are ASCII. */
void pair_workload_rename(char **text, uint64_t seed);
/* The same with every operation of the language and with results that rounding touches. */
char *pair_workload_loose(hone_rng *rng);
/* A workload and a trace that lead up to the instruction (settings.c); NULL: none is needed, or, at
 * times, none this time. The caller frees the workload. */
char *pair_setting(hone_rng *rng, hone_inst_kind focus, const char **ret_trace);
/* About n random instructions on p, those of kind `focus` (may be NONE) more often. */
bool pair_generate(pair *p, unsigned n, hone_inst_kind focus);
/* One random instruction of the kind, with operands that may suit it. *ret_st as pair_apply. */
bool pair_generate_one(pair *p, hone_inst_kind kind, hone_status *ret_st);
/* NULL, or a letter or attribute of space/trace/inst.def that no generator knows. */
const char *pair_unknown_operand(void);

/* Runs a pair from its seed: a random trace, or (`space`) candidates of the workload's design
 * spaces. False as above. */
bool pair_run(const pair_env *env, uint64_t seed, bool space, hone_inst_kind focus, pair_report *r);
/* Only its workload, without anything that changes it. */
bool pair_start(const pair_env *env, uint64_t seed, bool space, hone_inst_kind focus,
                pair_report *r);

/* ---- kernels that come with hone (shapes.c) ---------------------------------------------------
 */

typedef struct pair_kernel {
    char name[64], head[256]; /* "matmul", "matmul(M, N, K)" */
    const char *text;         /* that has it */
} pair_kernel;
pair_kernel pair_kernel_of(const hone_kernel_info *info, const char *text);

#define PAIR_MAX_SIZES 16
typedef struct pair_shape {
    char names[PAIR_MAX_SIZES][32];
    hone_size sizes[PAIR_MAX_SIZES]; /* named by them: not to be copied */
    unsigned n;
} pair_shape;
/* A program of the kernel, at random sizes, that does at most so much, or with a row of 50,000 ten
 * times that; false: none was found. */
bool pair_shape_draw(const pair_kernel *k, hone_rng *rng, int64_t most_work, bool long_row,
                     pair_shape *ret, hone_program *p);
/* "matmul f16 -D M=3", cut to n bytes. */
void pair_shape_print(const pair_kernel *k, const char *dtype, const pair_shape *s, char *ret,
                      size_t n);

/* ---- failures (case.c, shrink.c) --------------------------------------------------------------
 */

/* A case file: comment lines (#), the workload, a line "---", the trace as text. The comment "# on
 * NAME" names the processor it is about, where that is not the one it runs on. */
typedef struct pair_case {
    char *comment, *workload, *trace; /* hone_buf_take'n */
} pair_case;
bool pair_case_parse(const char *text, size_t n, pair_case *ret);
char *pair_case_text(const pair_case *c);
void pair_case_free(pair_case *c);
/* The env for the processor it is about. */
pair_env pair_case_env(const pair_env *env, const pair_case *c);
/* Replays the case. True when every check passed; else r says which failed. A workload or trace
 * that cannot be read counts as a failure of kind "case". */
bool pair_case_run(const pair_env *env, const pair_case *c, pair_report *r);

/* Runs fn(ctx, r) in a child process and waits, at most `seconds` of processor time. A crash, abort
 * or hang of the child is a failure in *r too. True when nothing failed. */
bool pair_isolated(bool (*fn)(void *ctx, pair_report *r), void *ctx, pair_report *r,
                   unsigned seconds, bool quiet);
pair_report *pair_report_new(void); /* shared with children */
void pair_report_free(pair_report *r);

/* Makes a failing case smaller while it fails in the same way (`kind`), for at most `seconds`. */
void pair_shrink(const pair_env *env, pair_case *c, const char *kind, unsigned seconds);

/* env with a code generator for this machine; false: not possible (said on stderr). */
bool pair_env_init(pair_env *env, bool compile);
/* Makes it one for the lesser processor of that name, if there is. */
void pair_env_use(pair_env *env, const char *name);
void pair_env_fini(pair_env *env);

#endif
