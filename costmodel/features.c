/* One row of numbers per leaf block: costmodel/features.def says what each is. */
#include "costmodel/internal.h"

#include <math.h>

#define BUFFERS 5
#define PER_BUFFER 18

static const struct {
    const char *name;
    unsigned count;
} groups[] = {
#define HONE_FEATURE(name, count, text) {#name, count},
#include "costmodel/features.def"
#undef HONE_FEATURE
};

char *hone_feature_name(unsigned k)
{
    for (unsigned g = 0; g < HONE_LEN(groups); k -= groups[g++].count)
        if (k < groups[g].count)
            return groups[g].count == 1 ? hone_xstrdup(groups[g].name)
                                        : hone_xasprintf("%s[%u]", groups[g].name, k);
    return hone_xstrdup("?");
}

bool hone_feature_find(const char *name, unsigned *ret_first, unsigned *ret_n)
{
    *ret_first = 0;
    for (unsigned g = 0; g < HONE_LEN(groups); *ret_first += groups[g++].count)
        if (strcmp(groups[g].name, name) == 0) {
            *ret_n = groups[g].count;
            return true;
        }
    return false;
}

void hone_features_free(hone_features *f)
{
    hone_vec_free(&f->v);
}

void hone_features_copy(hone_features *dst, const hone_features *src)
{
    hone_vec_copy(&dst->v, &src->v);
    dst->rows = src->rows;
    dst->draft_ns = src->draft_ns;
    dst->fixed_ns = src->fixed_ns;
}

void hone_features_forget_draft(hone_features *f)
{
    for (uint32_t q = 0; q < f->rows; q++) {
        float *row = f->v.v + (size_t)q * HONE_N_FEATURES;
        row[HONE_FEATURE_draft_compute] = 1; /* a nanosecond, as slog has it */
        row[HONE_FEATURE_draft_memory] = 0;
        for (int c = 0; c < 3; c++)
            row[HONE_FEATURE_level_time + c] = 0;
    }
    f->draft_ns = f->fixed_ns = 1;
}

static float slog(double x)
{
    return (float)log2(fabs(x) + 1);
}

/* ---- arithmetic ------------------------------------------------------------------------------ */

typedef struct counts {
    double of_floats[7], of_ints[7], bools, selects;
} counts;

/* What is used twice is computed once. */
static bool count_op(void *ctx, const hone_program *p, hone_expr e)
{
    counts *n = ctx;
    const hone_expr_row *r = hone_expr_at(p, e);
    hone_op op = (hone_op)r->op;
    if (op == HONE_OP_LOAD)
        return false; /* index arithmetic is not the block's work */
    double *ops = r->n_args && hone_dtype_is_float(hone_expr_dtype(p, hone_expr_arg(p, e, 0)))
                      ? n->of_floats
                      : n->of_ints;
    switch (op) {
    case HONE_OP_ADD:
    case HONE_OP_SUB: {
        bool mad = false;
        for (unsigned k = 0; k < 2; k++)
            mad |= hone_expr_op(p, hone_expr_arg(p, e, k)) == HONE_OP_MUL;
        ops[mad ? 0 : 1]++;
        break;
    }
    case HONE_OP_MUL:
        ops[2]++;
        break;
    case HONE_OP_DIV:
    case HONE_OP_FLOORDIV:
    case HONE_OP_FLOORMOD:
        ops[3]++;
        break;
    case HONE_OP_MIN:
    case HONE_OP_MAX:
    case HONE_OP_EQ:
    case HONE_OP_NE:
    case HONE_OP_LT:
    case HONE_OP_LE:
        ops[4]++;
        break;
    case HONE_OP_AND:
    case HONE_OP_OR:
    case HONE_OP_NOT:
        n->bools++;
        break;
    case HONE_OP_SELECT:
        n->selects++;
        break;
    case HONE_OP_EXP:
    case HONE_OP_LOG:
    case HONE_OP_SQRT:
    case HONE_OP_TANH:
    case HONE_OP_SIGMOID:
    case HONE_OP_ERF:
    case HONE_OP_POW:
    case HONE_OP_SIN:
    case HONE_OP_COS:
    case HONE_OP_ATAN:
        ops[5]++;
        break;
    case HONE_OP_BITAND:
    case HONE_OP_BITOR:
    case HONE_OP_BITXOR:
    case HONE_OP_SHL:
    case HONE_OP_SHR:
    case HONE_OP_POPCOUNT:
    case HONE_OP_ABS:
    case HONE_OP_FLOOR:
    case HONE_OP_CEIL:
    case HONE_OP_ROUND:
    case HONE_OP_CAST:
        ops[6]++;
        break;
    default:
        break;
    }
    return true;
}

/* ---- loops of a kind ------------------------------------------------------------------------- */

enum {
    AT_NONE,
    AT_INNER_S,
    AT_MIDDLE_S,
    AT_OUTER_S,
    AT_INNER_R,
    AT_MIDDLE_R,
    AT_OUTER_R,
    AT_MIXED
};

static void loops_of_kind(const nest *ne, hone_loop_kind kind, float *out)
{
    double n = 0, product = 1, innermost = 0;
    int at = AT_NONE;
    for (unsigned l = 0; l < ne->n; l++) {
        if (ne->kind[l] != kind)
            continue;
        n++;
        product *= ne->extent[l];
        innermost = ne->extent[l];
        int third = l + 1 == ne->n ? 0 : l == 0 ? 2 : 1;
        int here = (ne->reduce[l] ? AT_INNER_R : AT_INNER_S) + third;
        at = at == AT_NONE || at == here ? here : AT_MIXED;
    }
    out[0] = slog(n);
    out[1] = slog(n > 0 ? product : 0);
    out[2] = slog(innermost);
    for (int k = 0; k < 8; k++)
        out[3 + k] = k == at;
}

/* ---- buffers --------------------------------------------------------------------------------- */

enum { REUSE_LOOP, REUSE_SERIAL, REUSE_NONE };

static void one_buffer(const block_view *v, const access *a, double line, float *out)
{
    const nest *ne = &v->nest;
    double total = ne->inside[0], bytes = a->bytes * total;
    double unique = a->bytes * a->elements[0], lines = total, stride = 0;
    if (ne->n)
        stride = fabs(a->move[ne->n - 1]);
    for (unsigned l = ne->n; l-- > 0;)
        if (a->move[l] != 0) {
            lines = total / ne->inside[l + 1] * fmin(1, fabs(a->move[l]) * a->bytes / line);
            break;
        }
    lines = fmax(1, lines);
    int reuse = a->read && a->write ? REUSE_SERIAL : REUSE_NONE;
    double iterations = 0, distance = 0, count = 0;
    for (unsigned l = ne->n; l-- > 0;)
        if (a->move[l] == 0 && ne->extent[l] > 1) {
            reuse = REUSE_LOOP;
            count = ne->extent[l];
            iterations = ne->inside[l + 1];
            for (unsigned k = 0; k < v->n_access; k++)
                distance += v->access[k].bytes * v->access[k].elements[l + 1];
            break;
        }
    double rc = count > 0 ? count : 0.5;
    float *f = out;
    *f++ = a->read && !a->write;
    *f++ = a->write && !a->read;
    *f++ = a->read && a->write;
    *f++ = slog(bytes);
    *f++ = slog(unique);
    *f++ = slog(lines);
    *f++ = slog(a->lines[0]);
    *f++ = reuse == REUSE_LOOP;
    *f++ = reuse == REUSE_SERIAL;
    *f++ = reuse == REUSE_NONE;
    *f++ = slog(iterations);
    *f++ = slog(distance);
    *f++ = slog(count);
    *f++ = slog(bytes / rc);
    *f++ = slog(unique / rc);
    *f++ = slog(lines / rc);
    *f++ = slog(a->lines[0] / rc);
    *f++ = slog(stride);
    HONE_ASSERT(f == out + PER_BUFFER);
}

static void buffers(const block_view *v, double line, float *out)
{
    unsigned order[MAX_ACCESS], n = v->n_access;
    for (unsigned k = 0; k < n; k++) {
        unsigned at = k;
        for (; at > 0 && v->access[order[at - 1]].lines[0] < v->access[k].lines[0]; at--)
            order[at] = order[at - 1];
        order[at] = k;
    }
    for (unsigned k = 0; k < n && k < BUFFERS; k++)
        one_buffer(v, &v->access[order[k]], line, out + k * PER_BUFFER);
}

static void intensity(const block_view *v, float *out)
{
    const nest *ne = &v->nest;
    double total = v->flops * ne->inside[0];
    for (unsigned i = 1; i <= 10; i++) {
        double want = total * i / 10, before_ops = 0, before_bytes = 0, bytes = 0, ops = 0;
        for (unsigned l = ne->n + 1; l-- > 0;) {
            ops = v->flops * ne->inside[l];
            bytes = 0;
            for (unsigned k = 0; k < v->n_access; k++)
                bytes += v->access[k].bytes * v->access[k].elements[l];
            if (ops >= want)
                break;
            before_ops = ops;
            before_bytes = bytes;
        }
        double part = ops > before_ops ? (want - before_ops) / (ops - before_ops) : 1;
        double at = before_bytes + part * (bytes - before_bytes);
        out[i - 1] = slog(at > 0 ? want / at : 0);
    }
}

/* ---- what a CPU needs to know ---------------------------------------------------------------- */

static double l1_level(const block_view *v)
{
    return v->level[0] * v->nest.n;
}

/* What x takes of the two together; neither: 0. */
static float part_of(double x, double other)
{
    return x > 0 ? (float)(x / (x + other)) : 0;
}

/* What the candidate asks of the machine, over what that has. */
static void relations(int32_t threads, const block_view *v, float *row)
{
    for (int c = 0; c < 3; c++) {
        row[HONE_FEATURE_fill + c] = (float)v->fill[c];
        row[HONE_FEATURE_beyond + c] = part_of(v->beyond[c], 1);
        row[HONE_FEATURE_level_time + c] = part_of(v->level_ns[c], v->compute_ns);
    }
    for (unsigned k = 0; k < HONE_LEN(v->pipes); k++)
        row[HONE_FEATURE_pipes + k] = (float)v->pipes[k];
    row[HONE_FEATURE_tasks_each] = slog(v->tasks / threads);
}

static void cpu_terms(const hone_program *p, const hone_target *t, int32_t threads,
                      const block_view *v, float *row)
{
    unsigned l = (unsigned)l1_level(v);
    double pages = 0, aliasing = 0;
    for (unsigned k = 0; k < v->n_access; k++) {
        const access *a = &v->access[k];
        if (a->local)
            continue;
        double run_bytes = a->run[l] * a->bytes, rows = a->elements[l] / a->run[l];
        const hone_buffer_row *b = hone_buffer_at(p, a->buffer);
        double pitch = (double)b->shape[b->n_dims ? b->n_dims - 1 : 0] * a->bytes;
        pages += rows * fmax(1, run_bytes / HONE_SMALL_PAGE) *
                 fmin(1, fmax(pitch, run_bytes) / HONE_SMALL_PAGE + 0.01);
        double sets = HONE_SMALL_PAGE / t->cache_line; /* L1 is indexed below the page */
        double apart = fmod(pitch, HONE_SMALL_PAGE) == 0 ? 1 : sets;
        aliasing = fmax(aliasing, rows / apart - 8);
    }
    int need = t->fma_latency * t->fma_per_cycle;
    row[HONE_FEATURE_lane_use] = (float)v->lanes;
    row[HONE_FEATURE_useful] = (float)v->useful;
    row[HONE_FEATURE_accumulators] = (float)(v->accumulators / need);
    row[HONE_FEATURE_registers] = (float)(v->live / t->vector_registers);
    row[HONE_FEATURE_loads_per_op] = (float)(v->ops > 0 ? v->loads / v->ops : 0);
    row[HONE_FEATURE_broadcasts] = (float)(v->loads > 0 ? v->broadcasts / v->loads : 0);
    row[HONE_FEATURE_gathers] = (float)(v->loads > 0 ? v->gathers / v->loads : 0);
    for (int c = 0; c < 4; c++)
        row[HONE_FEATURE_traffic + c] = slog(v->traffic[c]);
    for (int c = 0; c < 3; c++)
        row[HONE_FEATURE_reuse_level + c] = (float)v->level[c];
    row[HONE_FEATURE_pages] = slog(pages);
    row[HONE_FEATURE_aliasing] = slog(fmax(0, aliasing));
    row[HONE_FEATURE_tasks] = slog(v->tasks);
    row[HONE_FEATURE_task_waste] = (float)v->task_waste;
    row[HONE_FEATURE_code_bytes] = slog(v->code_bytes);
    row[HONE_FEATURE_guarded] = hone_stmt_at(p, v->block)->where.i != 0;
    relations(threads, v, row);
    row[HONE_FEATURE_draft_compute] = slog(v->compute_ns);
    row[HONE_FEATURE_draft_memory] = slog(v->memory_ns);
}

static void fill(const hone_program *p, const hone_target *t, int32_t threads, const block_view *v,
                 float *row)
{
    const nest *ne = &v->nest;
    const hone_stmt_row *b = hone_stmt_at(p, v->block);
    counts n = {0};
    double total = ne->inside[0];
    hone_walk(p, b->value, count_op, &n);
    for (int k = 0; k < 7; k++) {
        row[HONE_FEATURE_arith_float + k] = slog(n.of_floats[k] * total);
        row[HONE_FEATURE_arith_int + k] = slog(n.of_ints[k] * total);
    }
    row[HONE_FEATURE_arith_bool] = slog(n.bools * total);
    row[HONE_FEATURE_arith_select] = slog(n.selects * total);
    loops_of_kind(ne, HONE_VECTORIZED, row + HONE_FEATURE_vectorize);
    loops_of_kind(ne, HONE_UNROLLED, row + HONE_FEATURE_unroll);
    loops_of_kind(ne, HONE_PARALLEL, row + HONE_FEATURE_parallel);
    buffers(v, t->cache_line, row + HONE_FEATURE_buffer);
    intensity(v, row + HONE_FEATURE_intensity);

    double unrolled = 1, outside = 1;
    for (unsigned l = 0; l < ne->n; l++)
        unrolled *= ne->kind[l] == HONE_UNROLLED ? ne->extent[l] : 1;
    const access *out = &v->access[0];
    for (unsigned l = 0; l < ne->n && out->move[l] == 0; l++)
        outside *= ne->extent[l];
    row[HONE_FEATURE_alloc] = slog(out->bytes * out->elements[0]);
    row[HONE_FEATURE_alloc + 1] = slog(out->bytes * out->elements[0] * outside);
    row[HONE_FEATURE_alloc + 2] = slog(outside);
    row[HONE_FEATURE_alloc + 3] = slog(total / outside);
    row[HONE_FEATURE_outer] = slog(total);
    row[HONE_FEATURE_outer + 1] = slog(ne->n);
    row[HONE_FEATURE_outer + 2] = slog(unrolled);
    cpu_terms(p, t, threads, v, row);
}

static void extract(hone_program *p, const hone_target *t, int32_t threads, const hone_machine *m,
                    hone_features *ret)
{
    block_view v;
    uint32_t leaves = 0;
    for (hone_stmt b = p->root; b.i; b = hone_next(p, p->root, b))
        leaves += hone_is_block(p, b) && hone_stmt_at(p, b)->out.i;
    ret->v.n = 0;
    hone_vec_reserve(&ret->v, leaves * HONE_N_FEATURES);
    ret->rows = 0;
    ret->fixed_ns = m->fixed_ns + m->parallel_ns * hone_costmodel__starts(p);
    ret->draft_ns = ret->fixed_ns;
    for (hone_stmt b = p->root; b.i; b = hone_next(p, p->root, b)) {
        if (!hone_is_block(p, b) || !hone_stmt_at(p, b)->out.i)
            continue;
        hone_costmodel__view(p, b, t, &v);
        hone_costmodel__draft(t, threads, m, &v);
        hone_vec_reserve(&ret->v, HONE_N_FEATURES);
        float *row = ret->v.v + ret->v.n;
        memset(row, 0, HONE_N_FEATURES * sizeof *row);
        if (hone_ann_get(p, b, "hone.prepack")) /* takes no time of a call */
            v.compute_ns = v.memory_ns = v.level_ns[0] = v.level_ns[1] = v.level_ns[2] = 0;
        fill(p, t, threads, &v, row);
        ret->v.n += HONE_N_FEATURES;
        ret->rows++;
        ret->draft_ns += hone_costmodel__together(v.compute_ns, v.memory_ns);
    }
}

/* What an intrinsic does it does for all its elements at once: a mark on its loops, which the draft
 * reads, outlasts the block around them. */
static void unroll_intrinsic(hone_program *p, hone_stmt block)
{
    for (hone_stmt s = block; s.i; s = hone_next(p, block, s)) {
        if (!hone_is_block(p, s) || !hone_stmt_at(p, s)->out.i)
            continue;
        for (unsigned k = 0; k < hone_stmt_at(p, s)->n_iters; k++) {
            const hone_iter *it = hone_iter_at(p, s, k);
            for (hone_stmt l = hone_stmt_at(p, s)->parent; !HONE_SAME(l, block);
                 l = hone_stmt_at(p, l)->parent)
                if (hone_is_loop(p, l) && hone_uses_var(p, it->binding, hone_stmt_at(p, l)->var)) {
                    hone_stmt_at(p, l)->loop_kind =
                        it->kind == HONE_SPATIAL ? HONE_VECTORIZED : HONE_UNROLLED;
                    hone_ann_set(p, l, "hone.intrin", 1);
                }
        }
    }
}

void hone_features_extract(hone_program *p, const hone_target *t, int32_t threads,
                           const hone_machine *machine, hone_features *ret)
{
    hone_machine preset;
    if (!machine) {
        hone_machine_preset(t, &preset);
        machine = &preset;
    }
    bool nested = false;
    for (hone_stmt s = p->root; s.i && !nested; s = hone_next(p, p->root, s))
        nested = hone_is_block(p, s) && !hone_stmt_at(p, s)->out.i && !HONE_SAME(s, p->root);
    if (!nested) {
        extract(p, t, threads, machine, ret);
        return;
    }
    hone_program flat = {0};
    hone_program_copy(&flat, p);
    for (hone_stmt s = flat.root; s.i; s = hone_next(&flat, flat.root, s))
        if (hone_is_block(&flat, s) && hone_ann_get(&flat, s, "hone.intrin"))
            unroll_intrinsic(&flat, s);
    hone_program_flatten(&flat);
    extract(&flat, t, threads, machine, ret);
    hone_program_fini(&flat);
}
