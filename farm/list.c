/* Rings: lists whose elements know their neighbours. */
#include "farm/internal.h"

void hone_farm__ring_init(ring *head)
{
    head->next = head->prev = head;
}

void hone_farm__ring_add(ring *head, ring *x)
{
    HONE_ASSERT(!x->next);
    x->prev = head->prev;
    x->next = head;
    head->prev->next = x;
    head->prev = x;
}

void hone_farm__ring_add_first(ring *head, ring *x)
{
    hone_farm__ring_add(head->next, x);
}

void hone_farm__ring_remove(ring *x)
{
    if (!x->next)
        return;
    x->prev->next = x->next;
    x->next->prev = x->prev;
    x->next = x->prev = NULL;
}
