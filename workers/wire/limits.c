/* What strangers may not take: the last descriptors of this process, and the log. */
#include "workers/wire/internal.h"

#include <sys/resource.h>

/* ---- descriptors ---------------------------------------------------------------------------- */

/* More connections than this cost memory before they are looked at. */
#define DESCRIPTORS_MAX 4096

/* How many the process may have, and how many of those are in reserve. */
static bool read_limit(struct rlimit *ret, rlim_t *ret_most, rlim_t *ret_reserve)
{
    if (getrlimit(RLIMIT_NOFILE, ret) != 0)
        return false;
    *ret_most = ret->rlim_max < DESCRIPTORS_MAX ? ret->rlim_max : DESCRIPTORS_MAX;
    *ret_reserve = *ret_most / 8 < 32 ? *ret_most / 8 : 32;
    return true;
}

void hone_workers__reserve(bool use)
{
    struct rlimit r;
    rlim_t most, reserve;
    if (!read_limit(&r, &most, &reserve))
        return;
    r.rlim_cur = use ? most : most - reserve;
    setrlimit(RLIMIT_NOFILE, &r);
}

uint32_t hone_workers__strangers_max(void)
{
    struct rlimit r;
    rlim_t most, reserve;
    if (!read_limit(&r, &most, &reserve))
        return 8;
    return most / 4 < 8 ? 8 : most / 4 > 256 ? 256 : (uint32_t)(most / 4);
}

/* ---- lines ---------------------------------------------------------------------------------- */

#define LINES 8 /* at once; then one in */
#define LINE_NS (INT64_C(15) * 1000000000)

bool hone_workers__quota_take(hone_workers__quota *q, int64_t now, uint32_t *ret_left_out)
{
    *ret_left_out = 0;
    if (q->full_ns < now)
        q->full_ns = now;
    if (q->full_ns - now > (LINES - 1) * LINE_NS) {
        q->left_out++;
        return false;
    }
    q->full_ns += LINE_NS;
    *ret_left_out = q->left_out;
    q->left_out = 0;
    return true;
}

/* ---- denials -------------------------------------------------------------------------------- */

#define AGAIN_NS (INT64_C(10) * 1000000000)

bool hone_workers__denials_tell(hone_workers__denials *d, char *text, size_t n)
{
    uint64_t what = hone_hash_bytes(0, text, strlen(text));
    int64_t now = hone_clock_ns();
    for (size_t i = 0; i < HONE_LEN(d->told); i++)
        if (d->told[i].what == what && now - d->told[i].at_ns < AGAIN_NS)
            return false;
    uint32_t left_out;
    if (!hone_workers__quota_take(&d->quota, now, &left_out))
        return false;
    d->told[d->turn].what = what;
    d->told[d->turn].at_ns = now;
    d->turn = (d->turn + 1) % HONE_LEN(d->told);
    size_t m = strlen(text);
    if (left_out)
        snprintf(text + m, n - m, "; %" PRIu32 " more before it", left_out);
    return true;
}
