/* What the files of tuner/lock share. */
#ifndef HONE_LOCK_INTERNAL_H
#define HONE_LOCK_INTERNAL_H

#include "tuner/lock/lock.h"

/* The text of an entry, from { to }, by what is in it. */
char *hone_lock__entry_text(const hone_lock_entry *e);
/* Of two entries, as they stand in the file: by function, then by target. */
int hone_lock__compare(const hone_lock_entry *a, const hone_lock_entry *b);

#endif
