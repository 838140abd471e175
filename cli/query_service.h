/* hone query over a service: its answer as JSON there, and as an answer again here. */
#ifndef HONE_CLI_QUERY_SERVICE_H
#define HONE_CLI_QUERY_SERVICE_H

#include "cli/query.h"
#include "cli/service.h"
#include "farm/desk.h"

/* The service's side, for hone_desk_port.query: asks the log at `db`. HONE_E_INPUT: no such kernel,
 * target or rung; and what cli_look_up returns. */
hone_status cli_query_answer(const hone_desk_query *q, const char *db, json_t **ret,
                             hone_error *err) HONE_NODISCARD;
/* The client's side: fills the answer of target t. require may be NULL. What cli_service_ask
 * returns; HONE_E_PROTOCOL: the answer does not fit the kernel. */
hone_status cli_query_ask(cli_service *s, const cli_kernel *k, int32_t threads, const char *require,
                          bool explain, query_target *t, hone_error *err) HONE_NODISCARD;

#endif
