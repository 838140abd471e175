/* Arrays in numpy's own files, of format 1.0 to 3.0 (numpy.lib.format): "\x93NUMPY", two bytes of
 * version, the length of the header, the header, which is a dictionary as Python writes it, and the
 * elements.
 *
 *   {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
 *
 * numpy has no bf16; what packages that add it write ('V2', two bytes of no kind) is taken for it.
 */
#include "net/internal.h"

#define MAGIC "\x93NUMPY"
#define MAGIC_BYTES 6
#define MOST_BYTES ((size_t)16 << 30)
#define HEADER_ALIGN 64 /* the elements begin at a multiple of it */

/* ---- element types --------------------------------------------------------------------------- */

static const struct {
    const char *code; /* behind the order of bytes */
    hone_dtype dtype;
} types[] = {{"f8", HONE_F64}, {"f4", HONE_F32},  {"f2", HONE_F16}, {"V2", HONE_BF16},
             {"i8", HONE_I64}, {"i4", HONE_I32},  {"i2", HONE_I16}, {"i1", HONE_I8},
             {"u1", HONE_U8},  {"b1", HONE_BOOL}, {"?", HONE_BOOL}};

/* ---- the header ------------------------------------------------------------------------------ */

typedef struct header {
    const char *at, *end;
    hone_tensor t;
    bool big_endian, fortran;
    bool has_descr, has_order, has_shape;
} header;

static hone_status bad(hone_error *err, const char *what)
{
    return hone_fail(err, HONE_E_INPUT, "this is not an array of numpy's: %s", what);
}

static void skip_blanks(header *h)
{
    while (h->at < h->end && (*h->at == ' ' || *h->at == '\n' || *h->at == '\t' || *h->at == '\r'))
        h->at++;
}

/* The next character, if it is this one. */
static bool take(header *h, char c)
{
    skip_blanks(h);
    if (h->at == h->end || *h->at != c)
        return false;
    h->at++;
    return true;
}

static bool take_word(header *h, const char *word)
{
    size_t n = strlen(word);
    skip_blanks(h);
    if ((size_t)(h->end - h->at) < n || memcmp(h->at, word, n) != 0)
        return false;
    h->at += n;
    return true;
}

/* A string in quotes of either kind, without escapes: no name that is known has any. */
static bool take_text(header *h, const char **ret, size_t *ret_n)
{
    skip_blanks(h);
    if (h->at == h->end || (*h->at != '\'' && *h->at != '"'))
        return false;
    const char *from = h->at + 1, *to = memchr(from, *h->at, (size_t)(h->end - from));
    if (!to)
        return false;
    *ret = from;
    *ret_n = (size_t)(to - from);
    h->at = to + 1;
    return true;
}

static bool take_size(header *h, int64_t *ret)
{
    skip_blanks(h);
    const char *from = h->at;
    *ret = 0;
    for (; h->at < h->end && *h->at >= '0' && *h->at <= '9'; h->at++)
        if (__builtin_mul_overflow(*ret, 10, ret) ||
            __builtin_add_overflow(*ret, *h->at - '0', ret))
            return false;
    if (h->at == from)
        return false;
    (void)take(h, 'L'); /* as Python 2 wrote it */
    return true;
}

static hone_status read_descr(header *h, hone_error *err)
{
    const char *s;
    size_t n;
    if (!take_text(h, &s, &n)) /* a list: fields with names */
        return hone_fail(err, HONE_E_UNSUPPORTED, "an array of structures");
    char order = n && strchr("<>|=", *s) ? *s : '\0';
    const char *code = order ? s + 1 : s;
    size_t length = order ? n - 1 : n;
    h->t.dtype = HONE_DTYPE_COUNT;
    for (size_t k = 0; k < HONE_LEN(types); k++)
        if (strlen(types[k].code) == length && memcmp(types[k].code, code, length) == 0)
            h->t.dtype = types[k].dtype;
    if (h->t.dtype == HONE_DTYPE_COUNT) {
        char *name = hone_xasprintf("%.*s", n < 20 ? (int)n : 20, s),
             *clean = hone_text_clean(name);
        hone_fail(err, HONE_E_UNSUPPORTED,
                  "element type '%s' of numpy is none that networks have here: convert it", clean);
        free(clean);
        free(name);
        return HONE_E_UNSUPPORTED;
    }
    h->big_endian = order == '>';
    h->has_descr = true;
    return HONE_OK;
}

static hone_status read_shape(header *h, hone_error *err)
{
    if (!take(h, '('))
        return bad(err, "its shape is no tuple");
    h->t.n_dims = 0;
    while (!take(h, ')')) {
        int64_t size;
        if (!take_size(h, &size))
            return bad(err, "a size of its shape is no number");
        if (h->t.n_dims == HONE_MAX_DIMS)
            return hone_fail(err, HONE_E_UNSUPPORTED, "more than %d dimensions", HONE_MAX_DIMS);
        h->t.shape[h->t.n_dims++] = size;
        if (!take(h, ',') && (h->at == h->end || *h->at != ')'))
            return bad(err, "its shape does not end");
    }
    if (!hone_net__shape_ok(&h->t))
        return bad(err, "a size of its shape is too large");
    h->has_shape = true;
    return HONE_OK;
}

static hone_status read_entry(header *h, hone_error *err)
{
    const char *key;
    size_t n;
    if (!take_text(h, &key, &n) || !take(h, ':'))
        return bad(err, "its header is no dictionary");
    if (n == 5 && memcmp(key, "descr", n) == 0)
        return read_descr(h, err);
    if (n == 5 && memcmp(key, "shape", n) == 0)
        return read_shape(h, err);
    if (n != 13 || memcmp(key, "fortran_order", n) != 0)
        return bad(err, "its header has a word of its own");
    h->fortran = take_word(h, "True");
    h->has_order = h->fortran || take_word(h, "False");
    return h->has_order ? HONE_OK : bad(err, "fortran_order is neither True nor False");
}

static hone_status read_header(header *h, hone_error *err)
{
    if (!take(h, '{'))
        return bad(err, "its header is no dictionary");
    while (!take(h, '}')) {
        HONE_TRY(read_entry(h, err));
        skip_blanks(h);
        if (!take(h, ',') && (h->at == h->end || *h->at != '}'))
            return bad(err, "its header does not end");
    }
    if (!h->has_descr || !h->has_order || !h->has_shape)
        return bad(err, "its header lacks descr, fortran_order or shape");
    skip_blanks(h);
    return h->at == h->end ? HONE_OK : bad(err, "something follows its header");
}

/* Where the elements begin, or 0. */
static size_t find_header(const uint8_t *bytes, size_t n, header *ret)
{
    if (n < MAGIC_BYTES + 2 || memcmp(bytes, MAGIC, MAGIC_BYTES) != 0)
        return 0;
    size_t size = bytes[MAGIC_BYTES] == 1 ? 2 : 4, at = MAGIC_BYTES + 2, length = 0;
    if (bytes[MAGIC_BYTES] < 1 || bytes[MAGIC_BYTES] > 3 || n - at < size)
        return 0;
    for (size_t k = 0; k < size; k++) /* little-endian */
        length |= (size_t)bytes[at + k] << (8 * k);
    at += size;
    if (n - at < length)
        return 0;
    *ret = (header){.at = (const char *)bytes + at, .end = (const char *)bytes + at + length};
    return at + length;
}

/* ---- the elements ---------------------------------------------------------------------------- */

static void turn_bytes(hone_tensor *t)
{
    size_t size = (size_t)hone_dtype_bytes(t->dtype);
    uint8_t *p = t->data;
    for (int64_t k = 0; k < hone_tensor_elems(t); k++, p += size)
        for (size_t i = 0; i < size / 2; i++) {
            uint8_t x = p[i];
            p[i] = p[size - 1 - i];
            p[size - 1 - i] = x;
        }
}

/* From the first axis running fastest to the last one doing so. */
static void from_fortran(const hone_tensor *t, const uint8_t *from)
{
    size_t size = (size_t)hone_dtype_bytes(t->dtype);
    int64_t at[HONE_MAX_DIMS] = {0}, n = hone_tensor_elems(t);
    for (int64_t k = 0; k < n; k++) { /* in the order of the file */
        int64_t to = 0;
        for (uint8_t d = 0; d < t->n_dims; d++)
            to = to * t->shape[d] + at[d];
        memcpy((uint8_t *)t->data + (size_t)to * size, from + (size_t)k * size, size);
        for (uint8_t d = 0; d < t->n_dims && ++at[d] == t->shape[d]; d++)
            at[d] = 0;
    }
}

hone_status hone_net_parse_npy(const void *bytes, size_t n, hone_tensor *ret, hone_error *err)
{
    header h;
    size_t from = find_header(bytes, n, &h);
    *ret = (hone_tensor){0};
    if (!from)
        return bad(err, "its first bytes are others, or a part of it only is here");
    HONE_TRY(read_header(&h, err));
    size_t wants = (size_t)hone_tensor_bytes(&h.t);
    if (n - from != wants)
        return hone_fail(err, HONE_E_INPUT, "%zu bytes of elements, the array's shape needs %zu",
                         n - from, wants);
    const uint8_t *elements = (const uint8_t *)bytes + from;
    h.t.data = hone_xmalloc(wants ? wants : 1);
    if (h.fortran && h.t.n_dims > 1)
        from_fortran(&h.t, elements);
    else if (wants)
        memcpy(h.t.data, elements, wants);
    if (h.big_endian)
        turn_bytes(&h.t);
    for (int64_t k = 0; h.t.dtype == HONE_BOOL && k < hone_tensor_elems(&h.t); k++)
        ((uint8_t *)h.t.data)[k] = ((uint8_t *)h.t.data)[k] != 0;
    *ret = h.t;
    return HONE_OK;
}

/* ---- files ----------------------------------------------------------------------------------- */

void hone_net_print_npy(const hone_tensor *t, hone_buf *ret)
{
    hone_buf h = {0};
    const char *code = "";
    for (size_t k = HONE_LEN(types); k-- > 0;) /* the first of its names */
        code = types[k].dtype == t->dtype ? types[k].code : code;
    hone_buf_printf(&h, "{'descr': '%c%s', 'fortran_order': False, 'shape': (",
                    hone_dtype_bytes(t->dtype) == 1 || t->dtype == HONE_BF16 ? '|' : '<', code);
    for (uint8_t d = 0; d < t->n_dims; d++)
        hone_buf_printf(&h, "%s%" PRId64, d ? ", " : "", t->shape[d]);
    hone_buf_puts(&h, t->n_dims == 1 ? ",), }" : "), }");
    while ((MAGIC_BYTES + 4 + h.n + 1) % HEADER_ALIGN)
        hone_buf_puts(&h, " ");
    hone_buf_puts(&h, "\n");
    uint8_t start[] = {1, 0, (uint8_t)(h.n & 255), (uint8_t)(h.n >> 8)};
    hone_buf_add(ret, MAGIC, MAGIC_BYTES);
    hone_buf_add(ret, start, sizeof start);
    hone_buf_add(ret, h.s, h.n);
    hone_buf_add(ret, t->data, (size_t)hone_tensor_bytes(t));
    hone_buf_free(&h);
}

hone_status hone_net_read_array(const char *path, hone_tensor *ret, hone_error *err)
{
    size_t n = strlen(path);
    if (n < 4 || strcmp(path + n - 4, ".npy") != 0)
        return hone_net_read_tensor(path, ret, err);
    char *bytes;
    hone_error inner = {0};
    *ret = (hone_tensor){0};
    HONE_TRY(hone_file_read(path, MOST_BYTES, &bytes, &n, err));
    hone_status st = hone_net_parse_npy(bytes, n, ret, &inner);
    free(bytes);
    return st == HONE_OK ? st : hone_net__fail_at(path, &inner, err);
}
