/* Which expressions of a block get a name when it is printed. Expressions share their parts, text
 * does not: a block in which every stage of a chain uses the one before twice would be printed for
 * ever. */
#include "ir/internal.h"

/* A block is written out in full as long as it takes no more than this. */
#define MAX_PLAIN 1000
/* Operations within one another; the parser takes up to 200. */
#define MAX_NESTED 150
/* What is used twice gets a name from this size on. */
#define MIN_SHARED 4

typedef struct part {
    hone_expr e;
    uint32_t uses;
    uint32_t size, nested; /* as printed where it has no name */
    bool named;
} part;

typedef struct sharing {
    const hone_program *p;
    HONE_VEC(part) v; /* arguments before what they are in; row 0 unused */
    hone_memo row_of;
} sharing;

static bool is_short(const hone_program *p, hone_expr e, unsigned *left)
{
    const hone_expr_row *row = hone_expr_at(p, e);
    if (*left == 0 || row->height > MAX_NESTED)
        return false;
    --*left;
    for (unsigned k = 0; k < row->n_args; k++)
        if (!is_short(p, p->args.v[row->args + k], left))
            return false;
    return true;
}

static void count_uses(sharing *s, hone_expr e)
{
    uint32_t at;
    if (hone_memo_find(&s->row_of, e.i, &at)) {
        s->v.v[at].uses++;
        return;
    }
    for (unsigned k = 0; k < hone_expr_at(s->p, e)->n_args; k++)
        count_uses(s, hone_expr_arg(s->p, e, k));
    hone_memo_add(&s->row_of, e.i, s->v.n);
    hone_vec_push(&s->v, ((part){.e = e, .uses = 1}));
}

static void measure(sharing *s, part *x)
{
    x->size = 1;
    x->nested = 0;
    for (unsigned k = 0; k < hone_expr_at(s->p, x->e)->n_args; k++) {
        uint32_t at = 0;
        hone_memo_find(&s->row_of, hone_expr_arg(s->p, x->e, k).i, &at);
        const part *arg = &s->v.v[at];
        x->size += arg->named ? 1 : arg->size;
        if (!arg->named && arg->nested >= x->nested)
            x->nested = arg->nested + 1;
    }
}

void hone_ir__lets(const hone_program *p, hone_stmt block, hone_ir__exprs *ret)
{
    const hone_stmt_row *row = hone_stmt_at(p, block);
    unsigned left = MAX_PLAIN;
    bool plain = is_short(p, row->value, &left) && (!row->init.i || is_short(p, row->init, &left));
    for (unsigned k = 0; k < row->n_index; k++)
        plain = plain && is_short(p, hone_store_index(p, block, k), &left);
    if (plain)
        return;
    sharing s = {.p = p};
    hone_vec_push(&s.v, (part){0});
    if (row->init.i)
        count_uses(&s, row->init);
    for (unsigned k = 0; k < row->n_index; k++)
        count_uses(&s, hone_store_index(p, block, k));
    count_uses(&s, row->value);
    for (uint32_t at = 1; at < s.v.n; at++) {
        part *x = &s.v.v[at];
        measure(&s, x);
        x->named = (x->uses > 1 && x->size >= MIN_SHARED) || x->nested >= MAX_NESTED;
        if (x->named)
            hone_vec_push(ret, x->e);
    }
    hone_vec_free(&s.v);
    hone_memo_free(&s.row_of);
}
