/* Objects to shared objects: for this machine's processor by its own linker, for others by LLVM's,
 * which links for all. (For this one it would do too, but takes 15 ms to start, ld 2 ms.) */
#include "codegen/internal.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* The linker gets its input, output and error text as memory files named through /proc/self/fd, so
 * nothing touches a disk and nothing is left behind. */
static int memory_file(const char *name)
{
    return memfd_create(name, 0); /* inherited by the linker on purpose */
}

/* Whole memory file with a NUL after it; NULL when it cannot be read. */
static uint8_t *read_all(const char *path, size_t *ret_n)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
    uint8_t *p = NULL;
    if (size >= 0) {
        p = hone_xmalloc((size_t)size + 1);
        *ret_n = 0;
        while (*ret_n < (size_t)size) {
            ssize_t k = pread(fd, p + *ret_n, (size_t)size - *ret_n, (off_t)*ret_n);
            if (k <= 0) {
                break;
            }
            *ret_n += (size_t)k;
        }
        p[*ret_n] = 0;
    }
    if (fd >= 0) {
        close(fd);
    }
    return p;
}

/* Runs argv with these as stdout and stderr. 0 with the status of waitpid, or errno when it could
 * not be started. */
static int run(const char *const *argv, int out_fd, int log_fd, int *ret_status)
{
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out_fd, 1);
    posix_spawn_file_actions_adddup2(&actions, log_fd, 2);
    /* So that a file too large (ulimit -f) ends it in a way of its own. */
    posix_spawnattr_t attributes;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGXFSZ);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &signals);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    pid_t pid;
    extern char **environ;
    int rc =
        posix_spawn(&pid, argv[0], &actions, &attributes, (char *const *)(uintptr_t)argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    while (rc == 0 && waitpid(pid, ret_status, 0) < 0) {
        if (errno != EINTR) {
            rc = errno;
        }
    }
    return rc;
}

enum kind { LD, LLD, DRIVER, MODULES };

/* Those to be tried, the first that is there is taken: `ld` may be one that renames a file of its
 * own into place, which a memory file does not allow. */
static const struct {
    const char *name;
    enum kind kind;
} linkers[] = {
    {"ld.bfd", LD},       {"ld", LD},     {"ld.lld-19", LLD},
    {"ld.lld", LLD},      {"cc", DRIVER}, {"wasm-ld-19", MODULES},
    {"wasm-ld", MODULES},
};

/* What is no object is for a linker to complain about. */
static hone_codegen_linked kind_of(const uint8_t *object, size_t n)
{
    const hone_preset *here = hone_preset_host();
    uint16_t machine;
    if (hone_cg__is_module(object, n))
        return HONE_LINKED_MODULE;
    if (!here || n < sizeof(Elf32_Ehdr) || memcmp(object, ELFMAG, SELFMAG) != 0)
        return HONE_LINKED_HERE;
    memcpy(&machine, object + offsetof(Elf32_Ehdr, e_machine), sizeof machine);
    return machine != here->elf_machine ? HONE_LINKED_FOREIGN : HONE_LINKED_HERE;
}

static char *find_in_path(const char *name)
{
    const char *path = getenv("PATH");
    for (const char *p = path ? path : "/usr/bin:/bin"; *p; p += *p == ':') {
        size_t n = strcspn(p, ":");
        char *file = hone_xasprintf("%.*s/%s", n ? (int)n : 1, n ? p : ".", name);
        if (access(file, X_OK) == 0) {
            return file;
        }
        free(file);
        p += n;
    }
    return NULL;
}

static bool links(enum kind k, hone_codegen_linked what)
{
    return what == HONE_LINKED_MODULE    ? k == MODULES
           : what == HONE_LINKED_FOREIGN ? k == LLD
                                         : k != MODULES;
}

static char *find_linker(hone_codegen_linked what, enum kind *ret)
{
    char *path = NULL;
    for (size_t k = 0; k < HONE_LEN(linkers) && !path; k++) {
        *ret = linkers[k].kind;
        path = links(*ret, what) ? find_in_path(linkers[k].name) : NULL;
    }
    return path;
}

char *hone_codegen_linker_path(hone_codegen_linked what)
{
    enum kind unused;
    return find_linker(what, &unused);
}

/* As run(). LLVM's linker would rename a file into place, too; it writes to its standard output. */
static int link_object(hone_codegen_linked kind, bool shares, const char *in, const char *out,
                       int out_fd, int log_fd, int *ret_status)
{
    enum kind what;
    char *path = find_linker(kind, &what);
    const char *const ld[] = {path,          "-shared", "-nostdlib", "-z",
                              "noexecstack", "-z",      "norelro",   "--hash-style=gnu",
                              "-o",          out,       in,          NULL};
    const char *const lld[] = {path,          "-shared", "-nostdlib", "-z",
                               "noexecstack", "-z",      "norelro",   "--hash-style=gnu",
                               "--threads=1", "-o",      "-",         in,
                               NULL};
    const char *const cc[] = {path, "-shared", "-nostdlib", "-o", out, in, NULL};
    /* The stack comes first: what runs over its end leaves the memory, and nothing else is hit.
     * Where threads share memory it comes from whoever loads the module, who gives each a stack. */
    const char *const module[] = {path,
                                  "--no-entry",
                                  "--export=hone_kernel",
                                  "--export-if-defined=hone_pack",
                                  "--export=hone_rt",
                                  "--export=__heap_base",
                                  "--stack-first",
                                  "-z",
                                  "stack-size=1048576",
                                  "--strip-all",
                                  "--threads=1",
                                  "-o",
                                  "-",
                                  in,
                                  shares ? "--shared-memory" : NULL,
                                  "--import-memory",
                                  "--initial-memory=2097152",
                                  "--max-memory=2147483648",
                                  "--export=hone_rt_crew",
                                  "--export=hone_rt_work",
                                  "--export=__stack_pointer",
                                  NULL};
    const char *const *const all[] = {[LD] = ld, [LLD] = lld, [DRIVER] = cc, [MODULES] = module};
    bool to_stdout = what == LLD || what == MODULES;
    int rc = path ? run(all[what], to_stdout ? out_fd : log_fd, log_fd, ret_status) : ENOENT;
    free(path);
    return rc;
}

static void descriptor_path(char ret[32], int fd)
{
    snprintf(ret, 32, "/proc/self/fd/%d", fd);
}

static hone_status not_started(int sys, hone_codegen_linked kind, hone_error *err)
{
    bool other = kind != HONE_LINKED_HERE; /* both are of one package */
    hone_status s = sys == EAGAIN ? HONE_E_LIMIT : sys == ENOMEM ? HONE_E_NOMEM : HONE_E_TOOL;
    return hone_fail(err, s,
                     sys != ENOENT ? "The linker could not be started: %s"
                     : other       ? "There is no linker for other processors than this one's; "
                                     "install lld-19"
                                   : "Neither `ld` nor `cc` could be started; install binutils",
                     strerror(sys));
}

static hone_status too_large(hone_error *err)
{
    return hone_fail(err, HONE_E_LIMIT,
                     "A file, also in memory, may not grow as large as what is linked (ulimit -f)");
}

/* What a linker that was started has come to. */
static hone_status linked(int status, const char *log, hone_error *err)
{
    int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return HONE_OK;
    }
    if (sig == SIGXFSZ) {
        return too_large(err);
    }
    if (sig == SIGXCPU) {
        return hone_fail(err, HONE_E_LIMIT,
                         "The linker needs more processor time than it may have (ulimit -t)");
    }
    if (sig == SIGKILL || sig == SIGTERM || sig == SIGINT || sig == SIGHUP || sig == SIGQUIT) {
        return hone_fail(err, HONE_E_KILLED, "The linker was killed from outside (%s)",
                         strsignal(sig));
    }
    if (sig) {
        return hone_fail(err, HONE_E_TOOL, "The linker crashed (%s)", strsignal(sig));
    }
    size_t n = 0;
    uint8_t *text = read_all(log, &n);
    hone_fail(err, HONE_E_TOOL, "The linker ended with status %d: %.600s", WEXITSTATUS(status),
              text ? (const char *)text : "");
    free(text);
    return HONE_E_TOOL;
}

hone_status hone_codegen_link(const uint8_t *object, size_t n, uint8_t **ret, size_t *ret_n,
                              hone_error *err)
{
    if (hone_fault("link.fail"))
        return hone_fail(err, HONE_E_TOOL, "The linker failed, as a test wants it");
    int fd[3] = {memory_file("hone-object"), memory_file("hone-library"), memory_file("hone-log")};
    char in[32], out[32], log[32];
    descriptor_path(in, fd[0]);
    descriptor_path(out, fd[1]);
    descriptor_path(log, fd[2]);
    hone_status s = HONE_OK;
    int sys, status = 0;
    hone_codegen_linked kind = kind_of(object, n);
    bool shares = kind == HONE_LINKED_MODULE && hone_cg__module_shares(object, n);
    if (fd[0] < 0 || fd[1] < 0 || fd[2] < 0) {
        s = hone_fail_errno(err, HONE_E_IO, "The linker's files could not be made in memory");
    } else if (!hone_write_all(fd[0], object, n)) {
        s = errno == EFBIG
                ? too_large(err)
                : hone_fail_errno(err, HONE_E_IO, "The linker's files could not be made in memory");
    } else if ((sys = link_object(kind, shares, in, out, fd[1], fd[2], &status))) {
        s = not_started(sys, kind, err);
    } else if ((s = linked(status, log, err)) == HONE_OK && !(*ret = read_all(out, ret_n))) {
        s = hone_fail_errno(err, HONE_E_IO, "The linker's output could not be read");
    }
    for (size_t k = 0; k < HONE_LEN(fd); k++)
        if (fd[k] >= 0)
            close(fd[k]);
    return s;
}
