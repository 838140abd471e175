/* Networks: their weights, mapped from a file, and what is packed of them. */
#include "runtime/hone_rt.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ALIGN 64
#define HUGE_PAGE (2 << 20) /* most processors' */

/* FNV-1a (Fowler, Noll, Vo) over words of eight bytes, in eight lanes so that it keeps up with
 * memory. */
uint64_t hone_rt_net_hash(const void *bytes, int64_t n)
{
    uint64_t h[8], x;
    const unsigned char *p = bytes;
    int64_t k = 0;
    for (unsigned l = 0; l < 8; l++)
        h[l] = 0xcbf29ce484222325u + l;
    for (; n - k >= 64; k += 64)
        for (unsigned l = 0; l < 8; l++) {
            memcpy(&x, p + k + 8 * l, 8);
            h[l] = (h[l] ^ x) * 0x100000001b3u;
            h[l] ^= h[l] >> 29;
        }
    for (; k < n; k++)
        h[0] = (h[0] ^ p[k]) * 0x100000001b3u;
    for (unsigned l = 1; l < 8; l++)
        h[0] = (h[0] ^ h[l] ^ (h[0] >> 31)) * 0x100000001b3u;
    return h[0] ^ (uint64_t)n;
}

/* Maps the whole file; NULL with errno. */
static const void *map(const char *path, int64_t bytes, int32_t *ret)
{
    static const char none;
    struct stat sb;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    *ret = HONE_RT_NOFILE;
    if (fd < 0)
        return NULL;
    const void *p = NULL;
    if (fstat(fd, &sb) == 0) {
        if (!S_ISREG(sb.st_mode) || sb.st_size != bytes)
            *ret = HONE_RT_WEIGHTS;
        else if (bytes == 0)
            p = &none;
        else
            p = mmap(NULL, (size_t)bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    }
    int error = errno;
    close(fd);
    errno = error;
    return p == MAP_FAILED ? NULL : p;
}

/* What was read of the file need not stay in memory: what is read again comes from the system's
 * cache of files. */
static void let_go(const void *weights, int64_t bytes)
{
    if (bytes)
        (void)madvise((void *)(uintptr_t)weights, (size_t)bytes, MADV_DONTNEED);
}

void *hone_rt_net_workspace(int64_t bytes)
{
    size_t align = bytes < HUGE_PAGE ? ALIGN : HUGE_PAGE;
    size_t n = ((size_t)bytes + align - 1) / align * align;
    void *p = bytes < 0 ? NULL : aligned_alloc(align, n ? n : align);
    if (p && align == HUGE_PAGE)
        (void)madvise(p, n, MADV_HUGEPAGE);
    return p;
}

int32_t hone_rt_net_open(hone_rt_net *ret, const char *path, const hone_rt_network *network)
{
    int32_t st;
    hone_rt_net net = {.network = network};
    memset(ret, 0, sizeof *ret);
    if (network->abi != HONE_RT_NET_ABI)
        return HONE_RT_WEIGHTS;
    net.weights = map(path, network->weights_bytes, &st);
    if (!net.weights)
        return st;
    st = hone_rt_net_hash(net.weights, network->weights_bytes) == network->weights_hash
             ? 0
             : HONE_RT_WEIGHTS;
    let_go(net.weights, network->weights_bytes);
    if (st == 0) {
        net.packed = hone_rt_net_workspace(network->packed_bytes);
        st = net.packed ? 0 : HONE_RT_NOMEM;
    }
    for (int64_t k = 0; k < network->n_packs && st == 0; k++) {
        const hone_rt_net_pack *p = &network->packs[k];
        st = p->pack((const char *)net.weights + p->from, (char *)net.packed + p->to);
        let_go(net.weights, network->weights_bytes);
    }
    if (st == 0)
        *ret = net;
    else
        hone_rt_net_close(&net);
    return st;
}

void hone_rt_net_close(hone_rt_net *net)
{
    if (net->weights && net->network->weights_bytes)
        munmap((void *)(uintptr_t)net->weights, (size_t)net->network->weights_bytes);
    free(net->packed);
    memset(net, 0, sizeof *net);
}
