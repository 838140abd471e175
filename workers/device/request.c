/* Taking a job off the worker's socket, and what of it cannot be meant. */
#include "workers/device/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* Added in Linux 6.3; older ones refuse it. */
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

static const char *const roles[HONE_DEVICE__ARTIFACTS] = {
    [HONE_DEVICE__CANDIDATE] = "candidate",
    [HONE_DEVICE__INCUMBENT] = "incumbent",
    [HONE_DEVICE__REFERENCE] = "reference",
};

static bool is_there(const hone_device__request *q, int which)
{
    return which != HONE_DEVICE__INCUMBENT || q->has_incumbent;
}

/* ---- receiving ----------------------------------------------------------------------------- */

static ssize_t receive(int socket, void *ret, size_t n)
{
    ssize_t got;
    while ((got = recv(socket, ret, n, 0)) < 0 && errno == EINTR) {
    }
    return got;
}

/* Takes an artifact off the socket into a file that nobody can change any more. False: the worker
 * is gone. */
static bool receive_artifact(int socket, uint64_t n, hone_device__artifact *ret)
{
    static uint8_t part[HONE_DEVICE__PART];
    ret->n = (size_t)n;
    ret->fd = memfd_create("hone-artifact", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (ret->fd < 0 && errno == EINVAL)
        ret->fd = memfd_create("hone-artifact", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    ret->sys = ret->fd < 0 ? errno : 0;
    while (n > 0) {
        size_t most = n < sizeof part ? (size_t)n : sizeof part;
        if (receive(socket, part, sizeof part) != (ssize_t)most)
            return false;
        if (ret->sys == 0 && !hone_write_all(ret->fd, part, most))
            ret->sys = errno;
        n -= most;
    }
    if (ret->sys == 0 &&
        fcntl(ret->fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) != 0)
        ret->sys = errno;
    return true;
}

bool hone_device__receive_request(int socket, hone_device__request *ret,
                                  hone_device__artifact artifacts[HONE_DEVICE__ARTIFACTS])
{
    _Static_assert(sizeof *ret <= HONE_DEVICE__PART, "a request is one message");
    ssize_t n;
    for (int i = 0; i < HONE_DEVICE__ARTIFACTS; i++)
        artifacts[i] = (hone_device__artifact){.fd = -1};
    do
        n = receive(socket, ret, sizeof *ret);
    while (n == 1 && *(char *)ret == HONE_DEVICE__CANCEL);
    if (n != (ssize_t)sizeof *ret)
        return false;
    for (int i = 0; i < HONE_DEVICE__ARTIFACTS; i++) {
        ret->manifests[i].args = ret->args[i];
        if (is_there(ret, i) && !receive_artifact(socket, ret->bytes[i], &artifacts[i]))
            return false;
    }
    return true;
}

void hone_device__drop_artifacts(hone_device__artifact artifacts[HONE_DEVICE__ARTIFACTS])
{
    for (int i = 0; i < HONE_DEVICE__ARTIFACTS; i++)
        if (artifacts[i].fd >= 0)
            close(artifacts[i].fd);
}

/* ---- what it may not be -------------------------------------------------------------------- */

static hone_status check_manifest(const hone_manifest *m, const char *role, hone_error *err)
{
    if (m->n_args < 1 || m->n_args > HONE_MAX_ARGS)
        return hone_fail(err, HONE_E_INPUT, "the %s has %u arguments", role, m->n_args);
    for (uint32_t i = 0; i < m->n_args; i++) {
        const hone_arg *a = &m->args[i];
        if (a->elem >= HONE_ELEM_COUNT || a->is_output > HONE_ARG_CONSTANT || a->count < 0 ||
            a->pack_bytes < 0 || a->pack_bytes > (int64_t)1 << 40 ||
            !memchr(a->name, '\0', sizeof a->name) ||
            (a->pack_bytes && (a->is_output || !m->has_pack)))
            return hone_fail(err, HONE_E_INPUT, "argument %u of the %s makes no sense", i, role);
        if (a->count > HONE_DEVICE__MOST_ELEMENTS)
            return hone_fail(err, HONE_E_LIMIT, "argument '%.60s' is too large", a->name);
    }
    return HONE_OK;
}

static hone_status check_job(hone_device__request *q, hone_error *err)
{
    hone_measure_job *job = &q->job;
    for (int i = 0; i < HONE_DEVICE__ARTIFACTS; i++) {
        if (!is_there(q, i))
            continue;
        hone_status s = check_manifest(&q->manifests[i], roles[i], err);
        if (s != HONE_OK)
            return s;
        if (i == HONE_DEVICE__INCUMBENT &&
            !hone_device__same_args(&q->manifests[0], &q->manifests[i]))
            return hone_fail(err, HONE_E_INPUT, "candidate and %s take different arguments",
                             roles[i]);
    }
    if (job->threads < 1 || job->threads > HONE_MAX_THREADS)
        return hone_fail(err, HONE_E_INPUT, "%d threads; this device takes 1 to %d", job->threads,
                         HONE_MAX_THREADS);
    const int64_t most_ms = INT64_MAX / 4000000;
    if (job->check_ms < 1 || job->run_ms < 1 || job->check_ms > most_ms || job->run_ms > most_ms ||
        job->reference_ms < 0 || job->reference_ms > most_ms || !(job->tolerance >= 0) ||
        !(job->peak_gflops >= 0) || job->sample_ns < 0)
        return hone_fail(err, HONE_E_INPUT, "deadlines, tolerance or sample time out of range");
    if (job->min_samples < 1)
        job->min_samples = 1;
    if (job->max_samples < job->min_samples)
        job->max_samples = job->min_samples;
    if (job->max_samples > HONE_MAX_SAMPLES)
        job->max_samples = HONE_MAX_SAMPLES;
    return HONE_OK;
}

/* The runtime looks at the rest of it, and takes nothing for granted. */
static hone_status check_module(const uint8_t *bytes, size_t n, hone_error *err)
{
    static const uint8_t magic[] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    return n >= sizeof magic && memcmp(bytes, magic, sizeof magic) == 0
               ? HONE_OK
               : hone_fail(err, HONE_E_INPUT,
                           "artifact is no module of WebAssembly, which is all this device runs");
}

static hone_status check_artifact(const hone_manifest *m, int which, hone_device__artifact *a,
                                  bool modules, hone_error *err)
{
    size_t n = a->n;
    bool candidate = which == HONE_DEVICE__CANDIDATE, incumbent = which == HONE_DEVICE__INCUMBENT;
    if (a->sys != 0)
        return hone_fail(err, HONE_E_SANDBOX, "cannot keep the %s in memory: %s", roles[which],
                         strerror(a->sys));
    if (n == 0 || n > HONE_MAX_ARTIFACT_BYTES)
        return hone_fail(err,
                         candidate   ? HONE_REJECT_ARTIFACT
                         : incumbent ? HONE_E_INCUMBENT
                                     : HONE_E_INPUT,
                         "the %s has %zu bytes; 1 to %d are allowed", roles[which], n,
                         HONE_MAX_ARTIFACT_BYTES);
    void *p = mmap(NULL, n, PROT_READ, MAP_PRIVATE, a->fd, 0);
    if (p == MAP_FAILED)
        return hone_fail_errno(err, HONE_E_SANDBOX, "cannot map the %s", roles[which]);
    hone_error why = {0};
    hone_status s =
        modules ? check_module(p, n, &why) : hone_device__elf_check(p, n, m->has_pack, &why);
    a->hash = hone_hash_bytes(m->has_pack, p, n);
    munmap(p, n);
    for (uint32_t i = 0; i < m->n_args; i++)
        a->hash = hone_hash_mix(a->hash, (uint64_t)m->args[i].pack_bytes);
    if (s == HONE_OK)
        return HONE_OK;
    if (candidate) {
        if (err)
            *err = why;
        return s;
    }
    bool fault = incumbent && s != HONE_E_INPUT; /* else of who sent it here */
    return hone_fail(err, fault ? HONE_E_INCUMBENT : HONE_E_INPUT, "the %s's %s", roles[which],
                     why.message);
}

hone_status hone_device__check_request(hone_device__request *q,
                                       hone_device__artifact artifacts[HONE_DEVICE__ARTIFACTS],
                                       bool modules, hone_error *err)
{
    hone_status s = check_job(q, err);
    for (int i = 0; i < HONE_DEVICE__ARTIFACTS && s == HONE_OK; i++)
        if (is_there(q, i))
            s = check_artifact(&q->manifests[i], i, &artifacts[i], modules, err);
    return s;
}
