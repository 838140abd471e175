/* merge: nests that stand side by side become one nest, as in TVM (Merge), which leaves it to the
 * caller that this is legal. Here every two accesses to one element, of which one writes, must keep
 * their order: at each level the later nest reaches an element no earlier than the earlier one. */
#include "space/prim/prim.h"
#include "space/prim/util.h"

#define MAX_NESTS 8
#define MAX_DEPTH 8
#define MAX_ACCESSES 64

typedef struct nests {
    unsigned n, depth;
    hone_stmt chain[MAX_NESTS][MAX_DEPTH]; /* outermost first; nests in the order they stand in */
} nests;

/* ---- shape ----------------------------------------------------------------------------------- */

/* The loops from below `above` down to `loop`, each the only child of the one before. */
static bool chain_to(const hone_program *p, hone_stmt above, hone_stmt loop,
                     hone_stmt ret[MAX_DEPTH], unsigned *ret_n)
{
    unsigned n = 0;
    hone_stmt s = loop;
    for (; hone_is_loop(p, s) && !HONE_SAME(s, above); s = hone_stmt_at(p, s)->parent) {
        if (n == MAX_DEPTH || (n && !hone_prim__only_child(p, s, ret[n - 1])))
            return false;
        ret[n++] = s;
    }
    for (unsigned k = 0; k < n / 2; k++) {
        hone_stmt t = ret[k];
        ret[k] = ret[n - 1 - k];
        ret[n - 1 - k] = t;
    }
    *ret_n = n;
    return n > 0 && HONE_SAME(s, above);
}

static hone_status find_nests(const hone_program *p, const hone_stmt *loops, unsigned n, nests *ret,
                              hone_error *err)
{
    if (n < 2 || n > MAX_NESTS)
        return hone_fail(err, HONE_REJECT_ARG, "merge: %u loops; from 2 to %d", n, MAX_NESTS);
    for (unsigned k = 0; k < n; k++)
        HONE_TRY(hone_prim__check_plain(p, loops[k], "merge", err));
    hone_stmt above = loops[0];
    for (unsigned k = 1; k < n; k++)
        above = hone_lca(p, above, loops[k]);
    ret->n = n;
    for (unsigned k = 0; k < n; k++) {
        unsigned depth = 0;
        if (!chain_to(p, above, loops[k], ret->chain[k], &depth))
            return hone_fail(err, HONE_REJECT_NOT_CHAIN,
                             "merge: more than one statement in a loop between '%s' and what the "
                             "loops have in common",
                             hone_sym_text(p, hone_stmt_at(p, loops[k])->name));
        if (k && depth != ret->depth)
            return hone_fail(err, HONE_REJECT_NOT_CHAIN, "merge: the nests differ in depth");
        ret->depth = depth;
        for (unsigned d = 0; d < depth; d++) {
            HONE_TRY(hone_prim__check_plain(p, ret->chain[k][d], "merge", err));
            if (hone_loop_extent(p, ret->chain[k][d]) != hone_loop_extent(p, ret->chain[0][d]))
                return hone_fail(err, HONE_REJECT_NOT_CHAIN, "merge: the extents differ");
        }
    }
    /* in the order they stand in; one after the other */
    for (unsigned k = 1; k < n; k++) {
        for (unsigned q = k;
             q > 0 && hone_prim__is_before(p, ret->chain[q][0], ret->chain[q - 1][0]); q--) {
            hone_stmt t[MAX_DEPTH];
            memcpy(t, ret->chain[q], sizeof t);
            memcpy(ret->chain[q], ret->chain[q - 1], sizeof t);
            memcpy(ret->chain[q - 1], t, sizeof t);
        }
    }
    for (unsigned k = 1; k < n; k++)
        if (!HONE_SAME(hone_stmt_at(p, ret->chain[k - 1][0])->next, ret->chain[k][0]))
            return hone_fail(err, HONE_REJECT_NOT_CHAIN,
                             "merge: another statement stands between the nests");
    return HONE_OK;
}

/* ---- dependencies ---------------------------------------------------------------------------- */

typedef struct accesses {
    unsigned n; /* MAX_ACCESSES + 1: too many */
    struct {
        hone_stmt leaf;
        hone_expr load; /* none: the store */
    } v[MAX_ACCESSES];
} accesses;

typedef struct collect_ctx {
    accesses *out;
    hone_stmt leaf;
} collect_ctx;

static void add_access(accesses *a, hone_stmt leaf, hone_expr load)
{
    if (a->n < MAX_ACCESSES) {
        a->v[a->n].leaf = leaf;
        a->v[a->n].load = load;
    }
    a->n += a->n <= MAX_ACCESSES;
}

static bool collect_load(void *ctx, const hone_program *p, hone_expr e)
{
    collect_ctx *c = ctx;
    if (hone_expr_op(p, e) == HONE_OP_LOAD)
        add_access(c->out, c->leaf, e);
    return true;
}

/* All loads and stores below; false when there are too many, or blocks in blocks. */
static bool collect(const hone_program *p, hone_stmt top, accesses *ret)
{
    ret->n = 0;
    for (hone_stmt s = top; s.i; s = hone_next(p, top, s)) {
        if (!hone_is_block(p, s))
            continue;
        if (!hone_prim__is_leaf(p, s))
            return false;
        collect_ctx c = {ret, s};
        const hone_stmt_row *row = hone_stmt_at(p, s);
        hone_walk(p, row->value, collect_load, &c);
        if (row->init.i)
            hone_walk(p, row->init, collect_load, &c);
        for (unsigned k = 0; k < row->n_index; k++)
            hone_walk(p, hone_store_index(p, s, k), collect_load, &c);
        add_access(ret, s, HONE_NO_EXPR);
    }
    return ret->n <= MAX_ACCESSES;
}

static hone_buffer buffer_of(const hone_program *p, const accesses *a, unsigned k)
{
    hone_expr load = a->v[k].load;
    return load.i ? (hone_buffer){hone_expr_at(p, load)->sym} : hone_stmt_at(p, a->v[k].leaf)->out;
}

static hone_expr index_of(hone_program *p, const accesses *a, unsigned k, unsigned d)
{
    hone_expr load = a->v[k].load;
    hone_stmt leaf = a->v[k].leaf;
    return hone_bind(p, leaf, load.i ? hone_expr_arg(p, load, d) : hone_store_index(p, leaf, d));
}

/* If both reach the same element, is u (of the earlier nest) at most v there? So it is when along
 * some dimension the places are c*u + r and c*v + s with s - r always below c. */
static bool keeps_order(hone_program *p, const accesses *a, unsigned i, hone_var u,
                        const accesses *b, unsigned j, hone_var v)
{
    unsigned n = hone_buffer_at(p, buffer_of(p, a, i))->n_dims;
    for (unsigned d = 0; d < n; d++) {
        int64_t c, e, lo, hi;
        hone_expr r, s;
        if (hone_linear(p, index_of(p, a, i, d), &u, 1, &c, &r) &&
            hone_linear(p, index_of(p, b, j, d), &v, 1, &e, &s) && c == e && c > 0 &&
            hone_bounds(p, hone_simplify(p, hone_binary(p, HONE_OP_SUB, s, r)), &lo, &hi) && hi < c)
            return true;
    }
    return false;
}

static hone_status check_pair(hone_program *p, const hone_stmt *first, const hone_stmt *second,
                              unsigned depth, hone_error *err)
{
    accesses a, b;
    if (!collect(p, first[depth - 1], &a) || !collect(p, second[depth - 1], &b))
        return hone_fail(err, HONE_REJECT_TOO_BIG,
                         "merge: blocks in blocks, or more than %d accesses in a nest",
                         MAX_ACCESSES);
    for (unsigned i = 0; i < a.n; i++) {
        for (unsigned j = 0; j < b.n; j++) {
            if ((a.v[i].load.i && b.v[j].load.i) ||
                !HONE_SAME(buffer_of(p, &a, i), buffer_of(p, &b, j)))
                continue;
            if (hone_prim__is_rolling(p, a.v[i].leaf) || hone_prim__is_rolling(p, b.v[j].leaf))
                return hone_fail(err, HONE_REJECT_DEPENDENCY,
                                 "merge: block '%s' and '%s' share a buffer that is kept from one "
                                 "iteration to the next",
                                 hone_sym_text(p, hone_stmt_at(p, a.v[i].leaf)->name),
                                 hone_sym_text(p, hone_stmt_at(p, b.v[j].leaf)->name));
            for (unsigned d = 0; d < depth; d++)
                if (hone_loop_extent(p, first[d]) > 1 &&
                    !keeps_order(p, &a, i, hone_stmt_at(p, first[d])->var, &b, j,
                                 hone_stmt_at(p, second[d])->var))
                    return hone_fail(
                        err, HONE_REJECT_DEPENDENCY,
                        "merge: block '%s' may need elements of '%s' from later iterations of '%s'",
                        hone_sym_text(p, hone_stmt_at(p, b.v[j].leaf)->name),
                        hone_sym_text(p, hone_buffer_at(p, buffer_of(p, &a, i))->name),
                        hone_sym_text(p, hone_stmt_at(p, first[d])->name));
        }
    }
    return HONE_OK;
}

/* ---- change ---------------------------------------------------------------------------------- */

hone_status hone_prim__merge(hone_program *p, const hone_stmt *loops, unsigned n, hone_stmt *ret,
                             hone_error *err)
{
    nests s = {0};
    HONE_TRY(find_nests(p, loops, n, &s, err));
    for (unsigned k = 0; k < n; k++)
        for (unsigned q = k + 1; q < n; q++)
            HONE_TRY(check_pair(p, s.chain[k], s.chain[q], s.depth, err));

    hone_stmt merged[MAX_DEPTH];
    hone_expr to[MAX_DEPTH];
    for (unsigned d = 0; d < s.depth; d++) {
        char name[64];
        const char *old = hone_sym_text(p, hone_stmt_at(p, s.chain[0][d])->name);
        snprintf(name, sizeof name, "%.*s_m", HONE_UTF8_CUT(old, 60));
        merged[d] = hone_loop_new(p, name, hone_loop_extent(p, s.chain[0][d]));
        to[d] = hone_var_expr(p, hone_stmt_at(p, merged[d])->var);
        if (d)
            hone_stmt_append(p, merged[d - 1], merged[d]);
    }
    hone_stmt_insert_before(p, s.chain[0][0], merged[0]);
    for (unsigned k = 0; k < n; k++) {
        hone_var from[MAX_DEPTH];
        hone_stmt inner = s.chain[k][s.depth - 1];
        for (unsigned d = 0; d < s.depth; d++)
            from[d] = hone_stmt_at(p, s.chain[k][d])->var;
        hone_prim__rewrite_below(p, inner, from, to, s.depth, HONE_NO_EXPR);
        hone_prim__move_children(p, inner, merged[s.depth - 1]);
        hone_stmt_remove(p, s.chain[k][0]);
    }
    *ret = merged[s.depth - 1];
    return HONE_OK;
}
