/* Reads index maps and knows which keep every element apart. */
#include "space/prim/index_map.h"

#include <ctype.h>

/* ---- map text -------------------------------------------------------------------------------- */

typedef struct reader {
    const char *who; /* for messages */
    const char *text, *at;
    const int64_t *v; /* v0, v1, ... */
    unsigned n_v;
    struct {
        const char *s;
        size_t n;
    } names[HONE_MAX_ITERS];
    unsigned n_names;
    bool foreign; /* well formed, but with + - * or two indices in one result */
    hone_error *err;
} reader;

static hone_status malformed(reader *r, const char *what)
{
    hone_status s = hone_fail(r->err, HONE_E_INPUT, "%s: %s in \"%.200s\"", r->who, what, r->text);
    if (r->err)
        r->err->column = (int)(r->at - r->text) + 1;
    return s;
}

static void skip_space(reader *r)
{
    while (isspace((unsigned char)*r->at))
        r->at++;
}

static bool take(reader *r, const char *token)
{
    skip_space(r);
    size_t n = strlen(token);
    if (strncmp(r->at, token, n) != 0)
        return false;
    r->at += n;
    return true;
}

static size_t name_length(const char *s)
{
    size_t n = 0;
    if (isalpha((unsigned char)s[0]) || s[0] == '_') {
        while (isalnum((unsigned char)s[n]) || s[n] == '_')
            n++;
    }
    return n;
}

/* What an expression is worth: a number, or a digit of one index. */
typedef struct term {
    bool is_number;
    int64_t number;
    hone_prim__digit d;
} term;

static hone_status read_sum(reader *r, unsigned depth, term *ret);

static hone_status read_primary(reader *r, unsigned depth, term *ret)
{
    *ret = (term){0};
    if (depth > 16)
        return malformed(r, "too many parentheses");
    if (take(r, "(")) {
        hone_status s = read_sum(r, depth + 1, ret);
        if (s != HONE_OK)
            return s;
        return take(r, ")") ? HONE_OK : malformed(r, "expected ')'");
    }
    if (isdigit((unsigned char)*r->at)) {
        ret->is_number = true;
        while (isdigit((unsigned char)*r->at)) {
            if (ret->number > INT64_C(1) << 40)
                return malformed(r, "number too large");
            ret->number = ret->number * 10 + (*r->at++ - '0');
        }
        return HONE_OK;
    }
    size_t n = name_length(r->at);
    if (!n)
        return malformed(r, "expected an index, a number or '('");
    for (unsigned k = 0; k < r->n_names; k++) {
        if (r->names[k].n == n && memcmp(r->names[k].s, r->at, n) == 0) {
            r->at += n;
            ret->d = (hone_prim__digit){k, 1, 0};
            return HONE_OK;
        }
    }
    unsigned v = 0;
    size_t k = 1;
    while (k < n && k < 5 && isdigit((unsigned char)r->at[k]))
        v = v * 10 + (unsigned)(r->at[k++] - '0');
    if (r->at[0] != 'v' || n < 2 || k != n || v >= r->n_v)
        return malformed(r, "unknown name");
    r->at += n;
    ret->is_number = true;
    ret->number = r->v[v];
    return HONE_OK;
}

static hone_status read_product(reader *r, unsigned depth, term *ret)
{
    hone_status s = read_primary(r, depth, ret);
    while (s == HONE_OK) {
        bool div = take(r, "//"), mod = !div && take(r, "%"), mul = !div && !mod && take(r, "*");
        if (!div && !mod && !mul)
            break;
        term by;
        s = read_primary(r, depth, &by);
        if (s != HONE_OK)
            break;
        if (mul || ret->is_number || !by.is_number) {
            r->foreign = true;
            continue;
        }
        if (by.number < 1 || by.number > INT64_C(1) << 40)
            return malformed(r, "// and % need a positive constant");
        hone_prim__digit *d = &ret->d;
        if (mod) /* (x % m) % c is a digit only when one of them does nothing */
            r->foreign = r->foreign || (d->mod && d->mod % by.number && by.number < d->mod);
        else if (d->mod) /* ((x // d) % m) // c = (x // dc) % (m / c) when c divides m */
            r->foreign = r->foreign || d->mod % by.number;
        if (r->foreign)
            continue;
        if (mod) {
            if (!d->mod || by.number < d->mod)
                d->mod = by.number;
        } else if (__builtin_mul_overflow(d->div, by.number, &d->div)) {
            return malformed(r, "number too large");
        } else if (d->mod) {
            d->mod /= by.number;
        }
    }
    return s;
}

static hone_status read_sum(reader *r, unsigned depth, term *ret)
{
    hone_status s = read_product(r, depth, ret);
    while (s == HONE_OK && (take(r, "+") || take(r, "-"))) {
        r->foreign = true;
        s = read_product(r, depth, ret);
    }
    return s;
}

/* "lambda a, b: (results)". HONE_E_INPUT: malformed. HONE_REJECT_LAYOUT: no buffer has so many
 * dimensions. */
static hone_status read_map(reader *r, hone_prim__map *ret)
{
    if (!take(r, "lambda") || name_length(r->at))
        return malformed(r, "expected \"lambda\"");
    do {
        skip_space(r);
        size_t n = name_length(r->at);
        if (!n || r->n_names == HONE_MAX_ITERS)
            return malformed(r, n ? "too many indices" : "expected a name");
        r->names[r->n_names].s = r->at;
        r->names[r->n_names++].n = n;
        r->at += n;
    } while (take(r, ","));
    if (!take(r, ":") || !take(r, "("))
        return malformed(r, "expected \": (\"");
    ret->n_sources = r->n_names;
    ret->n = 0;
    for (bool more = true; more && !take(r, ")");) {
        term t;
        hone_status s = read_sum(r, 0, &t);
        if (s != HONE_OK)
            return s;
        if (ret->n == HONE_MAX_DIMS)
            return hone_fail(r->err, HONE_REJECT_LAYOUT,
                             "%s: a buffer has at most %d dimensions; \"%.200s\" has more", r->who,
                             HONE_MAX_DIMS, r->text);
        r->foreign = r->foreign || t.is_number;
        ret->digits[ret->n++] = t.d;
        more = take(r, ",");
        if (!more && !take(r, ")"))
            return malformed(r, "expected ',' or ')'");
    }
    skip_space(r);
    return *r->at || !ret->n ? malformed(r, "unexpected end of the map") : HONE_OK;
}

hone_status hone_prim__map_parse(const char *who, const char *text, const int64_t *v, unsigned n,
                                 hone_prim__map *ret, bool *ret_foreign, hone_error *err)
{
    reader r = {.who = who, .text = text, .at = text, .v = v, .n_v = n, .err = err};
    hone_status s = read_map(&r, ret);
    *ret_foreign = r.foreign;
    return s;
}

/* ---- legality -------------------------------------------------------------------------------- */

/* Do the digits of each index, least first, make up the whole index? */
bool hone_prim__map_is_positional(const hone_prim__map *l, const int64_t *shape)
{
    for (unsigned s = 0; s < l->n_sources; s++) {
        int64_t weight = 1; /* of the digit looked for */
        unsigned n = 0;
        for (unsigned k = 0; k < l->n; k++)
            n += l->digits[k].source == s && l->digits[k].mod != 1;
        for (unsigned found = 0; found < n; found++) {
            unsigned k = 0; /* x % 1 is always 0 and tells nothing */
            while (k < l->n && (l->digits[k].source != s || l->digits[k].div != weight ||
                                l->digits[k].mod == 1))
                k++;
            if (k == l->n)
                return false;
            if (!l->digits[k].mod) {
                weight = INT64_MAX;
                continue;
            }
            if (__builtin_mul_overflow(weight, l->digits[k].mod, &weight))
                return false;
        }
        if (weight < shape[s])
            return false;
    }
    return true;
}

/* Largest value plus one. */
int64_t hone_prim__digit_extent(const hone_prim__digit *d, int64_t extent)
{
    int64_t most = (extent - 1) / d->div + 1;
    return d->mod && d->mod < most ? d->mod : most;
}

hone_expr hone_prim__digit_of(hone_program *p, const hone_prim__digit *d, hone_expr e)
{
    if (d->div != 1)
        e = hone_binary(p, HONE_OP_FLOORDIV, e, hone_int(p, d->div));
    return d->mod ? hone_binary(p, HONE_OP_FLOORMOD, e, hone_int(p, d->mod)) : e;
}
