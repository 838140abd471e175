/* The spool's files: one for each result, named by its lease, written whole or not at all. */
#include "workers/spool/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#define ENDING ".result"
#define ASIDE ".bad"
#define SET_MS INT64_C(1577836800000) /* 2020: a wall clock that says less was not set then */

static char *path_of(const hone_workers__folder *f, const hone_workers__kept *k)
{
    return hone_xasprintf("%s/%016" PRIx64 "-%016" PRIx64 ENDING, f->path, k->realm, k->fence);
}

static bool ends_with(const char *s, const char *ending)
{
    size_t n = strlen(s), k = strlen(ending);
    return n > k && strcmp(s + n - k, ending) == 0;
}

/* One that cannot be read stays as it is, out of the way. */
static void set_aside(const char *path, const char *why)
{
    char *to = hone_xasprintf("%s" ASIDE, path);
    bool moved = rename(path, to) == 0;
    hone_log(HONE_LOG_WARN, "kept result '%s' is left out: %s%s", path, why,
             moved ? "; it is called *" ASIDE " now" : "");
    free(to);
}

/* Of a write that a kill cut short. */
static void drop_temporary(const hone_workers__folder *f, const char *name)
{
    char *path = hone_xasprintf("%s/%s", f->path, name);
    unlink(path);
    free(path);
}

/* What a file says of its age counts once: from here on it ages by the steady clock. */
static int64_t since(int64_t ended_ms)
{
    const int64_t most_ms = HONE_WORKERS__SPOOL_AGE_NS / 1000000 + 1;
    int64_t now_ms = hone_clock_wall_ms();
    int64_t age_ms = ended_ms < SET_MS || ended_ms > now_ms ? 0 : now_ms - ended_ms;
    return hone_clock_ns() - (age_ms < most_ms ? age_ms : most_ms) * 1000000;
}

static void read_one(hone_workers__folder *f, const char *name, hone_workers__spool *ret)
{
    char *path = hone_xasprintf("%s/%s", f->path, name), *bytes = NULL;
    size_t n = 0;
    hone_error err = {0};
    hone_workers__kept k, gone;
    hone_status s = hone_file_read(path, HONE_WORKERS__SPOOL_FILE_MAX, &bytes, &n, &err);
    if (s == HONE_OK)
        s = hone_workers__kept_read(bytes, n, &k, &err);
    char *right = s == HONE_OK ? path_of(f, &k) : NULL;
    if (right && strcmp(path, right) != 0) {
        s = hone_fail(&err, HONE_E_CORRUPT, "it is the result of '%s'", right);
        hone_workers__kept_free(&k);
    }
    free(right);
    if (s == HONE_OK)
        k.since_ns = since(k.ended_ms);
    if (s != HONE_OK) {
        set_aside(path, err.message);
    } else if (hone_workers__spool_put(ret, &k, &gone)) {
        hone_workers__folder_drop(f, &gone);
        hone_workers__kept_free(&gone);
    }
    free(bytes);
    free(path);
}

static int by_age(const void *a, const void *b)
{
    const hone_workers__kept *x = a, *y = b;
    return (x->ended_ms > y->ended_ms) - (x->ended_ms < y->ended_ms);
}

static hone_status read_all(hone_workers__folder *f, hone_workers__spool *ret, hone_error *err)
{
    DIR *d = opendir(f->path);
    if (!d)
        return hone_fail_errno(err, HONE_E_IO, "cannot read folder '%s'", f->path);
    for (struct dirent *e; (e = readdir(d));) {
        if (ends_with(e->d_name, ENDING))
            read_one(f, e->d_name, ret);
        else if (strncmp(e->d_name, ".hone-", 6) == 0 && ends_with(e->d_name, ".tmp"))
            drop_temporary(f, e->d_name);
    }
    closedir(d);
    if (ret->v.n > 1)
        qsort(ret->v.v, ret->v.n, sizeof *ret->v.v, by_age);
    return HONE_OK;
}

hone_status hone_workers__folder_open(const char *path, hone_workers__folder *ret,
                                      hone_workers__spool *ret_spool, hone_error *err)
{
    HONE_TRY(hone_dir_make(path, err));
    hone_workers__folder f = {.path = hone_xstrdup(path)};
    f.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    hone_status s = HONE_OK;
    if (f.fd < 0)
        s = hone_fail_errno(err, HONE_E_IO, "cannot open folder '%s'", path);
    else if (flock(f.fd, LOCK_EX | LOCK_NB) != 0)
        s = errno == EWOULDBLOCK
                ? hone_fail(err, HONE_E_BUSY, "another worker keeps its results in '%s'", path)
                : hone_fail_errno(err, HONE_E_IO, "cannot lock folder '%s'", path);
    if (s == HONE_OK)
        s = read_all(&f, ret_spool, err);
    if (s != HONE_OK) {
        hone_workers__folder_close(&f);
        return s;
    }
    *ret = f;
    return HONE_OK;
}

void hone_workers__folder_store(hone_workers__folder *f, hone_workers__kept *k)
{
    if (!f->path)
        return;
    hone_buf b = {0};
    hone_error err = {0};
    char *path = path_of(f, k);
    hone_workers__kept_write(k, &b);
    hone_status s = hone_file_write(path, b.s, b.n, &err);
    k->stored = s == HONE_OK;
    if (s == HONE_OK && fsync(f->fd) != 0) /* its name, too */
        s = hone_fail_errno(&err, HONE_E_IO, "cannot sync folder '%s'", f->path);
    if (s != HONE_OK && !f->failing)
        hone_log(HONE_LOG_WARN,
                 "%s; until this goes well again, results that are not acknowledged are lost with "
                 "this process",
                 err.message);
    else if (s == HONE_OK && f->failing)
        hone_log(HONE_LOG_WARN, "results are kept in '%s' again", f->path);
    f->failing = s != HONE_OK;
    free(path);
    hone_buf_free(&b);
}

void hone_workers__folder_drop(hone_workers__folder *f, const hone_workers__kept *k)
{
    if (!f->path || !k->stored)
        return;
    char *path = path_of(f, k);
    if (unlink(path) != 0 && errno != ENOENT)
        hone_log(HONE_LOG_WARN, "cannot remove '%s': %s", path, strerror(errno));
    free(path);
}

void hone_workers__folder_close(hone_workers__folder *f)
{
    if (!f->path)
        return;
    if (f->fd >= 0)
        close(f->fd);
    free(f->path);
    *f = (hone_workers__folder){0};
}
