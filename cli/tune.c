/* hone tune: what a session says on its way and at its end, where its workers are, and its options.
 *
 *   trials, summary   as lines of JSON, or as text
 *   workers           those started here, those that are reached or waited for, keys
 *   target            this host, a text, or the description of the device that came
 *   run               options, then everything opened in turn and closed again */
#include "cli/calibrate.h"
#include "cli/libraries.h"
#include "cli/net_race.h"
#include "cli/service.h"
#include "cli/tune_text.h"
#include "codegen/codegen.h"
#include "tuner/tell.h"

#include <errno.h>

static bool reader_gone; /* of standard output, as `head` when it has seen enough */

typedef struct tune {
    bool json;
    int64_t deadline_ns; /* 0: none */
    cli_local *local;
    hone_pool *pool;
} tune;

bool cli_print_json(json_t *j)
{
    char *text = hone_json_shown(j);
    bool good = puts(text) >= 0 && fflush(stdout) == 0;
    if (!good) {
        reader_gone |= errno == EPIPE;
        cli_stop(); /* main says why */
    }
    free(text);
    json_decref(j);
    return good;
}

void cli_print_trial(const hone_trial *t, const char *task)
{
    cli_print_json(hone_tell_trial(t, task));
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
    json_t *summary = hone_tell_summary(o, &result, driver->step_ns, st, err);
    if (!u->json && (st == HONE_OK || result.trials))
        cli_summary_text(kernel->title, db_path, summary);
    if (u->json)
        cli_print_json(summary);
    else
        json_decref(summary);
    *ret_found = result.best_ns > 0;
    hone_session_free(session);
    return st;
}

static int run(int argc, char **argv, const cli_command *self)
{
    cli_sizes sizes = {0};
    cli_list workers = {0}, listen = {0}, rule_files = {0}, intrin_files = {0}, library_files = {0};
    const char *db_path = "hone.db", *target_arg = "native", *key = NULL, *allow = NULL,
               *strategy_arg = hone_strategy_at(0)->name;
    char strategy_help[4096], parts_help[1024];
    cli_strategies_help(strategy_help, sizeof strategy_help);
    cli_parts_help(parts_help, sizeof parts_help);
    cli_list without = {0};
    uint32_t parts;
    int64_t threads = 0, trials = -1, seconds = 0, seed = 1;
    const char *tasks_path = NULL;
    bool insecure = false, alone = false, no_calibrate = false;
    const char *service = NULL, *filter = NULL;
    tune u = {0};
    const cli_option options[] = {
        {"-D", CLI_SIZE, "NAME=INT", &sizes, "size of the kernel; repeat for each", 0},
        {"--tasks", CLI_TEXT, "FILE", &tasks_path,
         "instead of KERNEL: a task list (hone tasks) or MODEL.onnx, one budget", 0},
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
        {"--without", CLI_LIST, "PART", &without, parts_help, 0},
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
        {"--service", CLI_TEXT, "ENDPOINT", &service,
         "on the devices of this service (hone serve), into its log", 0},
        {"--on", CLI_TEXT, "FILTER", &filter, "with --service: devices that will do (hone submit)",
         0},
        {"--rule", CLI_LIST, "FILE", &rule_files, "also try the rules of FILE (docs/RULES.md)", 0},
        {"--intrin", CLI_LIST, "FILE", &intrin_files,
         "also try the tensor intrinsics of FILE (docs/INTRINSICS.md)", 0},
        {CLI_CANDIDATE_LIB, CLI_LIST, "NAME=TEXT", &library_files,
         "also measure the function of a library (docs/LIBRARIES.md)", 0},
        {"--json", CLI_FLAG, NULL, &u.json, "one JSON object per trial and a summary", 0},
    };
    const char *pos[1];
    unsigned n;
    int code;
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    if (n != 1 && !tasks_path)
        return cli_usage(self, "which kernel? a built-in's name or FILE.hone[:name]");
    if (tasks_path && n != 0 && cli_is_model(tasks_path))
        return cli_usage(self, "the kernels are those of '%s': no other model or KERNEL, '%s'",
                         tasks_path, pos[0]);
    if (tasks_path && (n != 0 || (sizes.n != 0 && !cli_is_model(tasks_path))))
        return cli_usage(self, "--tasks has the kernels and their sizes: no KERNEL, no -D");
    if (threads > HONE_MAX_THREADS)
        return cli_usage(self, "--threads at most %d", HONE_MAX_THREADS);
    if (seconds > 1000000000)
        return cli_usage(self, "--time at most 1000000000");
    const hone_strategy *strategy = hone_strategy_find(strategy_arg);
    if (!strategy)
        return cli_unknown_strategy(self, strategy_arg);
    if (!cli_parts_find(self, &without, &parts))
        return 2;
    if (filter && !service)
        return cli_usage(self, "--on goes with --service");
    if (service && (workers.n || listen.n || rule_files.n || intrin_files.n || no_calibrate ||
                    library_files.n || parts || strcmp(db_path, "hone.db") != 0))
        return cli_usage(self, "--service has a log and workers of its own: no --db, --worker, "
                               "--listen, --rule, --intrin, --candidate-lib, --without or "
                               "--no-calibrate");
    if (tasks_path && library_files.n)
        return cli_usage(self, "--candidate-lib is for one KERNEL, and --tasks has several");
    if (service)
        return cli_tune_service(
            &(cli_service){.endpoint = service,
                           .key = key,
                           .allow = allow,
                           .insecure = insecure,
                           .json = u.json},
            &(cli_submission){.kernel = tasks_path ? NULL : pos[0],
                              .sizes = sizes,
                              .tasks = tasks_path,
                              .filter = filter,
                              .target = strcmp(target_arg, "native") == 0 ? NULL : target_arg,
                              .strategy = strategy->name,
                              .threads = threads,
                              .trials = trials,
                              .seconds = seconds,
                              .seed = seed,
                              .priority = 2,
                              .alone = alone});
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
    cli_libraries libraries = {0};
    hone_libcall calls[HONE_LIBCALL_MAX];
    hone_custom_rules *rules = hone_custom_rules_new();
    bool ask_devices = strcmp(target_arg, "device") == 0;
    hone_status st = tasks_path ? cli_task_list_load(tasks_path, &sizes, &list, &err)
                                : cli_kernel_load(pos[0], &sizes, &kernel, &err);
    if (st == HONE_OK)
        st = cli_libraries_load(&library_files, true, &libraries, &err);
    if (st == HONE_OK && libraries.n)
        st = cli_libraries_calls(&libraries, &kernel, calls, &err);
    if (trials < 0)
        trials = seconds ? 0 : tasks_path ? 64 * (int64_t)list.n : 256;
    for (unsigned k = 0; k < rule_files.n && st == HONE_OK; k++)
        st = hone_custom_rules_load(rules, rule_files.v[k], &err);
    hone_intrin_set *intrins = hone_intrin_set_new();
    if (st == HONE_OK)
        st = cli_intrins_load(&intrin_files, intrins, &err);
    if (st == HONE_OK && !ask_devices)
        st = load_target(target_arg, intrins, &target, &err);
    if (st == HONE_OK && here && !ask_devices)
        st = cli_target_here(target_arg, &target, &err);
    int32_t of_target = (int32_t)threads;
    if (st == HONE_OK && !ask_devices)
        st = cli_threads_for(&target, threads, &of_target, &err);
    threads = of_target;
    if (st == HONE_OK)
        st = hone_db_open(db_path, HONE_DB_WRITE | HONE_DB_CREATE, &db, &err);
    if (st == HONE_OK)
        st = hone_pool_new(&(hone_pool_options){.key_file = key,
                                                .allow_file = allow,
                                                .insecure_loopback = insecure},
                           &pool, &err);
    if (st == HONE_OK)
        st = cli_local_start(here, (int32_t)(threads ? threads : cli_processors()), &library_files,
                             ask_devices ? NULL : cli_runtime_of(&target), &u.local, &err);
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
                                                  .local = u.local,
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
                              .ctx = &u,
                              .coming = cli_local_coming,
                              .workers = u.local};
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
                                     .without = parts,
                                     .prior = prior,
                                     .prior_trust = trust,
                                     .machine = known ? &machine : NULL,
                                     .alone = alone,
                                     .db = db,
                                     .libraries = calls,
                                     .n_libraries = libraries.n,
                                     .port = hone_driver_port(&driver),
                                     .exclusive = here && threads >= cli_processors(),
                                     .stop = is_over,
                                     .stop_ctx = &u};
        const net_race_options race = {.model = tasks_path,
                                       .dims = &sizes,
                                       .db = db,
                                       .db_path = db_path,
                                       .target = &target,
                                       .threads = (int32_t)threads,
                                       .json = u.json};
        bool races = tasks_path && cli_is_model(tasks_path) && list.n_choices && here &&
                     !cli_runtime_of(&target); /* it runs here */
        st = tasks_path ? cli_tune_list(&list,
                                        &(cli_tune_list_options){.each = &each,
                                                                 .trials = trials,
                                                                 .seconds = seconds,
                                                                 .start_ns = start,
                                                                 .db_path = db_path,
                                                                 .json = u.json,
                                                                 .stop = cli_stopped,
                                                                 .on_turn = on_turn,
                                                                 .ctx = &u,
                                                                 .race = races ? &race : NULL},
                                        &driver, &found, &err)
                        : tune_one(&u, &kernel, &each, &driver, db_path, start, &found, &err);
    }
    hone_model_free(prior);
    hone_pool_free(pool);
    cli_local_stop(u.local);
    hone_db_close(db);
    hone_custom_rules_free(rules);
    hone_intrin_set_free(intrins);
    cli_libraries_free(&libraries);
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
        "a lost worker the same command goes on, and nothing is measured twice.\n"
        "With --service the devices of a service do it, and --target is theirs unless it is "
        "named;\n"
        "Ctrl-C ends the job there.\n"
        "With --candidate-lib a library's function is checked and timed beside the candidates; "
        "what\n"
        "it wins by is in the log, and only those get it who name the library too.\n\n"
        "  hone tune matmul -D M=512 -D N=512 -D K=512 --threads 1 --trials 128\n"
        "  hone tune my.hone:attention -D N=77 --time 60 --json\n"
        "  hone tune --tasks resnet50.json --time 1800 --threads 1\n"
        "  hone tune matmul -D M=64 -D N=64 -D K=64 --worker tcp://*:5555 --key me --allow "
        "boards\n\n"
        "exit codes: 0 found one, also when interrupted; 1 failed or none was right; 2 bad input;\n"
        "3 a file is not there\n",
    .run = run,
};
