/* The rule for reductions whose outputs are contiguous: pooling, depthwise convolution, sums over
 * columns.
 *
 *   tile      columns of the output times vectors of channels, in registers while the taps run
 *             inside, unrolled: neighbours share what they load, weights stay in registers
 *   rows      of the output in the same tile, where their windows overlap: a row of the input is
 *             loaded once for all of them, and used while it is in registers
 *   shared    where windows overlap along the columns and have no weights, each column of taps is
 *             summed once, in registers, and the windows sum over those (ShareWindows)
 *   padding   the stage that pads is inlined; code generation cuts the loops where its conditions
 *             become constant, so the interior has none
 *   variants  channels innermost, outside the columns, or outermost; padding made ahead; several
 *             rows; shared
 *   outermost in parts, where pixels have so many channels that the nearest cache does not hold
 *             what a row of windows reads: of a few channels it does, and the next row finds its
 *             share
 *   near      of these few channels a few rows are copied first, so that they lie side by side:
 *             where pixels are a power of two apart, a cache has the same few places for all
 *   streamed  of long sums with nothing in common: a step after the other over all channels, with
 *             the sums in memory, so that all is read as it lies
 *   epilogue  an elementwise consumer of the tile is computed while that is in registers */
#include "space/prim/prim.h"
#include "space/rule/rule.h"

/* Every load moves by one element, or not at all, when the variable does. */
static bool contiguous_along(hone_program *p, hone_stmt block, hone_var v)
{
    hone_expr loads[16], ve = hone_var_expr(p, v);
    unsigned n = hone_block_loads(p, block, loads, 16);
    if (n > 16)
        return false;
    for (unsigned k = 0; k < n; k++) {
        unsigned dims = hone_expr_at(p, loads[k])->n_args;
        for (unsigned d = 0; d < dims; d++) {
            hone_expr e = hone_expr_arg(p, loads[k], d);
            if (hone_uses_var(p, e, v) && !(d == dims - 1 && HONE_SAME(e, ve)))
                return false;
        }
    }
    return true;
}

/* How a nest is arranged. */
typedef struct shape {
    bool channels_outside, padded_ahead;
    bool tall;           /* several rows of the output at once */
    bool shared;         /* sums of columns of taps are */
    bool channels_first; /* a few of them at a time, outermost */
    bool near;           /* a copy of them, for some rows of the output */
    bool streamed;       /* steps of the sum are outside the channels */
} shape;
static const shape shapes[] = {
    {0},
    {.channels_outside = true},
    {.padded_ahead = true},
    {.tall = true},
    {.channels_outside = true, .tall = true},
    {.shared = true},
    {.channels_outside = true, .shared = true},
    {.tall = true, .shared = true},
    {.channels_first = true},
    {.channels_first = true, .tall = true},
    {.channels_first = true, .near = true},
    {.streamed = true},
};

/* Of a tile of several rows. */
#define MOST_ROWS 4
#define MOST_COLUMNS 6
/* Unrolled reductions have at most so many steps; of longer ones the innermost loops are unrolled.
 */
#define MAX_TAPS 32
/* At once, where sums stay in memory. */
#define MOST_STEPS 4

/* A stage with a select that only this block reads: padding. */
static hone_stmt padding_of(hone_program *p, hone_stmt block)
{
    hone_expr loads[16];
    unsigned n = hone_block_loads(p, block, loads, 16);
    for (unsigned k = 0; k < n && k < 16; k++) {
        hone_stmt w = hone_writer_of(p, (hone_buffer){hone_expr_at(p, loads[k])->sym});
        if (w.i && !HONE_SAME(w, block) && hone_rule__untouched(p, w) &&
            hone_prim__can_inline(p, w) &&
            hone_expr_op(p, hone_stmt_at(p, w)->value) == HONE_OP_SELECT)
            return w;
    }
    return HONE_NO_STMT;
}

static bool is_strip(hone_program *p, hone_stmt block, unsigned *ret_spatial)
{
    unsigned n = 0, n_iters = hone_stmt_at(p, block)->n_iters;
    while (n < n_iters && hone_iter_at(p, block, n)->kind == HONE_SPATIAL)
        n++;
    *ret_spatial = n;
    if (n == 0 || n == n_iters || hone_stmt_at(p, block)->n_index == 0)
        return false;
    hone_var last = hone_iter_at(p, block, n - 1)->var;
    hone_expr store = hone_store_index(p, block, hone_stmt_at(p, block)->n_index - 1u);
    return HONE_SAME(store, hone_var_expr(p, last)) && contiguous_along(p, block, last);
}

/* Steps of the sum, a bit for each, that with the spatial iterator k are in one index of the load.
 */
static uint32_t overlap_in(hone_program *p, hone_stmt block, hone_expr load, unsigned k,
                           unsigned n_spatial)
{
    hone_var v = hone_iter_at(p, block, k)->var;
    uint32_t ret = 0;
    for (unsigned q = n_spatial; q < hone_stmt_at(p, block)->n_iters; q++) {
        hone_var step = hone_iter_at(p, block, q)->var;
        for (unsigned d = 0; d < hone_expr_at(p, load)->n_args; d++) {
            hone_expr e = hone_expr_arg(p, load, d);
            if (hone_uses_var(p, e, v) && hone_uses_var(p, e, step))
                ret |= 1u << q;
        }
    }
    return ret;
}

/* Steps of the sum. */
static int64_t taps_of(hone_program *p, hone_stmt block, unsigned n_spatial)
{
    int64_t ret = 1;
    for (unsigned q = n_spatial; q < hone_stmt_at(p, block)->n_iters; q++)
        ret *= hone_var_at(p, hone_iter_at(p, block, q)->var)->extent;
    return ret;
}

/* The same of all loads: neighbours along the iterator share what they read. None where a tile of
 * them would not be unrolled. */
static uint32_t overlapping(hone_program *p, hone_stmt block, unsigned k, unsigned n_spatial)
{
    hone_expr loads[16];
    unsigned n = hone_block_loads(p, block, loads, 16);
    hone_var v = hone_iter_at(p, block, k)->var;
    uint32_t ret = 0;
    for (unsigned l = 0; l < n && n <= 16; l++)
        ret |= overlap_in(p, block, loads[l], k, n_spatial);
    return hone_var_at(p, v)->extent > 1 && taps_of(p, block, n_spatial) <= MAX_TAPS ? ret : 0;
}

/* The loop of the sum along which ShareWindows works for the columns, or none. */
static hone_stmt shareable(hone_program *p, hone_stmt block, unsigned n_spatial)
{
    hone_stmt loops[16];
    uint32_t taps = overlapping(p, block, n_spatial - 2, n_spatial);
    unsigned n = hone_loops_of(p, block, loops, 16);
    for (unsigned q = n_spatial; q < n && n <= 16; q++)
        if (taps == 1u << q && hone_prim__can_share_windows(p, loops[q]))
            return loops[q];
    return HONE_NO_STMT;
}

/* Bytes of the rows of an image that a row of the output is made of. */
static int64_t window_bytes(hone_program *p, hone_stmt block, unsigned k, unsigned n_spatial)
{
    hone_expr loads[16];
    unsigned n = hone_block_loads(p, block, loads, 16);
    hone_var v = hone_iter_at(p, block, k)->var;
    int64_t most = 0;
    for (unsigned l = 0; l < n && n <= 16; l++) {
        const hone_buffer_row *b = hone_buffer_at(p, (hone_buffer){hone_expr_at(p, loads[l])->sym});
        int64_t bytes = hone_dtype_bytes((hone_dtype)b->dtype);
        for (unsigned d = b->n_dims; d-- > 0; bytes *= b->shape[d]) {
            hone_expr e = hone_expr_arg(p, loads[l], d);
            int64_t rows = 1;
            for (unsigned q = n_spatial; q < hone_stmt_at(p, block)->n_iters; q++) {
                hone_var step = hone_iter_at(p, block, q)->var;
                rows *= hone_uses_var(p, e, step) ? hone_var_at(p, step)->extent : 1;
            }
            if (hone_uses_var(p, e, v) && rows * bytes > most)
                most = rows * bytes;
        }
    }
    return most;
}

/* Of the buffers that the block reads the first, as CacheRead counts them, of which windows overlap
 * along the spatial iterator k. */
static unsigned read_in_windows(hone_program *p, hone_stmt block, unsigned k, unsigned n_spatial)
{
    hone_expr loads[16];
    unsigned n = hone_block_loads(p, block, loads, 16), ret = 0;
    uint32_t before[16];
    for (unsigned l = 0; l < n && n <= 16; l++) {
        bool again = false;
        before[l] = hone_expr_at(p, loads[l])->sym;
        for (unsigned j = 0; j < l; j++)
            again |= before[j] == before[l];
        if (overlap_in(p, block, loads[l], k, n_spatial))
            return ret;
        ret += !again;
    }
    return ret;
}

/* Has the output no columns, or one? Then windows have nothing in common, and steps of the sum lie
 * apart in memory: what is read of each is the longer, the more vectors there are. */
static bool is_alone(hone_program *p, hone_stmt block, unsigned n_spatial)
{
    return n_spatial < 2 || hone_var_at(p, hone_iter_at(p, block, n_spatial - 2)->var)->extent == 1;
}

/* The shapes there are for the block. Several rows of the output come first, for which each row of
 * the input is fetched less often; where sums are shared, they have less to gain. */
static unsigned shapes_of(hone_program *p, hone_stmt block, const hone_target *t, shape *ret)
{
    unsigned n = 0, n_spatial;
    bool any = is_strip(p, block, &n_spatial), strip = any && n_spatial > 1;
    bool pads = strip && padding_of(p, block).i;
    bool tall = strip && n_spatial > 2 && overlapping(p, block, n_spatial - 3, n_spatial);
    bool shares = strip && shareable(p, block, n_spatial).i;
    bool wide = tall && window_bytes(p, block, n_spatial - 3, n_spatial) > t->l1_bytes;
    bool columns = wide && hone_var_at(p, hone_iter_at(p, block, n_spatial - 2)->var)->extent > 1;
    bool streams = any && is_alone(p, block, n_spatial) && taps_of(p, block, n_spatial) > MAX_TAPS;
    for (int later = 0; later < 2; later++)
        for (size_t k = 0; k < HONE_LEN(shapes); k++)
            if ((shares || !shapes[k].tall) == later &&
                (k == 0 ||
                 (shapes[k].streamed
                      ? streams
                      : strip && (pads || !shapes[k].padded_ahead) && (tall || !shapes[k].tall) &&
                            (shares || !shapes[k].shared) && (wide || !shapes[k].channels_first) &&
                            (columns || !shapes[k].near))))
                ret[n++] = shapes[k];
    return n;
}

unsigned hone_rule__reduce_variants(hone_program *p, hone_stmt block, const hone_rule__ctx *ctx)
{
    shape all[HONE_LEN(shapes)];
    return shapes_of(p, block, ctx->target, all);
}

/* The name of the elementwise stage that alone reads the block's output, element by element, or "".
 */
static void epilogue_name(hone_program *p, hone_stmt block, char ret[256])
{
    hone_stmt readers[2];
    hone_buffer out = hone_stmt_at(p, block)->out;
    ret[0] = 0;
    if (hone_buffer_at(p, out)->role == HONE_TEMP && hone_readers_of(p, out, readers, 2) == 1 &&
        !hone_stmt_at(p, readers[0])->init.i && hone_rule__untouched(p, readers[0]))
        snprintf(ret, 256, "%s", hone_sym_text(p, hone_stmt_at(p, readers[0])->name));
}

/* One tile: copies and consumers become unrolled vectors; `levels` loops around the channels are of
 * the tile as well. */
static hone_status unroll_tile(hone_sched *s, hone_rv block, unsigned levels,
                               const hone_rule__ctx *ctx, int bytes, hone_error *err)
{
    hone_rv all[32];
    unsigned m;
    HONE_TRY(hone_get_loops(s, block, all, 32, &m, err));
    HONE_TRY(hone_rule__vectorize(s, all[m - 1], ctx->target, bytes, true, NULL, err));
    for (unsigned k = 1; k <= levels; k++)
        HONE_TRY(hone_unroll(s, all[m - 1 - k], err));
    return HONE_OK;
}

unsigned hone_rule__task_of(const int64_t *turns, unsigned n, int32_t threads)
{
    unsigned best = 0;
    for (unsigned k = 0; k < n; k++) {
        if (turns[k] >= 4 * (int64_t)threads)
            return k;
        if (turns[k] > turns[best])
            best = k;
    }
    return best;
}

hone_status hone_rule__sample_part(hone_sched *s, hone_rv loop, int64_t want, int64_t most,
                                   hone_rv ret[2], hone_error *err)
{
    hone_rv f[2];
    int64_t tile[2] = {1, want};
    hone_space__fit_imperfect(hone_loop_extent(&s->prog, hone_rv_stmt(s, loop)), tile, 2, most);
    HONE_TRY(hone_sample_imperfect_tile(s, loop, 2, most, tile, f, err));
    return hone_split(s, loop, (hone_rv[]){HONE_NO_RV, f[1]}, 2, ret, err);
}

/* What neighbours along one direction share: windows of `taps` elements, `step` apart. */
typedef struct windows {
    int64_t outputs, taps, step;
} windows;

/* A strip's loops: n of them, the first n_spatial over elements, the last of these over channels.
 */
typedef struct strip_loops {
    hone_rv loops[16];
    unsigned n, n_spatial;
    uint32_t taps;        /* of a tall one: those that go down the rows */
    windows down, across; /* of a tall one: along rows and columns */
    unsigned shared;      /* the loop whose windows share sums */
    hone_rv rows[2], columns[2], channels[2], lanes;
    hone_rv chunk;     /* channels_first: the loop over parts of the channels */
    unsigned copied;   /* near: which buffer, as CacheRead counts */
    int64_t row_bytes; /* of a row of it */
    bool has_columns;
} strip_loops;

/* Outermost first; ret_outer: how many are around the tile. A tall one goes down the rows of the
 * input, and what it has loaded of one serves all rows of the output that want it. */
static unsigned order_strip(const strip_loops *l, const shape *sh, hone_rv *nest,
                            unsigned *ret_outer)
{
    unsigned k = 0;
    if (sh->channels_first)
        nest[k++] = l->chunk;
    for (unsigned q = 0; q + 2 + (sh->tall || sh->near) < l->n_spatial; q++)
        nest[k++] = l->loops[q];
    if (sh->tall || sh->near)
        nest[k++] = l->rows[0];
    if (sh->near)
        nest[k++] = l->rows[1];
    if (l->has_columns && !sh->channels_outside)
        nest[k++] = l->columns[0];
    nest[k++] = l->channels[0];
    if (l->has_columns && sh->channels_outside)
        nest[k++] = l->columns[0];
    *ret_outer = k;
    for (unsigned q = l->n_spatial; q < l->n; q++)
        if (!sh->tall || l->taps >> q & 1)
            nest[k++] = l->loops[q];
    if (sh->tall)
        nest[k++] = l->rows[1];
    for (unsigned q = l->n_spatial; sh->tall && q < l->n; q++)
        if (!(l->taps >> q & 1))
            nest[k++] = l->loops[q];
    if (l->has_columns)
        nest[k++] = l->columns[1];
    nest[k++] = l->channels[1];
    nest[k++] = l->lanes;
    return k;
}

static windows windows_along(hone_program *p, hone_stmt block, unsigned k, unsigned n_spatial)
{
    hone_expr loads[16], rest;
    unsigned n = hone_block_loads(p, block, loads, 16);
    hone_var v = hone_iter_at(p, block, k)->var;
    uint32_t steps = overlapping(p, block, k, n_spatial);
    windows ret = {.outputs = hone_var_at(p, v)->extent, .taps = 1, .step = 1};
    for (unsigned q = n_spatial; q < hone_stmt_at(p, block)->n_iters; q++)
        if (steps >> q & 1)
            ret.taps *= hone_var_at(p, hone_iter_at(p, block, q)->var)->extent;
    for (unsigned l = 0; l < n && n <= 16; l++)
        for (unsigned d = 0; d < hone_expr_at(p, loads[l])->n_args; d++) {
            hone_expr e = hone_expr_arg(p, loads[l], d);
            int64_t c;
            if (hone_uses_var(p, e, v) && hone_linear(p, e, &v, 1, &c, &rest) && c > ret.step)
                ret.step = c;
        }
    return ret;
}

/* Elements that so many windows side by side cover. */
static int64_t covered(const windows *w, int64_t n)
{
    return (n - 1) * w->step + w->taps;
}

/* Registers of a tile: its sums, what the next row of taps has of this one's, the weights of a row.
 */
static int64_t registers_of(const windows *rows, const windows *columns, const int64_t tile[2])
{
    int64_t kept = rows->step < rows->taps ? tile[0] - 1 : 0;
    return tile[0] * tile[1] + kept * covered(columns, tile[1]) + columns->taps;
}

/* What all tiles load and store; those at the edge are as much work as others. */
static int64_t cost_of(const windows *rows, const windows *columns, const int64_t tile[2])
{
    int64_t n = hone_ceil_div(rows->outputs, tile[0]) * hone_ceil_div(columns->outputs, tile[1]);
    return n * (covered(rows, tile[0]) * covered(columns, tile[1]) + 2 * tile[0] * tile[1]);
}

/* Rows and columns of a tall tile: no more sums than stay in registers beside a row of the input
 * and the weights of one. Of `vectors` vectors of channels that tile is best in which all stays in
 * registers and which loads least, or the smallest. */
static hone_status tall_tile(hone_sched *s, strip_loops *l, int64_t vectors,
                             const hone_rule__ctx *ctx, hone_error *err)
{
    int64_t all[16][2], most = ctx->target->vector_registers * 3 / 8, pick = 0, least = INT64_MAX;
    hone_rv row = l->loops[l->n_spatial - 3], column = l->loops[l->n_spatial - 2], tile[2];
    unsigned n = 0;
    for (int64_t r = 2; r <= MOST_ROWS; r++)
        for (int64_t c = 2; c <= MOST_COLUMNS; c++) {
            if (r * c > most || n == HONE_LEN(all))
                continue;
            all[n][0] = r;
            all[n][1] = c;
            int64_t cost = cost_of(&l->down, &l->across, all[n]);
            if (vectors * registers_of(&l->down, &l->across, all[n]) <=
                    ctx->target->vector_registers &&
                cost <= least) {
                least = cost;
                pick = n;
            }
            n++;
        }
    if (n == 0)
        return hone_fail(err, HONE_REJECT_ARG, "too few registers for several rows");
    HONE_TRY(hone_sample_register_tile(s, row, column, (const int64_t(*)[2])all, NULL, n, &pick,
                                       tile, err));
    HONE_TRY(hone_split(s, row, (hone_rv[]){HONE_NO_RV, tile[0]}, 2, l->rows, err));
    return hone_split(s, column, (hone_rv[]){HONE_NO_RV, tile[1]}, 2, l->columns, err);
}

/* Rows of the output of which the copy, with so many of all vectors of channels, leaves a quarter
 * of the nearest cache to what else there is. */
static int64_t rows_near(const strip_loops *l, int64_t vectors, int64_t all,
                         const hone_rule__ctx *ctx)
{
    int64_t bytes = l->row_bytes * (vectors < all ? vectors : all) / all;
    int64_t rows = ctx->target->l1_bytes * 3 / 4 / bytes;
    return rows > l->down.taps ? (rows - l->down.taps) / l->down.step + 1 : 1;
}

/* Of these numbers in order the last that is at most both. */
static int64_t most_vectors(const int64_t *all, unsigned n, int64_t there, int64_t room)
{
    int64_t ret = 0;
    for (unsigned k = 1; k < n; k++)
        ret = all[k] <= there && all[k] <= room ? k : ret;
    return ret;
}

/* The channels as vectors, of which `unroll` are in a tile. */
static hone_status cut_channels(hone_sched *s, strip_loops *l, hone_rv unroll, int64_t lanes,
                                hone_error *err)
{
    hone_rv parts[2];
    HONE_TRY(hone_split_by(s, l->loops[l->n_spatial - 1], (int64_t[]){0, lanes}, 2, parts, err));
    l->lanes = parts[1];
    return hone_split(s, parts[0], (hone_rv[]){HONE_NO_RV, unroll}, 2, l->channels, err);
}

/* Decisions, in the order in which traces have them. */
static hone_status tile_strip(hone_sched *s, strip_loops *l, const shape *sh, bool alone, int bytes,
                              const hone_rule__ctx *ctx, hone_error *err)
{
    static const int64_t unrolls[] = {1, 2, 4, 8, 16};
    static const int64_t chunks[] = {1, 2, 4, 8};
    hone_rv unroll, chunk, parts[2];
    int64_t pick = 2, most = sh->shared ? 12 : 16;
    int64_t lanes = ctx->target->vector_bytes / bytes, rows = ctx->policy.rows;
    int64_t channels = hone_loop_extent(&s->prog, hone_rv_stmt(s, l->loops[l->n_spatial - 1]));
    int64_t which = ctx->policy.k_unroll >= 4 ? 2 : ctx->policy.k_unroll - 1;
    unsigned n = alone ? 5 : sh->tall ? 2 : 3;
    if (sh->tall)
        which = ctx->policy.k_unroll == 2 && channels > lanes;
    if (alone)
        which = most_vectors(unrolls, n, channels / (lanes * ctx->threads),
                             ctx->target->vector_registers / 2);
    HONE_TRY(hone_sample_categorical(s, unrolls, NULL, n, &which, &unroll, err));
    HONE_TRY(cut_channels(s, l, unroll, lanes, err));
    if (sh->channels_first) {
        HONE_TRY(hone_sample_categorical(s, chunks, NULL, HONE_LEN(chunks), &pick, &chunk, err));
        HONE_TRY(hone_split(s, l->channels[0], (hone_rv[]){HONE_NO_RV, chunk}, 2, parts, err));
        l->chunk = parts[0];
        l->channels[0] = parts[1];
    }
    if (sh->tall)
        return tall_tile(s, l, unrolls[which], ctx, err);
    if (sh->near) {
        int64_t want =
            rows_near(l, unrolls[which] * chunks[pick], hone_ceil_div(channels, lanes), ctx);
        HONE_TRY(hone_rule__sample_part(s, l->loops[l->n_spatial - 3], want, l->down.outputs,
                                        l->rows, err));
        rows = ctx->target->vector_registers / unrolls[which] - 2;
    }
    return l->has_columns ? hone_rule__sample_part(s, l->loops[l->n_spatial - 2], rows / 2, most,
                                                   l->columns, err)
                          : HONE_OK;
}

/* Turns of a loop around a tile. Of rows and columns of a tall one as few as any tile leaves: which
 * loop the threads share is no matter of the tile, or seeds would be of several design spaces. */
static int64_t turns_of(const hone_sched *s, const strip_loops *l, bool tall, hone_rv loop)
{
    if (tall && HONE_SAME(loop, l->rows[0]))
        return hone_ceil_div(l->down.outputs, MOST_ROWS);
    if (tall && HONE_SAME(loop, l->columns[0]))
        return hone_ceil_div(l->across.outputs, MOST_COLUMNS);
    return hone_loop_extent(&s->prog, hone_rv_stmt(s, loop));
}

/* The sums that windows share: in the tile at `loop`, with n_outer loops around that, in registers.
 */
static hone_status shared_sums(hone_sched *s, hone_rv sums, hone_rv loop, unsigned n_outer,
                               unsigned levels, const strip_loops *l, const hone_rule__ctx *ctx,
                               int bytes, hone_error *err)
{
    hone_rv all[32], order[32];
    unsigned n, k = 0, spatial = n_outer + l->n_spatial;
    HONE_TRY(hone_compute_at(s, sums, loop, err));
    HONE_TRY(hone_set_scope(s, sums, HONE_LOCAL, err));
    HONE_TRY(hone_get_loops(s, sums, all, 32, &n, err));
    if (n <= spatial || n > 32)
        return hone_fail(err, HONE_REJECT_ARG, "the shared sums have other loops");
    for (unsigned q = spatial; q < n; q++)
        order[k++] = all[q];
    for (unsigned q = n_outer; q < spatial; q++)
        order[k++] = all[q];
    HONE_TRY(hone_reorder(s, order, k, err));
    for (unsigned q = spatial; q < n; q++)
        HONE_TRY(hone_unroll(s, all[q], err));
    for (unsigned q = 0; q < levels; q++)
        HONE_TRY(hone_unroll(s, all[spatial - 2 - q], err));
    return hone_rule__vectorize(s, all[spatial - 1], ctx->target, bytes, true, NULL, err);
}

/* Of the loops from..to-1 over taps the innermost that together have few: the first of them. */
static unsigned few_taps(const hone_sched *s, const hone_rv *nest, unsigned from, unsigned to)
{
    int64_t taps = 1;
    for (; to > from; to--) {
        taps *= hone_loop_extent(&s->prog, hone_rv_stmt(s, nest[to - 1]));
        if (taps > MAX_TAPS)
            break;
    }
    return to;
}

/* The stage of that name, if there is one, on the tile at the loop. */
static hone_status finish_at(hone_sched *s, const char *name, hone_rv loop, unsigned levels,
                             const hone_rule__ctx *ctx, int bytes, hone_error *err)
{
    hone_rv last;
    if (!name[0])
        return HONE_OK;
    HONE_TRY(hone_get_block(s, name, &last, err));
    hone_status st = hone_reverse_compute_at(s, last, loop, err);
    if (st == HONE_OK)
        st = unroll_tile(s, last, levels, ctx, bytes, err);
    return hone_status_is_reject(st) ? HONE_OK : st; /* it may as well stay where it is */
}

/* Decisions: vectors of channels in a tile, tiles in a part of the channels, steps of the sum in a
 * tile. Of one step, over all channels, addresses rise by one line all the time, as prefetchers
 * like it best. */
static hone_status streamed(hone_sched *s, hone_rv block, strip_loops *l, const hone_rule__ctx *ctx,
                            hone_error *err)
{
    static const int64_t unrolls[] = {1, 2, 4, 8};
    hone_program *p = &s->prog;
    hone_stmt b = hone_rv_stmt(s, block);
    hone_rv unroll, chunk[2], steps[2], nest[24], copies[2], sum = l->loops[l->n - 1];
    int bytes = hone_dtype_bytes(hone_expr_dtype(p, hone_stmt_at(p, b)->value));
    int64_t lanes = ctx->target->vector_bytes / bytes, pick = 2, turns[16];
    unsigned k = 0, n_tasks, n_outer;
    char after[256];
    epilogue_name(p, b, after);
    HONE_TRY(hone_sample_categorical(s, unrolls, NULL, HONE_LEN(unrolls), &pick, &unroll, err));
    HONE_TRY(cut_channels(s, l, unroll, lanes, err));
    int64_t tiles = hone_loop_extent(p, hone_rv_stmt(s, l->channels[0]));
    HONE_TRY(hone_rule__sample_part(s, l->channels[0], hone_ceil_div(tiles, ctx->threads), tiles,
                                    chunk, err));
    HONE_TRY(hone_rule__sample_part(s, sum, 1, MOST_STEPS, steps, err));
    for (unsigned q = 0; q + 1 < l->n_spatial; q++)
        nest[k++] = l->loops[q];
    nest[k++] = chunk[0];
    n_tasks = k;
    for (unsigned q = l->n_spatial; q + 1 < l->n; q++)
        nest[k++] = l->loops[q];
    nest[k++] = steps[0];
    nest[k++] = chunk[1];
    n_outer = k;
    nest[k++] = steps[1];
    nest[k++] = l->channels[1];
    nest[k++] = l->lanes;
    HONE_TRY(hone_reorder(s, nest, k, err));
    HONE_TRY(hone_cache_accumulate(s, block, nest[n_outer - 1], HONE_LOCAL, copies, err));
    for (int q = 0; q < 2; q++)
        HONE_TRY(unroll_tile(s, copies[q], 0, ctx, bytes, err));
    for (unsigned q = n_outer; q < k - 1; q++)
        HONE_TRY(hone_unroll(s, nest[q], err));
    HONE_TRY(hone_vectorize(s, l->lanes, err));
    HONE_TRY(finish_at(s, after, nest[n_tasks - 1], 0, ctx, bytes, err));
    for (unsigned q = 0; q < n_tasks; q++)
        turns[q] = hone_loop_extent(p, hone_rv_stmt(s, nest[q]));
    return hone_parallel(s, nest[hone_rule__task_of(turns, n_tasks, ctx->threads)], err);
}

static hone_status strip(hone_sched *s, hone_rv block, strip_loops *l, const shape *sh,
                         const hone_rule__ctx *ctx, hone_error *err)
{
    hone_program *p = &s->prog;
    hone_stmt b = hone_rv_stmt(s, block);
    hone_rv nest[24], copies[2], copy, sums = HONE_NO_RV;
    unsigned n_outer, levels = l->has_columns + sh->tall;
    int bytes = hone_dtype_bytes(hone_expr_dtype(p, hone_stmt_at(p, b)->value));
    char after[256];
    epilogue_name(p, b, after);
    if (sh->shared) {
        HONE_TRY(hone_share_windows(s, l->loops[l->shared], &sums, err));
        HONE_TRY(hone_get_loops(s, block, l->loops, HONE_LEN(l->loops), &l->n, err));
        l->taps = 0; /* those down the rows are in the shared sums */
    }
    if (sh->near)
        HONE_TRY(hone_cache_read(s, block, l->copied, HONE_GLOBAL, &copy, err));
    bool alone = is_alone(p, b, l->n_spatial);
    int64_t taps = taps_of(p, b, l->n_spatial);
    HONE_TRY(tile_strip(s, l, sh, alone, bytes, ctx, err));
    unsigned k = order_strip(l, sh, nest, &n_outer);
    HONE_TRY(hone_reorder(s, nest, k, err));
    HONE_TRY(hone_cache_accumulate(s, block, nest[n_outer - 1], HONE_LOCAL, copies, err));
    for (int q = 0; q < 2; q++)
        HONE_TRY(unroll_tile(s, copies[q], levels, ctx, bytes, err));
    if (sh->near) {
        HONE_TRY(hone_compute_at(s, copy, l->rows[0], err));
        HONE_TRY(unroll_tile(s, copy, 0, ctx, bytes, err));
    }
    unsigned tile = k - 2 - l->has_columns, first = n_outer;
    if (taps > MAX_TAPS) /* one output alone goes through memory as it lies */
        first = alone ? tile : few_taps(s, nest, n_outer, tile);
    for (unsigned q = first; q < k - 1; q++)
        HONE_TRY(hone_unroll(s, nest[q], err));
    HONE_TRY(hone_vectorize(s, l->lanes, err));
    if (sums.i)
        HONE_TRY(shared_sums(s, sums, nest[n_outer - 1], n_outer, levels, l, ctx, bytes, err));
    HONE_TRY(finish_at(s, after, nest[n_outer - 1], levels, ctx, bytes, err));
    int64_t turns[16];
    unsigned n_tasks = sh->near ? l->n_spatial - 1 : n_outer; /* around the copy, or all */
    for (unsigned q = 0; q < n_tasks; q++)
        turns[q] = turns_of(s, l, sh->tall, nest[q]);
    return hone_parallel(s, nest[hone_rule__task_of(turns, n_tasks, ctx->threads)], err);
}

hone_status hone_rule__reduce(hone_sched *s, const char *name, const hone_rule__ctx *ctx,
                              hone_error *err)
{
    hone_rv block, parts[3], unroll, copies[2];
    strip_loops l = {0};
    hone_rv *loops = l.loops;
    unsigned n, n_spatial = 0;
    HONE_TRY(hone_get_block(s, name, &block, err));
    hone_stmt b = hone_rv_stmt(s, block);
    hone_program *p = &s->prog;
    HONE_TRY(hone_get_loops(s, block, loops, HONE_LEN(l.loops), &n, err));
    if (!hone_stmt_at(p, b)->init.i || n != hone_stmt_at(p, b)->n_iters || n > 12)
        return hone_fail(err, HONE_REJECT_ARG, "block '%s' is not a plain reduction", name);
    while (n_spatial < n && hone_iter_at(p, b, n_spatial)->kind == HONE_SPATIAL)
        n_spatial++;
    if (n_spatial == 0 || n_spatial == n)
        return HONE_OK; /* one number: as written */
    if (is_strip(p, b, &n_spatial)) {
        shape all[HONE_LEN(shapes)];
        const shape *sh = &all[ctx->variant % shapes_of(p, b, ctx->target, all)];
        hone_stmt padding = padding_of(p, b);
        l.n = n;
        l.n_spatial = n_spatial;
        l.has_columns = n_spatial > 1;
        if (sh->tall || sh->near) {
            l.taps = overlapping(p, b, n_spatial - 3, n_spatial);
            l.down = windows_along(p, b, n_spatial - 3, n_spatial);
            l.across = windows_along(p, b, n_spatial - 2, n_spatial);
        }
        if (sh->shared)
            l.shared = (unsigned)__builtin_ctz(overlapping(p, b, n_spatial - 2, n_spatial));
        if (padding.i && !sh->padded_ahead) {
            hone_rv pad;
            char text[256];
            snprintf(text, sizeof text, "%s", hone_sym_text(p, hone_stmt_at(p, padding)->name));
            HONE_TRY(hone_get_block(s, text, &pad, err));
            HONE_TRY(hone_compute_inline(s, pad, err));
        }
        if (sh->near) {
            l.copied = read_in_windows(p, b, n_spatial - 3, n_spatial);
            l.row_bytes = window_bytes(p, b, n_spatial - 3, n_spatial) / l.down.taps;
        }
        return sh->streamed ? streamed(s, block, &l, ctx, err) : strip(s, block, &l, sh, ctx, err);
    }
    /* a row at a time */
    hone_rv task = loops[0];
    static const int64_t unrolls[] = {1, 2, 4, 8};
    int64_t which = 2;
    HONE_TRY(hone_sample_categorical(s, unrolls, NULL, HONE_LEN(unrolls), &which, &unroll, err));
    HONE_TRY(hone_split(s, loops[n - 1], (hone_rv[]){HONE_NO_RV, unroll}, 2, parts, err));
    if (n_spatial > 1)
        HONE_TRY(hone_fuse(s, loops, n_spatial, &task, err));
    HONE_TRY(hone_cache_accumulate(s, block, task, HONE_LOCAL, copies, err));
    HONE_TRY(hone_unroll(s, parts[1], err));
    return hone_parallel(s, task, err);
}
