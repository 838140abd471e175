/* The workers `hone tune` starts for itself: this program again, as `hone worker`. With fewer
 * threads than processors, the device has its processors to itself and the rest of hone keeps off
 * them. */
#include "cli/cli.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_RESTARTS 20
#define LOST_NS (INT64_C(5) * 1000000000)   /* for one that was lost to register again */
#define START_NS (INT64_C(60) * 1000000000) /* for one that starts to register */
#define PREFIX "hone-run-"
#define TURN_MS 10
#define LEAVE_MS 1500 /* for those that were told to end to do so */
#define SOON_MS 400   /* the same where somebody waits for the end of all */
#define AFTER_KILL_MS 500

typedef struct local_worker {
    const char *role;
    pid_t pid; /* 0: not running */
    int64_t start_ns;
    int64_t seen_ns; /* when the pool last knew it; 0: not since its start */
    cpu_set_t cpus;
} local_worker;

struct cli_local {
    char folder[64];
    int lock; /* on FOLDER/lock, as long as we live: by it others know a folder left behind */
    char endpoint[96];
    cpu_set_t before; /* our own affinity, given back at the end */
    const cli_list *libraries;
    const char *runtime;
    local_worker workers[2];
    unsigned n, restarts;
};

static void execute(const cli_local *l, const local_worker *w)
{
    const char *argv[9 + 2 * CLI_MAX] = {"hone",      "worker", "--connect",
                                         l->endpoint, "--role", w->role};
    bool runs = strcmp(w->role, "run") == 0;
    unsigned n = 6, libraries = l->libraries && runs ? l->libraries->n : 0;
    for (unsigned k = 0; k < libraries; k++) {
        argv[n++] = "--candidate-lib";
        argv[n++] = l->libraries->v[k];
    }
    if (l->runtime && runs) {
        argv[n++] = "--runtime";
        argv[n++] = l->runtime;
    }
    argv[n] = NULL;
    execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
}

static void spawn(cli_local *l, local_worker *w)
{
    pid_t parent = getpid();
    w->start_ns = hone_clock_ns();
    w->seen_ns = 0;
    w->pid = fork();
    if (w->pid != 0) {
        if (w->pid < 0) {
            hone_log(HONE_LOG_WARN, "cannot start a worker: %s", strerror(errno));
            w->pid = 0;
        }
        return;
    }
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1);
    setpgid(0, 0); /* Ctrl-C is for us; we tell them when to go */
    sched_setaffinity(0, sizeof w->cpus, &w->cpus);
    int null = open("/dev/null", O_RDWR);
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    execute(l, w);
    _exit(127);
}

/* ---- the folder of the socket ------------------------------------------------------------------
 */

static void remove_folder(const char *folder)
{
    static const char *const files[] = {"pool", "lock"};
    for (unsigned k = 0; k < HONE_LEN(files); k++) {
        char *path = hone_xasprintf("%s/%s", folder, files[k]);
        unlink(path);
        free(path);
    }
    rmdir(folder);
}

/* A descriptor that holds the lock file, or -1: there is none, it is held, or it is not ours. */
static int take_lock(const char *path, int flags)
{
    int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        close(fd);
        fd = -1;
    }
    return fd;
}

/* Makes the lock file. It gets its name only when it is held: a sweep must not find it before. */
static int make_lock(const char *folder)
{
    char *path = hone_xasprintf("%s/lock", folder), *early = hone_xasprintf("%s/new", folder);
    int fd = take_lock(early, O_CREAT);
    if (rename(early, path) != 0)
        hone_log(HONE_LOG_WARN, "cannot make '%s': %s", path, strerror(errno));
    free(early);
    free(path);
    return fd;
}

/* Removes what earlier runs that were killed have left. */
static void sweep(const char *base)
{
    DIR *d = opendir(base);
    for (struct dirent *e; d && (e = readdir(d)) != NULL;) {
        if (strncmp(e->d_name, PREFIX, sizeof PREFIX - 1) != 0)
            continue;
        char *folder = hone_xasprintf("%s/%s", base, e->d_name);
        char *path = hone_xasprintf("%s/lock", folder);
        int fd = take_lock(path, 0);
        if (fd >= 0) {
            remove_folder(folder);
            close(fd);
        }
        free(path);
        free(folder);
    }
    if (d)
        closedir(d);
}

static hone_status make_folder(cli_local *l, hone_error *err)
{
    const char *base = getenv("XDG_RUNTIME_DIR");
    if (!base || strlen(base) > 30 || access(base, W_OK) != 0)
        base = "/tmp";
    sweep(base);
    snprintf(l->folder, sizeof l->folder, "%s/" PREFIX "XXXXXX", base);
    if (!mkdtemp(l->folder))
        return hone_fail_errno(err, HONE_E_IO, "cannot make a folder in %s", base);
    l->lock = make_lock(l->folder);
    snprintf(l->endpoint, sizeof l->endpoint, "ipc://%s/pool", l->folder);
    return HONE_OK;
}

/* ---- start, mind, stop
 * --------------------------------------------------------------------------- */

/* Else each worker would say so, one after the other. */
static bool is_in_path(const char *program)
{
    const char *at = getenv("PATH");
    while (at && *at) {
        size_t n = strcspn(at, ":");
        char *file = hone_xasprintf("%.*s%s%s", (int)n, at, n ? "/" : "", program);
        bool good = access(file, X_OK) == 0;
        free(file);
        if (good)
            return true;
        at += n + (at[n] == ':');
    }
    return !at; /* without PATH execvp has its own */
}

hone_status cli_local_start(bool device, int32_t threads, const cli_list *libraries,
                            const char *runtime, cli_local **ret, hone_error *err)
{
    if (access("/proc/self/exe", X_OK) != 0)
        return hone_fail_errno(err, HONE_E_IO,
                               "cannot start workers: no /proc/self/exe (is /proc mounted?)");
    if (device && runtime && !is_in_path("node"))
        return hone_fail(err, HONE_E_TOOL,
                         "there is no `node` in PATH to run modules; install nodejs");
    cli_local *l = hone_xcalloc(1, sizeof *l);
    l->libraries = libraries;
    l->runtime = runtime;
    hone_status st = make_folder(l, err);
    if (st != HONE_OK) {
        free(l);
        return st;
    }
    sched_getaffinity(0, sizeof l->before, &l->before);
    cpu_set_t dev = l->before, rest = l->before;
    int all = CPU_COUNT(&l->before);
    if (device && threads < all) { /* the last `threads` processors are the device's */
        int k = 0;
        for (int c = 0; c < CPU_SETSIZE; c++)
            if (CPU_ISSET(c, &l->before))
                CPU_CLR(c, k++ < all - threads ? &dev : &rest);
        sched_setaffinity(0, sizeof rest, &rest);
    }
    l->workers[l->n++] = (local_worker){.role = "build", .cpus = rest};
    if (device)
        l->workers[l->n++] = (local_worker){.role = "run", .cpus = dev};
    *ret = l;
    for (unsigned k = 0; k < l->n; k++)
        spawn(l, &l->workers[k]);
    return HONE_OK;
}

const char *cli_local_endpoint(const cli_local *l)
{
    return l->endpoint;
}

/* One that the pool has lost is alive and does not answer: stopped, or hung. It would have come
 * back by itself. */
static bool is_hung(local_worker *w, const hone_pool *pool)
{
    int64_t now = hone_clock_ns();
    if (hone_pool_knows(pool, (uint32_t)w->pid))
        w->seen_ns = now;
    return w->seen_ns ? now - w->seen_ns > LOST_NS : now - w->start_ns > START_NS;
}

void cli_local_mind(cli_local *l, const hone_pool *pool)
{
    for (unsigned k = 0; k < l->n; k++) {
        local_worker *w = &l->workers[k];
        if (w->pid > 0 && is_hung(w, pool)) {
            hone_log(HONE_LOG_WARN, "the local %s worker (%ld) does not answer: killed", w->role,
                     (long)w->pid);
            kill(w->pid, SIGKILL);
            waitpid(w->pid, NULL, 0);
            w->pid = 0;
        }
        if (w->pid > 0 && waitpid(w->pid, NULL, WNOHANG) == w->pid)
            w->pid = 0;
        if (w->pid == 0 && l->restarts < MAX_RESTARTS) {
            l->restarts++;
            hone_log(HONE_LOG_INFO, "starting the local %s worker again", w->role);
            spawn(l, w);
        }
    }
}

bool cli_local_coming(void *l, unsigned role)
{
    const cli_local *all = l;
    for (unsigned k = 0; all && k < all->n; k++) {
        const local_worker *w = &all->workers[k];
        bool does = strcmp(w->role, "run") == 0 ? role == HONE_ROLE_RUN : role == HONE_ROLE_BUILD;
        if (does && w->pid > 0 && !w->seen_ns && hone_clock_ns() - w->start_ns <= START_NS)
            return true;
    }
    return false;
}

void cli_local_stop(cli_local *l)
{
    if (!l)
        return;
    int patience = (cli_stopped(NULL) ? SOON_MS : LEAVE_MS) / TURN_MS;
    for (unsigned k = 0; k < l->n; k++)
        if (l->workers[k].pid > 0)
            kill(l->workers[k].pid, SIGTERM);
    for (unsigned k = 0; k < l->n; k++) {
        if (l->workers[k].pid <= 0)
            continue;
        for (int killed = 0; waitpid(l->workers[k].pid, NULL, WNOHANG) == 0;) {
            if (patience > 0)
                patience--;
            else if (killed++ < AFTER_KILL_MS / TURN_MS)
                kill(l->workers[k].pid, SIGKILL);
            else
                break;
            usleep(1000 * TURN_MS);
        }
    }
    sched_setaffinity(0, sizeof l->before, &l->before);
    remove_folder(l->folder);
    if (l->lock >= 0)
        close(l->lock);
    free(l);
}
