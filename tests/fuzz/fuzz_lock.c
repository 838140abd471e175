/* Any bytes as a lock file: refused with a reason, or entries that print to a file which reads as
 * the same, and whose schedules can be replayed or say why not. */
#include "tuner/lock/lock.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same_again(const hone_lock *l)
{
    hone_lock again = {0};
    hone_error err = {0};
    hone_buf first = {0}, second = {0};
    hone_lock_print(l, &first);
    HONE_ASSERT(hone_lock_parse("again", first.s, first.n, &again, &err) == HONE_OK);
    hone_lock_print(&again, &second);
    HONE_ASSERT(strcmp(first.s, second.s) == 0 && again.entries.n == l->entries.n);
    hone_buf_free(&first);
    hone_buf_free(&second);
    hone_lock_free(&again);
}

static void replay(const hone_lock_entry *e)
{
    hone_intrin_set *set = NULL;
    hone_sched s = {0};
    hone_error err = {0};
    bool plain;
    hone_status st = hone_lock_replay(e, &set, &s, &plain, &err);
    HONE_ASSERT((st == HONE_OK) == (err.message[0] == '\0'));
    hone_sched_fini(&s);
    hone_intrin_set_free(set);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    hone_lock l = {0};
    hone_error err = {0};
    hone_status st = hone_lock_parse("file", (const char *)data, size, &l, &err);
    HONE_ASSERT((st == HONE_OK) == (err.message[0] == '\0'));
    if (st == HONE_OK) {
        same_again(&l);
        for (uint32_t k = 0; k < l.entries.n; k++)
            replay(&l.entries.v[k]);
    } else {
        HONE_ASSERT(l.entries.n == 0 && (st == HONE_E_FOREIGN || st == HONE_E_VERSION ||
                                         st == HONE_E_INPUT || st == HONE_E_LIMIT));
    }
    hone_lock_free(&l);
    return 0;
}
