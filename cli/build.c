/* hone build: objects, headers and reports of what a lock file has. Opens no log, measures nothing,
 * and writes what is a function of the lock, the kernel files and this hone.
 *
 * Reader's map: which functions; is each as it was locked; the files of one; the command. */
#include "cli/depfile.h"
#include "cli/emit.h"
#include "cli/lock.h"
#include "codegen/codegen.h"
#include "tuner/lookup/lookup.h"

#include <unistd.h>

#define MAX_NAMES 1024
#define MAX_REPORT_BYTES ((size_t)64 << 20)

/* One function to be built. */
typedef struct job {
    const hone_lock_entry *e; /* of the lock, or: */
    hone_lock_entry now;      /* the answer without logs, where the lock's is stale */
    bool stale;
    char *why; /* then, and with the command to run */
    bool is_there;
    char key[17]; /* of all that the files depend on */
    hone_intrin_set *set;
    hone_sched sched;
    bool as_written;
} job;

typedef struct plan {
    const char *lock_path, *folder;
    bool locked;
    hone_lock lock;
    HONE_VEC(job) jobs;
    unsigned n_missing;
} plan;

static void free_plan(plan *p)
{
    for (uint32_t k = 0; k < p->jobs.n; k++) {
        job *j = &p->jobs.v[k];
        hone_lock_entry_free(&j->now);
        free(j->why);
        hone_sched_fini(&j->sched);
        hone_intrin_set_free(j->set);
    }
    hone_vec_free(&p->jobs);
    hone_lock_free(&p->lock);
}

/* ---- which functions --------------------------------------------------------------------------
 */

/* Targets by the names of their processors in the lock, or as `hone lock` takes them. */
typedef struct wanted {
    const char *names; /* with commas; NULL: any */
    cli_targets targets;
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

static hone_status load_wanted(const plan *p, wanted *w, hone_error *err)
{
    for (uint32_t k = 0; k < p->lock.entries.n && w->names; k++)
        if (has_name(w->names, p->lock.entries.v[k].target.cpu))
            return HONE_OK;
    return w->names ? cli_targets_load(w->names, &w->targets, err) : HONE_OK;
}

static void say_missing(const plan *p, const char *name, const wanted *w)
{
    const char *target = w->targets.n ? w->targets.v[0].cpu : w->names;
    hone_log(HONE_LOG_ERROR, "%s: there is no %s%s%s: run `hone lock -o %s KERNEL --name %s`",
             p->lock_path, name, target ? " for " : "", target ? target : "", p->lock_path, name);
}

/* The entry of a function; one for each processor is no answer to which. */
static hone_status choose_one(plan *p, const char *name, const wanted *w, hone_error *err)
{
    const hone_lock_entry *found = NULL;
    for (uint32_t k = 0; k < p->lock.entries.n; k++) {
        const hone_lock_entry *e = &p->lock.entries.v[k];
        if (strcmp(e->function, name) != 0 || !is_wanted(e, w))
            continue;
        if (found)
            return hone_fail(err, HONE_E_INPUT,
                             "%s: several targets of %s, %s and %s: choose one with --target",
                             p->lock_path, name, found->target.cpu, e->target.cpu);
        found = e;
    }
    if (!found) {
        say_missing(p, name, w);
        p->n_missing++;
        return HONE_OK;
    }
    for (uint32_t k = 0; k < p->jobs.n; k++)
        if (p->jobs.v[k].e == found) /* named twice */
            return HONE_OK;
    hone_vec_push(&p->jobs, (job){.e = found});
    return HONE_OK;
}

static hone_status choose(plan *p, const char *const *names, unsigned n, const char *targets,
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

/* ---- is each as it was locked -----------------------------------------------------------------
 */

/* What the ladder says without logs, of the program as it is now. */
static hone_status answer_now(job *j, const cli_kernel *now, hone_error *err)
{
    const hone_lock_entry *e = j->e;
    hone_lookup_answer a = {0};
    const hone_program *p = now->title ? &now->program : &e->program;
    hone_status st = hone_lookup(&(hone_lookup_question){.program = p,
                                                         .sizes = e->sizes,
                                                         .title = e->kernel,
                                                         .target = &e->target,
                                                         .threads = e->threads,
                                                         .lowest = HONE_RUNG_default},
                                 &a, err);
    if (st == HONE_OK) {
        hone_lock_entry_make(&(hone_lock_of){.function = e->function,
                                             .kernel = e->kernel,
                                             .sizes = e->sizes,
                                             .llvm_version = hone_codegen_version(),
                                             .program = p,
                                             .target = &e->target,
                                             .threads = e->threads},
                             &a, &j->now);
        j->e = &j->now;
    }
    hone_lookup_free(&a);
    return st;
}

static void set_stale(const plan *p, job *j, const char *what)
{
    hone_buf b = {0};
    hone_buf_printf(&b, "%s:%d: %s: %.*s: run ", p->lock_path, j->e->line, j->e->function,
                    (int)strcspn(what, "\n"), what);
    cli_lock_put_command(j->e, p->lock_path, &b);
    j->why = hone_buf_take(&b);
    j->stale = true;
}

static void set_unreplayable(const plan *p, job *j, const hone_error *why)
{
    const hone_lock_entry *e = j->e;
    char *by = e->space_version == HONE_SPACE_VERSION
                   ? hone_xstrdup("")
                   : hone_xasprintf(" (it is of space version %d, this hone has %d)",
                                    e->space_version, HONE_SPACE_VERSION);
    char *what = hone_xasprintf("its schedule cannot be replayed%s: %.*s", by,
                                (int)strcspn(why->message, "\n"), why->message);
    set_stale(p, j, what);
    free(what);
    free(by);
}

static void key_of(job *j)
{
    uint64_t h = hone_hash_bytes(1, j->e->text, strlen(j->e->text));
    h = hone_hash_bytes(h, HONE_VERSION, sizeof HONE_VERSION);
    h = hone_hash_bytes(h, hone_codegen_version(), strlen(hone_codegen_version()));
    hone_hash_format(hone_hash_mix(h, HONE_SPACE_VERSION), j->key);
}

static char *path_of(const plan *p, const job *j, const char *suffix)
{
    return hone_xasprintf("%s/%s.%s", p->folder, j->e->function, suffix);
}

/* Has the file the bytes that the report says it was written with? */
static bool is_as_reported(const plan *p, const job *j, const char *suffix, const json_t *made)
{
    char hash[17], *path = path_of(p, j, suffix), *bytes = NULL;
    const char *want = json_string_value(json_object_get(made, suffix));
    size_t n = 0;
    bool same = want && cli_file_bytes(path, MAX_REPORT_BYTES, &bytes, &n);
    if (same) {
        hone_hash_format(hone_hash_bytes(0, bytes, n), hash);
        same = strcmp(hash, want) == 0;
    }
    free(bytes);
    free(path);
    return same;
}

/* Are the three files there, made of the same by the same? */
static bool is_built(const plan *p, const job *j)
{
    char *path = path_of(p, j, "json"), *text = NULL;
    size_t n = 0;
    json_t *report = NULL;
    bool same = false;
    if (cli_file_bytes(path, MAX_REPORT_BYTES, &text, &n) &&
        hone_json_parse(text, n, &report, NULL) == HONE_OK) {
        const json_t *made = json_object_get(report, "build");
        const char *key = json_string_value(json_object_get(made, "key"));
        same = key && strcmp(key, j->key) == 0 && is_as_reported(p, j, "o", made) &&
               is_as_reported(p, j, "h", made);
    }
    json_decref(report);
    free(text);
    free(path);
    return same;
}

static hone_status replay(job *j, hone_error *err)
{
    return hone_lock_replay(j->e, &j->set, &j->sched, &j->as_written, err);
}

static hone_status prepare(const plan *p, job *j, hone_error *err)
{
    bool there;
    cli_kernel now;
    hone_error why = {0};
    HONE_TRY(hone_codegen_symbol_check(j->e->function, err));
    HONE_TRY(cli_lock_kernel_now(j->e, p->lock_path, &there, &now, err));
    if (there && hone_program_hash(&now.program) != hone_program_hash(&j->e->program))
        set_stale(p, j, "its kernel's file has changed since it was locked");
    key_of(j);
    j->is_there = !j->stale && is_built(p, j);
    if (!j->stale && !j->is_there && replay(j, &why) != HONE_OK)
        set_unreplayable(p, j, &why);
    hone_status st = HONE_OK;
    if (j->stale && !p->locked) {
        st = answer_now(j, &now, err);
        if (st == HONE_OK) {
            key_of(j);
            j->is_there = is_built(p, j);
            hone_sched_fini(&j->sched);
            hone_intrin_set_free(j->set);
            j->sched = (hone_sched){0};
            j->set = NULL;
            if (!j->is_there)
                st = replay(j, err);
        }
    }
    if (there)
        cli_kernel_free(&now);
    return st;
}

static hone_status prepare_all(plan *p, hone_error *err)
{
    unsigned n_stale = 0;
    for (uint32_t k = 0; k < p->jobs.n; k++) {
        job *j = &p->jobs.v[k];
        HONE_TRY(prepare(p, j, err));
        n_stale += j->stale;
        if (j->stale && p->locked)
            hone_log(HONE_LOG_ERROR, "%s", j->why);
        else if (j->stale)
            hone_log(HONE_LOG_WARN, "%s; built by rung %s meanwhile", j->why,
                     hone_rung_name(j->e->rung));
    }
    return n_stale && p->locked ? HONE_E_STALE : HONE_OK;
}

/* ---- the files of one -------------------------------------------------------------------------
 */

static json_t *report_of(const job *j, const cli_library *l)
{
    static const char *const as_locked[] = {"kernel",   "sizes",         "threads", "target",
                                            "rung",     "reason",        "time_ns", "checked",
                                            "workload", "expected_share"};
    char o[17], h[17];
    hone_buf program = {0};
    json_t *e = json_loads(j->e->text, 0, NULL), *r = json_object();
    HONE_ASSERT(e);
    for (unsigned k = 0; k < HONE_LEN(as_locked); k++) {
        json_t *v = json_object_get(e, as_locked[k]);
        if (v)
            json_object_set(r, as_locked[k], v);
    }
    hone_program_print(&j->e->program, &program);
    json_object_set_new(r, "program", hone_json_string(program.s));
    json_object_set_new(r, "trace", json_loads(j->e->trace, 0, NULL));
    json_object_set_new(r, "hone", json_string(HONE_VERSION));
    json_object_set_new(r, "llvm", json_string(hone_codegen_version()));
    json_object_set_new(r, "space_version", json_integer(HONE_SPACE_VERSION));
    json_object_set_new(r, j->e->time_ns ? "measured_with" : "chosen_with",
                        json_pack("{s:s, s:s, s:i}", "hone", j->e->hone_version, "llvm",
                                  j->e->llvm_version, "space_version", j->e->space_version));
    hone_hash_format(hone_hash_bytes(0, l->object.bytes, l->object.n), o);
    hone_hash_format(hone_hash_bytes(0, l->header.s, l->header.n), h);
    json_object_set_new(r, "build", json_pack("{s:s, s:s, s:s}", "key", j->key, "o", o, "h", h));
    hone_buf_free(&program);
    json_decref(e);
    return r;
}

static hone_status build(const plan *p, job *j, hone_error *err)
{
    cli_library l = {0};
    unsigned written = 0;
    if (j->is_there)
        return HONE_OK;
    hone_status st = cli_library_make(&(cli_schedule){.program = &j->sched.prog,
                                                      .as_written = j->as_written,
                                                      .intrins = j->set,
                                                      .target = &j->e->target,
                                                      .threads = j->e->threads},
                                      1, j->e->function, NULL, &l, err);
    if (st == HONE_OK) {
        l.about = cli_about_text(report_of(j, &l));
        st = cli_library_write(&l, p->folder, j->e->function, &written, err);
    } else if (err) {
        char text[sizeof err->message];
        snprintf(text, sizeof text, "%s: %.900s", j->e->function, err->message);
        memcpy(err->message, text, sizeof text);
    }
    if (st == HONE_OK && written)
        printf("%s: %s\n", j->e->function, hone_rung_name(j->e->rung));
    cli_library_free(&l);
    return st;
}

/* The files of each, the lock and the kernel files that are there. */
static hone_status write_depfile(const plan *p, const char *path, hone_error *err)
{
    static const char *const suffixes[] = {"o", "h", "json"};
    cli_depfile d = {0};
    cli_depfile_read(&d, p->lock_path);
    for (uint32_t k = 0; k < p->jobs.n; k++) {
        const job *j = &p->jobs.v[k];
        char *file, *arg = cli_lock_argument(j->e->kernel, p->lock_path, &file);
        if (file && access(file, F_OK) == 0)
            cli_depfile_read(&d, file);
        free(file);
        free(arg);
        for (unsigned i = 0; i < HONE_LEN(suffixes); i++) {
            char *made = path_of(p, j, suffixes[i]);
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
    plan p = {.lock_path = "hone.lock", .folder = "."};
    const cli_option options[] = {
        {"--lock", CLI_TEXT, "FILE", &p.lock_path, "the lock file (default hone.lock)", 0},
        {"-o", CLI_TEXT, "DIR", &p.folder, "folder to write to (default .)", 0},
        {"--locked", CLI_FLAG, NULL, &p.locked, "what is stale or missing: exit code 4", 0},
        {"--depfile", CLI_TEXT, "FILE", &depfile, "what was read, as a rule for make or ninja", 0},
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
        st = prepare_all(&p, &err);
        told = st == HONE_E_STALE;
    }
    for (uint32_t k = 0; k < p.jobs.n && st == HONE_OK; k++)
        st = build(&p, &p.jobs.v[k], &err);
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
        "there already as it should be is not made again. Nothing is measured.\n"
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
