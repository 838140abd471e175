/* What commands take as arguments: a kernel by name or file, a target, and numbers shown to
 * people. */
#include "cli/cli.h"

#include "codegen/codegen.h"
#include "ir/builtin.h"
#include "targets/preset.h"

#include <sched.h>

#define MAX_KERNEL_FILE (1 << 20)
#define BUILT_IN "built-in"

/* Both are text for people and for the log, whatever bytes the path and the names have. */
static void describe(const char *arg, const cli_sizes *sizes, cli_kernel *ret)
{
    hone_buf title = {0};
    json_t *json = json_object();
    hone_buf_puts(&title, arg);
    for (unsigned k = 0; k < sizes->n; k++) {
        hone_buf_printf(&title, " %s=%" PRId64, sizes->v[k].name, sizes->v[k].value);
        char *name = hone_text_clean(sizes->v[k].name);
        json_object_set_new(json, name, json_integer(sizes->v[k].value));
        free(name);
    }
    ret->arg = hone_xstrdup(arg);
    ret->title = hone_text_clean(title.s);
    ret->sizes = hone_json_text(json);
    hone_buf_free(&title);
    json_decref(json);
}

static bool ends_in_hone(const char *s, size_t n)
{
    return n > 5 && memcmp(s + n - 5, ".hone", 5) == 0;
}

static hone_status no_such_builtin(const char *name, const char *text, size_t n, hone_error *err)
{
    hone_kernel_list list = {0};
    hone_buf names = {0};
    if (hone_workload_list(BUILT_IN, text, n, &list, NULL) == HONE_OK)
        for (uint32_t k = 0; k < list.n; k++)
            hone_buf_printf(&names, "%s%s", k ? ", " : "", list.v[k].name);
    hone_fail(err, HONE_E_INPUT,
              "no built-in kernel '%.100s': there are %s; the name of a kernel file ends in .hone",
              name, names.n ? names.s : "none");
    hone_kernel_list_free(&list);
    hone_buf_free(&names);
    return HONE_E_INPUT;
}

/* A message about the built-ins' text says nothing by its line and column: only what is wrong. */
static void without_place(const char *name, hone_error *err)
{
    static const char mark[] = "error: ";
    const char *what = err ? strstr(err->message, mark) : NULL;
    if (!what)
        return;
    char text[sizeof err->message];
    what += sizeof mark - 1;
    snprintf(text, sizeof text, "%.100s: %.*s", name, (int)strcspn(what, "\n"), what);
    memcpy(err->message, text, sizeof text);
}

size_t cli_kernel_file(const char *arg, const char **ret_name)
{
    size_t n = strlen(arg);
    const char *colon = ends_in_hone(arg, n) ? NULL : strrchr(arg, ':');
    size_t file_len = colon ? (size_t)(colon - arg) : n;
    bool is_file = ends_in_hone(arg, file_len) || memchr(arg, '/', file_len);
    *ret_name = !is_file ? arg : colon ? colon + 1 : NULL;
    return is_file ? file_len : 0;
}

hone_status cli_kernel_load(const char *arg, const cli_sizes *sizes, cli_kernel *ret,
                            hone_error *err)
{
    *ret = (cli_kernel){0};
    const char *name;
    size_t n, file_len = cli_kernel_file(arg, &name);
    hone_status st;
    if (file_len) {
        char *path = hone_xasprintf("%.*s", (int)file_len, arg), *text = NULL;
        st = hone_file_read(path, MAX_KERNEL_FILE, &text, &n, err);
        if (st == HONE_E_IO || st == HONE_E_LIMIT)
            st = HONE_E_INPUT;
        if (st == HONE_OK) {
            st = hone_workload_parse(path, text, n, name, sizes->v, sizes->n, &ret->program, err);
            if (st == HONE_E_NOTFOUND) /* the file is there, the kernel is not */
                st = HONE_E_INPUT;
        }
        free(text);
        free(path);
    } else {
        const char *text = hone_builtin_text(&n);
        st = hone_workload_parse(BUILT_IN, text, n, arg, sizes->v, sizes->n, &ret->program, err);
        if (st == HONE_E_NOTFOUND)
            st = no_such_builtin(arg, text, n, err);
        else if (st != HONE_OK)
            without_place(arg, err);
    }
    if (st == HONE_OK)
        describe(arg, sizes, ret);
    return st;
}

void cli_kernel_free(cli_kernel *k)
{
    hone_program_fini(&k->program);
    free(k->arg);
    free(k->title);
    free(k->sizes);
    free(k->text);
}

hone_status cli_target_load(const char *arg, hone_target *ret, hone_error *err)
{
    if (strcmp(arg, "native") == 0)
        return hone_target_native(ret, err);
    char *text = NULL;
    bool is_text = arg[strspn(arg, " \t\n")] == '{';
    hone_error why = {0};
    if (!is_text && hone_target_named(arg, ret, &why) == HONE_OK)
        return HONE_OK;
    hone_error unread;
    hone_status read = is_text ? HONE_OK : hone_file_read(arg, 1 << 16, &text, NULL, &unread);
    if (read != HONE_OK && (read != HONE_E_NOTFOUND || strchr(arg, '/')))
        return hone_fail(err, HONE_E_INPUT,
                         "the target's file: %s; give one that `hone targets NAME` has printed, or "
                         "a name that `hone targets` lists",
                         unread.message);
    if (read != HONE_OK)
        return hone_fail(err, HONE_E_INPUT,
                         "unknown target '%s': give native, a processor's name, a target's JSON "
                         "text, or a file that holds one; %s",
                         arg, why.message);
    hone_status st = hone_target_parse(is_text ? arg : text, ret, &why);
    if (st != HONE_OK)
        hone_fail(err, st, "the target in %.200s is not one: %s", is_text ? "--target" : arg,
                  why.message);
    free(text);
    return st;
}

hone_status cli_target_here(const char *arg, const hone_target *t, hone_error *err)
{
    hone_target here;
    char lacks[64];
    bool known = strcmp(arg, "native") != 0 && !hone_preset_of(t)->runtime &&
                 hone_target_host(&here, NULL) == HONE_OK;
    if (known && hone_target_lacks(&here, t, lacks))
        return hone_fail(err, HONE_E_INPUT,
                         "this machine is %s, which cannot run code for %s: that needs %s; measure "
                         "one that can with --worker, or leave out --target",
                         here.cpu, hone_preset_name_of(t), lacks);
    if (known && strcmp(here.cpu, t->cpu) != 0)
        hone_log(HONE_LOG_WARN,
                 "this machine is %s: its numbers are stored as those of %s; measure one with "
                 "--worker, or leave out --target",
                 here.cpu, hone_preset_name_of(t));
    return HONE_OK;
}

int32_t cli_threads_of(const hone_target *t)
{
    int32_t all = cli_processors();
    return hone_preset_is_alone(t)                              ? 1
           : hone_preset_shares(t) && all > HONE_PRESET_SHARING ? HONE_PRESET_SHARING
                                                                : all;
}

hone_status cli_threads_for(const hone_target *t, int64_t asked, int32_t *ret, hone_error *err)
{
    *ret = asked ? (int32_t)asked : cli_threads_of(t);
    if (asked > 1 && hone_preset_is_alone(t))
        return hone_fail(err, HONE_E_INPUT,
                         "modules of WebAssembly have one thread: --threads 1, or "
                         "--target wasm32-threads");
    if (asked > HONE_PRESET_SHARING && hone_preset_shares(t))
        return hone_fail(err, HONE_E_INPUT, "modules of WebAssembly have at most %d threads",
                         HONE_PRESET_SHARING);
    return HONE_OK;
}

const char *cli_runtime_of(const hone_target *t)
{
    static const char *const runtimes[] = {"node", "node:relaxed", "node:threads"};
    hone_target has;
    if (!hone_preset_of(t)->runtime)
        return NULL;
    for (size_t k = 0; k < HONE_LEN(runtimes); k++)
        if (hone_target_named(hone_nursery_runtime_target(runtimes[k]), &has, NULL) == HONE_OK &&
            hone_target_can_run(&has, t))
            return runtimes[k];
    return runtimes[0];
}

int32_t cli_processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (int32_t)CPU_COUNT(&set) : 1;
}

void cli_format_ns(double ns, char ret[32])
{
    if (ns >= 1e9)
        snprintf(ret, 32, "%.3g s", ns / 1e9);
    else if (ns >= 1e6)
        snprintf(ret, 32, "%.4g ms", ns / 1e6);
    else
        snprintf(ret, 32, "%.4g us", ns / 1e3);
}
