/* What is shared by the parts of the kernel: the codec's parameters, libzstd's functions, a worker's memory. */
#ifndef CFDB_KERNEL_H
#define CFDB_KERNEL_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the kernel is written for little-endian machines; NumPy serves the others"
#endif

#define MAX_AXES 64
#define BLOCK_HEADER 24
#define CHUNK_HEADER 8
#define INTEGERS 0xFF      /* "decimals" of a block whose cells are integers */
#define BITMAP 0x80        /* flag beside the predictor */
#define NO_DECIMALS (-1)
#define MAX_RUN (1u << 16) /* cells handed to a loop at once: bounds its counters */

enum { PLAIN = 0, SHUFFLED = 1, INTEGER = 2 };
enum { OK = 0, NO_MEMORY = -1, ZSTD_FAILED = -2, CORRUPT = -3 };
enum { KIND_FLOAT, KIND_SIGNED, KIND_UNSIGNED, KIND_OPAQUE, KIND_TRUTH };
#define MAX_CHUNK 0x80000000u /* bytes of a decoded chunk */

static const double POWERS[16] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};

typedef struct {
    int kind;
    bool truth; /* cells are 0 or 1, whatever the bytes say */
    size_t itemsize, width;
    int level;
    int ndim; /* at least 1: a chunk without axes has one of length 1 */
    int64_t shape[MAX_AXES], block[MAX_AXES];
    size_t cells;
} Codec;

/* Unpacking of codes to floats: see cfdb.format.packing.Packing.unpack_floats. */
typedef struct {
    bool wanted, has_base, has_fill;
    double base, factor, offset;
    uint64_t fill; /* low bits of a cell */
    size_t outsize;
} Conversion;

/* The functions of libzstd that are used, by address: no header of it is needed to build. */
typedef struct {
    void *(*createCCtx)(void);
    size_t (*freeCCtx)(void *);
    size_t (*sizeofCCtx)(const void *);
    size_t (*setParameter)(void *, int, int);
    size_t (*compress2)(void *, void *, size_t, const void *, size_t);
    size_t (*compressBound)(size_t);
    void *(*createDCtx)(void);
    size_t (*freeDCtx)(void *);
    size_t (*decompress)(void *, void *, size_t, const void *, size_t);
    unsigned long long (*contentSize)(const void *, size_t);
    size_t (*frameSize)(const void *, size_t);
    unsigned (*isError)(size_t);
} Zstd;

#define ZSTD_C_LEVEL 100

static Zstd zstd;

typedef struct {
    uint8_t *data;
    size_t size, capacity;
} Buffer;

/* What one call works with; kept between calls, so that contexts and small buffers are made once. */
typedef struct Workspace {
    struct Workspace *next;
    void *compressor, *decompressor;
    int level;
    Buffer body, codes, line, bad, bits, trial;
    Buffer whole;   /* cells of a block or chunk that is put together */
    Buffer uniform; /* encoded blocks of one value: see encode.h */
    Buffer encoded;
    const char *problem; /* what is wrong with the bytes */
} Workspace;

#define MAX_KEPT (4u << 20)

static bool reserve(Buffer *buffer, size_t size)
{
    if (size <= buffer->capacity) return true;
    size_t capacity = size + size / 4 + 64;
    uint8_t *data = capacity > size ? realloc(buffer->data, capacity) : NULL;
    if (data == NULL) return false;
    buffer->data = data;
    buffer->capacity = capacity;
    return true;
}

static void drop(Buffer *buffer, size_t kept)
{
    buffer->size = 0;
    if (buffer->capacity <= kept) return;
    free(buffer->data);
    buffer->data = NULL;
    buffer->capacity = 0;
}

static void drop_buffers(Workspace *space, size_t kept)
{
    Buffer *all[] = {&space->body, &space->codes, &space->line, &space->bad, &space->bits, &space->trial,
                     &space->whole, &space->uniform, &space->encoded};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) drop(all[i], kept);
}

static int fail(Workspace *space, const char *problem)
{
    space->problem = problem;
    return CORRUPT;
}

static inline uint32_t read_u32(const uint8_t *place)
{
    uint32_t value;
    memcpy(&value, place, sizeof value);
    return value;
}

static inline uint64_t read_u64(const uint8_t *place)
{
    uint64_t value;
    memcpy(&value, place, sizeof value);
    return value;
}

static inline void write_u32(uint8_t *place, uint32_t value) { memcpy(place, &value, sizeof value); }
static inline void write_u64(uint8_t *place, uint64_t value) { memcpy(place, &value, sizeof value); }

/* Bits of one cell, as the low bits of a word. */
static inline uint64_t read_cell(const uint8_t *place, size_t itemsize)
{
    uint64_t bits = 0;
    memcpy(&bits, place, itemsize);
    return bits;
}

static inline int width_index(int width) { return width == 8 ? 3 : width >> 1; } /* 1 2 4 8 -> 0 1 2 3 */

static inline bool is_aligned(const void *place, size_t size)
{
    return size == 0 || ((uintptr_t)place & (size - 1)) == 0 || (size & (size - 1)) != 0;
}

#endif
