/* Covers in turns. All that are to run are one made network, each twice in a row of their choice:
 * A, B, A, B. The second of each is timed, when the other one has just run, so both find what they
 * take where it was left.
 *
 * Reader's map: which; at work; what came of it; all of it. */
#include "cli/net_race.h"

#include "cli/net.h"
#include "cli/net_child.h"
#include "cli/net_known.h"
#include "net/check.h"

#include <math.h>

#define NEAR 0.1 /* of the fastest: of sessions' times, no more can be told */
#define SECONDS 3
#define SEED 1
#define ERRORS 2 /* standard errors of an interval, which nobody looks at */

typedef struct contest {
    hone_net_choice choice;
    uint32_t first, n; /* heats that are timed; before them as many that are not */
    char kernel[80];   /* the last of the rule's own */
} contest;

typedef struct race {
    const net_race_options *o;
    net_make_options make;
    hone_net *g;
    hone_net_plan p;
    net_known *known;
    HONE_VEC(contest) contests;
    HONE_VEC(hone_net_heat) heats;
} race;

/* ---- which ----------------------------------------------------------------------------------- */

static bool has_run(const hone_net_choice *c, const uint32_t *covers, uint32_t n)
{
    for (uint32_t k = 0; k < n; k++)
        if (!(c->raced[covers[k]] > 0))
            return false;
    return true;
}

static void add_contest(race *r, const hone_net_choice *c, const uint32_t *covers, uint32_t n)
{
    uint32_t choice = (uint32_t)(c - r->p.choices.v);
    for (unsigned lap = 0; lap < 2; lap++) {
        uint32_t first = r->heats.n;
        for (uint32_t k = 0; k < n; k++)
            hone_vec_push(&r->heats, (hone_net_heat){.choice = choice, .cover = covers[k]});
        if (lap == 0)
            continue;
        contest x = {.choice = *c, .first = first, .n = n};
        uint32_t last = c->covers[0].kernel[c->covers[0].n - 1];
        snprintf(x.kernel, sizeof x.kernel, "%s", r->p.kernels.v[last].name);
        hone_vec_push(&r->contests, x);
    }
}

/* Choices of the same kernels are one. */
static void find_contests(race *r)
{
    double more = hone_fault("race.all") ? 1e9 : NEAR, *ns = net_known_times(&r->p, r->known);
    uint32_t n_choices;
    hone_net_weighed *w = hone_net_plan_weigh(&r->p, &n_choices);
    for (uint32_t k = 0; k < n_choices; k++) {
        uint32_t covers[HONE_NET_COVERS_MAX];
        uint32_t n = hone_net_choice_close(w[k].of, ns, more, covers);
        if (n > 1 && !has_run(w[k].of, covers, n))
            add_contest(r, w[k].of, covers, n);
    }
    free(w);
    free(ns);
}

/* ---- at work --------------------------------------------------------------------------------- */

static hone_status draw_and_run(race *r, const net_made *made, net_times *times, hone_error *err)
{
    hone_tensor *in = hone_xcalloc((size_t)r->g->inputs.n + 1, sizeof *in);
    hone_status st = hone_net_draw(r->g, SEED, in, err);
    const net_job job = {.made = made, .in = in, .times = times};
    if (st == HONE_OK)
        st = net_child_run(&job, err);
    for (uint32_t k = 0; k < r->g->inputs.n; k++)
        free(in[k].data);
    free(in);
    return st;
}

static hone_status run(race *r, net_times *times, hone_error *err)
{
    net_made made = {0};
    hone_net_plan_race(&r->p, r->heats.v, r->heats.n);
    hone_status st = net_make(&r->p, &r->make, &made, err);
    if (st == HONE_OK)
        st = net_times_new(r->p.calls.n, SECONDS, false, times, err);
    if (st == HONE_OK)
        st = draw_and_run(r, &made, times, err);
    net_made_free(&made);
    return st;
}

/* ---- what came of it ------------------------------------------------------------------------- */

/* Runs that count: as many as can be compared, spread over all. */
static uint32_t samples_of(const race *r, const net_times *t, uint32_t heat,
                           double ret[HONE_PAIRS_MOST])
{
    const hone_net_heat *h = &r->heats.v[heat];
    uint32_t all = *t->n, n = all < HONE_PAIRS_MOST ? all : HONE_PAIRS_MOST;
    for (uint32_t k = 0; k < n; k++) {
        uint32_t run = (uint32_t)((uint64_t)k * all / n);
        const int64_t *at = &t->stamps[(size_t)run * (t->n_calls + 1)];
        ret[k] = fmax(1, (double)(at[h->first + h->n] - at[h->first]));
    }
    return n;
}

static uint32_t judge(const race *r, const net_times *t, contest *c)
{
    double first[HONE_PAIRS_MOST], other[HONE_PAIRS_MOST];
    uint32_t n = samples_of(r, t, c->first, first);
    memset(c->choice.raced, 0, sizeof c->choice.raced);
    for (uint32_t k = 0; k < c->n; k++) {
        samples_of(r, t, c->first + k, other);
        double ratio = k ? hone_pairs_compare(other, first, n, ERRORS).ratio : 0;
        c->choice.raced[r->heats.v[c->first + k].cover] = exp(ratio);
    }
    return n;
}

static void tell(const race *r, const contest *c, uint32_t n)
{
    json_t *covers = json_array();
    hone_buf line = {0};
    uint32_t best = r->heats.v[c->first].cover;
    for (uint32_t k = 0; k < c->n; k++) {
        uint32_t cover = r->heats.v[c->first + k].cover;
        double raced = c->choice.raced[cover];
        char *name = hone_net_cover_name(&c->choice.covers[cover]);
        best = raced < c->choice.raced[best] ? cover : best;
        json_array_append_new(covers, json_pack("{s:s, s:f}", "cover", name, "raced", raced));
        hone_buf_printf(&line, "%s%s %.3f", k ? ", " : "", name, raced);
        free(name);
    }
    char *taken = hone_net_cover_name(&c->choice.covers[best]);
    const char *value = hone_net_value_at(r->g, c->choice.value)->name;
    json_t *j =
        json_pack("{s:{s:s, s:o, s:i, s:s, s:o}}", "race", "kernel", c->kernel, "value",
                  hone_json_string(value), "runs", (int)n, "taken", taken, "covers", covers);
    if (r->o->json)
        cli_print_json(json_incref(j));
    else
        printf("%s in turns: %s\n", c->kernel, line.s);
    json_decref(j);
    free(taken);
    hone_buf_free(&line);
}

/* ---- all of it ------------------------------------------------------------------------------- */

static hone_status find(race *r, hone_error *err)
{
    const net_request q = {.args = &r->o->model, .n = 1, .dims = *r->o->dims};
    HONE_TRY(cli_net_plan(&q, &r->g, &r->p, err));
    if (r->p.choices.n == 0)
        return HONE_OK;
    HONE_TRY(net_known_look(&r->p, &r->make, &r->known, err));
    HONE_TRY(net_known_races(&r->p, &r->make, r->known, err));
    find_contests(r);
    return HONE_OK;
}

static hone_status hold(race *r, hone_error *err)
{
    net_times times = {0};
    char title[64];
    snprintf(title, sizeof title, "choices in turns: %" PRIu32, r->contests.n);
    cli_progress_start(title);
    cli_progress_say("%s", title);
    hone_status st = run(r, &times, err);
    cli_progress_end();
    for (uint32_t k = 0; k < r->contests.n && st == HONE_OK; k++) {
        contest *c = &r->contests.v[k];
        uint32_t n = judge(r, &times, c);
        st = net_known_put(r->o->db, &c->choice, &r->make, r->known, n, err);
        if (st == HONE_OK)
            tell(r, c, n);
    }
    net_times_free(&times);
    return st;
}

hone_status net_race(const net_race_options *o, hone_error *err)
{
    const cli_list logs = {.v = {o->db_path}, .n = 1};
    race r = {.o = o,
              .make = {.target = o->target,
                       .logs = &logs,
                       .threads = o->threads,
                       .name = NET_CHILD_NAME,
                       .watched = true}};
    hone_status st = find(&r, err);
    if (st == HONE_OK && r.contests.n)
        st = hold(&r, err);
    free(r.known);
    hone_vec_free(&r.contests);
    hone_vec_free(&r.heats);
    hone_net_plan_free(&r.p);
    hone_net_free(r.g);
    return st;
}
