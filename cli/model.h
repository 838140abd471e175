/* What the files of `hone model` share: a log's classes of targets, what is told of a model, and
 * how good it is. */
#ifndef HONE_CLI_MODEL_H
#define HONE_CLI_MODEL_H

#include "cli/cli.h"
#include "tuner/tuner.h"

/* Results of each kernel that are learned from: more teach little, and take long. */
#define CLI_MODEL_MOST 2048

/* Targets that the log has good results of and one model is for: an architecture's, or a class's.
 */
typedef struct cli_log_class {
    char *name;
    uint32_t kernels; /* each with each target and number of threads */
} cli_log_class;
typedef HONE_VEC(cli_log_class) cli_log_classes;

/* The architectures; or only the class, or architecture, of this name. HONE_E_NOTFOUND: none. */
hone_status cli_log_classes_read(hone_db *db, const char *only, cli_log_classes *ret,
                                 hone_error *err) HONE_NODISCARD;
void cli_log_classes_free(cli_log_classes *l);

/* {"id", "class", "threads", "kernels", "results", "created_ms", "hone_version",
 * "features_version", "space_version", "bytes"}. The caller decrefs. */
json_t *cli_model_json(const hone_db_model *m);
/* The same as a line, after what is said first. */
void cli_model_print(const char *first, const json_t *m);

/* How good a model is at kernels it has not seen, by the log's results of a class: {"class",
 * "mean": [{"n", "kernels", "cold": {"pair_accuracy", "top1", "top5", "peak32"}, "warm"}],
 * "kernels": [{"kernel", "n", "candidates", "cold", "warm"}]}. Numbers that are not known are left
 * out. blind: of hone_holdout_options. Says on stderr how far it is. HONE_E_INTERRUPTED,
 * HONE_E_MODEL, and what a database returns. */
hone_status cli_model_judge(hone_db *db, const cli_log_class *c, const bool *blind, json_t **ret,
                            hone_error *err) HONE_NODISCARD;
/* The same at machines it has not seen, of all classes; beside what the other machines taught
 * ("warm") what only their other kernels did ("apart"), and those of this machine ("own"). Of each
 * machine: "machines": [{"cpu", "class", "kernels", "mean"}]. */
hone_status cli_model_judge_machines(hone_db *db, const cli_log_classes *all, const bool *blind,
                                     json_t **ret, hone_error *err) HONE_NODISCARD;
/* Either, as a table. */
void cli_model_print_quality(const json_t *q);
/* NAME[,NAME]...: what no model is to see. HONE_E_INPUT: no feature has that name, or models need
 * it. */
hone_status cli_model_blind(const char *names, bool ret[HONE_N_FEATURES],
                            hone_error *err) HONE_NODISCARD;

typedef struct cli_model_showing {
    const char *class; /* NULL: all */
    bool machines;     /* are held out, rather than kernels */
    bool json;
    const bool *blind;
} cli_model_showing;
/* `hone model show`. */
hone_status cli_model_show(const char *db_path, const cli_model_showing *o,
                           hone_error *err) HONE_NODISCARD;

#endif
