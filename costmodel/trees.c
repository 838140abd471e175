/* The trees of a booster, out of XGBoost's own form and evaluated.
 *
 * UBJSON (ubjson.org): a value is a letter and what it says; numbers are big-endian; a container is
 * closed by its bracket or tells its length ahead (`#`), and then perhaps the type of all that it
 * holds (`$`). Of the whole only what a prediction needs is kept:
 *
 *   learner
 *     gradient_booster  name, model: trees: of each tree arrays by node
 *     learner_model_param  base_score, num_class, num_feature, num_target, as text
 *     objective  name
 *
 * Reader's map: values; a tree; the learner; predictions. */
#include "costmodel/trees.h"

#include <math.h>

#define DEEPEST 64
#define MOST_NODES (1u << 24)

/* ---- values ---------------------------------------------------------------------------------- */

typedef struct reader {
    const unsigned char *at, *end;
    unsigned depth;
    uint32_t n_features;
    hone_costmodel__trees *ret;
} reader;

typedef struct bytes {
    const unsigned char *v;
    size_t n;
} bytes;

static bool is(bytes a, const char *text)
{
    return a.n == strlen(text) && memcmp(a.v, text, a.n) == 0;
}

static bool take(reader *r, char letter)
{
    bool there = r->at < r->end && *r->at == (unsigned char)letter;
    r->at += there;
    return there;
}

/* Bytes of a number, by its letter; 0: it is none. */
static unsigned width_of(unsigned char letter)
{
    switch (letter) {
    case 'i':
    case 'U':
        return 1;
    case 'I':
        return 2;
    case 'l':
    case 'd':
        return 4;
    case 'L':
    case 'D':
        return 8;
    default:
        return 0;
    }
}

static uint64_t bits_at(const unsigned char *at, unsigned width)
{
    uint64_t x = 0;
    for (unsigned k = 0; k < width; k++)
        x = x << 8 | at[k];
    return x;
}

static int64_t integer_at(const unsigned char *at, unsigned char letter)
{
    uint64_t x = bits_at(at, width_of(letter));
    switch (letter) {
    case 'i':
        return (int8_t)x;
    case 'I':
        return (int16_t)x;
    case 'l':
        return (int32_t)x;
    default: /* U, L */
        return (int64_t)x;
    }
}

/* A length: an integer of any width, that many of at least `each` bytes being left. */
static bool read_length(reader *r, size_t each, size_t *ret)
{
    if (r->at >= r->end)
        return false;
    unsigned char letter = *r->at++;
    unsigned width = width_of(letter);
    if (width == 0 || letter == 'd' || letter == 'D' || (size_t)(r->end - r->at) < width)
        return false;
    int64_t n = integer_at(r->at, letter);
    r->at += width;
    *ret = (size_t)n;
    return n >= 0 && (uint64_t)n <= (uint64_t)(r->end - r->at) / (each ? each : 1);
}

/* What follows the letter S, and every key. */
static bool read_text(reader *r, bytes *ret)
{
    size_t n;
    if (!read_length(r, 1, &n))
        return false;
    *ret = (bytes){r->at, n};
    r->at += n;
    return true;
}

static bool skip(reader *r);

/* After the bracket: an array of numbers is skipped at once. */
static bool skip_array(reader *r)
{
    size_t n;
    if (take(r, '$')) {
        unsigned width = r->at < r->end ? width_of(*r->at++) : 0;
        if (width == 0 || !take(r, '#') || !read_length(r, width, &n))
            return false;
        r->at += n * width;
        return true;
    }
    if (take(r, '#')) {
        bool good = read_length(r, 1, &n);
        for (; good && n > 0; n--)
            good = skip(r);
        return good;
    }
    while (!take(r, ']'))
        if (!skip(r))
            return false;
    return true;
}

static bool skip_object(reader *r)
{
    bytes key;
    while (!take(r, '}'))
        if (!read_text(r, &key) || !skip(r))
            return false;
    return true;
}

static bool skip_inside(reader *r)
{
    bytes text;
    if (r->at >= r->end)
        return false;
    unsigned char letter = *r->at++;
    unsigned width = width_of(letter);
    switch (letter) {
    case '{':
        return skip_object(r);
    case '[':
        return skip_array(r);
    case 'S':
        return read_text(r, &text);
    case 'T':
    case 'F':
    case 'Z':
        return true;
    default:
        if (width == 0 || (size_t)(r->end - r->at) < width)
            return false;
        r->at += width;
        return true;
    }
}

static bool skip(reader *r)
{
    if (r->depth == DEEPEST)
        return false;
    r->depth++;
    bool good = skip_inside(r);
    r->depth--;
    return good;
}

/* Calls fn for each key of an object, which reads or skips its value. */
typedef bool member_fn(reader *r, bytes key, void *ctx);
static bool each_member(reader *r, member_fn *fn, void *ctx)
{
    bytes key;
    if (!take(r, '{'))
        return false;
    while (!take(r, '}'))
        if (!read_text(r, &key) || !fn(r, key, ctx))
            return false;
    return true;
}

/* ---- a tree ---------------------------------------------------------------------------------- */

/* Numbers of one type, where they lie. */
typedef struct numbers {
    const unsigned char *v;
    unsigned char letter; /* 0: not there */
    size_t n;
} numbers;

typedef enum column { LEFT, RIGHT, FEATURE, VALUE, MISSING_LEFT, KIND, COLUMNS } column;
static const char *const column_names[COLUMNS] = {
    [LEFT] = "left_children",     [RIGHT] = "right_children",      [FEATURE] = "split_indices",
    [VALUE] = "split_conditions", [MISSING_LEFT] = "default_left", [KIND] = "split_type",
};

static bool read_numbers(reader *r, numbers *ret)
{
    if (!take(r, '[') || !take(r, '$') || r->at >= r->end)
        return false;
    unsigned char letter = *r->at++;
    unsigned width = width_of(letter);
    size_t n;
    if (width == 0 || !take(r, '#') || !read_length(r, width, &n))
        return false;
    *ret = (numbers){.v = r->at, .letter = letter, .n = n};
    r->at += n * width;
    return true;
}

static bool read_column(reader *r, bytes key, void *ctx)
{
    numbers *columns = ctx;
    for (unsigned k = 0; k < COLUMNS; k++)
        if (is(key, column_names[k]))
            return columns[k].letter == 0 && read_numbers(r, &columns[k]);
    return skip(r);
}

static int64_t integer_of(const numbers *c, size_t k)
{
    return integer_at(c->v + k * width_of(c->letter), c->letter);
}

static float float_of(const numbers *c, size_t k)
{
    uint32_t bits = (uint32_t)bits_at(c->v + k * 4, 4);
    float ret;
    memcpy(&ret, &bits, sizeof ret);
    return ret;
}

/* Node k of n. Children lie behind their parents and beside each other, so every way down ends. */
static bool add_node(reader *r, const numbers *c, size_t k, uint32_t root)
{
    int64_t left = integer_of(&c[LEFT], k), feature = integer_of(&c[FEATURE], k);
    hone_costmodel__node x = {.value = float_of(&c[VALUE], k)};
    if (integer_of(&c[KIND], k) != 0) /* by category */
        return false;
    if (left != -1) {
        if (left <= (int64_t)k || left + 1 >= (int64_t)c[LEFT].n ||
            integer_of(&c[RIGHT], k) != left + 1 || feature < 0 || feature >= r->n_features)
            return false;
        x.left = root + (uint32_t)left;
        x.feature = (uint16_t)feature;
        x.missing_left = integer_of(&c[MISSING_LEFT], k) != 0;
    }
    hone_vec_push(&r->ret->nodes, x);
    return true;
}

static bool read_tree(reader *r)
{
    numbers c[COLUMNS] = {{0}};
    uint32_t root = r->ret->nodes.n;
    if (!each_member(r, read_column, c))
        return false;
    for (unsigned k = 0; k < COLUMNS; k++) {
        bool of_floats = c[k].letter == 'd';
        if (c[k].letter == 0 || c[k].letter == 'D' || of_floats != (k == VALUE) ||
            c[k].n != c[LEFT].n || c[k].n == 0 || c[k].n > MOST_NODES - root)
            return false;
    }
    hone_vec_push(&r->ret->roots, root);
    for (size_t k = 0; k < c[LEFT].n; k++)
        if (!add_node(r, c, k, root))
            return false;
    return true;
}

/* ---- the learner ----------------------------------------------------------------------------- */

enum { HAS_TREES = 1, HAS_BOOSTER = 2, HAS_BASE = 4, HAS_WIDTH = 8, HAS_OBJECTIVE = 16, ALL = 31 };

static bool read_word(reader *r, bytes *ret)
{
    return take(r, 'S') && read_text(r, ret);
}

/* A number that stands as text. */
static bool read_digits(reader *r, double *ret)
{
    bytes text;
    char copy[32] = "", *end;
    if (!read_word(r, &text) || text.n == 0 || text.n >= sizeof copy)
        return false;
    memcpy(copy, text.v, text.n);
    *ret = strtod(copy, &end);
    return *end == 0 && end == copy + text.n && isfinite(*ret);
}

static bool read_trees(reader *r)
{
    size_t n;
    if (!take(r, '['))
        return false;
    if (take(r, '#')) {
        bool good = read_length(r, 1, &n);
        for (; good && n > 0; n--)
            good = read_tree(r);
        return good;
    }
    while (!take(r, ']'))
        if (!read_tree(r))
            return false;
    return true;
}

static bool read_model(reader *r, bytes key, void *ctx)
{
    unsigned *has = ctx;
    if (!is(key, "trees"))
        return skip(r);
    bool again = *has & HAS_TREES;
    *has |= HAS_TREES;
    return !again && read_trees(r);
}

static bool read_booster(reader *r, bytes key, void *ctx)
{
    unsigned *has = ctx;
    bytes word;
    if (is(key, "model"))
        return each_member(r, read_model, has);
    if (!is(key, "name"))
        return skip(r);
    *has |= HAS_BOOSTER;
    return read_word(r, &word) && is(word, "gbtree");
}

static bool read_param(reader *r, bytes key, void *ctx)
{
    unsigned *has = ctx;
    double x;
    if (is(key, "base_score")) {
        *has |= HAS_BASE;
        bool good = read_digits(r, &x);
        r->ret->base = good ? (float)x : 0;
        return good;
    }
    if (is(key, "num_feature")) {
        *has |= HAS_WIDTH;
        return read_digits(r, &x) && fabs(x - r->n_features) < 0.5;
    }
    if (is(key, "num_class") || is(key, "num_target"))
        return read_digits(r, &x) && x < 1.5;
    return skip(r);
}

static bool read_objective(reader *r, bytes key, void *ctx)
{
    unsigned *has = ctx;
    bytes word;
    if (!is(key, "name"))
        return skip(r);
    *has |= HAS_OBJECTIVE;
    return read_word(r, &word) && is(word, "reg:squarederror"); /* whose outputs are the sums */
}

static bool read_learner(reader *r, bytes key, void *ctx)
{
    if (is(key, "gradient_booster"))
        return each_member(r, read_booster, ctx);
    if (is(key, "learner_model_param"))
        return each_member(r, read_param, ctx);
    if (is(key, "objective"))
        return each_member(r, read_objective, ctx);
    return skip(r);
}

static bool read_root(reader *r, bytes key, void *ctx)
{
    return is(key, "learner") ? each_member(r, read_learner, ctx) : skip(r);
}

bool hone_costmodel__trees_read(const char *text, size_t n, uint32_t n_features,
                                hone_costmodel__trees *ret)
{
    const unsigned char *from = (const unsigned char *)text;
    unsigned has = 0;
    *ret = (hone_costmodel__trees){.base = 0};
    reader r = {.at = from, .end = from + n, .n_features = n_features, .ret = ret};
    bool good = n_features <= UINT16_MAX && each_member(&r, read_root, &has) && has == ALL &&
                r.at == r.end && ret->roots.n > 0;
    if (!good)
        hone_costmodel__trees_free(ret);
    return good;
}

/* ---- predictions ----------------------------------------------------------------------------- */

void hone_costmodel__trees_predict(const hone_costmodel__trees *t, const float *v,
                                   uint32_t n_features, uint32_t rows, float *ret)
{
    for (uint32_t row = 0; row < rows; row++, v += n_features) {
        float sum = t->base;
        for (uint32_t k = 0; k < t->roots.n; k++) {
            const hone_costmodel__node *x = &t->nodes.v[t->roots.v[k]];
            while (x->left) {
                float f = v[x->feature];
                bool left = isnan(f) ? x->missing_left : f < x->value;
                x = &t->nodes.v[x->left + !left];
            }
            sum += x->value;
        }
        ret[row] = sum;
    }
}

void hone_costmodel__trees_free(hone_costmodel__trees *t)
{
    hone_vec_free(&t->nodes);
    hone_vec_free(&t->roots);
    *t = (hone_costmodel__trees){.base = 0};
}
