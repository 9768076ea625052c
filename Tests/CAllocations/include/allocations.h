// Counts what the calling thread allocates, by standing in front of the C library's malloc in the test program.
#ifndef VIPD_ALLOCATIONS_H
#define VIPD_ALLOCATIONS_H

#include <stdint.h>

// How often this thread has called malloc, calloc, realloc or an aligned form of them so far.
uint64_t vipd_allocations(void);

#endif
