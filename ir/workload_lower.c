/* From a kernel as written to the unscheduled program: one loop nest and one leaf block per stage.
 *
 * Reader's map
 *   names      what a name in an expression stands for, and the remedies when it stands for nothing
 *   sizes      the sizes given and their defaults, then the lets
 *   buffers    arguments in the kernel's order, then declared temporaries
 *   stages     loops, block, init and value of one assignment
 *   nested     a reduction inside an expression becomes a stage of its own, whose buffer has one
 *              dimension for each index around it that it uses
 *   statements indices, temporaries that were not declared, order of assignments */
#include "ir/workload.h"

#include "ir/internal.h"

#include <math.h>

typedef struct binding {
    uint32_t name;
    bool index;
    int64_t value; /* of a size; the extent of an index */
    hone_var var;  /* an index's iteration variable while its stage is built */
} binding;

typedef struct made {
    hone_sym block;
    const char *at;
} made;

typedef struct lowering {
    hone_ast *ast;
    hone_lex *lx;
    const hone_wl_kernel *k;
    hone_program *p;
    hone_elab elab;
    HONE_VEC(binding) names; /* sizes and lets, then the indices in scope */
    HONE_VEC(bool) assigned; /* by buffer id */
    HONE_VEC(made) stages;
} lowering;

static bool good(const lowering *w)
{
    return w->lx->status == HONE_OK;
}

static const char *text_of(const lowering *w, uint32_t name)
{
    return w->ast->names.v + name;
}

/* ---- names ----------------------------------------------------------------------------------- */

static binding *find_name(const lowering *w, const char *name)
{
    for (uint32_t i = w->names.n; i-- > 0;)
        if (strcmp(text_of(w, w->names.v[i].name), name) == 0)
            return &w->names.v[i];
    return NULL;
}

/* "M, N, K" */
static void list_sizes(const lowering *w, hone_buf *out)
{
    unsigned n = 0;
    for (uint32_t i = 0; i < w->k->names.n && out->n < 200; i++)
        if (!w->k->names.v[i].let)
            hone_buf_printf(out, "%s%.60s", n++ ? ", " : "", text_of(w, w->k->names.v[i].name));
    if (!n)
        hone_buf_puts(out, "none");
}

static hone_meaning meaning_of(void *ctx, hone_ast_id n)
{
    lowering *w = ctx;
    const char *name = hone_ast__name(w->ast, n), *at = hone_ast__at(w->ast, n)->at;
    const binding *b = find_name(w, name);
    if (b && b->index)
        return (hone_meaning){.kind = NAME_VAR, .var = b->var};
    if (b)
        return (hone_meaning){.kind = NAME_SIZE, .size = b->value};
    if (hone_buffer_find(w->p, name).i) {
        hone_lex__fail_at(w->lx, at, "'%s' is a buffer; write %s[...] with its indices", name,
                          name);
        return (hone_meaning){0};
    }
    hone_buf sizes = {0};
    list_sizes(w, &sizes);
    hone_lex__fail_at(w->lx, at,
                      "there is no size or index '%s' here; the sizes of '%.80s' are %s, and an "
                      "index is known left of its '=' and inside its reduction only",
                      name, text_of(w, w->k->name), sizes.s);
    hone_buf_free(&sizes);
    return (hone_meaning){0};
}

static hone_buffer buffer_of(void *ctx, hone_ast_id n)
{
    lowering *w = ctx;
    const char *name = hone_ast__name(w->ast, n), *at = hone_ast__at(w->ast, n)->at;
    hone_buffer b = hone_buffer_find(w->p, name);
    if (!b.i) {
        hone_lex__fail_at(w->lx, at, "there is no buffer '%s' here; declare it, or assign it above",
                          name);
        return HONE_NO_BUFFER;
    }
    if (hone_buffer_at(w->p, b)->role != HONE_INPUT && !w->assigned.v[b.i]) {
        hone_lex__fail_at(w->lx, at, "'%s' is read before it is assigned", name);
        return HONE_NO_BUFFER;
    }
    return b;
}

/* ---- sizes ----------------------------------------------------------------------------------- */

static const hone_size *given(const hone_size *sizes, unsigned n, const char *name)
{
    for (unsigned i = 0; i < n; i++)
        if (strcmp(sizes[i].name, name) == 0)
            return &sizes[i];
    return NULL;
}

static void check_given(lowering *w, const hone_size *sizes, unsigned n)
{
    for (unsigned i = 0; i < n && good(w); i++) {
        bool known = false;
        for (uint32_t j = 0; j < w->k->names.n; j++)
            known |= !w->k->names.v[j].let &&
                     strcmp(text_of(w, w->k->names.v[j].name), sizes[i].name) == 0;
        hone_buf all = {0};
        list_sizes(w, &all);
        if (!known)
            hone_lex__fail_at(w->lx, w->k->at, "'%.80s' has no size '%.80s'; its sizes are %s",
                              text_of(w, w->k->name), sizes[i].name, all.s);
        else if (given(sizes, i, sizes[i].name))
            hone_lex__fail_at(w->lx, w->k->at, "the size '%.80s' is given twice", sizes[i].name);
        else if (sizes[i].value < 0 || sizes[i].value > HONE_WL_MAX_SIZE)
            hone_lex__fail_at(w->lx, w->k->at, "the size %.80s=%" PRId64 " is outside of 0 to 2^31",
                              sizes[i].name, sizes[i].value);
        hone_buf_free(&all);
    }
}

static void lower_names(lowering *w, const hone_size *sizes, unsigned n_sizes)
{
    check_given(w, sizes, n_sizes);
    for (uint32_t i = 0; i < w->k->names.n && good(w); i++) {
        const hone_wl_name *name = &w->k->names.v[i];
        const char *text = text_of(w, name->name);
        const hone_size *size = name->let ? NULL : given(sizes, n_sizes, text);
        int64_t value = size ? size->value : 0;
        if (!size && name->value) {
            if (!hone_elab__int(&w->elab, name->value, &value))
                return;
            if (!name->let && (value < 0 || value > HONE_WL_MAX_SIZE)) {
                hone_lex__fail_at(w->lx, name->at,
                                  "the size %s is %" PRId64 " by default; a size lies in 0 to 2^31",
                                  text, value);
                return;
            }
        } else if (!size) {
            hone_lex__fail_at(w->lx, name->at,
                              "the size '%s' has no default; give it a value, as in -D %s=64", text,
                              text);
            return;
        }
        hone_vec_push(&w->names, (binding){.name = name->name, .value = value});
    }
}

/* ---- buffers --------------------------------------------------------------------------------- */

static hone_buffer new_buffer(lowering *w, const char *name, hone_dtype t, const int64_t *shape,
                              unsigned n, hone_role role, const char *at)
{
    int64_t elements = 1;
    for (unsigned d = 0; d < n; d++) {
        if (shape[d] < 0 || (elements && shape[d] > HONE_WL_MAX_ELEMENTS / elements)) {
            hone_lex__fail_at(w->lx, at,
                              shape[d] < 0
                                  ? "dimension %u of '%.80s' is %" PRId64 "; it must be at least 0"
                                  : "with dimension %u '%.80s' has more than 2^40 elements "
                                    "(it is %" PRId64 ")",
                              d + 1, name, shape[d]);
            return HONE_NO_BUFFER;
        }
        elements *= shape[d];
    }
    hone_buffer b = hone_buffer_new(w->p, name, t, shape, n, role, HONE_GLOBAL);
    while (w->assigned.n <= b.i)
        hone_vec_push(&w->assigned, false);
    return b;
}

/* A limit of a range: a number, or an expression of sizes. */
static bool limit_of(lowering *w, hone_ast_id n, double *ret)
{
    const hone_ast_node *node = hone_ast__at(w->ast, n);
    int64_t i;
    if (node->kind == AST_FLOAT) {
        *ret = node->f;
        return true;
    }
    if (node->kind == AST_NEG &&
        hone_ast__at(w->ast, hone_ast__arg(w->ast, n, 0))->kind == AST_FLOAT) {
        *ret = -hone_ast__at(w->ast, hone_ast__arg(w->ast, n, 0))->f;
        return true;
    }
    if (!hone_elab__int(&w->elab, n, &i))
        return false;
    *ret = (double)i;
    return true;
}

static bool has_value(hone_dtype t, double lo, double hi)
{
    int64_t least, most;
    if (hone_dtype_is_float(t))
        return true;
    hone_ir__dtype_range(t, &least, &most);
    return ceil(fmax(lo, (double)least)) < ceil(fmin(hi, (double)most + 1));
}

static void lower_range(lowering *w, const hone_wl_buffer *b, hone_buffer id)
{
    double lo, hi;
    if (!b->lo || !limit_of(w, b->lo, &lo) || !limit_of(w, b->hi, &hi))
        return;
    if (isinf(lo) || isinf(hi)) {
        hone_lex__fail_at(w->lx, b->at,
                          "the range of '%s' has no end; values are drawn from it, so give it the "
                          "first and the last that matter",
                          text_of(w, b->name));
        return;
    }
    if (!(lo < hi)) {
        hone_lex__fail_at(w->lx, b->at,
                          "the range of '%s' is empty: it goes from its first number up "
                          "to, and without, its second",
                          text_of(w, b->name));
        return;
    }
    if (!has_value(b->dtype, lo, hi)) {
        hone_lex__fail_at(w->lx, b->at, "no %s lies in the range of '%s'",
                          hone_dtype_name(b->dtype), text_of(w, b->name));
        return;
    }
    hone_buffer_row *r = hone_buffer_at(w->p, id);
    r->ranged = true;
    r->lo = lo;
    r->hi = hi;
}

static void lower_buffers(lowering *w, bool temps)
{
    for (uint32_t i = 0; i < w->k->buffers.n && good(w); i++) {
        const hone_wl_buffer *b = &w->k->buffers.v[i];
        if ((b->role == HONE_TEMP) != temps)
            continue;
        int64_t shape[HONE_MAX_DIMS];
        for (unsigned d = 0; d < b->n_dims; d++)
            if (!hone_elab__int(&w->elab, b->dims[d], &shape[d]))
                return;
        hone_buffer id =
            new_buffer(w, text_of(w, b->name), b->dtype, shape, b->n_dims, b->role, b->at);
        if (!good(w))
            return;
        hone_buffer_at(w->p, id)->is_const = b->is_const;
        lower_range(w, b, id);
    }
}

/* ---- stages ---------------------------------------------------------------------------------- */

/* One assignment: out[spatial] = value, or the reduction of value over `reduce` with op. The lists
 * are places in w->names. */
typedef struct stage {
    hone_buffer out;
    uint32_t spatial[HONE_MAX_DIMS], reduce[HONE_MAX_ITERS];
    unsigned n_spatial, n_reduce;
    hone_op op; /* none: no reduction */
    hone_ast_id value;
    const char *at;
} stage;

static bool check_stage(lowering *w, const stage *s)
{
    int64_t steps = 1;
    if (w->stages.n == HONE_WL_MAX_STAGES)
        return hone_lex__fail_at(w->lx, s->at, "a kernel has at most %d stages",
                                 HONE_WL_MAX_STAGES);
    if (s->n_spatial + s->n_reduce > HONE_MAX_ITERS)
        return hone_lex__fail_at(w->lx, s->at, "a statement has at most %d indices",
                                 HONE_MAX_ITERS);
    for (unsigned k = 0; k < s->n_spatial + s->n_reduce; k++) {
        int64_t extent =
            w->names.v[k < s->n_spatial ? s->spatial[k] : s->reduce[k - s->n_spatial]].value;
        if (steps && extent > HONE_WL_MAX_STEPS / steps)
            return hone_lex__fail_at(w->lx, s->at, "this statement takes more than 2^56 steps");
        steps *= extent;
    }
    return true;
}

static bool is_empty(const lowering *w, const uint32_t *names, unsigned n)
{
    for (unsigned k = 0; k < n; k++)
        if (w->names.v[names[k]].value == 0)
            return true;
    return false;
}

/* Nothing is done for no elements; a reduction over nothing is its start. */
static void emit_stage(lowering *w, const stage *s)
{
    hone_program *p = w->p;
    if (!good(w) || !check_stage(w, s))
        return;
    if (is_empty(w, s->spatial, s->n_spatial)) {
        w->assigned.v[s->out.i] = true;
        return;
    }
    bool nothing = is_empty(w, s->reduce, s->n_reduce);
    unsigned n = s->n_spatial + (nothing ? 0 : s->n_reduce);
    hone_stmt outer = HONE_NO_STMT, inner = HONE_NO_STMT, loops[HONE_MAX_ITERS];
    for (unsigned k = 0; k < n; k++) {
        const binding *b =
            &w->names.v[k < s->n_spatial ? s->spatial[k] : s->reduce[k - s->n_spatial]];
        loops[k] = hone_loop_new(p, text_of(w, b->name), b->value);
        if (inner.i)
            hone_stmt_append(p, inner, loops[k]);
        else
            outer = loops[k];
        inner = loops[k];
    }
    hone_sym name = hone_buffer_at(p, s->out)->name;
    char text[HONE_LEX_MAX_NAME + 32];
    snprintf(text, sizeof text, "%s", hone_sym_text(p, name));
    hone_stmt block = hone_block_new(p, text);
    hone_expr index[HONE_MAX_DIMS];
    for (unsigned k = 0; k < n; k++) {
        binding *b = &w->names.v[k < s->n_spatial ? s->spatial[k] : s->reduce[k - s->n_spatial]];
        const char *of = text_of(w, b->name);
        snprintf(text, sizeof text, "v%.*s", HONE_UTF8_CUT(of, HONE_LEX_MAX_NAME - 1));
        hone_expr bind = hone_var_expr(p, hone_stmt_at(p, loops[k])->var);
        b->var = hone_block_add_iter(p, block, text, k < s->n_spatial ? HONE_SPATIAL : HONE_REDUCE,
                                     b->value, bind);
        if (k < s->n_spatial)
            index[k] = hone_var_expr(p, b->var);
    }
    hone_dtype t = (hone_dtype)hone_buffer_at(p, s->out)->dtype;
    hone_expr init = s->op ? hone_identity_of(p, s->op, t) : HONE_NO_EXPR;
    hone_expr value = nothing ? init : hone_elab__build(&w->elab, s->value, t);
    if (p->overflow)
        hone_lex__fail_as(w->lx, HONE_E_LIMIT, s->at, "the kernel is too large");
    if (!good(w))
        return;
    if (s->op && !nothing)
        value = hone_binary(p, s->op, hone_load(p, s->out, index, s->n_spatial), value);
    hone_block_set_store(p, block, s->out, index, s->n_spatial, value,
                         nothing ? HONE_NO_EXPR : init);
    hone_stmt_append(p, outer.i ? inner : p->root, block);
    if (outer.i)
        hone_stmt_append(p, p->root, outer);
    w->assigned.v[s->out.i] = true;
    hone_vec_push(&w->stages, (made){hone_stmt_at(p, block)->name, s->at});
}

/* ---- nested reductions -------------------------------------------------------------------------
 */

/* Puts the reduction's indices into scope, listing their places. */
static bool enter_reduction(lowering *w, hone_ast_id n, stage *s)
{
    unsigned n_args = hone_ast__at(w->ast, n)->n_args;
    s->op = (hone_op)hone_ast__at(w->ast, n)->op;
    s->value = hone_ast__arg(w->ast, n, n_args - 1);
    for (unsigned k = 0; k + 1 < n_args; k += 2) {
        hone_ast_id name = hone_ast__arg(w->ast, n, k), extent = hone_ast__arg(w->ast, n, k + 1);
        const char *text = hone_ast__name(w->ast, name), *at = hone_ast__at(w->ast, name)->at;
        int64_t value;
        if (find_name(w, text))
            return hone_lex__fail_at(w->lx, at, "'%s' is taken; this index needs a new name", text);
        if (!hone_elab__int(&w->elab, extent, &value))
            return false;
        if (value < 0 || value > HONE_WL_MAX_ELEMENTS)
            return hone_lex__fail_at(w->lx, hone_ast__at(w->ast, extent)->at,
                                     "'%s' runs %" PRId64
                                     " times; it must run at least 0 and at most 2^40 times",
                                     text, value);
        s->reduce[s->n_reduce++] = w->names.n;
        hone_vec_push(
            &w->names,
            (binding){.name = hone_ast__at(w->ast, name)->name, .index = true, .value = value});
    }
    return true;
}

/* Marks the indices that the expression uses, by their places in w->names. */
static void mark_indices(const lowering *w, hone_ast_id n, bool *used)
{
    const hone_ast_node *node = hone_ast__at(w->ast, n);
    if (node->kind == AST_NAME) {
        const binding *b = find_name(w, hone_ast__name(w->ast, n));
        if (b && b->index)
            used[b - w->names.v] = true;
    }
    for (unsigned k = 0; k < node->n_args; k++)
        mark_indices(w, hone_ast__arg(w->ast, n, k), used);
}

static void extract_nested(lowering *w, uint32_t out, hone_ast_id n);

/* Makes a stage of the reduction n, then n a load of what it computed. */
static void extract(lowering *w, uint32_t out, hone_ast_id n)
{
    static const char *const names[] = {[HONE_OP_ADD] = "sum",
                                        [HONE_OP_MUL] = "prod",
                                        [HONE_OP_MIN] = "min",
                                        [HONE_OP_MAX] = "max"};
    stage s = {.at = hone_ast__at(w->ast, n)->at};
    uint32_t outside = w->names.n;
    if (!enter_reduction(w, n, &s))
        return;
    extract_nested(w, out, s.value);
    bool *used = hone_xcalloc(w->names.n, 1);
    if (good(w))
        mark_indices(w, s.value, used);
    int64_t shape[HONE_MAX_DIMS];
    hone_ast_id args[HONE_MAX_DIMS];
    for (uint32_t i = 0; i < outside && good(w); i++) {
        if (!used[i])
            continue;
        if (s.n_spatial == HONE_MAX_DIMS) {
            hone_lex__fail_at(w->lx, s.at, "this reduction uses more than %d indices from outside",
                              HONE_MAX_DIMS);
            break;
        }
        shape[s.n_spatial] = w->names.v[i].value;
        args[s.n_spatial] = hone_ast__new(w->ast, AST_NAME, s.at, NULL, 0);
        hone_ast__at(w->ast, args[s.n_spatial])->name = w->names.v[i].name;
        s.spatial[s.n_spatial++] = i;
    }
    free(used);
    unsigned type = hone_elab__default_type(&w->elab, s.value);
    if (type == HONE_BOOL)
        hone_lex__fail_at(w->lx, s.at, "conditions cannot be reduced; cast them, as in i32(...)");
    if (good(w)) {
        char name[HONE_LEX_MAX_NAME + 1];
        size_t room = HONE_LEX_MAX_NAME - 1 - strlen(names[s.op]);
        snprintf(name, sizeof name, "%.*s.%s", HONE_UTF8_CUT(text_of(w, out), room), names[s.op]);
        s.out = new_buffer(w, name, (hone_dtype)type, shape, s.n_spatial, HONE_TEMP, s.at);
        emit_stage(w, &s);
    }
    w->names.n = outside;
    if (!good(w))
        return;
    hone_ast_id load = hone_ast__new(w->ast, AST_TEMP, s.at, args, s.n_spatial);
    uint16_t depth = hone_ast__at(w->ast, n)->depth;
    *hone_ast__at(w->ast, n) = *hone_ast__at(w->ast, load);
    hone_ast__at(w->ast, n)->depth = depth;
    hone_ast__at(w->ast, n)->buffer = s.out;
}

/* Extracts every reduction at or below n. */
static void extract_nested(lowering *w, uint32_t out, hone_ast_id n)
{
    if (!good(w))
        return;
    if (hone_ast__at(w->ast, n)->kind == AST_REDUCE) {
        extract(w, out, n);
        return;
    }
    for (unsigned k = 0; k < hone_ast__at(w->ast, n)->n_args; k++)
        extract_nested(w, out, hone_ast__arg(w->ast, n, k));
}

/* ---- statements --------------------------------------------------------------------------------
 */

#define NONE_SEEN (-1)
#define DIFFERS (-2)

/* The extent of the dimensions that are indexed with just this name. DIFFERS was reported. */
static int64_t extent_of(lowering *w, hone_ast_id n, uint32_t name, int64_t so_far)
{
    const hone_ast_node *node = hone_ast__at(w->ast, n);
    hone_buffer b = HONE_NO_BUFFER;
    if (node->kind == AST_INDEX) {
        b = buffer_of(w, n);
        if (!b.i)
            return DIFFERS;
    }
    for (unsigned k = 0; k < node->n_args && so_far != DIFFERS; k++) {
        hone_ast_id arg = hone_ast__arg(w->ast, n, k);
        const hone_ast_node *a = hone_ast__at(w->ast, arg);
        bool same = a->kind == AST_NAME && strcmp(text_of(w, a->name), text_of(w, name)) == 0;
        if (!b.i || !same || k >= hone_buffer_at(w->p, b)->n_dims) {
            so_far = extent_of(w, arg, name, so_far);
            continue;
        }
        int64_t extent = hone_buffer_at(w->p, b)->shape[k];
        if (so_far != NONE_SEEN && so_far != extent) {
            hone_lex__fail_at(w->lx, a->at,
                              "'%s' runs over dimensions of %" PRId64 " and of %" PRId64
                              "; declare what is assigned, as in: temp T: f32[...]",
                              text_of(w, name), so_far, extent);
            return DIFFERS;
        }
        so_far = extent;
    }
    return so_far;
}

static void find_extents(lowering *w, const hone_wl_stmt *st, hone_buffer declared, int64_t *ret)
{
    for (unsigned k = 0; k < st->n_index && good(w); k++) {
        if (declared.i) {
            ret[k] = hone_buffer_at(w->p, declared)->shape[k];
            continue;
        }
        ret[k] = extent_of(w, st->value, st->index[k], NONE_SEEN);
        if (ret[k] == NONE_SEEN)
            hone_lex__fail_at(w->lx, st->index_at[k],
                              "how far '%s' runs cannot be seen on the right; declare the buffer "
                              "above, as in: temp %s: f32[...]",
                              text_of(w, st->index[k]), text_of(w, st->out));
    }
}

static hone_buffer check_target(lowering *w, const hone_wl_stmt *st)
{
    const char *name = text_of(w, st->out);
    hone_buffer b = hone_buffer_find(w->p, name);
    if (!b.i) {
        if (find_name(w, name))
            hone_lex__fail_at(w->lx, st->at, "'%s' is a size and cannot be assigned", name);
        return b;
    }
    const hone_buffer_row *row = hone_buffer_at(w->p, b);
    if (row->role == HONE_INPUT)
        hone_lex__fail_at(w->lx, st->at, "'%s' is an input and cannot be assigned", name);
    else if (w->assigned.v[b.i])
        hone_lex__fail_at(w->lx, st->at, "'%s' is assigned already; give this stage another name",
                          name);
    else if (row->n_dims != st->n_index)
        hone_lex__fail_at(w->lx, st->at, "'%s' has %d dimensions, here are %u indices", name,
                          row->n_dims, st->n_index);
    return b;
}

static void lower_stmt(lowering *w, const hone_wl_stmt *st)
{
    stage s = {.at = st->at, .value = st->value};
    s.out = check_target(w, st);
    int64_t extents[HONE_MAX_DIMS];
    if (good(w))
        find_extents(w, st, s.out, extents);
    uint32_t outside = w->names.n;
    for (unsigned k = 0; k < st->n_index && good(w); k++) {
        const char *name = text_of(w, st->index[k]);
        if (find_name(w, name) || hone_buffer_find(w->p, name).i) {
            hone_lex__fail_at(w->lx, st->index_at[k], "'%s' is taken; this index needs a new name",
                              name);
            break;
        }
        s.spatial[s.n_spatial++] = w->names.n;
        hone_vec_push(&w->names,
                      (binding){.name = st->index[k], .index = true, .value = extents[k]});
    }
    if (good(w) && hone_ast__at(w->ast, st->value)->kind == AST_REDUCE)
        enter_reduction(w, st->value, &s);
    extract_nested(w, st->out, s.value);
    if (good(w) && !s.out.i) {
        unsigned type = hone_elab__default_type(&w->elab, s.value);
        if (good(w))
            s.out = new_buffer(w, text_of(w, st->out), (hone_dtype)type, extents, st->n_index,
                               HONE_TEMP, st->at);
    }
    if (good(w) && s.op && hone_buffer_at(w->p, s.out)->dtype == HONE_BOOL)
        hone_lex__fail_at(w->lx, st->at, "conditions cannot be reduced; cast them, as in i32(...)");
    emit_stage(w, &s);
    w->names.n = outside;
}

static void check_complete(lowering *w)
{
    for (uint32_t i = 0; i < w->k->buffers.n && good(w); i++) {
        const hone_wl_buffer *b = &w->k->buffers.v[i];
        hone_buffer id = hone_buffer_find(w->p, text_of(w, b->name));
        if (b->role != HONE_INPUT && !w->assigned.v[id.i])
            hone_lex__fail_at(w->lx, b->at, "'%s' is never assigned", text_of(w, b->name));
    }
}

/* What the verifier finds is shown at the statement it was made from. */
static void check_program(lowering *w)
{
    hone_error err;
    hone_status status = hone_verify(w->p, &err);
    if (status == HONE_OK)
        return;
    const char *at = w->k->at;
    for (uint32_t i = 0; i < w->stages.n; i++)
        if (strcmp(hone_sym_text(w->p, w->stages.v[i].block), err.where) == 0)
            at = w->stages.v[i].at;
    hone_lex__fail_as(w->lx, status, at, "%s", err.message);
}

void hone_wl__lower(hone_ast *ast, const hone_wl_kernel *k, const hone_size *sizes,
                    unsigned n_sizes, hone_program *p)
{
    lowering w = {.ast = ast, .lx = ast->lx, .k = k, .p = p};
    w.elab = (hone_elab){
        .ast = ast, .p = p, .holds = true, .ctx = &w, .name = meaning_of, .buffer = buffer_of};
    lower_names(&w, sizes, n_sizes);
    lower_buffers(&w, false);
    lower_buffers(&w, true);
    for (uint32_t i = 0; i < k->stmts.n && good(&w); i++)
        lower_stmt(&w, &k->stmts.v[i]);
    check_complete(&w);
    if (good(&w))
        check_program(&w);
    hone_vec_free(&w.names);
    hone_vec_free(&w.assigned);
    hone_vec_free(&w.stages);
}
