/* codegen, inside: one `cg` per call of hone_codegen_emit.
 *
 *   codegen.c, target.c  entry points and pipelines; this host
 *   variants.c           one object out of code for several targets
 *   sizes.c              one out of code for several ranges of a size
 *   join.c               several modules as one object
 *   layout/               from a program to what is emitted:
 *     prepare.c           private copy of the program, loop kinds, leaf blocks over loop variables
 *     buffer_placement.c  where buffers live: boxes, compaction, layout, offsets of every access
 *     linear.c            index expressions as linear forms, decided conditions, facts
 *     numbers.c           buffers without NaN, and whose zeros' signs nobody sees
 *     lanes.c             where the lanes of a vector find their elements
 *     rows.c              which blocks run where a size comes with the call
 *     loop_end.c          how far their loops count then
 *     loop_partition.c    loop bounds and partition
 *   emit/                 LLVM IR:
 *     index.c             i64 values with known ranges, hoisted and shared while emitted
 *     value.c             data expressions, scalar or one vector
 *     known.c             what is computed of one already
 *     may.c               what may be computed in vain, or for all lanes at once
 *     elem_type.c         element types, casts, memory
 *     block.c, intrin.c   one instance of a leaf block; blocks that are tensor intrinsics
 *     stream.c            stores that pass by the caches
 *     ahead.c             rows and constants that are fetched before they are used
 *     lockstep.c          unrolled vectors of elementary functions, several at a time
 *     loop.c, task.c      loops; parallel loops
 *     plain_sum.c         sums of the plain code, the oracle
 *     function.c          functions, the C wrapper, the pack function
 *     dispatch.c          functions that choose between variants for processors
 *     library.c           a call of somebody else's function instead of all this
 *     math.c              exp, log, tanh, sigmoid, erf, pow, sin, cos, atan without a library
 *     math_f32.c          exp, log, tanh, sigmoid, erf of float
 *     half.c              f16 by operations on integers
 *     round.c             floor, ceil, round by sums and comparisons
 *     runtime.c           what a module has beside its kernel
 *   output/               object.c, module.c read what came out; link.c; header.c; loader.c
 *
 * Emission walks the statements with an environment: each loop variable is a cg_idx (a constant, or
 * an LLVM value with a range) or the lane of the vector being computed. Index arithmetic is put
 * into the innermost scope (loop body) whose variables it uses, once: no later pass has to hoist
 * it. */
#ifndef HONE_CODEGEN_INTERNAL_H
#define HONE_CODEGEN_INTERNAL_H

#include "codegen/codegen.h"
#include "ir/prepack.h"
#include "targets/preset.h"

#include <llvm-c/Core.h>
#include <llvm-c/TargetMachine.h>

#define CG_MAX_INSTANCES 4096    /* leaf block instances emitted per kernel */
#define CG_MAX_LANES 256         /* of one vectorised loop */
#define CG_MAX_LOCAL_BYTES 16384 /* one register tile */
#define CG_STACK_TEMP_BYTES 4096 /* a global temporary up to this size lives on the stack */
#define CG_MAX_SCRATCH_BYTES ((int64_t)1 << 30)
#define CG_MAX_PLAIN_BYTES ((int64_t)1 << 34) /* of plain code, whose temporaries stay whole */
#define CG_MAX_CONDS 32
#define CG_MAX_TERMS 24
#define CG_MAX_STEPS                                                             \
    10000 /* through the paths of one index: what is left then counts as an atom \
           */
#define CG_MAX_VALUES (1 << 18) /* operations emitted per kernel */
#define CG_MAX_SAFE 24          /* loads of a block known to be in bounds */
#define CG_MAX_SCOPES 64
#define CG_MAX_SYMBOL 128  /* as far as names of symbols are shown */
#define CG_HERE UINT32_MAX /* level of a value computed in place, never hoisted or shared */

struct hone_codegen {
    hone_target target;
    LLVMTargetMachineRef machine;
    char *layout;
    bool has_fma, has_rounding;
    bool soft_half;      /* f16 is converted by operations on integers */
    const char *madd;    /* LLVM's intrinsic for a product that is added, rounded or not; or NULL */
    unsigned madd_bytes; /* of its vectors */
    bool unsigned_offsets;                /* as the preset says */
    bool has_scalef, has_range, has_sign; /* instructions of emit/x86_64.c */
    bool rounds_to_int;                   /* one instruction from float to int, half to even */
    bool has_maxnum;                      /* llvm.minnum becomes one that is minimumNumber */
    const char *runtime; /* LLVM's IR of what artifacts have in them; NULL: they have nothing */
    size_t runtime_bytes;
    bool shares;      /* it runs several threads, as many as the artifact is for */
    bool is_narrow;   /* registers and addresses of 32 bits */
    bool is_scalable; /* vectors have any length, of which target.vector_bytes are used */
};

typedef enum cg_tri { CG_NO, CG_MAYBE, CG_YES } cg_tri;

/* An i64 that is somewhere in [lo, hi]; when lo == hi it is that constant and v is NULL. */
typedef struct cg_idx {
    LLVMValueRef v;
    int64_t lo, hi;
    uint32_t level; /* scope it was computed in; 0: the function's entry */
} cg_idx;

/* expr == c + sum coeff * (var, or atom: any other integer expression). */
typedef struct cg_term {
    hone_var var;
    hone_expr atom;
    int64_t coeff;
} cg_term;
typedef struct cg_lin {
    bool ok;
    uint32_t first, n;
    int64_t c;
} cg_lin;

typedef struct cg_cond {
    hone_expr e;
    bool is_where;
} cg_cond;

/* A leaf block with its expressions over loop variables. */
typedef struct cg_leaf {
    hone_stmt s;
    hone_buffer out;
    unsigned n_index;
    hone_expr index[HONE_MAX_DIMS];
    hone_expr own;    /* LOAD of the element stored */
    hone_expr offset; /* of the store, elements in the buffer as placed */
    hone_expr value, init;
    unsigned n_first; /* it is the first step of a sum when all of these are true */
    hone_expr first[HONE_MAX_ITERS];
    unsigned n_conds, n_where; /* where conjuncts, then those of selects in the value */
    cg_cond conds[CG_MAX_CONDS];
    unsigned n_safe; /* loads whose indices are in bounds wherever the block runs at all */
    hone_expr safe[CG_MAX_SAFE];
    bool uses_own;  /* the value reads the element stored: a*b + c may then round once */
    bool self_read; /* the value reads other elements of the buffer stored to */
    /* The value is the element stored and `operand` put together by `op`, a reduction whose lanes
     * may be put together first; op none: not of that form. `neutral` changes nothing. */
    hone_op op;
    hone_expr operand, neutral;
    bool own_is_number;     /* a float that cannot be NaN before it */
    bool operand_is_number; /* such an element of another buffer */
    bool zeros_alike;       /* of floats stored, the sign of a zero is never seen */
} cg_leaf;

/* A block that calls an intrinsic. */
typedef struct cg_use {
    hone_stmt s, leaf;
    const hone_codegen_intrin *in;
    hone_var loops[HONE_CODEGEN_INTRIN_LOOPS];
    hone_expr load[HONE_CODEGEN_INTRIN_ARGS]; /* over loop variables */
} cg_use;

typedef enum cg_where { CG_UNPLACED, CG_ARG, CG_STACK, CG_SCRATCH } cg_where;
typedef struct cg_place {
    cg_where where;
    hone_stmt owner; /* parallel loop whose task holds it; none: the kernel or a pack function */
    uint32_t pack;   /* buffer number of the input in whose pack function it lives; 0: the kernel */
    int64_t shape[HONE_MAX_DIMS], stride[HONE_MAX_DIMS];
    hone_expr start[HONE_MAX_DIMS];
    int64_t elems;  /* with padding */
    int64_t offset; /* bytes in the scratch block */
} cg_place;

/* Something known inside a region: the condition holds; or its linear form equals `outer` plus the
 * terms whose bits are set in `inner`. */
typedef struct cg_fact {
    hone_expr cond;
    bool is_true;
    uint32_t inner;
    int64_t outer;
} cg_fact;

typedef struct cg_memo {
    LLVMValueRef a, b, v;
    LLVMTypeRef type;
    int op;
    uint32_t level;
} cg_memo;

/* A multiple of a loop's counter, which grows along with it. */
typedef struct cg_step {
    LLVMValueRef phi;
    int64_t by;
    uint32_t level;
} cg_step;

/* A serial loop under construction. */
typedef struct cg_loop {
    LLVMBasicBlockRef before, top, after;
    LLVMValueRef i, first, end;
    bool vectorise; /* set by the caller: LLVM is to make vectors of it */
} cg_loop;

/* A cache line of a buffer, from where the loops stand. */
typedef struct cg_asked {
    uint32_t buffer;
    int64_t line;
} cg_asked;

/* The function being emitted. */
typedef struct cg_fn {
    LLVMValueRef fn, rt;
    hone_stmt owner;   /* none: kernel or pack */
    LLVMValueRef *ptr; /* per buffer, NULL when not to be had here */
    uint32_t level;
    LLVMValueRef anchor[CG_MAX_SCOPES];   /* hoisted code of a scope goes before it */
    const cg_loop *counts[CG_MAX_SCOPES]; /* multiples of its counter are added up; or NULL */
    LLVMBasicBlockRef entry;
    HONE_VEC(cg_memo) memo;
    HONE_VEC(cg_step) steps;
    bool streams;             /* some of its stores pass by the caches */
    HONE_VEC(cg_asked) asked; /* fetched ahead in this block (emit/ahead.c) */
    LLVMBasicBlockRef asked_in;
} cg_fn;

/* Data value: scalar (the same in all lanes) or a vector of e->lanes. */
typedef struct cg_val {
    LLVMValueRef v;
    bool vec;
} cg_val;

/* An expression that has been computed where we stand, or where that is reached from. */
typedef struct cg_known {
    hone_expr x;
    cg_val v;
} cg_known;
typedef struct cg_known_idx {
    hone_expr x;
    cg_idx i;
} cg_known_idx;

/* In how many of the lanes code runs whose mask may be set. */
typedef enum cg_run { CG_IN_ALL, CG_IN_SOME /* at least one */, CG_IN_ANY /* or none */ } cg_run;

typedef struct cg {
    const hone_codegen *g;
    const hone_codegen_options *o;
    hone_program q;
    hone_status status;
    hone_error *err;

    HONE_VEC(cg_leaf) leaves;   /* in program order; row 0 unused */
    HONE_VEC(uint32_t) leaf_of; /* by statement */
    HONE_VEC(cg_use) uses;
    LLVMValueRef *intrin_fns;  /* by o->intrins, NULL: not imported yet */
    HONE_VEC(cg_place) places; /* by buffer */
    HONE_VEC(uint32_t) lin_of; /* by expression, 0: not looked at yet */
    HONE_VEC(cg_lin) lins;
    HONE_VEC(cg_term) terms;
    HONE_VEC(uint32_t) offset_of; /* by LOAD expression: its offset expression */
    HONE_VEC(uint8_t) fits;       /* by expression: hone_cg__fits's answer, CG_MAYBE: none yet */
    hone_buffer packed[HONE_MAX_ARGS]; /* by argument: the TEMP that holds its packed form */
    hone_ahead ahead;                  /* what runs in pack functions */
    uint32_t pack;                     /* the function being placed or emitted, as in cg_place */
    unsigned n_args;
    hone_var size; /* o->size; none: all sizes are the program's */

    LLVMContextRef ctx;
    LLVMModuleRef mod;
    LLVMBuilderRef b;
    LLVMTypeRef i1, i8, i16, i32, i64, f16, f32, f64, ptr, void_;
    LLVMMetadataRef loop_md; /* properties shared by all loops, NULL in plain code */

    cg_fn fn;
    cg_idx *env; /* by variable */
    bool *bound;
    HONE_VEC(hone_range) ranges; /* of bound variables, for hone_bounds_in */
    HONE_VEC(cg_fact) facts;
    hone_var lane_var; /* none: scalar code */
    unsigned lanes;
    LLVMValueRef mask;   /* lanes in which code runs, NULL: all */
    const cg_leaf *leaf; /* the leaf being emitted */
    bool where_lanes;    /* its predicate holds in some lanes only */
    hone_expr own;       /* this load is known to have .. */
    cg_val own_value;    /* .. this value */
    bool fuse;
    /* While one expression is being computed (depth > 0), by hone_cg__value, _cond or _index. */
    unsigned depth;
    HONE_VEC(cg_known) known;
    HONE_VEC(uint32_t) known_at; /* by expression: place in known, if that is still the same one */
    HONE_VEC(cg_known_idx) known_idx;
    HONE_VEC(uint32_t) known_idx_at;
    HONE_VEC(uint32_t) harmless; /* by expression: 2 * round + hone_cg__can_speculate's answer */
    uint32_t round;              /* of what `harmless` knows; earlier answers do not count */
    int64_t values, instances;
    unsigned n_tasks;
} cg;

/* Records the first failure; emission goes on harmlessly until somebody looks at e->status. */
void hone_cg__fail(cg *e, hone_status s, const char *fmt, ...) HONE_PRINTF(3, 4);

/* layout/prepare.c: fills e->q and the leaves. */
void hone_cg__prepare(cg *e, const hone_program *p);
cg_leaf *hone_cg__leaf(cg *e, hone_stmt s);
/* One more conjunct of the leaf's predicate. */
void hone_cg__add_where(cg *e, cg_leaf *leaf, hone_expr cond);
/* layout/numbers.c: of all leaves. */
void hone_cg__find_numbers(cg *e);
/* layout/rows.c: the leaves of rows that are not there do not run. After all were added. */
void hone_cg__find_rows(cg *e);
bool hone_cg__is_sized(const cg *e,
                       hone_buffer b); /* an argument whose first dimension is e->size */
/* layout/buffer_placement.c: finds prepacked inputs, places all buffers, rewrites offsets. */
void hone_cg__place(cg *e);
int64_t hone_cg__scratch_bytes(const cg *e, hone_stmt owner);
unsigned hone_cg__elem_bytes(hone_dtype t);
/* Does the temporary live in this task (or, without an owner, this function), of e->pack? */
bool hone_cg__lives_in(const cg *e, const cg_place *pl, hone_stmt owner);

/* layout/linear.c */
cg_lin hone_cg__lin(cg *e, hone_expr x);         /* of an i64 expression; always ok */
cg_lin hone_cg__cond_lin(cg *e, hone_expr cond); /* cond <=> lin < 0; !ok: not linear */
cg_tri hone_cg__decide(cg *e, hone_expr cond);
bool hone_cg__range(cg *e, hone_expr x, int64_t *ret_lo, int64_t *ret_hi);
/* The index arithmetic never wraps around, wherever the loops stand: it may be computed as numbers
 * without an end. Otherwise it is to be computed as written. */
bool hone_cg__fits(cg *e, hone_expr x);
/* The expression's value changes from lane to lane. */
bool hone_cg__by_lane(const cg *e, hone_expr x);
/* What is known of the condition, NULL: nothing. Borrowed until a fact is added. */
const cg_fact *hone_cg__fact(const cg *e, hone_expr cond);
/* The buffer is on the stack, and the element at this offset is there in every lane, also in those
 * that do not run: they may be read and written back. */
bool hone_cg__in_stack(cg *e, hone_buffer b, hone_expr offset);
void hone_cg__term_range(cg *e, cg_term t, int64_t *ret_lo, int64_t *ret_hi); /* coeff included */
/* layout/lanes.c, in vector code. What the terms in `which` that depend on the lane are together in
 * each of e->lanes lanes; false: it is no constant. */
bool hone_cg__lane_places(cg *e, cg_lin l, uint32_t which, int64_t *ret);
/* The same where it moves by one step from lane to lane. */
bool hone_cg__lane_steps(cg *e, cg_lin l, uint32_t which, int64_t *ret_first, int64_t *ret_step);
/* n elements `from` where an index is without its lanes' part, and which of them each lane wants.
 * Where one lane's element is in the buffer, all n are. */
typedef struct cg_stretch {
    int64_t from;
    unsigned n, at[CG_MAX_LANES];
} cg_stretch;
/* False: the lanes of a load of the buffer lie otherwise. */
bool hone_cg__lane_stretch(cg *e, hone_buffer b, cg_lin l, cg_stretch *ret);
/* In every lane, whether masked or not. */
bool hone_cg__load_in_bounds(cg *e, hone_expr load);

/* emit/index.c: arithmetic on cg_idx; results are hoisted to their level and shared. */
cg_idx hone_cg__const(int64_t c);
LLVMValueRef hone_cg__v(cg *e, cg_idx a);
cg_idx hone_cg__add(cg *e, cg_idx a, cg_idx b);
cg_idx hone_cg__sub(cg *e, cg_idx a, cg_idx b);
cg_idx hone_cg__mul(cg *e, cg_idx a, int64_t c);
cg_idx hone_cg__floordiv(cg *e, cg_idx a, int64_t c); /* c > 0 */
cg_idx hone_cg__floormod(cg *e, cg_idx a, int64_t c);
cg_idx hone_cg__min(cg *e, cg_idx a, cg_idx b);
cg_idx hone_cg__max(cg *e, cg_idx a, cg_idx b);
/* Value of an index expression that does not depend on the lane. */
cg_idx hone_cg__index(cg *e, hone_expr x);
#define CG_ALL_TERMS UINT32_MAX
/* A linear form taken apart: constant, multiple of the lane, rest by levels (outermost first). */
typedef struct cg_sum {
    int64_t c, lane;
    bool lane_other; /* depends on the lane in another way too */
    unsigned n;
    cg_idx t[CG_MAX_TERMS];
} cg_sum;
/* c + the terms of l whose bits are set. */
void hone_cg__sum(cg *e, cg_lin l, uint32_t which, int64_t c, cg_sum *ret);
cg_idx hone_cg__sum_value(cg *e, const cg_sum *s); /* without the lane's part */
/* Address of ptr[c + sum], the lane's part left out. */
LLVMValueRef hone_cg__address(cg *e, LLVMValueRef base, LLVMTypeRef elem, const cg_sum *s);
void hone_cg__bind(cg *e, hone_var v, cg_idx i);
void hone_cg__unbind(cg *e, hone_var v);
void hone_cg__scope_open(cg *e, LLVMValueRef anchor);
void hone_cg__scope_close(cg *e);

/* emit/elem_type.c */
LLVMTypeRef hone_cg__reg_type(cg *e, hone_dtype t);
LLVMTypeRef hone_cg__mem_type(cg *e, hone_dtype t);
LLVMTypeRef hone_cg__like(LLVMTypeRef elem, LLVMTypeRef shape); /* vector if shape is */
LLVMValueRef hone_cg__to_mem(cg *e, hone_dtype t, LLVMValueRef v);
LLVMValueRef hone_cg__from_mem(cg *e, hone_dtype t, LLVMValueRef v);
LLVMValueRef hone_cg__cast(cg *e, hone_dtype from, hone_dtype to, LLVMValueRef v);
LLVMValueRef hone_cg__splat(cg *e, LLVMValueRef v, unsigned n);
LLVMValueRef hone_cg__vec(cg *e, cg_val v); /* as a vector of e->lanes */
/* Constants of the same shape (scalar or vector) as `type`. */
LLVMValueRef hone_cg__int_like(LLVMTypeRef type, int64_t c);
LLVMValueRef hone_cg__real_like(LLVMTypeRef type, double c);
/* Calls an intrinsic overloaded on one type. */
LLVMValueRef hone_cg__intrinsic(cg *e, const char *name, LLVMTypeRef type, LLVMValueRef *args,
                                unsigned n);
LLVMValueRef hone_cg__fma(cg *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c);
/* A product that is added, rounded before that or not, as the target likes it. */
LLVMValueRef hone_cg__madd(cg *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c);
/* emit/half.c: i16, the bits of an f16, and float. */
LLVMValueRef hone_cg__half_to_float(cg *e, LLVMValueRef v);
LLVMValueRef hone_cg__float_to_half(cg *e, LLVMValueRef v);
/* emit/round.c: HONE_OP_FLOOR, _CEIL or _ROUND of float or double. */
LLVMValueRef hone_cg__round(cg *e, hone_op op, LLVMValueRef x);
/* emit/runtime.c */
void hone_cg__add_runtime(cg *e);
LLVMValueRef hone_cg__masked_load(cg *e, LLVMTypeRef type, LLVMValueRef p, unsigned align,
                                  LLVMValueRef mask);
void hone_cg__masked_store(cg *e, LLVMValueRef v, LLVMValueRef p, unsigned align,
                           LLVMValueRef mask);
LLVMBasicBlockRef hone_cg__block(cg *e, const char *name);

/* emit/math.c: x is float or double, scalar or vector; y is pow's exponent. */
LLVMValueRef hone_cg__math(cg *e, hone_op op, bool fast, LLVMValueRef x, LLVMValueRef y);
/* emit/math_f32.c: of float. */
LLVMValueRef hone_cg__exp_f32(cg *e, LLVMValueRef x, bool fast);
LLVMValueRef hone_cg__log_f32(cg *e, LLVMValueRef x);
LLVMValueRef hone_cg__sigmoid_f32(cg *e, LLVMValueRef x, bool fast);
LLVMValueRef hone_cg__tanh_f32(cg *e, LLVMValueRef x, bool fast);
/* sin x, with `turns` 1 cos x, for targets with fused multiply-adds and |x| up to that angle. */
#define HONE_CG__NEAR_ANGLE 0x1p18
LLVMValueRef hone_cg__turned_f32(cg *e, LLVMValueRef x, int turns);
LLVMValueRef hone_cg__erf_f32(cg *e, LLVMValueRef x, bool fast);
LLVMValueRef hone_cg__atan_f32(cg *e, LLVMValueRef x);

/* emit/x86_64.c */
/* g->target is there: adds to its features what LLVM does not conclude by itself, and looks for
 * instructions. */
void hone_cg__complete(hone_codegen *g);
/* Each NULL: not for these lanes or this target. minimumNumber or maximumNumber; m 2^(the whole
 * number not above n) with one rounding, whatever n; t less that whole number, infinities giving 0;
 * 1 / x to within 2^-14. */
LLVMValueRef hone_cg__number_range(cg *e, bool min, LLVMValueRef a, LLVMValueRef b);
/* Of f32 alone, NULL like those above: m where x is not +0, and +0 for an m of -0 where it is. m is
 * at least x, or x is NaN. */
LLVMValueRef hone_cg__plus_zero(cg *e, LLVMValueRef m, LLVMValueRef x);
LLVMValueRef hone_cg__scaled(cg *e, LLVMValueRef m, LLVMValueRef n);
LLVMValueRef hone_cg__reduce(cg *e, LLVMValueRef t);
LLVMValueRef hone_cg__rcp14(cg *e, LLVMValueRef x);
/* y, of float, or for some kinds of x something else: four bits of `table` for each, which are in
 * the order of VFIXUPIMM in Intel's manual. */
LLVMValueRef hone_cg__fixup(cg *e, LLVMValueRef y, LLVMValueRef x, uint32_t table);
/* x is the mantissa, in [1, 2), times 2^(the exponent, a float). */
LLVMValueRef hone_cg__getexp(cg *e, LLVMValueRef x);
LLVMValueRef hone_cg__getmant(cg *e, LLVMValueRef x);
/* For floats of this type, lanes included: are tables looked up in a register? Then of each lane
 * the number that the low four bits of `at`, an i32, say. */
#define HONE_CG__TABLE 16
bool hone_cg__has_lookup(const cg *e, LLVMTypeRef type);
LLVMValueRef hone_cg__lookup(cg *e, const double table[HONE_CG__TABLE], LLVMValueRef at);

/* emit/aarch64.c. Each NULL: not for these lanes or this target. A value that was just loaded, in n
 * lanes; a * b + c with one rounding, where c is a sum that is not needed any more. */
LLVMValueRef hone_cg__splat_loaded(cg *e, LLVMValueRef v, unsigned n);
LLVMValueRef hone_cg__fma_in_place(cg *e, LLVMValueRef a, LLVMValueRef b, LLVMValueRef c);

/* emit/known.c: expressions are a graph, and what is used twice is computed once. */
bool hone_cg__find(const cg *e, hone_expr x, cg_val *ret);
void hone_cg__keep(cg *e, hone_expr x, cg_val v);
bool hone_cg__find_idx(const cg *e, hone_expr x, cg_idx *ret);
void hone_cg__keep_idx(cg *e, hone_expr x, cg_idx i);
/* Around the computation of an expression; the outermost leave forgets everything. */
void hone_cg__enter_expr(cg *e);
void hone_cg__leave_expr(cg *e);
/* What is computed from here to the end of an arm is not there behind it. */
typedef struct cg_mark {
    uint32_t known, known_idx;
} cg_mark;
cg_mark hone_cg__mark(const cg *e);
void hone_cg__forget(cg *e, cg_mark m);
/* Computes what both arms of a select need in any case, before it is known which one runs. */
void hone_cg__compute_shared(cg *e, hone_expr a, hone_expr b);

/* emit/value.c, emit/may.c */
cg_val hone_cg__value(cg *e, hone_expr x);
cg_val hone_cg__cond(cg *e, hone_expr cond); /* i1 or <n x i1> */
/* `a op b` for an operation of two operands on dtype t, scalars or vectors alike. */
LLVMValueRef hone_cg__binary(cg *e, hone_op op, hone_dtype t, LLVMValueRef a, LLVMValueRef b);
/* emit/extreme.c: MIN or MAX of floats, as LANGUAGE.md says; with `zeros_alike` a zero's sign is
 * anything. */
LLVMValueRef hone_cg__extreme(cg *e, hone_op op, LLVMValueRef a, LLVMValueRef b, bool b_is_number,
                              bool zeros_alike);
/* The value can be computed with e->lane_var as the lane. */
bool hone_cg__can_vectorise(cg *e, hone_expr x, cg_run run);
/* Computing it where it is not wanted does no harm. */
bool hone_cg__can_speculate(cg *e, hone_expr x);
cg_val hone_cg__load(cg *e, hone_expr load);

/* emit/intrin.c */
/* Notes the blocks annotated hone.intrin; after the leaves were. */
void hone_cg__find_uses(cg *e);
const cg_use *hone_cg__use(const cg *e, hone_stmt s);
void hone_cg__use_emit(cg *e, const cg_use *u);

/* emit/block.c, emit/loop.c, emit/plain_sum.c, layout/loop_partition.c, emit/task.c */
void hone_cg__leaf_emit(cg *e, cg_leaf *leaf);
/* n lanes of a vector, the first of them `from`; of one the element. */
LLVMValueRef hone_cg__lanes(cg *e, LLVMValueRef v, unsigned from, unsigned n);
/* Two vectors of the same type as one. */
LLVMValueRef hone_cg__joined(cg *e, LLVMValueRef a, LLVMValueRef b);
/* Stores the leaf's element. */
void hone_cg__store(cg *e, const cg_leaf *leaf, cg_val value);
/* emit/ahead.c: of the vector at p, which `l` and `s` say in buffer b, what is to be asked for now.
 */
void hone_cg__fetch_ahead(cg *e, hone_buffer b, cg_lin l, const cg_sum *s, LLVMValueRef p);
/* emit/lockstep.c: an unrolled loop around vectors of an elementary function, computed several at a
 * time; false: it is not such a loop, and nothing was emitted. */
bool hone_cg__lockstep(cg *e, hone_stmt loop);
/* emit/stream.c: the store of a vector v to p, if it is to pass by the caches; false: it is not. */
bool hone_cg__stream(cg *e, const cg_leaf *leaf, LLVMValueRef v, LLVMValueRef p, unsigned align);
/* Before the function returns. */
void hone_cg__end_streams(cg *e);
/* Enters the code that runs where the leaf's conditions, none of which depends on lanes or on
 * `inside`, hold. False: nowhere, nothing was emitted. The caller branches to *ret_out (NULL: it
 * runs everywhere) at its end. */
bool hone_cg__enter(cg *e, const cg_leaf *leaf, const hone_var *inside, unsigned n,
                    LLVMBasicBlockRef *ret_out);
void hone_cg__stmt(cg *e, hone_stmt s);
/* Emits the unrolled loop, if all in it is a copy of a square that is transposed. (transpose.c) */
bool hone_cg__transpose(cg *e, hone_stmt loop);
/* Emits the loop, if all in it is one sum that is kept in f64. Of plain code. */
bool hone_cg__plain_sum(cg *e, hone_stmt loop);
/* Makes a serial loop counting from lo while less than hi; what open returns is its index, and what
 * is emitted until close its body. */
cg_idx hone_cg__open(cg *e, cg_idx lo, cg_idx hi, cg_loop *ret);
void hone_cg__close(cg *e, const cg_loop *l, int64_t step);
void hone_cg__children(cg *e, hone_stmt s);
/* Iterations [lo, hi) of a serial loop as they are; `once`: at most one. */
void hone_cg__run(cg *e, hone_stmt loop, cg_idx lo, cg_idx hi, bool once);
/* The same, with bounds tightened and the range cut where conditions become constant. */
void hone_cg__parts(cg *e, hone_stmt loop, cg_idx lo, cg_idx hi);
/* What is in a loop whose variable is bound: twice, where conditions become constant by that. */
void hone_cg__body(cg *e, hone_stmt loop);
/* layout/loop_end.c: at most hi, and at least lo: from there on no block in the loop runs. */
cg_idx hone_cg__loop_end(cg *e, hone_stmt loop, cg_idx lo, cg_idx hi);
void hone_cg__task(cg *e, hone_stmt loop);
/* Leaf instances the statement becomes, at most; saturates. */
int64_t hone_cg__instances(cg *e, hone_stmt s);

/* emit/function.c */
void hone_cg__functions(cg *e);
/* What every function of a module needs to be inlined into another: cpu, features and the like. */
void hone_cg__target_attrs(cg *e, LLVMValueRef fn);
LLVMTypeRef hone_cg__fn_type(cg *e, LLVMTypeRef *params, unsigned n); /* returns i32 */
/* An i32 function whose pointer parameters do not alias, but of a kernel that is in place. */
LLVMValueRef hone_cg__fn_new(cg *e, const char *name, LLVMTypeRef *params, unsigned n,
                             bool exported);
/* Starts its body, a fresh e->fn: stack and scratch temporaries of `owner` are made, the latter in
 * `slot`. */
void hone_cg__fn_open(cg *e, LLVMValueRef fn, hone_stmt owner, LLVMValueRef rt, int slot);
/* return 0; drops e->fn. */
void hone_cg__fn_close(cg *e);
/* Static stack memory of the function, 64-byte aligned. */
LLVMValueRef hone_cg__alloca(cg *e, LLVMTypeRef elem, int64_t n);
/* If the i32 is not 0 the function returns it. */
void hone_cg__check(cg *e, LLVMValueRef rc);

/* codegen.c: a copy, with a NUL after it. */
void hone_cg__take(hone_code *ret, const char *bytes, size_t n);

/* join.c: an object in the making. */
typedef struct cg_join {
    hone_codegen *g; /* it is written for */
    LLVMContextRef ctx;
    LLVMModuleRef m;
    hone_status status;
    hone_error *err;
} cg_join;
/* NAME__K and a tail: of the k-th of several parts of NAME. The caller frees. */
char *hone_cg__part_symbol(const char *name, unsigned k, const char *tail);
/* With an empty module. hone_cg__join_close in any case. */
hone_status hone_cg__join_open(const hone_target *t, cg_join *ret, hone_error *err);
hone_status hone_cg__join_add(cg_join *j, const hone_code *bitcode);
/* NAME__.. becomes internal. *ret_foreign: it refers to a function that is not in `allowed`. */
hone_status hone_cg__join_write(cg_join *j, const char *name, const char *const *allowed,
                                hone_code *ret, bool *ret_foreign);
void hone_cg__join_close(cg_join *j);

/* variants.c: code for one of several targets. */
typedef struct cg_variant {
    const char *name;
    hone_target_need needs[HONE_TARGET_MAX_NEEDS];
    unsigned n_needs;
    hone_code code; /* bitcode */
} cg_variant;
typedef struct cg_variants {
    const char *name;        /* of the function */
    const hone_program *any; /* for what is the same in all: names and shapes of arguments */
    unsigned n, n_args;
    cg_variant v[HONE_CODEGEN_MAX_VARIANTS];
    bool packed[HONE_MAX_ARGS]; /* by some of them */
    char *stems[HONE_MAX_ARGS];
} cg_variants;
/* The name of function `tail` ("", "_pack_A") of the k-th, which is defined in its code. */
char *hone_cg__variant_symbol(const cg_variants *s, unsigned k, const char *tail);
/* emit/dispatch.c: fills an empty module with the functions that choose, the table that they choose
 * from, and declarations of the variants' own functions. */
void hone_cg__dispatch(LLVMModuleRef m, const cg_variants *s);

/* output/object.c: size of the code and an undefined symbol not in `allowed` (NULL-ended), "" for
 * none; zeros for what is no object. */
void hone_cg__object_scan(const uint8_t *bytes, size_t n, const char *const *allowed,
                          int64_t *ret_code_bytes, char ret_undefined[CG_MAX_SYMBOL]);
bool hone_cg__listed(const char *name, const char *const *names);
/* output/module.c: is it WebAssembly? The same of such an object; adds to *ret_code_bytes. */
bool hone_cg__is_module(const uint8_t *bytes, size_t n);
/* Was an object, which is a module, made for memory that threads share? */
bool hone_cg__module_shares(const uint8_t *bytes, size_t n);
void hone_cg__module_scan(const uint8_t *bytes, size_t n, const char *const *allowed,
                          int64_t *ret_code_bytes, char ret_undefined[CG_MAX_SYMBOL]);

/* output/names.c: names of the first n buffers in C, all of them the caller's to free. */
/* ARG of NAME_pack_ARG: no two the same, and none another with _bytes after it. The same for every
 * schedule of the kernel. */
void hone_cg__arg_stems(const hone_program *p, unsigned n, char **ret);
/* Parameters of the kernel's function, and as the n-th that of the size if it has one, ..._packed
 * if packed: distinct from each other, from the function and from what C, C++ and their libraries
 * call something. */
void hone_cg__arg_params(const hone_program *p, const char *function, const hone_code *code,
                         unsigned n, char **ret);
/* The parameter of NAME_pack_ARG, which has another called `packed`. */
char *hone_cg__arg_unpacked(const hone_program *p, unsigned arg);
#endif
