/* Growable text. */
#include "base/base.h"

static void reserve(hone_buf *b, size_t extra)
{
    size_t need = b->n + extra + 1;
    if (need <= b->cap)
        return;
    size_t cap = b->cap ? b->cap * 2 : 128;
    while (cap < need)
        cap *= 2;
    b->s = hone_xrealloc(b->s, cap);
    b->cap = cap;
}

void hone_buf_add(hone_buf *b, const void *bytes, size_t n)
{
    reserve(b, n);
    if (n)
        memcpy(b->s + b->n, bytes, n);
    b->n += n;
    b->s[b->n] = '\0';
}

void hone_buf_puts(hone_buf *b, const char *s)
{
    hone_buf_add(b, s, strlen(s));
}

void hone_buf_printf(hone_buf *b, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    reserve(b, 64);
    size_t room = b->cap - b->n;
    int n = vsnprintf(b->s + b->n, room, fmt, ap);
    HONE_ASSERT(n >= 0);
    if ((size_t)n >= room) {
        reserve(b, (size_t)n);
        vsnprintf(b->s + b->n, (size_t)n + 1, fmt, again);
    }
    b->n += (size_t)n;
    va_end(again);
    va_end(ap);
}

void hone_buf_reset(hone_buf *b)
{
    b->n = 0;
    if (b->s)
        b->s[0] = '\0';
}

void hone_buf_free(hone_buf *b)
{
    free(b->s);
    *b = (hone_buf){0};
}

void hone_buf_frame(hone_buf *b, const char *frame, const hone_frame_part *parts, unsigned n)
{
    for (unsigned k = 0; k < n; k++) {
        const char *at = strstr(frame, parts[k].name);
        HONE_ASSERT(at);
        hone_buf_add(b, frame, (size_t)(at - frame));
        hone_buf_puts(b, parts[k].text);
        frame = at + strlen(parts[k].name);
    }
    hone_buf_puts(b, frame);
}

char *hone_buf_take(hone_buf *b)
{
    reserve(b, 0);
    b->s[b->n] = '\0';
    char *s = b->cap - b->n > 32 ? hone_xrealloc(b->s, b->n + 1) : b->s; /* it may live for long */
    *b = (hone_buf){0};
    return s;
}
