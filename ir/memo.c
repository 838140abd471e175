/* What walks remember (ir/ir.h): a list of a few entries, then a hash table with linear probing.
 * Ids of expressions are dense, so their low bits are hash enough. */
#include "ir/ir.h"

static void put(hone_memo_entry *table, uint32_t mask, hone_memo_entry e)
{
    uint32_t at = e.key & mask;
    while (table[at].key)
        at = (at + 1) & mask;
    table[at] = e;
}

static void grow(hone_memo *m)
{
    uint32_t old_n = m->mask ? m->mask + 1 : m->n, n = m->mask ? 2 * old_n : 8 * HONE_MEMO_FEW;
    hone_memo_entry *old = m->mask ? m->table : m->few;
    hone_memo_entry *table = hone_xcalloc(n, sizeof *table);
    for (uint32_t k = 0; k < old_n; k++)
        if (old[k].key)
            put(table, n - 1, old[k]);
    if (m->mask)
        free(m->table);
    m->table = table;
    m->mask = n - 1;
}

static const hone_memo_entry *entry_of(const hone_memo *m, uint32_t key)
{
    if (!m->mask) {
        for (uint32_t k = 0; k < m->n; k++)
            if (m->few[k].key == key)
                return &m->few[k];
        return NULL;
    }
    uint32_t at = key & m->mask;
    while (m->table[at].key && m->table[at].key != key)
        at = (at + 1) & m->mask;
    return m->table[at].key ? &m->table[at] : NULL;
}

bool hone_memo_find(const hone_memo *m, uint32_t key, uint32_t *ret)
{
    const hone_memo_entry *e = entry_of(m, key);
    if (e)
        *ret = e->value;
    return e != NULL;
}

void hone_memo_add(hone_memo *m, uint32_t key, uint32_t value)
{
    if (m->mask ? 2 * m->n > m->mask : m->n == HONE_MEMO_FEW)
        grow(m);
    if (m->mask)
        put(m->table, m->mask, (hone_memo_entry){key, value});
    else
        m->few[m->n] = (hone_memo_entry){key, value};
    m->n++;
}

bool hone_memo_first(hone_memo *m, uint32_t key)
{
    if (entry_of(m, key))
        return false;
    hone_memo_add(m, key, 0);
    return true;
}
