/* What the files of the room share about instructions and their operands.
 *
 * Every instruction lives in the trace before it runs: hone_sched_apply appends it and takes it
 * back on a rejection, replay copies the whole trace first. The functions of the instruction table
 * read their operands from there. Indices stay valid while an instruction runs; pointers into
 * trace.ints do not (a decision may be appended). */
#ifndef HONE_SPACE_TRACE_INTERNAL_H
#define HONE_SPACE_TRACE_INTERNAL_H

#include "space/prim/prim.h"
#include "space/space.h"

/* Operands (inputs, attributes) of one instruction, at most. */
#define HONE_SPACE_MAX_OPERANDS 128
/* Loops or blocks one instruction may return. */
#define HONE_SPACE_MAX_OUTPUTS 128
/* Lists in lists, at most. */
#define HONE_SPACE_MAX_DEPTH 4

/* Value of the attribute buffer_index_type for a buffer that is written. */
#define HONE_SPACE_WRITE_SIDE 1

/* Value of a loop variable of SampleComputeLocation that stands for no loop. */
#define HONE_SPACE_AT_ROOT (-1)
#define HONE_SPACE_AT_INLINE (-2)

/* ---- the table (inst.c) ---------------------------------------------------------------------- */

typedef hone_status (*hone_space__fn)(hone_sched *s, hone_inst *in, hone_error *err);

typedef struct hone_inst_row {
    const char *name, *inputs, *attrs, *outputs; /* as in inst.def */
    bool samples;
    hone_space__fn apply;
} hone_inst_row;
/* What one instruction does: hone_space__apply_<Name> for every row of inst.def. Runs the
 * instruction on the schedule's program and appends its outputs. */
#define HONE_INST(Name, in, attrs, out, decision) \
    hone_status hone_space__apply_##Name(hone_sched *s, hone_inst *inst, hone_error *err);
#include "space/trace/inst.def"
#undef HONE_INST
/* kind below HONE_INST_COUNT. */
const hone_inst_row *hone_space__inst(hone_inst_kind kind);
/* Letter of the k-th output. */
char hone_space__output_kind(hone_inst_kind kind, uint32_t k);
/* Number and kind of inputs, number of attributes; rvs[1..n_rvs) are the variables defined so far.
 * HONE_E_INPUT. */
hone_status hone_space__check(const hone_trace *t, const hone_inst *in, const hone_rv_row *rvs,
                              uint32_t n_rvs, hone_error *err) HONE_NODISCARD;

/* ---- operands of the instruction at hand ----------------------------------------------------- */

static inline const hone_value *hone_space__input(const hone_sched *s, const hone_inst *in,
                                                  uint32_t k)
{
    return &s->trace.values.v[in->inputs + k];
}
static inline const hone_value *hone_space__attr(const hone_sched *s, const hone_inst *in,
                                                 uint32_t k)
{
    return &s->trace.values.v[in->attrs + k];
}
/* The block or loop of input k. HONE_REJECT_ARG: it is gone, or stands for no loop. */
hone_status hone_space__stmt(const hone_sched *s, const hone_inst *in, uint32_t k, hone_stmt *ret,
                             hone_error *err) HONE_NODISCARD;
/* An integer literal or variable. HONE_E_INPUT. */
hone_status hone_space__int(const hone_sched *s, const hone_value *v, int64_t *ret,
                            hone_error *err) HONE_NODISCARD;
/* HONE_E_INPUT, "<name>: <what>". */
hone_status hone_space__bad(hone_error *err, const hone_inst *in, const char *what);
/* Attribute k as an integer, as a text (borrowed until a text is added), as a storage scope.
 * HONE_E_INPUT: of another kind. HONE_REJECT_ARG: a scope hone does not have. */
hone_status hone_space__attr_int(const hone_sched *s, const hone_inst *in, uint32_t k, int64_t *ret,
                                 hone_error *err) HONE_NODISCARD;
hone_status hone_space__attr_text(const hone_sched *s, const hone_inst *in, uint32_t k,
                                  const char **ret, hone_error *err) HONE_NODISCARD;
hone_status hone_space__attr_scope(const hone_sched *s, const hone_inst *in, uint32_t k,
                                   hone_scope *ret, hone_error *err) HONE_NODISCARD;
/* Attribute k picks a buffer the block writes; hone's blocks write one. HONE_REJECT_ARG. */
hone_status hone_space__write_index(const hone_sched *s, const hone_inst *in, uint32_t k,
                                    hone_error *err) HONE_NODISCARD;
/* Inputs from 1 on as factors, 0 for None (at most one). REJECT_SPLIT: too many, or below 1. */
hone_status hone_space__factors(const hone_sched *s, const hone_inst *in,
                                int64_t f[HONE_SPACE_MAX_FACTORS], uint32_t *ret_n,
                                hone_error *err) HONE_NODISCARD;
/* All inputs, at least one, as loops; ret has room for HONE_SPACE_MAX_OPERANDS. */
hone_status hone_space__all_loops(const hone_sched *s, const hone_inst *in, hone_stmt *ret,
                                  hone_error *err) HONE_NODISCARD;
/* Appends blocks as outputs. REJECT_TOO_BIG: n is above HONE_SPACE_MAX_OUTPUTS. */
hone_status hone_space__out_blocks(hone_sched *s, const hone_inst *in, const hone_stmt *b,
                                   unsigned n, hone_error *err) HONE_NODISCARD;
void hone_space__out_stmt(hone_sched *s, char kind, hone_stmt stmt);
void hone_space__out_int(hone_sched *s, int64_t value);

/* ---- trace building (trace.c) ---------------------------------------------------------------- */

hone_value hone_space__text(hone_trace *t, const char *s, size_t n);
/* NUL-terminated, borrowed until a text is added. */
static inline const char *hone_space__chars(const hone_trace *t, const hone_value *v)
{
    return t->chars.v + v->first;
}
/* Copies n values, and what they hold in `pool` (which may be t itself), to consecutive places of
 * t. v must not lie in t. Returns the first place. */
uint32_t hone_space__put(hone_trace *t, const hone_trace *pool, const hone_value *v, uint32_t n);

/* ---- sampling (sample.c) --------------------------------------------------------------------- */

/* Takes the decision d, of n numbers, at `in`, which lies in the schedule's trace. */
void hone_space__decide(hone_sched *s, hone_inst *in, const int64_t *d, uint32_t n);
/* Attributes 0 (candidates) and 1 (probabilities) of a choice, of equal length. HONE_E_INPUT. */
hone_status hone_space__choices(const hone_sched *s, const hone_inst *in,
                                hone_value *ret_candidates, hone_value *ret_probs,
                                hone_error *err) HONE_NODISCARD;
/* A probability. What is not above 0 is never drawn. */
double hone_space__weight(const hone_value *v);
/* Attributes of a tile: the number of factors, from 1 to HONE_SPACE_MAX_FACTORS, and the limit of
 * the last (INT64_MAX: none). HONE_E_INPUT. */
hone_status hone_space__tile_attrs(const hone_sched *s, const hone_inst *in, unsigned *ret_n,
                                   int64_t *ret_max, hone_error *err) HONE_NODISCARD;
/* Of a partitioned one: likewise, and what the factors from *ret_pos on multiply to a multiple of.
 */
hone_status hone_space__partition_attrs(const hone_sched *s, const hone_inst *in, unsigned *ret_n,
                                        unsigned *ret_pos, int64_t *ret_inner,
                                        hone_error *err) HONE_NODISCARD;

/* Prime factors of e >= 1 in ascending order with their exponents; returns how many (at most 15).
 * A part without a factor below 2^20 counts as prime. */
unsigned hone_space__factorise(int64_t e, int64_t primes[16], unsigned exponents[16]);
/* SampleImperfectTile's inner factors for an extent: at most `limit`, ascending. */
unsigned hone_space__imperfect_factors(int64_t extent, int64_t limit, int64_t *ret, unsigned max);
bool hone_space__is_imperfect_factor(int64_t extent, int64_t f);
/* Largest legal value of inner factor k (of n) while the other inner factors stay. limit <= 0: no
 * limit on the innermost. */
int64_t hone_space__imperfect_limit(int64_t extent, const int64_t *f, unsigned n, unsigned k,
                                    int64_t max_innermost);
/* The nearest legal decision for another extent. */
void hone_space__fit_perfect(int64_t extent, int64_t *f, unsigned n);
/* Do the factors from `pos` on multiply to a multiple of `inner`? */
bool hone_space__is_partitioned(const int64_t *f, unsigned n, unsigned pos, int64_t inner);
void hone_space__fit_partitioned(int64_t extent, int64_t *f, unsigned n, unsigned pos,
                                 int64_t inner);
void hone_space__fit_imperfect(int64_t extent, int64_t *f, unsigned n, int64_t max_innermost);
/* Is candidate k of a SampleRegisterTile sensible for a row loop of this extent? */
bool hone_space__register_tile_fits(const hone_trace *t, const hone_value *candidates, int64_t k,
                                    int64_t row_extent);
/* Decisions open to SampleComputeLocation of this block, in ascending order; at least root. */
unsigned hone_space__compute_locations(hone_program *p, hone_stmt block, int64_t *ret,
                                       unsigned max);

/* ---- one decision after the other (decisions.c) ---------------------------------------------- */

/* The decisions of the sampling instruction `in` on s as it is right before it: exactly those that
 * can be drawn, each once, in an order that is a function of the instruction and the program. d has
 * room for HONE_SPACE_MAX_FACTORS numbers and holds the decision before, of *n numbers, or nothing
 * (*n 0), and gets the next; *n 0: there is no other. HONE_E_INPUT, HONE_REJECT_ARG: as when it is
 * drawn. */
hone_status hone_space__next_decision(hone_sched *s, const hone_inst *in, int64_t *d, uint32_t *n,
                                      hone_error *err) HONE_NODISCARD;

/* ---- replay in steps (sched.c) --------------------------------------------------------------- */

/* Copies t (which may be a view of s's own trace) and base into s; no instruction has run. */
void hone_space__rewind(hone_sched *s, const hone_trace *t, const hone_program *base,
                        hone_rng *rng);
/* Runs instruction `at` of s's trace; those before it have run. On failure the variables are as
 * before. HONE_REJECT_*, HONE_E_INPUT; HONE_E_INTERRUPTED: nothing was done, it may be run later.
 */
hone_status hone_space__replay_one(hone_sched *s, uint32_t at, hone_error *err) HONE_NODISCARD;

/* ---- spaces (space.c) ------------------------------------------------------------------------ */

/* Makes s know the space's intrinsics and target, and ask what the space asks. */
void hone_space__lend(const hone_space *sp, hone_sched *s);
static inline bool hone_space__stopped(const hone_sched *s)
{
    return s->stop && s->stop(s->stop_ctx);
}

#endif
