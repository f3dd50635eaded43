/* The table of loops, and the choice of it for the machine at hand. */

typedef struct {
    double least, most, total, scale, parts[16];
    uint64_t missing, bits_least, bits_most, low, high;
} Summary;

/* What is known of the bad cells of a block, and where the walk over it stands. */
typedef struct {
    size_t place, found;
    uint8_t *codes;
    uint32_t *positions;
    uint8_t *bits;
    int64_t before; /* code of the last good cell */
} Mending;

typedef void (*Residuals)(const void *, size_t, size_t, size_t, int, uint64_t, uint8_t *);
typedef void (*Row)(const uint8_t *, size_t, size_t, int, uint64_t, bool, void *);
typedef void (*ToCells)(const void *, size_t, int64_t, int, void *);
typedef void (*Unpack)(const void *, size_t, const Conversion *, void *);
typedef void (*Summarise)(const void *, size_t, Summary *);

typedef struct {
    size_t (*decimal_f4)(const float *restrict, int32_t *restrict, size_t, int, int32_t *, int32_t *);
    size_t (*decimal_f8)(const double *restrict, int64_t *restrict, size_t, int, int64_t *, int64_t *);
    size_t (*count_odd[2])(const void *, size_t);
    uint64_t (*sum_lengths)(const uint64_t *, size_t);
    void (*differences)(const int64_t *restrict, const int64_t *restrict, size_t, uint64_t *restrict);
    void (*zigzag)(uint64_t *, size_t);
    Residuals residuals_32[4], residuals_64[4]; /* by width */
    Row row[4];
    ToCells to_f4[4], to_f8[4], to_integer[4][4]; /* by itemsize and width */
    Unpack unpack_f4[2][4], unpack_f8[2][4];      /* by sign and itemsize */
    void (*widen_i1)(const int8_t *restrict, int32_t *restrict, size_t, int32_t *, int32_t *);
    void (*widen_i2)(const int16_t *restrict, int32_t *restrict, size_t, int32_t *, int32_t *);
    void (*widen_i4)(const int32_t *restrict, int32_t *restrict, size_t, int32_t *, int32_t *);
    void (*widen_u1)(const uint8_t *restrict, int32_t *restrict, size_t, int32_t *, int32_t *);
    void (*widen_u2)(const uint16_t *restrict, int32_t *restrict, size_t, int32_t *, int32_t *);
    void (*widen_u4)(const uint32_t *restrict, int32_t *restrict, size_t, int32_t *, int32_t *);
    void (*widen_i8)(const int64_t *restrict, int64_t *restrict, size_t, int64_t *, int64_t *);
    void (*widen_u8)(const uint64_t *restrict, int64_t *restrict, size_t, int64_t *, int64_t *);
    size_t (*pack[2][5])(const void *, size_t, const Conversion *, double, double, void *); /* by float and codes */
    void (*special[2])(const uint8_t *restrict, size_t, const void *, void *); /* by itemsize: 4, 8 */
    void (*mend[2])(const void *, size_t, Mending *);
    size_t (*count_other[2])(const void *, size_t, uint64_t);
    void (*sort[2])(const Mending *, bool, uint64_t, uint8_t *, uint8_t *, uint8_t *);
    void (*shuffle[4])(const uint8_t *, size_t, uint8_t *restrict, size_t);
    Summarise summarise_float[2], summarise_integer[2][4];
} Loops;

#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define INDEPENDENT _Pragma("GCC ivdep")
#else
#define INDEPENDENT
#endif

/* Vectors of 16 bytes, as GCC and Clang spell them: shifted by lanes, and the last lane everywhere. */
#if defined(__GNUC__) && defined(__has_builtin)
#if __has_builtin(__builtin_shufflevector)
#define VECTORS
#define LAST_LANE(VECTOR, v, lanes) \
    ((lanes) == 16  ? (VECTOR)LAST_16((Vector1)(v)) \
     : (lanes) == 8 ? (VECTOR)LAST_8((Vector2)(v))  \
     : (lanes) == 4 ? (VECTOR)LAST_4((Vector4)(v))  \
                    : (VECTOR)LAST_2((Vector8)(v)))
typedef uint8_t Vector1 __attribute__((vector_size(16)));
typedef uint16_t Vector2 __attribute__((vector_size(16)));
typedef uint32_t Vector4 __attribute__((vector_size(16)));
typedef uint64_t Vector8 __attribute__((vector_size(16)));
#define LAST_16(v) __builtin_shufflevector(v, v, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15)
#define LAST_8(v) __builtin_shufflevector(v, v, 7, 7, 7, 7, 7, 7, 7, 7)
#define LAST_4(v) __builtin_shufflevector(v, v, 3, 3, 3, 3)
#define LAST_2(v) __builtin_shufflevector(v, v, 1, 1)

/* Eight codes of two bytes from their planes. */
static inline Vector1 paired(const uint8_t *low, const uint8_t *high)
{
    uint64_t lows, highs;
    memcpy(&lows, low, 8);
    memcpy(&highs, high, 8);
    const Vector1 first = (Vector1)(Vector8){lows, 0}, second = (Vector1)(Vector8){highs, 0};
    return __builtin_shufflevector(first, second, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

#if defined(__SSE2__)
#include <emmintrin.h>
#define SHIFTED(VECTOR, v, lanes) ((VECTOR)_mm_slli_si128((__m128i)(v), (int)((lanes) * sizeof((v)[0]))))
#else
#define SHIFTED(VECTOR, v, lanes) ((VECTOR)SHIFT_BYTES((Vector1)(v), (lanes) * sizeof((v)[0])))
#define LANE(n, i) ((int)((n) > (i) ? (i) : 16 + (i) - (n)))
#define SHIFT_BYTES(v, n)                                                                                             \
    __builtin_shufflevector((Vector1){0}, v, LANE(n, 0), LANE(n, 1), LANE(n, 2), LANE(n, 3), LANE(n, 4), LANE(n, 5),  \
                            LANE(n, 6), LANE(n, 7), LANE(n, 8), LANE(n, 9), LANE(n, 10), LANE(n, 11), LANE(n, 12),    \
                            LANE(n, 13), LANE(n, 14), LANE(n, 15))
#endif
#endif
#endif

static unsigned bit_length(uint64_t value)
{
#if defined(__GNUC__)
    return 64u - (unsigned)__builtin_clzll(value | 1) - !value;
#else
    unsigned length = 0;
    for (; value; value >>= 1) length++;
    return length;
#endif
}

#define ISA(name) name##_base
#define ISA_TARGET
#define ISA_FMA 0
#include "rows.h"
#undef ISA
#undef ISA_TARGET
#undef ISA_FMA

#if defined(__GNUC__) && defined(__x86_64__)
#define ISA(name) name##_avx2
#define ISA_TARGET __attribute__((target("avx2,fma,bmi,bmi2,lzcnt")))
#define ISA_FMA 1
#include "rows.h"
#undef ISA
#undef ISA_TARGET
#undef ISA_FMA
#define ISA(name) name##_avx512
#define ISA_TARGET __attribute__((target("avx2,fma,bmi,bmi2,lzcnt,avx512f,avx512bw,avx512dq,avx512vl")))
#define ISA_FMA 1
#include "rows.h"
#undef ISA
#undef ISA_TARGET
#undef ISA_FMA

static const Loops *choose_loops(int level)
{
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2") &&
                      __builtin_cpu_supports("bmi");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                        __builtin_cpu_supports("avx512vl");
    if (level >= 2 && avx512) return &loops_avx512;
    if (level >= 1 && avx2) return &loops_avx2;
    return &loops_base;
}
#else
static const Loops *choose_loops(int level)
{
    (void)level;
    return &loops_base;
}
#endif

static const Loops *loops = &loops_base;
