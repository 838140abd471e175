/* Data beside the model. A model is a stranger's file: what it names lies in its own folder or
 * below, as a regular file, and no link leads out. The kernel holds to that where it can (openat2,
 * RESOLVE_BENEATH; Linux 5.6); else each part of the path is opened by itself and is no link. */
#include "net/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_inside(const char *name)
{
    if (name[0] == '/' || name[0] == '\0')
        return false;
    for (const char *part = name; part;) {
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0'))
            return false;
        part = strchr(part, '/');
        part = part ? part + 1 : NULL;
    }
    return true;
}

static int open_by_parts(int folder, const char *name)
{
    int at = dup(folder);
    char *path = hone_xstrdup(name), *part = path;
    while (at >= 0 && part) {
        char *slash = strchr(part, '/');
        if (slash)
            *slash = '\0';
        int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | (slash ? O_DIRECTORY : O_NONBLOCK);
        int next = openat(at, *part ? part : ".", flags);
        int sys = errno;
        close(at);
        errno = sys;
        at = next;
        part = slash ? slash + 1 : NULL;
    }
    int sys = errno;
    free(path);
    errno = sys;
    return at;
}

static int open_inside(const char *folder, const char *name)
{
    int at = open(*folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return -1;
    struct open_how how = {.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS};
    int fd = (int)syscall(SYS_openat2, at, name, &how, sizeof how);
    if (fd < 0 && (errno == ENOSYS || errno == EPERM))
        fd = open_by_parts(at, name);
    int sys = errno;
    close(at);
    errno = sys;
    return fd;
}

static hone_status read_at(int fd, const char *name, uint64_t offset, uint64_t n, char *to,
                           hone_error *err)
{
    struct stat sb;
    if (fstat(fd, &sb) != 0)
        return hone_fail_errno(err, HONE_E_IO, "external data '%.200s'", name);
    if (!S_ISREG(sb.st_mode))
        return hone_fail(err, HONE_E_INPUT, "external data '%.200s' is not a regular file", name);
    uint64_t size = (uint64_t)sb.st_size;
    if (offset > size || n > size - offset)
        return hone_fail(err, HONE_E_INPUT,
                         "external data '%.200s' has %" PRIu64 " bytes, not the %" PRIu64
                         " at offset %" PRIu64,
                         name, size, n, offset);
    while (n) {
        ssize_t got = pread(fd, to, n < 1u << 30 ? n : 1u << 30, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return hone_fail_errno(err, HONE_E_IO, "external data '%.200s'", name);
        if (got == 0)
            return hone_fail(err, HONE_E_INPUT, "external data '%.200s' became shorter", name);
        to += got;
        offset += (uint64_t)got;
        n -= (uint64_t)got;
    }
    return HONE_OK;
}

hone_status hone_net__read_external(const char *folder, const char *name, uint64_t offset,
                                    uint64_t n, void *to, hone_error *err)
{
    if (!is_inside(name))
        return hone_fail(err, HONE_E_INPUT,
                         "external data '%.200s' is not in the model's folder: put it there", name);
    int fd = open_inside(folder, name);
    if (fd < 0 && (errno == EXDEV || errno == ELOOP))
        return hone_fail(err, HONE_E_INPUT,
                         "external data '%.200s': a link leads out of the model's folder", name);
    if (fd < 0)
        return hone_fail(err, HONE_E_INPUT, "external data '%.200s': %s", name, strerror(errno));
    hone_status st = read_at(fd, name, offset, n, to, err);
    close(fd);
    return st;
}
