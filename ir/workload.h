/* The workload language inside this folder: a kernel as written (workload.c), and its lowering
 * (workload_lower.c). */
#ifndef HONE_IR_WORKLOAD_H
#define HONE_IR_WORKLOAD_H

#include "ir/syntax.h"

#define HONE_WL_MAX_BYTES (1u << 20)
#define HONE_WL_MAX_STAGES 256 /* statements and the stages made for nested reductions */
#define HONE_WL_MAX_NAMES 256  /* sizes and lets */
#define HONE_WL_MAX_BUFFERS 256
#define HONE_WL_MAX_SIZE ((int64_t)1 << 31)
#define HONE_WL_MAX_ELEMENTS ((int64_t)1 << 40)
#define HONE_WL_MAX_STEPS ((int64_t)1 << 56) /* of one stage's loops */

/* Names are offsets in the ast's names. */
typedef struct hone_wl_name {
    uint32_t name;
    hone_ast_id value; /* a size's default, 0: none; a let's value */
    const char *at;
    bool let;
} hone_wl_name;

typedef struct hone_wl_buffer {
    uint32_t name;
    hone_dtype dtype;
    hone_role role;
    bool is_const;
    unsigned n_dims;
    hone_ast_id dims[HONE_MAX_DIMS];
    hone_ast_id lo, hi; /* 0: no range is stated */
    const char *at;
} hone_wl_buffer;

typedef struct hone_wl_stmt {
    uint32_t out;
    unsigned n_index;
    uint32_t index[HONE_MAX_DIMS];
    const char *index_at[HONE_MAX_DIMS];
    hone_ast_id value;
    const char *at;
} hone_wl_stmt;

typedef struct hone_wl_kernel {
    uint32_t name;
    const char *at, *head_end;    /* the head is text from at up to head_end */
    HONE_VEC(hone_wl_name) names; /* sizes, then lets, each in order */
    HONE_VEC(hone_wl_buffer) buffers;
    HONE_VEC(hone_wl_stmt) stmts;
} hone_wl_kernel;

/* Fills p (initialised), which is verified in the end. Errors go to ast->lx. */
void hone_wl__lower(hone_ast *ast, const hone_wl_kernel *k, const hone_size *sizes,
                    unsigned n_sizes, hone_program *p);

#endif
