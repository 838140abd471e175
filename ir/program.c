/* Programs as rows in arrays: life, names, variables, buffers, annotations. */
#include "ir/internal.h"

#define FIRST_TABLE 1024

/* Gives every array its unused row 0. Variable 0 has extent 1 so that a program over its limit is
 * still sound to look at. */
void hone_program_init(hone_program *p, const char *name)
{
    *p = (hone_program){0};
    hone_vec_reserve(&p->exprs, 96);
    hone_vec_reserve(&p->args, 160);
    hone_vec_push(&p->exprs, (hone_expr_row){.op = HONE_OP_NONE, .dtype = HONE_I64});
    hone_vec_push(&p->args, HONE_NO_EXPR);
    hone_vec_push(&p->vars, (hone_var_row){.extent = 1});
    hone_vec_push(&p->iters, (hone_iter){0});
    hone_vec_push(&p->stmts, (hone_stmt_row){.kind = HONE_STMT_FREE});
    hone_vec_push(&p->buffers, (hone_buffer_row){0});
    hone_vec_push(&p->anns, (hone_ann){0});
    hone_vec_push(&p->chars, '\0');
    hone_vec_push(&p->syms, 0);
    hone_vec_reserve(&p->table, FIRST_TABLE);
    p->table.n = FIRST_TABLE;
    memset(p->table.v, 0, FIRST_TABLE * sizeof *p->table.v);
    p->name = hone_sym_of(p, name);
    p->root = hone_block_new(p, "root");
}

void hone_program_fini(hone_program *p)
{
    hone_vec_free(&p->exprs);
    hone_vec_free(&p->args);
    hone_vec_free(&p->table);
    hone_vec_free(&p->vars);
    hone_vec_free(&p->iters);
    hone_vec_free(&p->stmts);
    hone_vec_free(&p->buffers);
    hone_vec_free(&p->anns);
    hone_vec_free(&p->chars);
    hone_vec_free(&p->syms);
    *p = (hone_program){0};
}

void hone_program_copy(hone_program *dst, const hone_program *src)
{
    if (dst == src)
        return;
    hone_vec_copy(&dst->exprs, &src->exprs);
    hone_vec_copy(&dst->args, &src->args);
    hone_vec_copy(&dst->table, &src->table);
    hone_vec_copy(&dst->vars, &src->vars);
    hone_vec_copy(&dst->iters, &src->iters);
    hone_vec_copy(&dst->stmts, &src->stmts);
    hone_vec_copy(&dst->buffers, &src->buffers);
    hone_vec_copy(&dst->anns, &src->anns);
    hone_vec_copy(&dst->chars, &src->chars);
    hone_vec_copy(&dst->syms, &src->syms);
    dst->name = src->name;
    dst->root = src->root;
    dst->overflow = src->overflow;
}

/* ---- names ----------------------------------------------------------------------------------- */

/* Most names that are looked up here are new, and names of one length differ in their last
 * character more often than in their first ("i_0", "i_1"). */
hone_sym hone_ir__sym_find(const hone_program *p, const char *name)
{
    size_t n = strlen(name) + 1;
    uint32_t end = p->chars.n;
    for (uint32_t s = p->syms.n - 1; s > 0; s--) {
        uint32_t at = p->syms.v[s];
        const char *text = p->chars.v + at;
        if (end - at == n && n > 1 && text[n - 2] == name[n - 2] && memcmp(text, name, n) == 0)
            return (hone_sym){s};
        end = at;
    }
    return (hone_sym){0};
}

hone_sym hone_sym_of(hone_program *p, const char *name)
{
    if (!name || !*name)
        return (hone_sym){0};
    hone_sym s = hone_ir__sym_find(p, name);
    if (s.i)
        return s;
    /* name may point into chars, which is about to move */
    size_t n = strlen(name) + 1;
    bool inside = name >= p->chars.v && name < p->chars.v + p->chars.n;
    size_t from = inside ? (size_t)(name - p->chars.v) : 0;
    HONE_ASSERT(n < UINT32_MAX / 4);
    hone_vec_reserve(&p->chars, n);
    memcpy(p->chars.v + p->chars.n, inside ? p->chars.v + from : name, n);
    hone_vec_push(&p->syms, p->chars.n);
    p->chars.n += (uint32_t)n;
    return (hone_sym){p->syms.n - 1};
}

const char *hone_sym_text(const hone_program *p, hone_sym s)
{
    return p->chars.v + p->syms.v[s.i];
}

hone_sym hone_ir__unique(hone_program *p, const char *name,
                         bool (*taken)(const hone_program *p, hone_sym s))
{
    hone_sym s = hone_ir__sym_find(p, name);
    if (!s.i || !taken(p, s))
        return hone_sym_of(p, name);
    char text[128];
    for (unsigned k = 1;; k++) {
        snprintf(text, sizeof text, "%.*s_%u", HONE_UTF8_CUT(name, 100), k);
        s = hone_ir__sym_find(p, text);
        if (!s.i || !taken(p, s))
            return hone_sym_of(p, text);
    }
}

/* ---- variables, buffers ---------------------------------------------------------------------- */

hone_var hone_ir__var_named(hone_program *p, hone_sym name, int64_t extent)
{
    HONE_ASSERT(extent >= 0);
    hone_vec_push(&p->vars, (hone_var_row){.name = name, .extent = extent});
    return (hone_var){p->vars.n - 1};
}

hone_var hone_var_new(hone_program *p, const char *name, int64_t extent)
{
    return hone_ir__var_named(p, hone_sym_of(p, name), extent);
}

static bool buffer_named(const hone_program *p, hone_sym s)
{
    for (uint32_t b = 1; b < p->buffers.n; b++)
        if (HONE_SAME(p->buffers.v[b].name, s))
            return true;
    return false;
}

hone_buffer hone_buffer_new(hone_program *p, const char *name, hone_dtype dtype,
                            const int64_t *shape, unsigned n_dims, hone_role role, hone_scope scope)
{
    HONE_ASSERT(n_dims <= HONE_MAX_DIMS);
    hone_buffer_row row = {.dtype = (uint8_t)dtype,
                           .role = (uint8_t)role,
                           .scope = (uint8_t)scope,
                           .n_dims = (uint8_t)n_dims};
    for (unsigned d = 0; d < n_dims; d++)
        row.shape[d] = shape[d];
    row.name = hone_ir__unique(p, name, buffer_named);
    hone_vec_push(&p->buffers, row);
    return (hone_buffer){p->buffers.n - 1};
}

hone_buffer hone_buffer_find(const hone_program *p, const char *name)
{
    hone_sym s = hone_ir__sym_find(p, name);
    for (uint32_t b = 1; s.i && b < p->buffers.n; b++)
        if (HONE_SAME(p->buffers.v[b].name, s))
            return (hone_buffer){b};
    return HONE_NO_BUFFER;
}

int64_t hone_buffer_count(const hone_program *p, hone_buffer b)
{
    const hone_buffer_row *row = hone_buffer_at(p, b);
    int64_t n = 1;
    for (unsigned d = 0; d < row->n_dims; d++)
        if (__builtin_mul_overflow(n, row->shape[d], &n))
            return INT64_MAX;
    return n;
}

/* ---- annotations ----------------------------------------------------------------------------- */

const hone_ann *hone_ann_get(const hone_program *p, hone_stmt s, const char *key)
{
    for (uint32_t a = hone_stmt_at(p, s)->anns; a; a = p->anns.v[a].next)
        if (strcmp(hone_sym_text(p, p->anns.v[a].key), key) == 0)
            return &p->anns.v[a];
    return NULL;
}

static void ann_put(hone_program *p, hone_stmt s, hone_sym key, hone_sym text, int64_t value)
{
    uint32_t last = 0;
    for (uint32_t a = hone_stmt_at(p, s)->anns; a; a = p->anns.v[a].next) {
        if (HONE_SAME(p->anns.v[a].key, key)) {
            p->anns.v[a].text = text;
            p->anns.v[a].value = value;
            return;
        }
        last = a;
    }
    hone_vec_push(&p->anns, (hone_ann){.key = key, .text = text, .value = value});
    uint32_t added = p->anns.n - 1;
    if (last)
        p->anns.v[last].next = added;
    else
        hone_stmt_at(p, s)->anns = added;
}

void hone_ann_set(hone_program *p, hone_stmt s, const char *key, int64_t value)
{
    ann_put(p, s, hone_sym_of(p, key), (hone_sym){0}, value);
}

void hone_ann_set_text(hone_program *p, hone_stmt s, const char *key, const char *text)
{
    hone_sym k = hone_sym_of(p, key), t = hone_sym_of(p, text);
    ann_put(p, s, k, t, 0);
}

bool hone_ann_remove(hone_program *p, hone_stmt s, const char *key)
{
    uint32_t *link = &hone_stmt_at(p, s)->anns;
    for (; *link; link = &p->anns.v[*link].next)
        if (strcmp(hone_sym_text(p, p->anns.v[*link].key), key) == 0) {
            *link = p->anns.v[*link].next;
            return true;
        }
    return false;
}
