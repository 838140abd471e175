/* What bench_network asks of a network that `hone net build` made, in one shared object with it:
 *
 *   cc -shared -fPIC -include NAME.h -DNETWORK=NAME bench/network_glue.c NAME.o libhone_rt.a -o
 * NAME.so
 *
 * bench/networks.sh does it. */
#include <stdint.h>

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

const int64_t bench_workspace = JOIN(NETWORK, _WORKSPACE);

void *bench_memory(void)
{
    return hone_rt_net_workspace(bench_workspace);
}

/* Opens the network once in this process: 0, and *ret is what NAME_run() takes first. */
int32_t bench_open(const char *weights, const void **ret)
{
    static hone_rt_net net;
    *ret = &net;
    return JOIN(NETWORK, _init)(&net, weights);
}
