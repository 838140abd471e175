/* Custom rules: text files of traces and shared objects of functions (docs/RULES.md). */
#include "space/rule/rule.h"

#include <dlfcn.h>

#define MAX_TEXT_BYTES (1 << 20)
#define MAX_FILE_BYTES (64 << 20) /* a shared object may be large */

struct hone_custom_rules {
    HONE_VEC(hone_rule__custom) rules;
    HONE_VEC(void *) libraries;
};

static const char *const kinds[] = {"any", "contraction", "reduction", "elementwise"};

hone_custom_rules *hone_custom_rules_new(void)
{
    return hone_xcalloc(1, sizeof(hone_custom_rules));
}

static void free_rule(hone_rule__custom *r)
{
    free(r->name);
    free(r->block);
    hone_trace_free(&r->trace);
}

void hone_custom_rules_free(hone_custom_rules *r)
{
    if (!r)
        return;
    for (uint32_t k = 0; k < r->rules.n; k++)
        free_rule(&r->rules.v[k]);
    hone_vec_free(&r->rules);
    for (uint32_t k = 0; k < r->libraries.n; k++)
        dlclose(r->libraries.v[k]);
    hone_vec_free(&r->libraries);
    free(r);
}

unsigned hone_custom_rules_count(const hone_custom_rules *r)
{
    return r ? r->rules.n : 0;
}

/* ---- text ------------------------------------------------------------------------------------ */

static hone_status read_rule(const json_t *j, unsigned at, hone_rule__custom *ret, hone_error *err)
{
    static const char *const members[] = {"rule", "block", "kind", "only", "trace"};
    const char *name = json_string_value(json_object_get(j, "rule"));
    const json_t *block = json_object_get(j, "block"), *kind = json_object_get(j, "kind");
    const json_t *only = json_object_get(j, "only"), *trace = json_object_get(j, "trace");
    *ret = (hone_rule__custom){.kind = HONE_RULE__ANY};
    if (!name || !*name)
        return hone_fail(err, HONE_E_INPUT, "rule %u has no name: \"rule\": \"NAME\" is needed",
                         at);
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)j, key, value)
    {
        bool known = false;
        for (unsigned k = 0; k < HONE_LEN(members); k++)
            known |= strcmp(key, members[k]) == 0;
        if (!known)
            return hone_fail(err, HONE_E_INPUT,
                             "rule '%s' has a member \"%.40s\"; it may have rule, block, kind, "
                             "only and trace",
                             name, key);
    }
    if (block && !json_is_string(block))
        return hone_fail(err, HONE_E_INPUT, "rule '%s': \"block\" is not a text", name);
    if (only && !json_is_boolean(only))
        return hone_fail(err, HONE_E_INPUT, "rule '%s': \"only\" is not true or false", name);
    if (kind) {
        unsigned k = 0;
        while (k < HONE_LEN(kinds) &&
               (!json_is_string(kind) || strcmp(json_string_value(kind), kinds[k]) != 0))
            k++;
        if (k == HONE_LEN(kinds))
            return hone_fail(err, HONE_E_INPUT,
                             "rule '%s': \"kind\" is none of any, contraction, reduction, "
                             "elementwise",
                             name);
        ret->kind = (hone_rule__kind)k;
    }
    if (!trace)
        return hone_fail(err, HONE_E_INPUT, "rule '%s' has no \"trace\": [instructions, decisions]",
                         name);
    char *text = hone_json_text(trace);
    hone_error why = {0};
    hone_status st = hone_trace_parse(text, strlen(text), &ret->trace, &why);
    free(text);
    if (st != HONE_OK)
        return hone_fail(err, st, "rule '%s': %.400s", name, why.message);
    ret->name = hone_xstrdup(name);
    ret->block = hone_xstrdup(block ? json_string_value(block) : "*");
    ret->only = json_is_true(only);
    return HONE_OK;
}

/* Says which file it was, and where in it when that is known. */
static hone_status in_file(const char *file, hone_status st, const hone_error *why, hone_error *err)
{
    if (why->line)
        return hone_fail(err, st, "%s:%d:%d: %.400s", file, (int)why->line, (int)why->column,
                         why->message);
    return hone_fail(err, st, "%s: %.400s", file, why->message);
}

hone_status hone_custom_rules_parse(hone_custom_rules *r, const char *file, const char *text,
                                    size_t n, hone_error *err)
{
    hone_error why = {0};
    json_t *j;
    if (n > MAX_TEXT_BYTES)
        return hone_fail(err, HONE_E_INPUT, "%s: rules of more than %d bytes", file,
                         MAX_TEXT_BYTES);
    hone_status st = hone_json_parse(text, n, &j, &why);
    if (st != HONE_OK)
        return in_file(file, st, &why, err);
    if (json_is_object(j)) {
        json_t *list = json_array();
        json_array_append_new(list, j);
        j = list;
    }
    uint32_t before = r->rules.n;
    for (size_t k = 0; k < json_array_size(j) && st == HONE_OK; k++) {
        hone_rule__custom rule;
        st = json_is_object(json_array_get(j, k))
                 ? read_rule(json_array_get(j, k), (unsigned)k + 1, &rule, &why)
                 : hone_fail(&why, HONE_E_INPUT, "rule %zu is not a JSON object", k + 1);
        if (st == HONE_OK)
            hone_vec_push(&r->rules, rule);
        else if (json_is_object(json_array_get(j, k)))
            hone_trace_free(&rule.trace);
    }
    if (st == HONE_OK && r->rules.n == before)
        st = hone_fail(&why, HONE_E_INPUT, "no rule: {\"rule\": NAME, \"trace\": ...} or a list");
    json_decref(j);
    if (st == HONE_OK)
        return HONE_OK;
    while (r->rules.n > before)
        free_rule(&r->rules.v[--r->rules.n]);
    return in_file(file, st, &why, err);
}

/* ---- shared objects ---------------------------------------------------------------------------
 */

static hone_status load_library(hone_custom_rules *r, const char *path, hone_error *err)
{
    char *full = strchr(path, '/') ? hone_xstrdup(path) : hone_xasprintf("./%s", path);
    void *lib = dlopen(full, RTLD_NOW | RTLD_LOCAL);
    free(full);
    if (!lib)
        return hone_fail(err, HONE_E_INPUT, "%s", dlerror());
    void *symbol = dlsym(lib, "hone_rule_plugins");
    hone_rule_plugins_fn *plugins;
    memcpy(&plugins, &symbol, sizeof plugins);
    uint32_t abi = 0;
    unsigned n = 0;
    const hone_rule_plugin *list = plugins ? plugins(&abi, &n) : NULL;
    if (!list || abi != HONE_RULE_ABI) {
        dlclose(lib);
        return list ? hone_fail(err, HONE_E_INPUT,
                                "%s was compiled for rule interface %u.%u; this hone has %u.%u: "
                                "compile it again",
                                path, abi >> 16, abi & 0xffff, HONE_RULE_ABI >> 16,
                                HONE_RULE_ABI & 0xffff)
                    : hone_fail(err, HONE_E_INPUT, "%s does not export hone_rule_plugins", path);
    }
    hone_vec_push(&r->libraries, lib);
    for (unsigned k = 0; k < n; k++) {
        hone_rule__custom rule = {
            .name = hone_xstrdup(list[k].name), .only = list[k].only, .plugin = &list[k]};
        hone_vec_push(&r->rules, rule);
    }
    return HONE_OK;
}

hone_status hone_custom_rules_load(hone_custom_rules *r, const char *path, hone_error *err)
{
    char *text;
    size_t n;
    HONE_TRY(hone_file_read(path, MAX_FILE_BYTES, &text, &n, err));
    bool elf = n >= 4 && memcmp(text, "\177ELF", 4) == 0;
    hone_status st =
        elf ? load_library(r, path, err) : hone_custom_rules_parse(r, path, text, n, err);
    free(text);
    return st;
}

/* ---- use ---------------------------------------------------------------------------------------
 */

const hone_rule__custom *hone_rule__custom_at(const hone_custom_rules *r, unsigned k)
{
    return &r->rules.v[k];
}

bool hone_rule__custom_takes(const hone_rule__custom *r, hone_program *p, hone_stmt block,
                             hone_rule__kind kind)
{
    if (r->plugin)
        return r->plugin->takes(p, block);
    const char *name = hone_sym_text(p, hone_stmt_at(p, block)->name);
    return (strcmp(r->block, "*") == 0 || strcmp(r->block, name) == 0) &&
           (r->kind == HONE_RULE__ANY || r->kind == kind);
}

hone_status hone_rule__custom_apply(const hone_rule__custom *r, hone_sched *s, const char *block,
                                    const hone_rule__ctx *ctx, hone_error *err)
{
    if (!r->plugin)
        return hone_trace_append(&r->trace, r->block, block, s, err);
    hone_rule_info info = {.target = ctx->target, .threads = ctx->threads};
    return r->plugin->apply(s, block, &info, err);
}
