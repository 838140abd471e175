/* hone tune: what a session says on its way and at its end, where its workers are, and its options.
 *
 *   trials, summary   as lines of JSON, or as text
 *   workers           those started here, those that are reached or waited for, keys
 *   target            this host, a text, or the description of the device that came
 *   run               options, then everything opened in turn and closed again */
#include "cli/calibrate.h"
#include "codegen/codegen.h"
#include "tuner/tuner.h"

#include <errno.h>
#include <math.h>

static bool reader_gone; /* of standard output, as `head` when it has seen enough */

typedef struct tune {
    bool json;
    int64_t deadline_ns; /* 0: none */
    cli_local *local;
    hone_pool *pool;
} tune;

bool cli_print_json(json_t *j)
{
    char *text = hone_json_text(j);
    bool good = puts(text) >= 0 && fflush(stdout) == 0;
    if (!good) {
        reader_gone |= errno == EPIPE;
        cli_stop(); /* main says why */
    }
    free(text);
    json_decref(j);
    return good;
}

static json_t *hash_json(uint64_t h)
{
    char text[17];
    hone_hash_format(h, text);
    return json_string(text);
}

void cli_print_trial(const hone_trial *t, const char *task)
{
    json_t *j =
        json_pack("{s:I, s:s, s:s, s:s, s:b}", "trial", (json_int_t)t->number, "status",
                  hone_status_name(t->status), "why", t->why, "device", t->device, "best", t->best);
    json_object_set_new(j, "trace_hash", hash_json(t->hash));
    if (t->status == HONE_OK) {
        json_object_set_new(j, "time_ns", json_integer(t->time_ns));
        json_object_set_new(j, "compare_ns", json_integer(t->compare_ns));
        json_object_set_new(j, "max_error", json_real(t->max_error));
    } else {
        json_object_set_new(j, "reason", hone_json_string(t->reason));
    }
    if (task)
        json_object_set_new(j, "task", hone_json_string(task));
    cli_print_json(j);
}

static void on_action(void *ctx, unsigned k, const hone_session_action *a)
{
    (void)k;
    if (a->kind == HONE_SESSION_TRIAL && ((tune *)ctx)->json)
        cli_print_trial(&a->trial, NULL);
    else if (a->kind == HONE_SESSION_PROGRESS)
        cli_progress_draw(&a->progress);
    else if (a->kind == HONE_SESSION_NOTICE)
        hone_log(HONE_LOG_INFO, "%s", a->notice);
}

static void on_peer(void *ctx, const hone_pool_event *e)
{
    (void)ctx;
    hone_log(HONE_LOG_INFO, "%s", e->text);
}

static void on_turn(void *ctx)
{
    cli_local_mind(((tune *)ctx)->local, ((tune *)ctx)->pool);
}

/* While there is no session yet. */
static bool turn(void *ctx)
{
    on_turn(ctx);
    return cli_stopped(NULL);
}

/* Also within a long computation of the search. */
static bool is_over(void *ctx)
{
    const tune *u = ctx;
    return cli_stopped(NULL) || (u->deadline_ns && hone_clock_ns() >= u->deadline_ns);
}

static json_t *rejections(const hone_session_result *r)
{
    json_t *j = json_object();
    for (int s = 0; s < HONE_STATUS_COUNT; s++)
        if (r->rejected[s])
            json_object_set_new(j, hone_status_name((hone_status)s),
                                json_integer((json_int_t)r->rejected[s]));
    return j;
}

/* What the search did, where its time went, and how well its model ranks. */
static json_t *search_json(const hone_strategy *strategy, const hone_search_stats *s)
{
    json_t *j =
        json_pack("{s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f}", "strategy", strategy->name,
                  "proposed", (json_int_t)s->proposed, "replayed", (json_int_t)s->replayed,
                  "illegal", (json_int_t)s->replay_rejected, "predicted", (json_int_t)s->predicted,
                  "mutate_s", (double)s->mutate_ns / 1e9, "replay_s", (double)s->replay_ns / 1e9,
                  "features_s", (double)s->feature_ns / 1e9, "predict_s",
                  (double)s->predict_ns / 1e9, "train_s", (double)s->train_ns / 1e9);
    if (s->model.trained_on) {
        json_object_set_new(j, "trained_on", json_integer((json_int_t)s->model.trained_on));
        if (!isnan(s->model.pair_accuracy))
            json_object_set_new(j, "pair_accuracy", json_real(s->model.pair_accuracy));
    }
    return j;
}

static void summary_json(const hone_strategy *strategy, const hone_session_result *r,
                         int64_t search_ns, hone_status st, const hone_error *err)
{
    json_t *j = json_pack(
        "{s:b, s:I, s:f, s:I, s:I, s:I, s:o, s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:I, s:I, s:b, "
        "s:b}",
        "summary", 1, "best_ns", (json_int_t)r->best_ns, "gflops", r->gflops, "trials",
        (json_int_t)r->trials, "ok", (json_int_t)r->ok, "rejected", (json_int_t)r->rejected_total,
        "rejected_by", rejections(r), "failed", (json_int_t)r->failed, "set_aside",
        (json_int_t)r->set_aside, "wall_s", (double)r->wall_ns / 1e9, "search_s",
        (double)search_ns / 1e9, "build_s", (double)r->build_ns / 1e9, "run_s",
        (double)r->run_ns / 1e9, "max_error", r->max_error, "default_ns", (json_int_t)r->default_ns,
        "known", (json_int_t)r->known, "interrupted", r->interrupted, "exhausted", r->exhausted);
    json_object_set_new(j, "search", search_json(strategy, &r->search));
    if (strategy->whole)
        json_object_set_new(j, "space",
                            json_pack("{s:I, s:b}", "candidates", (json_int_t)r->space.candidates,
                                      "more", r->space.more));
    if (r->best_trace)
        json_object_set_new(j, "best_trace", hash_json(r->best_hash));
    if (st != HONE_OK)
        json_object_set_new(j, "error", hone_json_string(err->message));
    cli_print_json(j);
}

static void summary_text(const cli_kernel *k, const hone_target *t, int64_t threads,
                         const char *db_path, const hone_session_result *r, int64_t search_ns)
{
    char best[32], first[32];
    printf("%s on %s, %" PRId64 " thread%s\n", k->title, t->cpu, threads, threads == 1 ? "" : "s");
    if (r->best_ns) {
        cli_format_ns((double)r->best_ns, best);
        printf("  best     %s, %.1f GFLOP/s, checked: errors up to %.2g of what rounding may do\n",
               best, r->gflops, r->max_error);
    } else {
        printf("  best     none: %s\n",
               r->trials ? "no candidate gave a right result" : "nothing was tried");
    }
    if (r->default_ns) {
        cli_format_ns((double)r->default_ns, first);
        printf("  default  %s as written (%.1fx)\n", first,
               (double)r->default_ns / (double)(r->best_ns ? r->best_ns : r->default_ns));
    }
    printf("  trials   %" PRIu64 ": %" PRIu64 " ok, %" PRIu64 " rejected", r->trials, r->ok,
           r->rejected_total);
    for (int s = 0; s < HONE_STATUS_COUNT; s++)
        if (r->rejected[s])
            printf(", %" PRIu64 " %s", r->rejected[s], hone_status_text((hone_status)s));
    if (r->known)
        printf("; %" PRIu64 " more were in the log", r->known);
    if (r->failed)
        printf("\n  trouble  %" PRIu64 " attempts failed, %" PRIu64 " candidates set aside",
               r->failed, r->set_aside);
    printf("\n  time     %.1f s (search %.1f, build %.1f, run %.1f)%s\n", (double)r->wall_ns / 1e9,
           (double)search_ns / 1e9, (double)r->build_ns / 1e9, (double)r->run_ns / 1e9,
           r->interrupted ? ", interrupted: run the same command to go on"
           : r->exhausted ? ", every candidate of the space has been tried"
                          : "");
    printf("  log      %s\n", db_path);
}

/* For --help: the strategies and what they do, a line each. */
static void list_strategies(char *ret, size_t room)
{
    hone_buf b = {0};
    hone_buf_printf(&b, "how candidates are chosen (default %s):", hone_strategy_at(0)->name);
    for (unsigned k = 0; hone_strategy_at(k); k++)
        hone_buf_printf(&b, "\n%25s%-10s %s", "", hone_strategy_at(k)->name,
                        hone_strategy_at(k)->summary);
    snprintf(ret, room, "%s", b.s);
    hone_buf_free(&b);
}

static int unknown_strategy(const cli_command *self, const char *name)
{
    hone_buf b = {0};
    for (unsigned k = 0; hone_strategy_at(k); k++)
        hone_buf_printf(&b, "%s%s", k ? ", " : "", hone_strategy_at(k)->name);
    int code = cli_usage(self, "no strategy '%s'; there are: %s", name, b.s);
    hone_buf_free(&b);
    return code;
}

static hone_status load_target(const char *arg, const hone_intrin_set *intrins, hone_target *ret,
                               hone_error *err)
{
    hone_status st = cli_target_load(arg, ret, err);
    return st == HONE_OK ? cli_intrins_check(intrins, ret, err) : st;
}

/* Before the first of them. */
static void announce(const cli_kernel *k, const hone_space_size *z)
{
    printf("%s: the space has %s%" PRIu64 " candidates\n", k->title, z->more ? "at least " : "",
           z->candidates);
    fflush(stdout); /* main sees whether it failed */
}

static hone_status tune_one(tune *u, const cli_kernel *kernel, const hone_session_options *o,
                            hone_driver *driver, const char *db_path, int64_t start,
                            bool *ret_found, hone_error *err)
{
    hone_session *session = NULL;
    hone_session_result result = {.interrupted = true};
    cli_progress_start(kernel->title);
    hone_status st = hone_session_new(o, start, &session, err);
    driver->step_ns = hone_clock_ns() - start;
    if (st == HONE_OK && o->strategy->whole && !u->json) {
        cli_progress_end();
        announce(kernel, &hone_session_get_result(session)->space);
        cli_progress_start(kernel->title);
    }
    if (st == HONE_OK) {
        hone_drive(driver, &session, 1);
        result = *hone_session_get_result(session);
        st = result.status;
        *err = result.error;
    } else if (st == HONE_E_INTERRUPTED) {
        st = HONE_OK;
    }
    cli_progress_end();
    if (u->json)
        summary_json(o->strategy, &result, driver->step_ns, st, err);
    else if (st == HONE_OK || result.trials)
        summary_text(kernel, o->target, o->threads, db_path, &result, driver->step_ns);
    *ret_found = result.best_ns > 0;
    hone_session_free(session);
    return st;
}

static int run(int argc, char **argv, const cli_command *self)
{
    cli_sizes sizes = {0};
    cli_list workers = {0}, listen = {0}, rule_files = {0}, intrin_files = {0};
    const char *db_path = "hone.db", *target_arg = "native", *key = NULL, *allow = NULL,
               *strategy_arg = hone_strategy_at(0)->name;
    char strategy_help[4096];
    list_strategies(strategy_help, sizeof strategy_help);
    int64_t threads = 0, trials = -1, seconds = 0, seed = 1;
    const char *tasks_path = NULL;
    bool insecure = false, alone = false, no_calibrate = false;
    tune u = {0};
    const cli_option options[] = {
        {"-D", CLI_SIZE, "NAME=INT", &sizes, "size of the kernel; repeat for each", 0},
        {"--tasks", CLI_TEXT, "FILE", &tasks_path,
         "instead of KERNEL: all kernels of a task list (hone tasks), with one budget", 0},
        {"--db", CLI_TEXT, "FILE", &db_path, "the log of everything tried (default hone.db)", 0},
        {"--target", CLI_TEXT, "T", &target_arg,
         "native (default), device (the workers'), CPU name, target JSON, or a file", 0},
        {"--threads", CLI_INT, "N", &threads,
         "threads the kernel may use (default: all of the target's)", 1},
        {"--trials", CLI_INT, "N", &trials,
         "how many, 0: no limit (default 256, 64 for each of a list, 0 with --time)", 0},
        {"--time", CLI_INT, "SECONDS", &seconds, "stop after so long", 1},
        {"--seed", CLI_INT, "N", &seed, "of every random choice (default 1)", 0},
        {"--strategy", CLI_TEXT, "NAME", &strategy_arg, strategy_help, 0},
        {"--no-transfer", CLI_FLAG, NULL, &alone, "take nothing over from the log's other kernels",
         0},
        {"--no-calibrate", CLI_FLAG, NULL, &no_calibrate,
         "do not measure an unknown machine first (hone calibrate)", 0},
        {"--worker", CLI_LIST, "ENDPOINT", &workers,
         "measure on the worker that listens there (tcp://*:PORT: wait for some)", 0},
        {"--listen", CLI_LIST, "ENDPOINT", &listen, "wait for workers at this address", 0},
        {"--key", CLI_TEXT, "FILE", &key, "secret key, for workers over tcp (hone keygen)", 0},
        {"--allow", CLI_TEXT, "FILE", &allow, "public keys of workers that may take part", 0},
        {"--insecure-loopback", CLI_FLAG, NULL, &insecure,
         "tcp on this machine without keys: any of its users may connect", 0},
        {"--rule", CLI_LIST, "FILE", &rule_files, "also try the rules of FILE (docs/RULES.md)", 0},
        {"--intrin", CLI_LIST, "FILE", &intrin_files,
         "also try the tensor intrinsics of FILE (docs/INTRINSICS.md)", 0},
        {"--json", CLI_FLAG, NULL, &u.json, "one JSON object per trial and a summary", 0},
    };
    const char *pos[1];
    unsigned n;
    int code;
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    if (n != 1 && !tasks_path)
        return cli_usage(self, "which kernel? a built-in's name or FILE.hone[:name]");
    if (tasks_path && (n != 0 || sizes.n != 0))
        return cli_usage(self, "--tasks has the kernels and their sizes: no KERNEL, no -D");
    if (threads > HONE_MAX_THREADS)
        return cli_usage(self, "--threads at most %d", HONE_MAX_THREADS);
    if (seconds > 1000000000)
        return cli_usage(self, "--time at most 1000000000");
    const hone_strategy *strategy = hone_strategy_find(strategy_arg);
    if (!strategy)
        return unknown_strategy(self, strategy_arg);
    bool here = workers.n + listen.n == 0; /* measure on this machine */
    bool found = false;
    hone_error err = {0};
    cli_kernel kernel = {0};
    cli_task_list list = {0};
    hone_target target;
    hone_db *db = NULL;
    hone_model *prior = NULL;
    double trust = 0;
    hone_machine machine;
    bool known = false;
    hone_pool *pool = NULL;
    hone_custom_rules *rules = hone_custom_rules_new();
    bool ask_devices = strcmp(target_arg, "device") == 0;
    hone_status st = tasks_path ? cli_task_list_load(tasks_path, &list, &err)
                                : cli_kernel_load(pos[0], &sizes, &kernel, &err);
    if (trials < 0)
        trials = seconds ? 0 : tasks_path ? 64 * (int64_t)list.n : 256;
    for (unsigned k = 0; k < rule_files.n && st == HONE_OK; k++)
        st = hone_custom_rules_load(rules, rule_files.v[k], &err);
    hone_intrin_set *intrins = hone_intrin_set_new();
    if (st == HONE_OK)
        st = cli_intrins_load(&intrin_files, intrins, &err);
    if (st == HONE_OK && !ask_devices)
        st = load_target(target_arg, intrins, &target, &err);
    if (st == HONE_OK)
        st = hone_db_open(db_path, HONE_DB_WRITE | HONE_DB_CREATE, &db, &err);
    if (st == HONE_OK)
        st = hone_pool_new(&(hone_pool_options){.key_file = key,
                                                .allow_file = allow,
                                                .insecure_loopback = insecure},
                           &pool, &err);
    if (st == HONE_OK)
        st = cli_local_start(here, (int32_t)(threads ? threads : cli_processors()), &u.local, &err);
    u.pool = pool;
    if (st == HONE_OK)
        st = hone_pool_listen(pool, cli_local_endpoint(u.local), &err);
    if (st == HONE_OK)
        st = cli_reach_workers(pool, &listen, &workers, &err);
    if (st == HONE_OK)
        cli_catch_signals();
    if (st == HONE_OK && ask_devices)
        st = cli_target_of_devices(pool, &listen, &workers, turn, &u, &target, &err);
    if (st == HONE_OK && ask_devices)
        st = cli_intrins_check(intrins, &target, &err);
    if (!threads)
        threads = st == HONE_OK && ask_devices ? target.cores : cli_processors();
    if (st == HONE_OK && strategy->learns)
        st = cli_machine(&(cli_calibrate_options){.db = db,
                                                  .pool = pool,
                                                  .target = &target,
                                                  .threads = (int32_t)threads,
                                                  .patience_ns = INT64_C(2) * 1000000000,
                                                  .stop = is_over,
                                                  .on_turn = on_turn,
                                                  .ctx = &u},
                         !no_calibrate && cli_worth_calibrating(trials, seconds), &machine, &known,
                         &err);
    if (st == HONE_OK && !alone && strategy->learns)
        st = cli_prior(db, &target, (int32_t)threads, is_over, &u, &prior, &trust, &err);
    if (st == HONE_E_INTERRUPTED) /* the session says so too */
        st = HONE_OK;
    if (st == HONE_OK) {
        hone_driver driver = {.pool = pool,
                              .stop = cli_stopped,
                              .on_turn = on_turn,
                              .on_peer = on_peer,
                              .on_action = on_action,
                              .ctx = &u};
        int64_t start = hone_clock_ns();
        u.deadline_ns = seconds ? start + seconds * 1000000000 : 0;
        hone_session_options each = {.program = &kernel.program,
                                     .sizes = kernel.sizes,
                                     .target = &target,
                                     .llvm_version = hone_codegen_version(),
                                     .threads = (int32_t)threads,
                                     .rules = rules,
                                     .intrins = intrins,
                                     .trials = (uint64_t)trials,
                                     .time_ms = seconds * 1000,
                                     .seed = (uint64_t)seed,
                                     .strategy = strategy,
                                     .prior = prior,
                                     .prior_trust = trust,
                                     .machine = known ? &machine : NULL,
                                     .alone = alone,
                                     .db = db,
                                     .port = hone_driver_port(&driver),
                                     .exclusive = here && threads >= cli_processors(),
                                     .stop = is_over,
                                     .stop_ctx = &u};
        st = tasks_path ? cli_tune_list(&list,
                                        &(cli_tune_list_options){.each = &each,
                                                                 .trials = trials,
                                                                 .seconds = seconds,
                                                                 .start_ns = start,
                                                                 .db_path = db_path,
                                                                 .json = u.json,
                                                                 .stop = cli_stopped,
                                                                 .on_turn = on_turn,
                                                                 .ctx = &u},
                                        &driver, &found, &err)
                        : tune_one(&u, &kernel, &each, &driver, db_path, start, &found, &err);
    }
    hone_model_free(prior);
    hone_pool_free(pool);
    cli_local_stop(u.local);
    hone_db_close(db);
    hone_custom_rules_free(rules);
    hone_intrin_set_free(intrins);
    cli_kernel_free(&kernel);
    cli_task_list_free(&list);
    if (st != HONE_OK)
        return cli_fail(st, &err);
    return found && !reader_gone ? 0 : 1;
}

const cli_command cli_tune = {
    .name = "tune",
    .synopsis = "KERNEL [-D NAME=INT]... | --tasks FILE [options]",
    .summary = "find the fastest correct version of a kernel and log everything tried",
    .text =
        "KERNEL is a built-in (matmul, batch_matmul, matmul_bias_relu, conv2d_nhwc, ...) or\n"
        "FILE.hone[:name]. Each candidate is built, checked against the program as written, and\n"
        "timed in turns with the best so far. Results are durable at once: after Ctrl-C, a crash "
        "or\n"
        "a lost worker the same command goes on, and nothing is measured twice.\n\n"
        "  hone tune matmul -D M=512 -D N=512 -D K=512 --threads 1 --trials 128\n"
        "  hone tune my.hone:attention -D N=77 --time 60 --json\n"
        "  hone tune --tasks resnet50.json --time 1800 --threads 1\n"
        "  hone tune matmul -D M=64 -D N=64 -D K=64 --worker tcp://*:5555 --key me --allow "
        "boards\n\n"
        "exit codes: 0 found one, also when interrupted; 1 failed or none was right; 2 bad input;\n"
        "3 a file is not there\n",
    .run = run,
};
