/* ir: tensor programs.
 *
 * A program is a handful of flat arrays; its rows are named by one-member structs whose index 0
 * means "none". Cloning is a few memcpys. Pointers returned by the *_at accessors are borrowed
 * until the next append to that array.
 *
 *   exprs    immutable and interned: two expressions are equal iff their ids are
 *   vars     loop variables and block iteration variables; each ranges over [0, extent)
 *   stmts    a tree of loops and blocks under one root block
 *   buffers  dense row-major arrays
 *
 * Blocks are those of TensorIR (Feng et al., ASPLOS 2023, sec. 3): a block has iteration variables
 * with constant extents, spatial or reduction, each bound to an expression of the loop variables
 * around it; its body refers to nothing but its own iteration variables. hone's leaf block stores
 * one element: `out[index] = value`, after `out[index] = init` when it is a reduction block at the
 * first step of all its reduction variables. Its read and write regions are derived from the body,
 * never stored (ir/region.c). A block without a store holds other statements (the root does). A
 * block's `where` predicate is over loop variables; when false the instance does not run.
 *
 * Rows may be read directly; they are changed through the functions below.
 *
 * Threads: a program belongs to one thread at a time, also where it is only asked something, unless
 * it is `const`: then several may ask at once. There is no other state. */
#ifndef HONE_IR_H
#define HONE_IR_H

#include "base/base.h"

typedef struct {
    uint32_t i;
} hone_expr;
typedef struct {
    uint32_t i;
} hone_var;
typedef struct {
    uint32_t i;
} hone_stmt; /* a loop or a block */
typedef struct {
    uint32_t i;
} hone_buffer;
typedef struct {
    uint32_t i;
} hone_sym; /* an interned name */

#define HONE_NO_EXPR ((hone_expr){0})
#define HONE_NO_STMT ((hone_stmt){0})
#define HONE_NO_BUFFER ((hone_buffer){0})
#define HONE_SAME(a, b) ((a).i == (b).i)

typedef enum hone_dtype {
#define HONE_DTYPE(NAME, text, bytes, class) HONE_##NAME,
#include "ir/dtypes.def"
#undef HONE_DTYPE
    HONE_DTYPE_COUNT
} hone_dtype;
const char *hone_dtype_name(hone_dtype t);
int hone_dtype_bytes(hone_dtype t);
bool hone_dtype_is_float(hone_dtype t);
/* Has `wide` every value of `narrow`, so that a cast to it loses nothing? True of a type itself. */
bool hone_dtype_holds(hone_dtype wide, hone_dtype narrow);
/* HONE_DTYPE_COUNT when there is none of that name. */
hone_dtype hone_dtype_parse(const char *name, size_t n);

typedef enum hone_op {
    HONE_OP_NONE,
#define HONE_OP(NAME, text, arity, form) HONE_OP_##NAME,
#include "ir/ops.def"
#undef HONE_OP
    HONE_OP_COUNT
} hone_op;
const char *hone_op_name(hone_op op); /* "FLOORDIV" */
const char *hone_op_text(hone_op op); /* "//" */
int hone_op_arity(hone_op op);
char hone_op_form(hone_op op);

/* An elementary function (ir/functions.def): errors in units of the last place. */
typedef struct hone_function {
    hone_op op;
    double precise, fast, wide; /* of f32; with `fast`, 0: no such form; of f64 */
    const char *how;
} hone_function;
const hone_function *hone_function_of(hone_op op); /* NULL: it is none */
/* What compiled code for it is off by at most, computed as t; `fast`: it has that form. */
double hone_function_error(hone_op op, hone_dtype t, bool fast);

/* ---- rows ----------------------------------------------------------------------------------- */

/* Beyond it neighbours in f32 are more than a full turn apart. */
#define HONE_MOST_ANGLE 0x1p27

#define HONE_MAX_DIMS 8
#define HONE_MAX_ITERS 16

typedef struct hone_expr_row {
    uint8_t op, dtype;
    uint16_t n_args : 4;
    uint16_t height : 12; /* of the longest path below it; 0: it has no arguments */
    uint32_t sym;         /* VAR: hone_var, LOAD: hone_buffer; of a function 1: fast */
    uint32_t args;        /* first of n_args ids in program.args */
    uint32_t names;       /* a bit, not its own, for each variable and buffer in it; below */
    union {
        int64_t i;
        double f;
    } imm;
} hone_expr_row;

/* The bits of hone_expr_row.names that stand for buffers; the others are of variables. */
#define HONE_NAMES_OF_BUFFERS 0xffff0000u

typedef struct hone_var_row {
    hone_sym name;
    int64_t extent;  /* ranges over [0, extent) */
    hone_stmt owner; /* the loop, or the block it is an iteration variable of */
} hone_var_row;

typedef enum hone_stmt_kind { HONE_STMT_FREE, HONE_LOOP, HONE_BLOCK } hone_stmt_kind;
typedef enum hone_loop_kind { /* printed as the word after the extent */
                              HONE_SERIAL,
                              HONE_PARALLEL,
                              HONE_VECTORIZED,
                              HONE_UNROLLED,
                              HONE_BOUND /* to an axis: "bind blockIdx.x"; serial where there is
                                            none */
} hone_loop_kind;
typedef enum hone_axis {
    HONE_AXIS_NONE,
#define HONE_AXIS(NAME, text) HONE_AXIS_##NAME,
#include "ir/axes.def"
#undef HONE_AXIS
    HONE_AXIS_COUNT
} hone_axis;
const char *hone_axis_name(hone_axis a); /* "blockIdx.x"; "" for none */
/* HONE_AXIS_NONE when there is none of that name. */
hone_axis hone_axis_parse(const char *name);
typedef enum hone_iter_kind { HONE_SPATIAL, HONE_REDUCE } hone_iter_kind;

typedef struct hone_iter {
    hone_var var;
    hone_iter_kind kind;
    hone_expr binding; /* over loop variables */
} hone_iter;

typedef struct hone_stmt_row {
    uint8_t kind;      /* hone_stmt_kind */
    uint8_t loop_kind; /* hone_loop_kind */
    uint8_t n_iters, n_index;
    uint8_t axis; /* hone_axis, of a loop that is HONE_BOUND */
    hone_stmt parent, first, last, prev, next;
    hone_sym name; /* blocks: unique in the program; loops: a hint for printing */
    uint32_t anns; /* first annotation, 0: none */
    /* loop */
    hone_var var; /* its extent is the loop's */
    /* block */
    uint32_t iters;  /* first of n_iters rows in program.iters */
    hone_expr where; /* none: always */
    hone_buffer out; /* none: a block of statements */
    uint32_t index;  /* first of n_index ids in program.args */
    hone_expr init;  /* none: not a reduction block */
    hone_expr value;
} hone_stmt_row;

typedef enum hone_role { HONE_TEMP, HONE_INPUT, HONE_OUTPUT } hone_role;
typedef enum hone_scope {
#define HONE_SCOPE(NAME, text) HONE_##NAME,
#include "ir/scopes.def"
#undef HONE_SCOPE
    HONE_SCOPE_COUNT
} hone_scope;
const char *hone_scope_name(hone_scope s); /* "shared.dyn" */
/* HONE_SCOPE_COUNT when there is none of that name. */
hone_scope hone_scope_parse(const char *name, size_t n);

typedef struct hone_buffer_row {
    hone_sym name; /* unique in the program */
    uint8_t dtype, role, scope, is_const, n_dims;
    uint8_t ranged; /* an input whose values are said to be at least lo and less than hi */
    int64_t shape[HONE_MAX_DIMS];
    double lo, hi;
} hone_buffer_row;

typedef struct hone_ann {
    hone_sym key;
    hone_sym text; /* none: the value is the integer */
    int64_t value;
    uint32_t next;
} hone_ann;

typedef struct hone_program {
    hone_sym name;
    hone_stmt root;
    HONE_VEC(hone_expr_row) exprs; /* row 0 is unused in every array */
    HONE_VEC(hone_expr) args;
    HONE_VEC(uint32_t) table; /* open-addressing index of exprs, n is a power of two */
    HONE_VEC(hone_var_row) vars;
    HONE_VEC(hone_iter) iters;
    HONE_VEC(hone_stmt_row) stmts;
    HONE_VEC(hone_buffer_row) buffers; /* arguments first, in the workload's order */
    HONE_VEC(hone_ann) anns;
    HONE_VEC(char) chars;    /* names, NUL-terminated */
    HONE_VEC(uint32_t) syms; /* offsets into chars */
    /* Set when an append would pass HONE_MAX_EXPRS, HONE_MAX_HEIGHT or HONE_MAX_STMTS. The
     * constructor then returns none, which all others accept, so that a runaway candidate is caught
     * once, at its end (HONE_REJECT_TOO_BIG). */
    bool overflow;
} hone_program;

#define HONE_MAX_EXPRS 200000
#define HONE_MAX_HEIGHT 4000 /* of an expression: what walks one needs as much stack */
#define HONE_MAX_STMTS 4000

/* ---- life ----------------------------------------------------------------------------------- */

/* An empty program: a root block named "root" and nothing else. */
void hone_program_init(hone_program *p, const char *name);
void hone_program_fini(hone_program *p);
/* dst (initialised or all zero) becomes a copy of src, reusing dst's memory. Ids stay valid. */
void hone_program_copy(hone_program *dst, const hone_program *src);

hone_sym hone_sym_of(hone_program *p, const char *name);
const char *hone_sym_text(const hone_program *p, hone_sym s); /* "" for none; borrowed */

static inline const hone_expr_row *hone_expr_at(const hone_program *p, hone_expr e)
{
    return &p->exprs.v[e.i];
}
static inline hone_op hone_expr_op(const hone_program *p, hone_expr e)
{
    return (hone_op)p->exprs.v[e.i].op;
}
static inline hone_dtype hone_expr_dtype(const hone_program *p, hone_expr e)
{
    return (hone_dtype)p->exprs.v[e.i].dtype;
}
static inline hone_expr hone_expr_arg(const hone_program *p, hone_expr e, unsigned k)
{
    return p->args.v[p->exprs.v[e.i].args + k];
}
static inline const hone_var_row *hone_var_at(const hone_program *p, hone_var v)
{
    return &p->vars.v[v.i];
}
static inline hone_stmt_row *hone_stmt_at(const hone_program *p, hone_stmt s)
{
    return &p->stmts.v[s.i];
}
static inline hone_buffer_row *hone_buffer_at(const hone_program *p, hone_buffer b)
{
    return &p->buffers.v[b.i];
}
static inline hone_iter *hone_iter_at(const hone_program *p, hone_stmt block, unsigned k)
{
    return &p->iters.v[p->stmts.v[block.i].iters + k];
}
/* The k-th index of the block's store. */
static inline hone_expr hone_store_index(const hone_program *p, hone_stmt block, unsigned k)
{
    return p->args.v[p->stmts.v[block.i].index + k];
}
static inline int64_t hone_loop_extent(const hone_program *p, hone_stmt loop)
{
    return p->vars.v[p->stmts.v[loop.i].var.i].extent;
}
static inline bool hone_is_loop(const hone_program *p, hone_stmt s)
{
    return s.i && p->stmts.v[s.i].kind == HONE_LOOP;
}
static inline bool hone_is_block(const hone_program *p, hone_stmt s)
{
    return s.i && p->stmts.v[s.i].kind == HONE_BLOCK;
}

/* ---- expressions: construction (ir/expr.c) -------------------------------------------------- */

/* Constructors fold constants and the neutral elements of + * and or select, nothing more; operands
 * must have one dtype (asserted), except SELECT's condition. */
hone_expr hone_int(hone_program *p, int64_t v);                /* i64 */
hone_expr hone_const(hone_program *p, hone_dtype t, double v); /* any dtype */
hone_expr hone_bool(hone_program *p, bool v);
hone_expr hone_var_expr(hone_program *p, hone_var v);
hone_expr hone_load(hone_program *p, hone_buffer b, const hone_expr *index, unsigned n);
hone_expr hone_cast(hone_program *p, hone_dtype t, hone_expr e);
hone_expr hone_unary(hone_program *p, hone_op op, hone_expr a);
hone_expr hone_binary(hone_program *p, hone_op op, hone_expr a, hone_expr b);
hone_expr hone_select(hone_program *p, hone_expr c, hone_expr a, hone_expr b);
/* The function e, allowed its fast form (docs/LANGUAGE.md); what has none, as it is. */
hone_expr hone_fast(hone_program *p, hone_expr e);
bool hone_is_fast(const hone_program *p, hone_expr e);
/* The same node with other arguments (dtype and sym kept); n = its n_args. */
hone_expr hone_rebuild(hone_program *p, hone_expr e, const hone_expr *args);

/* a where none counts as true */
hone_expr hone_and(hone_program *p, hone_expr a, hone_expr b);

bool hone_is_int(const hone_program *p, hone_expr e, int64_t *ret); /* an INT constant? */
bool hone_uses_var(const hone_program *p, hone_expr e, hone_var v);
bool hone_uses_buffer(const hone_program *p, hone_expr e, hone_buffer b);
static inline bool hone_has_load(const hone_program *p, hone_expr e)
{
    return p->exprs.v[e.i].names & HONE_NAMES_OF_BUFFERS;
}
/* Calls fn once for each expression e is made of, e first and parents before what only they lead
 * to; fn returns false to skip what is below. fn must not append to the program. */
void hone_walk(const hone_program *p, hone_expr e,
               bool (*fn)(void *ctx, const hone_program *p, hone_expr e), void *ctx);
/* Bottom-up rewriting: fn gets each node, already rebuilt, and returns it or its replacement. */
hone_expr hone_rewrite(hone_program *p, hone_expr e,
                       hone_expr (*fn)(void *ctx, hone_program *p, hone_expr e), void *ctx);
/* Replaces variables: to[k] for from[k]. Simultaneous. */
hone_expr hone_substitute(hone_program *p, hone_expr e, const hone_var *from, const hone_expr *to,
                          unsigned n);

/* ---- walks (ir/memo.c) ------------------------------------------------------------------------
 *
 * Interned expressions are a graph, not a tree: a chain of squares of squares has twice as many
 * paths with every step. Whoever walks one with a function of its own remembers where it has been.
 * All zero is an empty memo; what it holds is freed by hone_memo_free. A key is not 0: an
 * expression's id, or with a tag below HONE_MEMO_TAGS hone_memo_key's. */
#define HONE_MEMO_FEW 16
typedef struct hone_memo_entry {
    uint32_t key, value;
} hone_memo_entry;
typedef struct hone_memo {
    uint32_t n, mask; /* entries; slots - 1, 0: no table yet */
    hone_memo_entry *table, few[HONE_MEMO_FEW];
} hone_memo;
#define HONE_MEMO_TAGS (1u << 14)
static inline uint32_t hone_memo_key(hone_expr e, uint32_t tag)
{
    return e.i * HONE_MEMO_TAGS + tag;
}
bool hone_memo_find(const hone_memo *m, uint32_t key, uint32_t *ret);
/* The key must not be there yet. */
void hone_memo_add(hone_memo *m, uint32_t key, uint32_t value);
/* True the first time it is asked for the key. */
bool hone_memo_first(hone_memo *m, uint32_t key);
static inline void hone_memo_free(hone_memo *m)
{
    if (m->mask)
        free(m->table);
}

/* ---- expressions: meaning under variable ranges (ir/affine.c, ir/simplify.c) ----------------- */

/* Inclusive range of an integer expression, each variable anywhere in its range. False: unknown. */
bool hone_bounds(const hone_program *p, hone_expr e, int64_t *ret_lo, int64_t *ret_hi);
/* The same with narrower ranges for some variables. */
typedef struct hone_range {
    hone_var var;
    int64_t lo, hi; /* inclusive */
} hone_range;
bool hone_bounds_in(const hone_program *p, hone_expr e, const hone_range *in, unsigned n,
                    int64_t *ret_lo, int64_t *ret_hi);
/* Canonical form. Integers: a sum of integer multiples of atoms in a fixed order plus a constant,
 * where nested splits and fuses of // and % cancel under the variables' ranges
 * ((i*14 + j) // 14 -> i when j < 14). Conditions: decided if their range decides them, otherwise
 * `affine < constant` forms. Loads and float code are simplified inside, and no float law that
 * changes a result is used. Idempotent; equal meaning over affine forms gives equal ids. */
hone_expr hone_simplify(hone_program *p, hone_expr e);
hone_expr hone_simplify_in(hone_program *p, hone_expr e, const hone_range *in, unsigned n);
/* True when the condition holds for all values of the variables. False: no, or not known. */
bool hone_prove(hone_program *p, hone_expr cond);
/* `a < b` or `a <= b` of i64 as *ret < 0, simplified. False: not of this form. */
bool hone_as_negative(hone_program *p, hone_expr cond, hone_expr *ret);
/* e == sum_k coeff[k] * vars[k] + *ret_rest with *ret_rest free of vars; false when it is not so.
 */
bool hone_linear(hone_program *p, hone_expr e, const hone_var *vars, unsigned n, int64_t *ret_coeff,
                 hone_expr *ret_rest);

/* ---- statements (ir/stmt.c) ------------------------------------------------------------------ */

hone_var hone_var_new(hone_program *p, const char *name, int64_t extent);
/* A loop or block that hangs nowhere yet. */
hone_stmt hone_loop_new(hone_program *p, const char *name, int64_t extent);
/* name is made unique by a suffix. */
hone_stmt hone_block_new(hone_program *p, const char *name);
/* Appends an iteration variable of the block. Only while no other block was given one since. */
hone_var hone_block_add_iter(hone_program *p, hone_stmt block, const char *name,
                             hone_iter_kind kind, int64_t extent, hone_expr binding);
/* Replaces all iterators at once (n rows copied; sets the vars' owner). */
void hone_block_set_iters(hone_program *p, hone_stmt block, const hone_iter *iters, unsigned n);
void hone_block_set_store(hone_program *p, hone_stmt block, hone_buffer out, const hone_expr *index,
                          unsigned n, hone_expr value, hone_expr init);

void hone_stmt_append(hone_program *p, hone_stmt parent, hone_stmt child);  /* as last child */
void hone_stmt_prepend(hone_program *p, hone_stmt parent, hone_stmt child); /* as first child */
void hone_stmt_insert_after(hone_program *p, hone_stmt where, hone_stmt s);
void hone_stmt_insert_before(hone_program *p, hone_stmt where, hone_stmt s);
void hone_stmt_detach(hone_program *p, hone_stmt s); /* from its parent, with all below it */
/* s's place (and parent link) is taken by t, which was detached; s is detached. */
void hone_stmt_replace(hone_program *p, hone_stmt s, hone_stmt t);
/* Detaches and frees the rows of s and everything below. Their ids are then dead. */
void hone_stmt_remove(hone_program *p, hone_stmt s);
/* Removes s and every loop above it that would be left empty. */
void hone_stmt_prune(hone_program *p, hone_stmt s);

bool hone_is_ancestor(const hone_program *p, hone_stmt above, hone_stmt below); /* or the same */
hone_stmt hone_lca(const hone_program *p, hone_stmt a, hone_stmt b);
/* Loops around s, outermost first, up to and excluding the first block above. Returns how many;
 * writes at most max. */
unsigned hone_loops_of(const hone_program *p, hone_stmt s, hone_stmt *ret, unsigned max);
/* Next statement in depth-first order within `top`, or none. Start with s = top. */
hone_stmt hone_next(const hone_program *p, hone_stmt top, hone_stmt s);
/* The next after skipping everything below s. */
hone_stmt hone_next_skip(const hone_program *p, hone_stmt top, hone_stmt s);
/* By name; none if absent. */
hone_stmt hone_block_find(const hone_program *p, const char *name);
/* Replaces variables in every binding and predicate at and below top. */
void hone_stmt_substitute(hone_program *p, hone_stmt top, const hone_var *from, const hone_expr *to,
                          unsigned n);

/* Dissolves every block of statements below the root: its iterators become their bindings, its
 * predicate that of the blocks in it, its annotations are lost. The program computes the same.
 * False: there was none. (ir/flatten.c) */
bool hone_program_flatten(hone_program *p);

/* ---- buffers, annotations -------------------------------------------------------------------- */

/* name is made unique by a suffix. */
hone_buffer hone_buffer_new(hone_program *p, const char *name, hone_dtype dtype,
                            const int64_t *shape, unsigned n_dims, hone_role role,
                            hone_scope scope);
hone_buffer hone_buffer_find(const hone_program *p, const char *name);
int64_t hone_buffer_count(const hone_program *p, hone_buffer b); /* elements */

void hone_ann_set(hone_program *p, hone_stmt s, const char *key, int64_t value);
void hone_ann_set_text(hone_program *p, hone_stmt s, const char *key, const char *text);
bool hone_ann_remove(hone_program *p, hone_stmt s, const char *key); /* false: was not there */
/* NULL: not there. Borrowed. */
const hone_ann *hone_ann_get(const hone_program *p, hone_stmt s, const char *key);

/* Values an input may be tried with, at least *ret_lo and less than *ret_hi: as the program says,
 * or as its use asks for (ir/ranges.c): an index stays in what it indexes, a divisor is not 0, a
 * logarithm or square root has a positive argument. False: any. */
bool hone_input_range(const hone_program *p, hone_buffer input, double *ret_lo, double *ret_hi);

/* On a block: 1: what it stores is not read again soon, and vectors of it may pass by the caches.
 */
#define HONE_ANN_STREAM "hone.stream"
/* On a block: 1: vectors that it reads of inputs are asked for a turn of the outermost loop ahead;
 * 0: they are not. Without it code generation decides (codegen/emit/ahead.c). */
#define HONE_ANN_AHEAD "hone.ahead"
/* How the text of programs had a bound loop's axis before there was the kind: read as that. */
#define HONE_ANN_OLD_AXIS "thread_binding"
#define HONE_ANN_ALIGN "buffer_dim_align"
#define HONE_MAX_ALIGN (1 << 20)
/* What storage_align asked for, by axis of the buffer the block writes: in memory the distance
 * between neighbours along it, in elements, is `offset` more than a multiple of `factor`. 0: any.
 * Programs mean the same without it. */
typedef struct hone_align {
    int64_t factor, offset;
} hone_align;
void hone_aligns_of(const hone_program *p, hone_stmt block, hone_align ret[HONE_MAX_DIMS]);

/* ---- questions about blocks (ir/region.c) -----------------------------------------------------
 */

/* By buffer number (ret[0] is not used): does what is stored there depend on the values of any
 * input? `ret` has room for all buffers. */
void hone_find_varying(const hone_program *p, bool *ret);

/* The distinct LOAD expressions of the block's value, in order of appearance, except the load of
 * its own output element in a reduction. Returns how many; writes at most max. */
unsigned hone_block_loads(const hone_program *p, hone_stmt block, hone_expr *ret, unsigned max);
/* A reduction block's combiner (ADD, MUL, MIN, MAX) and the operand combined with the old value:
 * value == op(out[index], operand) in either order. False when it is not of that form. */
bool hone_block_reduction(const hone_program *p, hone_stmt block, hone_op *ret_op,
                          hone_expr *ret_operand);
/* The value that leaves the other operand of ADD, MUL, MIN or MAX as it is. */
hone_expr hone_identity_of(hone_program *p, hone_op op, hone_dtype t);
/* First leaf block that writes b in depth-first order, none if only an input. */
hone_stmt hone_writer_of(const hone_program *p, hone_buffer b);
/* Leaf blocks reading b, in depth-first order. */
unsigned hone_readers_of(const hone_program *p, hone_buffer b, hone_stmt *ret, unsigned max);
/* An expression over the block's iteration variables, as one over loop variables. */
hone_expr hone_bind(hone_program *p, hone_stmt block, hone_expr e);

/* The box of buffer elements touched by one access while the loops at and inside `below` run and
 * those outside stand still: per dimension a start over the outer loops' variables and a constant
 * extent. `index` is over loop variables (hone_bind). `below` none: all loops run.
 * Boxes never exceed the buffer's shape in extent. False: not analysable; the box is then the whole
 * buffer (start 0), which is always right. */
typedef struct hone_box {
    hone_expr start[HONE_MAX_DIMS];
    int64_t extent[HONE_MAX_DIMS];
} hone_box;
bool hone_access_box(hone_program *p, hone_buffer b, const hone_expr *index, hone_stmt block,
                     hone_stmt below, hone_box *ret);

/* Arithmetic operations of the program as written: one per float or integer arithmetic op on values
 * (not on indices) and per reduction step, times the iterations (ir/work.c). */
int64_t hone_program_flops(hone_program *p);
/* Of these, those that no schedule of it can do without; of a program as written. A bound from
 * below. */
int64_t hone_program_least_ops(hone_program *p);
/* The same by kinds of operations, `ret` having room for HONE_WORK_COUNT of them. */
typedef enum hone_work {
#define HONE_WORK(NAME, text) HONE_WORK_##NAME,
#include "ir/work.def"
#undef HONE_WORK
    HONE_WORK_COUNT
} hone_work;
const char *hone_work_name(hone_work w); /* "min max" */
void hone_program_least_work(hone_program *p, double ret[HONE_WORK_COUNT]);

/* ---- whole programs ----------------------------------------------------------------------------
 */

/* Checks every invariant: ids in range, tree links, dtypes, iterator bindings over enclosing loops
 * only, stores in bounds (bindings within iterator extents under `where`), unique names, buffers
 * written before they are read. HONE_E_INPUT with the statement at fault. */
hone_status hone_verify(hone_program *p, hone_error *err) HONE_NODISCARD;
/* Names, ids and annotation order do not count; loop kinds and annotations do. */
uint64_t hone_program_hash(const hone_program *p);
/* Program text (docs/IR.md). Print, parse, print is the identity. */
void hone_program_print(const hone_program *p, hone_buf *out);
void hone_expr_print(const hone_program *p, hone_expr e, hone_buf *out);
/* p is initialised by the call. HONE_E_INPUT with line, column and a caret line in the message. */
hone_status hone_program_parse(const char *text, size_t n, hone_program *p,
                               hone_error *err) HONE_NODISCARD;

/* ---- workload language (ir/workload.c; docs/LANGUAGE.md) ---------------------------------------
 */

typedef struct hone_size {
    const char *name;
    int64_t value;
} hone_size;
/* Reads `kernel` (NULL: the only or first one) of the text and makes the unscheduled program at the
 * given sizes, verified. `file` is used in messages only. HONE_E_INPUT (syntax error, missing,
 * unknown or non-positive size, ...) with line, column and caret; HONE_E_NOTFOUND: no such kernel,
 * the message lists those there are. */
hone_status hone_workload_parse(const char *file, const char *text, size_t n, const char *kernel,
                                const hone_size *sizes, unsigned n_sizes, hone_program *p,
                                hone_error *err) HONE_NODISCARD;

typedef struct hone_kernel_info {
    char *name; /* "matmul" */
    char *head; /* "matmul(M, N, K)" */
} hone_kernel_info;
typedef HONE_VEC(hone_kernel_info) hone_kernel_list;
/* The kernels of a text, in its order, appended to *ret (zeroed by the caller at first; freed with
 * hone_kernel_list_free, also after an error). HONE_E_INPUT as hone_workload_parse. */
hone_status hone_workload_list(const char *file, const char *text, size_t n, hone_kernel_list *ret,
                               hone_error *err) HONE_NODISCARD;
void hone_kernel_list_free(hone_kernel_list *l);

/* ---- a size left open (ir/rows.c) --------------------------------------------------------------
 */

/* May one of the kernel's sizes, called `name`, be anything up to what it is here? p and q are its
 * unscheduled programs where it is at_p and at_q, two numbers greater than 1. It may when it is the
 * first dimension of the arrays that have it, and element [i, ..] of each is made of elements [i,
 * ..] of them alone. *ret_args: bit k, of argument k; 0 when not. HONE_E_INPUT, with the reason in
 * one line. */
hone_status hone_program_rows(const hone_program *p, int64_t at_p, const hone_program *q,
                              int64_t at_q, const char *name, uint64_t *ret_args,
                              hone_error *err) HONE_NODISCARD;

/* ---- interpreter (ir/interp.c): the oracle ------------------------------------------------------
 */

/* Runs the program at any stage of scheduling. args[k] is the k-th argument buffer, dense
 * row-major. f16 and bf16 are computed in f32 and rounded at each store and cast; loads are range
 * checked: an access out of bounds is HONE_REJECT_OUT_OF_BOUNDS naming the block. Temporary buffers
 * start as NaN (0xA5 bytes for integers). Loop kinds are ignored. */
hone_status hone_interp_run(const hone_program *p, void *const *args,
                            hone_error *err) HONE_NODISCARD;
unsigned hone_program_n_args(const hone_program *p);
/* Conversions of one element of any dtype, round to nearest even. */
double hone_elem_get(hone_dtype t, const void *base, int64_t k);
void hone_elem_set(hone_dtype t, void *base, int64_t k, double v);

#endif
