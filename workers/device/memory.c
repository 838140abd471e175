/* Guarded buffers.
 *
 * Everything a child touches exists before the fork, at the same address in both processes. Inputs
 * are private read-only maps of a file of which the nursery alone has another, which forks leave
 * out: a child that makes its map writable (seccomp cannot tell addresses) writes a copy of its
 * own. Outputs are shared, so that the nursery compares what the kernel wrote. */
#include "workers/device/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

/* Inaccessible on both sides: far enough for most overruns by a row, and costs no memory. */
#define GUARD ((size_t)1 << 20)

static size_t round_up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* ---- buffers ------------------------------------------------------------------------------- */

/* A file with so much memory. fallocate rather than MAP_POPULATE: it says so when there is not
 * enough, where a map would raise SIGBUS at some later access. */
static hone_status take(size_t bytes, int *ret_fd, hone_error *err)
{
    int fd = memfd_create("hone-data", MFD_CLOEXEC);
    if (fd >= 0 && ftruncate(fd, (off_t)bytes) == 0 && fallocate(fd, 0, 0, (off_t)bytes) == 0) {
        *ret_fd = fd;
        return HONE_OK;
    }
    int e = errno; /* ENOSPC here is no disk that is full */
    if (fd >= 0)
        close(fd);
    return hone_fail(err, e == EFBIG ? HONE_E_LIMIT : HONE_E_NOMEM,
                     "cannot get %zu bytes for the data of a kernel: %s%s", bytes, strerror(e),
                     e == EFBIG ? " (ulimit -f)" : "");
}

/* Addresses for the buffer, and a file with its memory. */
static hone_status reserve(size_t bytes, hone_device__buffer *ret, int *ret_fd, hone_error *err)
{
    hone_device__buffer b = {.bytes = bytes};
    b.body_bytes = round_up(bytes ? bytes : 1, (size_t)sysconf(_SC_PAGESIZE));
    b.map_bytes = b.body_bytes + 2 * GUARD;
    HONE_TRY(take(b.body_bytes, ret_fd, err));
    b.map = mmap(NULL, b.map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (b.map == MAP_FAILED) {
        close(*ret_fd);
        return hone_fail_errno(err, HONE_E_NOMEM, "cannot map %zu bytes", b.map_bytes);
    }
    b.body = b.map + GUARD;
    b.data = b.body;
    *ret = b;
    return HONE_OK;
}

static hone_status map_body(hone_device__buffer *b, int fd, int protection, int flags,
                            hone_error *err)
{
    if (mmap(b->body, b->body_bytes, protection, flags | MAP_FIXED | MAP_POPULATE, fd, 0) !=
        MAP_FAILED)
        return HONE_OK;
    return hone_fail_errno(err, HONE_E_NOMEM, "cannot map %zu bytes", b->body_bytes);
}

/* The nursery's own way to the pages of an input, where it was when there was one. */
static hone_status map_writer(hone_device__buffer *b, int fd, hone_error *err)
{
    int flags = MAP_SHARED | MAP_POPULATE | (b->writer ? MAP_FIXED : 0);
    void *p = mmap(b->writer, b->body_bytes, PROT_READ | PROT_WRITE, flags, fd, 0);
    if (p == MAP_FAILED)
        return hone_fail_errno(err, HONE_E_NOMEM, "cannot map %zu bytes", b->body_bytes);
    b->writer = p;
    if (madvise(p, b->body_bytes, MADV_DONTFORK) != 0)
        return hone_fail_errno(err, HONE_E_SANDBOX, "cannot keep inputs from being written");
    return HONE_OK;
}

static hone_status map_both(hone_device__buffer *b, int fd, bool is_input, hone_error *err)
{
    hone_status s = is_input ? map_writer(b, fd, err) : HONE_OK;
    if (s == HONE_OK)
        s = map_body(b, fd, is_input ? PROT_READ : PROT_READ | PROT_WRITE,
                     is_input ? MAP_PRIVATE : MAP_SHARED, err);
    close(fd);
    return s;
}

hone_status hone_device__buffer_renew(hone_device__buffer *b, hone_error *err)
{
    int fd;
    if (take(b->body_bytes, &fd, NULL) != HONE_OK)
        return HONE_OK;
    return map_both(b, fd, b->writer != NULL, err);
}

hone_status hone_device__buffer_new(size_t bytes, bool is_input, hone_device__buffer *ret,
                                    hone_error *err)
{
    int fd = -1;
    hone_status s = reserve(bytes, ret, &fd, err);
    if (s != HONE_OK)
        return s;
    s = map_both(ret, fd, is_input, err);
    if (s != HONE_OK)
        hone_device__buffer_free(ret);
    return s;
}

void hone_device__buffer_place(hone_device__buffer *b, hone_device__side side)
{
    size_t rounded = round_up(b->bytes ? b->bytes : 1, 64);
    b->data = side == HONE_DEVICE__AT_START ? b->body : b->body + b->body_bytes - rounded;
}

void hone_device__buffer_free(hone_device__buffer *b)
{
    if (b->writer)
        munmap(b->writer, b->body_bytes);
    if (b->map)
        munmap(b->map, b->map_bytes);
    *b = (hone_device__buffer){0};
}

static uint8_t *data_end(const hone_device__buffer *b)
{
    return b->data + b->bytes;
}

void hone_device__buffer_set_canary(hone_device__buffer *b)
{
    memset(b->body, HONE_DEVICE__CANARY, (size_t)(b->data - b->body));
    memset(data_end(b), HONE_DEVICE__CANARY, (size_t)(b->body + b->body_bytes - data_end(b)));
}

bool hone_device__buffer_overrun(const hone_device__buffer *b, int64_t *ret)
{
    for (const uint8_t *p = data_end(b); p < b->body + b->body_bytes; p++) {
        if (*p != HONE_DEVICE__CANARY) {
            *ret = p - b->data;
            return true;
        }
    }
    for (const uint8_t *p = b->data; p > b->body; p--) {
        if (p[-1] != HONE_DEVICE__CANARY) {
            *ret = p - 1 - b->data;
            return true;
        }
    }
    return false;
}
