/* How much memory a measurement takes, and how much there is: known before anything is allocated. A
 * buffer's pages belong to no process until it is mapped, so what would be killed for want of
 * memory is somebody else.
 *
 * Reader's map: what there is, from texts of the system; what is needed; the decision; reading. */
#include "workers/device/internal.h"

#include <unistd.h>

#define MIB(bytes) ((uint64_t)(bytes) >> 20)
/* Left for everybody else. */
#define SPARE ((uint64_t)32 << 20)

/* ---- what there is ------------------------------------------------------------------------- */

/* The number behind `key` at the start of a line, in `unit` bytes. */
static bool number_at(const char *text, const char *key, uint64_t unit, uint64_t *ret)
{
    size_t n = strlen(key);
    for (const char *line = text; line && *line; line = strchr(line, '\n')) {
        line += *line == '\n';
        char *end;
        if (strncmp(line, key, n) != 0)
            continue;
        unsigned long long x = strtoull(line + n, &end, 10);
        if (end == line + n)
            return false;
        *ret = x > UINT64_MAX / unit ? UINT64_MAX : x * unit;
        return true;
    }
    return false;
}

/* A group has what is below its limit, and what it would give back: files it only happens to hold.
 */
static void narrow_by_group(const hone_device__group *g, hone_device__available *ret)
{
    uint64_t max, used, files = 0;
    if (!g->max || !g->used || !number_at(g->max, "", 1, &max) || !number_at(g->used, "", 1, &used))
        return; /* "max": no limit */
    if (g->stat && !number_at(g->stat, "total_inactive_file ", 1, &files))
        number_at(g->stat, "inactive_file ", 1, &files);
    used -= files < used ? files : used;
    uint64_t left = max > used ? max - used : 0;
    if (left < ret->bytes) {
        ret->bytes = left;
        snprintf(ret->because, sizeof ret->because, "the limit of control group %.90s", g->folder);
    }
}

void hone_device__available_in(const char *meminfo, const hone_device__group *groups, size_t n,
                               uint64_t addresses, hone_device__available *ret)
{
    *ret = (hone_device__available){.bytes = UINT64_MAX, .because = "not known"};
    if (meminfo && (number_at(meminfo, "MemAvailable:", 1024, &ret->bytes) ||
                    number_at(meminfo, "MemFree:", 1024, &ret->bytes)))
        snprintf(ret->because, sizeof ret->because, "MemAvailable");
    for (size_t i = 0; i < n; i++)
        narrow_by_group(&groups[i], ret);
    if (addresses < ret->bytes) {
        ret->bytes = addresses;
        snprintf(ret->because, sizeof ret->because, "ulimit -v");
    }
}

/* Whether "memory" is among the names between commas. */
static bool names_memory(const char *names, size_t n)
{
    for (const char *end = names + n; names < end;) {
        const char *comma = memchr(names, ',', (size_t)(end - names));
        size_t len = (size_t)((comma ? comma : end) - names);
        if (len == 6 && memcmp(names, "memory", 6) == 0)
            return true;
        names += len + 1;
    }
    return false;
}

size_t hone_device__groups_of(const char *text, hone_device__group *ret, size_t max)
{
    size_t n = 0;
    for (const char *line = text; *line; line += *line == '\n') {
        const char *end = strchrnul(line, '\n');
        const char *names = memchr(line, ':', (size_t)(end - line));
        const char *path = names ? memchr(names + 1, ':', (size_t)(end - names - 1)) : NULL;
        bool second = path && path == names + 1;
        if (path &&
            (path[1] != '/' || (!second && !names_memory(names + 1, (size_t)(path - names - 1)))))
            path = NULL;
        const char *root = second ? "/sys/fs/cgroup" : "/sys/fs/cgroup/memory";
        /* The group, then those it lies in. In a container the outer ones may not be there. */
        for (const char *p = end; path && n < max; n++) {
            ret[n] = (hone_device__group){.second = second};
            snprintf(ret[n].folder, sizeof ret[n].folder, "%s%.*s", root, (int)(p - path - 1),
                     path + 1);
            if (p <= path + 2)
                path = NULL;
            else
                while (--p > path + 1 && *p != '/') {
                }
        }
        line = end;
    }
    return n;
}

/* ---- what is needed ------------------------------------------------------------------------ */

static uint64_t packed_bytes(const hone_manifest *m, uint64_t *largest)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; m && i < m->n_args; i++) {
        uint64_t bytes = (uint64_t)m->args[i].pack_bytes;
        sum += bytes;
        *largest = bytes > *largest ? bytes : *largest;
    }
    return sum;
}

hone_device__need hone_device__need_of(const hone_manifest *candidate,
                                       const hone_manifest *reference,
                                       const hone_manifest *incumbent, int32_t threads,
                                       uint32_t sets, bool data_there)
{
    hone_device__need need = {0};
    uint64_t pages = 0;
    for (uint32_t i = 0; i < candidate->n_args; i++) {
        const hone_arg *a = &candidate->args[i];
        uint64_t bytes = (uint64_t)a->count * hone_device__elem_size(a->elem);
        need.args += bytes * ((sets == 1) + !a->is_output); /* in pages of all, and its own */
        pages += bytes;
        need.largest = bytes > need.largest ? bytes : need.largest;
    }
    for (uint32_t i = 0; i < reference->n_args; i++) { /* in a file of its own, then kept */
        const hone_arg *a = &reference->args[i];
        uint64_t bytes = (uint64_t)a->count * hone_device__elem_size(a->elem);
        need.expected += a->is_output ? 2 * bytes : 0;
        need.largest = a->is_output && bytes > need.largest ? bytes : need.largest;
    }
    uint64_t alone = packed_bytes(reference, &need.largest); /* gone when the others come */
    need.packed = packed_bytes(candidate, &need.largest) + packed_bytes(incumbent, &need.largest);
    need.packed = alone > need.packed ? alone : need.packed;
    /* A page of 4 KiB takes 8 bytes of tables in each process; a thread some stack and heap. */
    need.processes = (pages + need.packed) / 256 + ((uint64_t)threads << 18);
    if (data_there)
        need.args = need.expected = 0;
    return need;
}

uint64_t hone_device__need_total(const hone_device__need *need)
{
    return need->args + need->expected + need->packed + need->processes;
}

/* ---- the decision -------------------------------------------------------------------------- */

hone_status hone_device__fits(const hone_device__need *need, const hone_device__available *there,
                              uint64_t droppable, const hone_sandbox__limits *l, hone_error *err)
{
    uint64_t total = hone_device__need_total(need);
    if (need->largest > l->file_bytes)
        return hone_fail(err, HONE_E_LIMIT,
                         "an argument of this kernel has %" PRIu64 " bytes, and no file, also none "
                         "in memory, may have more than %" PRIu64 " here (ulimit -f)",
                         need->largest, l->file_bytes);
    uint64_t left = there->bytes > UINT64_MAX - droppable ? UINT64_MAX : there->bytes + droppable;
    if (total + SPARE <= left)
        return HONE_OK;
    return hone_fail(err, HONE_E_NOMEM,
                     "measuring this kernel takes %" PRIu64 " MiB of memory (arguments %" PRIu64
                     ", expected outputs %" PRIu64 ", packed inputs %" PRIu64
                     "), and this device has %" PRIu64 " MiB left (%s)",
                     MIB(total + SPARE) + 1, MIB(need->args), MIB(need->expected),
                     MIB(need->packed), MIB(left), there->because);
}

/* ---- reading ------------------------------------------------------------------------------- */

enum { MOST_GROUPS = 16 };

static char *read_text(const char *folder, const char *name)
{
    char path[512], *text = NULL;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return hone_file_read(path, 1 << 16, &text, NULL, NULL) == HONE_OK ? text : NULL;
}

/* What `ulimit -v` leaves of addresses. */
static uint64_t addresses_left(const hone_sandbox__limits *l)
{
    unsigned long long pages = 0;
    if (l->address_bytes == HONE_SANDBOX__NO_LIMIT)
        return UINT64_MAX;
    char *text = read_text("/proc/self", "statm");
    if (!text || sscanf(text, "%llu", &pages) != 1)
        pages = 0;
    free(text);
    uint64_t used = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return l->address_bytes > used ? l->address_bytes - used : 0;
}

void hone_device__available_now(const hone_sandbox__limits *l, hone_device__available *ret)
{
    hone_device__group groups[MOST_GROUPS];
    char *meminfo = read_text("/proc", "meminfo"), *mine = read_text("/proc/self", "cgroup");
    size_t n = mine ? hone_device__groups_of(mine, groups, MOST_GROUPS) : 0;
    for (size_t i = 0; i < n; i++) {
        hone_device__group *g = &groups[i];
        uint64_t max;
        g->max = read_text(g->folder, g->second ? "memory.max" : "memory.limit_in_bytes");
        if (!g->max || !number_at(g->max, "", 1, &max) || max > (uint64_t)1 << 60)
            continue; /* without a limit the rest does not matter, and costs */
        g->used = read_text(g->folder, g->second ? "memory.current" : "memory.usage_in_bytes");
        g->stat = read_text(g->folder, "memory.stat");
    }
    hone_device__available_in(meminfo, groups, n, addresses_left(l), ret);
    for (size_t i = 0; i < n; i++) {
        free(groups[i].max);
        free(groups[i].used);
        free(groups[i].stat);
    }
    free(meminfo);
    free(mine);
}
