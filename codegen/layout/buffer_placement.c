/* Where buffers live. A temporary is needed inside the innermost loop that holds all its accesses,
 * for one iteration at a time: it is cut down to the box touched there, and every access counts
 * from the box's start. Register tiles then have constant indices. */
#include "codegen/internal.h"

typedef struct access {
    cg_leaf *leaf;
    hone_buffer b;
    unsigned n;
    const hone_expr *index;
} access;

unsigned hone_cg__elem_bytes(hone_dtype t)
{
    return (unsigned)hone_dtype_bytes(t);
}

static hone_buffer_row *buffer(cg *e, uint32_t b)
{
    return hone_buffer_at(&e->q, (hone_buffer){b});
}

/* ---- accesses ------------------------------------------------------------------------------- */

typedef void (*visit)(cg *e, access a, hone_expr load, void *ctx);

static void visit_loads(cg *e, cg_leaf *leaf, hone_expr x, visit fn, void *ctx, hone_memo *seen)
{
    hone_expr_row r = *hone_expr_at(&e->q, x);
    if (!hone_has_load(&e->q, x) || !hone_memo_first(seen, x.i)) {
        return;
    }
    for (unsigned k = 0; k < r.n_args; k++) {
        visit_loads(e, leaf, hone_expr_arg(&e->q, x, k), fn, ctx, seen);
    }
    if (r.op == HONE_OP_LOAD) {
        hone_expr index[HONE_MAX_DIMS];
        for (unsigned k = 0; k < r.n_args; k++) {
            index[k] = hone_expr_arg(&e->q, x, k);
        }
        fn(e, (access){leaf, {r.sym}, r.n_args, index}, x, ctx);
    }
}

/* Loads and stores of a leaf; for the store `load` is the block's own element. */
static void visit_leaf(cg *e, cg_leaf *leaf, visit fn, void *ctx)
{
    hone_memo seen;
    seen.n = seen.mask = 0;
    visit_loads(e, leaf, leaf->value, fn, ctx, &seen);
    if (leaf->init.i) {
        visit_loads(e, leaf, leaf->init, fn, ctx, &seen);
    }
    for (unsigned k = 0; k < leaf->n_conds; k++) {
        visit_loads(e, leaf, leaf->conds[k].e, fn, ctx, &seen);
    }
    hone_memo_free(&seen);
    fn(e, (access){leaf, leaf->out, leaf->n_index, leaf->index}, leaf->own, ctx);
}

static void visit_all(cg *e, visit fn, void *ctx)
{
    for (uint32_t i = 1; i < e->leaves.n; i++) {
        visit_leaf(e, &e->leaves.v[i], fn, ctx);
    }
}

/* ---- prepacked inputs ----------------------------------------------------------------------- */

/* The child of the root that s is in. */
static hone_stmt top_of(cg *e, hone_stmt s)
{
    hone_stmt up = hone_stmt_at(&e->q, s)->parent;
    while (up.i && !HONE_SAME(up, e->q.root)) {
        s = up;
        up = hone_stmt_at(&e->q, s)->parent;
    }
    return s;
}

static void find_packs(cg *e)
{
    hone_ahead_find(&e->q, false, &e->ahead);
    for (unsigned k = 0; k < e->n_args; k++) {
        e->packed[k] = e->ahead.packed[k + 1];
    }
}

/* ---- boxes ---------------------------------------------------------------------------------- */

typedef struct boxes {
    uint32_t b;
    hone_stmt at;  /* the loop or block one iteration of which the buffer lives for */
    hone_stmt top; /* the root's child in which it is used first */
    bool any;
    hone_box box;
    bool whole[HONE_MAX_DIMS];
    uint32_t lane_votes[HONE_MAX_DIMS];
    int64_t lanes; /* widest vectorised loop along the dimension voted for */
} boxes;

static void note_lca(cg *e, access a, hone_expr load, void *ctx)
{
    (void)load;
    boxes *x = ctx;
    if (a.b.i == x->b) {
        x->top = x->top.i ? x->top : top_of(e, a.leaf->s);
        x->at = x->at.i ? hone_lca(&e->q, x->at, a.leaf->s) : a.leaf->s;
    }
}

static void widen(cg *e, boxes *x, unsigned d, hone_expr start, int64_t extent)
{
    int64_t by;
    hone_expr apart = hone_binary(&e->q, HONE_OP_SUB, start, x->box.start[d]);
    if (!hone_is_int(&e->q, hone_simplify(&e->q, apart), &by)) {
        x->whole[d] = true;
        return;
    }
    int64_t end = x->box.extent[d] > by + extent ? x->box.extent[d] : by + extent;
    if (by < 0) {
        x->box.start[d] = start;
        end -= by;
    }
    x->box.extent[d] = end;
}

static void note_box(cg *e, access a, hone_expr load, void *ctx)
{
    (void)load;
    boxes *x = ctx;
    if (a.b.i != x->b) {
        return;
    }
    hone_stmt below = a.leaf->s;
    while (!HONE_SAME(hone_stmt_at(&e->q, below)->parent, x->at)) {
        below = hone_stmt_at(&e->q, below)->parent;
    }
    hone_box box;
    bool known = hone_access_box(&e->q, a.b, a.index, a.leaf->s, below, &box);
    for (unsigned d = 0; d < a.n; d++) {
        if (!known) {
            x->whole[d] = true;
        } else if (!x->any) {
            x->box.start[d] = box.start[d];
            x->box.extent[d] = box.extent[d];
        } else {
            widen(e, x, d, box.start[d], box.extent[d]);
        }
        cg_lin l = hone_cg__lin(e, a.index[d]);
        for (uint32_t k = 0; k < l.n; k++) {
            cg_term t = e->terms.v[l.first + k];
            hone_stmt loop = t.var.i ? hone_var_at(&e->q, t.var)->owner : HONE_NO_STMT;
            if (t.coeff == 1 && hone_is_loop(&e->q, loop) &&
                hone_stmt_at(&e->q, loop)->loop_kind == HONE_VECTORIZED) {
                x->lane_votes[d]++;
                int64_t n = hone_loop_extent(&e->q, loop);
                x->lanes = n > x->lanes ? n : x->lanes;
            }
        }
    }
    x->any = true;
}

/* What storage_align asked of the blocks that write the buffer. */
static void aligns_of(cg *e, uint32_t b, hone_align ret[HONE_MAX_DIMS])
{
    memset(ret, 0, HONE_MAX_DIMS * sizeof *ret);
    for (uint32_t i = 1; i < e->leaves.n; i++) {
        hone_align one[HONE_MAX_DIMS];
        if (e->leaves.v[i].out.i != b) {
            continue;
        }
        hone_aligns_of(&e->q, e->leaves.v[i].s, one);
        for (unsigned d = 0; d < HONE_MAX_DIMS; d++) {
            ret[d] = one[d].factor ? one[d] : ret[d];
        }
    }
}

/* Row-major strides; in a register tile the dimension vectors run along comes last, and rows begin
 * at multiples of a vector, also those of a part of one: rows that overlap are no registers.
 * Returns the number of elements. */
static int64_t lay_out(cg_place *pl, unsigned n, bool tile, const boxes *x,
                       const hone_align align[HONE_MAX_DIMS])
{
    unsigned last = n ? n - 1 : 0;
    for (unsigned d = 0; tile && d < n; d++) {
        last = x->lane_votes[d] > x->lane_votes[last] ? d : last;
    }
    __int128 stride = 1;
    if (n) {
        pl->stride[last] = 1;
        stride = pl->shape[last];
        if (tile && x->lanes) {
            stride += (x->lanes - stride % x->lanes) % x->lanes;
        }
    }
    for (unsigned d = n; d-- > 0;) {
        if (d != last) {
            int64_t f = align[d].factor;
            stride += f ? (f + align[d].offset - (int64_t)(stride % f)) % f : 0;
            pl->stride[d] = (int64_t)stride;
            stride *= pl->shape[d];
        }
        stride = stride > INT64_MAX / 64 ? INT64_MAX / 64 : stride;
    }
    return (int64_t)stride;
}

static int64_t most_lanes(cg *e)
{
    int64_t n = 0;
    for (hone_stmt s = e->q.root; s.i; s = hone_next(&e->q, e->q.root, s)) {
        if (hone_is_loop(&e->q, s) && hone_stmt_at(&e->q, s)->loop_kind == HONE_VECTORIZED) {
            n = hone_loop_extent(&e->q, s) > n ? hone_loop_extent(&e->q, s) : n;
        }
    }
    return n;
}

static hone_stmt owner_of(cg *e, hone_stmt s)
{
    while (s.i && !(hone_is_loop(&e->q, s) && hone_stmt_at(&e->q, s)->loop_kind == HONE_PARALLEL)) {
        s = hone_stmt_at(&e->q, s)->parent;
    }
    return s;
}

static void place_temp(cg *e, uint32_t b)
{
    hone_buffer_row r = *buffer(e, b);
    cg_place *pl = &e->places.v[b];
    boxes x = {.b = b};
    visit_all(e, note_lca, &x);
    if (!x.at.i) {
        return; /* never touched */
    }
    /* Lanes of a vectorised loop run at once: each needs its own element. */
    while (hone_cg__leaf(e, x.at) ||
           (hone_is_loop(&e->q, x.at) && hone_stmt_at(&e->q, x.at)->loop_kind == HONE_VECTORIZED)) {
        x.at = hone_stmt_at(&e->q, x.at)->parent;
    }
    if (e->o->plain) {
        x.at = e->q.root;
    }
    visit_all(e, note_box, &x);
    for (unsigned d = 0; d < r.n_dims; d++) {
        bool whole = e->o->plain || x.whole[d] || x.box.extent[d] > r.shape[d];
        pl->start[d] = whole ? HONE_NO_EXPR : x.box.start[d];
        pl->shape[d] = whole ? r.shape[d] : x.box.extent[d];
    }
    bool local = r.scope == HONE_LOCAL && !e->o->plain;
    pl->owner = owner_of(e, x.at);
    pl->pack = e->pack = hone_ahead_of(&e->ahead, x.top);
    hone_align align[HONE_MAX_DIMS] = {{0}};
    if (!e->o->plain) {
        aligns_of(e, b, align);
    }
    pl->elems = lay_out(pl, r.n_dims, local, &x, align);
    int64_t width = hone_dtype_bytes((hone_dtype)r.dtype), bytes = pl->elems * width;
    if (local && bytes > CG_MAX_LOCAL_BYTES) {
        hone_cg__fail(e, HONE_REJECT_TOO_BIG,
                      "Local buffer \"%s\" needs %" PRId64 " bytes per iteration, %d are allowed.",
                      hone_sym_text(&e->q, r.name), bytes, CG_MAX_LOCAL_BYTES);
    }
    if (local || bytes <= CG_STACK_TEMP_BYTES) {
        pl->where = CG_STACK;
        pl->elems += most_lanes(e); /* a vector may read, not write, past the end */
    } else {
        pl->offset = hone_cg__scratch_bytes(e, pl->owner); /* after those placed so far */
        pl->where = CG_SCRATCH;
        int64_t most = e->o->plain ? CG_MAX_PLAIN_BYTES : CG_MAX_SCRATCH_BYTES;
        if (bytes > most - pl->offset) {
            hone_cg__fail(e, HONE_REJECT_TOO_BIG,
                          "Temporary buffers need more than %" PRId64 " bytes.", most);
        }
    }
}

bool hone_cg__lives_in(const cg *e, const cg_place *pl, hone_stmt owner)
{
    return HONE_SAME(pl->owner, owner) && pl->pack == e->pack;
}

int64_t hone_cg__scratch_bytes(const cg *e, hone_stmt owner)
{
    int64_t n = 0;
    for (uint32_t b = 1; b < e->places.n; b++) {
        const cg_place *pl = &e->places.v[b];
        if (pl->where == CG_SCRATCH && hone_cg__lives_in(e, pl, owner)) {
            int width = hone_dtype_bytes((hone_dtype)e->q.buffers.v[b].dtype);
            int64_t end = pl->offset + pl->elems * width;
            n = end > n ? (end + 63) / 64 * 64 : n;
        }
    }
    return n;
}

/* ---- offsets -------------------------------------------------------------------------------- */

static void set_offset(cg *e, access a, hone_expr load, void *ctx)
{
    (void)ctx;
    while (e->offset_of.n <= load.i) {
        hone_vec_push(&e->offset_of, 0);
    }
    hone_program *q = &e->q;
    const cg_place *pl = &e->places.v[a.b.i];
    if (!e->offset_of.v[load.i]) {
        hone_expr sum = hone_int(q, 0);
        for (unsigned d = 0; d < a.n; d++) {
            hone_expr x = a.index[d];
            x = pl->start[d].i ? hone_binary(q, HONE_OP_SUB, x, pl->start[d]) : x;
            x = hone_binary(q, HONE_OP_MUL, x, hone_int(q, pl->stride[d]));
            sum = hone_binary(q, HONE_OP_ADD, sum, x);
        }
        e->offset_of.v[load.i] = hone_simplify(q, sum).i;
    }
    if (HONE_SAME(load, a.leaf->own)) {
        a.leaf->offset = (hone_expr){e->offset_of.v[load.i]};
    }
}

static void visit_use(cg *e, const cg_use *u)
{
    cg_leaf *leaf = hone_cg__leaf(e, u->leaf);
    hone_memo seen = {0};
    for (unsigned a = 0; a < u->in->n_args; a++) {
        visit_loads(e, leaf, u->load[a], set_offset, NULL, &seen);
    }
    hone_memo_free(&seen);
}

void hone_cg__place(cg *e)
{
    uint32_t n = e->q.buffers.n;
    e->n_args = hone_program_n_args(&e->q);
    if (e->n_args > HONE_MAX_ARGS) {
        hone_cg__fail(e, HONE_REJECT_BUILD, "The kernel has more than %d arguments.",
                      HONE_MAX_ARGS);
        return;
    }
    for (uint32_t b = 0; b < n; b++) {
        hone_vec_push(&e->places, (cg_place){0});
    }
    if (!e->o->no_prepack && !e->o->plain) {
        find_packs(e);
    }
    for (uint32_t b = 1; b < n && e->status == HONE_OK; b++) {
        bool packed = false;
        for (unsigned k = 0; k < e->n_args; k++) {
            packed = packed || e->packed[k].i == b;
        }
        if (buffer(e, b)->role == HONE_TEMP && !packed) {
            place_temp(e, b);
            continue;
        }
        cg_place *pl = &e->places.v[b];
        pl->where = CG_ARG;
        memcpy(pl->shape, buffer(e, b)->shape, sizeof pl->shape);
        hone_align align[HONE_MAX_DIMS] = {{0}};
        if (packed) {
            aligns_of(e, b, align);
        } else if (e->o->pitch && b <= e->n_args && e->o->pitch[b - 1]) {
            HONE_ASSERT(buffer(e, b)->n_dims >= 2);
            align[buffer(e, b)->n_dims - 2].factor = e->o->pitch[b - 1];
        }
        pl->elems = lay_out(pl, buffer(e, b)->n_dims, false, &(boxes){0}, align);
    }
    e->pack = 0;
    if (e->status == HONE_OK) {
        visit_all(e, set_offset, NULL);
        for (uint32_t k = 0; k < e->uses.n; k++) {
            visit_use(e, &e->uses.v[k]);
        }
    }
    if (e->q.overflow) {
        hone_cg__fail(e, HONE_REJECT_TOO_BIG, "The program is too large.");
    }
}
