/* From statements to register code.
 *
 * Each expression gets a register and a level: the number of loops around it whose variables it
 * needs. What cannot fail and reads no memory is computed once per turn of its innermost such loop
 * (the loop's head), the rest in the block itself. Iteration variables are the registers of their
 * bindings. A range that hone_bounds settles is not checked again.
 *
 * What stands in an arm of a select may not be computed when the arm is not chosen, nor be compiled
 * once for each arm that uses it: along a chain of selects that would double with every one. It
 * becomes a piece of code of its own that runs where the value is needed first. */
#include "ir/interp.h"

#define LEAF UINT32_MAX /* the level of what has to stay in the block */

typedef struct place {
    uint32_t reg; /* 0: not computed yet */
    uint32_t level;
} place;

/* An expression with code of its own. */
typedef struct piece {
    uint32_t entry; /* in the block's code */
    uint32_t mark;  /* of IC_NEED; 0: there is none */
    uint32_t reg;   /* the value's */
} piece;

typedef struct compiler {
    hone_interp *in;
    const hone_program *p;
    place *exprs;  /* by id */
    place *vars;   /* by id */
    piece *pieces; /* by id */
    bool *shared;  /* by id: used at two places of the program or more */
    unsigned arms; /* around the code at hand: it may not run */
    bool turns;    /* the present block has its IC_TURN */
    HONE_VEC(uint32_t)
    loops; /* nodes of the loops around, outermost first: level k is loops[k-1] */
    HONE_VEC(uint32_t) locals; /* expressions with a place valid in the present block or arm only */
    HONE_VEC(uint32_t) own;    /* expressions with a piece, which is of the present block */
    hone_interp_insts code;    /* the present block's */
} compiler;

static uint32_t new_reg(compiler *c)
{
    hone_vec_push(&c->in->regs, (hone_interp_reg){0});
    return c->in->regs.n - 1;
}

static char class_of(hone_dtype t)
{
    return t == HONE_F64 ? 'D' : hone_dtype_is_float(t) ? 'F' : 'I';
}

/* Appends to the head of the loop at that level; level 0 runs once at the start. */
static void emit_at(compiler *c, uint32_t level, hone_interp_code code, uint32_t dst, uint32_t a,
                    uint32_t b)
{
    hone_interp_insts *to = level == LEAF ? &c->code
                            : level == 0  ? &c->in->start
                                          : &c->in->nodes.v[c->loops.v[level - 1]].code;
    hone_vec_push(to, (hone_interp_inst){.code = (uint16_t)code, .dst = dst, .a = a, .b = b});
}

static uint32_t emit(compiler *c, hone_interp_code code, uint32_t dst, uint32_t a, uint32_t b)
{
    emit_at(c, LEAF, code, dst, a, b);
    return c->code.n - 1;
}

static void land(compiler *c, uint32_t jump)
{
    c->code.v[jump].b = c->code.n;
}

static place constant(compiler *c, hone_interp_reg value)
{
    uint32_t r = new_reg(c);
    c->in->regs.v[r] = value;
    return (place){r, 0};
}

static place compile(compiler *c, hone_expr e);

/* ---- operations ------------------------------------------------------------------------------ */

static hone_interp_code code_of(hone_op op, char class)
{
    switch (op) {
#define X(OP)          \
    case HONE_OP_##OP: \
        return class == 'D' ? IC_##OP##_D : IC_##OP##_F;
        HONE_INTERP_FLOAT1(X)
#undef X
    case HONE_OP_POW:
        return class == 'D' ? IC_POW_D : IC_POW_F;
#define X(OP)          \
    case HONE_OP_##OP: \
        return class == 'D' ? IC_##OP##_D : class == 'F' ? IC_##OP##_F : IC_##OP##_I;
        X(ADD)
        X(SUB)
        X(MUL)
        X(DIV)
        X(MIN)
        X(MAX)
        X(EQ)
        X(NE)
        X(LT)
        X(LE)
#undef X
    case HONE_OP_FLOORDIV:
        return IC_FLOORDIV_I;
    case HONE_OP_FLOORMOD:
        return IC_FLOORMOD_I;
    case HONE_OP_AND:
    case HONE_OP_BITAND:
        return IC_AND;
    case HONE_OP_OR:
    case HONE_OP_BITOR:
        return IC_OR;
    case HONE_OP_BITXOR:
        return IC_BITXOR;
    case HONE_OP_SHL:
        return IC_SHL;
    case HONE_OP_SHR:
        return IC_SHR;
    case HONE_OP_POPCOUNT:
        return IC_POPCOUNT;
    case HONE_OP_NOT:
        return IC_NOT;
    default:
        hone_bug(__FILE__, __LINE__, "not an operation of two registers");
    }
}

static uint32_t deeper(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static place compile_op(compiler *c, hone_expr e)
{
    const hone_expr_row *row = hone_expr_at(c->p, e);
    hone_dtype t = (hone_dtype)row->dtype;
    hone_expr ea = hone_expr_arg(c->p, e, 0), eb = hone_expr_arg(c->p, e, row->n_args - 1u);
    hone_dtype of = hone_expr_dtype(c->p, ea);
    place a = compile(c, ea), b = compile(c, eb);
    hone_op op = (hone_op)row->op;
    char class = class_of(of);
    place r = {0, deeper(a.level, b.level)};
    int64_t divisor = 0;
    if ((op == HONE_OP_DIV || op == HONE_OP_FLOORDIV || op == HONE_OP_FLOORMOD) && class == 'I' &&
        !(hone_is_int(c->p, eb, &divisor) && divisor != 0))
        r.level = LEAF; /* can fail */
    r.reg = new_reg(c);
    if (op == HONE_OP_CAST) {
        emit_at(c, r.level, IC_CAST, r.reg, a.reg, (uint32_t)of << 8 | (uint32_t)t);
        return r;
    }
    if ((op == HONE_OP_SHR || op == HONE_OP_POPCOUNT) && t != HONE_I64) {
        uint32_t bits = new_reg(c);
        emit_at(c, r.level, IC_BITS, bits, a.reg, (uint32_t)t);
        a.reg = bits;
    }
    emit_at(c, r.level, op == HONE_OP_ABS && class == 'I' ? IC_ABS_I : code_of(op, class), r.reg,
            a.reg, b.reg);
    if (class_of(t) == 'I' && t != HONE_I64 && t != HONE_BOOL)
        emit_at(c, r.level, IC_WRAP, r.reg, r.reg, (uint32_t)t);
    return r;
}

/* Forgets what was computed since, because it may not have been. */
static void forget(compiler *c, uint32_t since)
{
    while (c->locals.n > since)
        c->exprs[c->locals.v[--c->locals.n]] = (place){0};
}

static void forget_pieces(compiler *c)
{
    while (c->own.n)
        c->pieces[c->own.v[--c->own.n]] = (piece){0};
}

/* Before code that may not run. */
static void enter_arm(compiler *c)
{
    if (c->arms++ == 0 && !c->turns) {
        emit(c, IC_TURN, 0, 0, 0);
        c->turns = true;
    }
}

static place compile_select(compiler *c, hone_expr e)
{
    place r = {new_reg(c), LEAF};
    place cond = compile(c, hone_expr_arg(c->p, e, 0));
    uint32_t since = c->locals.n;
    enter_arm(c);
    uint32_t to_else = emit(c, IC_JUMP_NOT, 0, cond.reg, 0);
    place a = compile(c, hone_expr_arg(c->p, e, 1));
    emit(c, IC_MOVE, r.reg, a.reg, 0);
    uint32_t to_end = emit(c, IC_JUMP, 0, 0, 0);
    forget(c, since);
    land(c, to_else);
    place b = compile(c, hone_expr_arg(c->p, e, 2));
    emit(c, IC_MOVE, r.reg, b.reg, 0);
    forget(c, since);
    land(c, to_end);
    c->arms--;
    return r;
}

/* The flat offset of an access. */
static place compile_offset(compiler *c, hone_buffer buffer, const hone_expr *index, bool store)
{
    const hone_buffer_row *b = hone_buffer_at(c->p, buffer);
    hone_interp_access access = {.buffer = buffer, .store = store};
    place at[HONE_MAX_DIMS];
    bool safe = true;
    c->in->used.v[buffer.i] = true;
    for (unsigned k = 0; k < b->n_dims; k++) {
        int64_t lo, hi;
        at[k] = compile(c, index[k]);
        access.index[k] = at[k].reg;
        safe = safe && hone_bounds(c->p, index[k], &lo, &hi) && lo >= 0 && hi < b->shape[k];
    }
    if (!safe) {
        place r = {new_reg(c), LEAF};
        hone_vec_push(&c->in->accesses, access);
        emit(c, IC_LOCATE, r.reg, 0, c->in->accesses.n - 1);
        return r;
    }
    place sum = constant(c, (hone_interp_reg){.i = 0});
    int64_t stride = hone_buffer_count(c->p, buffer);
    for (unsigned k = 0; k < b->n_dims; k++) {
        stride /= b->shape[k];
        place term = at[k];
        if (stride != 1) {
            place s = constant(c, (hone_interp_reg){.i = stride});
            term.reg = new_reg(c);
            emit_at(c, term.level, IC_MUL_I, term.reg, at[k].reg, s.reg);
        }
        if (k == 0) {
            sum = term;
            continue;
        }
        place next = {new_reg(c), deeper(sum.level, term.level)};
        emit_at(c, next.level, IC_ADD_I, next.reg, sum.reg, term.reg);
        sum = next;
    }
    return sum;
}

static place compile_load(compiler *c, hone_expr e)
{
    static const hone_interp_code loads[] = {
#define HONE_DTYPE(NAME, text, bytes, class) IC_LOAD_##NAME,
#include "ir/dtypes.def"
#undef HONE_DTYPE
    };
    const hone_expr_row *row = hone_expr_at(c->p, e);
    place offset = compile_offset(c, (hone_buffer){row->sym}, c->p->args.v + row->args, false);
    place r = {new_reg(c), LEAF};
    emit(c, loads[row->dtype], r.reg, offset.reg, row->sym);
    return r;
}

static place compile_now(compiler *c, hone_expr e)
{
    const hone_expr_row *row = hone_expr_at(c->p, e);
    hone_interp_reg value = {0};
    place r;
    switch ((hone_op)row->op) {
    case HONE_OP_INT:
        value.i = row->imm.i;
        r = constant(c, value);
        break;
    case HONE_OP_FLOAT:
        if (row->dtype == HONE_F64)
            value.d = row->imm.f;
        else
            value.f = (float)row->imm.f;
        r = constant(c, value);
        break;
    case HONE_OP_VAR:
        r = c->vars[row->sym];
        break;
    case HONE_OP_LOAD:
        r = compile_load(c, e);
        break;
    case HONE_OP_SELECT:
        r = compile_select(c, e);
        break;
    default:
        r = compile_op(c, e);
    }
    return r;
}

static place keep(compiler *c, hone_expr e, place r)
{
    c->exprs[e.i] = r;
    if (r.level == LEAF)
        hone_vec_push(&c->locals, e.i);
    return r;
}

/* Inside an arm its place is not kept: a piece may use it that runs from elsewhere. */
static place need(compiler *c, hone_expr e)
{
    const piece *x = &c->pieces[e.i];
    place r = {x->reg, LEAF};
    emit(c, IC_NEED, 0, x->mark, x->entry);
    return c->arms ? r : keep(c, e, r);
}

static place compile_piece(compiler *c, hone_expr e)
{
    uint32_t over = emit(c, IC_JUMP, 0, 0, 0), since = c->locals.n;
    piece x = {.entry = c->code.n};
    place r = compile_now(c, e);
    if (r.level != LEAF) { /* in the head of a loop, with all it is made of */
        HONE_ASSERT(c->code.n == x.entry);
        c->code.n = over;
        return keep(c, e, r);
    }
    x.reg = r.reg;
    x.mark = new_reg(c);
    new_reg(c); /* where to go on */
    emit(c, IC_DONE, 0, x.mark, 0);
    land(c, over);
    forget(c, since);
    c->pieces[e.i] = x;
    hone_vec_push(&c->own, e.i);
    return need(c, e);
}

static place compile(compiler *c, hone_expr e)
{
    if (c->exprs[e.i].reg)
        return c->exprs[e.i];
    if (c->pieces[e.i].mark)
        return need(c, e);
    /* all but constants and variables: a load of a buffer of no dimensions has no arguments */
    const hone_expr_row *row = hone_expr_at(c->p, e);
    if (c->arms && c->shared[e.i] && (row->n_args || row->op == HONE_OP_LOAD))
        return compile_piece(c, e);
    return keep(c, e, compile_now(c, e));
}

/* ---- statements ------------------------------------------------------------------------------ */

static void compile_store(compiler *c, hone_stmt s, hone_expr value)
{
    static const hone_interp_code stores[] = {
#define HONE_DTYPE(NAME, text, bytes, class) IC_STORE_##NAME,
#include "ir/dtypes.def"
#undef HONE_DTYPE
    };
    const hone_stmt_row *row = hone_stmt_at(c->p, s);
    place v = compile(c, value);
    place offset = compile_offset(c, row->out, c->p->args.v + row->index, true);
    emit(c, stores[hone_buffer_at(c->p, row->out)->dtype], v.reg, offset.reg, row->out.i);
}

static void compile_body(compiler *c, hone_stmt s)
{
    const hone_stmt_row *row = hone_stmt_at(c->p, s);
    if (row->init.i) {
        uint32_t jumps[HONE_MAX_ITERS], n = 0, since = c->locals.n;
        for (unsigned k = 0; k < row->n_iters; k++) {
            const hone_iter *it = hone_iter_at(c->p, s, k);
            if (it->kind == HONE_REDUCE && n == 0)
                enter_arm(c);
            if (it->kind == HONE_REDUCE)
                jumps[n++] = emit(c, IC_JUMP_IF, 0, c->vars[it->var.i].reg, 0);
        }
        bool arm = n > 0;
        compile_store(c, s, row->init);
        forget(c, since);
        forget_pieces(c); /* what they read may have been stored to */
        c->arms -= arm;
        while (n)
            land(c, jumps[--n]);
    }
    compile_store(c, s, row->value);
}

static uint32_t compile_stmt(compiler *c, hone_stmt s);

static void compile_children(compiler *c, hone_stmt s, uint32_t node)
{
    uint32_t last = 0;
    for (hone_stmt child = hone_stmt_at(c->p, s)->first; child.i;
         child = hone_stmt_at(c->p, child)->next) {
        uint32_t n = compile_stmt(c, child);
        if (last)
            c->in->nodes.v[last].next = n;
        else
            c->in->nodes.v[node].first = n;
        last = n;
    }
}

static void compile_block(compiler *c, hone_stmt s, uint32_t node)
{
    const hone_stmt_row *row = hone_stmt_at(c->p, s);
    uint32_t since = c->locals.n, skip = 0, ran = row->out.i ? 0 : new_reg(c);
    if (ran)
        emit(c, IC_MOVE, ran, constant(c, (hone_interp_reg){.i = 0}).reg, 0);
    if (row->where.i)
        skip = emit(c, IC_JUMP_NOT, 0, compile(c, row->where).reg, 0);
    for (unsigned k = 0; k < row->n_iters; k++) {
        const hone_iter *it = hone_iter_at(c->p, s, k);
        int64_t lo, hi;
        place b = compile(c, it->binding);
        c->vars[it->var.i] = b;
        if (!hone_bounds(c->p, it->binding, &lo, &hi) || lo < 0 ||
            hi >= hone_var_at(c->p, it->var)->extent)
            emit(c, IC_CHECK, 0, b.reg, k);
    }
    if (row->out.i)
        compile_body(c, s);
    else
        emit(c, IC_MOVE, ran, constant(c, (hone_interp_reg){.i = 1}).reg, 0);
    if (row->where.i)
        land(c, skip);
    emit(c, IC_END, 0, 0, 0);
    c->in->nodes.v[node].ran = ran;
    c->in->nodes.v[node].code = c->code;
    c->code = (hone_interp_insts){0};
    forget(c, since);
    forget_pieces(c);
    c->turns = false;
    compile_children(c, s, node);
}

/* Puts the block's code behind the loop's head, and the jump back behind both. */
static void fuse(compiler *c, uint32_t loop, uint32_t block)
{
    hone_interp_node *to = &c->in->nodes.v[loop];
    hone_interp_insts *body = &c->in->nodes.v[block].code;
    uint32_t head = to->code.n, extent = constant(c, (hone_interp_reg){.i = to->extent}).reg;
    for (uint32_t k = 0; k + 1 < body->n; k++) { /* all but IC_END */
        hone_interp_inst x = body->v[k];
        if (x.code == IC_JUMP || x.code == IC_JUMP_IF || x.code == IC_JUMP_NOT || x.code == IC_NEED)
            x.b += head;
        hone_vec_push(&to->code, x);
    }
    hone_vec_push(&to->code, (hone_interp_inst){.code = IC_NEXT, .dst = to->var, .a = extent});
    hone_vec_push(&to->code, (hone_interp_inst){.code = IC_END});
    to->leaf = block;
    to->first = 0;
}

static uint32_t compile_stmt(compiler *c, hone_stmt s)
{
    const hone_stmt_row *row = hone_stmt_at(c->p, s);
    hone_vec_push(&c->in->nodes, (hone_interp_node){.stmt = s});
    uint32_t node = c->in->nodes.n - 1;
    if (row->kind == HONE_BLOCK) {
        compile_block(c, s, node);
        return node;
    }
    uint32_t var = new_reg(c);
    c->in->nodes.v[node].extent = hone_loop_extent(c->p, s);
    c->in->nodes.v[node].var = var;
    hone_vec_push(&c->loops, node);
    c->vars[row->var.i] = (place){var, c->loops.n};
    compile_children(c, s, node);
    c->loops.n--;
    uint32_t child = c->in->nodes.v[node].first;
    if (child && !c->in->nodes.v[child].next && hone_is_block(c->p, c->in->nodes.v[child].stmt) &&
        hone_stmt_at(c->p, c->in->nodes.v[child].stmt)->out.i)
        fuse(c, node, child);
    else
        hone_vec_push(&c->in->nodes.v[node].code, (hone_interp_inst){.code = IC_END});
    return node;
}

static void note_use(compiler *c, bool *used, hone_expr e)
{
    if (!e.i)
        return;
    c->shared[e.i] = used[e.i];
    if (used[e.i])
        return;
    used[e.i] = true;
    for (unsigned k = 0; k < hone_expr_at(c->p, e)->n_args; k++)
        note_use(c, used, hone_expr_arg(c->p, e, k));
}

static void find_shared(compiler *c)
{
    const hone_program *p = c->p;
    bool *used = hone_xcalloc(p->exprs.n, sizeof *used);
    for (hone_stmt s = p->root; s.i; s = hone_next(p, p->root, s)) {
        const hone_stmt_row *row = hone_stmt_at(p, s);
        for (unsigned k = 0; k < row->n_iters; k++)
            note_use(c, used, hone_iter_at(p, s, k)->binding);
        note_use(c, used, row->where);
        for (unsigned k = 0; k < row->n_index; k++)
            note_use(c, used, hone_store_index(p, s, k));
        note_use(c, used, row->init);
        note_use(c, used, row->value);
    }
    free(used);
}

void hone_interp__compile(hone_interp *in, const hone_program *p)
{
    *in = (hone_interp){.p = p};
    hone_vec_push(&in->regs, (hone_interp_reg){0});
    hone_vec_push(&in->nodes, (hone_interp_node){0});
    hone_vec_reserve(&in->used, p->buffers.n);
    memset(in->used.v, 0, p->buffers.n);
    in->used.n = p->buffers.n;
    compiler c = {.in = in, .p = p};
    c.exprs = hone_xcalloc(p->exprs.n, sizeof *c.exprs);
    c.vars = hone_xcalloc(p->vars.n, sizeof *c.vars);
    c.pieces = hone_xcalloc(p->exprs.n, sizeof *c.pieces);
    c.shared = hone_xcalloc(p->exprs.n, sizeof *c.shared);
    find_shared(&c);
    compile_stmt(&c, p->root);
    hone_vec_push(&in->start, (hone_interp_inst){.code = IC_END});
    free(c.exprs);
    free(c.vars);
    free(c.pieces);
    free(c.shared);
    hone_vec_free(&c.loops);
    hone_vec_free(&c.locals);
    hone_vec_free(&c.own);
    hone_vec_free(&c.code);
}

void hone_interp__free(hone_interp *in)
{
    for (uint32_t k = 0; k < in->nodes.n; k++)
        hone_vec_free(&in->nodes.v[k].code);
    hone_vec_free(&in->nodes);
    hone_vec_free(&in->regs);
    hone_vec_free(&in->accesses);
    hone_vec_free(&in->start);
    hone_vec_free(&in->used);
}
