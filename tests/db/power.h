/* Power cuts: an SQLite file layer that remembers what was synced. At any moment the disk can be
 * rebuilt as a cut would leave it: all that was synced, and none, all or some of what was only
 * written, whole or torn. */
#ifndef HONE_TESTS_POWER_H
#define HONE_TESTS_POWER_H

#include "base/base.h"

#include <sqlite3.h>
#include <unistd.h>

typedef struct change {
    int64_t offset;
    uint8_t *bytes; /* NULL: truncated to offset */
    int n;
} change;

typedef struct disk_file {
    char name[256];
    hone_buf synced;
    bool exists; /* was synced ever */
    HONE_VEC(change) pending;
} disk_file;

static disk_file disk[4]; /* the database, its journal and its WAL */
static char watched[256];
static sqlite3_vfs *below;
static void (*at_each)(void); /* called before each write, truncation and sync; may be NULL */

static disk_file *on_disk(const char *name)
{
    if (!name || !watched[0] || strncmp(name, watched, strlen(watched)) != 0 ||
        strstr(name, "-shm"))
        return NULL;
    for (size_t i = 0; i < HONE_LEN(disk); i++) {
        if (!disk[i].name[0])
            snprintf(disk[i].name, sizeof disk[i].name, "%s", name);
        if (strcmp(disk[i].name, name) == 0)
            return &disk[i];
    }
    hone_bug(__FILE__, __LINE__, "too many files");
}

static void drop_pending(disk_file *d)
{
    for (uint32_t i = 0; i < d->pending.n; i++)
        free(d->pending.v[i].bytes);
    d->pending.n = 0;
}

/* The first n bytes of a change, done to an image. */
static void apply(hone_buf *image, const change *c, int n)
{
    size_t end = (size_t)(c->offset + (c->bytes ? n : 0));
    static const uint8_t zeros[4096];
    if (!c->bytes) {
        image->n = end < image->n ? end : image->n;
        return;
    }
    while (image->n < end)
        hone_buf_add(image, zeros, end - image->n < 4096 ? end - image->n : 4096);
    memcpy(image->s + c->offset, c->bytes, (size_t)n);
}

/* ---- the file layer: everything is passed on, writes and syncs are noted ------------------- */

typedef struct shim {
    sqlite3_file base;
    disk_file *disk;
    sqlite3_file *real;
} shim;

#define REAL(f) (((shim *)(f))->real)
#define PASS(f, method, ...) REAL(f)->pMethods->method(REAL(f), ##__VA_ARGS__)

static void call_out(void)
{
    if (at_each)
        at_each();
}

static int s_close(sqlite3_file *f)
{
    return PASS(f, xClose);
}
static int s_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return PASS(f, xRead, p, n, at);
}
static int s_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 offset)
{
    disk_file *d = ((shim *)f)->disk;
    if (d) {
        call_out();
        change c = {offset, hone_xmalloc((size_t)n), n};
        memcpy(c.bytes, p, (size_t)n);
        hone_vec_push(&d->pending, c);
    }
    return PASS(f, xWrite, p, n, offset);
}
static int s_truncate(sqlite3_file *f, sqlite3_int64 n)
{
    disk_file *d = ((shim *)f)->disk;
    if (d) {
        call_out();
        hone_vec_push(&d->pending, (change){n, NULL, 0});
    }
    return PASS(f, xTruncate, n);
}
static int s_sync(sqlite3_file *f, int flags)
{
    disk_file *d = ((shim *)f)->disk;
    if (d) {
        call_out();
        for (uint32_t i = 0; i < d->pending.n; i++)
            apply(&d->synced, &d->pending.v[i], d->pending.v[i].n);
        drop_pending(d);
        d->exists = true;
    }
    return PASS(f, xSync, flags);
}
static int s_size(sqlite3_file *f, sqlite3_int64 *n)
{
    return PASS(f, xFileSize, n);
}
static int s_lock(sqlite3_file *f, int l)
{
    return PASS(f, xLock, l);
}
static int s_unlock(sqlite3_file *f, int l)
{
    return PASS(f, xUnlock, l);
}
static int s_reserved(sqlite3_file *f, int *r)
{
    return PASS(f, xCheckReservedLock, r);
}
static int s_control(sqlite3_file *f, int op, void *p)
{
    return PASS(f, xFileControl, op, p);
}
static int s_sector(sqlite3_file *f)
{
    return PASS(f, xSectorSize);
}
static int s_device(sqlite3_file *f)
{
    (void)f;
    return 0; /* promises nothing: no safe append, no power-safe overwrite */
}
static int s_shm_map(sqlite3_file *f, int i, int n, int extend, void volatile **p)
{
    return PASS(f, xShmMap, i, n, extend, p);
}
static int s_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    return PASS(f, xShmLock, at, n, flags);
}
static void s_shm_barrier(sqlite3_file *f)
{
    PASS(f, xShmBarrier);
}
static int s_shm_unmap(sqlite3_file *f, int del)
{
    return PASS(f, xShmUnmap, del);
}

static const sqlite3_io_methods methods = {
    2,          s_close,       s_read,      s_write,   s_truncate, s_sync,   s_size,
    s_lock,     s_unlock,      s_reserved,  s_control, s_sector,   s_device, s_shm_map,
    s_shm_lock, s_shm_barrier, s_shm_unmap, NULL,      NULL};

static int s_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret)
{
    (void)vfs;
    shim *s = (shim *)f;
    s->real = (sqlite3_file *)(s + 1);
    s->disk = on_disk(name);
    int rc = below->xOpen(below, name, s->real, flags, ret);
    f->pMethods = s->real->pMethods ? &methods : NULL;
    return rc;
}
static int s_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    (void)vfs;
    disk_file *d = on_disk(name);
    if (d && sync_folder) {
        drop_pending(d);
        hone_buf_reset(&d->synced);
        d->exists = false;
    }
    return below->xDelete(below, name, sync_folder);
}

/* The default from now on. */
static bool power_install(void)
{
    static sqlite3_vfs vfs;
    if (sqlite3_initialize() != SQLITE_OK)
        return false;
    below = sqlite3_vfs_find(NULL);
    vfs = *below;
    vfs.pNext = NULL;
    vfs.zName = "power";
    vfs.szOsFile = (int)sizeof(shim) + below->szOsFile;
    vfs.xOpen = s_open;
    vfs.xDelete = s_delete;
    return sqlite3_vfs_register(&vfs, 1) == SQLITE_OK;
}

/* ---- the cut ------------------------------------------------------------------------------- */

typedef enum mode { NONE_OF_IT, ALL_OF_IT, SOME_OF_IT, TORN, MODE_COUNT } mode;

/* Writes the files as they would be found, named after `to`. */
static void cut(const char *to, mode m, hone_rng *g)
{
    for (size_t i = 0; i < HONE_LEN(disk); i++) {
        disk_file *d = &disk[i];
        if (!d->name[0])
            continue;
        char path[512];
        snprintf(path, sizeof path, "%s%s", to, d->name + strlen(watched));
        unlink(path);
        if (!d->exists && (m == NONE_OF_IT || !d->pending.n))
            continue;
        hone_buf image = {0};
        hone_buf_add(&image, d->synced.s ? d->synced.s : "", d->synced.n);
        for (uint32_t k = 0; k < d->pending.n; k++) {
            const change *c = &d->pending.v[k];
            int n = c->n;
            if (m == NONE_OF_IT || (m >= SOME_OF_IT && hone_rng_below(g, 2)))
                continue;
            if (m == TORN && c->bytes)
                n = (int)hone_rng_below(g, (uint64_t)n / 512 + 1) * 512;
            apply(&image, c, n);
        }
        HONE_ASSERT(hone_file_write(path, image.s ? image.s : "", image.n, NULL) == HONE_OK);
        hone_buf_free(&image);
    }
}

static void power_forget(void)
{
    for (size_t i = 0; i < HONE_LEN(disk); i++) {
        drop_pending(&disk[i]);
        hone_vec_free(&disk[i].pending);
        hone_buf_free(&disk[i].synced);
        disk[i] = (disk_file){0};
    }
    watched[0] = '\0';
}

#endif
