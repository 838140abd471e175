/* What `hone query` is asked and has found. */
#ifndef HONE_CLI_QUERY_H
#define HONE_CLI_QUERY_H

#include "cli/lookup.h"
#include "codegen/codegen.h"

#define QUERY_MAX_TARGETS HONE_CODEGEN_MAX_VARIANTS

typedef struct query_target {
    hone_target target;
    char *text;
    cli_answer answer;
} query_target;

typedef struct query {
    cli_kernel kernel;
    int32_t threads;
    bool explain;
    unsigned n; /* several: variants of one function */
    query_target targets[QUERY_MAX_TARGETS];
    unsigned order[QUERY_MAX_TARGETS]; /* in which they are spoken of */
} query;

/* The answer, or for several targets all of them as "variants". The caller's. */
json_t *cli_query_describe(const query *q);
/* One target's own part of it, added to j. */
void cli_query_describe_answer(const cli_answer *a, const char *target, bool explain, json_t *j);
void cli_query_print(const query *q);
/* GFLOP/s of an answer that was measured. */
void cli_query_count(const query *q, cli_answer *a);

#endif
