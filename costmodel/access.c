/* What a block touches: strides and footprints of every access, per loop of its nest. Strides are
 * read off the index expressions directly, so that a candidate costs microseconds. */
#include "costmodel/internal.h"

#include <math.h>

static int position(const nest *ne, hone_var v)
{
    for (unsigned l = 0; l < ne->n; l++)
        if (HONE_SAME(ne->var[l], v))
            return (int)l;
    return -1;
}

static bool constant(const hone_program *p, hone_expr e, double *ret)
{
    if (hone_expr_op(p, e) != HONE_OP_INT)
        return false;
    *ret = (double)hone_expr_at(p, e)->imm.i;
    return true;
}

/* How far loop l moves a sum of loops, and those that move it in smaller steps. A quotient stays
 * what it is while they run within one divisor: a vector within a panel does not leave it. */
static double reach(const nest *ne, const double *move, unsigned l)
{
    double ret = 0;
    for (unsigned q = 0; q < ne->n; q++)
        if (fabs(move[q]) <= fabs(move[l]))
            ret += fabs(move[q]) * (ne->extent[q] - 1);
    return ret;
}

/* An index takes tens of steps. One that is a graph of many paths is not worth more than these:
 * what is left of it then counts as standing still. */
#define MAX_STEPS 2000

/* out[l] += scale * (change of e per step of loop l), on average. */
static void walk_strides(const hone_program *p, const nest *ne, hone_stmt block, hone_expr e,
                         double scale, double *out, unsigned *steps)
{
    const hone_expr_row *r = hone_expr_at(p, e);
    double c;
    if (++*steps > MAX_STEPS)
        return;
    switch ((hone_op)r->op) {
    case HONE_OP_VAR: {
        hone_var v = {r->sym};
        int l = position(ne, v);
        if (l >= 0) {
            out[l] += scale;
            return;
        }
        const hone_stmt_row *b = hone_stmt_at(p, block);
        for (unsigned k = 0; k < b->n_iters; k++) {
            const hone_iter *it = hone_iter_at(p, block, k);
            if (HONE_SAME(it->var, v))
                walk_strides(p, ne, block, it->binding, scale, out, steps);
        }
        return;
    }
    case HONE_OP_ADD:
    case HONE_OP_SUB:
        walk_strides(p, ne, block, hone_expr_arg(p, e, 0), scale, out, steps);
        walk_strides(p, ne, block, hone_expr_arg(p, e, 1), r->op == HONE_OP_SUB ? -scale : scale,
                     out, steps);
        return;
    case HONE_OP_MUL:
        if (constant(p, hone_expr_arg(p, e, 1), &c))
            walk_strides(p, ne, block, hone_expr_arg(p, e, 0), scale * c, out, steps);
        else if (constant(p, hone_expr_arg(p, e, 0), &c))
            walk_strides(p, ne, block, hone_expr_arg(p, e, 1), scale * c, out, steps);
        return;
    case HONE_OP_FLOORDIV: {
        double inner[MAX_NEST] = {0};
        if (!constant(p, hone_expr_arg(p, e, 1), &c) || c <= 0)
            return;
        walk_strides(p, ne, block, hone_expr_arg(p, e, 0), 1, inner, steps);
        for (unsigned l = 0; l < ne->n; l++)
            out[l] += reach(ne, inner, l) < c ? 0 : scale * inner[l] / c;
        return;
    }
    case HONE_OP_FLOORMOD: {
        double inner[MAX_NEST] = {0};
        if (!constant(p, hone_expr_arg(p, e, 1), &c) || c <= 0)
            return;
        walk_strides(p, ne, block, hone_expr_arg(p, e, 0), 1, inner, steps);
        for (unsigned l = 0; l < ne->n; l++) {
            /* lanes through several rows, of x // n and x % n: the quotient has all of their way */
            bool wraps = ne->kind[l] == HONE_VECTORIZED && reach(ne, inner, l) >= c;
            out[l] += fabs(inner[l]) < c && !wraps ? scale * inner[l] : 0;
        }
        return;
    }
    case HONE_OP_MIN:
    case HONE_OP_MAX:
    case HONE_OP_CAST:
        walk_strides(p, ne, block, hone_expr_arg(p, e, 0), scale, out, steps);
        return;
    case HONE_OP_SELECT:
        walk_strides(p, ne, block, hone_expr_arg(p, e, 1), scale, out, steps);
        return;
    default:
        return;
    }
}

static void add_strides(const hone_program *p, const nest *ne, hone_stmt block, hone_expr e,
                        double *out)
{
    unsigned steps = 0;
    walk_strides(p, ne, block, e, 1, out, &steps);
}

/* Elements from row to row of the buffer, dimension by dimension, as they lie in memory. */
static void pitches(const hone_program *p, hone_buffer buffer, double ret[HONE_MAX_DIMS])
{
    const hone_buffer_row *b = hone_buffer_at(p, buffer);
    hone_align align[HONE_MAX_DIMS] = {0};
    hone_stmt writer = b->role == HONE_TEMP ? hone_writer_of(p, buffer) : (hone_stmt){0};
    if (writer.i)
        hone_aligns_of(p, writer, align);
    double pitch = 1;
    for (unsigned d = b->n_dims; d-- > 0;) {
        const hone_align *a = &align[d];
        if (a->factor)
            pitch += fmod(fmod((double)a->offset - pitch, (double)a->factor) + (double)a->factor,
                          (double)a->factor);
        ret[d] = pitch;
        pitch *= (double)b->shape[d];
    }
}

/* Lines that rows `pitch` bytes apart keep from other use, `run` of each being needed: in a cache
 * that is indexed by the address within a page, rows that start at the same place in it compete
 * for the same sets. */
static double crowd(double pitch, double run, double line)
{
    double apart = 1, sets = HONE_SMALL_PAGE / line;
    while (apart < sets && fmod(pitch, 2 * apart * line) == 0)
        apart *= 2;
    return fmax(run, apart);
}

static void add_access(const hone_program *p, const hone_target *t, block_view *v,
                       hone_buffer buffer, const hone_expr *index, bool write)
{
    nest *ne = &v->nest;
    for (unsigned k = 0; k < v->n_access; k++)
        if (HONE_SAME(v->access[k].buffer, buffer)) {
            v->access[k].read |= !write;
            v->access[k].write |= write;
            return;
        }
    if (v->n_access == MAX_ACCESS)
        return;
    access *a = &v->access[v->n_access++];
    const hone_buffer_row *b = hone_buffer_at(p, buffer);
    a->buffer = buffer;
    a->read = !write;
    a->write = write;
    a->local = b->scope == HONE_LOCAL;
    const hone_ann *stream = hone_ann_get(p, v->block, HONE_ANN_STREAM);
    a->streams = write && stream && stream->value == 1;
    a->dims = b->n_dims;
    a->bytes = hone_dtype_bytes((hone_dtype)b->dtype);
    memset(a->move, 0, sizeof a->move);
    memset(a->stride, 0, a->dims * sizeof a->stride[0]);
    double pitch = 1;
    for (unsigned d = a->dims; d-- > 0;) {
        add_strides(p, ne, v->block, index[d], a->stride[d]);
        for (unsigned l = 0; l < ne->n; l++)
            a->move[l] += a->stride[d][l] * pitch;
        pitch *= (double)b->shape[d];
    }
    double line = (double)t->cache_line / a->bytes, span[HONE_MAX_DIMS], apart[HONE_MAX_DIMS];
    pitches(p, buffer, apart);
    for (unsigned d = 0; d < a->dims; d++)
        span[d] = 1;
    for (unsigned l = ne->n + 1; l-- > 0;) {
        double elements = 1, together = 1, pieces = 1, from_piece_to_piece = 1;
        a->run[l] = 1;
        for (unsigned d = a->dims; d-- > 0;) {
            if (l < ne->n)
                span[d] += fabs(a->stride[d][l]) * (ne->extent[l] - 1);
            double x = fmin(span[d], (double)b->shape[d]);
            elements *= x;
            if (d + 1 == a->dims)
                a->run[l] = x;
            if (pieces == 1 && together == apart[d]) { /* the next row begins where one ends */
                together *= x;
            } else if (x > 1) {
                from_piece_to_piece = pieces == 1 ? apart[d] : from_piece_to_piece;
                pieces *= x;
            }
        }
        double full = fmax(1, together / line);
        a->elements[l] = elements;
        a->lines[l] = a->crowded[l] = pieces * full;
        if (pieces > 1)
            a->crowded[l] = pieces * crowd(from_piece_to_piece * a->bytes, full, t->cache_line);
    }
}

typedef struct flops {
    double n;
    unsigned steps;
} flops;

/* What is used twice is computed once. Where indices alone say which arm of a select it is, as at a
 * border and in a transform's rows, code generation cuts the loops into parts that have one arm and
 * no condition: the first stands for all. */
static bool count_flops(void *ctx, const hone_program *p, hone_expr e)
{
    flops *f = ctx;
    hone_op op = hone_expr_op(p, e);
    if (++f->steps > MAX_STEPS || op == HONE_OP_LOAD ||
        (hone_expr_dtype(p, e) == HONE_BOOL && !hone_has_load(p, e)))
        return false;
    if (op == HONE_OP_SELECT && !hone_has_load(p, hone_expr_arg(p, e, 0))) {
        hone_walk(p, hone_expr_arg(p, e, 1), count_flops, f);
        return false;
    }
    if (op >= HONE_OP_ADD && op != HONE_OP_CAST)
        f->n += (op >= HONE_OP_EXP && op <= HONE_OP_ERF) || op >= HONE_OP_SIN ? 16 : 1;
    return true;
}

void hone_costmodel__view(const hone_program *p, hone_stmt block, const hone_target *t,
                          block_view *v)
{
    hone_stmt loops[MAX_NEST];
    unsigned n = hone_loops_of(p, block, loops, MAX_NEST);
    memset(v, 0, offsetof(block_view, access));
    v->n_access = 0;
    v->block = block;
    nest *ne = &v->nest;
    ne->n = n < MAX_NEST ? n : MAX_NEST;
    ne->inside[ne->n] = 1;
    for (unsigned l = ne->n; l-- > 0;) {
        const hone_stmt_row *r = hone_stmt_at(p, loops[l]);
        ne->var[l] = r->var;
        ne->kind[l] = r->loop_kind;
        ne->intrin[l] = r->anns && hone_ann_get(p, loops[l], "hone.intrin");
        ne->extent[l] = (double)hone_loop_extent(p, loops[l]);
        ne->inside[l] = ne->inside[l + 1] * ne->extent[l];
    }
    const hone_stmt_row *b = hone_stmt_at(p, block);
    double domain = 1, turns = 1;
    bool moves[MAX_NEST] = {false};
    for (unsigned k = 0; k < b->n_iters; k++) {
        const hone_iter *it = hone_iter_at(p, block, k);
        domain *= (double)hone_var_at(p, it->var)->extent;
        double s[MAX_NEST] = {0};
        add_strides(p, ne, block, it->binding, s);
        for (unsigned l = 0; l < ne->n; l++) {
            moves[l] |= s[l] != 0;
            ne->reduce[l] |= s[l] != 0 && it->kind == HONE_REDUCE;
        }
    }
    for (unsigned l = 0; l < ne->n; l++) /* the others do everything once more */
        turns *= moves[l] ? ne->extent[l] : 1;
    v->useful = b->where.i ? fmin(1, domain / turns) : 1;
    flops f = {0};
    hone_walk(p, b->value, count_flops, &f);
    v->flops = f.n;
    add_access(p, t, v, b->out, &p->args.v[b->index], true);
    hone_expr loads[MAX_ACCESS];
    hone_op op;
    hone_expr operand;
    if (hone_block_reduction(p, block, &op, &operand))
        v->access[0].read = true;
    unsigned n_loads = hone_block_loads(p, block, loads, MAX_ACCESS);
    for (unsigned k = 0; k < n_loads && k < MAX_ACCESS; k++) {
        const hone_expr_row *r = hone_expr_at(p, loads[k]);
        add_access(p, t, v, (hone_buffer){r->sym}, &p->args.v[r->args], false);
    }
}
