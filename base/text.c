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

char *hone_text_clean(const char *s)
{
    hone_buf b = {0};
    while (*s) {
        size_t n = hone_utf8_length(s);
        bool control = (n == 1 && ((unsigned char)*s < ' ' || *s == 0x7f)) ||
                       (n == 2 && s[0] == '\xc2' && (unsigned char)s[1] < 0xa0);
        if (n == 0 || control) {
            hone_buf_printf(&b, "\\x%02x", (unsigned char)*s);
            n = 1;
        } else {
            hone_buf_add(&b, s, n);
        }
        s += n;
    }
    return hone_buf_take(&b);
}
