/* One function for a range of sizes: the ladder's answers at several sizes are variants, each of
 * which does every size up to the one it was made for; the model says which are worth having and
 * which runs when (tuner/lookup/size_choice.h).
 *
 * Reader's map: the kernel at a size; variants; at which sizes they are compared, and their costs;
 * what is said of them; the command. */
#include "cli/query_sizes.h"
#include "cli/emit.h"
#include "cli/query.h"
#include "cli/size_ranges.h"
#include "tuner/lookup/size_choice.h"

#include <math.h>

#define MOST_VARIANTS 24 /* that are looked up */
#define MOST_SIZES 96    /* at which they are compared */
#define GAIN 0.002       /* of the mean time, for another variant */

/* What it takes, next to the others, to run a program as written: it is there when nothing else is.
 */
#define LN_AS_WRITTEN 3

typedef struct variant {
    int64_t most; /* the size it was made for */
    cli_kernel kernel;
    cli_answer answer;
    bool bad; /* there is no code of it */
} variant;

typedef struct sized {
    const cli_sizes_question *q;
    cli_ranges ranges;
    uint64_t args; /* that have the size */
    variant v[MOST_VARIANTS];
    unsigned n, n_sizes;
    int64_t sizes[MOST_SIZES];
    double weights[MOST_SIZES], *cost;
    hone_size_choice choice;
    unsigned used[HONE_SIZE_CHOICE_MAX], n_used; /* of the choice, smallest first */
} sized;

/* ---- the kernel at a size -------------------------------------------------------------------- */

static const char *size_name(const sized *s)
{
    return s->ranges.sizes.v[s->ranges.ranged].name;
}

static hone_status kernel_at(const sized *s, int64_t size, cli_kernel *ret, hone_error *err)
{
    cli_sizes sizes = s->ranges.sizes;
    sizes.v[s->ranges.ranged].value = size;
    return cli_kernel_load(s->q->kernel, &sizes, ret, err);
}

/* Which arguments have it, if it can have a range at all. */
static hone_status find_args(sized *s, hone_error *err)
{
    int64_t at = s->ranges.most > 2 ? s->ranges.most : 3;
    cli_kernel a = {0}, b = {0};
    hone_status st = kernel_at(s, at, &a, err);
    if (st == HONE_OK)
        st = kernel_at(s, at - 1, &b, err);
    if (st == HONE_OK)
        st = hone_program_rows(&a.program, at, &b.program, at - 1, size_name(s), &s->args, err);
    cli_kernel_free(&a);
    cli_kernel_free(&b);
    return st;
}

/* ---- variants -------------------------------------------------------------------------------- */

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static unsigned sort_unique(int64_t *v, unsigned n)
{
    unsigned kept = 0;
    qsort(v, n, sizeof *v, by_value);
    for (unsigned k = 0; k < n; k++)
        if (kept == 0 || v[k] != v[kept - 1])
            v[kept++] = v[k];
    return kept;
}

/* Those tuned, powers of 2, and the largest. Of many tuned ones every second, third, .. */
static hone_status made_for(sized *s, int64_t ret[MOST_VARIANTS], unsigned *ret_n, hone_error *err)
{
    hone_sizes_tuned tuned = {0};
    cli_kernel kernel;
    int64_t least = s->ranges.least, most = s->ranges.most;
    unsigned n = 0, within = 0;
    HONE_TRY(kernel_at(s, most, &kernel, err));
    hone_status st = cli_tuned_sizes(s->q->lookup, &kernel, s->q->target, s->q->threads,
                                     size_name(s), &tuned, err);
    cli_kernel_free(&kernel);
    ret[n++] = most;
    for (int64_t p = 1; p < most && n < 2 * MOST_VARIANTS / 3; p *= 2)
        if (p >= least)
            ret[n++] = p;
    for (uint32_t k = 0; k < tuned.n; k++)
        if (tuned.v[k] >= least && tuned.v[k] <= most)
            tuned.v[within++] = tuned.v[k];
    unsigned step = within / (MOST_VARIANTS - n + 1) + 1;
    for (unsigned k = step - 1; k < within && n < MOST_VARIANTS; k += step)
        ret[n++] = tuned.v[k];
    hone_vec_free(&tuned);
    *ret_n = sort_unique(ret, n);
    return st;
}

/* Where a rung is required, sizes without an answer of it are left out, but for the largest. */
static hone_status look_up_all(sized *s, hone_error *err)
{
    int64_t most[MOST_VARIANTS];
    unsigned n = 0;
    HONE_TRY(made_for(s, most, &n, err));
    for (unsigned k = 0; k < n; k++) {
        variant *v = &s->v[s->n];
        *v = (variant){.most = most[k]};
        hone_status st = kernel_at(s, v->most, &v->kernel, err);
        if (st == HONE_OK)
            st =
                cli_look_up(s->q->lookup, &v->kernel, s->q->target, s->q->threads, &v->answer, err);
        s->n++;
        if (st == HONE_E_NOTFOUND && k + 1 < n) {
            s->n--;
            cli_answer_free(&v->answer);
            cli_kernel_free(&v->kernel);
        } else if (st != HONE_OK) {
            return st;
        }
    }
    return HONE_OK;
}

/* ---- costs ----------------------------------------------------------------------------------- */

/* Every variant's own size and the one after it; between them powers of 2, and the middles. */
static void compare_at(sized *s)
{
    int64_t least = s->ranges.least, most = s->ranges.most;
    unsigned n = 0;
    for (unsigned k = 0; k < s->n; k++) {
        s->sizes[n++] = s->v[k].most;
        if (s->v[k].most < most)
            s->sizes[n++] = s->v[k].most + 1;
    }
    s->sizes[n++] = least;
    for (int64_t p = 1; p <= most && n + 1 < MOST_SIZES; p *= 2) {
        if (p >= least)
            s->sizes[n++] = p;
        if (p + p / 2 > least && p + p / 2 < most)
            s->sizes[n++] = p + p / 2;
    }
    s->n_sizes = sort_unique(s->sizes, n);
    for (unsigned k = 0; k < s->n_sizes; k++) { /* all orders of magnitude alike */
        double from = (double)s->sizes[k ? k - 1 : 0];
        double to = (double)s->sizes[k + 1 < s->n_sizes ? k + 1 : k];
        s->weights[k] = log(to / from) + 0.01;
    }
}

static double *cost_of(sized *s, unsigned v, unsigned size)
{
    return &s->cost[(size_t)v * s->n_sizes + size];
}

/* What was measured at its own size is the best there; the others are as predicted. */
static void settle(sized *s, unsigned at)
{
    double least = INFINITY, worst = -INFINITY;
    for (unsigned v = 0; v < s->n; v++) {
        double c = *cost_of(s, v, at);
        least = fmin(least, c);
        worst = isfinite(c) ? fmax(worst, c) : worst;
    }
    for (unsigned v = 0; v < s->n; v++) {
        double *c = cost_of(s, v, at);
        bool fits = s->v[v].most >= s->sizes[at];
        if (fits && !isfinite(*c))
            *c = (isfinite(worst) ? worst : 0) + LN_AS_WRITTEN;
        else if (fits && s->v[v].most == s->sizes[at] && s->v[v].answer.of.rung == HONE_RUNG_exact)
            *c = least;
    }
}

static hone_status predict_all(sized *s, hone_error *err)
{
    hone_status st = HONE_OK;
    s->cost = hone_xcalloc((size_t)s->n * s->n_sizes, sizeof *s->cost);
    for (unsigned at = 0; at < s->n_sizes && st == HONE_OK; at++) {
        const hone_trace *traces[MOST_VARIANTS];
        double cost[MOST_VARIANTS];
        cli_kernel kernel;
        for (unsigned v = 0; v < s->n; v++)
            traces[v] = s->v[v].most >= s->sizes[at] ? &s->v[v].answer.of.sched.trace : NULL;
        st = kernel_at(s, s->sizes[at], &kernel, err);
        if (st == HONE_OK)
            st = cli_costs(s->q->lookup, &kernel, s->q->target, s->q->threads, traces, s->n, cost,
                           err);
        for (unsigned v = 0; v < s->n && st == HONE_OK; v++)
            *cost_of(s, v, at) = cost[v];
        if (st == HONE_OK)
            settle(s, at);
        cli_kernel_free(&kernel);
    }
    return st;
}

static void choose(sized *s)
{
    int64_t most[MOST_VARIANTS];
    bool used[MOST_VARIANTS] = {false};
    for (unsigned v = 0; v < s->n; v++) {
        most[v] = s->v[v].bad ? 0 : s->v[v].most;
        for (unsigned at = 0; at < s->n_sizes && s->v[v].bad; at++)
            *cost_of(s, v, at) = INFINITY;
    }
    hone_vec_free(&s->choice.ranges);
    hone_size_choose(&(hone_size_question){.n = s->n,
                                           .n_sizes = s->n_sizes,
                                           .sizes = s->sizes,
                                           .weights = s->weights,
                                           .cost = s->cost,
                                           .most = most,
                                           .max = HONE_SIZE_CHOICE_MAX,
                                           .gain = GAIN},
                     &s->choice);
    for (uint32_t k = 0; k < s->choice.ranges.n; k++)
        used[s->choice.ranges.v[k].variant] = true;
    s->n_used = 0;
    for (unsigned v = 0; v < s->n; v++)
        if (used[v])
            s->used[s->n_used++] = v;
}

/* ---- code ------------------------------------------------------------------------------------ */

static unsigned used_as(const sized *s, unsigned v)
{
    unsigned k = 0;
    while (s->used[k] != v)
        k++;
    return k;
}

/* The sizes between which a variant of the choice is called. */
static void calls_of(const sized *s, unsigned v, int64_t *ret_least, int64_t *ret_most)
{
    int64_t from = s->ranges.least;
    *ret_least = *ret_most = 0;
    for (uint32_t k = 0; k < s->choice.ranges.n; k++) {
        const hone_size_range *r = &s->choice.ranges.v[k];
        if (r->variant == v) {
            *ret_least = *ret_least ? *ret_least : from;
            *ret_most = r->last;
        }
        from = r->last + 1;
    }
}

/* A schedule that cannot be made into code for all sizes is left out; the one for the largest size
 * gives way to the program as written. */
static void put_aside(sized *s, unsigned k, const hone_error *why)
{
    variant *v = &s->v[s->used[k]];
    hone_log(HONE_LOG_WARN, "the schedule for %s=%" PRId64 " cannot do all sizes: %s", size_name(s),
             v->most, why->message);
    if (v->most < s->ranges.most) {
        v->bad = true;
        return;
    }
    v->answer.of.as_written = true;
    for (unsigned at = 0; at < s->n_sizes; at++)
        *cost_of(s, s->used[k], at) += LN_AS_WRITTEN;
}

static hone_status compile(sized *s, const char *name, cli_library *ret, unsigned *ret_bad,
                           hone_error *err)
{
    cli_schedule v[HONE_SIZE_CHOICE_MAX];
    hone_codegen_size sizes[HONE_SIZE_CHOICE_MAX];
    hone_codegen_range *ranges = hone_xcalloc(s->choice.ranges.n, sizeof *ranges);
    for (unsigned k = 0; k < s->n_used; k++) {
        const variant *x = &s->v[s->used[k]];
        bool plain = x->answer.of.as_written;
        v[k] = (cli_schedule){.program = plain ? &x->kernel.program : &x->answer.of.sched.prog,
                              .as_written = plain,
                              .intrins = x->answer.of.intrins,
                              .target = s->q->target,
                              .threads = s->q->threads};
        sizes[k] = (hone_codegen_size){.name = size_name(s), .args = s->args};
        calls_of(s, s->used[k], &sizes[k].least, &sizes[k].most);
    }
    for (uint32_t k = 0; k < s->choice.ranges.n; k++)
        ranges[k] = (hone_codegen_range){s->choice.ranges.v[k].last,
                                         used_as(s, s->choice.ranges.v[k].variant)};
    hone_status st = cli_library_make_sized(v, sizes, s->n_used, s->ranges.least, ranges,
                                            s->choice.ranges.n, name, ret_bad, ret, err);
    free(ranges);
    return st;
}

/* Chooses again without what turned out to be of no use. */
static hone_status make(sized *s, const char *name, cli_library *ret, hone_error *err)
{
    for (;;) {
        unsigned bad = 0;
        choose(s);
        hone_status st = compile(s, name, ret, &bad, err);
        bool again = hone_status_is_reject(st) && bad < s->n_used &&
                     !s->v[s->used[bad]].answer.of.as_written;
        if (!again)
            return st;
        put_aside(s, bad, err);
    }
}

/* ---- what is said ---------------------------------------------------------------------------- */

static json_t *describe_variant(const sized *s, unsigned k)
{
    const variant *v = &s->v[s->used[k]];
    char *target = hone_target_text(s->q->target);
    int64_t least, most;
    calls_of(s, s->used[k], &least, &most);
    json_t *j =
        json_pack("{s:I, s:[I, I], s:b}", "made_for", (json_int_t)v->most, "called_for",
                  (json_int_t)least, (json_int_t)most, "as_written", v->answer.of.as_written);
    cli_query_describe_answer(&v->answer, target, false, j);
    free(target);
    return j;
}

static json_t *describe(const sized *s, const char *name, const cli_library *l)
{
    hone_buf program = {0};
    const cli_kernel *k = &s->v[s->n - 1].kernel;
    json_t *ranges = json_array(), *variants = json_array();
    json_t *sizes = json_loads(k->sizes, 0, NULL);
    json_object_set_new(
        sizes, size_name(s),
        json_pack("[I, I]", (json_int_t)s->ranges.least, (json_int_t)s->ranges.most));
    for (uint32_t i = 0; i < s->choice.ranges.n; i++)
        json_array_append_new(ranges, json_pack("{s:I, s:i}", "last",
                                                (json_int_t)s->choice.ranges.v[i].last, "variant",
                                                (int)used_as(s, s->choice.ranges.v[i].variant)));
    for (unsigned i = 0; i < s->n_used; i++)
        json_array_append_new(variants, describe_variant(s, i));
    hone_program_print(&k->program, &program);
    json_t *j = json_pack("{s:s, s:o, s:s, s:o, s:o, s:o, s:f, s:I, s:i, s:o, s:s, s:s, s:i}",
                          "function", name, "kernel", hone_json_string(s->q->kernel), "size",
                          size_name(s), "sizes", sizes, "ranges", ranges, "variants", variants,
                          "expected_loss", expm1(s->choice.regret), "code_bytes",
                          (json_int_t)l->object.code_bytes, "threads", s->q->threads, "program",
                          hone_json_string(program.s), "hone", HONE_VERSION, "llvm",
                          hone_codegen_version(), "space_version", HONE_SPACE_VERSION);
    hone_buf_free(&program);
    return j;
}

static void print(const sized *s)
{
    int64_t from = s->ranges.least;
    for (uint32_t k = 0; k < s->choice.ranges.n; k++) {
        const hone_size_range *r = &s->choice.ranges.v[k];
        const variant *v = &s->v[r->variant];
        char *reason = hone_text_clean(v->answer.of.reason);
        printf("%s=%" PRId64 "..%" PRId64 ": as for %" PRId64 ", %s: %s\n", size_name(s), from,
               r->last, v->most, v->answer.of.as_written ? "as written" : v->answer.rung, reason);
        free(reason);
        from = r->last + 1;
    }
}

/* ---- the command ------------------------------------------------------------------------------
 */

static hone_status write_library(sized *s, hone_error *err)
{
    cli_library l = {0};
    const hone_program *p = &s->v[s->n - 1].kernel.program;
    char *name = hone_xstrdup(s->q->name ? s->q->name : hone_sym_text(p, p->name));
    hone_error why;
    hone_status st = HONE_OK;
    if (hone_codegen_symbol_check(name, &why) != HONE_OK)
        st = hone_fail(err, HONE_E_INPUT,
                       "the C function cannot have the kernel's name, %s: give another with --name",
                       why.message);
    if (st == HONE_OK)
        st = make(s, name, &l, err);
    if (st == HONE_OK) {
        json_t *about = describe(s, name, &l);
        char *line = hone_json_text(about);
        l.about = cli_about_text(about);
        st = cli_library_write(&l, s->q->folder, name, NULL, err);
        if (st == HONE_OK && s->q->json)
            puts(line);
        else if (st == HONE_OK)
            print(s);
        free(line);
    }
    cli_library_free(&l);
    free(name);
    return st;
}

hone_status cli_query_sizes(const cli_sizes_question *q, hone_error *err)
{
    sized *s = hone_xcalloc(1, sizeof *s);
    s->q = q;
    hone_status st = cli_ranges_parse(q->sizes, q->fixed, &s->ranges, err);
    if (st == HONE_OK)
        st = find_args(s, err);
    if (st == HONE_OK)
        st = look_up_all(s, err);
    if (st == HONE_OK) {
        compare_at(s);
        st = predict_all(s, err);
    }
    if (st == HONE_OK)
        st = write_library(s, err);
    for (unsigned k = 0; k < s->n; k++) {
        cli_answer_free(&s->v[k].answer);
        cli_kernel_free(&s->v[k].kernel);
    }
    hone_vec_free(&s->choice.ranges);
    cli_ranges_free(&s->ranges);
    free(s->cost);
    free(s);
    return st;
}
