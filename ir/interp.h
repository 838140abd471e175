/* The interpreter's code: made by interp_compile.c, run by interp.c. Threads: as ir.h; what is
 * compiled belongs to whoever runs it. */
#ifndef HONE_IR_INTERP_H
#define HONE_IR_INTERP_H

#include "ir/ir.h"

/* A value as it is computed: f64 in d; f32, f16, bf16 in f; integers and bool in i. */
typedef union hone_interp_reg {
    double d;
    float f;
    int64_t i;
} hone_interp_reg;

/* dst, a, b are registers. FLOAT2, FLOAT1 exist for double (_D) and float (_F). */
#define HONE_INTERP_FLOAT2(X) X(ADD) X(SUB) X(MUL) X(DIV) X(MIN) X(MAX) X(POW)
#define HONE_INTERP_COMPARE(X) X(EQ) X(NE) X(LT) X(LE)
#define HONE_INTERP_FLOAT1(X) \
    X(EXP)                    \
    X(LOG)                    \
    X(SQRT)                   \
    X(TANH)                   \
    X(SIGMOID)                \
    X(ERF)                    \
    X(ABS)                    \
    X(FLOOR)                  \
    X(CEIL)                   \
    X(ROUND)                  \
    X(SIN)                    \
    X(COS)                    \
    X(ATAN)
#define HONE_INTERP_INT2(X) \
    X(ADD) X(SUB) X(MUL) X(DIV) X(FLOORDIV) X(FLOORMOD) X(MIN) X(MAX) X(EQ) X(NE) X(LT) X(LE)

typedef enum hone_interp_code {
    IC_END,
    IC_MOVE,     /* dst = a */
    IC_JUMP,     /* to b */
    IC_JUMP_IF,  /* to b when a.i is not 0 */
    IC_JUMP_NOT, /* to b when a.i is 0 */
    IC_NEXT,     /* add 1 to dst.i; to b while it is less than a.i */
    IC_TURN,     /* from here on no value behind IC_NEED is there yet */
    IC_NEED,   /* unless the value that a is the mark of is there: to b, which ends with IC_DONE */
    IC_DONE,   /* the value that a is the mark of is there; back to where it was needed */
    IC_CHECK,  /* 0 <= a.i < extent of iteration variable number b of the block, or fail */
    IC_WRAP,   /* dst = a cut to integer dtype b */
    IC_BITS,   /* dst = the bits of a, a value of integer dtype b, with zeros above */
    IC_CAST,   /* dst = a from dtype b>>8 to dtype b&255 */
    IC_LOCATE, /* dst = flat offset of access b, every index checked, or fail */
    IC_NOT,
    IC_AND,
    IC_OR,
    IC_BITXOR,
    IC_SHL, /* of 64 bits, by b */
    IC_SHR,
    IC_POPCOUNT,
    IC_ABS_I,
#define X(OP) IC_##OP##_D, IC_##OP##_F,
    HONE_INTERP_FLOAT2(X) HONE_INTERP_COMPARE(X) HONE_INTERP_FLOAT1(X)
#undef X
#define X(OP) IC_##OP##_I,
        HONE_INTERP_INT2(X)
#undef X
#define HONE_DTYPE(NAME, text, bytes, class) IC_LOAD_##NAME, IC_STORE_##NAME,
#include "ir/dtypes.def"
#undef HONE_DTYPE
    /* LOAD: dst = buffer b at offset a; STORE: buffer b at offset a = dst */
} hone_interp_code;

typedef struct hone_interp_inst {
    uint16_t code;
    uint32_t dst, a, b;
} hone_interp_inst;

typedef HONE_VEC(hone_interp_inst) hone_interp_insts;

/* An access whose indices are checked as it runs. */
typedef struct hone_interp_access {
    hone_buffer buffer;
    bool store;
    uint32_t index[HONE_MAX_DIMS]; /* registers */
} hone_interp_access;

/* A statement. Its code runs at the start of each turn of a loop, or once for a block. */
typedef struct hone_interp_node {
    hone_stmt stmt;
    uint32_t first, next; /* nodes, 0: none */
    int64_t extent;       /* of a loop; 0: a block */
    uint32_t var;         /* the loop variable's register */
    uint32_t leaf;        /* of a loop around one leaf block: that block's node. The code then is
                             that of all turns, and there are no children. */
    hone_interp_insts code;
    uint32_t ran; /* of a block of statements: the register that says whether they run */
} hone_interp_node;

typedef struct hone_interp {
    const hone_program *p;
    HONE_VEC(hone_interp_reg) regs;   /* 0 is unused; constants have their values */
    HONE_VEC(hone_interp_node) nodes; /* 0 is unused, 1 is the root */
    HONE_VEC(hone_interp_access) accesses;
    hone_interp_insts start; /* runs once, first */
    HONE_VEC(bool) used;     /* by buffer id: is it accessed? */
} hone_interp;

/* p must have passed hone_verify. */
void hone_interp__compile(hone_interp *in, const hone_program *p);
void hone_interp__free(hone_interp *in);

#endif
