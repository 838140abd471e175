/* What is fetched ahead of its use.
 *
 * An input that a sum goes through once, from end to end, and that lies in the third cache. What
 * processors ask for by themselves keeps up at times and at times does not (one sum of 4 MiB on
 * Zen 5: 33 or 41 us, asked for half a KiB ahead 33 always). Of what the second cache holds most,
 * asking only costs instructions.
 *
 * Rows of an input that the second cache does not hold together with the outputs. Of several stages
 * that go through a row the first waits for memory, while the others find the row in the nearest
 * cache and leave memory idle. So the second asks for the next row: of all lines that it reads for
 * those that it will read in the next turn of the outermost loop. HONE_ANN_AHEAD says so of any
 * block (1), or forbids it (0).
 *
 * Constants that were packed, which come from memory where a kernel is one of many (a network's
 * weights), and of which each is used some times soon after. A sum of products goes through its
 * packed operand panel by panel, and through each panel once for every tile of rows. The first of
 * these turns waits for memory, the others find the panel in the second cache. So each load asks
 * for the same place of the next panel: it has all turns of this one to arrive. Asking again in
 * each turn costs a load that finds its line; beyond the last panel lie the constants that are used
 * next, or nothing, which does no harm.
 *
 * Where a panel's turn takes more than a quarter of the second cache, this one, the next and the
 * other operand do not fit together. A kernel of a network then asks for the next of what the panel
 * is made of, or for what lies two pages on: as far as memory takes to answer. Processors see by
 * themselves what lies ahead, but not beyond the end of a page.
 *
 * Not done: for a kernel by itself, where all that is packed stays in the second cache. */
#include "codegen/internal.h"

#define LINE 64 /* bytes of a cache line */
#define TO_L1 3 /* llvm.prefetch: of 0 (not kept) to 3 (in the nearest cache) */
#define TO_L2 2
#define TURN_SHARE 3  /* so many turns of a loop stay in the nearest cache */
#define PANEL_SHARE 4 /* a panel's turn takes one in so many parts of the second cache */
#define NEAR 8192     /* bytes, where it takes more */
#define STREAM 512    /* bytes, of what is read once */
/* The second cache holds most of what takes at most three halves of it. */
#define STREAM_LEAST(l2) ((l2) / 2 * 3)

static bool is_packed(const cg *e, hone_buffer b)
{
    for (unsigned k = 0; k < e->n_args; k++) {
        if (e->packed[k].i == b.i && b.i) {
            return true;
        }
    }
    return false;
}

/* Bytes that the loops inside that of the panels go through; 0: no loop goes from panel to panel.
 */
static int64_t turn_bytes(cg *e, cg_lin l, int64_t panel, int64_t width)
{
    uint32_t level = 0;
    int64_t span = 0;
    for (uint32_t k = 0; k < l.n; k++) {
        cg_term t = e->terms.v[l.first + k];
        bool moves = t.var.i && !HONE_SAME(t.var, e->lane_var) && e->env[t.var.i].v;
        if (moves && t.coeff % panel == 0 && e->env[t.var.i].level > level) {
            level = e->env[t.var.i].level;
        }
    }
    for (uint32_t k = 0; k < l.n && level; k++) {
        cg_term t = e->terms.v[l.first + k];
        cg_idx i = t.var.i && !HONE_SAME(t.var, e->lane_var) ? e->env[t.var.i] : hone_cg__const(0);
        if (i.v && i.level > level) {
            span += (i.hi - i.lo) * t.coeff;
        }
    }
    return span * width;
}

/* Was this line asked for where we stand? */
static bool is_asked(cg *e, hone_buffer b, int64_t line)
{
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
    if (e->fn.asked_in != here) {
        e->fn.asked.n = 0;
        e->fn.asked_in = here;
    }
    for (uint32_t k = 0; k < e->fn.asked.n; k++) {
        if (e->fn.asked.v[k].buffer == b.i && e->fn.asked.v[k].line == line) {
            return true;
        }
    }
    hone_vec_push(&e->fn.asked, (cg_asked){b.i, line});
    return false;
}

/* Asks for what lies `elems` elements beyond p, of type t. */
static void ask(cg *e, hone_dtype t, LLVMValueRef p, int64_t elems, unsigned where)
{
    LLVMValueRef by = LLVMConstInt(e->i64, (uint64_t)elems, true);
    LLVMValueRef next = LLVMBuildGEP2(e->b, hone_cg__mem_type(e, t), p, &by, 1, "");
    LLVMValueRef args[] = {next, LLVMConstInt(e->i32, 0, false), LLVMConstInt(e->i32, where, false),
                           LLVMConstInt(e->i32, 1, false)};
    hone_cg__intrinsic(e, "llvm.prefetch", e->ptr, args, HONE_LEN(args));
}

/* For all lines of the vector at p of type t that were not asked for where we stand: those that lie
 * `elems` elements beyond them. */
static void ask_lines(cg *e, hone_buffer b, hone_dtype t, const cg_sum *s, LLVMValueRef p,
                      int64_t elems, unsigned where)
{
    int64_t width = hone_cg__elem_bytes(t);
    for (int64_t at = 0; at < e->lanes; at += LINE / width) {
        if (!is_asked(e, b, (s->c + at) * width / LINE)) {
            ask(e, t, p, elems + at, where);
        }
    }
}

/* The outermost loop that moves a load. */
typedef struct row_turn {
    hone_var var;  /* none: no loop does */
    int64_t elems; /* that a turn of it moves the load by */
    int64_t span;  /* that the load goes through in a turn */
} row_turn;

static row_turn turn_of_outermost(cg *e, cg_lin l)
{
    uint32_t level = UINT32_MAX;
    row_turn ret = {.span = e->lanes};
    for (uint32_t k = 0; k < l.n; k++) {
        cg_term t = e->terms.v[l.first + k];
        cg_idx i = t.var.i && !HONE_SAME(t.var, e->lane_var) ? e->env[t.var.i] : hone_cg__const(0);
        if (!i.v) {
            continue;
        }
        ret.span += (i.hi - i.lo) * t.coeff;
        if (i.level < level) {
            level = i.level;
            ret.elems = t.coeff;
            ret.var = t.var;
        }
    }
    if (ret.var.i) {
        ret.span -= (e->env[ret.var.i].hi - e->env[ret.var.i].lo) * ret.elems;
    }
    return ret;
}

/* Stages of a turn before this one that read the buffer. */
static unsigned readers_before(cg *e, hone_var turns, hone_buffer b)
{
    hone_stmt loop = hone_stmt_at(&e->q, e->leaf->s)->parent;
    while (loop.i && !HONE_SAME(hone_stmt_at(&e->q, loop)->var, turns)) {
        loop = hone_stmt_at(&e->q, loop)->parent;
    }
    unsigned n = 0;
    for (const cg_leaf *f = e->leaves.v + 1; loop.i && f < e->leaf; f++) {
        n += hone_is_ancestor(&e->q, loop, f->s) && hone_uses_buffer(&e->q, f->value, b);
    }
    return n;
}

/* Of the buffer and all that the kernel stores. */
static int64_t bytes_with_outputs(const cg *e, hone_buffer b)
{
    int64_t bytes = 0;
    for (uint32_t k = 1; k <= e->n_args; k++) {
        const hone_buffer_row *r = hone_buffer_at(&e->q, (hone_buffer){k});
        if (k == b.i || r->role == HONE_OUTPUT) {
            bytes += e->places.v[k].elems * hone_cg__elem_bytes((hone_dtype)r->dtype);
        }
    }
    return bytes;
}

/* The second of the stages that go through a row finds it in the nearest cache. */
static bool is_second_reader(cg *e, hone_buffer b, const row_turn *t, int64_t width)
{
    const hone_target *m = &e->g->target;
    return bytes_with_outputs(e, b) > m->l2_bytes - m->l1_bytes && t->elems * width >= LINE &&
           t->elems * width <= m->l1_bytes && t->span <= t->elems &&
           readers_before(e, t->var, b) == 1;
}

static void next_turn(cg *e, hone_buffer b, cg_lin l, const cg_sum *s, LLVMValueRef p,
                      const hone_ann *wish)
{
    hone_dtype type = (hone_dtype)hone_buffer_at(&e->q, b)->dtype;
    int64_t width = hone_cg__elem_bytes(type);
    row_turn t = turn_of_outermost(e, l);
    bool yes = t.var.i && (wish ? wish->value == 1 : is_second_reader(e, b, &t, width));
    bool near = t.elems * width * TURN_SHARE <= e->g->target.l1_bytes;
    if (yes) {
        ask_lines(e, b, type, s, p, t.elems, near ? TO_L1 : TO_L2);
    }
}

/* Loops around this statement that run and do not move the load, which then comes back to it. */
static bool comes_back(cg *e, cg_lin l)
{
    for (hone_stmt s = hone_stmt_at(&e->q, e->leaf->s)->parent; s.i;
         s = hone_stmt_at(&e->q, s)->parent) {
        hone_var v = hone_stmt_at(&e->q, s)->var;
        bool moves = !v.i || HONE_SAME(v, e->lane_var) || !e->env[v.i].v;
        for (uint32_t k = 0; k < l.n && !moves; k++) {
            moves = HONE_SAME(e->terms.v[l.first + k].var, v);
        }
        if (!moves) {
            return true;
        }
    }
    return false;
}

static unsigned readers(cg *e, hone_buffer b)
{
    unsigned n = 0;
    for (const cg_leaf *f = e->leaves.v + 1; f < e->leaves.v + e->leaves.n; f++) {
        n += hone_uses_buffer(&e->q, f->value, b);
    }
    return n;
}

static void stream(cg *e, hone_buffer b, cg_lin l, const cg_sum *s, LLVMValueRef p)
{
    hone_dtype type = (hone_dtype)hone_buffer_at(&e->q, b)->dtype;
    int64_t width = hone_cg__elem_bytes(type), bytes = e->places.v[b.i].elems * width;
    row_turn t = turn_of_outermost(e, l);
    bool yes =
        e->leaf->uses_own &&
        bytes / (e->o->threads > 0 ? e->o->threads : 1) >= STREAM_LEAST(e->g->target.l2_bytes) &&
        t.var.i && t.span <= t.elems && !comes_back(e, l) && readers(e, b) == 1;
    if (yes) {
        ask_lines(e, b, type, s, p, STREAM / width, TO_L1);
    }
}

/* How many elements ahead of a load; 0: nothing is asked for. */
static int64_t distance(cg *e, hone_buffer b, cg_lin l, int64_t width)
{
    const cg_place *pl = &e->places.v[b.i];
    int64_t cache = e->g->target.l2_bytes, most = cache / PANEL_SHARE;
    unsigned n_dims = hone_buffer_at(&e->q, b)->n_dims;
    if (n_dims < 2 || pl->elems * width <= (e->o->cold ? NEAR : cache)) {
        return 0;
    }
    for (unsigned d = 0; d + 1 < n_dims && (d == 0 || e->o->cold); d++) {
        int64_t turn = pl->stride[d] < 1 ? 0 : turn_bytes(e, l, pl->stride[d], width);
        if (turn >= LINE && turn <= most) {
            return !e->o->cold || turn > NEAR ? pl->stride[d] : NEAR / width;
        }
    }
    return e->o->cold ? NEAR / width : 0;
}

static void next_panel(cg *e, hone_buffer b, cg_lin l, const cg_sum *s, LLVMValueRef p)
{
    hone_dtype t = (hone_dtype)hone_buffer_at(&e->q, b)->dtype;
    int64_t width = hone_cg__elem_bytes(t), ahead = distance(e, b, l, width);
    if (ahead == 0 || is_asked(e, b, s->c * width / LINE)) {
        return;
    }
    ask(e, t, p, ahead, TO_L2);
}

void hone_cg__fetch_ahead(cg *e, hone_buffer b, cg_lin l, const cg_sum *s, LLVMValueRef p)
{
    if (e->o->plain || !e->leaf || s->lane != 1) {
        return;
    }
    if (hone_buffer_at(&e->q, b)->role == HONE_INPUT) {
        const hone_ann *wish = hone_ann_get(&e->q, e->leaf->s, HONE_ANN_AHEAD);
        next_turn(e, b, l, s, p, wish);
        if (!wish) {
            stream(e, b, l, s, p);
        }
    } else if (e->leaf->uses_own && is_packed(e, b)) {
        next_panel(e, b, l, s, p);
    }
}
