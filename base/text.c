/* Bytes that may be anything, as text that others can take. */
#include "base/base.h"

size_t hone_utf8_length(const char *text)
{
    const uint8_t *s = (const uint8_t *)text;
    if (s[0] < 0x80)
        return 1;
    size_t n = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4)
        return 0;
    uint8_t low = 0x80, high = 0xbf;
    if (s[0] == 0xe0)
        low = 0xa0; /* below: overlong */
    else if (s[0] == 0xed)
        high = 0x9f; /* above: surrogates */
    else if (s[0] == 0xf0)
        low = 0x90;
    else if (s[0] == 0xf4)
        high = 0x8f;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

int hone_utf8_cut(const char *s, size_t most)
{
    size_t n = strnlen(s, most + 1);
    n = n < most ? n : most;
    while (n > 0 && ((uint8_t)s[n] & 0xc0) == 0x80)
        n--;
    return (int)n;
}

/* What shows nothing, or changes how what is beside it is shown: ranges, from and to. Unicode's
 * Default_Ignorable_Code_Point (DerivedCoreProperties.txt; marks of direction are among them), the
 * separators of lines and paragraphs, and marks of annotations. */
static const uint32_t unseen[][2] = {
    {0x80, 0x9f},       {0xad, 0xad},       {0x34f, 0x34f},     {0x61c, 0x61c},   {0x115f, 0x1160},
    {0x17b4, 0x17b5},   {0x180b, 0x180f},   {0x200b, 0x200f},   {0x2028, 0x202e}, {0x2060, 0x206f},
    {0x3164, 0x3164},   {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0}, {0xfff0, 0xfffb},
    {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe0fff},
};

/* Of a sequence of n bytes, 2 to 4. */
static uint32_t code_point(const char *s, size_t n)
{
    uint32_t c = (uint8_t)s[0] & (0xffu >> (n + 1));
    for (size_t k = 1; k < n; k++)
        c = c << 6 | ((uint8_t)s[k] & 0x3f);
    return c;
}

size_t hone_utf8_unseen(const char *s, uint32_t *ret)
{
    size_t n = hone_utf8_length(s);
    if (n < 2)
        return 0;
    *ret = code_point(s, n);
    for (size_t k = 0; k < HONE_LEN(unseen); k++)
        if (*ret >= unseen[k][0] && *ret <= unseen[k][1])
            return n;
    return 0;
}

char *hone_text_clean(const char *s)
{
    hone_buf b = {0};
    while (*s) {
        uint32_t c = 0;
        size_t n = hone_utf8_unseen(s, &c), whole = hone_utf8_length(s);
        bool control = whole == 1 && ((unsigned char)*s < ' ' || *s == 0x7f);
        if (n > 0) {
            hone_buf_printf(&b, c > 0xffff ? "\\U%08" PRIx32 : "\\u%04" PRIx32, c);
        } else if (whole == 0 || control) {
            hone_buf_printf(&b, "\\x%02x", (unsigned char)*s);
            n = 1;
        } else {
            hone_buf_add(&b, s, n = whole);
        }
        s += n;
    }
    return hone_buf_take(&b);
}
