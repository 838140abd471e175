/* cli: the command line. One file per command; options are tables that parse and print help. */
#ifndef HONE_CLI_H
#define HONE_CLI_H

#include "base/base.h"
#include "ir/ir.h"
#include "targets/target.h"
#include "workers/workers.h"

/* ---- options ------------------------------------------------------------------------------- */

typedef enum cli_kind {
    CLI_FLAG, /* bool */
    CLI_TEXT, /* const char * */
    CLI_INT,  /* int64_t, at least `min` */
    CLI_SIZE, /* cli_sizes: NAME=INT, may be repeated */
    CLI_LIST  /* cli_list: texts, may be repeated */
} cli_kind;

#define CLI_MAX 32
typedef struct cli_sizes {
    hone_size v[CLI_MAX];
    unsigned n;
} cli_sizes;
typedef struct cli_list {
    const char *v[CLI_MAX];
    unsigned n;
} cli_list;

typedef struct cli_option {
    const char *name; /* "--trials", "-o" */
    cli_kind kind;
    const char *arg; /* "N" */
    void *to;
    const char *help;
    int64_t min;
} cli_option;

typedef struct cli_command {
    const char *name;
    const char *synopsis; /* what follows the name */
    const char *summary;  /* one line */
    const char *text;     /* paragraphs after the options: what it does, examples, exit codes */
    int (*run)(int argc, char **argv, const struct cli_command *self);
} cli_command;

/* Parses argv[0..argc), fills the targets and up to max positionals. Returns true to go on; false
 * with *ret_code = 0 after --help, 2 after an error it has printed. */
bool cli_parse(const cli_command *c, int argc, char **argv, const cli_option *options, unsigned n,
               const char **ret_positionals, unsigned max, unsigned *ret_n, int *ret_code);
/* While there is a listener, a command that parses hands over its table and does nothing else:
 * help, completion and man pages are made of the same one. (options.c) */
typedef void (*cli_listener)(void *ctx, const cli_command *c, const cli_option *o, unsigned n);
void cli_describe(const cli_command *c, cli_listener listener, void *ctx);
/* What --help says. */
void cli_print_help(const cli_command *c, const cli_option *o, unsigned n);
#define CLI_PARSE(c, argc, argv, opts, pos, ret_n, ret_code) \
    cli_parse(c, argc, argv, opts, HONE_LEN(opts), pos, HONE_LEN(pos), ret_n, ret_code)

/* Prints "hone: ..." for an error and returns its exit code. */
int cli_fail(hone_status s, const hone_error *err);
/* Prints one line and returns 2. */
int cli_usage(const cli_command *c, const char *fmt, ...) HONE_PRINTF(2, 3);

/* ---- strategies ------------------------------------------------------------------------------ */

/* Help of --strategy and of --without, with what the tables have; into ret, cut to `room` bytes. */
void cli_strategies_help(char *ret, size_t room);
void cli_parts_help(char *ret, size_t room);
/* Prints one line and returns 2. */
int cli_unknown_strategy(const cli_command *self, const char *name);
/* The set of parts named, as hone_search_options has it; false: one is not known, which a line
 * says. */
bool cli_parts_find(const cli_command *self, const cli_list *names, uint32_t *ret);

/* ---- kernels, targets ------------------------------------------------------------------------ */

typedef struct cli_kernel {
    hone_program program; /* verified */
    char *arg;            /* as it was named: a built-in, or FILE.hone[:name] */
    char *title;          /* "matmul M=512 N=512 K=512" */
    char *sizes;          /* {"K":512,"M":512,"N":512} */
    char *text;           /* in the kernel language, of one that no file has; else NULL */
} cli_kernel;
/* What `arg` names: bytes of its file's name, 0: a built-in; *ret_name: the kernel in it, or the
 * built-in; NULL: the only one. Borrowed from arg. */
size_t cli_kernel_file(const char *arg, const char **ret_name);
/* A built-in's name, or FILE.hone[:name]. HONE_E_INPUT, HONE_E_NOTFOUND. */
hone_status cli_kernel_load(const char *arg, const cli_sizes *sizes, cli_kernel *ret,
                            hone_error *err) HONE_NODISCARD;
void cli_kernel_free(cli_kernel *k);

/* The kernels of a network, each once, and how often it runs them. (tasks.c) */
typedef struct cli_task {
    cli_kernel kernel;
    double weight; /* whatever is chosen */
} cli_task;
typedef struct cli_task_list {
    cli_task *v; /* a vector of base's */
    uint32_t n, cap;
    char *name;
    struct hone_choice *choices; /* among them (tuner/tuner.h) */
    uint32_t n_choices;
} cli_task_list;
/* "-": standard input. Of a model (MODEL.onnx) the kernels of its plan; dims: sizes of dimensions
 * that have names, else not looked at. HONE_E_INPUT, HONE_E_NOTFOUND, HONE_E_IO, HONE_E_LIMIT,
 * HONE_E_UNSUPPORTED. */
hone_status cli_task_list_load(const char *path, const cli_sizes *dims, cli_task_list *ret,
                               hone_error *err) HONE_NODISCARD;
bool cli_is_model(const char *path);
void cli_task_list_free(cli_task_list *l);

/* "native", a processor's name, a JSON target text, or a file that holds one. HONE_E_INPUT. */
hone_status cli_target_load(const char *arg, hone_target *ret, hone_error *err) HONE_NODISCARD;
/* Of a target (and what --target said) that this machine's own workers are to measure: a warning
 * when it is another processor's, as this one's numbers are stored under its name. HONE_E_INPUT:
 * its code does not run here. Modules of WebAssembly run in a runtime and are not looked at. */
hone_status cli_target_here(const char *arg, const hone_target *t, hone_error *err) HONE_NODISCARD;
struct hone_intrin_set;
/* Adds the files' intrinsics. HONE_E_IO, HONE_E_INPUT. (intrin.c) */
hone_status cli_intrins_load(const cli_list *files, struct hone_intrin_set *set,
                             hone_error *err) HONE_NODISCARD;
/* Is their LLVM IR good? HONE_E_INPUT. One whose features the target lacks is only spoken of. */
hone_status cli_intrins_check(const struct hone_intrin_set *set, const hone_target *t,
                              hone_error *err) HONE_NODISCARD;
/* Processors this process may use. */
int32_t cli_processors(void);
/* How many a kernel for the target has unless something else is said: all, or the one that modules
 * of WebAssembly have whose memory is not shared. */
int32_t cli_threads_of(const hone_target *t);
/* As many as --threads asks for, 0: as cli_threads_of. HONE_E_INPUT: the target has not so many. */
hone_status cli_threads_for(const hone_target *t, int64_t asked, int32_t *ret,
                            hone_error *err) HONE_NODISCARD;
/* What runs kernels for the target here, as a worker's --runtime; NULL: they run by themselves. */
const char *cli_runtime_of(const hone_target *t);
/* As hone_file_write; without a path to standard output, whose failures main tells. (output.c) */
hone_status cli_write_out(const char *path, const void *bytes, size_t n,
                          hone_error *err) HONE_NODISCARD;
/* Before all the work whose results go there: HONE_E_INPUT: it is no folder. One that is not there
 * yet is fine. (output.c) */
hone_status cli_check_folder(const char *path, hone_error *err) HONE_NODISCARD;
/* The text as one word of a shell's command line, in quotes where it needs them; caller frees. */
char *cli_shell_word(const char *text);
/* Whether standard output and the path are one, as /dev/stdout is. */
bool cli_is_stdout(const char *path);
/* Whether both are there and lead to one file, whatever they are called. */
bool cli_is_same_file(const char *a, const char *b);
/* "2.41 ms" */
void cli_format_ns(double ns, char ret[32]);

/* ---- progress line, local workers (progress.c, local.c) ----------------------------------------
 */

struct hone_progress;
void cli_progress_start(const char *title);
void cli_progress_draw(const struct hone_progress *p);
void cli_progress_say(const char *fmt, ...) HONE_PRINTF(1, 2);
/* "title: text", with that of the start. */
void cli_progress_step(const char *fmt, ...) HONE_PRINTF(1, 2);
/* Whether there is a line. For signal handlers too. */
bool cli_progress_is_live(void);
void cli_progress_end(void);

/* Listens and connects for workers; the address of any interface among `workers` is one to listen
 * at. As hone_pool_listen. */
hone_status cli_reach_workers(hone_pool *pool, const cli_list *listen, const cli_list *workers,
                              hone_error *err) HONE_NODISCARD;
/* The target that the devices of a pool are: waits until those that were named are there (at least
 * one), a second longer when more may come, and ten at most. `turn` is called while it waits, and
 * true of it ends the waiting (HONE_E_INTERRUPTED). HONE_E_PEER: none came. HONE_E_INPUT: they
 * differ, or one does not say what it is. */
hone_status cli_target_of_devices(hone_pool *pool, const cli_list *listen, const cli_list *workers,
                                  bool (*turn)(void *ctx), void *ctx, hone_target *ret,
                                  hone_error *err) HONE_NODISCARD;

/* Workers of this process's own, on this machine, over an ipc endpoint in a private folder. One
 * that measures may call these libraries, as --candidate-lib has them (borrowed; NULL: none), or
 * measures by a runtime (NULL: without). */
typedef struct cli_local cli_local;
hone_status cli_local_start(bool device, int32_t threads, const cli_list *libraries,
                            const char *runtime, cli_local **ret, hone_error *err) HONE_NODISCARD;
const char *cli_local_endpoint(const cli_local *l);
/* Starts again what has died or does not answer, at most a few times. To be called between turns of
 * the pool that they serve. */
void cli_local_mind(cli_local *l, const hone_pool *pool);
/* Is one of this role on its way: started not long ago, and not seen yet? l: a cli_local. */
bool cli_local_coming(void *l, unsigned role);
void cli_local_stop(cli_local *l);

/* The first SIGINT, SIGTERM or SIGHUP asks the command to stop, a second one ends the process.
 * (signals.c) */
void cli_catch_signals(void);
/* The same for a command that keeps nothing until its end, and may be in one long computation: a
 * second after the signal it has ended, whatever it was at. */
void cli_catch_signals_soon(void);
void cli_stop(void); /* as such a signal does */
bool cli_stopped(void *ctx);

/* ---- what a tune begins with (prior.c) --------------------------------------------------------
 */

struct hone_db;
struct hone_model;
/* What is known of other kernels: the log's model, trained first where it has grown (progress is
 * told), else the one that comes with hone, else none (*ret NULL). *ret_trust: how far to trust it
 * before there are own results. The caller frees *ret. HONE_E_INTERRUPTED (`stop`), and what a
 * database or a model returns. */
hone_status cli_prior(struct hone_db *db, const hone_target *t, int32_t threads,
                      bool (*stop)(void *ctx), void *ctx, struct hone_model **ret,
                      double *ret_trust, hone_error *err) HONE_NODISCARD;

/* ---- what a tune says (tune.c, tune_list.c) ----------------------------------------------------
 */

struct hone_trial;
struct hone_driver;
struct hone_session_options;
/* A line of JSON on standard output; j is released. False: it could not be written, and the command
 * is to stop. */
bool cli_print_json(json_t *j);
/* One trial, of this task (NULL: there is one kernel only). */
void cli_print_trial(const struct hone_trial *t, const char *task);
/* Tunes the kernels of a list together. `each`: what all sessions have. What is said on the way and
 * at the end is said. *ret_found: some kernel has a schedule. Returns what ended it early. */
typedef struct cli_tune_list_options {
    const struct hone_session_options *each;
    int64_t trials, seconds, start_ns; /* 0: no limit */
    const char *db_path;
    bool json;
    bool (*stop)(void *ctx);
    void (*on_turn)(void *ctx);
    void *ctx;
    const struct net_race_options *race; /* between covers, at the end; NULL: none */
} cli_tune_list_options;
hone_status cli_tune_list(const cli_task_list *l, const cli_tune_list_options *o,
                          struct hone_driver *d, bool *ret_found, hone_error *err) HONE_NODISCARD;

/* [{"feature": name, "share": of all gains}, ...], the weightiest first, at most ten; none of a
 * model that is not trained. (explain.c) */
json_t *cli_features_json(const struct hone_model *m);

/* ---- commands
 * ------------------------------------------------------------------------------------ */

#define CLI_COMMAND(name) extern const cli_command cli_##name;
#include "cli/commands.def"
#undef CLI_COMMAND
/* Command k of commands.def, or NULL past the last. (help.c) */
const cli_command *cli_command_at(unsigned k);
const cli_command *cli_command_find(const char *name);
/* What hone is, and its commands. (help.c) */
void cli_overview(FILE *to);

#endif
