/* Expression trees as written, before names and dtypes are known, and their typing. Shared by the
 * workload language and program text. */
#ifndef HONE_IR_SYNTAX_H
#define HONE_IR_SYNTAX_H

#include "ir/lex.h"

#define HONE_AST_MAX_DEPTH 200
#define HONE_AST_MAX_NODES 400000

typedef enum hone_ast_kind {
    AST_NONE,
    AST_INT,    /* i */
    AST_FLOAT,  /* f */
    AST_BOOL,   /* i */
    AST_NAME,   /* name */
    AST_INDEX,  /* name[args] */
    AST_OP,     /* op(args), infix and functions alike */
    AST_NEG,    /* -arg */
    AST_CAST,   /* dtype(arg) */
    AST_REDUCE, /* op(name < extent, ...) operand: args are name, extent, ..., operand */
    AST_TEMP    /* a reduction replaced by a load of buffer[args]; args are AST_NAMEs */
} hone_ast_kind;

/* A node; 0 is none. */
typedef uint32_t hone_ast_id;

typedef struct hone_ast_node {
    uint8_t kind, op, dtype; /* dtype: AST_CAST's target */
    uint8_t type;            /* cache of hone_elab__type, 0: not yet, else 1 + type */
    uint8_t known;           /* cache of whether its value is known from the sizes: 1 no, 2 yes */
    uint16_t depth;
    bool big;              /* AST_INT 2^63, to be negated */
    bool fast;             /* AST_OP: `fast` stands before it */
    uint32_t name;         /* offset in names */
    uint32_t args, n_args; /* in ast.args */
    hone_buffer buffer;    /* AST_TEMP */
    const char *at;        /* in the source */
    union {
        int64_t i;
        double f;
    };
} hone_ast_node;

typedef struct hone_ast {
    hone_lex *lx;
    bool reductions; /* are sum(k < K) and the like part of the language? */
    unsigned nesting;
    HONE_VEC(hone_ast_node) nodes;
    HONE_VEC(hone_ast_id) args;
    HONE_VEC(char) names;
} hone_ast;

void hone_ast__init(hone_ast *a, hone_lex *lx, bool reductions);
void hone_ast__fini(hone_ast *a);
/* An offset in a->names. */
uint32_t hone_ast__keep(hone_ast *a, const char *name);
hone_ast_id hone_ast__new(hone_ast *a, hone_ast_kind kind, const char *at, const hone_ast_id *args,
                          unsigned n);
/* Reads one expression; 0 after an error. */
hone_ast_id hone_ast__expr(hone_ast *a);
/* Reads a list of expressions up to and with `close`, whose opening is already taken. Returns how
 * many; more than max is an error. */
unsigned hone_ast__list(hone_ast *a, int close, hone_ast_id *ret, unsigned max);

static inline hone_ast_node *hone_ast__at(const hone_ast *a, hone_ast_id n)
{
    return &a->nodes.v[n];
}
static inline hone_ast_id hone_ast__arg(const hone_ast *a, hone_ast_id n, unsigned k)
{
    return a->args.v[a->nodes.v[n].args + k];
}
static inline const char *hone_ast__name(const hone_ast *a, hone_ast_id n)
{
    return a->names.v + a->nodes.v[n].name;
}

/* ---- typing (ir/elab.c) ---------------------------------------------------------------------- */

/* What a name stands for. */
typedef enum hone_name_kind { NAME_UNKNOWN, NAME_SIZE, NAME_VAR, NAME_LET } hone_name_kind;
typedef struct hone_meaning {
    hone_name_kind kind;
    int64_t size;  /* NAME_SIZE */
    hone_var var;  /* NAME_VAR */
    hone_expr let; /* NAME_LET: what it is short for */
} hone_meaning;

typedef struct hone_elab {
    hone_ast *ast;
    hone_program *p;
    bool holds; /* are indices read from memory held inside of their dimensions? */
    void *ctx;
    /* Both report an unknown name themselves, at the node, and then give NAME_UNKNOWN or none. */
    hone_meaning (*name)(void *ctx, hone_ast_id node);
    hone_buffer (*buffer)(void *ctx, hone_ast_id node);
} hone_elab;

/* A dtype, or what a constant is before its surroundings decide. */
enum {
    TYPE_ANY_INT = HONE_DTYPE_COUNT, /* an integer constant: any dtype but bool */
    TYPE_ANY_FLOAT,                  /* a constant with a fraction: any float dtype */
    TYPE_BAD                         /* an error was reported */
};
/* The type of the expression; needs names' kinds and buffers' dtypes only. */
unsigned hone_elab__type(const hone_elab *e, hone_ast_id n);
/* The same, with undecided constants given the dtype they have by default: i64 or f32. */
unsigned hone_elab__default_type(const hone_elab *e, hone_ast_id n);
/* Builds it with dtype `want`. None after an error. */
hone_expr hone_elab__build(const hone_elab *e, hone_ast_id n, hone_dtype want);
/* The value of an expression of integer constants and sizes. */
bool hone_elab__int(const hone_elab *e, hone_ast_id n, int64_t *ret);

/* Words for messages: "f32", "an integer constant". */
const char *hone_elab__type_name(unsigned type);

#endif
