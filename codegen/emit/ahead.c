/* What is fetched ahead of its use: constants that were packed, which come from memory where a
 * kernel is one of many (a network's weights), and of which each is used some times soon after.
 *
 * A sum of products goes through its packed operand panel by panel, and through each panel once for
 * every tile of rows. The first of these turns waits for memory, the others find the panel in the
 * second cache. So each load asks for the same place of the next panel: it has all turns of this
 * one to arrive. Asking again in each turn costs a load that finds its line; beyond the last panel
 * lie the constants that are used next, or nothing, which does no harm.
 *
 * Where a panel's turn takes more than a quarter of the second cache, this one, the next and the
 * other operand do not fit together. A kernel of a network then asks for the next of what the panel
 * is made of, or for what lies two pages on: as far as memory takes to answer. Processors see by
 * themselves what lies ahead, but not beyond the end of a page.
 *
 * Not done: for a kernel by itself, where all that is packed stays in the second cache. */
#include "codegen/internal.h"

#define LINE 64       /* bytes of a cache line */
#define TO_L2 2       /* llvm.prefetch: of 0 (not kept) to 3 (in the nearest cache) */
#define PANEL_SHARE 4 /* a panel's turn takes one in so many parts of the second cache */
#define NEAR 8192     /* bytes, where it takes more */

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

void hone_cg__fetch_ahead(cg *e, hone_buffer b, cg_lin l, const cg_sum *s, LLVMValueRef p)
{
    if (e->o->plain || !e->leaf || !e->leaf->uses_own || s->lane != 1 || !is_packed(e, b)) {
        return;
    }
    hone_dtype t = (hone_dtype)hone_buffer_at(&e->q, b)->dtype;
    int64_t width = hone_cg__elem_bytes(t), ahead = distance(e, b, l, width);
    if (ahead == 0 || is_asked(e, b, s->c * width / LINE)) {
        return;
    }
    LLVMValueRef by = LLVMConstInt(e->i64, (uint64_t)ahead, true);
    LLVMValueRef next = LLVMBuildGEP2(e->b, hone_cg__mem_type(e, t), p, &by, 1, "");
    LLVMValueRef args[] = {next, LLVMConstInt(e->i32, 0, false), LLVMConstInt(e->i32, TO_L2, false),
                           LLVMConstInt(e->i32, 1, false)};
    hone_cg__intrinsic(e, "llvm.prefetch", e->ptr, args, HONE_LEN(args));
}
