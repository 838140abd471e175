/* What a tune says to people, from the lines that it, or a service, says to programs
 * (tuner/tell.h). */
#ifndef HONE_CLI_TUNE_TEXT_H
#define HONE_CLI_TUNE_TEXT_H

#include "cli/cli.h"

/* Of a summary, on standard output. kernel: its title; log: where the results are. */
void cli_summary_text(const char *kernel, const char *log, const json_t *summary);
/* Of the summary of a task list. */
void cli_list_summary_text(const char *log, const json_t *summary);

#endif
