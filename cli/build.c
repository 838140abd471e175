/* hone build: objects, headers and reports of what a lock file has. Opens no log, measures nothing,
 * and writes what is a function of the lock, the kernel files and this hone.
 *
 * Reader's map: which functions; the depfile; the command. */
#include "cli/build.h"
#include "cli/depfile.h"

#include <unistd.h>

#define MAX_NAMES 1024

static void free_plan(build_plan *p)
{
    for (uint32_t k = 0; k < p->jobs.n; k++) {
        build_job *j = p->jobs.v[k];
        for (unsigned i = 0; i < j->n; i++) {
            hone_lock_entry_free(&j->v[i].now);
            free(j->v[i].why);
            hone_sched_fini(&j->v[i].sched);
            hone_intrin_set_free(j->v[i].set);
        }
        free(j);
    }
    hone_vec_free(&p->jobs);
    hone_lock_free(&p->lock);
}

/* ---- which functions --------------------------------------------------------------------------
 */

/* Targets by the names of their processors in the lock, or as `hone lock` takes them. */
typedef struct wanted {
    const char *names; /* with commas; NULL: any */
    cli_target_list targets;
} wanted;

static bool has_name(const char *names, const char *name)
{
    size_t n = strlen(name);
    for (const char *at = names; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, name, n) == 0 && (at[n] == ',' || at[n] == '\0'))
            return true;
    return false;
}

static bool is_wanted(const hone_lock_entry *e, const wanted *w)
{
    if (!w->names || has_name(w->names, e->target.cpu))
        return true;
    for (unsigned k = 0; k < w->targets.n; k++)
        if (hone_lock_same_target(&e->target, &w->targets.v[k]))
            return true;
    return false;
}

static hone_status load_wanted(const build_plan *p, wanted *w, hone_error *err)
{
    for (uint32_t k = 0; k < p->lock.entries.n && w->names; k++)
        if (has_name(w->names, p->lock.entries.v[k].target.cpu))
            return HONE_OK;
    return w->names ? cli_target_list_load(w->names, CLI_MAX, &w->targets, err) : HONE_OK;
}

static void say_missing(const build_plan *p, const char *name, const wanted *w)
{
    const char *target = w->targets.n ? w->targets.v[0].cpu : w->names;
    char *path = cli_shell_word(p->lock_path), *function = cli_shell_word(name);
    hone_log(HONE_LOG_ERROR, "%s: there is no %s%s%s: run `hone lock -o %s KERNEL --name %s`",
             p->lock_path, name, target ? " for " : "", target ? target : "", path, function);
    free(function);
    free(path);
}

/* What a lock would have a program call is for who builds it to say. */
static hone_status check_call(const build_plan *p, const hone_lock_entry *e, hone_error *err)
{
    for (unsigned k = 0; e->call && k < p->libraries.n; k++)
        if (strcmp(p->libraries.v[k], e->call->name) == 0)
            return HONE_OK;
    return e->call ? hone_fail(err, HONE_E_INPUT,
                               "%s:%d: %s calls %s of library %s: allow that with --allow-lib %s",
                               p->lock_path, e->line, e->function, e->call->function, e->call->name,
                               e->call->name)
                   : HONE_OK;
}

/* The entries of a function, of which each is a variant. */
static hone_status choose_one(build_plan *p, const char *name, const wanted *w, hone_error *err)
{
    for (uint32_t k = 0; k < p->jobs.n; k++)
        if (strcmp(p->jobs.v[k]->function, name) == 0) /* named twice */
            return HONE_OK;
    build_job *j = hone_xcalloc(1, sizeof *j);
    hone_vec_push(&p->jobs, j);
    j->function = name;
    for (uint32_t k = 0; k < p->lock.entries.n; k++) {
        const hone_lock_entry *e = &p->lock.entries.v[k];
        if (strcmp(e->function, name) != 0 || !is_wanted(e, w))
            continue;
        if (j->n == HONE_CODEGEN_MAX_VARIANTS)
            return hone_fail(err, HONE_E_INPUT,
                             "%s: %s is for more than %d targets: choose with "
                             "--target",
                             p->lock_path, name, HONE_CODEGEN_MAX_VARIANTS);
        HONE_TRY(check_call(p, e, err));
        j->order[j->n] = j->n;
        j->v[j->n++].e = e;
    }
    if (j->n == 0) {
        say_missing(p, name, w);
        p->n_missing++;
    }
    return HONE_OK;
}

static hone_status choose(build_plan *p, const char *const *names, unsigned n, const char *targets,
                          hone_error *err)
{
    wanted w = {.names = targets};
    hone_status st = load_wanted(p, &w, err);
    for (unsigned k = 0; k < n && st == HONE_OK; k++)
        st = choose_one(p, names[k], &w, err);
    for (uint32_t k = 0; k < p->lock.entries.n && n == 0 && st == HONE_OK; k++) {
        const hone_lock_entry *e = &p->lock.entries.v[k];
        if (k == 0 || strcmp(e->function, e[-1].function) != 0)
            st = choose_one(p, e->function, &w, err);
    }
    return st;
}

/* ---- the depfile ---------------------------------------------------------------------------
 */

/* The files of each, the lock and the kernel files that are there. */
static hone_status write_depfile(const build_plan *p, const char *path, hone_error *err)
{
    static const char *const suffixes[] = {"o", "h", "json"};
    cli_depfile d = {0};
    cli_depfile_read(&d, p->lock_path);
    for (uint32_t k = 0; k < p->jobs.n; k++) {
        const build_job *j = p->jobs.v[k];
        for (unsigned i = 0; i < j->n; i++) {
            char *file, *arg = cli_lock_argument(j->v[i].e->kernel, p->lock_path, &file);
            if (file && access(file, F_OK) == 0)
                cli_depfile_read(&d, file);
            free(file);
            free(arg);
        }
        for (unsigned i = 0; i < HONE_LEN(suffixes); i++) {
            char *made = cli_build_path(p, j, suffixes[i]);
            cli_depfile_made(&d, made);
            free(made);
        }
    }
    hone_status st = cli_depfile_write(&d, path, err);
    cli_depfile_free(&d);
    return st;
}

/* ---- the command ------------------------------------------------------------------------------
 */

static int run(int argc, char **argv, const cli_command *self)
{
    const char *depfile = NULL, *target = NULL;
    build_plan p = {.lock_path = "hone.lock", .folder = "."};
    const cli_option options[] = {
        {"--lock", CLI_TEXT, "FILE", &p.lock_path, "the lock file (default hone.lock)", 0},
        {"-o", CLI_TEXT, "DIR", &p.folder, "folder to write to (default .)", 0},
        {"--locked", CLI_FLAG, NULL, &p.locked, "what is stale or missing: exit code 4", 0},
        {"--depfile", CLI_TEXT, "FILE", &depfile, "what was read, as a rule for make or ninja", 0},
        {"--allow-lib", CLI_LIST, "NAME", &p.libraries,
         "functions may call this library (docs/LIBRARIES.md)", 0},
        {"--target", CLI_TEXT, "T[,T]...", &target,
         "of several targets these: processors, or as in lock", 0},
    };
    const char *names[MAX_NAMES];
    unsigned n;
    int code;
    if (!CLI_PARSE(self, argc, argv, options, names, &n, &code))
        return code;
    hone_error err = {0};
    hone_status st = cli_lock_read(p.lock_path, &p.lock, &err);
    if (st == HONE_OK)
        st = choose(&p, names, n, target, &err);
    bool told = false;
    if (st == HONE_OK && p.n_missing) {
        st = p.locked ? HONE_E_STALE : HONE_E_NOTFOUND;
        told = true;
    }
    if (st == HONE_OK) {
        st = cli_build_prepare(&p, &err);
        told = st == HONE_E_STALE;
    }
    for (uint32_t k = 0; k < p.jobs.n && st == HONE_OK; k++)
        st = cli_build_library(&p, p.jobs.v[k], &err);
    if (st == HONE_OK && depfile)
        st = write_depfile(&p, depfile, &err);
    free_plan(&p);
    if (told)
        return hone_status_exit_code(st);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}

const cli_command cli_build = {
    .name = "build",
    .synopsis = "--lock hone.lock -o DIR [--locked] [--depfile FILE] [NAME]...",
    .summary = "make objects and headers of a lock file, without log or device",
    .text =
        "Writes NAME.o, NAME.h and NAME.json of each function of the lock, or of those named; "
        "link\n"
        "the objects with libhone_rt.a. The files are the same bytes wherever they are made; what "
        "is\n"
        "there already as it should be is not made again. Nothing is measured. A function that is\n"
        "locked for several targets becomes one object that chooses at run time.\n"
        "An entry is stale when its kernel's file is there and says something else by now, or "
        "when\n"
        "this hone cannot replay its schedule. With --locked that is an error, and nothing is\n"
        "written; without it, a schedule that follows from the processor is built meanwhile.\n\n"
        "  hone build --lock hone.lock -o out --locked\n"
        "  hone build --lock hone.lock -o out --locked --depfile out/f.d f\n\n"
        "exit codes: 0 good, 1 failed, 2 bad input, 3 no such lock file or function, 4 --locked "
        "and\n"
        "stale or missing\n",
    .run = run,
};
