/* space: schedules, traces, and the search space of a program.
 *
 * A candidate is its trace: instructions plus the decisions taken at those that sample
 * (MetaSchedule, Shao et al., NeurIPS 2022, sec. 3). Replaying a trace on the unscheduled program
 * gives the scheduled one. The program is a by-product; traces are mutated, hashed, stored, sent.
 *
 * Two layers: primitives change a program (space/prim/prim.h); a schedule applies instructions
 * through the table of space/trace/inst.def and records them.
 *
 * Threads: a schedule, a trace under change and a set of custom rules belong to one thread at a
 * time. A finished space is only read: several threads may sample and finish candidates of it, each
 * with its own schedule and generator, if what it asks whether to stop may be asked by them. */
#ifndef HONE_SPACE_H
#define HONE_SPACE_H

#include "ir/ir.h"
#include "targets/target.h"
#include "space/intrin/intrin.h"

/* ---- traces ---------------------------------------------------------------------------------- */

typedef enum hone_inst_kind {
    HONE_INST_NONE,
#define HONE_INST(Name, in, attrs, out, decision) HONE_INST_##Name,
#include "space/trace/inst.def"
#undef HONE_INST
    HONE_INST_COUNT
} hone_inst_kind;
const char *hone_inst_name(hone_inst_kind k);
hone_inst_kind hone_inst_parse(const char *name); /* HONE_INST_NONE if unknown */
bool hone_inst_samples(hone_inst_kind k);

/* A variable of a trace: a block, a loop or an integer. Numbered from 1 in order of definition. */
typedef struct {
    uint32_t i;
} hone_rv;
#define HONE_NO_RV ((hone_rv){0})

typedef enum hone_value_kind {
    HONE_VALUE_NONE, /* JSON text "None": infer this factor */
    HONE_VALUE_INT,
    HONE_VALUE_FLOAT,
    HONE_VALUE_TEXT,
    HONE_VALUE_RV,
    HONE_VALUE_LIST
} hone_value_kind;

/* An input or attribute. Texts and lists live in the trace that holds the value. */
typedef struct hone_value {
    hone_value_kind kind;
    uint32_t first, n; /* TEXT: span of trace.chars, LIST: span of trace.values */
    union {
        int64_t i;
        double f;
        hone_rv rv;
    } u;
} hone_value;

typedef struct hone_inst {
    hone_inst_kind kind;
    uint32_t inputs, n_inputs;     /* span of trace.values */
    uint32_t attrs, n_attrs;       /* span of trace.values */
    uint32_t outputs, n_outputs;   /* first variable, they are consecutive */
    uint32_t decision, n_decision; /* span of trace.ints; n_decision 0: none taken yet */
} hone_inst;

typedef struct hone_trace {
    HONE_VEC(hone_inst) insts;
    HONE_VEC(hone_value) values;
    HONE_VEC(int64_t) ints;
    HONE_VEC(char) chars;
    uint32_t n_rvs;
} hone_trace;

void hone_trace_copy(hone_trace *dst, const hone_trace *src);
void hone_trace_reset(hone_trace *t);
void hone_trace_free(hone_trace *t);
/* Text and decisions; the numbering of variables does not count (it is canonical). */
uint64_t hone_trace_hash(const hone_trace *t);
/* `[instructions, decisions]` as MetaSchedule's Trace.as_json: instruction = [kind, inputs, attrs,
 * outputs], variables "b0" "l1" "v2" with one counter, texts quoted inside the string, decision =
 * [instruction index, value] where value is a number or a list. Caller frees. */
char *hone_trace_text(const hone_trace *t);
/* HONE_E_INPUT with the instruction at fault. Accepts MetaSchedule's older forms (Split with one
 * attribute, GetSBlock). */
hone_status hone_trace_parse(const char *text, size_t n, hone_trace *ret,
                             hone_error *err) HONE_NODISCARD;
/* Instructions before EnterPostproc. */
uint32_t hone_trace_search_part(const hone_trace *t);

/* ---- schedules --------------------------------------------------------------------------------
 */

typedef struct hone_rv_row {
    char kind; /* 'b', 'l' or 'v' */
    hone_stmt stmt;
    int64_t value;
} hone_rv_row;

typedef struct hone_sched {
    hone_program prog;
    hone_trace trace;
    HONE_VEC(hone_rv_row) rvs; /* row 0 unused */
    hone_rng *rng;             /* borrowed; NULL: a sampling instruction must bring its decision */
    /* For Tensorize; both borrowed, set by the owner, and kept by start and replay. */
    const hone_intrin_set *intrins; /* NULL: those that come with hone */
    const hone_target *target;      /* must have what an intrinsic needs; NULL: not asked */
    /* Whether to give up, NULL: never. Asked before every instruction, on the thread that does the
     * work; once it says yes all ends with HONE_E_INTERRUPTED. Set and kept like the two above. */
    bool (*stop)(void *ctx);
    void *stop_ctx;
} hone_sched;

/* s (all zero, or used before: its memory is reused) starts from a copy of base, with an empty
 * trace. */
void hone_sched_start(hone_sched *s, const hone_program *base, hone_rng *rng);
void hone_sched_fini(hone_sched *s);

/* Applies one instruction and records it. On any status but HONE_OK program and trace are
 * unchanged. `decision` NULL: sample one with s->rng. Values of kind TEXT/LIST refer to `pool`, a
 * trace used as their store (may be NULL when there are none). Outputs: variables are consecutive
 * from *ret_first, *ret_n of them. HONE_REJECT_* by the primitive; HONE_E_INPUT: malformed (wrong
 * count or kind of operand); HONE_E_INTERRUPTED: s->stop said so. */
hone_status hone_sched_apply(hone_sched *s, hone_inst_kind kind, const hone_trace *pool,
                             const hone_value *inputs, uint32_t n_inputs, const hone_value *attrs,
                             uint32_t n_attrs, const int64_t *decision, uint32_t n_decision,
                             hone_rv *ret_first, uint32_t *ret_n, hone_error *err) HONE_NODISCARD;

/* Replays t on base into s. Decisions of t are used as they are; where one is missing it is sampled
 * with rng. `resample`: ignore all decisions and sample anew. HONE_REJECT_* (TENSORIZE also when
 * the whole trace has changed what an intrinsic reads, which no single instruction sees),
 * HONE_E_INPUT, HONE_E_INTERRUPTED. */
hone_status hone_trace_replay(const hone_trace *t, const hone_program *base, hone_sched *s,
                              hone_rng *rng, bool resample, hone_error *err) HONE_NODISCARD;

/* Carries out the search part of t on s as it stands, after what its trace already holds; decisions
 * as for hone_trace_replay. A GetBlock of `name` gets the block `as` instead; both may be NULL. On
 * failure s holds the instructions before the one at fault. HONE_REJECT_*, HONE_E_INPUT,
 * HONE_E_INTERRUPTED. */
hone_status hone_trace_append(const hone_trace *t, const char *name, const char *as, hone_sched *s,
                              hone_error *err) HONE_NODISCARD;

/* One call per instruction, for rules (space/trace/sched.c). `ret` arrays are filled with at most
 * max variables. All return as hone_sched_apply. */
hone_stmt hone_rv_stmt(const hone_sched *s, hone_rv v); /* none: not a block or loop */
int64_t hone_rv_int(const hone_sched *s, hone_rv v);

#define HONE_S hone_sched *s
#define HONE_R HONE_NODISCARD
hone_status hone_get_block(HONE_S, const char *name, hone_rv *ret, hone_error *err) HONE_R;
hone_status hone_get_loops(HONE_S, hone_rv block, hone_rv *ret, unsigned max, unsigned *ret_n,
                           hone_error *err) HONE_R;
hone_status hone_get_child_blocks(HONE_S, hone_rv at, hone_rv *ret, unsigned max, unsigned *ret_n,
                                  hone_error *err) HONE_R;
hone_status hone_get_producers(HONE_S, hone_rv block, hone_rv *ret, unsigned max, unsigned *ret_n,
                               hone_error *err) HONE_R;
hone_status hone_get_consumers(HONE_S, hone_rv block, hone_rv *ret, unsigned max, unsigned *ret_n,
                               hone_error *err) HONE_R;
/* probs NULL: uniform. */
hone_status hone_sample_categorical(HONE_S, const int64_t *candidates, const double *probs,
                                    unsigned n, const int64_t *decision, hone_rv *ret,
                                    hone_error *err) HONE_R;
hone_status hone_sample_perfect_tile(HONE_S, hone_rv loop, unsigned n, int64_t max_innermost,
                                     const int64_t *decision, hone_rv *ret, hone_error *err) HONE_R;
hone_status hone_sample_imperfect_tile(HONE_S, hone_rv loop, unsigned n, int64_t max_innermost,
                                       const int64_t *decision, hone_rv *ret,
                                       hone_error *err) HONE_R;
/* candidates: n pairs (rows, columns). ret[0] rows, ret[1] columns. */
hone_status hone_sample_register_tile(HONE_S, hone_rv row, hone_rv column,
                                      const int64_t (*candidates)[2], const double *probs,
                                      unsigned n, const int64_t *decision, hone_rv ret[2],
                                      hone_error *err) HONE_R;
hone_status hone_sample_compute_location(HONE_S, hone_rv block, const int64_t *decision,
                                         hone_rv *ret, hone_error *err) HONE_R;
/* factors[k].i == 0: infer (at most one). ret gets n loops, outermost first. */
hone_status hone_split(HONE_S, hone_rv loop, const hone_rv *factors, unsigned n, hone_rv *ret,
                       hone_error *err) HONE_R;
/* The same with plain integers (0: infer). */
hone_status hone_split_by(HONE_S, hone_rv loop, const int64_t *factors, unsigned n, hone_rv *ret,
                          hone_error *err) HONE_R;
hone_status hone_fuse(HONE_S, const hone_rv *loops, unsigned n, hone_rv *ret,
                      hone_error *err) HONE_R;
hone_status hone_reorder(HONE_S, const hone_rv *loops, unsigned n, hone_error *err) HONE_R;
hone_status hone_merge(HONE_S, const hone_rv *loops, unsigned n, hone_rv *ret,
                       hone_error *err) HONE_R;
hone_status hone_add_unit_loop(HONE_S, hone_rv at, hone_rv *ret, hone_error *err) HONE_R;
hone_status hone_parallel(HONE_S, hone_rv loop, hone_error *err) HONE_R;
hone_status hone_vectorize(HONE_S, hone_rv loop, hone_error *err) HONE_R;
hone_status hone_unroll(HONE_S, hone_rv loop, hone_error *err) HONE_R;
hone_status hone_cache_read(HONE_S, hone_rv block, unsigned read_buffer_index, hone_scope scope,
                            hone_rv *ret, hone_error *err) HONE_R;
hone_status hone_cache_write(HONE_S, hone_rv block, hone_scope scope, hone_rv *ret,
                             hone_error *err) HONE_R;
hone_status hone_cache_accumulate(HONE_S, hone_rv block, hone_rv loop, hone_scope scope,
                                  hone_rv ret[2], hone_error *err) HONE_R;
/* Of the buffer the block writes: in memory, neighbours along the axis lie `offset` elements more
 * than a multiple of `factor` apart. */
hone_status hone_storage_align(HONE_S, hone_rv block, int64_t axis, int64_t factor, int64_t offset,
                               hone_error *err) HONE_R;
hone_status hone_skip_zeros(HONE_S, hone_rv block, hone_error *err) HONE_R;
hone_status hone_skip_unread(HONE_S, hone_rv block, hone_error *err) HONE_R;
/* block: the maximum's. ret: the loop over blocks of `size` steps of a row. */
hone_status hone_online_softmax(HONE_S, hone_rv block, hone_rv size, hone_rv *ret,
                                hone_error *err) HONE_R;
/* Of the temporary the block writes. */
hone_status hone_set_scope(HONE_S, hone_rv block, hone_scope scope, hone_error *err) HONE_R;
/* The temporary the block writes is kept in a type that holds its own (hone_prim__widen). */
hone_status hone_widen(HONE_S, hone_rv block, hone_dtype wide, hone_error *err) HONE_R;
hone_status hone_compute_inplace(HONE_S, hone_rv block, unsigned read_buffer_index,
                                 hone_error *err) HONE_R;
hone_status hone_compute_at(HONE_S, hone_rv block, hone_rv loop, hone_error *err) HONE_R;
hone_status hone_reverse_compute_at(HONE_S, hone_rv block, hone_rv loop, hone_error *err) HONE_R;
hone_status hone_compute_inline(HONE_S, hone_rv block, hone_error *err) HONE_R;
hone_status hone_reverse_compute_inline(HONE_S, hone_rv block, hone_error *err) HONE_R;
hone_status hone_decompose_reduction(HONE_S, hone_rv block, hone_rv loop, hone_rv *ret,
                                     hone_error *err) HONE_R;
/* ret: the block of partial results. */
hone_status hone_rfactor(HONE_S, hone_rv loop, int64_t factor_axis, hone_rv *ret,
                         hone_error *err) HONE_R;
/* ret: the block of the sums that windows share. */
hone_status hone_share_windows(HONE_S, hone_rv loop, hone_rv *ret, hone_error *err) HONE_R;
/* Layout of the buffer the block writes. map: "lambda k, j: (j // v0, k, j % v0)". */
hone_status hone_transform_layout(HONE_S, hone_rv block, const char *map, const hone_rv *v,
                                  unsigned n, hone_error *err) HONE_R;
/* multiples: one per iterator of the block. */
hone_status hone_pad_einsum(HONE_S, hone_rv block, const int64_t *multiples, unsigned n,
                            hone_error *err) HONE_R;
hone_status hone_blockize(HONE_S, hone_rv loop, hone_rv *ret, hone_error *err) HONE_R;
/* at: a loop, or the block that hone_blockize gave. */
hone_status hone_tensorize(HONE_S, hone_rv at, const char *intrin, hone_error *err) HONE_R;
hone_status hone_annotate(HONE_S, hone_rv at, const char *key, int64_t value,
                          hone_error *err) HONE_R;
hone_status hone_annotate_rv(HONE_S, hone_rv at, const char *key, hone_rv value,
                             hone_error *err) HONE_R;
hone_status hone_unannotate(HONE_S, hone_rv at, const char *key, hone_error *err) HONE_R;
hone_status hone_enter_postproc(HONE_S, hone_error *err) HONE_R;
#undef HONE_S

/* ---- custom rules (space/rule/custom.c; docs/RULES.md) ------------------------------------------
 *
 * MetaSchedule's ApplyCustomRule, without compiling them in: a rule says which blocks it schedules
 * and how. Each rule that applies to some block gives the space one more design space, in which the
 * blocks it takes are its own and the rest is scheduled as usual. */

/* What a rule sees of its surroundings. */
typedef struct hone_rule_info {
    const hone_target *target;
    int32_t threads;
} hone_rule_info;

/* What a shared object was compiled for: the version, raised when a declaration changes its
 * meaning, and a number made of the layout of what rules get to see, which changes by itself. */
#define HONE_RULE_VERSION 2
#define HONE_RULE_ABI ((uint32_t)(HONE_RULE_VERSION << 16 | (HONE_RULE_LAYOUT & 0xffff)))
#define HONE_RULE_LAYOUT                                                                      \
    (sizeof(hone_program) * 3 + sizeof(hone_expr_row) * 5 + sizeof(hone_var_row) * 7 +        \
     sizeof(hone_stmt_row) * 11 + sizeof(hone_buffer_row) * 13 + sizeof(hone_iter) * 17 +     \
     sizeof(hone_ann) * 19 + sizeof(hone_sched) * 23 + sizeof(hone_trace) * 29 +              \
     sizeof(hone_inst) * 31 + sizeof(hone_value) * 37 + sizeof(hone_rv_row) * 41 +            \
     sizeof(hone_target) * 43 + sizeof(hone_rule_info) * 47 + sizeof(hone_rule_plugin) * 53 + \
     sizeof(hone_error) * 59 + offsetof(hone_expr_row, imm) * 61 +                            \
     offsetof(hone_stmt_row, value) * 67 + offsetof(hone_program, anns) * 71 +                \
     offsetof(hone_sched, target) * 73 + HONE_OP_COUNT * 79 + HONE_DTYPE_COUNT * 83 +         \
     HONE_INST_COUNT * 89 + HONE_STATUS_COUNT * 97)
typedef struct hone_rule_plugin {
    const char *name;
    bool only; /* the built-in rules leave the blocks it takes alone */
    /* Does it schedule this block of the unscheduled program? */
    bool (*takes)(const hone_program *p, hone_stmt block);
    /* Appends instructions to s. A rejection leaves this rule's design space out. */
    hone_status (*apply)(hone_sched *s, const char *block, const hone_rule_info *info,
                         hone_error *err);
} hone_rule_plugin;
/* What a shared object with rules exports, as `hone_rule_plugins`: its rules, and in *ret_abi the
 * HONE_RULE_ABI it was compiled with. It calls hone's own functions, declared here. */
typedef const hone_rule_plugin *hone_rule_plugins_fn(uint32_t *ret_abi, unsigned *ret_n);

typedef struct hone_custom_rules hone_custom_rules;
hone_custom_rules *hone_custom_rules_new(void);
void hone_custom_rules_free(
    hone_custom_rules *r); /* NULL is fine; after every space that uses it */
/* Rules as JSON text (docs/RULES.md); `file` is for messages. HONE_E_INPUT, nothing added. */
hone_status hone_custom_rules_parse(hone_custom_rules *r, const char *file, const char *text,
                                    size_t n, hone_error *err) HONE_NODISCARD;
/* A file of JSON text, or a shared object (its first bytes tell), which is loaded into this process
 * and trusted. HONE_E_IO, HONE_E_INPUT. */
hone_status hone_custom_rules_load(hone_custom_rules *r, const char *path,
                                   hone_error *err) HONE_NODISCARD;
unsigned hone_custom_rules_count(const hone_custom_rules *r);

/* ---- the search space
 * ---------------------------------------------------------------------------- */

typedef struct hone_space_options {
    const hone_target *target;
    int32_t threads;                /* the kernel may use */
    const hone_custom_rules *rules; /* beside the built-in ones; borrowed, may be NULL */
    const hone_intrin_set *intrins; /* borrowed for the space's life; NULL: those of hone */
    bool (*stop)(void *ctx);        /* as hone_sched's, for the space's life; NULL: never */
    void *stop_ctx;
} hone_space_options;

/* The design spaces of a program: traces whose decisions are free. Owned by the space. */
typedef struct hone_space {
    hone_program base;
    hone_target target;
    int32_t threads;
    const hone_intrin_set *intrins; /* never NULL */
    bool (*stop)(void *ctx);
    void *stop_ctx;
    HONE_VEC(hone_trace) traces; /* each carries one sampled set of decisions */
    HONE_VEC(hone_trace) seeds;  /* hardware-derived candidates, decisions set */
} hone_space;

/* Applies the target's rules (space/rule/) to every block, last stage first. HONE_E_* only
 * (HONE_E_INTERRUPTED among them): a rule that does not apply leaves a space out. There is always
 * at least one space. */
hone_status hone_space_new(const hone_program *base, const hone_space_options *o, hone_space **ret,
                           hone_error *err) HONE_NODISCARD;
void hone_space_free(hone_space *sp);

/* A random candidate: a design space with fresh decisions, replayed and postprocessed; whether it
 * computes the same is for the primitives to see to, and hone_verify checks. s holds program and
 * trace. HONE_REJECT_*, HONE_E_INTERRUPTED. */
hone_status hone_space_sample(const hone_space *sp, hone_rng *rng, hone_sched *s,
                              hone_error *err) HONE_NODISCARD;
/* Changes one decision of t (mutators, space/mutate.c). False: it has none that can change. The
 * result is not yet checked: hone_space_finish does. */
bool hone_space_mutate(const hone_space *sp, hone_trace *t, hone_rng *rng);
/* The same, each of its decisions being as likely to change as any other, but for where a stage is
 * computed, which is half as likely: what lies around t, for a descent. hone_space_mutate goes by
 * MetaSchedule's shares of kinds, nearly all of which are for tiles. */
bool hone_space_neighbour(const hone_space *sp, hone_trace *t, hone_rng *rng);
/* Replays the search part of t and applies the postprocessors (space/postproc/postproc.c).
 * HONE_REJECT_*, HONE_E_INPUT, HONE_E_INTERRUPTED. */
hone_status hone_space_finish(const hone_space *sp, const hone_trace *t, hone_sched *s,
                              hone_error *err) HONE_NODISCARD;
/* The first of the seeds that is legal: s holds program and trace. *ret false: none is.
 * HONE_E_INTERRUPTED. (space/default.c) */
hone_status hone_space_default(const hone_space *sp, hone_sched *s, bool *ret,
                               hone_error *err) HONE_NODISCARD;
/* Which factor of a tile makes up for another extent, the others staying as near as can be. */
typedef enum hone_adapt_way {
    HONE_ADAPT_TASKS, /* of three or more the second: the parts that threads share stay as many */
    HONE_ADAPT_TILES  /* the outermost */
} hone_adapt_way;
/* Makes a candidate of this space of a trace for the same kernel at other sizes, or for another
 * target (space/adapt.c), and finishes it. Instructions are t's; where a design space of sp has the
 * same ones, numbers among their operands are that design space's, and the candidate is one that
 * could be sampled. A decision that is legal here is kept, but for the factor of a tile that makes
 * up for the extent; another becomes the nearest that is: of a tile by the logarithms of the other
 * factors, of a choice by what was chosen. t may be s's own. A trace of this space stays as it is.
 * HONE_REJECT_*: t's instructions cannot be carried out here with these decisions; HONE_E_INPUT: it
 * lacks a decision, or is malformed; HONE_E_INTERRUPTED. */
hone_status hone_space_adapt(const hone_space *sp, const hone_trace *t, hone_adapt_way way,
                             hone_sched *s, hone_error *err) HONE_NODISCARD;

/* Every trace that could be sampled, one after the other and each once (space/enumerate.c): the
 * first design space from its first decisions to its last, then the next. The order is a function
 * of the space. Memory is bounded by the decisions of one trace. Belongs to one thread at a time.
 */
typedef struct hone_enum hone_enum;
/* The space must outlive it. `stop` (NULL: never) is asked like the space's own, and beside it. */
hone_enum *hone_enum_new(const hone_space *sp, bool (*stop)(void *ctx), void *ctx);
void hone_enum_free(hone_enum *e); /* NULL is fine */
/* *ret: the search part of the next trace, which is e's until the next call; NULL: there is no
 * other. What was found illegal up to the last decision is left out; whether the rest is legal, and
 * what the postprocessors say, is for hone_space_finish. HONE_E_INTERRUPTED: nothing is lost, the
 * next call goes on. */
hone_status hone_enum_next(hone_enum *e, const hone_trace **ret, hone_error *err) HONE_NODISCARD;

typedef struct hone_space_size {
    uint64_t traces;     /* looked at */
    uint64_t legal;      /* of those */
    uint64_t candidates; /* different programs of these, and the program as written */
    bool more;           /* there are more traces than were looked at */
} hone_space_size;
/* Counts, by finishing each of the first `bound` traces. HONE_E_INTERRUPTED. */
hone_status hone_space_count(const hone_space *sp, uint64_t bound, hone_space_size *ret,
                             hone_error *err) HONE_NODISCARD;

#endif
