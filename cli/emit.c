/* A schedule as code, and the files of a library. */
#include "cli/emit.h"
#include "workers/builder.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define WAIT_MS 10
#define MOST_WAITS 1000 /* for others who write to the folder, which takes them milliseconds */

/* The intrinsics are the caller's to free. */
static hone_codegen_options options_of(const cli_schedule *s, hone_emit emit, const char *name,
                                       hone_codegen_intrin **ret_intrins)
{
    unsigned n;
    *ret_intrins = hone_builder_intrins(s->intrins, &n);
    return (hone_codegen_options){.emit = emit,
                                  .name = name,
                                  .threads = s->threads,
                                  .plain = s->as_written,
                                  .intrins = *ret_intrins,
                                  .n_intrins = n};
}

hone_status cli_compile(const cli_schedule *s, hone_emit emit, const char *name, hone_code *ret,
                        hone_error *err)
{
    hone_codegen *g;
    hone_status st = hone_codegen_new(s->target, &g, err);
    if (st != HONE_OK)
        return st;
    if (s->call) {
        st = hone_codegen_emit_call(g, s->program, s->call, emit, name, ret, err);
        hone_codegen_free(g);
        return st;
    }
    hone_codegen_intrin *intrins;
    hone_codegen_options o = options_of(s, emit, name, &intrins);
    st = hone_codegen_emit(g, s->program, &o, ret, err);
    free(intrins);
    hone_codegen_free(g);
    return st;
}

static void variants_of(const cli_schedule *s, unsigned n, hone_codegen_variant *ret)
{
    for (unsigned k = 0; k < n; k++)
        ret[k] = (hone_codegen_variant){
            .name = s[k].target->cpu, .target = s[k].target, .program = s[k].program};
}

hone_status cli_check_variants(const cli_schedule *v, unsigned n, hone_error *err)
{
    hone_codegen_variant all[HONE_CODEGEN_MAX_VARIANTS] = {0};
    if (n > HONE_CODEGEN_MAX_VARIANTS)
        return hone_fail(err, HONE_E_INPUT, "more than %d targets of one function",
                         HONE_CODEGEN_MAX_VARIANTS);
    variants_of(v, n, all);
    return hone_codegen_check_variants(all, n, err);
}

static hone_status compile_variants(const cli_schedule *s, unsigned n, const char *name,
                                    unsigned *ret_order, hone_code *ret, hone_error *err)
{
    hone_codegen_variant v[HONE_CODEGEN_MAX_VARIANTS] = {0};
    hone_codegen_intrin *intrins[HONE_CODEGEN_MAX_VARIANTS];
    variants_of(s, n, v);
    for (unsigned k = 0; k < n; k++)
        v[k].options = options_of(&s[k], HONE_EMIT_OBJECT, NULL, &intrins[k]);
    hone_status st = hone_codegen_emit_variants(v, n, name, ret_order, ret, err);
    for (unsigned k = 0; k < n; k++)
        free(intrins[k]);
    return st;
}

hone_status cli_library_make(const cli_schedule *v, unsigned n, const char *name,
                             unsigned ret_order[], cli_library *ret, hone_error *err)
{
    *ret = (cli_library){0};
    for (unsigned k = 0; k < n && n > 1; k++)
        if (v[k].call)
            return hone_fail(err, HONE_E_INPUT,
                             "a call of library %s cannot be one of several variants: choose its "
                             "target alone",
                             v[k].call->name);
    hone_status st = n == 1 ? cli_compile(v, HONE_EMIT_OBJECT, name, &ret->object, err)
                            : compile_variants(v, n, name, ret_order, &ret->object, err);
    if (st == HONE_OK)
        hone_codegen_header(v->program, name, &ret->object, &ret->header);
    return st;
}

hone_status cli_library_make_sized(const cli_schedule *v, const hone_codegen_size *sizes,
                                   unsigned n, int64_t least, const hone_codegen_range *ranges,
                                   unsigned n_ranges, const char *name, unsigned *ret_bad,
                                   cli_library *ret, hone_error *err)
{
    hone_codegen_sized all[HONE_CODEGEN_MAX_SIZED] = {0};
    hone_codegen_intrin *intrins[HONE_CODEGEN_MAX_SIZED];
    *ret = (cli_library){0};
    for (unsigned k = 0; k < n; k++) {
        all[k].program = v[k].program;
        all[k].options = options_of(&v[k], HONE_EMIT_OBJECT, NULL, &intrins[k]);
        all[k].options.size = &sizes[k];
    }
    hone_status st = hone_codegen_emit_sizes(v[0].target, all, n, least, ranges, n_ranges, name,
                                             ret_bad, &ret->object, err);
    if (st == HONE_OK)
        hone_codegen_header(v[n - 1].program, name, &ret->object, &ret->header);
    for (unsigned k = 0; k < n; k++)
        free(intrins[k]);
    return st;
}

static hone_status write_module(const char *folder, const char *name, const uint8_t *module,
                                size_t n, const hone_buf *loader, hone_error *err)
{
    char *paths[] = {hone_xasprintf("%s/%s.wasm", folder, name),
                     hone_xasprintf("%s/%s.mjs", folder, name)};
    const hone_file files[] = {{paths[0], module, n}, {paths[1], loader->s, loader->n}};
    hone_status st = hone_dir_make(folder, err);
    if (st == HONE_OK)
        st = hone_file_write_set(files, HONE_LEN(files), err);
    free(paths[0]);
    free(paths[1]);
    return st;
}

hone_status cli_module_write(const cli_schedule *s, const char *folder, const char *name,
                             hone_error *err)
{
    hone_code code = {0};
    hone_buf loader = {0};
    uint8_t *module = NULL;
    size_t n = 0;
    HONE_ASSERT(cli_runtime_of(s->target));
    HONE_TRY(cli_compile(s, HONE_EMIT_OBJECT, NULL, &code, err));
    hone_status st = hone_codegen_link(code.bytes, code.n, &module, &n, err);
    if (st == HONE_OK) {
        hone_codegen_loader(s->program, name, &code, &loader);
        st = write_module(folder, name, module, n, &loader, err);
    }
    free(module);
    hone_buf_free(&loader);
    hone_code_free(&code);
    return st;
}

void cli_library_free(cli_library *l)
{
    hone_code_free(&l->object);
    hone_buf_free(&l->header);
    free(l->about);
}

char *cli_about_text(json_t *j)
{
    char *text = json_dumps(j, JSON_INDENT(2) | JSON_SORT_KEYS);
    HONE_ASSERT(text);
    json_decref(j);
    return text;
}

bool cli_file_bytes(const char *path, size_t max, char **ret, size_t *ret_n)
{
    struct stat sb;
    return stat(path, &sb) == 0 && S_ISREG(sb.st_mode) &&
           hone_file_read(path, max, ret, ret_n, NULL) == HONE_OK;
}

static bool file_is(const char *path, const void *bytes, size_t n)
{
    char *text = NULL;
    size_t len = 0;
    bool same = cli_file_bytes(path, n, &text, &len) && len == n && memcmp(text, bytes, n) == 0;
    free(text);
    return same;
}

/* The folder to oneself: two that write the same names at once would leave files of either. -1: it
 * cannot be locked where it is, or somebody else keeps it. */
static int lock_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int k = 0; fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0; k++) {
        if (errno != EWOULDBLOCK || k == MOST_WAITS) {
            close(fd);
            return -1;
        }
        usleep(1000 * WAIT_MS);
    }
    return fd;
}

hone_status cli_library_write(const cli_library *l, const char *folder, const char *name,
                              unsigned *ret_written, hone_error *err)
{
    const hone_file all[] = {{"weights", l->weights, l->n_weights},
                             {"o", l->object.bytes, l->object.n},
                             {"h", l->header.s, l->header.n},
                             {"json", l->about, strlen(l->about)}};
    hone_file files[HONE_LEN(all)];
    char *paths[HONE_LEN(all)];
    unsigned n = 0;
    hone_status st = hone_dir_make(folder, err);
    int lock = st == HONE_OK ? lock_folder(folder) : -1;
    for (unsigned k = 0; k < HONE_LEN(all); k++) {
        paths[k] = hone_xasprintf("%s/%s.%s", folder, name, all[k].path);
        bool due = all[k].bytes == l->weights ? l->weights != NULL
                                              : !file_is(paths[k], all[k].bytes, all[k].n);
        if (due)
            files[n++] = (hone_file){paths[k], all[k].bytes, all[k].n};
    }
    if (st == HONE_OK)
        st = hone_file_write_set(files, n, err);
    if (lock >= 0)
        close(lock);
    for (unsigned k = 0; k < HONE_LEN(all); k++)
        free(paths[k]);
    if (ret_written)
        *ret_written = st == HONE_OK ? n : 0;
    return st;
}
