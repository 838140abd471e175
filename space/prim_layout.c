/* transform_layout: TensorIR's (Feng et al., ASPLOS 2023), for maps whose results are each one
 * index, or // and % of one index by constants. Every index of the old layout is then written with
 * the digits of a mixed-radix number: (j // 32, j // 8 % 4, j % 8). */
#include "space/prim.h"
#include "space/prim_util.h"

#include <ctype.h>

/* One result: (source // div) % mod; mod 0: no %. */
typedef struct digit {
    unsigned source;
    int64_t div, mod;
} digit;

typedef struct layout {
    unsigned n_sources, n;
    digit digits[HONE_MAX_DIMS];
} layout;

/* ---- map text -------------------------------------------------------------------------------- */

typedef struct reader {
    const char *text, *at;
    const int64_t *v; /* v0, v1, ... */
    unsigned n_v;
    struct {
        const char *s;
        size_t n;
    } names[HONE_MAX_DIMS];
    unsigned n_names;
    bool foreign; /* well formed, but with + - * or two indices in one result */
    hone_error *err;
} reader;

static hone_status malformed(reader *r, const char *what)
{
    hone_status s =
        hone_fail(r->err, HONE_E_INPUT, "transform_layout: %s in \"%.200s\"", what, r->text);
    if (r->err)
        r->err->column = (int)(r->at - r->text) + 1;
    return s;
}

static void skip_space(reader *r)
{
    while (isspace((unsigned char)*r->at))
        r->at++;
}

static bool take(reader *r, const char *token)
{
    skip_space(r);
    size_t n = strlen(token);
    if (strncmp(r->at, token, n) != 0)
        return false;
    r->at += n;
    return true;
}

static size_t name_length(const char *s)
{
    size_t n = 0;
    if (isalpha((unsigned char)s[0]) || s[0] == '_') {
        while (isalnum((unsigned char)s[n]) || s[n] == '_')
            n++;
    }
    return n;
}

/* What an expression is worth: a number, or a digit of one index. */
typedef struct term {
    bool is_number;
    int64_t number;
    digit d;
} term;

static hone_status read_sum(reader *r, unsigned depth, term *ret);

static hone_status read_primary(reader *r, unsigned depth, term *ret)
{
    *ret = (term){0};
    if (depth > 16)
        return malformed(r, "too many parentheses");
    if (take(r, "(")) {
        hone_status s = read_sum(r, depth + 1, ret);
        if (s != HONE_OK)
            return s;
        return take(r, ")") ? HONE_OK : malformed(r, "expected ')'");
    }
    if (isdigit((unsigned char)*r->at)) {
        ret->is_number = true;
        while (isdigit((unsigned char)*r->at)) {
            if (ret->number > INT64_C(1) << 40)
                return malformed(r, "number too large");
            ret->number = ret->number * 10 + (*r->at++ - '0');
        }
        return HONE_OK;
    }
    size_t n = name_length(r->at);
    if (!n)
        return malformed(r, "expected an index, a number or '('");
    for (unsigned k = 0; k < r->n_names; k++) {
        if (r->names[k].n == n && memcmp(r->names[k].s, r->at, n) == 0) {
            r->at += n;
            ret->d = (digit){k, 1, 0};
            return HONE_OK;
        }
    }
    unsigned v = 0;
    size_t k = 1;
    while (k < n && k < 5 && isdigit((unsigned char)r->at[k]))
        v = v * 10 + (unsigned)(r->at[k++] - '0');
    if (r->at[0] != 'v' || n < 2 || k != n || v >= r->n_v)
        return malformed(r, "unknown name");
    r->at += n;
    ret->is_number = true;
    ret->number = r->v[v];
    return HONE_OK;
}

static hone_status read_product(reader *r, unsigned depth, term *ret)
{
    hone_status s = read_primary(r, depth, ret);
    while (s == HONE_OK) {
        bool div = take(r, "//"), mod = !div && take(r, "%"), mul = !div && !mod && take(r, "*");
        if (!div && !mod && !mul)
            break;
        term by;
        s = read_primary(r, depth, &by);
        if (s != HONE_OK)
            break;
        if (mul || ret->is_number || !by.is_number) {
            r->foreign = true;
            continue;
        }
        if (by.number < 1 || by.number > INT64_C(1) << 40)
            return malformed(r, "// and % need a positive constant");
        digit *d = &ret->d;
        if (mod) /* (x % m) % c is a digit only when one of them does nothing */
            r->foreign = r->foreign || (d->mod && d->mod % by.number && by.number < d->mod);
        else if (d->mod) /* ((x // d) % m) // c = (x // dc) % (m / c) when c divides m */
            r->foreign = r->foreign || d->mod % by.number;
        if (r->foreign)
            continue;
        if (mod) {
            if (!d->mod || by.number < d->mod)
                d->mod = by.number;
        } else if (__builtin_mul_overflow(d->div, by.number, &d->div)) {
            return malformed(r, "number too large");
        } else if (d->mod) {
            d->mod /= by.number;
        }
    }
    return s;
}

static hone_status read_sum(reader *r, unsigned depth, term *ret)
{
    hone_status s = read_product(r, depth, ret);
    while (s == HONE_OK && (take(r, "+") || take(r, "-"))) {
        r->foreign = true;
        s = read_product(r, depth, ret);
    }
    return s;
}

/* "lambda a, b: (results)". HONE_E_INPUT: malformed. */
static hone_status read_map(reader *r, layout *ret)
{
    if (!take(r, "lambda") || name_length(r->at))
        return malformed(r, "expected \"lambda\"");
    do {
        skip_space(r);
        size_t n = name_length(r->at);
        if (!n || r->n_names == HONE_MAX_DIMS)
            return malformed(r, n ? "too many indices" : "expected a name");
        r->names[r->n_names].s = r->at;
        r->names[r->n_names++].n = n;
        r->at += n;
    } while (take(r, ","));
    if (!take(r, ":") || !take(r, "("))
        return malformed(r, "expected \": (\"");
    ret->n_sources = r->n_names;
    ret->n = 0;
    for (bool more = true; more && !take(r, ")");) {
        term t;
        hone_status s = read_sum(r, 0, &t);
        if (s != HONE_OK)
            return s;
        if (ret->n == HONE_MAX_DIMS)
            return malformed(r, "too many results");
        r->foreign = r->foreign || t.is_number;
        ret->digits[ret->n++] = t.d;
        more = take(r, ",");
        if (!more && !take(r, ")"))
            return malformed(r, "expected ',' or ')'");
    }
    skip_space(r);
    return *r->at || !ret->n ? malformed(r, "unexpected end of the map") : HONE_OK;
}

/* ---- legality -------------------------------------------------------------------------------- */

/* Do the digits of each index, least first, make up the whole index? */
static bool is_positional(const layout *l, const int64_t *shape)
{
    for (unsigned s = 0; s < l->n_sources; s++) {
        int64_t weight = 1; /* of the digit looked for */
        unsigned n = 0;
        for (unsigned k = 0; k < l->n; k++)
            n += l->digits[k].source == s && l->digits[k].mod != 1;
        for (unsigned found = 0; found < n; found++) {
            unsigned k = 0; /* x % 1 is always 0 and tells nothing */
            while (k < l->n && (l->digits[k].source != s || l->digits[k].div != weight ||
                                l->digits[k].mod == 1))
                k++;
            if (k == l->n)
                return false;
            if (!l->digits[k].mod) {
                weight = INT64_MAX;
                continue;
            }
            if (__builtin_mul_overflow(weight, l->digits[k].mod, &weight))
                return false;
        }
        if (weight < shape[s])
            return false;
    }
    return true;
}

/* Largest value plus one. */
static int64_t digit_extent(const digit *d, int64_t extent)
{
    int64_t most = (extent - 1) / d->div + 1;
    return d->mod && d->mod < most ? d->mod : most;
}

/* The writer stands alone in a chain of serial loops from the root, each bound to the iterator of
 * its place, and stores at its iterators in order. */
static bool is_plain_nest(const hone_program *p, hone_stmt block)
{
    const hone_stmt_row *row = hone_stmt_at(p, block);
    hone_stmt loops[HONE_MAX_DIMS];
    unsigned n = hone_loops_of(p, block, loops, HONE_MAX_DIMS);
    if (n != row->n_index || n != row->n_iters || row->where.i || row->init.i || !n)
        return false;
    if (!HONE_SAME(hone_stmt_at(p, loops[0])->parent, p->root))
        return false;
    for (unsigned k = 0; k < n; k++) {
        const hone_stmt_row *loop = hone_stmt_at(p, loops[k]);
        const hone_iter *it = hone_iter_at(p, block, k);
        hone_expr index = hone_store_index(p, block, k);
        if (!HONE_SAME(loop->first, loop->last) || loop->loop_kind != HONE_SERIAL || loop->anns ||
            it->kind != HONE_SPATIAL || hone_expr_op(p, it->binding) != HONE_OP_VAR ||
            hone_expr_at(p, it->binding)->sym != loop->var.i ||
            hone_expr_op(p, index) != HONE_OP_VAR || hone_expr_at(p, index)->sym != it->var.i)
            return false;
    }
    return true;
}

/* ---- rewriting ------------------------------------------------------------------------------- */

typedef struct relay_ctx {
    const layout *map;
    hone_buffer from, to;
} relay_ctx;

static hone_expr digit_of(hone_program *p, const digit *d, hone_expr e)
{
    if (d->div != 1)
        e = hone_binary(p, HONE_OP_FLOORDIV, e, hone_int(p, d->div));
    return d->mod ? hone_binary(p, HONE_OP_FLOORMOD, e, hone_int(p, d->mod)) : e;
}

static hone_expr relay_node(void *ctx, hone_program *p, hone_expr e)
{
    const relay_ctx *c = ctx;
    const hone_expr_row *row = hone_expr_at(p, e);
    if (row->op != HONE_OP_LOAD || row->sym != c->from.i)
        return e;
    hone_expr index[HONE_MAX_DIMS];
    for (unsigned k = 0; k < c->map->n; k++) {
        const digit *d = &c->map->digits[k];
        index[k] = hone_simplify(p, digit_of(p, d, hone_expr_arg(p, e, d->source)));
    }
    return hone_load(p, c->to, index, c->map->n);
}

/* Puts the block into a fresh nest over the new layout. */
static void rewrite_writer(hone_program *p, hone_stmt block, const layout *map,
                           const int64_t *old_shape, hone_buffer to)
{
    hone_stmt_row row = *hone_stmt_at(p, block);
    hone__nest nest = {0};
    hone_iter iters[HONE_MAX_DIMS];
    hone_expr index[HONE_MAX_DIMS], at[HONE_MAX_DIMS], old[HONE_MAX_DIMS], where = HONE_NO_EXPR;
    hone_var old_vars[HONE_MAX_DIMS];
    for (unsigned k = 0; k < map->n; k++) {
        char v[16];
        snprintf(v, sizeof v, "v%u", k);
        int64_t extent = hone_buffer_at(p, to)->shape[k];
        at[k] = hone__nest_loop(p, &nest, extent);
        iters[k] = (hone_iter){hone_var_new(p, v, extent), HONE_SPATIAL, at[k]};
        index[k] = hone_var_expr(p, iters[k].var);
    }
    for (unsigned s = 0; s < map->n_sources; s++) {
        hone_expr guard = old[s] = hone_int(p, 0);
        for (unsigned k = 0; k < map->n; k++) {
            const digit *d = &map->digits[k];
            if (d->source != s)
                continue;
            hone_expr weight = hone_int(p, d->div);
            old[s] =
                hone_binary(p, HONE_OP_ADD, old[s], hone_binary(p, HONE_OP_MUL, index[k], weight));
            guard = hone_binary(p, HONE_OP_ADD, guard, hone_binary(p, HONE_OP_MUL, at[k], weight));
        }
        hone__require_range(p, &where, guard, old_shape[s]);
        old_vars[s] = hone_iter_at(p, block, s)->var;
    }
    hone_expr value = hone_substitute(p, row.value, old_vars, old, map->n_sources);
    value = hone_simplify(p, value);

    hone_stmt top = hone__child_towards(p, p->root, block), inner = row.parent;
    hone_stmt_detach(p, block);
    hone_block_set_iters(p, block, iters, map->n);
    hone_block_set_store(p, block, to, index, map->n, value, HONE_NO_EXPR);
    hone_stmt_at(p, block)->where = where;
    hone_stmt_insert_before(p, top, hone__nest_close(p, &nest, block));
    hone_stmt_prune(p, inner);
}

hone_status hone__transform_layout(hone_program *p, hone_stmt block, const char *map,
                                   const int64_t *v, unsigned n, hone_error *err)
{
    reader r = {.text = map, .at = map, .v = v, .n_v = n, .err = err};
    layout l;
    hone_status s = read_map(&r, &l);
    if (s != HONE_OK)
        return s;
    if (!hone__is_leaf(p, block))
        return hone_fail(err, HONE_REJECT_ARG, "transform_layout: takes a block that writes");
    hone_buffer from = hone_stmt_at(p, block)->out;
    hone_buffer_row buffer = *hone_buffer_at(p, from);
    if (buffer.role != HONE_TEMP)
        return hone_fail(err, HONE_REJECT_LAYOUT,
                         "transform_layout: the layout of an argument is fixed");
    if (l.n_sources != buffer.n_dims || r.foreign || !is_positional(&l, buffer.shape))
        return hone_fail(err, HONE_REJECT_LAYOUT,
                         "transform_layout: \"%.200s\" does not keep every element apart", map);
    if (!is_plain_nest(p, block) || !hone__sole_writer(p, block) || hone__reads(p, block, from))
        return hone_fail(err, HONE_REJECT_LAYOUT,
                         "transform_layout: the writer's nest has been changed already");
    HONE__EACH_LEAF(p, p->root, leaf)
    {
        if (hone__reads_aside(p, leaf, from))
            return hone_fail(err, HONE_REJECT_LAYOUT,
                             "transform_layout: a consumer reads in an unusual way");
    }

    int64_t shape[HONE_MAX_DIMS];
    for (unsigned k = 0; k < l.n; k++)
        shape[k] = digit_extent(&l.digits[k], buffer.shape[l.digits[k].source]);
    /* A new row: the old loads are still interned with the old number of indices. The name, which
     * is free once nothing uses the old row, goes along. */
    hone_buffer to = hone_buffer_new(p, hone_sym_text(p, buffer.name), (hone_dtype)buffer.dtype,
                                     shape, l.n, HONE_TEMP, (hone_scope)buffer.scope);
    hone_sym fresh = hone_buffer_at(p, to)->name;
    hone_buffer_at(p, to)->name = buffer.name;
    hone_buffer_at(p, from)->name = fresh;
    relay_ctx ctx = {&l, from, to};
    HONE__EACH_LEAF(p, p->root, leaf)
    {
        hone_stmt_row row = *hone_stmt_at(p, leaf);
        if (HONE_SAME(leaf, block) || !hone__reads(p, leaf, from))
            continue;
        row.value = hone_rewrite(p, row.value, relay_node, &ctx);
        hone_stmt_at(p, leaf)->value = row.value;
    }
    rewrite_writer(p, block, &l, buffer.shape, to);
    return HONE_OK;
}
