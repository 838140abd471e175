/* ir: from a program to the program that judges its results (docs/ORACLE.md).
 *
 * Running error analysis over absolute values (Higham, Accuracy and Stability of Numerical
 * Algorithms, 2nd ed., sec. 3.3, 4.2) as a transformation of programs: every float value v gets a
 * companion e, such that any order of evaluation hone may choose differs from v by no more than e.
 * v itself is computed in f64. The oracle is an ordinary unscheduled program, compiled plainly like
 * any other.
 *
 * Threads: as for hone_program. */
#ifndef HONE_IR_ORACLE_H
#define HONE_IR_ORACLE_H

#include "ir/ir.h"

/* Names of the oracle's arguments, in order: the inputs of p, under their names and as they are;
 * `hone.quantum: f64[1]`, of which every float input is a multiple (0: not known); and for each
 * output O of p, in their order,
 *   O          f64, or O's own dtype when that is an integer or bool: the value
 *   O.error    f64: how far a right result may be from it; absent where results must be equal
 *   O.written  O's dtype: what the program as written computes; only where p rounds sums to 16
 * bits, so that the bound may say nothing Infinite O.error: anything is right there. */
#define HONE_ORACLE_QUANTUM "hone.quantum"
#define HONE_ORACLE_ERROR ".error"
#define HONE_ORACLE_WRITTEN ".written"

/* ret (all zero, or used before) becomes the oracle of p, which is unscheduled and verified.
 * HONE_E_INPUT: a block of p has a predicate, or is within another block. HONE_E_LIMIT: too large.
 */
hone_status hone_oracle_make(const hone_program *p, hone_program *ret,
                             hone_error *err) HONE_NODISCARD;

#endif
