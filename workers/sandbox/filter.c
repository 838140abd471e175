/* Filters of system calls: compiled once by libseccomp, applied as plain BPF. SPEC_ALLOW keeps the
 * kernel from turning off speculation for a process that has a filter, which Linux before 5.16
 * does. */
#include "workers/sandbox/sandbox.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* libseccomp writes a compiled filter to a descriptor only; read it back. */
static int export_filter(scmp_filter_ctx f, hone_sandbox__filter *ret)
{
    int fd = memfd_create("hone-filter", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    int e = seccomp_export_bpf(f, fd);
    off_t size = e == 0 ? lseek(fd, 0, SEEK_END) : -1;
    size_t n = size > 0 ? (size_t)size / sizeof *ret->code : 0;
    if (e == 0 && n > 0 && n <= BPF_MAXINSNS) {
        ret->code = hone_xmalloc(n * sizeof *ret->code);
        ret->n = (unsigned short)n;
        if (pread(fd, ret->code, n * sizeof *ret->code, 0) != size)
            e = -EIO;
    } else if (e == 0) {
        e = -EINVAL;
    }
    close(fd);
    return e;
}

int hone_sandbox__filter_build(uint32_t otherwise, int (*add)(scmp_filter_ctx),
                               hone_sandbox__filter *ret)
{
    scmp_filter_ctx f = seccomp_init(otherwise);
    if (!f) /* libseccomp has looked whether there is the system call */
        return -ENOSYS;
    int e = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (e == 0)
        e = add(f);
    if (e == 0) /* a tree instead of a list; needs rules to be there */
        e = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (e == 0)
        e = export_filter(f, ret);
    seccomp_release(f);
    return e;
}

int hone_sandbox__filter_apply(const hone_sandbox__filter *f)
{
    struct sock_fprog program = {.len = f->n, .filter = f->code};
    long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                     SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_SPEC_ALLOW, &program);
    /* A positive result is a thread that could not be brought under the filter. */
    return r == 0 ? 0 : r > 0 ? EBUSY : errno;
}
