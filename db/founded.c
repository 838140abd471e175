/* Which of two results for one candidate stands. */
#include "db/internal.h"

/* ---- versions ------------------------------------------------------------------------------ */

#define DIGITS "0123456789"

/* Number by number ("0.9" is before "0.10"), a missing one being 0. What follows the numbers marks
 * what came before the release ("1.0-rc1" is before "1.0") and is compared as text. */
int hone_db__version_compare(const char *a, const char *b)
{
    for (bool more = true; more;) {
        a += strspn(a, "0");
        b += strspn(b, "0");
        size_t n = strspn(a, DIGITS), m = strspn(b, DIGITS);
        int order = n != m ? (n < m ? -1 : 1) : strncmp(a, b, n);
        if (order != 0)
            return order;
        a += n;
        b += m;
        more = *a == '.' || *b == '.';
        a += *a == '.';
        b += *b == '.';
    }
    return *a && *b ? strcmp(a, b) : (*b != '\0') - (*a != '\0');
}

static bool is_ours(const hone_db_record *r)
{
    return r->space_version == HONE_SPACE_VERSION &&
           hone_db__version_compare(r->hone_version, HONE_VERSION) == 0;
}

/* > 0: fresh's versions go before old's. Never by date: clocks jump, and a file may have been
 * written where the clock was wrong. LLVM: the database does not know which one is in use, but who
 * puts a result does. */
static int version_order(const hone_db_record *fresh, const hone_db_record *old)
{
    if (is_ours(fresh) != is_ours(old))
        return is_ours(fresh) ? 1 : -1;
    if (fresh->space_version != old->space_version)
        return fresh->space_version > old->space_version ? 1 : -1;
    int order = hone_db__version_compare(fresh->hone_version, old->hone_version);
    return order ? order : strcmp(fresh->llvm_version, old->llvm_version) != 0;
}

/* ---- verdicts ------------------------------------------------------------------------------ */

/* Rejections that are the kernel's own fault, not that of a limit or of a builder. One such verdict
 * outweighs any time: a kernel that was wrong once is wrong. */
static bool is_conviction(hone_status s)
{
    switch (s) {
    case HONE_REJECT_WRONG_RESULT:
    case HONE_REJECT_OUT_OF_BOUNDS:
    case HONE_REJECT_CRASH:
    case HONE_REJECT_SYSCALL:
    case HONE_REJECT_NONZERO:
    case HONE_REJECT_IMPOSSIBLE:
        return true;
    default:
        return false;
    }
}

bool hone_db__is_better_founded(const hone_db_record *fresh, const hone_db_record *old)
{
    int order = version_order(fresh, old);
    if (order != 0)
        return order > 0;
    if (is_conviction(fresh->status) || is_conviction(old->status))
        return !is_conviction(old->status);
    if (fresh->status != HONE_OK || old->status != HONE_OK)
        return fresh->status == HONE_OK && old->status != HONE_OK;
    return fresh->n_samples > old->n_samples;
}
