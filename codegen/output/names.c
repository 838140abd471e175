/* Names in C: which a kernel's function may have, and what its arguments are called there. The
 * language allows more (`for`, or any text in backquotes). */
#include "codegen/internal.h"

/* ---- names that are taken already ------------------------------------------------------------ */

enum { KEYWORD, HEADER, MATH, LIBRARY, KINDS };

static const char *const words[KINDS] = {
#define HONE_C_NAMES(kind, text) [kind] = text,
#include "codegen/output/c_names.def"
#undef HONE_C_NAMES
};

static bool listed(int kind, const char *name, size_t n)
{
    for (const char *s = words[kind]; (s = strchr(s, ' ')) && s[1]; s++)
        if (strncmp(s + 1, name, n) == 0 && s[1 + n] == ' ')
            return true;
    return false;
}

/* Whether it is a listed name with one of the endings. */
static bool derived(int kind, const char *name, const char *const *endings)
{
    size_t n = strlen(name);
    for (; *endings; endings++) {
        size_t tail = strlen(*endings);
        if (n > tail && strcmp(name + n - tail, *endings) == 0 && listed(kind, name, n - tail))
            return true;
    }
    return false;
}

/* Whose name a word is, or NULL. */
static const char *owner(const char *name)
{
    static const char *const precisions[] = {"f",    "l",    "f32", "f64", "f32x",
                                             "f64x", "f128", "_r",  NULL};
    static const char *const variants[] = {"64", "_r", "_l", "_np", "_unlocked", NULL};
    size_t n = strlen(name);
    if (listed(KEYWORD, name, n))
        return "a keyword of C or C++";
    if (listed(HEADER, name, n))
        return "a name of the C library's headers";
    if (listed(MATH, name, n) || derived(MATH, name, precisions) || listed(LIBRARY, name, n) ||
        derived(LIBRARY, name, variants))
        return "a name of the C library";
    return NULL;
}

/* Whose name a symbol is, or NULL. */
static const char *owner_of_symbol(const char *name)
{
    if (strcmp(name, "main") == 0)
        return "where a program starts";
    if (strncmp(name, "hone_", 5) == 0)
        return "hone's own, as all that begin with hone_";
    if (strncmp(name, "pthread_", 8) == 0)
        return "the C library's, as all that begin with pthread_";
    if (name[0] == '_')
        return "the compiler's, as all that begin with _";
    return owner(name);
}

static bool letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool identifier(const char *s)
{
    if (!letter(*s) && *s != '_')
        return false;
    while (letter(*s) || *s == '_' || (*s >= '0' && *s <= '9'))
        s++;
    return *s == '\0';
}

hone_status hone_codegen_symbol_check(const char *name, hone_error *err)
{
    char *shown = hone_text_clean(name);
    hone_status s = HONE_OK;
    if (!identifier(name))
        s = hone_fail(err, HONE_E_INPUT, "'%.80s' is not a C identifier", shown);
    else if (strlen(name) > HONE_CODEGEN_MAX_SYMBOL)
        s = hone_fail(err, HONE_E_INPUT, "'%.80s...' is longer than %d letters", shown,
                      HONE_CODEGEN_MAX_SYMBOL);
    else if (owner_of_symbol(name))
        s = hone_fail(err, HONE_E_INPUT, "'%s' is %s", shown, owner_of_symbol(name));
    free(shown);
    return s;
}

/* ---- names of arguments ---------------------------------------------------------------------- */

/* The name with all that an identifier may not have as _. */
static void make_identifier(const char *name, hone_buf *ret)
{
    if (!letter(*name))
        hone_buf_puts(ret, "a");
    for (; *name; name++) {
        bool good = letter(*name) || (*name >= '0' && *name <= '9');
        hone_buf_add(ret, good ? name : "_", 1);
    }
}

static bool one_of(const char *name, const char *tail, char *const *names, unsigned n,
                   const char *their_tail)
{
    char *whole = hone_xasprintf("%s%s", name, tail);
    bool found = false;
    for (unsigned k = 0; k < n && !found; k++) {
        char *other = hone_xasprintf("%s%s", names[k], their_tail);
        found = strcmp(whole, other) == 0;
        free(other);
    }
    free(whole);
    return found;
}

void hone_cg__arg_stems(const hone_program *p, unsigned n, char **ret)
{
    for (unsigned k = 0; k < n; k++) {
        hone_buf b = {0};
        make_identifier(hone_sym_text(p, p->buffers.v[k + 1].name), &b);
        while (one_of(b.s, "", ret, k, "") || one_of(b.s, "", ret, k, "_bytes") ||
               one_of(b.s, "_bytes", ret, k, ""))
            hone_buf_puts(&b, "_");
        ret[k] = hone_buf_take(&b);
    }
}

static char *param(const char *name, const char *tail, const char *function, char *const *others,
                   unsigned n)
{
    hone_buf b = {0};
    make_identifier(name, &b);
    hone_buf_puts(&b, tail);
    while (owner(b.s) || strcmp(b.s, function) == 0 || one_of(b.s, "", others, n, ""))
        hone_buf_puts(&b, "_");
    return hone_buf_take(&b);
}

void hone_cg__arg_params(const hone_program *p, const char *function, const hone_code *code,
                         unsigned n, char **ret)
{
    for (unsigned k = 0; k < n; k++)
        ret[k] = param(hone_sym_text(p, p->buffers.v[k + 1].name),
                       code->pack_bytes[k] ? "_packed" : "", function, ret, k);
    if (code->size.name)
        ret[n] = param(code->size.name, "", function, ret, n);
}

char *hone_cg__arg_unpacked(const hone_program *p, unsigned arg)
{
    hone_buf b = {0};
    make_identifier(hone_sym_text(p, p->buffers.v[arg + 1].name), &b);
    while (owner(b.s) || strcmp(b.s, "packed") == 0)
        hone_buf_puts(&b, "_");
    return hone_buf_take(&b);
}
