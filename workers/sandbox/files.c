/* Which files a process may reach: Landlock, which needs no privileges. */
#include "workers/sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From linux/landlock.h, of which Debian 12 has an older one. */
#define ACCESS_EXECUTE (1ULL << 0)
#define ACCESS_WRITE_FILE (1ULL << 1)
#define ACCESS_READ_FILE (1ULL << 2)
#define ACCESS_READ_DIR (1ULL << 3)
#define RULE_PATH_BENEATH 1
#define CREATE_RULESET_VERSION (1U << 0)

typedef struct ruleset {
    uint64_t files, net, scoped;
} ruleset;

typedef struct beneath {
    uint64_t access;
    int32_t parent;
} __attribute__((packed)) beneath;

/* Everything that a version of Landlock can forbid. */
static ruleset all_of(long version)
{
    ruleset r = {.files = (1ULL << 13) - 1};
    r.files |= version >= 2 ? 1ULL << 13 : 0; /* renaming between folders */
    r.files |= version >= 3 ? 1ULL << 14 : 0; /* truncating */
    r.files |= version >= 5 ? 1ULL << 15 : 0; /* ioctl of devices */
    r.net = version >= 4 ? 3 : 0;             /* binding and connecting TCP */
    r.scoped = version >= 6 ? 3 : 0;          /* abstract sockets, and signals, out of it */
    return r;
}

/* What is not there needs no rule. */
static void allow(int set, const char *path, uint64_t access)
{
    int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return;
    beneath b = {access, fd};
    if (syscall(SYS_landlock_add_rule, set, RULE_PATH_BENEATH, &b, 0) != 0 && errno == EINVAL) {
        b.access &= ~ACCESS_READ_DIR; /* it is a file */
        syscall(SYS_landlock_add_rule, set, RULE_PATH_BENEATH, &b, 0);
    }
    close(fd);
}

int hone_sandbox__files_only(const char *const *paths, size_t n)
{
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_RULESET_VERSION);
    if (version < 0)
        return errno;
    ruleset all = all_of(version);
    size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
    int set = (int)syscall(SYS_landlock_create_ruleset, &all, size, 0);
    if (set < 0)
        return errno;
    for (size_t i = 0; i < n; i++)
        allow(set, paths[i], ACCESS_READ_FILE | ACCESS_READ_DIR | ACCESS_EXECUTE);
    allow(set, "/dev/null", ACCESS_READ_FILE | ACCESS_WRITE_FILE);
    int e = syscall(SYS_landlock_restrict_self, set, 0) == 0 ? 0 : errno;
    close(set);
    return e;
}
