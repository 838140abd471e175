/* Elementary functions: how exact compiled kernels compute them, and their fast forms. */
#include "ir/ir.h"

static const hone_function functions[] = {
#define HONE_FUNCTION(NAME, precise, fast, wide, how) {HONE_OP_##NAME, precise, fast, wide, how},
#include "ir/functions.def"
#undef HONE_FUNCTION
};

const hone_function *hone_function_of(hone_op op)
{
    for (size_t k = 0; k < HONE_LEN(functions); k++)
        if (functions[k].op == op)
            return &functions[k];
    return NULL;
}

double hone_function_error(hone_op op, hone_dtype t, bool fast)
{
    const hone_function *f = hone_function_of(op);
    HONE_ASSERT(f && (!fast || f->fast > 0));
    return t == HONE_F64 ? f->wide : fast ? f->fast : f->precise;
}
