/* Random instructions, driven by space/trace/inst.def: each operand letter and each attribute name
 * has a generator, so that an instruction added to the table is tested without a word here.
 *
 * values           literals, texts and lists in the pair's pool
 * blocks, loops    those of the program as it stands, asked for through Get* instructions, so that
 *                  they have variables in the trace
 * letters          one generator per operand letter
 * attributes       one generator per attribute name
 * instructions     operands by the table's row; several at random */
#include "tests/property/harness.h"

typedef struct inst_row {
    const char *name, *inputs, *attrs, *outputs;
    bool samples;
} inst_row;

static const inst_row table[HONE_INST_COUNT] = {
    [HONE_INST_NONE] = {"?", "", "", "", false},
#define HONE_INST(Name, in, attrs, out, decision) \
    [HONE_INST_##Name] = {#Name, in, attrs, out, decision},
#include "space/trace/inst.def"
#undef HONE_INST
};

#define MAX_OPERANDS 24

/* The instruction being made. */
typedef struct maker {
    pair *p;
    hone_inst_kind kind;
    hone_rv block; /* the first block picked, which the other operands should suit */
    hone_value v[2 * MAX_OPERANDS];
    uint32_t n_inputs, n_attrs;
    unsigned n_list;  /* of the last list of candidates */
    unsigned n_wants; /* integers that the last text asks for */
    bool failed;
} maker;

static unsigned below(maker *m, unsigned n)
{
    return (unsigned)hone_rng_below(&m->p->rng, n);
}

static bool chance(maker *m, unsigned percent)
{
    return below(m, 100) < percent;
}

/* ---- values ---------------------------------------------------------------------------------- */

static hone_value num(int64_t i)
{
    return (hone_value){.kind = HONE_VALUE_INT, .u.i = i};
}

static hone_value variable(uint32_t i)
{
    return (hone_value){.kind = HONE_VALUE_RV, .u.rv.i = i};
}

static hone_value text(maker *m, const char *s)
{
    hone_trace *t = &m->p->pool;
    hone_value v = {.kind = HONE_VALUE_TEXT, .first = t->chars.n, .n = (uint32_t)strlen(s)};
    for (const char *c = s;; c++) {
        hone_vec_push(&t->chars, *c);
        if (!*c)
            return v;
    }
}

static hone_value list(maker *m, const hone_value *v, unsigned n)
{
    hone_trace *t = &m->p->pool;
    hone_value l = {.kind = HONE_VALUE_LIST, .first = t->values.n, .n = n};
    for (unsigned k = 0; k < n; k++)
        hone_vec_push(&t->values, v[k]);
    m->n_list = n;
    return l;
}

static int64_t small(maker *m)
{
    static const int64_t ints[] = {1, 2, 2, 3, 4, 4, 5, 7, 8, 8, 16};
    return ints[below(m, HONE_LEN(ints))];
}

/* ---- blocks, loops --------------------------------------------------------------------------- */

static hone_stmt stmt_of(const maker *m, uint32_t rv)
{
    const hone_rv_row *r = &m->p->s.rvs.v[rv];
    const hone_program *p = &m->p->s.prog;
    bool alive = r->kind == 'b' ? hone_is_block(p, r->stmt) : hone_is_loop(p, r->stmt);
    return alive ? r->stmt : HONE_NO_STMT;
}

static bool named(const maker *m, hone_stmt block)
{
    for (uint32_t k = 1; k < m->p->s.rvs.n; k++)
        if (m->p->s.rvs.v[k].kind == 'b' && HONE_SAME(m->p->s.rvs.v[k].stmt, block))
            return true;
    return false;
}

/* Applies an instruction with variables for inputs; the first output and how many. */
static unsigned ask(maker *m, hone_inst_kind kind, const hone_value *in, unsigned n,
                    const hone_value *attrs, unsigned n_attrs, hone_rv *ret)
{
    hone_status st;
    uint32_t n_out = 0;
    if (m->failed || !pair_apply(m->p, kind, in, n, attrs, n_attrs, NULL, 0, ret, &n_out, &st)) {
        m->failed = true;
        return 0;
    }
    return st == HONE_OK ? n_out : 0;
}

/* Gives every block that has none a variable. */
static void name_blocks(maker *m)
{
    hone_program *p = &m->p->s.prog;
    for (hone_stmt s = p->root; s.i && !m->failed; s = hone_next(p, p->root, s)) {
        hone_rv rv;
        if (!hone_is_block(p, s) || named(m, s))
            continue;
        hone_value attrs[2] = {text(m, hone_sym_text(p, hone_stmt_at(p, s)->name)),
                               text(m, "main")};
        ask(m, HONE_INST_GetBlock, NULL, 0, attrs, 2, &rv);
    }
}

static hone_rv a_block(maker *m)
{
    hone_rv alive[64];
    unsigned n = 0;
    for (uint32_t k = m->p->s.rvs.n; k-- > 1 && n < HONE_LEN(alive);) {
        if (m->p->s.rvs.v[k].kind != 'b')
            continue;
        hone_stmt s = stmt_of(m, k);
        /* rarely one that is gone, and less often one without a store */
        bool good = s.i ? hone_stmt_at(&m->p->s.prog, s)->out.i || chance(m, 30) : chance(m, 2);
        if (good)
            alive[n++].i = k;
    }
    if (!n) {
        m->failed = true;
        return HONE_NO_RV;
    }
    return alive[below(m, n)];
}

/* Its loops, outermost first: the first variable and how many. */
static unsigned loops_of(maker *m, hone_rv block, hone_rv *ret)
{
    hone_stmt at = stmt_of(m, block.i), loops[64];
    if (!at.i)
        return 0;
    unsigned n = hone_loops_of(&m->p->s.prog, at, loops, HONE_LEN(loops));
    if (!n || n > HONE_LEN(loops))
        return 0;
    /* variables from an earlier time, if they still are these loops */
    const hone_rv_row *rows = m->p->s.rvs.v;
    for (uint32_t k = 1; k + n <= m->p->s.rvs.n; k++) {
        unsigned q = 0;
        while (q < n && rows[k + q].kind == 'l' && HONE_SAME(rows[k + q].stmt, loops[q]))
            q++;
        if (q == n) {
            ret->i = k;
            return n;
        }
    }
    hone_value in = variable(block.i);
    return ask(m, HONE_INST_GetLoops, &in, 1, NULL, 0, ret);
}

/* A block beside m->block: one that reads what it writes, or the other way round. */
static hone_rv neighbour(maker *m)
{
    const hone_program *p = &m->p->s.prog;
    hone_stmt b = stmt_of(m, m->block.i);
    if (!b.i || !hone_stmt_at(p, b)->out.i)
        return m->block;
    hone_value in = variable(m->block.i);
    hone_rv first;
    unsigned n = ask(m, chance(m, 50) ? HONE_INST_GetConsumers : HONE_INST_GetProducers, &in, 1,
                     NULL, 0, &first);
    return n ? (hone_rv){first.i + below(m, n)} : m->block;
}

static hone_rv loop_block(maker *m)
{
    if (!m->block.i)
        return a_block(m);
    return chance(m, 55) ? m->block : chance(m, 80) ? neighbour(m) : a_block(m);
}

static hone_value a_loop(maker *m)
{
    hone_rv first;
    /* sometimes one that is gone, or that stands for a place without a loop */
    for (unsigned k = 0; k < 4 && chance(m, 4); k++) {
        uint32_t any = 1 + below(m, m->p->s.rvs.n - 1);
        if (m->p->s.rvs.v[any].kind == 'l')
            return variable(any);
    }
    for (unsigned tries = 0; tries < 4 && !m->failed; tries++) {
        unsigned n = loops_of(m, loop_block(m), &first);
        if (n)
            return variable(first.i + below(m, n));
    }
    m->failed = true;
    return num(0);
}

/* ---- letters --------------------------------------------------------------------------------- */

/* An index map over as many dimensions as the block at hand stores to, or has iterators. */
static hone_value index_map(maker *m)
{
    hone_stmt b = m->block.i ? stmt_of(m, m->block.i) : HONE_NO_STMT;
    const hone_stmt_row *row = b.i ? hone_stmt_at(&m->p->s.prog, b) : NULL;
    unsigned n = row ? chance(m, 70) ? row->n_index : row->n_iters : 2;
    hone_buf head = {0}, tail = {0};
    unsigned split = n ? below(m, n) : 0;
    bool literal = chance(m, 30), splits = n > 0 && chance(m, 70), last = chance(m, 70);
    char by[24];
    int64_t factor = small(m);
    snprintf(by, sizeof by, literal ? "%" PRId64 : "v0", factor);
    hone_buf_puts(&head, "lambda ");
    unsigned rotate = n && chance(m, 50) ? below(m, n) : 0;
    for (unsigned k = 0; k < n; k++)
        hone_buf_printf(&head, "%si%u", k ? ", " : "", k);
    hone_buf_puts(&head, ": (");
    for (unsigned k = 0; k < n; k++) {
        unsigned q = (k + rotate) % n;
        hone_buf_puts(&head, k ? ", " : "");
        if (!splits || q != split)
            hone_buf_printf(&head, "i%u", q);
        else if (last)
            hone_buf_printf(&head, "i%u // %s", q, by);
        else
            hone_buf_printf(&head, "i%u // %s, i%u %% %s", q, by, q, by);
    }
    if (splits && last)
        hone_buf_printf(&head, ", i%u %% %s", split, by);
    hone_buf_puts(&head, n == 1 && !splits ? ",)" : ")");
    m->n_wants = splits && !literal;
    hone_value v = text(m, head.s);
    hone_buf_free(&head);
    hone_buf_free(&tail);
    return v;
}

static hone_value some_text(maker *m)
{
    static const char *const texts[] = {"SSRSRS", "x", "", "a \"quoted\" \\ text", "hone.prepack"};
    if (m->kind == HONE_INST_Annotate)
        return text(m, texts[below(m, HONE_LEN(texts))]);
    return index_map(m);
}

static hone_value some_int(maker *m)
{
    if (chance(m, 25)) {
        uint32_t n = m->p->s.rvs.n, from = 1 + below(m, n - 1);
        for (uint32_t k = 0; k + 1 < n; k++) {
            uint32_t rv = 1 + (from + k - 1) % (n - 1);
            if (m->p->s.rvs.v[rv].kind == 'v')
                return variable(rv);
        }
    }
    if (m->kind == HONE_INST_Split && chance(m, 8))
        return (hone_value){.kind = HONE_VALUE_NONE};
    return num(chance(m, 3) ? below(m, 3) : small(m));
}

static hone_value some_blocks(maker *m)
{
    hone_value v[3];
    unsigned n = chance(m, 60) ? 0 : 1 + below(m, 2);
    for (unsigned k = 0; k < n; k++)
        v[k] = variable((chance(m, 50) ? neighbour(m) : a_block(m)).i);
    return list(m, v, n);
}

/* As a rule an order of the block's iterators. */
static hone_value some_ints(maker *m)
{
    hone_value v[16];
    hone_stmt b = m->block.i ? stmt_of(m, m->block.i) : HONE_NO_STMT;
    unsigned n = b.i ? hone_stmt_at(&m->p->s.prog, b)->n_iters : below(m, 4);
    for (unsigned k = 0; k < n; k++) {
        unsigned q = below(m, k + 1);
        v[k] = v[q];
        v[q] = num(k);
    }
    if (n && chance(m, 5))
        v[0] = num(below(m, 9));
    return list(m, v, n);
}

static const char letters[] = "blvT[#";

static hone_value operand(maker *m, char letter)
{
    switch (letter) {
    case 'b': {
        hone_rv b = m->block.i && chance(m, 60) ? neighbour(m) : a_block(m);
        if (!m->block.i)
            m->block = b;
        return variable(b.i);
    }
    case 'l':
        return a_loop(m);
    case 'v':
        return some_int(m);
    case 'T':
        return some_text(m);
    case '#':
        return some_ints(m);
    default:
        return some_blocks(m);
    }
}

/* Loops of the same depth around several blocks. */
static void side_by_side(maker *m)
{
    unsigned depth = 0;
    for (unsigned tries = 0, n_want = 2 + below(m, 2); tries < 8 && m->n_inputs < n_want; tries++) {
        hone_rv first;
        unsigned n = loops_of(m, m->block.i && chance(m, 50) ? neighbour(m) : a_block(m), &first);
        if (n && !m->n_inputs)
            depth = below(m, n);
        if (depth < n)
            m->v[m->n_inputs++] = variable(first.i + depth);
        if (m->failed)
            return;
    }
}

/* Any number of one letter, after what there is. */
static void repeat(maker *m, char letter)
{
    if (letter == 'l' && (m->kind == HONE_INST_Merge ? chance(m, 90) : chance(m, 3))) {
        side_by_side(m);
        return;
    }
    if (letter == 'l') {
        hone_rv first;
        hone_rv b = m->block.i ? m->block : a_block(m);
        unsigned n = m->failed ? 0 : loops_of(m, b, &first);
        if (!n) {
            m->failed = true;
            return;
        }
        uint32_t pick[MAX_OPERANDS];
        unsigned from = below(m, n), k = 0;
        unsigned len = 1 + below(m, n - from < 4 ? n - from : 4);
        for (; k < len; k++)
            pick[k] = first.i + from + k;
        /* a row of loops as they stand, or in another order */
        if (m->kind == HONE_INST_Reorder || chance(m, 15))
            for (unsigned q = k; q > 1; q--) {
                unsigned w = below(m, q);
                uint32_t t = pick[q - 1];
                pick[q - 1] = pick[w];
                pick[w] = t;
            }
        for (unsigned q = 0; q < k; q++)
            m->v[m->n_inputs++] = variable(pick[q]);
        return;
    }
    unsigned n =
        m->kind == HONE_INST_TransformLayout && chance(m, 97) ? m->n_wants : 1 + below(m, 3);
    /* factors of a loop often come from a sampled tile */
    bool tile = m->kind == HONE_INST_Split && chance(m, 40);
    if (tile) {
        hone_rv first;
        hone_value in = m->v[m->n_inputs - 1];
        hone_value attrs[2] = {num(2 + below(m, 2)), num(16)};
        unsigned got =
            ask(m, chance(m, 40) ? HONE_INST_SamplePerfectTile : HONE_INST_SampleImperfectTile, &in,
                1, attrs, 2, &first);
        for (unsigned k = 0; k < got; k++)
            m->v[m->n_inputs++] = variable(first.i + k);
        if (got)
            return;
    }
    bool infer =
        (m->kind == HONE_INST_Split || m->kind == HONE_INST_LoopPartition) && chance(m, 70);
    for (unsigned k = 0; k < n && !m->failed; k++)
        m->v[m->n_inputs++] =
            infer && k == 0 ? (hone_value){.kind = HONE_VALUE_NONE} : operand(m, letter);
}

/* Walks one row's input letters: "b|l,v|T", "lv*", "b[". */
static void make_inputs(maker *m)
{
    for (const char *c = table[m->kind].inputs; *c && !m->failed;) {
        char open[8];
        unsigned n = 0;
        open[n++] = *c++;
        for (; *c == '|'; c += 2)
            open[n++] = c[1];
        char letter = open[below(m, n)];
        if (*c == '*') {
            repeat(m, letter);
            c++;
        } else if (c[0] && c[0] == letter && c[1] == '*') {
            repeat(m, letter); /* "lv*": at least none, as "l*" */
            c += 2;
        } else {
            hone_value v = operand(m, letter);
            m->v[m->n_inputs++] = v;
        }
        c += *c == ',';
        if (m->n_inputs + 4 > MAX_OPERANDS)
            return;
    }
}

/* ---- attributes ------------------------------------------------------------------------------ */

static hone_value zero_or_one(maker *m)
{
    return num(chance(m, 25));
}

static hone_value mostly_zero(maker *m)
{
    return num(chance(m, 85) ? 0 : (int64_t)below(m, 4) - 1);
}

static hone_value up_to_three(maker *m)
{
    return num(chance(m, 3) ? -1 : (int64_t)below(m, chance(m, 70) ? 2 : 4));
}

static hone_value side(maker *m)
{
    return num(chance(m, 80));
}

static hone_value block_name(maker *m)
{
    const hone_program *p = &m->p->s.prog;
    hone_stmt blocks[64];
    unsigned n = 0;
    for (hone_stmt s = p->root; s.i && n < HONE_LEN(blocks); s = hone_next(p, p->root, s))
        if (hone_is_block(p, s))
            blocks[n++] = s;
    return text(m, chance(m, 5) ? "nobody"
                                : hone_sym_text(p, hone_stmt_at(p, blocks[below(m, n)])->name));
}

static hone_value function_name(maker *m)
{
    return text(m, "main");
}

static hone_value candidates(maker *m)
{
    hone_value v[6], two[2];
    unsigned n = 1 + below(m, 5);
    for (unsigned k = 0; k < n; k++) {
        two[0] = num(small(m));
        two[1] = num(small(m));
        v[k] = m->kind == HONE_INST_SampleRegisterTile ? list(m, two, 2) : two[0];
    }
    return list(m, v, n);
}

static hone_value probabilities(maker *m)
{
    hone_value v[16];
    unsigned n = m->n_list <= HONE_LEN(v) ? m->n_list : HONE_LEN(v);
    for (unsigned k = 0; k < n; k++)
        v[k] = (hone_value){.kind = HONE_VALUE_FLOAT, .u.f = 1.0 / n};
    return list(m, v, n);
}

static hone_value two_to_four(maker *m)
{
    return num(2 + below(m, 3));
}

static hone_value a_limit(maker *m)
{
    return num(chance(m, 20) ? 0 : 4 << below(m, 4));
}

static hone_value a_scope(maker *m)
{
    if (chance(m, 70))
        return text(m, chance(m, 50) ? "global" : "local");
    return text(m,
                chance(m, 5) ? "nowhere" : hone_scope_name((hone_scope)below(m, HONE_SCOPE_COUNT)));
}

static hone_value a_key(maker *m)
{
    static const char *const keys[] = {"x", "meta_schedule.parallel", "hone.note", "pragma"};
    return text(m, keys[below(m, HONE_LEN(keys))]);
}

static hone_value a_place(maker *m)
{
    return num((int64_t)below(m, 3) - 2);
}

static hone_value none_or_zero(maker *m)
{
    return chance(m, 60)   ? (hone_value){.kind = HONE_VALUE_NONE}
           : chance(m, 50) ? num(0)
                           : (hone_value){.kind = HONE_VALUE_FLOAT, .u.f = chance(m, 50) ? 0 : 1.5};
}

static hone_value small_attr(maker *m)
{
    return num(small(m));
}

static hone_value small_list(maker *m)
{
    hone_value v[16];
    hone_stmt b = m->block.i ? stmt_of(m, m->block.i) : HONE_NO_STMT;
    unsigned n = b.i && chance(m, 90) ? hone_stmt_at(&m->p->s.prog, b)->n_iters : below(m, 4);
    for (unsigned k = 0; k < n && k < HONE_LEN(v); k++)
        v[k] = num(small(m));
    return list(m, v, n < HONE_LEN(v) ? n : HONE_LEN(v));
}

static hone_value an_intrinsic(maker *m)
{
    const hone_intrin_set *shipped = hone_intrin_shipped();
    unsigned k = below(m, hone_intrin_count(shipped) + 1);
    return text(m, k < hone_intrin_count(shipped) ? hone_intrin_at(shipped, k)->name : "?");
}

static hone_value a_thread(maker *m)
{
    static const char *const names[] = {"blockIdx.x", "threadIdx.x", "vthread.x", "?"};
    return text(m, names[below(m, HONE_LEN(names))]);
}

static hone_value a_dtype(maker *m)
{
    return text(m, hone_dtype_name((hone_dtype)below(m, HONE_DTYPE_COUNT)));
}

/* By attribute name. Names that hone's table does not have (yet) are MetaSchedule's. */
static const struct {
    const char *name;
    hone_value (*make)(maker *m);
} attributes[] = {
    {"name", block_name},
    {"func", function_name},
    {"candidates", candidates},
    {"probs", probabilities},
    {"n", two_to_four},
    {"max_innermost_factor", a_limit},
    {"preserve_unit_iters", zero_or_one},
    {"disable_predication", zero_or_one},
    {"preserve_unit_loops", zero_or_one},
    {"read_buffer_index", up_to_three},
    {"write_buffer_index", mostly_zero},
    {"buffer_index", up_to_three},
    {"buffer_index_type", side},
    {"storage_scope", a_scope},
    {"index", a_place},
    {"pad_value", none_or_zero},
    {"assume_injective", zero_or_one},
    {"ann_key", a_key},
    {"factor_axis", up_to_three},
    {"factor", small_attr},
    {"offset", mostly_zero},
    {"axis", up_to_three},
    {"padding", small_list},
    {"index_map", index_map},
    {"tensor_intrin", an_intrinsic},
    {"dtype", a_dtype},
    {"partition_pos", up_to_three},
    {"innerpart_factor", small_attr},
    {"thread_axis", a_thread},
    {"cse_thresh", mostly_zero},
};

static const char *next_word(const char *s, size_t *ret_n)
{
    s += strspn(s, " ");
    *ret_n = strcspn(s, " ");
    return s;
}

static int attribute_of(const char *s, size_t n)
{
    for (size_t k = 0; k < HONE_LEN(attributes); k++)
        if (strlen(attributes[k].name) == n && !memcmp(attributes[k].name, s, n))
            return (int)k;
    return -1;
}

static void make_attrs(maker *m)
{
    size_t len;
    for (const char *s = next_word(table[m->kind].attrs, &len); len && !m->failed;
         s = next_word(s + len, &len)) {
        int k = attribute_of(s, len);
        HONE_ASSERT(k >= 0); /* pair_unknown_operand finds it first */
        hone_value v = attributes[k].make(m);
        m->v[m->n_inputs + m->n_attrs++] = v;
    }
}

const char *pair_unknown_operand(void)
{
    static char unknown[64];
    for (int k = 1; k < HONE_INST_COUNT; k++) {
        for (const char *c = table[k].inputs; *c; c++)
            if (!strchr(letters, *c) && !strchr("|,*", *c)) {
                snprintf(unknown, sizeof unknown, "letter %c of %s", *c, table[k].name);
                return unknown;
            }
        size_t len;
        for (const char *s = next_word(table[k].attrs, &len); len; s = next_word(s + len, &len))
            if (attribute_of(s, len) < 0) {
                snprintf(unknown, sizeof unknown, "attribute %.*s of %s", (int)len, s,
                         table[k].name);
                return unknown;
            }
    }
    return NULL;
}

/* ---- instructions ---------------------------------------------------------------------------- */

/* True: keep going. A maker that fails for want of operands is a rejection; one whose Get* found a
 * broken promise ends the pair. */
bool pair_generate_one(pair *p, hone_inst_kind kind, hone_status *ret_st)
{
    maker m = {.p = p, .kind = kind};
    hone_rv first;
    uint32_t n;
    *ret_st = HONE_REJECT_ARG;
    hone_trace_reset(&p->pool);
    name_blocks(&m);
    make_inputs(&m);
    make_attrs(&m);
    if (p->r->kind[0])
        return false;
    if (m.failed)
        return true;
    return pair_apply(p, kind, m.v, m.n_inputs, m.v + m.n_inputs, m.n_attrs, NULL, 0, &first, &n,
                      ret_st);
}

/* How often, early and late: what no longer can be changed comes late. */
static unsigned weight(hone_inst_kind k, bool late)
{
    switch (k) {
    case HONE_INST_NONE:
    case HONE_INST_EnterPostproc:
        return 0;
    case HONE_INST_Vectorize:
    case HONE_INST_Parallel:
        return late ? 8 : 1;
    case HONE_INST_Unroll:
        return late ? 4 : 1;
    case HONE_INST_Split:
        return 10;
    default:
        return table[k].outputs[0] == 'b' && table[k].attrs[0] == '\0' ? 2
               : table[k].samples                                      ? 2
                                                                       : 4;
    }
}

static hone_inst_kind a_kind(pair *p, bool late)
{
    unsigned total = 0, k = 0;
    for (int q = 0; q < HONE_INST_COUNT; q++)
        total += weight((hone_inst_kind)q, late);
    unsigned at = (unsigned)hone_rng_below(&p->rng, total);
    while (at >= weight((hone_inst_kind)k, late))
        at -= weight((hone_inst_kind)k++, late);
    return (hone_inst_kind)k;
}

#define TRIES 8 /* of one instruction with other operands */
#define TOO_MUCH 400000

bool pair_generate(pair *p, unsigned n, hone_inst_kind focus)
{
    for (unsigned k = 0; k < n; k++) {
        hone_inst_kind kind = a_kind(p, 3 * k >= 2 * n);
        if (focus && hone_rng_below(&p->rng, 5) == 0)
            kind = focus;
        hone_status st = HONE_REJECT_ARG;
        for (unsigned t = 0; t < TRIES && st != HONE_OK; t++)
            if (!pair_generate_one(p, kind, &st))
                return false;
        if (p->s.prog.overflow || pair_work(&p->s.prog) > TOO_MUCH)
            return true;
    }
    return true;
}
