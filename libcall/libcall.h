/* libcall: a function of somebody else's shared object as a candidate for a kernel
 * (docs/LIBRARIES.md).
 *
 *   text    what a user writes: the shared object, its function, and which kernel that computes
 *   call    the text at one kernel's sizes: constants and arguments. As JSON it stands in the log
 *           in the place of a trace, which it cannot be mistaken for: traces are arrays, it is an
 *           object
 *   file    the shared object on this machine: its bytes' hash, and whether it has a function
 *
 * Nothing here opens a shared object to run it; who does is workers/device.
 *
 * Threads: the room has no state of its own. What is handed in belongs to one thread at a time. */
#ifndef HONE_LIBCALL_H
#define HONE_LIBCALL_H

#include "base/base.h"

#include <limits.h>

#define HONE_LIBCALL_MAX 8 /* libraries of one session, worker or question */
#define HONE_LIBCALL_MAX_ARGS 32
#define HONE_LIBCALL_MAX_NAME 32                  /* bytes of a library's name, with the NUL */
#define HONE_LIBCALL_MAX_SYMBOL 64                /* and of a function's, a tensor's or a size's */
#define HONE_LIBCALL_MAX_FILE 128                 /* and of a file's name */
#define HONE_LIBCALL_MAX_TEXT (1 << 20)           /* bytes of a text */
#define HONE_LIBCALL_MAX_OBJECT ((size_t)1 << 30) /* and of a shared object */

typedef enum hone_libcall_kind {
    HONE_LIBCALL_I32,
    HONE_LIBCALL_I64,
    HONE_LIBCALL_F32,
    HONE_LIBCALL_F64,
    HONE_LIBCALL_PTR, /* to the first element of a tensor */
    HONE_LIBCALL_KINDS
} hone_libcall_kind;

/* ---- the call ----------------------------------------------------------------------------------
 */

typedef struct hone_libcall_arg {
    hone_libcall_kind kind;
    int64_t i; /* of an integer; of a pointer: which argument of the kernel, from 0 */
    double x;  /* of a float, which an f32 holds exactly where it is one */
} hone_libcall_arg;

/* Plain data: copied by assignment. */
typedef struct hone_libcall {
    char name[HONE_LIBCALL_MAX_NAME]; /* of the library, by its user */
    char file[HONE_LIBCALL_MAX_FILE]; /* what a program that calls it loads, without folder */
    char real[HONE_LIBCALL_MAX_FILE]; /* what that file really was: links followed */
    char link[HONE_LIBCALL_MAX_FILE]; /* for the linker: "openblas" of -lopenblas; "" not said */
    char threads[HONE_LIBCALL_MAX_SYMBOL]; /* void f(int) called before the measurement; "" none */
    char function[HONE_LIBCALL_MAX_SYMBOL];
    uint64_t hash; /* of the shared object's bytes */
    bool returns;  /* an i32 that is 0 when all went well; else nothing */
    unsigned n_args;
    hone_libcall_arg args[HONE_LIBCALL_MAX_ARGS];
} hone_libcall;

/* Is this text of a record a library's call, and no trace? Looks at its first letter only. */
bool hone_libcall_is(const char *text);
/* As JSON, the same for the same call: {"library":{...}}. The caller frees. */
char *hone_libcall_text(const hone_libcall *c);
/* And back. HONE_E_INPUT with what is wrong; *ret is then all zero. */
hone_status hone_libcall_parse(const char *text, size_t n, hone_libcall *ret,
                               hone_error *err) HONE_NODISCARD;
/* hone_hash_bytes of the text: what stands in the place of a trace's hash. */
uint64_t hone_libcall_hash(const hone_libcall *c);
/* The text of a log's target for results of library calls on that target: no target's text, so
 * that whoever asks for a schedule never gets them. The caller frees. */
char *hone_libcall_target(const char *target_text);

#define HONE_LIBCALL_MARK (HONE_LIBCALL_MAX_NAME + 17)
/* "NAME/HASH": what a machine says of each library it has, and a measurement of the one it needs.
 * hash: of the shared object's bytes. */
void hone_libcall_mark(const char *name, uint64_t hash, char ret[HONE_LIBCALL_MARK]);

/* ---- the text ----------------------------------------------------------------------------------
 */

typedef struct hone_libcall_param {
    hone_libcall_kind kind;
    char value[HONE_LIBCALL_MAX_SYMBOL]; /* "M*2", "0.5", "A" */
    int line;
} hone_libcall_param;

typedef struct hone_libcall_library {
    char name[HONE_LIBCALL_MAX_NAME];
    char file[PATH_MAX]; /* as the text has it */
    char link[HONE_LIBCALL_MAX_FILE], threads[HONE_LIBCALL_MAX_SYMBOL];
    char kernel[HONE_LIBCALL_MAX_SYMBOL]; /* that it computes */
    char *source;                         /* of that, in hone's language, owned; NULL: a built-in */
    bool returns;
    char function[HONE_LIBCALL_MAX_SYMBOL];
    unsigned n_params;
    hone_libcall_param params[HONE_LIBCALL_MAX_ARGS];
    /* of hone_libcall_load */
    char path[PATH_MAX]; /* where the shared object is, from the root and without links */
    char real[HONE_LIBCALL_MAX_FILE];
    uint64_t hash;
    uint64_t inode;
    int64_t bytes, changed_ns; /* of the file then: that it is still the same */
} hone_libcall_library;

/* Reads a text; `file` is for messages. HONE_E_INPUT with file and line, HONE_E_LIMIT. *ret is the
 * caller's to free with hone_libcall_library_free, and empty unless HONE_OK. */
hone_status hone_libcall_read(const char *file, const char *text, size_t n,
                              hone_libcall_library *ret, hone_error *err) HONE_NODISCARD;
/* "NAME=TEXT", as given to --candidate-lib: reads the file TEXT, finds the shared object on this
 * machine and looks whether it has the functions. A file without folder is looked for beside the
 * text and in the system's folders. HONE_E_INPUT, HONE_E_LIMIT, HONE_E_IO; HONE_E_NOTFOUND: there
 * is no text, or, with *ret_missing (may be NULL), the text is good and there is no such file. */
hone_status hone_libcall_load(const char *given, hone_libcall_library *ret, bool *ret_missing,
                              hone_error *err) HONE_NODISCARD;
void hone_libcall_library_free(hone_libcall_library *l);

typedef struct hone_libcall_size {
    const char *name;
    int64_t value;
} hone_libcall_size;
/* The call at these sizes; arg_names: of the kernel's arguments, in order. Whether the kernel is
 * the one that the library computes is the caller's to see to. HONE_E_INPUT: a name that the kernel
 * does not have, a number that does not fit. */
hone_status hone_libcall_resolve(const hone_libcall_library *l, const hone_libcall_size *sizes,
                                 unsigned n_sizes, const char *const *arg_names, unsigned n_args,
                                 hone_libcall *ret, hone_error *err) HONE_NODISCARD;

/* ---- the file ----------------------------------------------------------------------------------
 */

/* Do these bytes of a 64-bit shared object define the function? HONE_E_INPUT: they do not, or they
 * are no such file. */
hone_status hone_libcall_object_has(const uint8_t *bytes, size_t n, const char *function,
                                    hone_error *err) HONE_NODISCARD;

/* Is the file at l->path the one that was loaded, as far as the file system tells? */
bool hone_libcall_is_same(const hone_libcall_library *l);

/* ---- the artifact ------------------------------------------------------------------------------
 */

/* What an artifact that calls a library has as the data HONE_LIBCALL_SYMBOL: which library and
 * function it wants. Whoever loads it sets `address` to that function; the artifact itself refers
 * to no symbol outside. */
#define HONE_LIBCALL_SYMBOL "hone_library"
typedef struct hone_libcall_slot {
    uint64_t address, hash;
    char name[HONE_LIBCALL_MAX_NAME];
    char function[HONE_LIBCALL_MAX_SYMBOL];
} hone_libcall_slot;

#endif
