/* hone net: its verbs as they are told to people (cli/net_verbs.def). */
#ifndef HONE_CLI_NET_VERBS_H
#define HONE_CLI_NET_VERBS_H

#include "cli/net.h"

typedef struct net_verb {
    const char *name;
    int (*run)(const cli_command *self, const net_request *q); /* NULL: tune */
    cli_command command; /* for help and messages: "net run"; it is not run by this */
} net_verb;
/* NULL: there is none. */
const net_verb *net_verb_find(const char *name);
/* All names, cut to n bytes. */
void net_verbs_list(char *ret, size_t n);
/* The texts of all, with examples and exit codes. */
extern const char net_verbs_text[];

/* Whether the verb has the option; ret_verbs: all that do, cut to n bytes. */
bool net_verb_takes(const char *verb, const char *option, char *ret_verbs, size_t n);
/* What the option means to all verbs, cut to n bytes. */
void net_verbs_help(const char *option, char *ret, size_t n);
/* Prints what the verb does, with those of the n options of `hone net` that it takes. */
void net_verb_help(const net_verb *v, const cli_option *o, unsigned n);

#endif
