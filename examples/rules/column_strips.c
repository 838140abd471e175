/* A rule in C: parallel strips of columns for any block with two loops or more whose last two are
 * not reductions.
 *
 *     cc -shared -fPIC -I PATH/TO/hone -o column_strips.so column_strips.c
 *     hone tune add_mul_relu -D M=512 -D N=4096 --rule ./column_strips.so
 */
#include "space/space.h"

static bool takes(const hone_program *p, hone_stmt block)
{
    unsigned n = hone_stmt_at(p, block)->n_iters;
    return n >= 2 && hone_iter_at(p, block, n - 1)->kind == HONE_SPATIAL &&
           hone_iter_at(p, block, n - 2)->kind == HONE_SPATIAL;
}

static hone_status apply(hone_sched *s, const char *name, const hone_rule_info *info,
                         hone_error *err)
{
    static const int64_t widths[] = {64, 128, 256, 512};
    hone_rv block, loops[16], width, strip[2], vector[2];
    unsigned n;
    hone_status st = hone_get_block(s, name, &block, err);
    if (st == HONE_OK)
        st = hone_get_loops(s, block, loops, 16, &n, err);
    if (st == HONE_OK)
        st = hone_sample_categorical(s, widths, NULL, HONE_LEN(widths), NULL, &width, err);
    if (st == HONE_OK)
        st = hone_split(s, loops[n - 1], (hone_rv[]){HONE_NO_RV, width}, 2, strip, err);
    if (st == HONE_OK) {
        int64_t lanes = info->target->vector_bytes / 4;
        st = hone_split_by(s, strip[1], (int64_t[]){0, lanes}, 2, vector, err);
    }
    if (st == HONE_OK)
        st = hone_reorder(s, (hone_rv[]){strip[0], loops[n - 2], vector[0], vector[1]}, 4, err);
    if (st == HONE_OK)
        st = hone_vectorize(s, vector[1], err);
    return st == HONE_OK ? hone_parallel(s, strip[0], err) : st;
}

const hone_rule_plugin *hone_rule_plugins(uint32_t *ret_abi, unsigned *ret_n);
const hone_rule_plugin *hone_rule_plugins(uint32_t *ret_abi, unsigned *ret_n)
{
    static const hone_rule_plugin rules[] = {
        {.name = "column_strips", .only = true, .takes = takes, .apply = apply}};
    *ret_abi = HONE_RULE_ABI;
    *ret_n = HONE_LEN(rules);
    return rules;
}
