/* ONNX Runtime, loaded while running: a model as a session, with inputs and outputs of our own.
 *
 * Of its C API only what is used is declared here. The API is a table of functions whose positions
 * never change: what later versions add comes after what is there (struct OrtApi of its own
 * header). The numbers beside the functions are their positions. */
#ifndef HONE_BENCH_ORT_H
#define HONE_BENCH_ORT_H

#include "base/base.h"

/* ---- the table ------------------------------------------------------------------------------- */

typedef struct ort_status ort_status; /* NULL: all is well */
typedef struct ort_env ort_env;
typedef struct ort_options ort_options;
typedef struct ort_session ort_session;
typedef struct ort_value ort_value;
typedef struct ort_type ort_type; /* of anything */
typedef struct ort_info ort_info; /* type and shape of a tensor */
typedef struct ort_memory ort_memory;
typedef struct ort_allocator ort_allocator;
typedef void (*ort_unused)(void);

#define ORT_TABLE_VERSION 1
enum { ORT_SEQUENTIAL = 0, ORT_OPTIMISE_ALL = 99, ORT_LOG_ERROR = 3, ORT_ARENA = 1 };

typedef struct ort_table {
    ort_unused skip_0[2];
    const char *(*message)(const ort_status *);                             /* 2 */
    ort_status *(*create_env)(int severity, const char *id, ort_env **ret); /* 3 */
    ort_unused skip_4[3];
    ort_status *(*create_session)(const ort_env *, const char *path, /* 7 */
                                  const ort_options *, ort_session **ret);
    ort_unused skip_8[1];
    ort_status *(*run)(ort_session *, const void *run_options, /* 9 */
                       const char *const *in, const ort_value *const *in_value, size_t n_in,
                       const char *const *out, size_t n_out, ort_value **out_value);
    ort_status *(*create_options)(ort_options **ret); /* 10 */
    ort_unused skip_11[2];
    ort_status *(*set_execution)(ort_options *, int mode); /* 13 */
    ort_unused skip_14[4];
    ort_status *(*use_arena)(ort_options *); /* 18 */
    ort_unused skip_19[4];
    ort_status *(*set_optimisation)(ort_options *, int level); /* 23 */
    ort_status *(*set_intra_threads)(ort_options *, int n);    /* 24 */
    ort_status *(*set_inter_threads)(ort_options *, int n);    /* 25 */
    ort_unused skip_26[4];
    ort_status *(*count_inputs)(const ort_session *, size_t *ret);  /* 30 */
    ort_status *(*count_outputs)(const ort_session *, size_t *ret); /* 31 */
    ort_unused skip_32[1];
    ort_status *(*input_type)(const ort_session *, size_t, ort_type **ret); /* 33 */
    ort_unused skip_34[2];
    ort_status *(*input_name)(const ort_session *, size_t, ort_allocator *, char **ret);  /* 36 */
    ort_status *(*output_name)(const ort_session *, size_t, ort_allocator *, char **ret); /* 37 */
    ort_unused skip_38[11];
    ort_status *(*create_tensor)(const ort_memory *, void *data, size_t bytes, /* 49 */
                                 const int64_t *shape, size_t n_dims, int type, ort_value **ret);
    ort_unused skip_50[5];
    ort_status *(*tensor_info)(const ort_type *, const ort_info **ret); /* 55: kept by it */
    ort_unused skip_56[4];
    ort_status *(*element_type)(const ort_info *, int *ret);       /* 60 */
    ort_status *(*count_dims)(const ort_info *, size_t *ret);      /* 61 */
    ort_status *(*dims)(const ort_info *, int64_t *ret, size_t n); /* 62 */
    ort_unused skip_63[2];
    ort_status *(*value_info)(const ort_value *, ort_info **ret); /* 65 */
    ort_unused skip_66[3];
    ort_status *(*cpu_memory)(int allocator, int kind, ort_memory **ret); /* 69 */
    ort_unused skip_70[8];
    ort_status *(*default_allocator)(ort_allocator **ret); /* 78: not owned */
    ort_unused skip_79[14];
    void (*release_status)(ort_status *); /* 93 */
    void (*release_memory)(ort_memory *); /* 94 */
    ort_unused skip_95[1];
    void (*release_value)(ort_value *); /* 96 */
    ort_unused skip_97[1];
    void (*release_type)(ort_type *);       /* 98 */
    void (*release_info)(ort_info *);       /* 99 */
    void (*release_options)(ort_options *); /* 100 */
} ort_table;
_Static_assert(offsetof(ort_table, release_options) == 100 * sizeof(ort_unused),
               "every function at its position");

/* What OrtGetApiBase() returns. */
typedef struct ort_base {
    const ort_table *(*table)(uint32_t version);
    const char *(*version)(void);
} ort_base;

/* ---- sessions -------------------------------------------------------------------------------- */

enum { ORT_MAX_TENSORS = 8, ORT_MAX_DIMS = 8 };

typedef struct ort_tensor {
    char *name;
    int type; /* ONNX's number: TensorProto.DataType */
    size_t n_dims;
    int64_t shape[ORT_MAX_DIMS]; /* dense, row-major */
    int64_t elements, bytes;
    void *data;
    ort_value *value; /* over `data` */
} ort_tensor;

/* A session with its inputs and outputs, in the model's order. */
typedef struct ort_model {
    const ort_table *t;
    const char *version;
    ort_session *session;
    ort_tensor in[ORT_MAX_TENSORS], out[ORT_MAX_TENSORS];
    size_t n_in, n_out;
} ort_model;

/* "f32" for 1; NULL: none that is known here. *ret_bytes: of an element. */
const char *ort_type_name(int type, int64_t *ret_bytes);
/* The library at `path`, and in it the model with so many threads within an operator, one operator
 * at a time, all optimisations of the graph, and its arena. Inputs are zero. One a process, which
 * keeps it until its end. HONE_E_NOTFOUND: no such library; HONE_E_TOOL: ONNX Runtime's own
 * message; HONE_E_INPUT: inputs of a type or shape that cannot be filled. */
hone_status ort_open(const char *path, const char *model, int32_t threads, ort_model *ret,
                     hone_error *err) HONE_NODISCARD;
/* The first time the outputs get their shapes and memory. */
hone_status ort_run(ort_model *m, hone_error *err) HONE_NODISCARD;

#endif
