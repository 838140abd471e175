/* The builder: workload, trace and target in, artifact out. Needs LLVM; the device worker does
 * without. Threads: a builder belongs to one thread at a time (codegen.h). */
#ifndef HONE_BUILDER_H
#define HONE_BUILDER_H

#include "codegen/codegen.h"
#include "space/intrin/intrin.h"
#include "workers/workers.h"

/* Keeps the target machine and the parsed program of the last job. One per process. */
typedef struct hone_builder hone_builder;
hone_builder *hone_builder_new(void);
void hone_builder_free(hone_builder *b);
/* A hone_build_prepare_fn; ctx is the hone_builder: starts the process that links. */
hone_status hone_builder_prepare(void *ctx, hone_error *err) HONE_NODISCARD;
/* A hone_build_fn; ctx is the hone_builder. */
hone_status hone_builder_build(void *ctx, const hone_build_job *job, hone_artifact *ret,
                               hone_error *err) HONE_NODISCARD;

/* The intrinsics of a set as the code generator takes them: an array that the caller frees, of
 * texts borrowed from the set. */
hone_codegen_intrin *hone_builder_intrins(const hone_intrin_set *s, unsigned *ret_n);

#endif
