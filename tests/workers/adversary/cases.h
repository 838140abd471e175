/* What the adversary's kernels and their test share: sizes, and sets of element types. */
#ifndef HONE_TESTS_ADVERSARY_CASES_H
#define HONE_TESTS_ADVERSARY_CASES_H

/* No size is a multiple of a vector; those of PAGE end with a page in every type. */
#define LEN 1003
#define PAGE 4096
#define MILLION 1000003
#define MM_M 13
#define MM_N 45 /* the inner one, too, so that an operand can be transposed */
#define SUM_M 23
#define SUM_K 211
#define MAX_M 203
#define MAX_K 5
#define ROWS 41
#define COLS 24
#define DOT 20011
#define TABLE 300

/* In the order of hone_elem. */
enum {
    f64 = 1 << 0,
    f32 = 1 << 1,
    f16 = 1 << 2,
    bf16 = 1 << 3,
    i64 = 1 << 4,
    i32 = 1 << 5,
    i16 = 1 << 6,
    i8 = 1 << 7,
    u8 = 1 << 8,
    boolean = 1 << 9
};
#define REALS (f64 | f32 | f16 | bf16)
#define SHORT (f16 | bf16)
#define SIGNED (i64 | i32 | i16 | i8)
#define WHOLE (SIGNED | u8)
#define NUMBERS (REALS | WHOLE)

#endif
