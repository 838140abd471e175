/* The file: what it is, its one name, whether it is still there, where it lies. */
#include "db/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* ---- what it is, before SQLite sees it ----------------------------------------------------- */

enum { HEAD_BYTES = 100, HEAD_APPLICATION_ID = 68 };

/* Reads the file's head. By SQLite's own file layer, because closing a descriptor of our own would
 * drop the locks that other handles of this process hold on the same file. */
static bool read_head(const char *path, uint8_t head[HEAD_BYTES])
{
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    sqlite3_file *f = hone_xcalloc(1, (size_t)vfs->szOsFile);
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB;
    bool good = vfs->xOpen(vfs, path, f, flags, &flags) == SQLITE_OK &&
                f->pMethods->xRead(f, head, HEAD_BYTES, 0) == SQLITE_OK;
    if (f->pMethods)
        f->pMethods->xClose(f);
    free(f);
    return good;
}

/* Looks at the file before SQLite does, so that a foreign file is never locked, recovered or
 * converted. The application id is set before the file ever has a WAL, so it always stands in the
 * file itself. HONE_E_NOTFOUND also for a file of no bytes. */
hone_status hone_db__file_sniff(const char *path, hone_error *err)
{
    struct stat sb;
    if (stat(path, &sb) != 0)
        return errno == ENOENT ? hone_fail(err, HONE_E_NOTFOUND, "there is no database '%s'", path)
                               : hone_fail_errno(err, HONE_E_IO, "cannot open '%s'", path);
    if (!S_ISREG(sb.st_mode))
        return hone_fail(err, HONE_E_FOREIGN, "'%s' is %s, not a hone database: name a file", path,
                         S_ISDIR(sb.st_mode) ? "a folder" : "no ordinary file");
    if (access(path, R_OK) != 0)
        return hone_fail_errno(err, HONE_E_DENIED, "may not read '%s'", path);
    if (sb.st_size == 0)
        return hone_fail(err, HONE_E_NOTFOUND, "'%s' is empty, not yet a database", path);
    uint8_t head[HEAD_BYTES] = {0};
    if (sb.st_size >= HEAD_BYTES && !read_head(path, head))
        return hone_fail_errno(err, HONE_E_IO, "cannot read '%s'", path);
    if (memcmp(head, "SQLite format 3", 16) != 0)
        return hone_fail(err, HONE_E_FOREIGN, "'%s' is not a hone database: name another file",
                         path);
    uint32_t id = 0;
    for (int i = 0; i < 4; i++)
        id = id << 8 | head[HEAD_APPLICATION_ID + i];
    if (id != HONE_DB_APPLICATION_ID)
        return hone_fail(err, HONE_E_FOREIGN,
                         "'%s' is an SQLite database of another program: name another file", path);
    return HONE_OK;
}

/* ---- its name ------------------------------------------------------------------------------ */

/* What a link that leads nowhere yet names: SQLite would make the file there. NULL: not a link. */
static char *target_of(const char *link)
{
    char to[PATH_MAX];
    ssize_t n = readlink(link, to, sizeof to);
    if (n < 0 || n == sizeof to)
        return NULL;
    if (to[0] == '/')
        return hone_xasprintf("%.*s", (int)n, to);
    char *copy = hone_xstrdup(link);
    char *path = hone_xasprintf("%s/%.*s", dirname(copy), (int)n, to);
    free(copy);
    return path;
}

static hone_status without_links(const char *path, char **ret, hone_error *err)
{
    char real[PATH_MAX];
    if (realpath(path, real)) {
        *ret = hone_xstrdup(real);
        return HONE_OK;
    }
    if (errno != ENOENT)
        return hone_fail_errno(err, errno == EACCES ? HONE_E_DENIED : HONE_E_IO, "cannot open '%s'",
                               path);
    char *next = target_of(path);
    if (next) { /* a loop of links is ELOOP above */
        hone_status s = without_links(next, ret, err);
        free(next);
        return s;
    }
    char *a = hone_xstrdup(path), *b = hone_xstrdup(path);
    hone_status s = HONE_OK;
    if (realpath(dirname(a), real))
        *ret = hone_xasprintf("%s/%s", strcmp(real, "/") == 0 ? "" : real, basename(b));
    else
        s = hone_fail_errno(err, errno == ENOENT ? HONE_E_NOTFOUND : HONE_E_IO,
                            "cannot open '%s': its folder", path);
    free(a);
    free(b);
    return s;
}

hone_status hone_db__file_resolve(const char *path, char **ret, hone_error *err)
{
    if (!*path)
        return hone_fail(err, HONE_E_INPUT, "a database needs a file name");
    return without_links(path, ret, err);
}

hone_status hone_db__file_has_one_name(const char *path, hone_error *err)
{
    struct statx x;
    if (statx(AT_FDCWD, path, 0, STATX_NLINK, &x) != 0)
        return errno == ENOENT ? HONE_OK /* about to be made */
                               : hone_fail_errno(err, HONE_E_IO, "cannot open '%s'", path);
    if (x.stx_nlink > 1)
        return hone_fail(err, HONE_E_INPUT,
                         "'%s' has %u names (hard links), and its write-ahead log would lie beside "
                         "one of them only: remove the others (`find -samefile %s` lists them), or "
                         "write to a copy",
                         path, x.stx_nlink, path);
    if (x.stx_attributes & STATX_ATTR_MOUNT_ROOT)
        return hone_fail(err, HONE_E_INPUT,
                         "'%s' is mounted by itself, and its write-ahead log would not lie beside "
                         "it: mount its folder",
                         path);
    return HONE_OK;
}

/* ---- is it still there? -------------------------------------------------------------------- */

static hone_status look(const char *path, hone_db__file *f, hone_error *err)
{
    struct stat sb;
    if (stat(path, &sb) != 0)
        return errno == ENOENT ? hone_fail(err, HONE_E_IO,
                                           "'%s' was removed while hone wrote to it: what it held "
                                           "is gone; run again to start a new one",
                                           path)
                               : hone_fail_errno(err, HONE_E_IO, "cannot look at '%s'", path);
    if (f->inode == 0)
        *f = (hone_db__file){sb.st_dev, sb.st_ino, 0};
    if (sb.st_dev != f->device || sb.st_ino != f->inode)
        return hone_fail(err, HONE_E_IO,
                         "'%s' was replaced while hone wrote to it: what this run stored is not in "
                         "the file that is there now; run again to go on with that one",
                         path);
    if (sb.st_size < f->bytes)
        return hone_fail(err, HONE_E_IO,
                         "'%s' was cut short while hone wrote to it: put back a copy, or save what "
                         "is readable with: hone db salvage %s NEW_FILE",
                         path, path);
    f->bytes = sb.st_size;
    return HONE_OK;
}

hone_status hone_db__file_is_there(hone_db *db, hone_error *err)
{
    HONE_TRY(look(db->path, &db->file, err));
    char *wal = hone_xasprintf("%s-wal", db->path);
    hone_status s = look(wal, &db->wal, err);
    db->wal.bytes = 0; /* this one may shrink */
    free(wal);
    return s;
}

/* ---- where it lies ------------------------------------------------------------------------- */

/* File systems shared between machines, whose locks and shared memory SQLite's WAL cannot use. */
bool hone_db__file_on_network(const char *path)
{
    static const long magics[] = {0x6969 /* NFS */, 0x517b /* SMB */, 0xff534d42 /* CIFS */,
                                  0xfe534d42 /* SMB2 */};
    char *copy = hone_xstrdup(path);
    struct statfs fs;
    bool yes = false;
    if (statfs(dirname(copy), &fs) == 0)
        for (size_t i = 0; i < HONE_LEN(magics); i++)
            yes |= (uint32_t)fs.f_type == (uint32_t)magics[i];
    free(copy);
    return yes;
}

bool hone_db__file_may_write_beside(const char *path)
{
    char *copy = hone_xstrdup(path);
    bool yes = access(dirname(copy), W_OK) == 0;
    free(copy);
    return yes;
}

/* ---- removing -------------------------------------------------------------------------------- */

void hone_db__file_remove(const char *path)
{
    static const char *const suffixes[] = {"", "-wal", "-shm", ".lock"};
    for (unsigned k = 0; k < HONE_LEN(suffixes); k++) {
        char *name = hone_xasprintf("%s%s", path, suffixes[k]);
        unlink(name);
        free(name);
    }
}
