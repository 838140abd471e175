/* hone calibrate: what a machine can do, measured by its workers and stored with its target. `hone
 * tune` does it by itself where the log knows nothing of a target. */
#include "cli/calibrate.h"
#include "targets/preset.h"

#include <math.h>

#define MOST_RESULTS 8192 /* that factors are fitted to */
#define LONG_TRIALS 128   /* a tune that is worth some seconds of measuring first */
#define LONG_SECONDS 30
#define SILENT_NS (INT64_C(1) * 1000000000)

/* ---- measuring ---------------------------------------------------------------------------------
 */

typedef struct watch {
    const cli_calibrate_options *o;
    int64_t start_ns;
} watch;

static bool stop(void *ctx)
{
    const watch *w = ctx;
    return w->o->stop && w->o->stop(w->o->ctx);
}

static void on_turn(void *ctx)
{
    const watch *w = ctx;
    if (w->o->on_turn)
        w->o->on_turn(w->o->ctx);
}

static bool coming(void *ctx, unsigned role)
{
    const watch *w = ctx;
    return cli_local_coming(w->o->local, role);
}

static void on_probe(void *ctx, hone_probe_id next)
{
    const watch *w = ctx;
    if (hone_clock_ns() - w->start_ns > SILENT_NS)
        cli_progress_say("measuring the machine: %s (%d of %d)", hone_probe_at(next)->name,
                         (int)next + 1, (int)HONE_PROBE_COUNT);
}

/* Its factors, where the log has results to fit them to; and how the preset would have done. */
static hone_status refit(const cli_calibrate_options *o, cli_calibration *c, hone_error *err)
{
    const hone_calibrate_refit_options r = {.db = o->db,
                                            .target = o->target,
                                            .threads = o->threads,
                                            .most = MOST_RESULTS,
                                            .stop = o->stop,
                                            .stop_ctx = o->ctx};
    hone_machine preset;
    hone_fit_report with_preset;
    hone_machine_preset(o->target, &preset);
    HONE_TRY(hone_calibrate_refit(&r, &c->machine, &c->fit, err));
    if (c->fit.before.off <= 0)
        return HONE_OK;
    HONE_TRY(hone_calibrate_refit(&r, &preset, &with_preset, err));
    c->preset = with_preset.before;
    return HONE_OK;
}

static json_t *quality_json(const hone_fit_quality *q)
{
    json_t *j = json_pack("{s:f}", "off", q->off);
    if (!isnan(q->pair_accuracy))
        json_object_set_new(j, "pair_accuracy", json_real(q->pair_accuracy));
    return j;
}

static json_t *fit_json(const cli_calibration *c)
{
    const hone_fit_report *r = &c->fit;
    json_t *j = json_pack("{s:I, s:I, s:b}", "results", (json_int_t)r->results, "kernels",
                          (json_int_t)r->kernels, "kept", r->better);
    if (r->before.off > 0) {
        json_object_set_new(j, "preset", quality_json(&c->preset));
        json_object_set_new(j, "before", quality_json(&r->before));
        json_object_set_new(j, "after", quality_json(&r->after));
    }
    return j;
}

/* Stores them, unless they are doubtful and the log has better ones. */
static hone_status keep(const cli_calibrate_options *o, cli_calibration *c, hone_error *err)
{
    double before;
    hone_machine earlier;
    bool doubtful = c->noise > HONE_CALIBRATE_NOISE;
    c->stored = !doubtful || o->force ||
                hone_calibrate_find(o->db, o->target, o->threads, &earlier, NULL) != HONE_OK ||
                hone_calibrate_find_noise(o->db, o->target, o->threads, &before, NULL) != HONE_OK ||
                before >= c->noise;
    if (doubtful)
        hone_log(
            HONE_LOG_WARN,
            "the machine was busy: times of one probe differ by up to %.0f %%, and its numbers "
            "are doubtful%s; measure it when nothing else runs, by `hone calibrate`",
            100 * c->noise,
            c->stored ? "" : ", so the log's earlier ones stay in use (--force: these)");
    if (!c->stored)
        return HONE_OK;
    return hone_calibrate_store(o->db, o->target, o->threads, &c->machine, c->about, err);
}

hone_status cli_calibrate_now(const cli_calibrate_options *o, cli_calibration *ret, hone_error *err)
{
    watch w = {.o = o, .start_ns = hone_clock_ns()};
    const hone_calibrate_options run = {.pool = o->pool,
                                        .target = o->target,
                                        .threads = o->threads,
                                        .patience_ns = o->patience_ns,
                                        .coming = coming,
                                        .stop = stop,
                                        .on_turn = on_turn,
                                        .on_probe = on_probe,
                                        .ctx = &w};
    *ret = (cli_calibration){0};
    cli_progress_start("measuring the machine");
    hone_status st = hone_calibrate_run(&run, &ret->probes, err);
    cli_progress_end();
    hone_calibrate_solve(o->target, &ret->probes, &ret->machine, &ret->measured);
    if (st == HONE_OK && ret->measured == 0)
        st = hone_fail(err, HONE_E_TOOL, "no probe of the machine succeeded; the first: %s",
                       ret->probes.of[0].reason);
    if (st == HONE_OK)
        st = refit(o, ret, err);
    ret->seconds = (double)(hone_clock_ns() - w.start_ns) / 1e9;
    if (st != HONE_OK)
        return st;
    ret->about = hone_calibrate_about(&ret->probes, ret->measured);
    json_object_set_new(ret->about, "fit", fit_json(ret));
    json_object_set_new(ret->about, "seconds", json_real(ret->seconds));
    ret->noise = hone_calibrate_noise(ret->about);
    st = keep(o, ret, err);
    if (st != HONE_OK)
        json_decref(ret->about);
    return st;
}

bool cli_worth_calibrating(int64_t trials, int64_t seconds)
{
    return (trials == 0 || trials >= LONG_TRIALS) && (seconds == 0 || seconds >= LONG_SECONDS);
}

hone_status cli_machine(const cli_calibrate_options *o, bool may_measure, hone_machine *ret,
                        bool *ret_known, hone_error *err)
{
    hone_error why = {0};
    cli_calibration c;
    hone_status st = hone_calibrate_find(o->db, o->target, o->threads, ret, &why);
    *ret_known = st == HONE_OK;
    if (st == HONE_E_INPUT)
        hone_log(HONE_LOG_WARN, "%s", why.message);
    else if (st != HONE_OK && st != HONE_E_NOTFOUND)
        return hone_fail(err, st, "%s", why.message);
    if (st == HONE_OK || !may_measure)
        return HONE_OK;
    st = cli_calibrate_now(o, &c, &why);
    if (st == HONE_OK) {
        *ret = c.machine;
        *ret_known = true;
        json_decref(c.about);
        return HONE_OK;
    }
    if (st == HONE_E_PEER) /* the session waits longer, and says so when nobody comes */
        return HONE_OK;
    if (st == HONE_E_INTERRUPTED || st == HONE_E_IO || st == HONE_E_FULL || st == HONE_E_BUSY)
        return hone_fail(err, st, "%s", why.message);
    hone_log(HONE_LOG_WARN, "the machine was not measured, drafts are of orders of magnitude: %s",
             why.message);
    return HONE_OK;
}

/* ---- telling -----------------------------------------------------------------------------------
 */

static void tell_probe(hone_probe_id k, const hone_probe_result *x)
{
    const hone_probe_info *info = hone_probe_at(k);
    if (x->status == HONE_OK)
        printf("  %-12s %10.3f %-5s +-%.1f %%  %s\n", info->name, x->value, info->unit,
               50 * x->spread, info->text);
    else
        printf("  %-12s %10s        %s: %.100s\n", info->name, "-",
               x->status == HONE_E_NOTFOUND ? "not here" : hone_status_text(x->status), x->reason);
}

static void tell_quality(const char *what, const hone_fit_quality *q, const char *more)
{
    printf("  %-20s off by %.0f %%, %.1f %% of pairs in order%s\n", what, 100 * expm1(q->off),
           100 * q->pair_accuracy, more);
}

static void tell_fit(const cli_calibration *c)
{
    const hone_fit_report *r = &c->fit;
    if (r->before.off <= 0) {
        printf("factors: not fitted, the log has %u results of %u kernels of this target (50 of 2 "
               "are needed)\n",
               r->results, r->kernels);
        return;
    }
    printf("drafts of %u results of %u kernels, without any model\n", r->results, r->kernels);
    tell_quality("with the preset", &c->preset, "");
    tell_quality("as measured", &r->before, "");
    tell_quality("with fitted factors", &r->after,
                 r->better ? "; kept" : "; not kept (of kernels held out)");
}

static void tell_text(const hone_target *t, int32_t threads, const cli_calibration *c)
{
    printf("%s, %d thread%s, measured in %.1f s\n", hone_preset_name_of(t), threads,
           threads == 1 ? "" : "s", c->seconds);
    for (unsigned k = 0; k < HONE_PROBE_COUNT; k++)
        tell_probe((hone_probe_id)k, &c->probes.of[k]);
    hone_machine preset;
    hone_machine_preset(t, &preset);
    puts(c->stored ? "the draft reckons with" : "the draft would reckon with");
#define HONE_MACHINE(name, least, most, text)                                                   \
    printf("  %-20s %10.3f  %s%.3f  %s\n", #name, c->machine.name,                              \
           c->measured >> HONE_MACHINE_##name & 1 ? "instead of " : "preset     ", preset.name, \
           text);
#include "costmodel/machine.def"
#undef HONE_MACHINE
    tell_fit(c);
}

static void tell_json(const hone_target *t, int32_t threads, const cli_calibration *c)
{
    hone_machine preset;
    hone_machine_preset(t, &preset);
    char *target = hone_target_text(t), *numbers = hone_machine_text(&c->machine),
         *before = hone_machine_text(&preset);
    json_t *j = json_incref(c->about), *parsed = NULL;
    const char *const names[] = {"target", "machine", "preset"}, *const texts[] = {target, numbers,
                                                                                   before};
    for (unsigned k = 0; k < HONE_LEN(names); k++)
        if (hone_json_parse(texts[k], strlen(texts[k]), &parsed, NULL) == HONE_OK)
            json_object_set_new(j, names[k], parsed);
    json_object_set_new(j, "threads", json_integer(threads));
    if (isfinite(c->noise))
        json_object_set_new(j, "noise", json_real(c->noise));
    json_object_set_new(j, "stored", json_boolean(c->stored));
    cli_print_json(j);
    free(target);
    free(numbers);
    free(before);
}

/* ---- the command -------------------------------------------------------------------------------
 */

/* Threads that take turns at a processor would be measured as a machine that has more. */
static hone_status check_threads(const hone_target *t, int64_t threads, hone_error *err)
{
    if (hone_preset_of(t)->runtime || threads <= cli_processors())
        return HONE_OK;
    return hone_fail(err, HONE_E_INPUT,
                     "--threads %" PRId64 ": there are %d processors here, and threads that "
                     "take turns at them would be measured as a machine that has so many",
                     threads, cli_processors());
}

typedef struct calibrating {
    cli_local *local;
    hone_pool *pool;
} calibrating;

static void mind(void *ctx)
{
    cli_local_mind(((calibrating *)ctx)->local, ((calibrating *)ctx)->pool);
}

static bool turn(void *ctx)
{
    mind(ctx);
    return cli_stopped(NULL);
}

static int run(int argc, char **argv, const cli_command *self)
{
    cli_list workers = {0}, listen = {0};
    const char *db_path = "hone.db", *target_arg = NULL, *key = NULL, *allow = NULL;
    int64_t threads = 0;
    bool insecure = false, json = false, force = false;
    const cli_option options[] = {
        {"--target", CLI_TEXT, "T", &target_arg,
         "native (default), device (with workers: default), target JSON, or a file", 0},
        {"--threads", CLI_INT, "N", &threads,
         "that kernels will use (default: all of the target's)", 1},
        {"--worker", CLI_LIST, "ENDPOINT", &workers,
         "measure on the worker that listens there (tcp://*:PORT: wait for some)", 0},
        {"--listen", CLI_LIST, "ENDPOINT", &listen, "wait for workers at this address", 0},
        {"--key", CLI_TEXT, "FILE", &key, "secret key, for workers over tcp (hone keygen)", 0},
        {"--allow", CLI_TEXT, "FILE", &allow, "public keys of workers that may take part", 0},
        {"--insecure-loopback", CLI_FLAG, NULL, &insecure,
         "tcp on this machine without keys: any of its users may connect", 0},
        {"--db", CLI_TEXT, "FILE", &db_path, "the log it is stored in (default hone.db)", 0},
        {"--force", CLI_FLAG, NULL, &force,
         "store what a busy machine gave, also in the place of better numbers", 0},
        {"--json", CLI_FLAG, NULL, &json, "one JSON object", 0},
    };
    const char *pos[1];
    unsigned n;
    int code;
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    if (n)
        return cli_usage(self, "unexpected argument '%s'", pos[0]);
    if (threads > HONE_MAX_THREADS)
        return cli_usage(self, "--threads at most %d", HONE_MAX_THREADS);
    bool here = workers.n + listen.n == 0;
    target_arg = target_arg ? target_arg : here ? "native" : "device";
    bool ask_devices = strcmp(target_arg, "device") == 0;
    hone_error err = {0};
    hone_target target;
    hone_db *db = NULL;
    calibrating u = {0};
    cli_calibration c = {0};
    hone_status st = ask_devices ? HONE_OK : cli_target_load(target_arg, &target, &err);
    int32_t of_target = (int32_t)threads;
    if (st == HONE_OK && !ask_devices)
        st = cli_threads_for(&target, threads, &of_target, &err);
    threads = of_target;
    if (st == HONE_OK && here && !ask_devices)
        st = check_threads(&target, threads, &err);
    if (st == HONE_OK && here && !ask_devices)
        st = cli_target_here(target_arg, &target, &err);
    if (st == HONE_OK)
        st = hone_db_open(db_path, HONE_DB_WRITE | HONE_DB_CREATE, &db, &err);
    if (st == HONE_OK)
        st = hone_pool_new(&(hone_pool_options){.key_file = key,
                                                .allow_file = allow,
                                                .insecure_loopback = insecure},
                           &u.pool, &err);
    if (st == HONE_OK)
        st = cli_local_start(here, (int32_t)(threads ? threads : cli_processors()), NULL,
                             ask_devices ? NULL : cli_runtime_of(&target), &u.local, &err);
    if (st == HONE_OK)
        st = hone_pool_listen(u.pool, cli_local_endpoint(u.local), &err);
    if (st == HONE_OK)
        st = cli_reach_workers(u.pool, &listen, &workers, &err);
    if (st == HONE_OK)
        cli_catch_signals();
    if (st == HONE_OK && ask_devices)
        st = cli_target_of_devices(u.pool, &listen, &workers, turn, &u, &target, &err);
    if (!threads)
        threads = st == HONE_OK && ask_devices ? target.cores : cli_processors();
    if (st == HONE_OK)
        st = cli_calibrate_now(&(cli_calibrate_options){.db = db,
                                                        .pool = u.pool,
                                                        .local = u.local,
                                                        .target = &target,
                                                        .threads = (int32_t)threads,
                                                        .force = force,
                                                        .stop = cli_stopped,
                                                        .on_turn = mind,
                                                        .ctx = &u},
                               &c, &err);
    hone_pool_free(u.pool);
    cli_local_stop(u.local);
    hone_db_close(db);
    if (st != HONE_OK)
        return cli_fail(st, &err);
    if (json)
        tell_json(&target, (int32_t)threads, &c);
    else
        tell_text(&target, (int32_t)threads, &c);
    json_decref(c.about);
    return 0;
}

const cli_command cli_calibrate = {
    .name = "calibrate",
    .synopsis = "[--target T] [--worker ENDPOINT] [--db FILE] [options]",
    .summary = "measure what a machine can do, for the first guess of every search",
    .text =
        "Clock, ports, bandwidths of caches and memory, what starting threads costs, and what "
        "memory\n"
        "pages cost, in some seconds, with small kernels that workers build and measure as any\n"
        "candidate. The numbers are stored with the target and used instead of the preset's. "
        "Where\n"
        "the log has at least 50 results of the target, of two kernels or more, the factors "
        "of the\n"
        "draft are fitted to them, and kept if kernels held out are the better for it.\n"
        "What a busy machine gave is told with a warning, and stored unless the log has better.\n"
        "`hone tune` does this at the first tune on a target (--no-calibrate: it does not).\n\n"
        "  hone calibrate\n"
        "  hone calibrate --threads 1 --db zen4.db --json\n"
        "  hone calibrate --worker tcp://board:7177 --key me.key --allow boards\n\n"
        "exit codes: 0 good, 1 failed, 2 bad input\n",
    .run = run,
};
