/* The text that a user writes, and the call it makes at a kernel's sizes.
 *
 * Reader's map: words of a line; the call's line; the other lines, by table; the whole; a call. */
#include "libcall/internal.h"

#include <errno.h>

typedef struct reading {
    const char *file;
    int line;
    hone_libcall_library *l;
    hone_error *err;
} reading;

static hone_status refuse(const reading *r, const char *fmt, ...) HONE_PRINTF(2, 3);

static hone_status refuse(const reading *r, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    char *clean = hone_text_clean(text);
    hone_fail(r->err, HONE_E_INPUT, "%s:%d: %s", r->file, r->line, clean);
    free(clean);
    if (r->err)
        r->err->line = r->line;
    return HONE_E_INPUT;
}

/* ---- words ----------------------------------------------------------------------------------- */

/* Text between two places, without blanks at its ends. */
typedef struct span {
    const char *s;
    size_t n;
} span;

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static span trim(span x)
{
    while (x.n && is_blank(*x.s))
        x.s++, x.n--;
    while (x.n && is_blank(x.s[x.n - 1]))
        x.n--;
    return x;
}

/* Takes what is before the first blank. */
static span take_word(span *x)
{
    span w = {x->s, 0};
    while (w.n < x->n && !is_blank(w.s[w.n]))
        w.n++;
    *x = trim((span){x->s + w.n, x->n - w.n});
    return w;
}

static void copy(span x, char *ret)
{
    memcpy(ret, x.s, x.n);
    ret[x.n] = '\0';
}

/* ---- the call -------------------------------------------------------------------------------- */

static hone_status read_param(const reading *r, span x, hone_libcall_param *ret)
{
    span word = take_word(&x);
    ret->kind = hone_libcall__kind(word.s, word.n);
    ret->line = r->line;
    if (ret->kind == HONE_LIBCALL_KINDS || x.n == 0)
        return refuse(r, "an argument is i32, i64, f32, f64 or ptr, and what is given, not '%.*s'",
                      (int)(word.n < 40 ? word.n : 40), word.s);
    if (x.n >= sizeof ret->value || memchr(x.s, '\0', x.n))
        return refuse(r, "an argument has at most %zu letters", sizeof ret->value - 1);
    copy(x, ret->value);
    double ignored;
    bool is_float = ret->kind == HONE_LIBCALL_F32 || ret->kind == HONE_LIBCALL_F64;
    if (is_float && !hone_libcall__float(ret->kind, ret->value, &ignored))
        return refuse(r, "'%s' is no number that an %s holds", ret->value,
                      hone_libcall__kinds[ret->kind]);
    if (ret->kind == HONE_LIBCALL_PTR && !hone_libcall__is_name(x.s, x.n, sizeof ret->value))
        return refuse(r, "'%s' is no tensor's name", ret->value);
    return HONE_OK;
}

static hone_status read_params(const reading *r, span x)
{
    hone_libcall_library *l = r->l;
    x = trim(x);
    while (x.n) {
        const char *comma = memchr(x.s, ',', x.n);
        span one = {x.s, comma ? (size_t)(comma - x.s) : x.n};
        if (l->n_params == HONE_LIBCALL_MAX_ARGS)
            return refuse(r, "more than %d arguments", HONE_LIBCALL_MAX_ARGS);
        HONE_TRY(read_param(r, trim(one), &l->params[l->n_params++]));
        x = comma ? trim((span){comma + 1, x.n - one.n - 1}) : (span){x.s, 0};
        if (comma && x.n == 0)
            return refuse(r, "nothing stands behind the last comma");
    }
    return HONE_OK;
}

/* call void NAME(i32 101, ptr A) */
static hone_status read_call(const reading *r, span x)
{
    span type = take_word(&x);
    const char *open = memchr(x.s, '(', x.n);
    hone_libcall_library *l = r->l;
    bool is_void = type.n == 4 && memcmp(type.s, "void", 4) == 0;
    l->returns = hone_libcall__kind(type.s, type.n) == HONE_LIBCALL_I32;
    if (!is_void && !l->returns)
        return refuse(r, "a call begins with void or i32, which is 0 when it went well");
    if (!open || x.s[x.n - 1] != ')')
        return refuse(r, "a call is `call void FUNCTION(i32 M, ptr A, ..)`");
    span name = trim((span){x.s, (size_t)(open - x.s)});
    if (!hone_libcall__is_name(name.s, name.n, sizeof l->function))
        return refuse(r, "'%.*s' is no function's name", (int)(name.n < 80 ? name.n : 80), name.s);
    copy(name, l->function);
    return read_params(r, (span){open + 1, (size_t)(x.s + x.n - 1 - (open + 1))});
}

/* ---- the other lines ------------------------------------------------------------------------- */

static hone_status read_file(const reading *r, span x)
{
    const char *base = x.s + x.n;
    while (base > x.s && base[-1] != '/')
        base--;
    if (x.n >= sizeof r->l->file || memchr(x.s, '\0', x.n) ||
        !hone_libcall__is_file(base, (size_t)(x.s + x.n - base), HONE_LIBCALL_MAX_FILE))
        return refuse(r,
                      "'file' is a shared object, as libopenblas.so.0, with or without a folder");
    copy(x, r->l->file);
    return HONE_OK;
}

static hone_status read_link(const reading *r, span x)
{
    if (!hone_libcall__is_file(x.s, x.n, sizeof r->l->link))
        return refuse(r, "'link' is what -l of a linker takes, as openblas");
    copy(x, r->l->link);
    return HONE_OK;
}

static hone_status read_threads(const reading *r, span x)
{
    if (!hone_libcall__is_name(x.s, x.n, sizeof r->l->threads))
        return refuse(r, "'threads' is a function that takes an int, how many threads to use");
    copy(x, r->l->threads);
    return HONE_OK;
}

static hone_status read_kernel(const reading *r, span x)
{
    if (!hone_libcall__is_name(x.s, x.n, sizeof r->l->kernel))
        return refuse(r, "'kernel' is the name of one, built-in or stated after a line ---");
    copy(x, r->l->kernel);
    return HONE_OK;
}

static const struct {
    const char *key;
    bool needed;
    hone_status (*read)(const reading *r, span x);
} lines[] = {
    {"file", true, read_file},     {"link", false, read_link}, {"threads", false, read_threads},
    {"kernel", true, read_kernel}, {"call", true, read_call},
};

static hone_status read_line(const reading *r, span x, unsigned *seen)
{
    span word = take_word(&x);
    for (unsigned k = 0; k < HONE_LEN(lines); k++) {
        if (strlen(lines[k].key) != word.n || memcmp(lines[k].key, word.s, word.n) != 0)
            continue;
        if (*seen & 1u << k)
            return refuse(r, "'%s' is there twice", lines[k].key);
        *seen |= 1u << k;
        return lines[k].read(r, x);
    }
    return refuse(r, "'%.*s' is not file, link, threads, kernel or call",
                  (int)(word.n < 40 ? word.n : 40), word.s);
}

/* ---- the whole ------------------------------------------------------------------------------- */

#define FIRST "hone-library 1"

static hone_status read_all(reading *r, const char *text, size_t n)
{
    unsigned seen = 0;
    bool begun = false;
    for (size_t at = 0; at < n;) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t len = end ? (size_t)(end - text) - at : n - at;
        span x = trim((span){text + at, len});
        at += len + 1;
        r->line++;
        if (x.n == 0 || *x.s == '#')
            continue;
        if (!begun && (x.n != strlen(FIRST) || memcmp(x.s, FIRST, x.n) != 0))
            return refuse(r, "no library's text: it begins with a line `" FIRST "`");
        if (!begun) {
            begun = true;
            continue;
        }
        if (x.n == 3 && memcmp(x.s, "---", 3) == 0) {
            if (at < n && memchr(text + at, '\0', n - at))
                return refuse(r, "the kernel's text has a NUL in it");
            r->l->source =
                hone_xasprintf("%.*s", at < n ? (int)(n - at) : 0, text + (at < n ? at : n));
            break;
        }
        HONE_TRY(read_line(r, x, &seen));
    }
    if (!begun)
        return refuse(r, "no library's text: it begins with a line `" FIRST "`");
    for (unsigned k = 0; k < HONE_LEN(lines); k++)
        if (lines[k].needed && !(seen & 1u << k))
            return refuse(r, "there is no line '%s'", lines[k].key);
    return HONE_OK;
}

hone_status hone_libcall_read(const char *file, const char *text, size_t n,
                              hone_libcall_library *ret, hone_error *err)
{
    *ret = (hone_libcall_library){0};
    if (n > HONE_LIBCALL_MAX_TEXT)
        return hone_fail(err, HONE_E_LIMIT, "%s is larger than %d bytes", file,
                         HONE_LIBCALL_MAX_TEXT);
    reading r = {.file = file, .l = ret, .err = err};
    hone_status st = read_all(&r, text, n);
    if (st != HONE_OK)
        hone_libcall_library_free(ret);
    return st;
}

void hone_libcall_library_free(hone_libcall_library *l)
{
    free(l->source);
    *l = (hone_libcall_library){0};
}

/* ---- a call ---------------------------------------------------------------------------------- */

typedef struct resolving {
    const hone_libcall_library *l;
    const hone_libcall_size *sizes;
    unsigned n_sizes;
    const char *const *arg_names;
    unsigned n_names;
    hone_error *err;
} resolving;

static hone_status bad_value(const resolving *r, const hone_libcall_param *p, const char *what)
{
    return hone_fail(r->err, HONE_E_INPUT, "library %s, line %d: '%s' %s", r->l->name, p->line,
                     p->value, what);
}

static bool factor_of(const resolving *r, const char *s, size_t n, int64_t *ret)
{
    char word[HONE_LIBCALL_MAX_SYMBOL], *end;
    memcpy(word, s, n);
    word[n] = '\0';
    for (unsigned k = 0; k < r->n_sizes; k++)
        if (strcmp(r->sizes[k].name, word) == 0) {
            *ret = r->sizes[k].value;
            return true;
        }
    errno = 0;
    long long v = strtoll(word, &end, 10);
    *ret = v;
    return n > 0 && *end == '\0' && errno == 0 && (*word == '-' || (*word >= '0' && *word <= '9'));
}

/* A product of sizes and whole numbers. */
static hone_status resolve_int(const resolving *r, const hone_libcall_param *p, int64_t *ret)
{
    *ret = 1;
    for (const char *at = p->value;;) {
        int64_t v;
        span x = trim((span){at, strcspn(at, "*")});
        if (!factor_of(r, x.s, x.n, &v))
            return bad_value(r, p, "is no product of whole numbers and of the kernel's sizes");
        if (__builtin_mul_overflow(*ret, v, ret))
            return bad_value(r, p, "is too large");
        at += strcspn(at, "*");
        if (*at++ == '\0')
            break;
    }
    return p->kind == HONE_LIBCALL_I32 && (*ret < INT32_MIN || *ret > INT32_MAX)
               ? bad_value(r, p, "does not fit an i32")
               : HONE_OK;
}

static hone_status resolve_arg(const resolving *r, const hone_libcall_param *p,
                               hone_libcall_arg *ret)
{
    *ret = (hone_libcall_arg){.kind = p->kind};
    switch (p->kind) {
    case HONE_LIBCALL_I32:
    case HONE_LIBCALL_I64:
        return resolve_int(r, p, &ret->i);
    case HONE_LIBCALL_PTR:
        for (; ret->i < (int64_t)r->n_names; ret->i++)
            if (strcmp(r->arg_names[ret->i], p->value) == 0)
                return HONE_OK;
        return bad_value(r, p, "is no tensor of the kernel");
    case HONE_LIBCALL_F32:
    case HONE_LIBCALL_F64:
        return hone_libcall__float(p->kind, p->value, &ret->x) ? HONE_OK
                                                               : bad_value(r, p, "is no number");
    case HONE_LIBCALL_KINDS:
        break;
    }
    return bad_value(r, p, "is of no kind");
}

hone_status hone_libcall_resolve(const hone_libcall_library *l, const hone_libcall_size *sizes,
                                 unsigned n_sizes, const char *const *arg_names, unsigned n_args,
                                 hone_libcall *ret, hone_error *err)
{
    resolving r = {l, sizes, n_sizes, arg_names, n_args, err};
    const char *slash = strrchr(l->file, '/');
    *ret = (hone_libcall){.hash = l->hash, .returns = l->returns, .n_args = l->n_params};
    snprintf(ret->name, sizeof ret->name, "%s", l->name);
    snprintf(ret->file, sizeof ret->file, "%.127s", slash ? slash + 1 : l->file);
    snprintf(ret->real, sizeof ret->real, "%s", l->real);
    snprintf(ret->link, sizeof ret->link, "%s", l->link);
    snprintf(ret->threads, sizeof ret->threads, "%s", l->threads);
    snprintf(ret->function, sizeof ret->function, "%s", l->function);
    for (unsigned k = 0; k < l->n_params; k++)
        HONE_TRY(resolve_arg(&r, &l->params[k], &ret->args[k]));
    return HONE_OK;
}
