/* Several targets in one argument. */
#include "cli/target_list.h"
#include "tuner/lock/lock.h"

static hone_status add(const char *arg, unsigned most, cli_target_list *ret, hone_error *err)
{
    hone_target *t = &ret->v[ret->n];
    if (!*arg)
        return hone_fail(err, HONE_E_INPUT, "--target has an empty name: T[,T]...");
    if (ret->n == most)
        return hone_fail(err, HONE_E_INPUT, "--target takes at most %u", most);
    HONE_TRY(cli_target_load(arg, t, err));
    for (unsigned k = 0; k < ret->n; k++)
        if (hone_lock_same_target(&ret->v[k], t))
            return hone_fail(err, HONE_E_INPUT, "--target has %s twice", t->cpu);
    ret->n++;
    return HONE_OK;
}

hone_status cli_target_list_load(const char *arg, unsigned most, cli_target_list *ret,
                                 hone_error *err)
{
    hone_status st;
    ret->n = 0;
    if (*arg == '{')
        return add(arg, most, ret, err);
    do {
        size_t n = strcspn(arg, ",");
        char *one = hone_xasprintf("%.*s", (int)n, arg);
        st = add(one, most, ret, err);
        free(one);
        arg += n;
    } while (st == HONE_OK && *arg++ == ',');
    return st;
}
