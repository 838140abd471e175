/* The sets of test data that lie in a folder. */
#include "net/graph.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

/* The number behind "test_data_set_"; false: it is none, as "007" or one of more than nine digits.
 */
static bool number_of(const char *name, uint32_t *ret)
{
    static const char start[] = "test_data_set_";
    size_t n = strlen(start);
    if (strncmp(name, start, n) != 0)
        return false;
    const char *digits = name + n;
    size_t most = strspn(digits, "0123456789");
    if (most == 0 || most > 9 || digits[most] || (digits[0] == '0' && most > 1))
        return false;
    *ret = (uint32_t)strtoul(digits, NULL, 10);
    return true;
}

static bool is_folder(const char *folder, const char *name)
{
    struct stat sb;
    char *path = hone_xasprintf("%s/%s", folder, name);
    bool yes = stat(path, &sb) == 0 && S_ISDIR(sb.st_mode);
    free(path);
    return yes;
}

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

hone_status hone_net_find_sets(const char *folder, hone_net_sets *ret, hone_error *err)
{
    *ret = (hone_net_sets){0};
    DIR *d = opendir(folder);
    if (!d)
        return hone_fail_errno(err, errno == ENOENT ? HONE_E_NOTFOUND : HONE_E_INPUT,
                               "cannot read the folder '%.300s'", folder);
    uint32_t number;
    for (const struct dirent *e; (e = readdir(d));)
        if (number_of(e->d_name, &number) && is_folder(folder, e->d_name))
            hone_vec_push(&ret->v, number);
    closedir(d);
    if (ret->v.n)
        qsort(ret->v.v, ret->v.n, sizeof *ret->v.v, by_number);
    return HONE_OK;
}
