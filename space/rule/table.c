/* The rules by name. A target's preset lists those it wants, in their order. */
#include "space/rule/rule.h"

static unsigned contraction_variants(hone_program *p, hone_stmt block, const hone_rule__ctx *ctx)
{
    unsigned n = hone_rule__contraction_variants(p, block, ctx);
    return hone_rule__is_contraction(p, block) && n == 0 ? 1 : n;
}

static unsigned reduction_variants(hone_program *p, hone_stmt block, const hone_rule__ctx *ctx)
{
    return hone_stmt_at(p, block)->init.i ? hone_rule__reduce_variants(p, block, ctx) : 0;
}

static unsigned elementwise_variants(hone_program *p, hone_stmt block, const hone_rule__ctx *ctx)
{
    (void)ctx;
    return !hone_stmt_at(p, block)->init.i;
}

static const hone_rule__row rows[] = {
    {.name = "const", .prepare = hone_rule__const},
    {.name = "inline", .prepare = hone_rule__auto_inline},
    {.name = "custom", .is_custom = true},
    {.name = "attention",
     .chain_variants = hone_rule__attention_variants,
     .chains = hone_rule__attention},
    {.name = "intrin",
     .variants = hone_rule__intrin_variants,
     .apply = hone_rule__intrin,
     .leaves_others = true},
    {.name = "groups",
     .variants = hone_rule__groups_variants,
     .apply = hone_rule__groups,
     .leaves_others = true},
    {.name = "contraction", .variants = contraction_variants, .apply = hone_rule__contraction_nest},
    {.name = "rows", .chain_variants = hone_rule__rows_variants, .chains = hone_rule__rows},
    {.name = "reduction", .variants = reduction_variants, .apply = hone_rule__reduce},
    {.name = "elementwise", .variants = elementwise_variants, .apply = hone_rule__elementwise},
};

const hone_rule__row *hone_rule__find(const char *name)
{
    for (size_t k = 0; k < HONE_LEN(rows); k++)
        if (strcmp(rows[k].name, name) == 0)
            return &rows[k];
    return NULL;
}
