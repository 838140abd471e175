/* What a worker says of itself and of its machine: read once, before anybody can take descriptors.
 */
#include "workers/worker/internal.h"

#include "targets/target.h"

#include <sched.h>
#include <unistd.h>

void hone_workers__worker_describe(hone_workers__self *ret, unsigned roles)
{
    *ret = (hone_workers__self){0};
    hone_file_line("/proc/sys/kernel/random/boot_id", NULL, ret->boot, sizeof ret->boot);
    gethostname(ret->name, sizeof ret->name - 1);
    hone_host_processor(ret->cpu, sizeof ret->cpu);
    cpu_set_t set;
    ret->threads = sched_getaffinity(0, sizeof set, &set) == 0 ? (uint32_t)CPU_COUNT(&set) : 1;
    hone_target host;
    hone_error err;
    if (!(roles & HONE_ROLE_RUN))
        return;
    if (hone_target_host(&host, &err) == HONE_OK)
        ret->target = hone_target_text(&host);
    else
        hone_log(HONE_LOG_WARN, "%s: jobs for a named target will not come here", err.message);
}

void hone_workers__worker_hello(const hone_workers__self *self, unsigned roles, hone_wire *ret)
{
    *ret = (hone_wire){.type = HONE_WIRE_HELLO};
    ret->hello = (hone_wire_hello){.proto_min = HONE_WIRE_VERSION,
                                   .proto_max = HONE_WIRE_VERSION,
                                   .roles = roles,
                                   .pid = (uint32_t)getpid(),
                                   .threads = self->threads,
                                   .boot = self->boot,
                                   .name = self->name,
                                   .cpu = self->cpu,
                                   .software = HONE_VERSION,
                                   .revision = HONE_WIRE_REVISION,
                                   .target = self->target};
}
