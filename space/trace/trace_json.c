/* Traces as text: TVM MetaSchedule's `Trace.as_json`, so that people can carry traces between the
 * two. Writing is by hand (numbers as short as they can be); reading is jansson's.
 *
 * Inputs are JSON strings that name variables or quote texts: "b0", "\"SSRSRS\"", "None";
 * attributes are plain JSON. Variables are renumbered on reading in order of definition, so one
 * trace has one text and one hash. */
#include "space/trace/internal.h"

#define MAX_NUMBER 65535 /* of a variable's name */
#define MAX_LIST 4096

/* ---- writing --------------------------------------------------------------------------------- */

static void put_string(hone_buf *out, const char *s, size_t n)
{
    hone_buf_puts(out, "\"");
    for (size_t k = 0; k < n; k++) {
        unsigned char c = (unsigned char)s[k];
        if (c == '"' || c == '\\')
            hone_buf_puts(out, "\\");
        if (c < 0x20)
            hone_buf_printf(out, "\\u%04x", c);
        else
            hone_buf_add(out, &s[k], 1);
    }
    hone_buf_puts(out, "\"");
}

/* Texts of the numbers of a trace, most of which are probabilities that come again and again. */
typedef struct reals {
    struct real {
        double f;
        char text[40]; /* "": none yet */
    } v[8];
    unsigned turn;
} reals;

static const char *real_text(reals *r, double f)
{
    for (size_t k = 0; k < HONE_LEN(r->v); k++)
        if (r->v[k].text[0] && memcmp(&r->v[k].f, &f, sizeof f) == 0)
            return r->v[k].text;
    struct real *x = &r->v[r->turn++ % HONE_LEN(r->v)];
    x->f = f;
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(x->text, sizeof x->text - 2, "%.*g", digits, f);
        if (strtod(x->text, NULL) == f)
            break;
    }
    if (!strpbrk(x->text, ".en")) /* stays a real when read back */
        memcpy(x->text + strlen(x->text), ".0", 3);
    return x->text;
}

static void put_int(hone_buf *out, int64_t x)
{
    char text[24], *s = text + sizeof text;
    uint64_t rest = x < 0 ? 0 - (uint64_t)x : (uint64_t)x;
    do
        *--s = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (x < 0)
        *--s = '-';
    hone_buf_add(out, s, (size_t)(text + sizeof text - s));
}

/* "b0": of which kind, and the how manieth. */
static void put_name(hone_buf *out, char kind, uint32_t n)
{
    const char open[] = {'"', kind};
    hone_buf_add(out, open, 2);
    put_int(out, n);
    hone_buf_puts(out, "\"");
}

static void put_values(hone_buf *out, const hone_trace *t, const char *kinds, reals *texts,
                       uint32_t first, uint32_t n, bool input)
{
    hone_buf_puts(out, "[");
    for (uint32_t k = 0; k < n; k++) {
        const hone_value *v = &t->values.v[first + k];
        if (k)
            hone_buf_puts(out, ",");
        switch (v->kind) {
        case HONE_VALUE_NONE:
            hone_buf_puts(out, input ? "\"None\"" : "null");
            break;
        case HONE_VALUE_INT:
            put_int(out, v->u.i);
            break;
        case HONE_VALUE_FLOAT:
            hone_buf_puts(out, real_text(texts, v->u.f));
            break;
        case HONE_VALUE_RV:
            put_name(out, kinds[v->u.rv.i], v->u.rv.i - 1);
            break;
        case HONE_VALUE_LIST:
            put_values(out, t, kinds, texts, v->first, v->n, input);
            break;
        case HONE_VALUE_TEXT:
            if (input) {
                hone_buf quoted = {0};
                hone_buf_printf(&quoted, "\"%s\"", hone_space__chars(t, v));
                put_string(out, quoted.s, quoted.n);
                hone_buf_free(&quoted);
            } else {
                put_string(out, hone_space__chars(t, v), v->n);
            }
            break;
        }
    }
    hone_buf_puts(out, "]");
}

static bool is_tile(hone_inst_kind kind)
{
    return kind == HONE_INST_SamplePerfectTile || kind == HONE_INST_SamplePartitionedTile ||
           kind == HONE_INST_SampleImperfectTile;
}

char *hone_trace_text(const hone_trace *t)
{
    hone_buf out = {0};
    reals texts = {0};
    char *kinds = hone_xcalloc(t->n_rvs + 1, 1);
    hone_buf_puts(&out, "[[");
    for (uint32_t k = 0; k < t->insts.n; k++) {
        const hone_inst *in = &t->insts.v[k];
        hone_buf_printf(&out, "%s[\"%s\",", k ? "," : "", hone_inst_name(in->kind));
        put_values(&out, t, kinds, &texts, in->inputs, in->n_inputs, true);
        hone_buf_puts(&out, ",");
        put_values(&out, t, kinds, &texts, in->attrs, in->n_attrs, false);
        hone_buf_puts(&out, ",[");
        for (uint32_t q = 0; q < in->n_outputs; q++) {
            char c = hone_space__output_kind(in->kind, q);
            kinds[in->outputs + q] = c;
            if (q)
                hone_buf_puts(&out, ",");
            put_name(&out, c, in->outputs + q - 1);
        }
        hone_buf_puts(&out, "]]");
    }
    hone_buf_puts(&out, "],[");
    bool first = true;
    for (uint32_t k = 0; k < t->insts.n; k++) {
        const hone_inst *in = &t->insts.v[k];
        if (!in->n_decision)
            continue;
        bool list = is_tile(in->kind);
        hone_buf_printf(&out, "%s[%u,%s", first ? "" : ",", k, list ? "[" : "");
        for (uint32_t q = 0; q < in->n_decision; q++)
            hone_buf_printf(&out, "%s%" PRId64, q ? "," : "", t->ints.v[in->decision + q]);
        hone_buf_puts(&out, list ? "]]" : "]");
        first = false;
    }
    hone_buf_puts(&out, "]]");
    free(kinds);
    return hone_buf_take(&out);
}

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct reader {
    hone_trace *t;
    HONE_VEC(hone_rv_row) rvs;  /* kinds, by canonical number */
    HONE_VEC(uint32_t) numbers; /* canonical number by that of the name; 0: not defined */
    hone_error *err;
    size_t at; /* instruction */
} reader;

#define BAD(r, ...) hone_fail((r)->err, HONE_E_INPUT, __VA_ARGS__)

/* "b12": false when it does not look like a variable. */
static bool variable(const char *s, char *ret_kind, uint32_t *ret_number)
{
    if ((*s != 'b' && *s != 'l' && *s != 'v') || !s[1] || (s[1] == '0' && s[2]))
        return false;
    uint32_t n = 0;
    for (const char *c = s + 1; *c; c++) {
        if (*c < '0' || *c > '9')
            return false;
        n = n * 10 + (uint32_t)(*c - '0');
        if (n > MAX_NUMBER)
            return false;
    }
    *ret_kind = *s;
    *ret_number = n;
    return true;
}

static hone_status read_values(reader *r, const json_t *list, bool input, unsigned depth,
                               uint32_t *ret_first, uint32_t *ret_n);

static hone_status read_string(reader *r, const json_t *j, bool input, hone_value *ret)
{
    const char *s = json_string_value(j);
    size_t n = json_string_length(j);
    char kind;
    uint32_t number;
    if (!input) {
        *ret = hone_space__text(r->t, s, n);
    } else if (n >= 2 && s[0] == '"' && s[n - 1] == '"') {
        *ret = hone_space__text(r->t, s + 1, n - 2);
    } else if (strcmp(s, "None") == 0) {
        ret->kind = HONE_VALUE_NONE;
    } else if (variable(s, &kind, &number)) {
        uint32_t rv = number < r->numbers.n ? r->numbers.v[number] : 0;
        if (!rv || r->rvs.v[rv].kind != kind)
            return BAD(r, "trace: instruction %zu uses %s, which no instruction before it defines",
                       r->at, s);
        ret->kind = HONE_VALUE_RV;
        ret->u.rv.i = rv;
    } else {
        return BAD(r,
                   "trace: instruction %zu has the input \"%.40s\"; write a variable (b0, l1, v2), "
                   "None, or a text in escaped quotes",
                   r->at, s);
    }
    return HONE_OK;
}

static hone_status read_value(reader *r, const json_t *j, bool input, unsigned depth,
                              hone_value *ret)
{
    *ret = (hone_value){.kind = HONE_VALUE_NONE};
    switch (json_typeof(j)) {
    case JSON_NULL:
        return HONE_OK;
    case JSON_TRUE:
    case JSON_FALSE:
        ret->kind = HONE_VALUE_INT;
        ret->u.i = json_is_true(j);
        return HONE_OK;
    case JSON_INTEGER:
        ret->kind = HONE_VALUE_INT;
        ret->u.i = json_integer_value(j);
        return HONE_OK;
    case JSON_REAL:
        ret->kind = HONE_VALUE_FLOAT;
        ret->u.f = json_real_value(j);
        return HONE_OK;
    case JSON_STRING:
        return read_string(r, j, input, ret);
    case JSON_ARRAY:
        if (depth >= HONE_SPACE_MAX_DEPTH)
            return BAD(r, "trace: instruction %zu nests lists deeper than %d", r->at,
                       HONE_SPACE_MAX_DEPTH);
        ret->kind = HONE_VALUE_LIST;
        return read_values(r, j, input, depth + 1, &ret->first, &ret->n);
    case JSON_OBJECT:
        break;
    }
    return BAD(r, "trace: instruction %zu has an operand that is a JSON object", r->at);
}

static hone_status read_values(reader *r, const json_t *list, bool input, unsigned depth,
                               uint32_t *ret_first, uint32_t *ret_n)
{
    size_t n = json_array_size(list), max = depth ? MAX_LIST : HONE_SPACE_MAX_OPERANDS;
    if (n > max)
        return BAD(r, "trace: instruction %zu has a list of %zu operands; the most is %zu", r->at,
                   n, max);
    hone_trace *t = r->t;
    uint32_t first = t->values.n;
    hone_vec_reserve(&t->values, n);
    t->values.n += (uint32_t)n;
    for (size_t k = 0; k < n; k++)
        t->values.v[first + k] = (hone_value){.kind = HONE_VALUE_NONE};
    for (size_t k = 0; k < n; k++) {
        hone_value v;
        HONE_TRY(read_value(r, json_array_get(list, k), input, depth, &v));
        t->values.v[first + k] = v;
    }
    *ret_first = first;
    *ret_n = (uint32_t)n;
    return HONE_OK;
}

static hone_status read_outputs(reader *r, const json_t *list, hone_inst *in)
{
    size_t n = json_array_size(list);
    const char *letters = hone_space__inst(in->kind)->outputs;
    bool star = letters[0] && letters[1] == '*';
    if (star ? n > HONE_SPACE_MAX_OUTPUTS : n != strlen(letters))
        return BAD(r, "trace: instruction %zu (%s) has %zu outputs", r->at,
                   hone_inst_name(in->kind), n);
    in->outputs = r->rvs.n;
    in->n_outputs = (uint32_t)n;
    for (size_t k = 0; k < n; k++) {
        const json_t *j = json_array_get(list, k);
        char kind;
        uint32_t number;
        if (!json_is_string(j) || !variable(json_string_value(j), &kind, &number))
            return BAD(r, "trace: output %zu of instruction %zu is not a variable name", k, r->at);
        if (kind != hone_space__output_kind(in->kind, (uint32_t)k))
            return BAD(r, "trace: output %zu of instruction %zu (%s) should be named '%c'", k,
                       r->at, hone_inst_name(in->kind),
                       hone_space__output_kind(in->kind, (uint32_t)k));
        while (r->numbers.n <= number)
            hone_vec_push(&r->numbers, 0);
        if (r->numbers.v[number])
            return BAD(r, "trace: instruction %zu defines %s, which is defined already", r->at,
                       json_string_value(j));
        r->numbers.v[number] = r->rvs.n;
        hone_vec_push(&r->rvs, (hone_rv_row){.kind = kind});
    }
    return HONE_OK;
}

static hone_status read_inst(reader *r, const json_t *j)
{
    if (!json_is_array(j) || json_array_size(j) != 4 || !json_is_string(json_array_get(j, 0)) ||
        !json_is_array(json_array_get(j, 1)) || !json_is_array(json_array_get(j, 2)) ||
        !json_is_array(json_array_get(j, 3)))
        return BAD(r, "trace: instruction %zu is not [name, inputs, attributes, outputs]", r->at);
    const char *name = json_string_value(json_array_get(j, 0));
    hone_inst in = {.kind = hone_inst_parse(name)};
    if (in.kind == HONE_INST_NONE)
        return BAD(r, "trace: instruction %zu is '%.40s', which hone does not have", r->at, name);
    HONE_TRY(read_values(r, json_array_get(j, 1), true, 0, &in.inputs, &in.n_inputs));
    HONE_TRY(read_values(r, json_array_get(j, 2), false, 0, &in.attrs, &in.n_attrs));
    if (in.kind == HONE_INST_Split && in.n_attrs == 1) {
        /* TVM before April 2024 had no disable_predication; attributes were read last */
        hone_vec_push(&r->t->values, (hone_value){.kind = HONE_VALUE_INT});
        hone_value keep = r->t->values.v[in.attrs];
        in.attrs = r->t->values.n - 1;
        hone_vec_push(&r->t->values, (hone_value){.kind = HONE_VALUE_INT});
        r->t->values.v[in.attrs] = keep;
        in.n_attrs = 2;
    }
    hone_status st = hone_space__check(r->t, &in, r->rvs.v, r->rvs.n, r->err);
    if (st != HONE_OK) {
        if (r->err) {
            char why[512];
            snprintf(why, sizeof why, "%.500s", r->err->message);
            BAD(r, "trace: instruction %zu: %s", r->at, why);
        }
        return st;
    }
    HONE_TRY(read_outputs(r, json_array_get(j, 3), &in));
    hone_vec_push(&r->t->insts, in);
    return HONE_OK;
}

static hone_status read_decision(reader *r, const json_t *j)
{
    const json_t *at = json_array_get(j, 0), *v = json_array_get(j, 1);
    if (!json_is_array(j) || json_array_size(j) != 2 || !json_is_integer(at) ||
        json_integer_value(at) < 0 || json_integer_value(at) >= r->t->insts.n)
        return BAD(r, "trace: decision %zu is not [instruction index, value]", r->at);
    hone_inst *in = &r->t->insts.v[json_integer_value(at)];
    if (!hone_inst_samples(in->kind))
        return BAD(r, "trace: decision %zu belongs to %s, which takes none", r->at,
                   hone_inst_name(in->kind));
    if (in->n_decision)
        return BAD(r, "trace: instruction %" PRId64 " has two decisions",
                   (int64_t)json_integer_value(at));
    size_t n = json_is_array(v) ? json_array_size(v) : 1;
    if (json_is_array(v) != is_tile(in->kind) || n == 0 || n > HONE_SPACE_MAX_FACTORS)
        return BAD(r, "trace: decision %zu should be %s", r->at,
                   is_tile(in->kind) ? "a list of at most 8 integers" : "an integer");
    in->decision = r->t->ints.n;
    for (size_t k = 0; k < n; k++) {
        const json_t *x = json_is_array(v) ? json_array_get(v, k) : v;
        if (!json_is_integer(x))
            return BAD(r, "trace: decision %zu is not made of integers", r->at);
        hone_vec_push(&r->t->ints, json_integer_value(x));
    }
    in->n_decision = (uint32_t)n;
    return HONE_OK;
}

static hone_status read_trace(reader *r, const json_t *j)
{
    const json_t *insts = json_array_get(j, 0), *decisions = json_array_get(j, 1);
    if (!json_is_array(j) || json_array_size(j) != 2 || !json_is_array(insts) ||
        !json_is_array(decisions))
        return BAD(r, "trace: not [instructions, decisions]");
    for (r->at = 0; r->at < json_array_size(insts); r->at++)
        HONE_TRY(read_inst(r, json_array_get(insts, r->at)));
    r->t->n_rvs = r->rvs.n - 1;
    for (r->at = 0; r->at < json_array_size(decisions); r->at++)
        HONE_TRY(read_decision(r, json_array_get(decisions, r->at)));
    return HONE_OK;
}

hone_status hone_trace_parse(const char *text, size_t n, hone_trace *ret, hone_error *err)
{
    hone_trace_reset(ret);
    if (n >= HONE_MAX_TRACE_BYTES)
        return hone_fail(err, HONE_E_INPUT, "trace: longer than %d MiB",
                         HONE_MAX_TRACE_BYTES >> 20);
    json_t *j;
    HONE_TRY(hone_json_parse(text, n, &j, err));
    reader r = {.t = ret, .err = err};
    hone_vec_push(&r.rvs, (hone_rv_row){0});
    hone_status st = read_trace(&r, j);
    if (st != HONE_OK)
        hone_trace_reset(ret);
    hone_vec_free(&r.rvs);
    hone_vec_free(&r.numbers);
    json_decref(j);
    return st;
}
