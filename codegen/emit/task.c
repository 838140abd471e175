/* A parallel loop as a function of its own, which the runtime calls for each part. */
#include "codegen/internal.h"
#include "runtime/hone_rt.h"

_Static_assert(offsetof(hone_rt_api, parallel) == 8, "generated code calls parallel at offset 8");

/* What a task needs from the function around it, in the order of its closure. */
typedef struct capture {
    unsigned n, n_ptr;
    LLVMValueRef v[512];
    uint32_t buffer[256]; /* of the first n_ptr */
    uint32_t var[256];    /* of those after, up to the last, which is rt */
} capture;

static bool is_used_under(cg *e, hone_stmt loop, hone_buffer b)
{
    for (uint32_t i = 1; i < e->leaves.n; i++) {
        const cg_leaf *l = &e->leaves.v[i];
        if (!hone_is_ancestor(&e->q, loop, l->s)) {
            continue;
        }
        bool used = HONE_SAME(l->out, b) || hone_uses_buffer(&e->q, l->value, b) ||
                    (l->init.i && hone_uses_buffer(&e->q, l->init, b));
        for (unsigned k = 0; !used && k < l->n_conds; k++) {
            used = hone_uses_buffer(&e->q, l->conds[k].e, b);
        }
        if (used) {
            return true;
        }
    }
    return false;
}

static void find_captures(cg *e, hone_stmt loop, capture *ret)
{
    ret->n = ret->n_ptr = 0;
    for (uint32_t b = 1; b < e->q.buffers.n; b++) {
        if (e->fn.ptr[b] && is_used_under(e, loop, (hone_buffer){b})) {
            if (ret->n == HONE_LEN(ret->buffer)) {
                hone_cg__fail(e, HONE_REJECT_BUILD, "A parallel loop uses more than %zu buffers.",
                              HONE_LEN(ret->buffer));
                return;
            }
            ret->buffer[ret->n] = b;
            ret->v[ret->n++] = e->fn.ptr[b];
        }
    }
    ret->n_ptr = ret->n;
    for (uint32_t v = 1; v < e->q.vars.n; v++) {
        if (e->bound[v] && e->env[v].lo != e->env[v].hi) {
            ret->var[ret->n - ret->n_ptr] = v; /* at most as many as scopes */
            ret->v[ret->n++] = hone_cg__v(e, e->env[v]);
        }
    }
    ret->v[ret->n++] = e->fn.rt;
}

static LLVMTypeRef slot_type(cg *e, const capture *c, unsigned k)
{
    return k < c->n_ptr || k + 1 == c->n ? e->ptr : e->i64;
}

static LLVMValueRef slot(cg *e, LLVMValueRef closure, unsigned k)
{
    LLVMValueRef at = LLVMConstInt(e->i64, k, false);
    return LLVMBuildGEP2(e->b, e->i64, closure, &at, 1, "");
}

/* i32 task(ptr closure, i64 begin, i64 end): unpacks, calls body. */
static LLVMValueRef unpacker(cg *e, const capture *c, LLVMValueRef body, LLVMTypeRef body_type,
                             const char *name)
{
    LLVMTypeRef params[] = {e->ptr, e->i64, e->i64};
    LLVMValueRef fn = hone_cg__fn_new(e, name, params, 3, false);
    LLVMPositionBuilderAtEnd(e->b, LLVMAppendBasicBlockInContext(e->ctx, fn, "entry"));
    LLVMValueRef args[HONE_LEN(c->v) + 2];
    for (unsigned k = 0; k < c->n; k++) {
        LLVMValueRef from = slot(e, LLVMGetParam(fn, 0), k);
        args[k] = LLVMBuildLoad2(e->b, slot_type(e, c, k), from, "");
    }
    args[c->n] = LLVMGetParam(fn, 1);
    args[c->n + 1] = LLVMGetParam(fn, 2);
    LLVMBuildRet(e->b, LLVMBuildCall2(e->b, body_type, body, args, c->n + 2, ""));
    return fn;
}

void hone_cg__task(cg *e, hone_stmt loop)
{
    capture c;
    find_captures(e, loop, &c);
    if (e->status != HONE_OK) {
        return;
    }
    char name[32];
    LLVMTypeRef types[HONE_LEN(c.v) + 2];
    for (unsigned k = 0; k < c.n; k++) {
        types[k] = slot_type(e, &c, k);
    }
    types[c.n] = types[c.n + 1] = e->i64;
    unsigned number = ++e->n_tasks;
    snprintf(name, sizeof name, "task%u_body", number);
    LLVMValueRef body = hone_cg__fn_new(e, name, types, c.n + 2, false);
    LLVMTypeRef body_type = hone_cg__fn_type(e, types, c.n + 2);

    /* The body, in which outer variables are parameters. */
    cg_fn outer = e->fn;
    LLVMBasicBlockRef here = LLVMGetInsertBlock(e->b);
    cg_idx was[HONE_LEN(c.var)];
    hone_cg__fn_open(e, body, loop, LLVMGetParam(body, c.n - 1), 1);
    for (unsigned k = 0; k < c.n_ptr; k++) {
        e->fn.ptr[c.buffer[k]] = LLVMGetParam(body, k);
    }
    for (unsigned k = c.n_ptr; k + 1 < c.n; k++) {
        cg_idx *i = &e->env[c.var[k - c.n_ptr]];
        was[k - c.n_ptr] = *i;
        i->v = LLVMGetParam(body, k);
        i->level = 0;
    }
    int64_t extent = hone_loop_extent(&e->q, loop);
    cg_idx lo = {LLVMGetParam(body, c.n), 0, extent - 1, 0};
    cg_idx hi = {LLVMGetParam(body, c.n + 1), 1, extent, 0};
    hone_cg__parts(e, loop, lo, hi);
    hone_cg__fn_close(e);
    for (unsigned k = c.n_ptr; k + 1 < c.n; k++) {
        e->env[c.var[k - c.n_ptr]] = was[k - c.n_ptr];
    }
    snprintf(name, sizeof name, "task%u", number);
    LLVMValueRef task = unpacker(e, &c, body, body_type, name);
    e->fn = outer;
    LLVMPositionBuilderAtEnd(e->b, here);

    LLVMValueRef closure = hone_cg__alloca(e, e->i64, c.n);
    for (unsigned k = 0; k < c.n; k++) {
        LLVMBuildStore(e->b, c.v[k], slot(e, closure, k));
    }
    LLVMValueRef at = LLVMConstInt(e->i64, offsetof(hone_rt_api, parallel), false);
    LLVMValueRef member = LLVMBuildGEP2(e->b, e->i8, e->fn.rt, &at, 1, "");
    LLVMValueRef parallel = LLVMBuildLoad2(e->b, e->ptr, member, "");
    LLVMTypeRef params[] = {e->ptr, e->i64, e->ptr, e->ptr};
    cg_idx n = hone_cg__loop_end(e, loop, hone_cg__const(0), hone_cg__const(extent));
    LLVMValueRef args[] = {e->fn.rt, hone_cg__v(e, n), task, closure};
    hone_cg__check(e, LLVMBuildCall2(e->b, hone_cg__fn_type(e, params, 4), parallel, args, 4, ""));
}
