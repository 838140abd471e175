/* What a worker says of itself and of its machine: read once, before anybody can take descriptors.
 */
#include "workers/worker/internal.h"

#include "libcall/libcall.h"
#include "targets/target.h"
#include "targets/preset.h"

#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Files whose first lines say what a machine's times depend on, beside the machine. */
static const struct {
    const char *key, *path; /* key NULL: only for the fingerprint */
} said[] = {
    {"governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"},
    {"boost", "/sys/devices/system/cpu/cpufreq/boost"},
    {"smt", "/sys/devices/system/cpu/smt/control"},
    {"thp", "/sys/kernel/mm/transparent_hugepage/enabled"},
    {NULL, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_max_freq"},
    {NULL, "/sys/devices/system/cpu/vulnerabilities/spectre_v2"},
    {NULL, "/sys/devices/system/cpu/vulnerabilities/meltdown"},
    {NULL, "/sys/devices/system/cpu/vulnerabilities/mds"},
    {NULL, "/sys/devices/system/cpu/vulnerabilities/spec_store_bypass"},
    {NULL, "/sys/class/dmi/id/bios_version"},
    {NULL, "/proc/device-tree/model"},
    {NULL, "/proc/cmdline"},
};

/* "KEY=VALUE" behind what is there already, the value as one word of a list, if there is room. */
static void add_attr(hone_workers__self *ret, const char *key, const char *value)
{
    size_t n = strlen(ret->attrs), need = strlen(key) + strlen(value) + 2;
    if (!*value || n + need >= sizeof ret->attrs)
        return;
    snprintf(ret->attrs + n, sizeof ret->attrs - n, "%s%s=%s", n ? "," : "", key, value);
    for (char *s = ret->attrs + n + (n ? 1 : 0) + strlen(key) + 1; *s; s++)
        if (*s == ',' || *s == '=' || (unsigned char)*s <= ' ')
            *s = '-';
}

/* Of /sys's "always [madvise] never" the one that holds. */
static const char *chosen(char *line)
{
    char *from = strchr(line, '['), *to = from ? strchr(from, ']') : NULL;
    if (!to)
        return line;
    *to = '\0';
    return from + 1;
}

static void describe_state(hone_workers__self *ret, const hone_worker_options *o)
{
    const char *const *labels = o->labels;
    char line[256];
    struct utsname u;
    uint64_t h = 0;
    if (uname(&u) == 0) {
        add_attr(ret, "kernel", u.release);
        h = hone_hash_bytes(h, u.release, strlen(u.release));
        h = hone_hash_bytes(h, u.version, strlen(u.version));
    }
    if (hone_file_line("/proc/cpuinfo", "microcode", line, sizeof line))
        h = hone_hash_bytes(h, line, strlen(line));
    for (size_t k = 0; k < HONE_LEN(said); k++) {
        if (!hone_file_line(said[k].path, NULL, line, sizeof line))
            continue;
        h = hone_hash_bytes(h, line, strlen(line));
        if (said[k].key)
            add_attr(ret, said[k].key, chosen(line));
    }
    for (unsigned k = 0; k < o->n_libraries; k++) {
        char mark[HONE_LIBCALL_MARK];
        hone_libcall_mark(o->libraries[k].name, o->libraries[k].hash, mark);
        add_attr(ret, "lib", mark);
    }
    if (o->runtime)
        add_attr(ret, "runtime", strncmp(o->runtime, "browser:", 8) == 0 ? "browser" : o->runtime);
    for (unsigned k = 0; labels && labels[k]; k++)
        add_attr(ret, "label", labels[k]);
    ret->fingerprint = h | 1;
}

void hone_workers__worker_describe(hone_workers__self *ret, const hone_worker_options *o)
{
    *ret = (hone_workers__self){0};
    hone_file_line("/proc/sys/kernel/random/boot_id", NULL, ret->boot, sizeof ret->boot);
    gethostname(ret->name, sizeof ret->name - 1);
    hone_host_processor(ret->cpu, sizeof ret->cpu);
    cpu_set_t set;
    ret->threads = sched_getaffinity(0, sizeof set, &set) == 0 ? (uint32_t)CPU_COUNT(&set) : 1;
    hone_target host;
    hone_error err;
    describe_state(ret, o);
    if (!(o->roles & HONE_ROLE_RUN))
        return;
    hone_status s = o->runtime
                        ? hone_target_named(hone_nursery_runtime_target(o->runtime), &host, &err)
                        : hone_target_host(&host, &err);
    if (s == HONE_OK && hone_preset_is_alone(&host))
        ret->threads = 1;
    if (s == HONE_OK)
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
                                   .target = self->target,
                                   .attrs = self->attrs,
                                   .fingerprint = self->fingerprint};
}
