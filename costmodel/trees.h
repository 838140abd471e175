/* The trees of a booster as an array, for predictions alone. Private to the room.
 *
 * XGBoost takes some twenty milliseconds to load a model of a hundred trees, and then a microsecond
 * a row; a lookup asks for a few dozen rows. Here the same bytes are read in a tenth of a
 * millisecond, and the sums are made of the same floats in the same order: predictions are equal to
 * XGBoost's, bit by bit. */
#ifndef HONE_COSTMODEL_TREES_H
#define HONE_COSTMODEL_TREES_H

#include "base/base.h"

typedef struct hone_costmodel__node {
    float value;   /* what a feature is compared with; of a leaf: its output */
    uint32_t left; /* number of the child for smaller ones, the right one is the next; 0: a leaf */
    uint16_t feature;
    bool missing_left; /* where a row goes that has no such feature (NaN) */
} hone_costmodel__node;

typedef struct hone_costmodel__trees {
    HONE_VEC(hone_costmodel__node) nodes;
    HONE_VEC(uint32_t) roots;
    float base; /* before the first tree */
} hone_costmodel__trees;

/* Reads XGBoost's UBJSON of rows of n_features floats. False: it is not whole, or has what is not
 * read here (categories, another booster or objective, several outputs, weights of trees), and *ret
 * is empty. The caller's: hone_costmodel__trees_free. */
bool hone_costmodel__trees_read(const char *bytes, size_t n, uint32_t n_features,
                                hone_costmodel__trees *ret);
/* An output for each of `rows` rows of n_features floats, as many as when it was read. */
void hone_costmodel__trees_predict(const hone_costmodel__trees *t, const float *v,
                                   uint32_t n_features, uint32_t rows, float *ret);
void hone_costmodel__trees_free(hone_costmodel__trees *t);

#endif
