/* hone model: what a log's kernels have in common, learned, shown, and carried to other logs. */
#include "cli/model.h"

#define SEED 1
#define FILE_BYTES (HONE_DB_MAX_MODEL + HONE_DB_MAX_BODY + 4096)

typedef struct request {
    const char *db_path, *out, *class, *file, *blind;
    bool json, judge, machines;
} request;

typedef hone_status (*job)(const request *q, hone_error *err);

static void tell(const char *first, json_t *j, bool json)
{
    if (!json)
        cli_model_print(first, j);
    else
        cli_print_json(json_incref(j));
    json_decref(j);
}

/* Beside the model itself nothing goes to standard output. */
static bool may_tell(const request *q)
{
    return !q->out || !cli_is_stdout(q->out);
}

/* ---- train ----------------------------------------------------------------------------------- */

typedef struct watch {
    const char *class;
    int64_t start_ns, said_ns;
} watch;

static void on_progress(void *ctx, const hone_prior_progress *p)
{
    watch *w = ctx;
    int64_t now = hone_clock_ns();
    if (now - w->said_ns <= 100 * 1000000)
        return;
    w->said_ns = now;
    cli_progress_say("%.80s: %s %" PRIu32 " kernels, %" PRIu64 " results, %.0f s", w->class,
                     p->training ? "learning from" : "reading", p->kernels, p->results,
                     (double)(now - w->start_ns) / 1e9);
}

static hone_status store(const request *q, hone_db *db, hone_model *m, const char *class,
                         const json_t *about, double seconds, hone_error *err)
{
    hone_buf bytes = {0}, file = {0};
    char *text = hone_json_text(about);
    hone_db_model row = {.class = class,
                         .about = text,
                         .created_ms = hone_clock_wall_ms(),
                         .hone_version = HONE_VERSION};
    hone_status st = hone_model_bytes(m, &bytes, err);
    row.bytes = (hone_db_bytes){bytes.s, bytes.n};
    if (st == HONE_OK)
        st = hone_db_model_put(db, &row, &row.id, err);
    if (st == HONE_OK && q->out) {
        hone_prior_pack(&row, &file);
        st = cli_write_out(q->out, file.s, file.n, err);
    }
    if (st == HONE_OK && may_tell(q)) {
        json_t *j = cli_model_json(&row);
        json_object_set_new(j, "seconds", json_real(seconds));
        char first[64];
        snprintf(first, sizeof first, "learned in %.1f s, model %" PRId64 ": ", seconds, row.id);
        tell(first, j, q->json);
    }
    free(text);
    hone_buf_free(&bytes);
    hone_buf_free(&file);
    return st;
}

static hone_status train_one(const request *q, hone_db *db, const cli_log_class *c, hone_error *err)
{
    watch w = {.class = c->name, .start_ns = hone_clock_ns()};
    hone_model *m = NULL;
    json_t *about = NULL, *quality = NULL;
    const hone_prior_options o = {
        .history = {.db = db, .target_class = c->name, .most = CLI_MODEL_MOST, .stop = cli_stopped},
        .seed = SEED,
        .threads = 1,
        .progress = on_progress,
        .ctx = &w};
    cli_progress_start(c->name);
    hone_status st = hone_prior_train(&o, &m, &about, err);
    double seconds = (double)(hone_clock_ns() - w.start_ns) / 1e9;
    cli_progress_end();
    if (st == HONE_OK && q->judge)
        st = cli_model_judge(db, c, NULL, &quality, err);
    if (st == HONE_OK && quality) {
        json_object_set(about, "quality", json_object_get(quality, "mean"));
        json_decref(quality);
    }
    if (st == HONE_OK)
        st = store(q, db, m, c->name, about, seconds, err);
    json_decref(about);
    hone_model_free(m);
    return st;
}

static hone_status train(const request *q, hone_error *err)
{
    hone_db *db;
    cli_log_classes classes = {0};
    HONE_TRY(hone_db_open(q->db_path, HONE_DB_WRITE, &db, err));
    hone_status st = cli_log_classes_read(db, q->class, &classes, err);
    if (st == HONE_OK && q->out && classes.n > 1)
        st =
            hone_fail(err, HONE_E_USAGE,
                      "'%.300s' has results of several architectures, as %.80s and %.80s: say with "
                      "--class which one -o is to have",
                      q->db_path, classes.v[0].name, classes.v[1].name);
    uint32_t made = 0;
    for (uint32_t k = 0; k < classes.n && st == HONE_OK; k++) {
        st = train_one(q, db, &classes.v[k], err);
        made += st == HONE_OK;
        if (st == HONE_E_NOTFOUND && (made || k + 1 < classes.n))
            st = HONE_OK; /* others have more results */
    }
    if (st == HONE_OK && !made)
        st = hone_fail(err, HONE_E_NOTFOUND, "'%.300s' has too few results to learn from",
                       q->db_path);
    cli_log_classes_free(&classes);
    hone_db_close(db);
    return st;
}

static hone_status show(const request *q, hone_error *err)
{
    bool blind[HONE_N_FEATURES];
    if (q->blind)
        HONE_TRY(cli_model_blind(q->blind, blind, err));
    return cli_model_show(q->db_path,
                          &(cli_model_showing){.class = q->class,
                                               .machines = q->machines,
                                               .json = q->json,
                                               .blind = q->blind ? blind : NULL},
                          err);
}

/* ---- export, import -------------------------------------------------------------------------- */

typedef struct choice {
    const char *only;
    char *class; /* of the one that is taken, the latest */
    hone_buf file;
    json_t *told;
    char *another; /* class */
} choice;

static bool choose(void *ctx, const hone_db_model *m)
{
    choice *c = ctx;
    if (c->only && strcmp(c->only, m->class) != 0)
        return true;
    if (!c->class) {
        c->class = hone_xstrdup(m->class);
        c->told = cli_model_json(m);
        hone_prior_pack(m, &c->file);
    } else if (!c->another && strcmp(c->class, m->class) != 0) {
        c->another = hone_xstrdup(m->class);
    }
    return true;
}

static hone_status export(const request *q, hone_error *err)
{
    hone_db *db;
    choice c = {.only = q->class};
    HONE_TRY(hone_db_open(q->db_path, HONE_DB_READ, &db, err));
    hone_status st = hone_db_each_model(db, choose, &c, err);
    hone_db_close(db);
    if (st == HONE_OK && !c.class)
        st = hone_fail(err, HONE_E_NOTFOUND, "'%.300s' has no model%s%.80s: `hone model train`",
                       q->db_path, q->class ? " of class " : "", q->class ? q->class : "");
    else if (st == HONE_OK && c.another)
        st = hone_fail(err, HONE_E_USAGE,
                       "'%.300s' has models of several kinds of targets, as %.80s and %.80s: say "
                       "which one with --class",
                       q->db_path, c.class, c.another);
    if (st == HONE_OK)
        st = cli_write_out(q->out, c.file.s, c.file.n, err);
    if (st == HONE_OK && q->out && may_tell(q))
        tell("exported: ", json_incref(c.told), q->json);
    json_decref(c.told);
    hone_buf_free(&c.file);
    free(c.class);
    free(c.another);
    return st;
}

/* The file's fault, whatever it is, is bad input. */
static hone_status read_file(const char *path, hone_db_model *ret, hone_error *err)
{
    char *bytes = NULL;
    size_t n = 0;
    hone_model *m = NULL;
    hone_status st = hone_file_read(path, FILE_BYTES, &bytes, &n, err);
    if (st == HONE_OK)
        st = hone_prior_unpack(bytes, n, path, ret, err);
    free(bytes);
    if (st == HONE_OK) {
        st = hone_prior_parse(ret, path, &m, err);
        hone_model_free(m);
        if (st != HONE_OK)
            hone_db_model_free(ret);
    }
    return st == HONE_E_CORRUPT || st == HONE_E_LIMIT || st == HONE_E_IO ? HONE_E_INPUT : st;
}

static hone_status import(const request *q, hone_error *err)
{
    hone_db *db;
    hone_db_model row;
    HONE_TRY(read_file(q->file, &row, err));
    hone_status st = hone_db_open(q->db_path, HONE_DB_WRITE | HONE_DB_CREATE, &db, err);
    if (st == HONE_OK) {
        st = hone_db_model_put(db, &row, &row.id, err);
        hone_db_close(db);
    }
    if (st == HONE_OK) {
        char first[64];
        snprintf(first, sizeof first, "imported as model %" PRId64 ": ", row.id);
        tell(first, cli_model_json(&row), q->json);
    }
    hone_db_model_free(&row);
    return st;
}

/* ---- the command ----------------------------------------------------------------------------- */

static int run(int argc, char **argv, const cli_command *self)
{
    static const struct {
        const char *name;
        job job;
    } jobs[] = {{"train", train}, {"show", show}, {"export", export}, {"import", import}};
    request q = {.db_path = "hone.db"};
    const cli_option options[] = {
        {"--db", CLI_TEXT, "FILE", &q.db_path, "the log (default hone.db)", 0},
        {"-o", CLI_TEXT, "FILE", &q.out, "train, export: write the model to this file", 0},
        {"--class", CLI_TEXT, "CLASS", &q.class,
         "of this class of targets, or architecture; of import it is known", 0},
        {"--judge", CLI_FLAG, NULL, &q.judge, "train: keep with it how good it is, as of show", 0},
        {"--machines", CLI_FLAG, NULL, &q.machines,
         "show: judge by machines held out, rather than by kernels", 0},
        {"--blind", CLI_TEXT, "NAMES", &q.blind,
         "show: judge as if models did not see these features (NAME,...)", 0},
        {"--json", CLI_FLAG, NULL, &q.json, "print JSON; of show with every kernel", 0},
    };
    const char *pos[2];
    unsigned n, k = 0;
    int code;
    if (!CLI_PARSE(self, argc, argv, options, pos, &n, &code))
        return code;
    if (n == 0)
        return cli_usage(self, "give train, show, export or import");
    while (k < HONE_LEN(jobs) && strcmp(pos[0], jobs[k].name) != 0)
        k++;
    if (k == HONE_LEN(jobs))
        return cli_usage(self, "unknown word '%s': train, show, export or import", pos[0]);
    job what = jobs[k].job;
    if (what == import && n != 2)
        return cli_usage(self, "import takes one file, as export writes it");
    if (what != import && n != 1)
        return cli_usage(self, "unexpected argument '%s': the log is --db FILE", pos[1]);
    if (q.out && what != train && what != export)
        return cli_usage(self, "-o belongs to train and export");
    if (q.class && what == import)
        return cli_usage(self, "--class belongs to the others: a file says what it is of");
    if (q.judge && what != train)
        return cli_usage(self, "--judge belongs to train; show judges anyway");
    if (q.machines && (what != show || q.class))
        return cli_usage(self, "--machines belongs to show, of all classes");
    if (q.blind && what != show)
        return cli_usage(self, "--blind belongs to show");
    if (what == export && q.json && !q.out)
        return cli_usage(self, "--json of export needs -o: the model itself goes to stdout");
    if (q.out && cli_is_same_file(q.out, q.db_path))
        return cli_usage(self, "-o is the log itself, which the model would replace: name another");
    q.file = pos[1];
    hone_error err = {0};
    cli_catch_signals();
    hone_status st = what(&q, &err);
    return st == HONE_OK ? 0 : cli_fail(st, &err);
}

const cli_command cli_model = {
    .name = "model",
    .synopsis = "train|show|export [options] | import FILE [options]",
    .summary = "what all kernels of a log have in common, learned, shown, and taken elsewhere",
    .text =
        "train learns from all results of a log, a model for each architecture, and keeps it\n"
        "there. show lists a log's models and the features they go by, and tells how well kernels\n"
        "are judged that a model has not seen: without (cold) and with (warm) what the others\n"
        "taught; with --machines at each machine (target) of the log, with what the other\n"
        "machines taught, or this one's other kernels. export writes the latest model as a file,\n"
        "and import puts such a file into a log. Import files only from people whom you trust.\n\n"
        "  hone model train --db hone.db\n"
        "  hone model show\n"
        "  hone model export -o zen4.model\n"
        "  hone model import zen4.model --db new.db\n\n"
        "exit codes: 0 good, 1 failed, 2 bad input, 3 no such log or file, or nothing in it\n",
    .run = run,
};
