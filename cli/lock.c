/* hone lock: the log's answers, into the file that a build takes them from. */
#include "cli/lock.h"

#include "cli/lookup.h"
#include "codegen/codegen.h"
#include "targets/preset.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct request {
    const char *path, *function;
    bool named;        /* by --name */
    cli_kernel kernel; /* for people's eyes its title is the argument's */
    char *kernel_here; /* as seen from the lock */
    int64_t asked;     /* threads; 0: as many as each target has */
    int32_t threads[CLI_MAX];
    cli_target_list targets;
    hone_lock_entry made[CLI_MAX]; /* of each target */
} request;

static hone_status look_up(request *q, const cli_lookup_options *o, hone_error *err)
{
    for (unsigned k = 0; k < q->targets.n; k++) {
        cli_answer a = {0};
        hone_status st = cli_look_up(o, &q->kernel, &q->targets.v[k], q->threads[k], &a, err);
        if (st == HONE_OK) {
            if (a.of.miss)
                hone_log(HONE_LOG_WARN, "%s: this is the answer of rung %s", a.of.miss, a.rung);
            hone_lock_entry_make(&(hone_lock_of){.function = q->function,
                                                 .kernel = q->kernel_here,
                                                 .sizes = q->kernel.sizes,
                                                 .llvm_version = hone_codegen_version(),
                                                 .program = &q->kernel.program,
                                                 .target = &q->targets.v[k],
                                                 .threads = q->threads[k],
                                                 .call = a.call},
                                 &a.of, &q->made[k]);
        }
        cli_answer_free(&a);
        if (st != HONE_OK)
            return st;
    }
    return HONE_OK;
}

static hone_status find_threads(request *q, hone_error *err)
{
    for (unsigned k = 0; k < q->targets.n; k++)
        HONE_TRY(cli_threads_for(&q->targets.v[k], q->asked, &q->threads[k], err));
    return HONE_OK;
}

/* A name that another kernel, or the same at other sizes, has already is not taken from it by
 * accident. */
static hone_status check_name(const request *q, const hone_lock *l, hone_error *err)
{
    for (uint32_t k = 0; k < l->entries.n && !q->named; k++) {
        const hone_lock_entry *e = &l->entries.v[k];
        if (strcmp(e->function, q->function) == 0 &&
            (strcmp(e->kernel, q->kernel_here) != 0 || strcmp(e->sizes, q->kernel.sizes) != 0))
            return hone_fail(err, HONE_E_INPUT,
                             "'%s' has a function %s already, of %s at %s: give this one another "
                             "name with --name, or replace that one with --name %s",
                             q->path, q->function, e->kernel, e->sizes, q->function);
    }
    return HONE_OK;
}

/* "-", a device or a FIFO: a lock of its own is written there, and none is read. */
static bool is_stream(const char *path)
{
    struct stat sb;
    return strcmp(path, "-") == 0 ||
           (stat(path, &sb) == 0 && !S_ISREG(sb.st_mode) && !S_ISDIR(sb.st_mode));
}

/* As cli_lock_read; one without a byte is not there yet, as a log is. */
static hone_status read_lock(const char *path, hone_lock *ret, hone_error *err)
{
    struct stat sb;
    if (stat(path, &sb) == 0 && S_ISREG(sb.st_mode) && sb.st_size == 0)
        return hone_fail(err, HONE_E_NOTFOUND, "'%s' is empty", path);
    return cli_lock_read(path, ret, err);
}

/* Would the lock take it? Asked before the log is. */
static hone_status check_lock(const request *q, hone_error *err)
{
    hone_lock l = {0};
    hone_error why = {0};
    if (is_stream(q->path))
        return HONE_OK;
    hone_status st = read_lock(q->path, &l, &why);
    if (st == HONE_OK)
        st = check_name(q, &l, &why);
    hone_lock_free(&l);
    if (st == HONE_E_NOTFOUND)
        return HONE_OK;
    if (st != HONE_OK)
        *err = why;
    return st;
}

/* What becomes of the lock. */
static void tell(const request *q, const hone_lock *before, hone_buf *out)
{
    for (unsigned k = 0; k < q->targets.n; k++) {
        const hone_lock_entry *e = &q->made[k];
        const char *what = "added";
        char time[32] = "";
        for (uint32_t i = 0; i < before->entries.n; i++) {
            const hone_lock_entry *old = &before->entries.v[i];
            if (strcmp(old->function, e->function) == 0 &&
                hone_lock_same_target(&old->target, &e->target))
                what = strcmp(old->text, e->text) == 0 ? "as it was" : "replaced";
        }
        if (e->time_ns)
            cli_format_ns((double)e->time_ns, time);
        hone_buf_printf(out, "%s for %s, %d thread%s: %s: %s%s%s (%s)\n", e->function,
                        hone_preset_name_of(&e->target), e->threads, e->threads == 1 ? "" : "s",
                        what, hone_rung_name(e->rung), *time ? ", " : "", time, e->reason);
    }
}

/* One writer at a time in a folder, where the file system has such locks. -1: there is none. */
static int enter_folder(const char *path)
{
    char *real = realpath(path, NULL); /* a link is followed, as by the write */
    const char *place = real ? real : path, *slash = strrchr(place, '/');
    char *folder =
        slash ? hone_xasprintf("%.*s", (int)(slash - place + 1), place) : hone_xstrdup(".");
    free(real);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(folder);
    if (fd >= 0)
        (void)flock(fd, LOCK_EX);
    return fd;
}

static hone_status write_changed(const request *q, const hone_buf *text, hone_error *err)
{
    char *old = NULL;
    size_t n = 0;
    hone_status st = HONE_OK;
    bool same = hone_file_read(q->path, HONE_LOCK_MAX_BYTES, &old, &n, NULL) == HONE_OK &&
                n == text->n && memcmp(old, text->s, n) == 0;
    if (!same)
        st = hone_file_write(q->path, text->s, text->n, err);
    free(old);
    return st;
}

/* Reads, changes and writes the lock, alone in its folder. */
static hone_status update(request *q, hone_error *err)
{
    hone_lock l = {0};
    hone_buf text = {0}, said = {0};
    bool print = is_stream(q->path);
    int folder = print ? -1 : enter_folder(q->path);
    hone_status st = print ? HONE_OK : read_lock(q->path, &l, err);
    if (st == HONE_E_NOTFOUND)
        st = HONE_OK;
    if (st == HONE_OK)
        st = check_name(q, &l, err);
    if (st == HONE_OK) {
        tell(q, &l, &said);
        for (unsigned k = 0; k < q->targets.n; k++)
            hone_lock_put(&l, &q->made[k]);
        hone_lock_print(&l, &text);
        st = print ? cli_write_out(strcmp(q->path, "-") == 0 ? NULL : q->path, text.s, text.n, err)
                   : write_changed(q, &text, err);
    }
    if (folder >= 0)
        close(folder);
    if (st == HONE_OK && !print)
        fputs(said.s, stdout);
    hone_buf_free(&said);
    hone_buf_free(&text);
    hone_lock_free(&l);
    return st;
}

static int run(int argc, char **argv, const cli_command *self)
{
    cli_sizes sizes = {0};
    cli_list logs = {0}, intrin_files = {0}, library_files = {0};
    cli_libraries libraries = {0};
    const char *target = "native", *path = "hone.lock", *name = NULL, *require = NULL;
    int64_t threads = 0;
    hone_rung lowest = HONE_RUNG_default;
    const cli_option options[] = {
        {"-o", CLI_TEXT, "FILE", &path, "the lock file (default hone.lock); -: print one", 0},
        {"-D", CLI_SIZE, "NAME=INT", &sizes, "size of the kernel; repeat for each", 0},
        {"--target", CLI_TEXT, "T[,T]...", &target, "native (default), CPU, target JSON, or file",
         0},
        {"--threads", CLI_INT, "N", &threads, "threads it may use (default: all)", 1},
        {"--db", CLI_LIST, "FILE", &logs,
         "a log to ask, in order (default hone.db); shipped: that of hone", 0},
        {"--intrin", CLI_LIST, "FILE", &intrin_files, "tensor intrinsics that it may use", 0},
        {CLI_CANDIDATE_LIB, CLI_LIST, "NAME=TEXT", &library_files,
         "a library whose call it may be (docs/LIBRARIES.md)", 0},
        {"--name", CLI_TEXT, "SYMBOL", &name, "name of the C function (default: the kernel's)", 0},
        {"--require", CLI_TEXT, "RUNG", &require, "no answer of it or better: exit code 3", 0},
    };
    const char *pos[1];
    unsigned n;
    int code;
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    if (n != 1)
        return cli_usage(self, "which kernel? a built-in's name or FILE.hone[:name]");
    if (require && !hone_rung_parse(require, &lowest))
        return cli_usage(self, "--require is exact, class, nearest, model or default, not '%s'",
                         require);
    if (threads > HONE_MAX_THREADS)
        return cli_usage(self, "--threads at most %d", HONE_MAX_THREADS);

    hone_error err = {0};
    request *q = hone_xcalloc(1, sizeof *q);
    q->path = path;
    q->asked = threads;
    q->named = name;
    hone_status st = cli_kernel_load(pos[0], &sizes, &q->kernel, &err);
    if (st == HONE_OK) {
        hone_error why = {0};
        q->function = name ? name : hone_sym_text(&q->kernel.program, q->kernel.program.name);
        if (hone_codegen_symbol_check(q->function, &why) != HONE_OK)
            st = hone_fail(&err, HONE_E_INPUT, "the C function cannot have this name, %s: give %s",
                           why.message, name ? "another" : "one with --name");
    }
    if (st == HONE_OK)
        st = cli_target_list_load(target, CLI_MAX, &q->targets, &err);
    if (st == HONE_OK)
        st = find_threads(q, &err);
    if (st == HONE_OK)
        st = cli_lock_kernel(pos[0], path, &q->kernel_here, &err);
    if (st == HONE_OK)
        st = check_lock(q, &err);
    hone_intrin_set *intrins = hone_intrin_set_new();
    if (st == HONE_OK)
        st = cli_libraries_load(&library_files, false, &libraries, &err);
    if (st == HONE_OK && libraries.n && q->targets.n > 1)
        st = hone_fail(&err, HONE_E_INPUT, "--candidate-lib is for one target");
    if (st == HONE_OK)
        st = cli_intrins_load(&intrin_files, intrins, &err);
    if (st == HONE_OK)
        st = look_up(q,
                     &(cli_lookup_options){.logs = &logs,
                                           .intrins = intrins,
                                           .lowest = lowest,
                                           .libraries = &libraries,
                                           .code = true},
                     &err);
    hone_intrin_set_free(intrins);
    if (st == HONE_OK)
        st = update(q, &err);
    for (unsigned k = 0; k < q->targets.n; k++)
        hone_lock_entry_free(&q->made[k]);
    cli_libraries_free(&libraries);
    cli_kernel_free(&q->kernel);
    free(q->kernel_here);
    free(q);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}

const cli_command cli_lock = {
    .name = "lock",
    .synopsis = "[-o hone.lock] KERNEL [-D NAME=INT]... [options]",
    .summary = "write the log's answer into a lock file, which a build needs nothing beside",
    .text =
        "The file is text, to be kept with the sources: for each function and target the kernel's\n"
        "program, its schedule, the rung of the answer, what was measured and how it was checked.\n"
        "This kernel's entries are added or replaced, all others stay byte for byte; nothing is\n"
        "written when nothing has changed. Two kernels of one name need --name.\n"
        "`hone build` makes objects of it.\n\n"
        "  hone lock -o hone.lock matmul -D M=512 -D N=512 -D K=512 --threads 1\n"
        "  hone lock -o hone.lock my.hone -D N=77 --require exact --name my_77\n"
        "  hone lock -o - my.hone -D N=77\n\n"
        "exit codes: 0 good, 1 failed, 2 bad input, 3 no such file, or no answer of the rung "
        "required\n",
    .run = run,
};
