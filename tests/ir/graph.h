/* Programs whose expressions are graphs with far more paths than nodes: in a chain each step uses
 * the one before at least twice. As one block, with lets, or as one block for each step. */
#ifndef HONE_TESTS_IR_GRAPH_H
#define HONE_TESTS_IR_GRAPH_H

#include "ir/ir.h"

typedef struct graph_kind {
    const char *name, *dtype;
    const char *step; /* @ is the step before, & the one 70 before that (or the first) */
} graph_kind;

static const graph_kind graph_kinds[] = {
    {"squares", "f32", "@ * @ * 0.5 + 0.25"},
    {"integers", "i64", "(@ * @ + @) % 1000"},
    {"clamped", "i64", "min(@ * 3, max(@ + 5, @ - A[v])) % 100"},
    {"selects", "f32", "select(@ < 0.5, @ * 0.5 + 0.125, @ - 0.25)"},
    {"branches", "f32", "select(@ < 0.5, sqrt(abs(@)) + 0.125, @ - exp(@) * 0.125)"},
    {"conditions", "bool", "select(A[v], @ and not(@) or @, not(@))"},
    {"far", "f32", "@ * 0.75 + & * @ * 0.125"},
    {"of the index", "f32", "select(v < 3, @ + f32(v // 2), @ * f32(v % 3))"},
};

/* Both arms need the step before, but each only where another condition holds. */
static const graph_kind graph_hidden = {"hidden", "f32",
                                        "select(A[v] < 0.5, select(A[v] < 0.25, exp(@) / 4, 0.5), "
                                        "select(A[v] < 0.75, sqrt(abs(@)), 0.25))"};

static inline void graph__step(hone_buf *out, const graph_kind *kind, unsigned k, const char *form)
{
    unsigned far = k > 70 ? k - 70 : 1;
    for (const char *c = kind->step; *c; c++) {
        if (*c == '@' || *c == '&')
            hone_buf_printf(out, form, *c == '@' ? k - 1 : far < k - 1 ? far : k - 1);
        else
            hone_buf_add(out, c, 1);
    }
}

static inline void graph__buffers(hone_buf *out, const graph_kind *kind)
{
    hone_buf_printf(out,
                    "program p {\n  buffer A: %s[8] input\n  buffer unused: f32[8] input\n"
                    "  buffer C: %s[8] output\n",
                    kind->dtype, kind->dtype);
}

/* Text of n steps after A[v], as one block. Caller frees. */
static inline char *graph_text(const graph_kind *kind, unsigned n)
{
    hone_buf out = {0};
    graph__buffers(&out, kind);
    hone_buf_puts(&out, "  for i in 8 {\n    block b(v: 8 = i) {\n      let t0 = A[v]\n");
    for (unsigned k = 1; k < n; k++) {
        hone_buf_printf(&out, "      let t%u = ", k);
        graph__step(&out, kind, k, "t%u");
        hone_buf_puts(&out, "\n");
    }
    hone_buf_puts(&out, "      C[v] = ");
    graph__step(&out, kind, n, "t%u");
    hone_buf_puts(&out, "\n    }\n  }\n}\n");
    return out.s;
}

/* The same with a block and a buffer for each step. */
static inline char *graph_text_apart(const graph_kind *kind, unsigned n)
{
    hone_buf out = {0};
    graph__buffers(&out, kind);
    for (unsigned k = 0; k < n; k++)
        hone_buf_printf(&out, "  buffer T%u: %s[8]\n", k, kind->dtype);
    for (unsigned k = 0; k <= n; k++) {
        char name[16] = "C";
        if (k < n)
            snprintf(name, sizeof name, "T%u", k);
        hone_buf_printf(&out, "  for i in 8 {\n    block b%u(v: 8 = i) {\n      %s[v] = ", k, name);
        if (k == 0)
            hone_buf_puts(&out, "A[v]");
        else
            graph__step(&out, kind, k, "T%u[v]");
        hone_buf_puts(&out, "\n    }\n  }\n");
    }
    hone_buf_puts(&out, "}\n");
    return out.s;
}

#endif
