/* Traces of hone's as a release of TVM reads them. The instructions have MetaSchedule's names and
 * operands already; what differs between releases is the instruction that finds a block and the
 * attributes of Split. Of hone's own instructions, those that choose factors become the factors
 * that were chosen; the others have no equivalent. */
#include "tuner/interchange/format.h"

const hone_interchange__tvm *hone_interchange__tvm_named(const char *release)
{
    static const hone_interchange__tvm all[] = {
        {"0.16", "GetBlock", 1},  /* Split got its second attribute in 0.17 */
        {"0.20", "GetBlock", 2},  /* and for releases from 0.17 to 0.23 */
        {"0.25", "GetSBlock", 2}, /* renamed in 0.24 */
    };
    for (size_t k = 0; k < HONE_LEN(all); k++)
        if (strcmp(all[k].release, release) == 0)
            return &all[k];
    return NULL;
}

bool hone_format_tvm_is(const char *release)
{
    return hone_interchange__tvm_named(release) != NULL;
}

/* ---- arguments ------------------------------------------------------------------------------- */

static const char *const tvm_dtypes[] = {
    [HONE_F64] = "float64",   [HONE_F32] = "float32", [HONE_F16] = "float16",
    [HONE_BF16] = "bfloat16", [HONE_I64] = "int64",   [HONE_I32] = "int32",
    [HONE_I16] = "int16",     [HONE_I8] = "int8",     [HONE_U8] = "uint8",
    [HONE_BOOL] = "bool",
};
_Static_assert(HONE_LEN(tvm_dtypes) == HONE_DTYPE_COUNT, "a name for each");

json_t *hone_interchange__tvm_args(const hone_program *p)
{
    json_t *args = json_array();
    for (uint32_t k = 1; k < p->buffers.n; k++) {
        const hone_buffer_row *b = &p->buffers.v[k];
        if (b->role == HONE_TEMP)
            continue;
        json_t *shape = json_array();
        for (unsigned d = 0; d < b->n_dims; d++)
            json_array_append_new(shape, json_integer(b->shape[d]));
        json_array_append_new(args, json_pack("[s, s, o]", "TENSOR", tvm_dtypes[b->dtype], shape));
    }
    return args;
}

/* ---- instructions ---------------------------------------------------------------------------- */

typedef struct trace {
    const hone_interchange__tvm *tvm;
    json_t *insts, *decisions; /* of the result */
    json_t *factors;           /* {"v5": 16}: variables that became numbers */
} trace;

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

static json_t *at(const json_t *list, size_t k)
{
    return json_array_get(list, k);
}

/* The decision of instruction k, or NULL. */
static json_t *decision_of(const json_t *decisions, size_t k)
{
    const json_t *d;
    size_t q;
    json_array_foreach(decisions, q,
                       d) if (json_integer_value(at(d, 0)) == (json_int_t)k) return at(d, 1);
    return NULL;
}

/* Factors that need not divide: the outermost is what covers the rest, which Split infers. */
static bool fix_tile(trace *t, const json_t *outputs, const json_t *decision)
{
    for (size_t k = 0; k < json_array_size(outputs); k++) {
        const json_t *v = at(decision, k);
        if (!json_is_integer(v))
            return false;
        json_object_set_new(t->factors, json_string_value(at(outputs, k)),
                            k == 0 ? json_string("None") : json_copy((json_t *)v));
    }
    return true;
}

static bool fix_registers(trace *t, const json_t *attrs, const json_t *outputs,
                          const json_t *decision)
{
    const json_t *pair =
        json_is_integer(decision) ? at(at(attrs, 0), (size_t)json_integer_value(decision)) : NULL;
    for (size_t k = 0; k < json_array_size(outputs); k++) {
        if (!json_is_integer(at(pair, k)))
            return false;
        json_object_set(t->factors, json_string_value(at(outputs, k)), at(pair, k));
    }
    return true;
}

static void add_inputs(const trace *t, const json_t *from, bool split, json_t *to)
{
    const json_t *v;
    size_t k;
    json_array_foreach(from, k, v)
    {
        json_t *fixed =
            json_is_string(v) ? json_object_get(t->factors, json_string_value(v)) : NULL;
        if (json_is_array(v)) {
            json_t *inner = json_array();
            add_inputs(t, v, false, inner);
            json_array_append_new(to, inner);
        } else if (fixed && (json_is_integer(fixed) || (split && k == 1))) {
            json_array_append(to, fixed);
        } else {
            json_array_append(to, (json_t *)v);
        }
    }
}

/* Is the factor that is to be inferred used anywhere but as the first one of a Split? */
static bool uses_inferred(const trace *t, const json_t *inputs, bool split)
{
    const json_t *v;
    size_t k;
    json_array_foreach(inputs, k, v)
    {
        if (json_is_array(v) && uses_inferred(t, v, false))
            return true;
        const json_t *f =
            json_is_string(v) ? json_object_get(t->factors, json_string_value(v)) : NULL;
        if (json_is_string(f) && !(split && k == 1))
            return true;
    }
    return false;
}

/* NULL: it is added, or needed nothing. */
static const char *add(trace *t, const json_t *inst, const json_t *decision)
{
    const char *name = json_string_value(at(inst, 0));
    const json_t *inputs = at(inst, 1), *attrs = at(inst, 2), *outputs = at(inst, 3);
    bool split = is(name, "Split");
    if (is(name, "SampleImperfectTile"))
        return fix_tile(t, outputs, decision) ? NULL : "a tile without a decision";
    if (is(name, "SampleRegisterTile"))
        return fix_registers(t, attrs, outputs, decision) ? NULL : "a tile without a decision";
    if (is(name, "CacheAccumulate"))
        return "CacheAccumulate is an instruction of hone's only";
    if (is(name, "SkipZeros"))
        return "SkipZeros is an instruction of hone's only";
    if (is(name, "SkipUnread"))
        return "SkipUnread is an instruction of hone's only";
    if (is(name, "ShareWindows"))
        return "ShareWindows is an instruction of hone's only";
    if (is(name, "OnlineSoftmax"))
        return "OnlineSoftmax is an instruction of hone's only";
    if (is(name, "Widen"))
        return "Widen is an instruction of hone's only";
    if (is(name, "ComputeInplace"))
        return "ComputeInplace is an instruction of hone's only";
    if (uses_inferred(t, inputs, split))
        return "a factor that is worked out is used beside a Split";
    json_t *in = json_array(), *a = json_copy((json_t *)attrs);
    add_inputs(t, inputs, split, in);
    if (split && t->tvm->split_attrs == 1)
        json_array_remove(a, 1);
    if (decision)
        json_array_append_new(t->decisions,
                              json_pack("[I, O]", (json_int_t)json_array_size(t->insts), decision));
    json_array_append_new(t->insts, json_pack("[s, o, o, O]",
                                              is(name, "GetBlock") ? t->tvm->find_block : name, in,
                                              a, outputs));
    return NULL;
}

json_t *hone_interchange__tvm_trace(const hone_interchange__tvm *tvm, const char *text,
                                    const char **ret_why)
{
    trace t = {
        .tvm = tvm, .insts = json_array(), .decisions = json_array(), .factors = json_object()};
    json_t *all = json_loads(text, 0, NULL);
    const json_t *insts = at(all, 0), *inst;
    size_t k;
    *ret_why = json_is_array(insts) && json_is_array(at(all, 1)) ? NULL : "not a trace";
    json_array_foreach(insts, k, inst)
    {
        if (*ret_why)
            break;
        *ret_why =
            json_is_string(at(inst, 0)) ? add(&t, inst, decision_of(at(all, 1), k)) : "not a trace";
    }
    json_t *j = *ret_why ? NULL : json_pack("[O, O]", t.insts, t.decisions);
    json_decref(t.insts);
    json_decref(t.decisions);
    json_decref(t.factors);
    json_decref(all);
    return j;
}
