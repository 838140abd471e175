/* Tokens of both languages (docs/LANGUAGE.md, docs/IR.md), and their error messages.
 *
 * Errors are sticky: the first one is kept, and from then on the current token is T_END, so that a
 * parser's loops run out by themselves and it looks at lx->status once, at its end. */
#ifndef HONE_IR_LEX_H
#define HONE_IR_LEX_H

#include "ir/ir.h"

#define HONE_LEX_MAX_NAME 255 /* bytes of one name or quoted text */

typedef enum hone_token_kind {
    T_END,
    T_NAME, /* a word, or any text in backquotes */
    T_INT,
    T_FLOAT,
    T_TEXT, /* "..." */
    T_PUNCT
} hone_token_kind;

/* Two-letter punctuation is the pair of its letters. */
#define HONE_PAIR(a, b) ((a) << 8 | (b))

typedef struct hone_token {
    hone_token_kind kind;
    const char *s; /* into the source */
    size_t n;
    int punct;   /* T_PUNCT: a letter or HONE_PAIR */
    bool quoted; /* T_NAME in backquotes */
    bool first;  /* first on its line */
    uint64_t i;  /* T_INT, at most 2^63 */
    double f;    /* T_FLOAT */
} hone_token;

typedef struct hone_lex {
    const char *file, *text;
    size_t n, at;
    hone_token tok; /* the current one */
    hone_status status;
    hone_error *err;
    unsigned language; /* HONE_WORDS_*: which words are reserved */
} hone_lex;

#define HONE_WORDS_WORKLOAD 1u
#define HONE_WORDS_PROGRAM 2u

/* Starts at the first token. HONE_E_INPUT (in lx->status) when the text has more than max bytes. */
void hone_lex__start(hone_lex *lx, const char *file, const char *text, size_t n, size_t max,
                     unsigned language, hone_error *err);
void hone_lex__next(hone_lex *lx);
/* Records `FILE:LINE:COL: error: ...` with the source line and a caret, at a place in the source.
 * Only the first error counts. Returns false. */
bool hone_lex__fail_at(hone_lex *lx, const char *at, const char *fmt, ...) HONE_PRINTF(3, 4);
/* The same with another status than HONE_E_INPUT. */
bool hone_lex__fail_as(hone_lex *lx, hone_status s, const char *at, const char *fmt, ...)
    HONE_PRINTF(4, 5);
/* "found X" at the current token. Returns false. */
bool hone_lex__expected(hone_lex *lx, const char *what);

static inline bool hone_lex__is(const hone_lex *lx, int punct)
{
    return lx->tok.kind == T_PUNCT && lx->tok.punct == punct;
}
/* An unquoted word. */
bool hone_lex__is_word(const hone_lex *lx, const char *word);
/* Takes it and returns true if it is there. */
bool hone_lex__accept(hone_lex *lx, int punct);
bool hone_lex__accept_word(hone_lex *lx, const char *word);
/* Takes it, or fails. */
bool hone_lex__expect(hone_lex *lx, int punct);
bool hone_lex__expect_word(hone_lex *lx, const char *word);
/* Takes a name that is not a reserved word (quoted names never are); `what` is for the message. */
bool hone_lex__name(hone_lex *lx, const char *what, char ret[HONE_LEX_MAX_NAME + 1]);
/* Takes a T_TEXT. */
bool hone_lex__text(hone_lex *lx, char ret[HONE_LEX_MAX_NAME + 1]);
/* Takes a possibly negative integer literal. */
bool hone_lex__int(hone_lex *lx, const char *what, int64_t *ret);

bool hone_lex__reserved(const char *word, size_t n, unsigned language);
/* The name as it must be written in a program: in backquotes when it is no plain word. */
void hone_lex__put_name(hone_buf *out, const char *name);
/* In double quotes. */
void hone_lex__put_text(hone_buf *out, const char *text);

#endif
