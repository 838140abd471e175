/* What of a model hone does not have, all of it, before anything is done with it. */
#include "net/read/read.h"

static void miss(hone_net_reader *r, const char *what)
{
    uint32_t at = 0;
    while (at < r->missing.n && strcmp(r->missing.v[at], what) < 0)
        at++;
    if (at < r->missing.n && strcmp(r->missing.v[at], what) == 0)
        return;
    hone_vec_push(&r->missing, what);
    memmove(&r->missing.v[at + 1], &r->missing.v[at],
            (r->missing.n - 1 - at) * sizeof *r->missing.v);
    r->missing.v[at] = what;
}

static bool is_standard(const char *domain)
{
    return !domain || !*domain || strcmp(domain, "ai.onnx") == 0;
}

static void survey_type(hone_net_reader *r, int32_t onnx)
{
    const char *text = hone_net__dtype_text(onnx);
    if (*text == '?' || hone_net__dtype(onnx) != HONE_DTYPE_COUNT)
        return; /* of a number that is no type the message is another */
    char *what = hone_xasprintf("element type %s", text);
    miss(r, hone_net_strdup(r->g, what));
    free(what);
}

static void survey_node(hone_net_reader *r, const Onnx__Node *n)
{
    bool known = false;
    const char *op = n->op_type ? n->op_type : "";
    if (is_standard(n->domain) && (!r->opset || hone_net_op_find(op, r->opset, &known)))
        return;
    char *clean = hone_text_clean(op);
    char *what = is_standard(n->domain)
                     ? hone_xasprintf(known ? "%.60s of opset %" PRId64 : "%.60s", clean, r->opset)
                     : hone_xasprintf("%.60s.%.60s", n->domain, clean);
    char *text = hone_text_clean(what);
    miss(r, hone_net_strdup(r->g, text));
    free(text);
    free(what);
    free(clean);
}

/* r->opset stays 0 where the model does not say one of the standard's operators. */
static hone_status find_opset(hone_net_reader *r, hone_error *err)
{
    bool found = false;
    for (size_t k = 0; k < r->model->n_opset_import; k++) {
        const Onnx__OperatorSet *s = r->model->opset_import[k];
        if (!is_standard(s->domain))
            continue;
        if (found && r->opset != s->version)
            return hone_fail(err, HONE_E_INPUT, "two opsets, %" PRId64 " and %" PRId64, r->opset,
                             s->version);
        r->opset = s->version;
        found = true;
    }
    if (found && (r->opset < 7 || r->opset > 18))
        return hone_fail(err, HONE_E_UNSUPPORTED, "opset %" PRId64 ", hone reads 7 to 18",
                         r->opset);
    return HONE_OK;
}

/* No more than a message holds; what is past that is counted. */
static hone_status say(const hone_net_reader *r, hone_error *err)
{
    hone_buf text = {0};
    uint32_t k = 0;
    for (; k < r->missing.n && text.n < 800; k++)
        hone_buf_printf(&text, "%s%s", k ? ", " : "", r->missing.v[k]);
    if (k < r->missing.n)
        hone_buf_printf(&text, " and %" PRIu32 " more", r->missing.n - k);
    hone_status st =
        hone_fail(err, HONE_E_UNSUPPORTED, "the model needs what hone does not have: %s", text.s);
    hone_buf_free(&text);
    return st;
}

hone_status hone_net__survey(hone_net_reader *r, hone_error *err)
{
    const Onnx__Graph *m = r->model->graph;
    HONE_TRY(find_opset(r, err));
    for (size_t k = 0; k < m->n_node; k++)
        survey_node(r, m->node[k]);
    for (size_t k = 0; k < m->n_initializer; k++)
        survey_type(r, m->initializer[k]->data_type);
    for (size_t k = 0; k < m->n_input; k++) {
        const Onnx__Type *t = m->input[k]->type;
        if (t && t->tensor_type)
            survey_type(r, t->tensor_type->elem_type);
        else if (t)
            miss(r, "inputs that are not tensors");
    }
    if (m->n_sparse_initializer)
        miss(r, "sparse initializers");
    if (!r->missing.n && !r->opset)
        return hone_fail(err, HONE_E_INPUT, "the model does not say its opset");
    return r->missing.n ? say(r, err) : HONE_OK;
}
