/* A schedule as code: what `hone query` and `hone build` write. */
#ifndef HONE_CLI_EMIT_H
#define HONE_CLI_EMIT_H

#include "cli/cli.h"
#include "codegen/codegen.h"
#include "space/space.h"

/* What code is made of; all borrowed. */
typedef struct cli_schedule {
    const hone_program *program; /* scheduled */
    bool as_written;             /* with an empty trace: made plainly */
    const hone_intrin_set *intrins;
    const hone_target *target;
    int32_t threads;
    const hone_libcall *call; /* instead of all this, but for the program's arguments; or NULL */
} cli_schedule;

/* Object, assembly or LLVM's IR of a function `name`. As hone_codegen_emit, or of a call as
 * hone_codegen_emit_call. */
hone_status cli_compile(const cli_schedule *s, hone_emit emit, const char *name, hone_code *ret,
                        hone_error *err) HONE_NODISCARD;

/* The texts of NAME.o, NAME.h and NAME.json, and of a network those of NAME.weights. */
typedef struct cli_library {
    hone_code object;
    hone_buf header;
    char *about;         /* JSON */
    const void *weights; /* borrowed; NULL: there are none */
    size_t n_weights;    /* bytes */
} cli_library;
/* Object and header; what is said about them is the caller's to set. Of one schedule as
 * hone_codegen_emit; of several, at most HONE_CODEGEN_MAX_VARIANTS, a function that chooses among
 * them, with ret_order, as hone_codegen_emit_variants. HONE_E_INPUT: one of several is a library's
 * call. */
hone_status cli_library_make(const cli_schedule *v, unsigned n, const char *name,
                             unsigned ret_order[], cli_library *ret,
                             hone_error *err) HONE_NODISCARD;
/* A function for a range of sizes, as hone_codegen_emit_sizes: sizes[k] says for which v[k] is
 * called. */
hone_status cli_library_make_sized(const cli_schedule *v, const hone_codegen_size *sizes,
                                   unsigned n, int64_t least, const hone_codegen_range *ranges,
                                   unsigned n_ranges, const char *name, unsigned *ret_bad,
                                   cli_library *ret, hone_error *err) HONE_NODISCARD;
/* NAME.wasm, and NAME.mjs that loads it, into the folder, which is made; the target is one of
 * WebAssembly. As hone_codegen_emit, hone_codegen_link and hone_file_write_set. */
hone_status cli_module_write(const cli_schedule *s, const char *folder, const char *name,
                             hone_error *err) HONE_NODISCARD;
/* As hone_codegen_check_variants: can these be one function? Looks at targets only. */
hone_status cli_check_variants(const cli_schedule *v, unsigned n, hone_error *err) HONE_NODISCARD;
void cli_library_free(cli_library *l);
/* For people and for comparing: keys sorted, a line each. j is released; the caller frees. */
char *cli_about_text(json_t *j);
/* Writes those of the files that are not there as they should be, as one set, the .json last
 * (hone_file_write_set); weights, which are large, without looking. The folder is made. Of two that
 * write the same at once one comes after the other.
 * *ret_written (may be NULL): how many. */
hone_status cli_library_write(const cli_library *l, const char *folder, const char *name,
                              unsigned *ret_written, hone_error *err) HONE_NODISCARD;
/* What a regular file of at most `max` bytes has; the caller frees *ret. False: there is none such.
 * Anything else at the path, as a FIFO, is not opened. */
bool cli_file_bytes(const char *path, size_t max, char **ret, size_t *ret_n);

#endif
