/* Writing files so that nobody ever sees half of one, and several as one set.
 *
 * Reader's map: bytes to a descriptor; where a path leads; temporaries beside the place; putting
 * them in place, or everything back. Fault sites: file.create, file.write, file.sync, file.close,
 * file.rename. */
#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fault(const char *site, int as)
{
    if (!hone_fault(site))
        return false;
    errno = as;
    return true;
}

/* ---- bytes to a descriptor ------------------------------------------------------------------ */

bool hone_write_all(int fd, const void *bytes, size_t n)
{
    const char *p = bytes;
    while (n > 0) {
        ssize_t k = fault("file.write", ENOSPC) ? -1 : write(fd, p, n);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

static hone_status write_all(int fd, const char *path, const void *bytes, size_t n, hone_error *err)
{
    return hone_write_all(fd, bytes, n)
               ? HONE_OK
               : hone_fail_errno(err, HONE_E_IO, "cannot write '%s'", path);
}

/* Closes it in any case; of a file so far good, what is written must be on the disk. */
static hone_status finish(int fd, const char *path, hone_status s, hone_error *err)
{
    if (s == HONE_OK && (fault("file.sync", EIO) || fsync(fd) != 0))
        s = hone_fail_errno(err, HONE_E_IO, "cannot sync '%s'", path);
    if ((close(fd) != 0 || fault("file.close", ENOSPC)) && s == HONE_OK)
        s = hone_fail_errno(err, HONE_E_IO, "cannot write '%s'", path);
    return s;
}

/* ---- where a path leads --------------------------------------------------------------------- */

/* One file on its way to its place. The other names are in the place's folder, so that renaming
 * never copies. */
typedef struct pending {
    const char *path; /* as given, for messages */
    char *place;      /* where the links from it end */
    char *temporary;  /* written and not yet renamed; NULL: none */
    char *aside;      /* what was at the place and was moved; NULL: none */
    bool placed;      /* the new file is at the place */
    bool exists;      /* a regular file is there at the start, with: */
    mode_t mode;
    uid_t uid;
    gid_t gid;
} pending;

/* The descriptor of this process that the path names, such as 1 for /proc/self/fd/1, or -1. */
static int own_descriptor(const char *path)
{
    static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};
    for (unsigned k = 0; k < HONE_LEN(folders); k++) {
        size_t n = strlen(folders[k]);
        char *end;
        if (strncmp(path, folders[k], n) != 0 || path[n] < '0' || path[n] > '9')
            continue;
        long fd = strtol(path + n, &end, 10);
        return *end == '\0' && fd <= INT_MAX ? (int)fd : -1;
    }
    return -1;
}

/* Follows links by hand, since the last may point to what is not there yet. Stops at names of
 * descriptors: behind those is an open file, not a path. */
static char *resolve(const char *path)
{
    enum { MOST_LINKS = 40 }; /* the kernel's own limit */
    char *at = hone_xstrdup(path);
    for (int k = 0; k < MOST_LINKS && own_descriptor(at) < 0; k++) {
        char to[PATH_MAX];
        ssize_t n = readlink(at, to, sizeof to - 1);
        if (n < 0)
            break;
        to[n] = '\0';
        const char *slash = strrchr(at, '/');
        char *next = to[0] == '/' || !slash
                         ? hone_xstrdup(to)
                         : hone_xasprintf("%.*s%s", (int)(slash - at + 1), at, to);
        free(at);
        at = next;
    }
    return at;
}

static hone_status look(const char *path, pending *ret, hone_error *err)
{
    struct stat sb;
    *ret = (pending){.path = path, .place = resolve(path)};
    /* of the path, so that the kernel may forbid to follow a link of others in /tmp */
    if (stat(path, &sb) != 0)
        return errno == ENOENT ? HONE_OK
                               : hone_fail_errno(err, HONE_E_IO, "cannot write '%s'", path);
    if (!S_ISREG(sb.st_mode))
        return hone_fail(err, HONE_E_IO, "cannot write '%s': it is %s", path,
                         S_ISDIR(sb.st_mode) ? "a folder" : "not a regular file");
    ret->exists = true;
    ret->mode = sb.st_mode & 0777;
    ret->uid = sb.st_uid;
    ret->gid = sb.st_gid;
    return HONE_OK;
}

/* ---- temporaries ---------------------------------------------------------------------------- */

/* A name in the folder of `place` that nothing has. Short, since the place's own may be as long as
 * names can be. */
static char *name_beside(const char *place)
{
    static _Atomic uint64_t count;
    const char *slash = strrchr(place, '/');
    uint64_t h = hone_hash_mix((uint64_t)getpid() << 32 | count++, (uint64_t)hone_clock_ns());
    return hone_xasprintf("%.*s.hone-%016" PRIx64 ".tmp", slash ? (int)(slash - place + 1) : 0,
                          place, h);
}

/* The mode is kept, the owner where that is allowed. */
static bool as_before(int fd, const pending *f)
{
    return !f->exists ||
           ((fchown(fd, f->uid, f->gid) == 0 || errno == EPERM) && fchmod(fd, f->mode) == 0);
}

static hone_status write_temporary(pending *f, const void *bytes, size_t n, hone_error *err)
{
    f->temporary = name_beside(f->place);
    int fd = fault("file.create", EACCES)
                 ? -1
                 : open(f->temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                        f->exists ? 0600 : 0666);
    if (fd < 0) {
        free(f->temporary);
        f->temporary = NULL;
        return hone_fail_errno(err, HONE_E_IO, "cannot create '%s'", f->path);
    }
    hone_status s = write_all(fd, f->path, bytes, n, err);
    if (s == HONE_OK && !as_before(fd, f))
        s = hone_fail_errno(err, HONE_E_IO, "cannot give '%s' the mode it had", f->path);
    return finish(fd, f->path, s, err);
}

/* ---- putting in place ----------------------------------------------------------------------- */

static hone_status move(const char *from, const char *to, const char *path, hone_error *err)
{
    if (fault("file.rename", EIO) || rename(from, to) != 0)
        return hone_fail_errno(err, HONE_E_IO, "cannot replace '%s'", path);
    return HONE_OK;
}

/* A single file replaces what was there in one step. Of several, what was there is moved aside
 * first and the last one before all, so that whoever finds the last one finds all of its set. */
static hone_status put_in_place(pending *files, unsigned n, hone_error *err)
{
    for (unsigned k = n; n > 1 && k-- > 0;) {
        pending *f = &files[k];
        char *aside = f->exists ? name_beside(f->place) : NULL;
        hone_status s = aside ? move(f->place, aside, f->path, err) : HONE_OK;
        if (s != HONE_OK) {
            free(aside);
            return s;
        }
        f->aside = aside;
    }
    for (unsigned k = 0; k < n; k++) {
        pending *f = &files[k];
        HONE_TRY(move(f->temporary, f->place, f->path, err));
        free(f->temporary);
        f->temporary = NULL;
        f->placed = true;
    }
    return HONE_OK;
}

/* After a failure. What cannot even be moved back keeps the name it has. */
static void put_back(pending *files, unsigned n)
{
    for (unsigned k = n; k-- > 0;)
        if (files[k].placed)
            unlink(files[k].place);
    for (unsigned k = 0; k < n; k++)
        if (files[k].aside) {
            (void)!rename(files[k].aside, files[k].place);
            free(files[k].aside);
            files[k].aside = NULL;
        }
}

static void clean_up(pending *f)
{
    if (f->temporary)
        unlink(f->temporary);
    if (f->aside)
        unlink(f->aside);
    free(f->temporary);
    free(f->aside);
    free(f->place);
}

/* While there are temporaries, what would end the process has to wait. */
static void hold_signals(sigset_t *ret_old)
{
    static const int ending[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGALRM};
    sigset_t set;
    sigemptyset(&set);
    for (unsigned k = 0; k < HONE_LEN(ending); k++)
        sigaddset(&set, ending[k]);
    pthread_sigmask(SIG_BLOCK, &set, ret_old);
}

hone_status hone_file_write_set(const hone_file *files, unsigned n, hone_error *err)
{
    pending p[HONE_FILE_SET] = {0};
    HONE_ASSERT(n <= HONE_FILE_SET);
    hone_status s = HONE_OK;
    for (unsigned k = 0; k < n && s == HONE_OK; k++) {
        s = look(files[k].path, &p[k], err);
        for (unsigned i = 0; i < k && s == HONE_OK; i++)
            if (strcmp(p[i].place, p[k].place) == 0)
                s = hone_fail(err, HONE_E_IO, "cannot write '%s' and '%s': they are one file",
                              p[i].path, p[k].path);
    }
    sigset_t old;
    hold_signals(&old);
    for (unsigned k = 0; k < n && s == HONE_OK; k++)
        s = write_temporary(&p[k], files[k].bytes, files[k].n, err);
    if (s == HONE_OK && (s = put_in_place(p, n, err)) != HONE_OK)
        put_back(p, n);
    for (unsigned k = 0; k < n; k++)
        clean_up(&p[k]);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return s;
}

/* Devices, FIFOs and open descriptors are written to as they are; signals end that at any time. */
static hone_status write_through(const char *path, const char *place, const void *bytes, size_t n,
                                 hone_error *err)
{
    int own = own_descriptor(place);
    if (own >= 0) {
        fflush(stdout);
        return write_all(own, path, bytes, n, err);
    }
    int fd = open(place, O_WRONLY | O_NOCTTY | O_CLOEXEC);
    if (fd < 0)
        return hone_fail_errno(err, HONE_E_IO, "cannot write '%s'", path);
    hone_status s = write_all(fd, path, bytes, n, err);
    if (close(fd) != 0 && s == HONE_OK)
        s = hone_fail_errno(err, HONE_E_IO, "cannot write '%s'", path);
    return s;
}

hone_status hone_file_write(const char *path, const void *bytes, size_t n, hone_error *err)
{
    struct stat sb;
    char *place = resolve(path);
    bool stream = own_descriptor(place) >= 0 ||
                  (stat(path, &sb) == 0 && !S_ISREG(sb.st_mode) && !S_ISDIR(sb.st_mode));
    hone_status s = stream ? write_through(path, place, bytes, n, err)
                           : hone_file_write_set(&(hone_file){path, bytes, n}, 1, err);
    free(place);
    return s;
}

hone_status hone_file_write_secret(const char *path, const void *bytes, size_t n, hone_error *err)
{
    sigset_t old;
    hold_signals(&old);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    hone_status s;
    if (fd < 0) {
        s = hone_fail_errno(err, errno == EEXIST ? HONE_E_INPUT : HONE_E_IO, "cannot create '%s'",
                            path);
    } else {
        s = finish(fd, path, write_all(fd, path, bytes, n, err), err);
        if (s != HONE_OK)
            unlink(path);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return s;
}
