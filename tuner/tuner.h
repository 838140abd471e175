/* tuner: search strategies as ask/tell (tuner/strategy.h), and the session that drives one kernel's
 * tuning. */
#ifndef HONE_TUNER_H
#define HONE_TUNER_H

#include "db/db.h"
#include "libcall/libcall.h"
#include "tuner/strategy.h"
#include "workers/workers.h"

/* ---- session: one kernel on one target -------------------------------------------------------
 *
 * A session is a state machine: it is stepped with what came from the pool and with the time, and
 * hands out actions. It has no loop, no clock and no socket; who has them is a driver, such as
 * hone_drive below or the fake pool of the tests. The log is written from inside of a step, so that
 * a result is durable before it is told; or by whoever the port names, and then it may be told a
 * moment earlier.
 *
 * Threads: a session, its database and the space below it belong to one thread at a time. */

typedef struct hone_session hone_session;

typedef hone_status (*hone_session_write_fn)(hone_db *db, void *ctx, hone_error *err);

/* What a session asks of whoever has the pool; answers are taken as of now. */
typedef struct hone_session_port {
    void *ctx;
    uint64_t (*new_id)(void *ctx); /* for a job; no other session of the pool has it */
    /* Peers present that could take a job of this role (HONE_ROLE_*) for this target; target NULL:
     * whatever they are. */
    uint32_t (*able)(void *ctx, unsigned role, const char *target);
    /* Jobs of this role in hand, of all sessions of the pool. NULL: this one is alone. */
    uint32_t (*in_hand)(void *ctx, unsigned role);
    /* Who writes the log, when another thread does; both or neither. The session then only reads by
     * its database.
     *   write  runs fn with a handle that is open for writing (again, when what it was in had to be
     *          rolled back), and returns when that, and all that was stored before, is durable. fn
     *          NULL: only that.
     *   store  takes a result, and the session's row after it; copies what it needs. What fails
     *          later is what the next call returns. */
    hone_status (*write)(void *ctx, hone_session_write_fn fn, void *fn_ctx, hone_error *err);
    hone_status (*store)(void *ctx, const hone_db_record *r, const hone_db_sample *samples,
                         uint32_t n, const hone_db_session *row, hone_error *err);
    /* Is one of this role on its way: started, and not there yet? It is waited for as long as it
     * is. NULL: none ever is. */
    bool (*coming)(void *ctx, unsigned role);
} hone_session_port;

/* Texts, program, target, rules, intrinsics and the database must outlive the session. */
typedef struct hone_session_options {
    const hone_program *program; /* unscheduled, verified */
    const char *sizes;           /* JSON object of the named sizes, for the log */
    const hone_target *target;
    const char *llvm_version;       /* of the builders, for the log */
    const hone_custom_rules *rules; /* may be NULL */
    const hone_intrin_set *intrins; /* beside hone's own; may be NULL */
    int32_t threads;
    uint64_t trials; /* 0: no limit */
    int64_t time_ms; /* from hone_session_new on; 0: no limit */
    uint64_t seed;
    const hone_strategy *strategy; /* NULL: the default */
    uint32_t without;              /* parts of the search left out (tuner/parts.def) */
    uint32_t remember;             /* of hone_search_options */
    hone_model *prior;  /* learned from other kernels; outlives the session. NULL: nothing */
    double prior_trust; /* 0..1, before there are own results */
    const hone_machine *machine; /* for drafts; outlives the session. NULL: the target's preset */
    hone_db *db;                 /* open for writing, unless the port writes */
    /* Functions of libraries that compute this kernel, to be measured beside its schedules; outlive
     * the session. At most HONE_LIBCALL_MAX. */
    const hone_libcall *libraries;
    unsigned n_libraries;
    hone_session_port port;
    bool exclusive; /* builds and measurements share all processors: never at the same time */
    bool held;      /* the trials are granted in parts, by hone_session_grant; `trials` is 0 */
    bool alone;     /* nothing is taken over from other kernels of the log */
    bool patient;   /* jobs wait for workers and for their turn, however long that takes */
    /* Looked at within long computations; true ends them early. Whoever sets it calls
     * hone_session_stop too. May be NULL. */
    bool (*stop)(void *ctx);
    void *stop_ctx;
} hone_session_options;

typedef struct hone_trial {
    uint64_t number; /* from 1 */
    uint64_t hash;   /* of the trace */
    hone_status status;
    const char *reason; /* when not HONE_OK */
    const char *why;    /* who proposed it */
    const char *device; /* which measured it; "" when it was not measured */
    int64_t time_ns;    /* when HONE_OK: median of what that device measured */
    int64_t compare_ns; /* when HONE_OK: the same on the clock that all results share */
    double max_error;
    bool best; /* the new incumbent */
} hone_trial;

typedef struct hone_progress {
    uint64_t trials, budget, ok;
    uint64_t rejected[HONE_STATUS_COUNT];
    uint64_t failed; /* attempts that failed through no fault of a candidate */
    int64_t best_ns; /* compare_ns of the incumbent; 0: none yet */
    double gflops;
    int64_t elapsed_ns, left_ns; /* left_ns < 0: unknown */
    const char *phase; /* "waiting for workers", "tuning", "final race", "confirming", "done" */
} hone_progress;

typedef enum hone_session_action_kind {
    HONE_SESSION_BUILD,   /* hand `build` to the pool */
    HONE_SESSION_MEASURE, /* hand `measure` to the pool */
    HONE_SESSION_CANCEL,  /* drop the job with this id; no event of it may follow */
    HONE_SESSION_NOTICE,  /* a line for people */
    HONE_SESSION_TRIAL,   /* a trial has its outcome, which is durable */
    HONE_SESSION_PROGRESS /* ten times a second, and when there is news */
} hone_session_action_kind;

typedef struct hone_session_action {
    hone_session_action_kind kind;
    union {
        hone_build_job build;
        hone_measure_job measure;
        uint64_t cancel;
        const char *notice;
        hone_trial trial;
        hone_progress progress;
    };
} hone_session_action;

/* What became of a library's function. */
typedef struct hone_session_library {
    const char *name;
    hone_status status; /* HONE_OK; HONE_REJECT_*; HONE_STATUS_COUNT: it was not measured */
    char reason[320];   /* why not, or of the rejection; "" not known */
    int64_t time_ns;    /* median time of one call as last measured, when HONE_OK */
    double ratio;       /* of its time and that of the best schedule, then; 0: there is none */
} hone_session_library;

typedef struct hone_session_result {
    bool done;          /* the rest is final */
    hone_status status; /* how it ended */
    hone_error error;   /* when not HONE_OK: what ended it */
    uint64_t trials;    /* of this run */
    uint64_t known;     /* results found in the log at the start */
    uint64_t ok, rejected_total;
    uint64_t rejected[HONE_STATUS_COUNT];
    uint64_t failed;        /* attempts that failed through no fault of a candidate */
    uint64_t set_aside;     /* candidates given up in this session, without a verdict */
    int64_t best_ns;        /* median time of one call of the best, as the log tells it */
    double gflops;          /* of that */
    double max_error;       /* of the best */
    const char *best_trace; /* the session's; NULL: none */
    uint64_t best_hash;     /* of that */
    int64_t default_ns;     /* what the program as written would take then and there; 0: unknown */
    int64_t wall_ns, build_ns, run_ns;
    hone_search_stats search; /* when it is done */
    hone_space_size space;    /* from the start, when the strategy is for the whole; else 0 */
    bool interrupted, exhausted;
    unsigned n_libraries;
    hone_session_library libraries[HONE_LIBCALL_MAX]; /* in the options' order */
} hone_session_result;

/* Makes the space and reads the log. HONE_E_INTERRUPTED (`stop`), HONE_E_IO, HONE_E_FULL, and what
 * hone_space_new returns; *ret is then NULL. */
hone_status hone_session_new(const hone_session_options *o, int64_t now_ns, hone_session **ret,
                             hone_error *err) HONE_NODISCARD;
/* NULL is fine. */
void hone_session_free(hone_session *s);
/* Time has passed, or peers came and went (e NULL), or a job of this session has ended: then e is
 * its event, HONE_POOL_BUILT or HONE_POOL_MEASURED, whose artifact is taken. Wanted at least ten
 * times a second. now_ns never goes back. */
void hone_session_step(hone_session *s, hone_pool_event *e, int64_t now_ns);
/* A session that is held does nothing before its first grant, and rests when what was granted is
 * used up: hone_session_rests then. hone_session_finish lets it come to its end, as one whose
 * trials are used up does. */
void hone_session_grant(hone_session *s, uint64_t trials);
void hone_session_finish(hone_session *s);
bool hone_session_rests(const hone_session *s);
/* Comparable time of the incumbent, or before the first measurement of what the log has; 0: none.
 */
double hone_session_best_ns(const hone_session *s);
/* How long its final race would take; 0: nothing was measured yet. */
int64_t hone_session_race_ns(const hone_session *s);
/* The user has had enough: the next step cancels what is in hand and ends the session. */
void hone_session_stop(hone_session *s);
/* The next thing to do, or false. To be called until then after each step, and after the last;
 * what ret points to lives until the next call or step. */
bool hone_session_next_action(hone_session *s, hone_session_action *ret);
/* Is a job with this id in hand, and how many of a role are. */
bool hone_session_owns(const hone_session *s, uint64_t id);
uint32_t hone_session_in_hand(const hone_session *s, unsigned role);
/* As it stands; lives as long as s. Ends with
 *   HONE_OK          trials, time, the space or the user's patience ended
 *   HONE_E_PEER      no worker for 10 s
 *   HONE_E_REFERENCE the program as written fails; HONE_REJECT_*: it cannot be built
 *   HONE_E_IO, HONE_E_FULL, HONE_E_BUSY, HONE_E_MODEL: the log or the model failed
 *   any HONE_E_*     the workers' own trouble, by tuner/failures.def. */
const hone_session_result *hone_session_get_result(const hone_session *s);

/* ---- the loop around sessions ---------------------------------------------------------------- */

/* Hooks may be NULL. Zero the fields that are not hooks. */
typedef struct hone_driver {
    hone_pool *pool;
    bool (*stop)(void *ctx); /* asked every turn, at least ten times a second */
    void (*on_turn)(void *ctx);
    void (*on_peer)(void *ctx, const hone_pool_event *e); /* joined, lost, refused, idle */
    /* Trials, progress and notices of session k. */
    void (*on_action)(void *ctx, unsigned k, const hone_session_action *a);
    void *ctx;
    /* Further sessions may come: not over, though all are done. NULL: none will. */
    bool (*more)(void *ctx);
    bool (*coming)(void *workers, unsigned role); /* as of hone_session_port; NULL: none ever is */
    void *workers;
    int64_t step_ns;               /* out: spent inside of sessions, which is search and log */
    hone_session *const *sessions; /* set by hone_drive */
    unsigned n;
} hone_driver;

/* The port for sessions that d will drive. d must outlive them. */
hone_session_port hone_driver_port(hone_driver *d);
/* Drives the sessions on the pool until all are done. One that is NULL is not there yet. */
void hone_drive(hone_driver *d, hone_session *const *sessions, unsigned n);

/* ---- replay: a search against recorded results (tuner/replay.c) -------------------------------
 */

typedef struct hone_replay_options {
    const hone_space *space;
    const hone_strategy *strategy; /* NULL: the default */
    uint32_t without;              /* parts of the search left out (tuner/parts.def) */
    uint64_t seed, trials;
    const hone_machine *machine; /* for drafts; NULL: the target's preset */
    /* What became of the candidate of this hash; false: it is not recorded. */
    bool (*look)(void *ctx, uint64_t hash, hone_status *ret, double *ret_ns);
    void *ctx;
    double *curve; /* room for `trials`: the best after each, 0: none right yet. May be NULL */
    bool (*stop)(void *ctx);
    void *stop_ctx;
} hone_replay_options;
typedef struct hone_replay_result {
    uint64_t trials;  /* candidates that are recorded */
    uint64_t unknown; /* others that were proposed: they cost no trial and teach nothing */
    double best_ns;   /* 0: none */
} hone_replay_result;
/* Ends after o->trials, or when the strategy proposes nothing that is recorded any more. The same
 * record, strategy and seed give the same result. HONE_E_MODEL, HONE_E_INTERRUPTED. */
hone_status hone_replay(const hone_replay_options *o, hone_replay_result *ret,
                        hone_error *err) HONE_NODISCARD;

/* ---- history: what a log knows, to be learned from (tuner/history.c) --------------------------
 */

typedef struct hone_history_options {
    hone_db *db;
    const char *target_class; /* of such targets only: a class, or an architecture; NULL: of all */
    int32_t threads;          /* with so many; 0: with any number */
    uint64_t without;         /* hash of a kernel that is left out; 0: none */
    uint32_t most;            /* results of each kernel, the earliest first; 0: all */
    uint32_t most_in_all;     /* shared by the kernels, but 16 of each at least; 0: no limit */
    const hone_machine *machine; /* of all targets; NULL: of each what the log has measured */
    bool (*stop)(void *ctx);     /* asked before each; NULL: never */
    void *stop_ctx;
} hone_history_options;

/* A kernel on a target; borrowed for the call. */
typedef struct hone_history_kernel {
    uint64_t hash;
    const char *name, *sizes, *class; /* as the log has them */
    const hone_program *program;      /* unscheduled */
    const hone_target *target;
    int32_t threads;
    uint64_t task;               /* hone_model_task */
    const hone_machine *machine; /* that features were extracted with; NULL: the preset */
} hone_history_kernel;

/* One of its results, of this version of the space; borrowed for the call. */
typedef struct hone_history_result {
    hone_status status; /* HONE_OK, HONE_REJECT_* */
    double time_ns;     /* on the clock that the kernel's results share; 0: rejected */
    const hone_trace *trace;
    const hone_features *features;
} hone_history_result;

/* Return false to end. */
typedef bool (*hone_history_fn)(void *ctx, const hone_history_kernel *k,
                                const hone_history_result *r);
/* Every result of every kernel that has a good one, kernel by kernel. The program as written is not
 * among them, nor what cannot be replayed. HONE_E_INTERRUPTED, and what a database returns. */
hone_status hone_history_read(const hone_history_options *o, hone_history_fn fn, void *ctx,
                              hone_error *err) HONE_NODISCARD;

/* ---- holdout: how good a model is at kernels it has not seen (tuner/holdout.c) ----------------
 */

typedef struct hone_holdout_options {
    hone_history_options history;
    uint64_t seed;   /* of the order in which candidates are learned, and of the model */
    int32_t threads; /* XGBoost's */
    uint32_t folds;  /* >= 2: kernels are dealt into so many, each held out in turn */
    bool by_machine; /* targets are, and all kernels on one: folds beyond their number are none */
    const uint32_t *sizes; /* measurements of the kernel itself that the model learns first */
    unsigned n_sizes;
    const bool *blind; /* HONE_N_FEATURES: which no model sees, none of draft_*. NULL: they see all
                        */
} hone_holdout_options;
/* Who taught the prior that a kernel is judged with. */
typedef enum hone_holdout_teacher {
    HONE_HOLDOUT_NOBODY, /* there is no prior */
    HONE_HOLDOUT_OTHERS, /* all that was not held out with it */
    /* Of by_machine only, where a kernel is held out alone too, with others of its part: */
    HONE_HOLDOUT_APART, /* other kernels of the other machines */
    HONE_HOLDOUT_OWN,   /* other kernels of this machine */
    HONE_HOLDOUT_TEACHERS
} hone_holdout_teacher;
typedef struct hone_holdout_kernel {
    char name[256];   /* and its sizes */
    uint32_t machine; /* from 0; of by_machine only */
    char cpu[64];     /* of the machine's target */
    char class[64];   /* likewise */
} hone_holdout_kernel;
/* Of a kernel that was held out, after n measurements of it, with each teacher's word; candidates
 * is 0 where there was no such teacher. Judged by the candidates beyond those n, at least 32. */
typedef void (*hone_holdout_fn)(void *ctx, const hone_holdout_kernel *k, uint32_t n,
                                const hone_model_quality of[HONE_HOLDOUT_TEACHERS]);
/* HONE_E_MODEL, and what hone_history_read returns. */
hone_status hone_holdout(const hone_holdout_options *o, hone_holdout_fn fn, void *ctx,
                         hone_error *err) HONE_NODISCARD;

/* ---- prior: what a log teaches about all kernels, as a model that is kept (tuner/prior.c,
 * tuner/prior_file.c) */

/* So much has been read; `training`: that is all, and trees are made of it. */
typedef struct hone_prior_progress {
    uint32_t kernels;
    uint64_t results;
    bool training;
} hone_prior_progress;

typedef struct hone_prior_options {
    hone_history_options history; /* its target_class is needed */
    uint64_t seed;
    int32_t threads; /* XGBoost's */
    /* After each result and each round of training. May be NULL. */
    void (*progress)(void *ctx, const hone_prior_progress *p);
    void *ctx;
} hone_prior_options;

/* Trains a HONE_MODEL_PRIOR on all that the history has. *ret is the caller's to free, and
 * *ret_about to decref: {"features_version", "space_version", "seed", "results", "rejected",
 * "records" (of the class, in the log), "kernels": [{"name", "sizes", "hash", "threads",
 * "results"}], "machines": [hashes of the targets, each with the numbers that drafts were of],
 * "classes": [theirs]}, as `about` of hone_db_model is to be; who knows how good the model is at
 * kernels it has not seen may add that as "quality".
 * HONE_E_NOTFOUND: too few results. HONE_E_MODEL, and what hone_history_read returns. */
hone_status hone_prior_train(const hone_prior_options *o, hone_model **ret, json_t **ret_about,
                             hone_error *err) HONE_NODISCARD;
/* The model of a row; `name` is for messages. HONE_E_VERSION: its features or its space are of
 * another version. HONE_E_CORRUPT, HONE_E_MODEL. */
hone_status hone_prior_parse(const hone_db_model *row, const char *name, hone_model **ret,
                             hone_error *err) HONE_NODISCARD;
/* The log's latest model for this target: of its class, or else of its architecture; of either that
 * of as many threads, or else of any number. HONE_E_NOTFOUND: none, or none of this program's
 * versions. As hone_prior_parse else, and what a database returns. The caller frees. */
hone_status hone_prior_find(hone_db *db, const hone_target *t, int32_t threads, hone_model **ret,
                            hone_error *err) HONE_NODISCARD;

/* The log's model, as hone_prior_find has it; but where the log has grown by half since it was
 * trained, it is trained again and stored; where there is none of this program's versions, one of
 * the target's architecture is. *ret_ours: drafts of this target, with the numbers that the log now
 * has of it, were among those it corrects.
 * `db` is open for writing. o->history.db, target_class and threads need not be set.
 * HONE_E_NOTFOUND: too few results. As hone_prior_train and hone_prior_find. */
hone_status hone_prior_ready(const hone_prior_options *o, hone_db *db, const hone_target *t,
                             int32_t threads, hone_model **ret, bool *ret_ours,
                             hone_error *err) HONE_NODISCARD;

/* The model for this target's class, or architecture, that comes with hone (tuner/pretrained.def).
 * It has learned from that class; near: or else from others of the architecture, or else it is the
 * first of another architecture, for who trusts it only as far as results show it right.
 * HONE_E_NOTFOUND: there is none, or it is of other versions. The caller frees. */
hone_status hone_prior_pretrained(const hone_target *t, bool near, hone_model **ret,
                                  hone_error *err) HONE_NODISCARD;

/* A row as a file, appended to ret: a line with a checksum, a line of JSON with all that the row
 * says, and the model's bytes. */
void hone_prior_pack(const hone_db_model *row, hone_buf *ret);
/* The row of such a file, to be freed by hone_db_model_free; whether this program can use the model
 * is for hone_prior_parse to say. HONE_E_FOREIGN, HONE_E_VERSION (of the file's form),
 * HONE_E_CORRUPT, HONE_E_LIMIT. */
hone_status hone_prior_unpack(const char *bytes, size_t n, const char *name, hone_db_model *ret,
                              hone_error *err) HONE_NODISCARD;

/* ---- tasks: several kernels, one budget (tuner/tasks.c, tuner/choices.c, tuner/task_list.c) ----
 */

/* What is known of one kernel of a network. best_ns 0: nothing right yet. */
typedef struct hone_task {
    double weight;   /* how often the network runs it, whatever it chooses */
    double ops;      /* of one call: the heaviest begin */
    double best_ns;  /* of one call, now */
    uint64_t trials; /* made of it, in earlier runs too where that is known; 0: none */
    bool busy, over; /* a round is under way; there is nothing more to try */
} hone_task;

#define HONE_COVER_MAX 4  /* tasks of a cover */
#define HONE_COVERS_MAX 8 /* of a choice */
/* Tasks that together compute what a choice is about; one that is there twice is run twice. */
typedef struct hone_cover {
    uint32_t task[HONE_COVER_MAX];
    uint32_t n;
} hone_cover;
/* The network runs one of these, the fastest. */
typedef struct hone_choice {
    double weight; /* how often */
    hone_cover covers[HONE_COVERS_MAX];
    uint32_t n;
} hone_choice;

typedef struct hone_tasks {
    const hone_task *v;
    uint32_t n;
    const hone_choice *choices;
    uint32_t n_choices;
} hone_tasks;

#define HONE_NO_TASK UINT32_MAX
/* The task that a round is expected to gain most for, of those neither busy nor over. Pure. */
uint32_t hone_task_next(const hone_tasks *t);
/* Weighted time in ns that one more trial of task `at` may take away from the network. Pure. */
double hone_task_gain(const hone_tasks *t, uint32_t at);
/* A round of t has ended with this best; so many trials have been made of it. */
void hone_task_round(hone_task *t, double best_ns, uint64_t trials);

/* The fastest cover by the times of tasks in ns, 0: none; of equal ones the first. c->n: there is
 * no cover all of whose tasks have one. Pure. (choices.c) */
uint32_t hone_choice_fastest(const hone_choice *c, const double *ns, double *ret_ns);
#define HONE_CHOICES_MAX 4096
/* [{"weight": 12, "covers": [[0], [1, 2]]}, ...], tasks by their place in a list of n; NULL: none.
 * *ret is the caller's to free in any case. HONE_E_INPUT. */
hone_status hone_choices_parse(const json_t *j, uint32_t n, hone_choice **ret, uint32_t *ret_n,
                               hone_error *err) HONE_NODISCARD;
json_t *hone_choices_json(const hone_choice *c, uint32_t n);
/* Is the task one that the network may run? */
bool hone_choices_have(const hone_choice *c, uint32_t n, uint32_t task);

/* One kernel of a list. The program must outlive the list. */
typedef struct hone_task_kernel {
    const hone_program *program;
    const char *sizes; /* JSON object, for the log */
    double weight;     /* as hone_task has it */
} hone_task_kernel;

typedef struct hone_task_list_options {
    hone_session_options
        each;         /* of every session: what is not the kernel's, trials and time apart */
    uint64_t trials;  /* of all together; 0: no limit */
    int64_t time_ms;  /* of all together; 0: no limit */
    unsigned at_once; /* tasks worked on at a time: one is built while another is timed */
    const hone_choice *choices; /* among the list's kernels; must outlive the list */
    uint32_t n_choices;
} hone_task_list_options;

typedef struct hone_task_list hone_task_list;
hone_task_list *hone_task_list_new(const hone_task_list_options *o, const hone_task_kernel *k,
                                   uint32_t n, int64_t now_ns);
void hone_task_list_free(hone_task_list *l);
/* Opens sessions, hands out rounds and ends the list. Wanted between turns of the driver of its
 * sessions, which are at *hone_task_list_sessions. */
void hone_task_list_step(hone_task_list *l, int64_t now_ns);
hone_session *const *hone_task_list_sessions(const hone_task_list *l);
/* There is something left to be done. */
bool hone_task_list_more(const hone_task_list *l);
/* The user has had enough. */
void hone_task_list_stop(hone_task_list *l);

typedef struct hone_task_list_state {
    double total_ns; /* of the network, as far as it is known: best times, and the fastest covers */
    uint32_t without; /* tasks that always run and have none, choices without a cover that has */
    uint64_t trials;
    uint32_t busy;      /* the first task that is worked on; HONE_NO_TASK: none */
    hone_status status; /* of the first session that failed; the others go on */
    uint32_t failed;    /* its task; HONE_NO_TASK: none */
    hone_error error;
    bool interrupted;
} hone_task_list_state;
/* Time of the best of task k, of this run or of the log; 0: none. */
double hone_task_list_best_ns(const hone_task_list *l, uint32_t k);
void hone_task_list_get_state(const hone_task_list *l, hone_task_list_state *ret);

#endif
