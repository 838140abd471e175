/* The workload language: reading kernels as written. docs/LANGUAGE.md has the grammar. */
#include "ir/workload.h"

#include "ir/builtin.h"

typedef struct reader {
    hone_lex lx;
    hone_ast ast;
    HONE_VEC(hone_wl_kernel) kernels;
} reader;

static bool good(const reader *rd)
{
    return rd->lx.status == HONE_OK;
}

static const char *text_of(const reader *rd, uint32_t name)
{
    return rd->ast.names.v + name;
}

/* Takes a name that nothing in the kernel has yet. */
static bool new_name(reader *rd, const hone_wl_kernel *k, const char *what, uint32_t *ret)
{
    hone_lex *lx = &rd->lx;
    const char *at = lx->tok.s;
    char name[HONE_LEX_MAX_NAME + 1];
    *ret = 0;
    if (!hone_lex__name(lx, what, name))
        return false;
    bool taken = false;
    for (uint32_t i = 0; i < k->names.n; i++)
        taken |= strcmp(text_of(rd, k->names.v[i].name), name) == 0;
    for (uint32_t i = 0; i < k->buffers.n; i++)
        taken |= strcmp(text_of(rd, k->buffers.v[i].name), name) == 0;
    if (taken)
        return hone_lex__fail_at(lx, at, "'%s' is the name of something else in this kernel", name);
    *ret = hone_ast__keep(&rd->ast, name);
    return true;
}

/* NAME [= EXPR], ... ) of a kernel's head, or NAME = EXPR of a let. */
static void read_size(reader *rd, hone_wl_kernel *k, bool let)
{
    hone_lex *lx = &rd->lx;
    hone_wl_name name = {.at = lx->tok.s, .let = let};
    if (k->names.n == HONE_WL_MAX_NAMES) {
        hone_lex__fail_at(lx, name.at, "a kernel has at most %d sizes and lets", HONE_WL_MAX_NAMES);
        return;
    }
    if (!new_name(rd, k, let ? "the let" : "the size", &name.name))
        return;
    if (let ? hone_lex__expect(lx, '=') : hone_lex__accept(lx, '='))
        name.value = hone_ast__expr(&rd->ast);
    hone_vec_push(&k->names, name);
}

/* `in` may also be a buffer, which the next statement assigns. */
static bool is_range(const hone_lex *lx)
{
    hone_lex ahead = *lx;
    if (!hone_lex__is_word(lx, "in"))
        return false;
    ahead.err = NULL;
    hone_lex__next(&ahead);
    return !hone_lex__is(&ahead, '[');
}

static void read_buffer(reader *rd, hone_wl_kernel *k, hone_role role, bool is_const)
{
    hone_lex *lx = &rd->lx;
    hone_wl_buffer b = {.role = role, .at = lx->tok.s};
    b.is_const = hone_lex__accept_word(lx, "const") || is_const;
    if (b.is_const && role != HONE_INPUT) {
        hone_lex__fail_at(lx, b.at, "only an input can be const");
        return;
    }
    b.at = lx->tok.s;
    if (k->buffers.n == HONE_WL_MAX_BUFFERS) {
        hone_lex__fail_at(lx, b.at, "a kernel has at most %d buffers", HONE_WL_MAX_BUFFERS);
        return;
    }
    if (!new_name(rd, k, "the buffer", &b.name))
        return;
    hone_lex__expect(lx, ':');
    b.dtype = lx->tok.kind == T_NAME ? hone_dtype_parse(lx->tok.s, lx->tok.n) : HONE_DTYPE_COUNT;
    if (b.dtype == HONE_DTYPE_COUNT) {
        hone_lex__expected(lx, "a dtype such as f32");
        return;
    }
    hone_lex__next(lx);
    hone_lex__expect(lx, '[');
    b.n_dims = hone_ast__list(&rd->ast, ']', b.dims, HONE_MAX_DIMS);
    const char *at = lx->tok.s;
    if (is_range(lx)) {
        hone_lex__next(lx);
        if (role != HONE_INPUT) {
            hone_lex__fail_at(lx, at, "only an input can have a range: it says what is given");
            return;
        }
        b.lo = hone_ast__expr(&rd->ast);
        hone_lex__expect(lx, HONE_PAIR('.', '.'));
        b.hi = hone_ast__expr(&rd->ast);
    }
    hone_vec_push(&k->buffers, b);
}

static void read_stmt(reader *rd, hone_wl_kernel *k)
{
    hone_lex *lx = &rd->lx;
    hone_wl_stmt s = {.at = lx->tok.s};
    char name[HONE_LEX_MAX_NAME + 1];
    if (k->stmts.n == HONE_WL_MAX_STAGES) {
        hone_lex__fail_at(lx, s.at, "a kernel has at most %d statements", HONE_WL_MAX_STAGES);
        return;
    }
    if (!hone_lex__name(lx, "a declaration, a statement or '}'", name))
        return;
    s.out = hone_ast__keep(&rd->ast, name);
    hone_lex__expect(lx, '[');
    while (good(rd) && !hone_lex__is(lx, ']')) {
        if (s.n_index == HONE_MAX_DIMS) {
            hone_lex__fail_at(lx, lx->tok.s, "a buffer has at most %d dimensions", HONE_MAX_DIMS);
            return;
        }
        s.index_at[s.n_index] = lx->tok.s;
        if (lx->tok.kind != T_NAME) {
            hone_lex__expected(lx, "an index, which is a new name for each dimension");
            return;
        }
        if (!hone_lex__name(lx, "an index", name))
            return;
        s.index[s.n_index++] = hone_ast__keep(&rd->ast, name);
        if (!hone_lex__accept(lx, ','))
            break;
    }
    hone_lex__expect(lx, ']');
    hone_lex__expect(lx, '=');
    s.value = hone_ast__expr(&rd->ast);
    if (good(rd))
        hone_vec_push(&k->stmts, s);
}

static void read_item(reader *rd, hone_wl_kernel *k)
{
    hone_lex *lx = &rd->lx;
    const char *at = lx->tok.s;
    bool is_const = hone_lex__accept_word(lx, "const");
    if (hone_lex__accept_word(lx, "input"))
        read_buffer(rd, k, HONE_INPUT, is_const);
    else if (is_const)
        hone_lex__fail_at(lx, at, "'const' goes before 'input'");
    else if (hone_lex__accept_word(lx, "output"))
        read_buffer(rd, k, HONE_OUTPUT, false);
    else if (hone_lex__accept_word(lx, "temp"))
        read_buffer(rd, k, HONE_TEMP, false);
    else if (hone_lex__accept_word(lx, "let"))
        read_size(rd, k, true);
    else
        read_stmt(rd, k);
    if (good(rd) && !hone_lex__is(lx, ';') && !hone_lex__is(lx, '}') && !lx->tok.first)
        hone_lex__expected(lx, "an operator, ';' or a new line");
}

static void read_kernel(reader *rd)
{
    hone_lex *lx = &rd->lx;
    hone_wl_kernel k = {.at = lx->tok.s};
    char name[HONE_LEX_MAX_NAME + 1] = "";
    hone_lex__name(lx, "the kernel", name);
    for (uint32_t i = 0; i < rd->kernels.n; i++)
        if (strcmp(text_of(rd, rd->kernels.v[i].name), name) == 0)
            hone_lex__fail_at(lx, k.at, "there are two kernels '%s'", name);
    k.name = hone_ast__keep(&rd->ast, name);
    hone_lex__expect(lx, '(');
    while (good(rd) && !hone_lex__is(lx, ')')) {
        read_size(rd, &k, false);
        if (!hone_lex__accept(lx, ','))
            break;
    }
    k.head_end = lx->tok.s + 1;
    hone_lex__expect(lx, ')');
    hone_lex__expect(lx, '{');
    while (good(rd) && !hone_lex__accept(lx, '}'))
        if (!hone_lex__accept(lx, ';'))
            read_item(rd, &k);
    hone_vec_push(&rd->kernels, k);
}

static void read_all(reader *rd, const char *file, const char *text, size_t n, hone_error *err)
{
    *rd = (reader){0};
    hone_lex__start(&rd->lx, file, text, n, HONE_WL_MAX_BYTES, HONE_WORDS_WORKLOAD, err);
    hone_ast__init(&rd->ast, &rd->lx, true);
    do {
        if (hone_lex__expect_word(&rd->lx, "kernel"))
            read_kernel(rd);
    } while (good(rd) && rd->lx.tok.kind != T_END);
}

static void reader_fini(reader *rd)
{
    for (uint32_t i = 0; i < rd->kernels.n; i++) {
        hone_vec_free(&rd->kernels.v[i].names);
        hone_vec_free(&rd->kernels.v[i].buffers);
        hone_vec_free(&rd->kernels.v[i].stmts);
    }
    hone_vec_free(&rd->kernels);
    hone_ast__fini(&rd->ast);
}

static const hone_wl_kernel *pick(reader *rd, const char *kernel)
{
    for (uint32_t i = 0; i < rd->kernels.n; i++)
        if (!kernel || strcmp(text_of(rd, rd->kernels.v[i].name), kernel) == 0)
            return &rd->kernels.v[i];
    hone_buf names = {0};
    for (uint32_t i = 0; i < rd->kernels.n && names.n < 400; i++)
        hone_buf_printf(&names, "%s%.80s", i ? ", " : "", text_of(rd, rd->kernels.v[i].name));
    rd->lx.status =
        hone_fail(rd->lx.err, HONE_E_NOTFOUND, "%.120s has no kernel '%.80s'; it has %s",
                  rd->lx.file, kernel, names.s);
    hone_buf_free(&names);
    return NULL;
}

hone_status hone_workload_parse(const char *file, const char *text, size_t n, const char *kernel,
                                const hone_size *sizes, unsigned n_sizes, hone_program *p,
                                hone_error *err)
{
    reader rd;
    read_all(&rd, file, text, n, err);
    const hone_wl_kernel *k = good(&rd) ? pick(&rd, kernel) : NULL;
    *p = (hone_program){0};
    if (k) {
        hone_program_init(p, text_of(&rd, k->name));
        hone_wl__lower(&rd.ast, k, sizes, n_sizes, p);
    }
    hone_status s = rd.lx.status;
    if (s != HONE_OK)
        hone_program_fini(p);
    reader_fini(&rd);
    return s;
}

/* The head as written, in one line. */
static char *head_of(const hone_wl_kernel *k)
{
    hone_buf b = {0};
    bool space = false;
    for (const char *c = k->at; c < k->head_end; c++) {
        if (*c == '#')
            while (*c != '\n')
                c++;
        if (*c == ' ' || *c == '\t' || *c == '\n' || *c == '\r') {
            space = b.n > 0;
            continue;
        }
        if (space)
            hone_buf_puts(&b, " ");
        space = false;
        hone_buf_add(&b, c, 1);
    }
    return hone_buf_take(&b);
}

hone_status hone_workload_list(const char *file, const char *text, size_t n, hone_kernel_list *ret,
                               hone_error *err)
{
    reader rd;
    read_all(&rd, file, text, n, err);
    for (uint32_t i = 0; good(&rd) && i < rd.kernels.n; i++)
        hone_vec_push(ret, (hone_kernel_info){hone_xstrdup(text_of(&rd, rd.kernels.v[i].name)),
                                              head_of(&rd.kernels.v[i])});
    reader_fini(&rd);
    return rd.lx.status;
}

void hone_kernel_list_free(hone_kernel_list *l)
{
    for (uint32_t i = 0; i < l->n; i++) {
        free(l->v[i].name);
        free(l->v[i].head);
    }
    hone_vec_free(l);
}
