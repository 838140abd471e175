/* Weights of networks: mapped, checked, packed, and then no longer in memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "runtime/hone_rt.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BYTES (8 << 20)
#define HALF (BYTES / 2)

static char path[] = "/tmp/hone-weights-XXXXXX";
static unsigned char *bytes;

static int make_file(void **state)
{
    (void)state;
    bytes = malloc(BYTES);
    int fd = mkstemp(path);
    if (!bytes || fd < 0)
        return -1;
    for (int k = 0; k < BYTES; k++)
        bytes[k] = (unsigned char)(k * 7 + (k >> 12));
    ssize_t n = write(fd, bytes, BYTES);
    return close(fd) == 0 && n == BYTES ? 0 : -1;
}

static int remove_file(void **state)
{
    (void)state;
    free(bytes);
    return unlink(path);
}

static int32_t pack_half(const void *from, void *to)
{
    memcpy(to, from, HALF);
    return 0;
}

static int32_t cannot_pack(const void *from, void *to)
{
    (void)from;
    (void)to;
    return HONE_RT_NOMEM;
}

/* What the mapping at p has in memory, in KiB; -1: it is not known. */
static long resident(const void *p)
{
    FILE *f = fopen("/proc/self/smaps", "r");
    char line[512];
    unsigned long from, to;
    long kib = -1, now;
    int here = 0;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
            here = from <= (uintptr_t)p && (uintptr_t)p < to;
        else if (here && sscanf(line, "Rss: %ld kB", &now) == 1)
            kib = now;
    if (f)
        fclose(f);
    return kib;
}

static hone_rt_network network_of(const hone_rt_net_pack *packs, int64_t n)
{
    return (hone_rt_network){.abi = HONE_RT_NET_ABI,
                             .weights_bytes = BYTES,
                             .weights_hash = hone_rt_net_hash(bytes, BYTES),
                             .packed_bytes = BYTES,
                             .n_packs = n,
                             .packs = packs};
}

static void packed_and_let_go(void **state)
{
    (void)state;
    static const hone_rt_net_pack packs[] = {{pack_half, HALF, 0}, {pack_half, 0, HALF}};
    const hone_rt_network network = network_of(packs, 2);
    hone_rt_net net;
    assert_int_equal(hone_rt_net_open(&net, path, &network), 0);
    assert_memory_equal(net.packed, bytes + HALF, HALF);
    assert_memory_equal((char *)net.packed + HALF, bytes, HALF);
    long kib = resident(net.weights);
    if (kib >= 0)
        assert_true(kib < (BYTES >> 10) / 4);
    assert_memory_equal(net.weights, bytes, BYTES); /* it comes back */
    if (kib >= 0)
        assert_true(resident(net.weights) >= (BYTES >> 10) / 2);
    hone_rt_net_close(&net);
    assert_null(net.weights);
    hone_rt_net_close(&net);
}

static void refused(void **state)
{
    (void)state;
    static const hone_rt_net_pack packs[] = {{cannot_pack, 0, 0}};
    hone_rt_network network = network_of(packs, 1);
    hone_rt_net net;
    assert_int_equal(hone_rt_net_open(&net, path, &network), HONE_RT_NOMEM);
    assert_null(net.weights);
    network.weights_hash++;
    assert_int_equal(hone_rt_net_open(&net, path, &network), HONE_RT_WEIGHTS);
    network.weights_bytes++;
    assert_int_equal(hone_rt_net_open(&net, path, &network), HONE_RT_WEIGHTS);
    assert_int_equal(hone_rt_net_open(&net, "/tmp/no/such/file", &network), HONE_RT_NOFILE);
    assert_null(net.weights);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(packed_and_let_go),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
