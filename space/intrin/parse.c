/* Reads intrinsics (docs/INTRINSICS.md).
 *
 * Reader's map
 *   errors       place, source line and caret
 *   scanning     words, texts, and what stands between braces in another language
 *   description  what a program must be like to describe an intrinsic; how its accesses move
 *   intrinsics   one after the other */
#include "space/intrin/internal.h"

typedef struct reader {
    const char *file, *text, *end, *at;
    hone_status status;
    hone_error *err;
} reader;

/* ---- errors ---------------------------------------------------------------------------------- */

static bool fail_at(reader *r, const char *at, const char *fmt, ...) HONE_PRINTF(3, 4);
static bool fail_at(reader *r, const char *at, const char *fmt, ...)
{
    if (r->status != HONE_OK)
        return false;
    r->status = HONE_E_INPUT;
    if (!r->err)
        return false;
    int line = 1, column = 1;
    const char *start = r->text;
    for (const char *c = r->text; c < at; c++) {
        column = *c == '\n' ? 1 : column + 1;
        line += *c == '\n';
        start = *c == '\n' ? c + 1 : start;
    }
    if (at - start > 80)
        start = at - 80;
    hone_buf b = {0};
    for (const char *c = start; c < r->end && *c != '\n' && c - start < 120; c++) {
        char shown = *c == '\t' || (*c >= ' ' && *c < 0x7f) ? *c : '?';
        hone_buf_add(&b, &shown, 1);
    }
    hone_buf_puts(&b, "\n  ");
    for (const char *c = start; c < at; c++)
        hone_buf_puts(&b, *c == '\t' ? "\t" : " ");
    char why[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    hone_fail(r->err, HONE_E_INPUT, "%.120s:%d:%d: error: %s\n  %s^", r->file, line, column, why,
              b.s);
    hone_buf_free(&b);
    r->err->line = line;
    r->err->column = column;
    snprintf(r->err->where, sizeof r->err->where, "%s", r->file);
    return false;
}

/* ---- scanning -------------------------------------------------------------------------------- */

static void skip_space(reader *r)
{
    while (r->at < r->end) {
        if (*r->at == '#')
            while (r->at < r->end && *r->at != '\n')
                r->at++;
        else if (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r')
            r->at++;
        else
            break;
    }
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '.';
}

static size_t word_length(const reader *r)
{
    size_t n = 0;
    while (r->at + n < r->end && is_word(r->at[n]))
        n++;
    return n;
}

static bool take_word(reader *r, const char *word)
{
    skip_space(r);
    size_t n = word_length(r);
    if (n != strlen(word) || memcmp(r->at, word, n) != 0)
        return false;
    r->at += n;
    return true;
}

static bool expect(reader *r, char c)
{
    skip_space(r);
    if (r->at >= r->end)
        return fail_at(r, r->end, "expected '%c', found the end of the text", c);
    if (*r->at != c)
        return fail_at(r, r->at, "expected '%c'", c);
    r->at++;
    return true;
}

/* From behind an opening brace up to and with its closing one. Braces in comments (which begin with
 * `comment` and end with the line) and between quotes do not count. */
static bool take_braced(reader *r, char comment, const char *quotes, const char **ret,
                        size_t *ret_n)
{
    const char *open = r->at;
    unsigned depth = 1;
    if (!expect(r, '{'))
        return false;
    *ret = r->at;
    while (r->at < r->end) {
        char c = *r->at++;
        if (c == '\0')
            return fail_at(r, r->at - 1, "unexpected byte 0x00");
        if (c == comment) {
            while (r->at < r->end && *r->at != '\n')
                r->at++;
        } else if (strchr(quotes, c)) {
            while (r->at < r->end && *r->at != c && *r->at != '\n')
                r->at++;
            r->at += r->at < r->end;
        } else if (c == '{') {
            depth++;
        } else if (c == '}' && --depth == 0) {
            *ret_n = (size_t)(r->at - 1 - *ret);
            return true;
        }
    }
    return fail_at(r, open, "the closing brace of this part is missing");
}

/* "+a,+b" between double quotes. */
static char *take_features(reader *r)
{
    skip_space(r);
    const char *at = r->at;
    if (!expect(r, '"'))
        return NULL;
    const char *s = r->at;
    while (r->at < r->end && (is_word(*r->at) || strchr("+,- ", *r->at)) && *r->at)
        r->at++;
    size_t n = (size_t)(r->at - s);
    if (!expect(r, '"'))
        return NULL;
    hone_buf b = {0};
    for (size_t k = 0; k < n; k++) {
        if (s[k] == ' ')
            continue;
        bool first = b.n == 0 || b.s[b.n - 1] == ',';
        if (first != (s[k] == '+') || (first && s[k] == ',')) {
            fail_at(r, at, "features are written like \"+avx512vnni,+avx512vl\"");
            hone_buf_free(&b);
            return NULL;
        }
        hone_buf_add(&b, &s[k], 1);
    }
    if (b.n && (b.s[b.n - 1] == ',' || b.s[b.n - 1] == '+'))
        fail_at(r, at, "features are written like \"+avx512vnni,+avx512vl\"");
    return b.s ? hone_buf_take(&b) : hone_xstrdup("");
}

/* ---- description ----------------------------------------------------------------------------- */

/* The program between s and s + n, with the places of the whole text in messages. */
static bool parse_program(reader *r, const char *s, size_t n, hone_program *ret)
{
    size_t before = (size_t)(s - r->text);
    char *copy = hone_xmalloc(before + n + 1);
    for (size_t k = 0; k < before; k++)
        copy[k] = r->text[k] == '\n' ? '\n' : ' ';
    memcpy(copy + before, s, n);
    copy[before + n] = '\0';
    hone_error err;
    r->status = hone_program_parse(copy, before + n, ret, &err);
    free(copy);
    if (r->status == HONE_OK)
        return true;
    /* say it anew, with the text around it */
    hone_status st = r->status;
    const char *at = r->text, *why = strstr(err.message, "error: ");
    for (int line = 1; line < err.line; at++)
        line += *at == '\n';
    at += err.column - 1;
    why = why ? why + strlen("error: ") : err.message;
    r->status = HONE_OK;
    fail_at(r, at < r->end ? at : r->end, "%.*s", (int)strcspn(why, "\n"), why);
    r->status = st == HONE_E_LIMIT ? st : r->status;
    return false;
}

/* A description starts from sums that are there already; hone_verify wants them to begin. */
static bool verify(reader *r, const char *at, const hone_intrin *in)
{
    hone_program p = {0};
    hone_error err;
    hone_program_copy(&p, &in->desc);
    hone_stmt_row row = *hone_stmt_at(&p, in->leaf);
    hone_expr zero = hone_const(&p, (hone_dtype)hone_buffer_at(&p, row.out)->dtype, 0);
    hone_stmt_at(&p, in->leaf)->init = zero;
    hone_status st = hone_verify(&p, &err);
    hone_program_fini(&p);
    return st == HONE_OK || fail_at(r, at, "%.300s", err.message);
}

typedef struct loads {
    hone_expr own, v[HONE_INTRIN_MAX_ARGS];
    unsigned n;
    bool too_many;
} loads;

static bool add_load(void *ctx, const hone_program *p, hone_expr e)
{
    loads *l = ctx;
    if (hone_expr_op(p, e) != HONE_OP_LOAD)
        return true;
    if (HONE_SAME(e, l->own))
        return false;
    for (unsigned k = 0; k < l->n; k++)
        if (HONE_SAME(l->v[k], e))
            return false;
    if (l->n < HONE_LEN(l->v))
        l->v[l->n++] = e;
    else
        l->too_many = true;
    return false;
}

/* How far each loop moves the access, in elements of the buffer. */
static bool strides_of(hone_intrin *in, unsigned arg)
{
    hone_program *p = &in->desc;
    hone_expr load = in->load[arg], rest;
    const hone_buffer_row b = *hone_buffer_at(p, (hone_buffer){arg + 1});
    int64_t pitch = 1, c[HONE_INTRIN_MAX_LOOPS], zero;
    for (unsigned d = b.n_dims; d-- > 0; pitch *= b.shape[d]) {
        hone_expr e = hone_simplify(p, hone_bind(p, in->leaf, hone_expr_arg(p, load, d)));
        if (!hone_linear(p, e, in->loops, in->n_loops, c, &rest) ||
            !hone_is_int(p, hone_simplify(p, rest), &zero) || zero != 0)
            return false;
        for (unsigned l = 0; l < in->n_loops; l++)
            in->stride[arg][l] += pitch * c[l];
    }
    return true;
}

static bool find_leaf(reader *r, const char *at, hone_intrin *in)
{
    hone_program *p = &in->desc;
    hone_stmt s = hone_stmt_at(p, p->root)->first;
    for (; hone_is_loop(p, s); s = hone_stmt_at(p, s)->first) {
        const hone_stmt_row *row = hone_stmt_at(p, s);
        if (row->next.i || row->loop_kind != HONE_SERIAL)
            break;
        if (hone_loop_extent(p, s) == 1)
            continue;
        if (in->n_loops == HONE_INTRIN_MAX_LOOPS)
            return fail_at(r, at, "a description has at most %d loops", HONE_INTRIN_MAX_LOOPS);
        in->extent[in->n_loops] = hone_loop_extent(p, s);
        in->loops[in->n_loops++] = row->var;
    }
    const hone_stmt_row *row = hone_stmt_at(p, s);
    if (!hone_is_block(p, s) || !row->out.i || row->next.i || in->n_loops == 0)
        return fail_at(r, at, "a description is one nest of plain loops around one leaf block");
    if (row->where.i || row->init.i)
        return fail_at(r, at, "the block of a description has no 'where' and no 'init'");
    in->leaf = s;
    return true;
}

static bool analyse(reader *r, const char *at, hone_intrin *in)
{
    hone_program *p = &in->desc;
    if (!find_leaf(r, at, in) || !verify(r, at, in))
        return false;
    hone_stmt_row row = *hone_stmt_at(p, in->leaf);
    hone_expr index[HONE_MAX_DIMS];
    for (unsigned d = 0; d < row.n_index; d++)
        index[d] = hone_store_index(p, in->leaf, d);
    loads l = {.own = hone_load(p, row.out, index, row.n_index)};
    hone_walk(p, row.value, add_load, &l);
    in->n_args = p->buffers.n - 1;
    if (l.too_many || in->n_args > HONE_INTRIN_MAX_ARGS)
        return fail_at(r, at, "a description has at most %d buffers", HONE_INTRIN_MAX_ARGS);
    if (l.n + 1 != in->n_args)
        return fail_at(r, at, "each buffer of a description is stored to or read, at one place");
    for (unsigned a = 0; a < in->n_args; a++) {
        const hone_buffer_row *b = hone_buffer_at(p, (hone_buffer){a + 1});
        bool out = row.out.i == a + 1, found = out;
        in->load[a] = l.own;
        for (unsigned k = 0; k < l.n; k++)
            if (!out && hone_expr_at(p, l.v[k])->sym == a + 1) {
                found = true;
                in->load[a] = l.v[k];
                in->access[a] = k + 1;
            }
        if (!found || b->role != (out ? HONE_OUTPUT : HONE_INPUT))
            return fail_at(r, at,
                           "buffer '%.80s' of a description must be an input that is read or the "
                           "output that is stored to",
                           hone_sym_text(p, b->name));
        if (!strides_of(in, a))
            return fail_at(r, at, "the indices of buffer '%.80s' are no sums of loops",
                           hone_sym_text(p, b->name));
    }
    return true;
}

/* ---- intrinsics ------------------------------------------------------------------------------ */

void hone_intrin__free(hone_intrin *in)
{
    free(in->name);
    free(in->features);
    free(in->impl);
    hone_program_fini(&in->desc);
}

static bool defines_function(const char *impl)
{
    for (const char *s = strstr(impl, "define"); s; s = strstr(s + 1, "define"))
        if ((s == impl || s[-1] == '\n' || s[-1] == ' ' || s[-1] == '\t') &&
            (s[6] == ' ' || s[6] == '\t'))
            return true;
    return false;
}

static bool read_one(reader *r, hone_intrin *in)
{
    skip_space(r);
    const char *at = r->at, *part;
    size_t n = word_length(r);
    if (n == 0 || n > 200)
        return fail_at(r, at, "expected the intrinsic's name, at most 200 of letters, digits, _ .");
    in->name = hone_xmalloc(n + 1);
    memcpy(in->name, at, n);
    in->name[n] = '\0';
    r->at += n;
    if (!expect(r, '{'))
        return false;
    if (take_word(r, "requires")) {
        in->features = take_features(r);
        if (r->status != HONE_OK)
            return false;
    } else {
        in->features = hone_xstrdup("");
    }
    if (!take_word(r, "desc"))
        return fail_at(r, r->at, "expected 'desc' and a program in braces");
    skip_space(r);
    at = r->at;
    if (!take_braced(r, '#', "\"`", &part, &n))
        return false;
    bool parsed = parse_program(r, part, n, &in->desc);
    if (!parsed || !analyse(r, at, in)) {
        if (!parsed)
            in->desc = (hone_program){0};
        return false;
    }
    if (!take_word(r, "impl"))
        return fail_at(r, r->at, "expected 'impl' and LLVM IR in braces");
    skip_space(r);
    at = r->at;
    if (!take_braced(r, ';', "\"", &part, &n))
        return false;
    in->impl = hone_xmalloc(n + 1);
    memcpy(in->impl, part, n);
    in->impl[n] = '\0';
    if (!defines_function(in->impl))
        return fail_at(r, at, "the implementation defines no function");
    return expect(r, '}');
}

hone_status hone_intrin__read(const char *file, const char *text, size_t n, hone_intrin__vec *ret,
                              hone_error *err)
{
    reader r = {.file = file, .text = text, .end = text + n, .at = text, .err = err};
    for (skip_space(&r); r.status == HONE_OK && r.at < r.end; skip_space(&r)) {
        if (!take_word(&r, "intrin")) {
            fail_at(&r, r.at, "expected 'intrin'");
            break;
        }
        hone_intrin in = {0};
        if (read_one(&r, &in))
            hone_vec_push(ret, in);
        else
            hone_intrin__free(&in);
    }
    return r.status;
}
