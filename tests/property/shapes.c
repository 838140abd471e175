/* Kernels that come with hone, at random sizes. */
#include "tests/property/harness.h"

pair_kernel pair_kernel_of(const hone_kernel_info *info, const char *text)
{
    pair_kernel ret = {.text = text};
    snprintf(ret.name, sizeof ret.name, "%s", info->name);
    snprintf(ret.head, sizeof ret.head, "%s", info->head);
    return ret;
}

/* Those of "matmul(M, N, K = 3)": all that have no default, and some that have one. */
static void draw_sizes(const pair_kernel *k, hone_rng *rng, bool long_row, pair_shape *ret)
{
    static const int64_t most[] = {1,  2,  3,  4,   5,   7,   8,   13,  16,  17,  31,   32,   37,
                                   61, 64, 97, 127, 128, 251, 256, 509, 512, 521, 1021, 1024, 4093};
    uint64_t n_most = long_row ? 5 : 5 + hone_rng_below(rng, HONE_LEN(most) - 4);
    unsigned needed = 0;
    ret->n = 0;
    for (const char *at = strchr(k->head, '('); at && *at != ')'; at = strpbrk(at + 1, ",)")) {
        char *name = ret->names[ret->n];
        int used = 0;
        if (ret->n == PAIR_MAX_SIZES || sscanf(at + 1, " %31[A-Za-z0-9_]%n", name, &used) != 1)
            break;
        bool optional = strcspn(at + 1, "=") < strcspn(at + 1, ",)");
        if (optional && hone_rng_below(rng, 4))
            continue;
        int64_t v = optional ? (int64_t)hone_rng_below(rng, 4) : most[hone_rng_below(rng, n_most)];
        ret->sizes[ret->n++] = (hone_size){name, v};
        needed += !optional;
    }
    if (long_row && needed) /* the last is as a rule the length of what is summed */
        ret->sizes[hone_rng_below(rng, 2) ? needed - 1 : (unsigned)hone_rng_below(rng, needed)]
            .value = 50000;
}

bool pair_shape_draw(const pair_kernel *k, hone_rng *rng, int64_t most_work, bool long_row,
                     pair_shape *ret, hone_program *p)
{
    if (long_row)
        most_work *= 10;
    for (unsigned tries = 0; tries < 500; tries++) {
        hone_error err = {0};
        if (long_row && tries == 100) { /* not every kernel has one that is this small */
            long_row = false;
            most_work /= 10;
        }
        draw_sizes(k, rng, long_row, ret);
        if (hone_workload_parse("builtin", k->text, strlen(k->text), k->name, ret->sizes, ret->n, p,
                                &err) != HONE_OK) {
            *p = (hone_program){0};
            continue;
        }
        int64_t work = pair_work(p);
        if (work <= most_work && work * 50 >= (int64_t)hone_rng_below(rng, (uint64_t)most_work))
            return true;
        hone_program_fini(p);
        *p = (hone_program){0};
    }
    return false;
}

void pair_shape_print(const pair_kernel *k, const char *dtype, const pair_shape *s, char *ret,
                      size_t n)
{
    size_t at = (size_t)snprintf(ret, n, "%s %s", k->name, dtype);
    for (unsigned q = 0; q < s->n && at < n; q++)
        at += (size_t)snprintf(ret + at, n - at, " -D %s=%" PRId64, s->sizes[q].name,
                               s->sizes[q].value);
}
