/* The instruction table: names, operand letters, and what every apply function needs to read its
 * operands.
 *
 * operands                reading inputs and attributes, appending outputs
 * table and checks        names, letters, whether operands fit them
 *
 * The apply functions are hone_space__apply_<Name>, declared for every row of inst.def by
 * space/trace/internal.h: inst_basic.c has those of blocks, loops, caches and annotations,
 * inst_loop.c those that restructure loops and buffers, sample.c those that sample. */
#include "space/trace/internal.h"

/* ---- operands -------------------------------------------------------------------------------- */

hone_status hone_space__bad(hone_error *err, const hone_inst *in, const char *what)
{
    hone_fail(err, HONE_E_INPUT, "%s: %s", hone_inst_name(in->kind), what);
    return HONE_E_INPUT;
}

hone_status hone_space__stmt(const hone_sched *s, const hone_inst *in, uint32_t k, hone_stmt *ret,
                             hone_error *err)
{
    const hone_rv_row *r = &s->rvs.v[hone_space__input(s, in, k)->u.rv.i];
    bool alive =
        r->kind == 'b' ? hone_is_block(&s->prog, r->stmt) : hone_is_loop(&s->prog, r->stmt);
    if (!alive) {
        hone_fail(err, HONE_REJECT_ARG, "%s: input %u is a %s that is no longer there",
                  hone_inst_name(in->kind), k, r->kind == 'b' ? "block" : "loop");
        return HONE_REJECT_ARG;
    }
    *ret = r->stmt;
    return HONE_OK;
}

hone_status hone_space__int(const hone_sched *s, const hone_value *v, int64_t *ret, hone_error *err)
{
    if (v->kind == HONE_VALUE_INT)
        *ret = v->u.i;
    else if (v->kind == HONE_VALUE_RV && s->rvs.v[v->u.rv.i].kind == 'v')
        *ret = s->rvs.v[v->u.rv.i].value;
    else {
        hone_fail(err, HONE_E_INPUT, "an integer is needed where the trace has none");
        return HONE_E_INPUT;
    }
    return HONE_OK;
}

void hone_space__out_stmt(hone_sched *s, char kind, hone_stmt stmt)
{
    hone_vec_push(&s->rvs, (hone_rv_row){.kind = kind, .stmt = stmt});
}

void hone_space__out_int(hone_sched *s, int64_t value)
{
    hone_vec_push(&s->rvs, (hone_rv_row){.kind = 'v', .value = value});
}

hone_status hone_space__attr_int(const hone_sched *s, const hone_inst *in, uint32_t k, int64_t *ret,
                                 hone_error *err)
{
    const hone_value *v = hone_space__attr(s, in, k);
    if (v->kind != HONE_VALUE_INT)
        return hone_space__bad(err, in, "an attribute that should be an integer is not");
    *ret = v->u.i;
    return HONE_OK;
}

hone_status hone_space__attr_text(const hone_sched *s, const hone_inst *in, uint32_t k,
                                  const char **ret, hone_error *err)
{
    const hone_value *v = hone_space__attr(s, in, k);
    if (v->kind != HONE_VALUE_TEXT)
        return hone_space__bad(err, in, "an attribute that should be a text is not");
    *ret = hone_space__chars(&s->trace, v);
    return HONE_OK;
}

hone_status hone_space__attr_scope(const hone_sched *s, const hone_inst *in, uint32_t k,
                                   hone_scope *ret, hone_error *err)
{
    const char *text;
    HONE_TRY(hone_space__attr_text(s, in, k, &text, err));
    *ret = hone_scope_parse(text, strlen(text));
    if (*ret == HONE_SCOPE_COUNT)
        return hone_fail(err, HONE_REJECT_ARG, "%s: there is no storage scope '%s'",
                         hone_inst_name(in->kind), text);
    return HONE_OK;
}

/* Attribute k picks a buffer the block writes; hone's blocks write one. */
hone_status hone_space__write_index(const hone_sched *s, const hone_inst *in, uint32_t k,
                                    hone_error *err)
{
    int64_t i;
    HONE_TRY(hone_space__attr_int(s, in, k, &i, err));
    if (i != 0)
        return hone_fail(err, HONE_REJECT_ARG, "%s: a block writes one buffer, its number 0",
                         hone_inst_name(in->kind));
    return HONE_OK;
}

/* ---- the table ------------------------------------------------------------------------------- */

static const hone_inst_row table[HONE_INST_COUNT] = {
    [HONE_INST_NONE] = {.name = "?", .inputs = "", .attrs = "", .outputs = ""},
#define HONE_INST(Name, in, attrs, out, decision) \
    [HONE_INST_##Name] = {#Name, in, attrs, out, decision, hone_space__apply_##Name},
#include "space/trace/inst.def"
#undef HONE_INST
};

const hone_inst_row *hone_space__inst(hone_inst_kind kind)
{
    HONE_ASSERT(kind < HONE_INST_COUNT);
    return &table[kind];
}

const char *hone_inst_name(hone_inst_kind k)
{
    return k < HONE_INST_COUNT ? table[k].name : "?";
}

hone_inst_kind hone_inst_parse(const char *name)
{
    for (int k = HONE_INST_NONE + 1; k < HONE_INST_COUNT; k++)
        if (strcmp(table[k].name, name) == 0)
            return (hone_inst_kind)k;
    if (strcmp(name, "GetSBlock") == 0) /* TVM from v0.24 */
        return HONE_INST_GetBlock;
    return HONE_INST_NONE;
}

bool hone_inst_samples(hone_inst_kind k)
{
    return k < HONE_INST_COUNT && table[k].samples;
}

char hone_space__output_kind(hone_inst_kind kind, uint32_t k)
{
    const char *letters = hone_space__inst(kind)->outputs;
    return letters[0] && letters[1] == '*' ? letters[0] : letters[k];
}

/* ---- checks ---------------------------------------------------------------------------------- */

static bool is_rv(const hone_value *v, char kind, const hone_rv_row *rvs, uint32_t n_rvs)
{
    return v->kind == HONE_VALUE_RV && v->u.rv.i > 0 && v->u.rv.i < n_rvs &&
           rvs[v->u.rv.i].kind == kind;
}

static bool fits_letter(char letter, const hone_trace *t, const hone_value *v,
                        const hone_rv_row *rvs, uint32_t n_rvs)
{
    switch (letter) {
    case 'b':
    case 'l':
        return is_rv(v, letter, rvs, n_rvs);
    case 'v':
        return v->kind == HONE_VALUE_INT || v->kind == HONE_VALUE_NONE || is_rv(v, 'v', rvs, n_rvs);
    case 'T':
        return v->kind == HONE_VALUE_TEXT;
    case '[':
        if (v->kind != HONE_VALUE_LIST)
            return false;
        for (uint32_t k = 0; k < v->n; k++)
            if (!is_rv(&t->values.v[v->first + k], 'b', rvs, n_rvs))
                return false;
        return true;
    case '#':
        if (v->kind != HONE_VALUE_LIST)
            return false;
        for (uint32_t k = 0; k < v->n; k++)
            if (t->values.v[v->first + k].kind != HONE_VALUE_INT)
                return false;
        return true;
    default:
        HONE_ASSERT(false); /* no such letter in inst.def */
        return false;
    }
}

/* Does v fit one of the letters of the position at *at ("b|l")? Moves *at behind it. */
static bool fits_position(const char **at, const hone_trace *t, const hone_value *v,
                          const hone_rv_row *rvs, uint32_t n_rvs)
{
    const char *c = *at;
    bool fits = fits_letter(*c++, t, v, rvs, n_rvs);
    while (*c == '|') {
        fits |= fits_letter(c[1], t, v, rvs, n_rvs);
        c += 2;
    }
    *at = c;
    return fits;
}

static uint32_t count_words(const char *s)
{
    uint32_t n = *s ? 1 : 0;
    for (; *s; s++)
        n += *s == ' ';
    return n;
}

hone_status hone_space__check(const hone_trace *t, const hone_inst *in, const hone_rv_row *rvs,
                              uint32_t n_rvs, hone_error *err)
{
    const hone_inst_row *row = hone_space__inst(in->kind);
    const char *at = row->inputs, *again = NULL;
    if (in->kind == HONE_INST_NONE)
        return hone_fail(err, HONE_E_INPUT, "an instruction without a kind");
    for (uint32_t k = 0; k < in->n_inputs; k++) {
        const char *from = at;
        if (*at == '*')
            from = at = again;
        if (!*at)
            return hone_fail(err, HONE_E_INPUT, "%s has %u inputs, too many", row->name,
                             in->n_inputs);
        if (!fits_position(&at, t, &t->values.v[in->inputs + k], rvs, n_rvs))
            return hone_fail(err, HONE_E_INPUT, "input %u of %s is of the wrong kind", k,
                             row->name);
        again = from;
        if (*at == ',')
            at++;
    }
    /* "l*" may stay empty, as may the * position of "lv*" */
    if (*at && *at != '*' && at[1] != '*')
        return hone_fail(err, HONE_E_INPUT, "%s has %u inputs, too few", row->name, in->n_inputs);
    if (in->n_attrs != count_words(row->attrs))
        return hone_fail(err, HONE_E_INPUT, "%s has %u attributes, not its %u (%s)", row->name,
                         in->n_attrs, count_words(row->attrs), row->attrs);
    return HONE_OK;
}
