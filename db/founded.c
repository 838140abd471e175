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

/* > 0: a's versions go before b's. Never by date: clocks jump, and a file may have been written
 * where the clock was wrong. */
static int version_order(const hone_db_record *a, const hone_db_record *b)
{
    if (is_ours(a) != is_ours(b))
        return is_ours(a) ? 1 : -1;
    if (a->space_version != b->space_version)
        return a->space_version > b->space_version ? 1 : -1;
    return hone_db__version_compare(a->hone_version, b->hone_version);
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

/* > 0: a stands against b, whichever came first. */
static int verdict_order(const hone_db_record *a, const hone_db_record *b)
{
    if (is_conviction(a->status) != is_conviction(b->status))
        return is_conviction(a->status) ? 1 : -1;
    if ((a->status == HONE_OK) != (b->status == HONE_OK))
        return a->status == HONE_OK ? 1 : -1;
    return a->status == HONE_OK ? (a->n_samples > b->n_samples) - (a->n_samples < b->n_samples) : 0;
}

/* LLVM: the database does not know which one is in use, but who puts a result does. */
bool hone_db__is_better_founded(const hone_db_record *fresh, const hone_db_record *old)
{
    if (fresh->suspect != old->suspect)
        return !fresh->suspect;
    int order = version_order(fresh, old);
    if (order == 0 && strcmp(fresh->llvm_version, old->llvm_version) != 0)
        return true;
    return (order ? order : verdict_order(fresh, old)) > 0;
}

int hone_db__founded_compare(const hone_db__record *a, const hone_db__record *b)
{
    int order = (b->pub.suspect > a->pub.suspect) - (b->pub.suspect < a->pub.suspect);
    if (order == 0)
        order = version_order(&a->pub, &b->pub);
    if (order == 0)
        order = hone_db__version_compare(a->pub.llvm_version, b->pub.llvm_version);
    if (order == 0)
        order = verdict_order(&a->pub, &b->pub);
    if (order == 0)
        order = (b->pub.created_ms > a->pub.created_ms) - (b->pub.created_ms < a->pub.created_ms);
    if (order != 0)
        return order;
    /* `run` is the number of the measurement in its log. */
    hone_db__record x = *a, y = *b;
    x.run = y.run = 0;
    return hone_db__row_compare(&hone_db__record_table, &x, &y, NULL);
}
