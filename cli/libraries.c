/* Libraries named on the command line: is each one's kernel the one in hand, and its call here. */
#include "cli/libraries.h"

#include "ir/builtin.h"

static hone_status check_name(const cli_libraries *l, const char *name, hone_error *err)
{
    for (unsigned k = 0; k < l->n; k++)
        if (strcmp(l->v[k].name, name) == 0)
            return hone_fail(err, HONE_E_INPUT, "two libraries are called %s", name);
    return HONE_OK;
}

hone_status cli_libraries_load(const cli_list *given, bool must_be_there, cli_libraries *ret,
                               hone_error *err)
{
    if (given->n > HONE_LIBCALL_MAX)
        return hone_fail(err, HONE_E_INPUT, CLI_CANDIDATE_LIB " at most %d times",
                         HONE_LIBCALL_MAX);
    for (unsigned k = 0; k < given->n; k++) {
        hone_libcall_library *l = &ret->v[ret->n];
        hone_error why = {0};
        bool missing;
        hone_status st = hone_libcall_load(given->v[k], l, &missing, &why);
        if (st != HONE_OK && missing && !must_be_there) {
            hone_log(HONE_LOG_WARN, "%s: it is no answer here", why.message);
            continue;
        }
        if (st == HONE_OK)
            st = check_name(ret, l->name, &why);
        ret->n += st == HONE_OK;
        if (st != HONE_OK) {
            hone_libcall_library_free(l);
            if (err)
                *err = why;
            return st;
        }
    }
    return HONE_OK;
}

void cli_libraries_free(cli_libraries *l)
{
    for (unsigned k = 0; k < l->n; k++)
        hone_libcall_library_free(&l->v[k]);
    l->n = 0;
}

/* Borrows names from j. */
static unsigned sizes_of(const json_t *j, hone_size ret[CLI_MAX])
{
    unsigned n = 0;
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)j, name, v) if (n < CLI_MAX) ret[n++] =
        (hone_size){name, json_integer_value(v)};
    return n;
}

/* The kernel that the library computes, at these sizes. */
static hone_status its_kernel(const hone_libcall_library *l, const hone_size *sizes, unsigned n,
                              hone_program *ret, hone_error *err)
{
    size_t len = l->source ? strlen(l->source) : 0;
    const char *text = l->source ? l->source : hone_builtin_text(&len);
    hone_error why = {0};
    hone_status st = hone_workload_parse(l->name, text, len, l->kernel, sizes, n, ret, &why);
    if (st == HONE_OK)
        return HONE_OK;
    *ret = (hone_program){0};
    return hone_fail(err, HONE_E_INPUT, "library %s computes %s, which is not made so: %.*s",
                     l->name, l->kernel, (int)strcspn(why.message, "\n"), why.message);
}

static hone_status call_of(const hone_libcall_library *l, const cli_kernel *k,
                           const hone_size *sizes, unsigned n, hone_libcall *ret, hone_error *err)
{
    hone_program p = {0};
    hone_libcall_size values[CLI_MAX];
    const char *names[HONE_MAX_ARGS];
    HONE_TRY(its_kernel(l, sizes, n, &p, err));
    unsigned n_args = hone_program_n_args(&p);
    for (unsigned i = 0; i < n; i++)
        values[i] = (hone_libcall_size){sizes[i].name, sizes[i].value};
    for (unsigned i = 0; i < n_args && i < HONE_MAX_ARGS; i++)
        names[i] = hone_sym_text(&p, hone_buffer_at(&p, (hone_buffer){i + 1})->name);
    hone_status st =
        hone_program_hash(&p) == hone_program_hash(&k->program) && n_args <= HONE_MAX_KERNEL_ARGS
            ? hone_libcall_resolve(l, values, n, names, n_args, ret, err)
            : hone_fail(err, HONE_E_INPUT, "library %s computes %s, and this kernel is another one",
                        l->name, l->kernel);
    hone_program_fini(&p);
    return st;
}

hone_status cli_libraries_calls(const cli_libraries *l, const cli_kernel *k,
                                hone_libcall ret[HONE_LIBCALL_MAX], hone_error *err)
{
    hone_size sizes[CLI_MAX];
    json_t *j = json_loads(k->sizes, 0, NULL);
    unsigned n = sizes_of(j, sizes);
    hone_status st = HONE_OK;
    for (unsigned i = 0; i < l->n && st == HONE_OK; i++)
        st = call_of(&l->v[i], k, sizes, n, &ret[i], err);
    json_decref(j);
    return st;
}
