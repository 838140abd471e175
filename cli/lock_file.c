/* Lock files as commands see them, and where kernels lie as seen from one. */
#include "cli/lock.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

hone_status cli_lock_read(const char *path, hone_lock *ret, hone_error *err)
{
    char *text = NULL;
    size_t n = 0;
    hone_status st = hone_file_read(path, HONE_LOCK_MAX_BYTES, &text, &n, err);
    if (st == HONE_OK)
        st = hone_lock_parse(path, text, n, ret, err);
    free(text);
    return st;
}

/* ---- paths ------------------------------------------------------------------------------------
 */

static bool ends_in_hone(const char *s, size_t n)
{
    return n > 5 && memcmp(s + n - 5, ".hone", 5) == 0;
}

/* Bytes of FILE in FILE.hone[:name], as cli_kernel_load has it; 0: it names a built-in. */
static size_t file_part(const char *arg)
{
    size_t n = strlen(arg);
    const char *colon = ends_in_hone(arg, n) ? NULL : strrchr(arg, ':');
    n = colon ? (size_t)(colon - arg) : n;
    return ends_in_hone(arg, n) || memchr(arg, '/', n) ? n : 0;
}

/* With a '/' at its end, or "". */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return hone_xasprintf("%.*s", slash ? (int)(slash - path + 1) : 0, path);
}

/* The folder of a path, without links, with a '/' at its end. */
static hone_status real_folder(const char *path, char **ret, hone_error *err)
{
    char *folder = folder_of(path), *real = realpath(*folder ? folder : ".", NULL);
    hone_status st = HONE_OK;
    if (real)
        *ret = hone_xasprintf("%s%s", real, strcmp(real, "/") == 0 ? "" : "/");
    else
        st = hone_fail_errno(err, HONE_E_IO, "cannot find the folder of '%s'", path);
    free(real);
    free(folder);
    return st;
}

hone_status cli_lock_kernel(const char *arg, const char *lock_path, char **ret, hone_error *err)
{
    char *from = NULL, *to = NULL;
    size_t n = file_part(arg);
    *ret = NULL;
    if (n == 0) {
        *ret = hone_xstrdup(arg);
        return HONE_OK;
    }
    char *path = hone_xasprintf("%.*s", (int)n, arg);
    hone_status st = real_folder(lock_path, &from, err);
    if (st == HONE_OK)
        st = real_folder(path, &to, err);
    if (st == HONE_OK) {
        hone_buf b = {0};
        size_t same = 0; /* up to the '/' after the last folder that both are in */
        for (size_t k = 0; from[k] && from[k] == to[k]; k++)
            if (from[k] == '/')
                same = k + 1;
        for (const char *s = from + same; *s; s++)
            if (*s == '/')
                hone_buf_puts(&b, "../");
        const char *slash = strrchr(path, '/');
        hone_buf_printf(&b, "%s%s", to + same, slash ? slash + 1 : path);
        if (file_part(b.s) != b.n) /* it would be taken for a built-in */
            *ret = hone_xasprintf("./%s%s", b.s, arg + n);
        else
            *ret = hone_xasprintf("%s%s", b.s, arg + n);
        hone_buf_free(&b);
    }
    free(from);
    free(to);
    free(path);
    return st;
}

char *cli_lock_argument(const char *kernel, const char *lock_path, char **ret_file)
{
    size_t n = file_part(kernel);
    char *folder = n > 0 && kernel[0] != '/' ? folder_of(lock_path) : hone_xstrdup("");
    char *arg = hone_xasprintf("%s%s", folder, kernel);
    *ret_file = n > 0 ? hone_xasprintf("%s%.*s", folder, (int)n, kernel) : NULL;
    free(folder);
    return arg;
}

/* ---- an entry's kernel ------------------------------------------------------------------------
 */

/* Borrows names from j. */
static void sizes_of(const json_t *j, cli_sizes *ret)
{
    const char *name;
    json_t *v;
    *ret = (cli_sizes){0};
    json_object_foreach((json_t *)j, name, v)
    {
        if (ret->n < CLI_MAX)
            ret->v[ret->n++] = (hone_size){name, json_integer_value(v)};
    }
}

hone_status cli_lock_kernel_now(const hone_lock_entry *e, const char *lock_path, bool *ret_there,
                                cli_kernel *ret, hone_error *err)
{
    char *file, *arg = cli_lock_argument(e->kernel, lock_path, &file);
    hone_status st = HONE_OK;
    *ret_there = file && access(file, F_OK) == 0;
    *ret = (cli_kernel){0};
    if (*ret_there) {
        cli_sizes sizes;
        json_t *j = json_loads(e->sizes, 0, NULL);
        sizes_of(j, &sizes);
        st = cli_kernel_load(arg, &sizes, ret, err);
        json_decref(j);
    }
    free(file);
    free(arg);
    return st;
}

void cli_lock_put_command(const hone_lock_entry *e, const char *lock_path, hone_buf *out)
{
    char *file, *arg = cli_lock_argument(e->kernel, lock_path, &file);
    cli_sizes sizes;
    json_t *j = json_loads(e->sizes, 0, NULL);
    sizes_of(j, &sizes);
    char *path = cli_shell_word(lock_path), *kernel = cli_shell_word(arg);
    hone_buf_printf(out, "`hone lock -o %s %s", path, kernel);
    free(kernel);
    free(path);
    for (unsigned k = 0; k < sizes.n; k++)
        hone_buf_printf(out, " -D %s=%" PRId64, sizes.v[k].name, sizes.v[k].value);
    hone_buf_printf(out, " --threads %d --name %s` (its target: %s)", e->threads, e->function,
                    e->target.cpu);
    json_decref(j);
    free(file);
    free(arg);
}
