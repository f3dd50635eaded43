/* The loops over cells. Included once for each instruction set: ISA(name) names what ISA_TARGET compiles.
 *
 * They are written for the compiler's vectoriser; only the running sums are spelled out as vectors. */

#define LOOP static ISA_TARGET
#ifndef ROUNDING
#define ROUNDING 0x1.8p52 /* a float64 below 2**51 that was added to it is rounded, and stands in the low bits */

static inline int64_t low_bits(double whole)
{
    const double moved = whole + ROUNDING;
    uint64_t word;
    memcpy(&word, &moved, 8);
    return (int64_t)(word - 0x4338000000000000);
}
#endif

/* x / divisor, for whole x up to 2**24 and powers of ten up to 10**10. Two fused steps mend the last bit of x times the
 * inverse: the same bits as the division in all these cases, which were tried one by one. */
#ifdef QUOTIENT
#undef QUOTIENT
#endif
#if ISA_FMA
#define QUOTIENT(x, divisor, inverse) __builtin_fmaf(__builtin_fmaf(-((x) * (inverse)), divisor, x), inverse, (x) * (inverse))
#else
#define QUOTIENT(x, divisor, inverse) ((x) / (divisor))
#endif

/* ---- floats that are decimals: whole = rint(x * 10**d), good when whole / 10**d gives the same bits ---- */

/* Bad cells get INT32_MIN, which no good one has. Returns how many there are; widens *low..*high by the good ones. */
LOOP size_t ISA(decimal_f4)(const float *restrict x, int32_t *restrict codes, size_t n, int decimals, int32_t *low,
                            int32_t *high)
{
    const double scale = POWERS[decimals];
    const float divisor = (float)POWERS[decimals], inverse = 1.0f / divisor;
    (void)inverse;
    int32_t least = *low, most = *high;
    uint32_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        /* rint in the low bits; what is no number of 32 bits gives a code that does not lead back to x */
        const double moved = (double)x[i] * scale + ROUNDING;
        uint64_t word;
        memcpy(&word, &moved, 8);
        const int32_t whole = (int32_t)(uint32_t)word;
        const float sought = (float)whole;
        const float back = QUOTIENT(sought, divisor, inverse);
        uint32_t wanted, found;
        memcpy(&wanted, &x[i], 4);
        memcpy(&found, &back, 4);
        const bool beyond = (uint32_t)whole + 0x1000000u > 0x2000000u;
        const int32_t mask = -(int32_t)((wanted != found) | beyond);
        const int32_t code = whole & ~mask;
        const int32_t marked = code | (mask & INT32_MIN);
        const int32_t small = code | (mask & INT32_MAX);
        codes[i] = marked;
        least = small < least ? small : least;
        most = marked > most ? marked : most;
        bad -= (uint32_t)mask;
    }
    *low = least;
    *high = most;
    return bad;
}

LOOP size_t ISA(decimal_f8)(const double *restrict x, int64_t *restrict codes, size_t n, int decimals, int64_t *low,
                            int64_t *high)
{
    const double scale = POWERS[decimals];
    int64_t least = *low, most = *high;
    uint64_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        const double scaled = x[i] * scale;
        const double size = fabs(scaled);
        double rounded = size < 0x1p52 ? (size + 0x1p52) - 0x1p52 : size;
        rounded = rounded <= 0x1p53 ? rounded : 0.0;
        rounded = (scaled < 0 ? -rounded : rounded) + 0.0; /* never -0.0 */
        const double back = rounded / scale;
        uint64_t wanted, found;
        memcpy(&wanted, &x[i], 8);
        memcpy(&found, &back, 8);
        const int64_t mask = -(int64_t)(wanted != found);
        const double upper = (rounded * 0x1p-32 + ROUNDING) - ROUNDING;
        const int64_t code = (low_bits(upper) * 0x100000000 + low_bits(rounded - upper * 0x1p32)) & ~mask;
        const int64_t marked = code | (mask & INT64_MIN);
        const int64_t small = code | (mask & INT64_MAX);
        codes[i] = marked;
        least = small < least ? small : least;
        most = marked > most ? marked : most;
        bad -= (uint64_t)mask;
    }
    *low = least;
    *high = most;
    return bad;
}

/* ---- what a sample is asked ---- */

/* Floats that are no decimal in any case: not finite, too large, or -0.0. */
#define DEFINE_COUNT_ODD(NAME, FLOAT, WORD, LIMIT, MINUS_ZERO)                                                         \
    LOOP size_t ISA(count_odd_##NAME)(const void *cells, size_t n)                                                     \
    {                                                                                                                  \
        const FLOAT *x = cells;                                                                                        \
        WORD sound = 0;                                                                                                \
        for (size_t i = 0; i < n; i++) {                                                                               \
            const FLOAT size = x[i] < 0 ? -x[i] : x[i];                                                                \
            WORD bits;                                                                                                 \
            memcpy(&bits, &x[i], sizeof bits);                                                                         \
            sound += (WORD)((size <= (LIMIT)) & (bits != (MINUS_ZERO)));                                               \
        }                                                                                                              \
        return n - (size_t)sound;                                                                                      \
    }

DEFINE_COUNT_ODD(f4, float, uint32_t, 0x1p24f, 0x80000000u)
DEFINE_COUNT_ODD(f8, double, uint64_t, 0x1p53, 0x8000000000000000u)

/* Bits that numbers need, summed up: the exponent of 2 x + 1, which float64 has exactly below 2**52. */
LOOP uint64_t ISA(sum_lengths)(const uint64_t *numbers, size_t n)
{
    uint64_t all = 0, sum = 0;
    for (size_t i = 0; i < n; i++) all |= numbers[i];
    if (all < 0x40000000) {
        for (size_t i = 0; i < n; i++) {
            const double odd = (double)(int32_t)(2 * (uint32_t)numbers[i] + 1);
            uint64_t word;
            memcpy(&word, &odd, 8);
            sum += word >> 52;
        }
        return sum - 1023 * (uint64_t)n;
    }
    for (size_t i = 0; i < n; i++) sum += bit_length(numbers[i]);
    return sum;
}

LOOP void ISA(differences)(const int64_t *restrict cells, const int64_t *restrict before, size_t n,
                           uint64_t *restrict out)
{
    for (size_t i = 0; i < n; i++) out[i] = (uint64_t)cells[i] - (uint64_t)before[i];
}

LOOP void ISA(zigzag)(uint64_t *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++) numbers[i] = (numbers[i] << 1) ^ (0 - (numbers[i] >> 63));
}

/* ---- integers: to the width that is computed in; unsigned ones of that width are shifted to signed order ---- */

#define DEFINE_WIDEN(NAME, CELL, CODE, UCODE, SHIFT)                                                                  \
    LOOP void ISA(widen_##NAME)(const CELL *restrict x, CODE *restrict codes, size_t n, CODE *low, CODE *high)         \
    {                                                                                                                  \
        CODE least = *low, most = *high;                                                                               \
        for (size_t i = 0; i < n; i++) {                                                                               \
            const CODE code = (CODE)((UCODE)x[i] - (UCODE)(SHIFT));                                                    \
            codes[i] = code;                                                                                           \
            least = code < least ? code : least;                                                                       \
            most = code > most ? code : most;                                                                          \
        }                                                                                                              \
        *low = least;                                                                                                  \
        *high = most;                                                                                                  \
    }

DEFINE_WIDEN(i1, int8_t, int32_t, uint32_t, 0)
DEFINE_WIDEN(i2, int16_t, int32_t, uint32_t, 0)
DEFINE_WIDEN(i4, int32_t, int32_t, uint32_t, 0)
DEFINE_WIDEN(i8, int64_t, int64_t, uint64_t, 0)
DEFINE_WIDEN(u1, uint8_t, int32_t, uint32_t, 0)
DEFINE_WIDEN(u2, uint16_t, int32_t, uint32_t, 0)
DEFINE_WIDEN(u4, uint32_t, int32_t, uint32_t, 0x80000000u)
DEFINE_WIDEN(u8, uint64_t, int64_t, uint64_t, 0x8000000000000000u)

/* ---- residuals, zigzagged, as byte planes ---- */

#define ZIGZAG(CODE, BITS, x) ((CODE)((CODE)((x) << 1) ^ (CODE)-(CODE)((x) >> ((BITS)-1))))
#define BYTE(CODE, z, b) ((uint8_t)((z) >> (sizeof(CODE) > (b) ? 8 * (b) : 0)))
#define PUT_PLANES(CODE, z, place)                                                                                     \
    do {                                                                                                               \
        p0[place] = (uint8_t)(z);                                                                                      \
        if (sizeof(CODE) > 1) p1[place] = BYTE(CODE, z, 1);                                                            \
        if (sizeof(CODE) > 2) p2[place] = BYTE(CODE, z, 2), p3[place] = BYTE(CODE, z, 3);                              \
        if (sizeof(CODE) > 4) p4[place] = BYTE(CODE, z, 4), p5[place] = BYTE(CODE, z, 5);                              \
        if (sizeof(CODE) > 4) p6[place] = BYTE(CODE, z, 6), p7[place] = BYTE(CODE, z, 7);                              \
    } while (0)

#define DEFINE_RESIDUALS(NAME, FROM, CODE)                                                                             \
    LOOP void ISA(residuals_##NAME)(const void *cells, size_t n, size_t length, size_t rows, int predictor,            \
                                    uint64_t base, uint8_t *out)                                                       \
    {                                                                                                                  \
        const FROM *k = cells;                                                                                         \
        const size_t step = sizeof(CODE) > 1 ? n : 0;                                                                  \
        uint8_t *p0 = out, *p1 = p0 + step, *p2 = sizeof(CODE) > 2 ? p1 + n : p0, *p3 = sizeof(CODE) > 2 ? p2 + n : p0; \
        uint8_t *p4 = sizeof(CODE) > 4 ? p3 + n : p0, *p5 = sizeof(CODE) > 4 ? p4 + n : p0;                            \
        uint8_t *p6 = sizeof(CODE) > 4 ? p5 + n : p0, *p7 = sizeof(CODE) > 4 ? p6 + n : p0;                            \
        (void)p1, (void)p2, (void)p3, (void)p4, (void)p5, (void)p6, (void)p7;                                          \
        if (predictor == 0) {                                                                                          \
            INDEPENDENT for (size_t i = 0; i < n; i++)                                                                 \
            {                                                                                                          \
                const CODE z = (CODE)((CODE)k[i] - (CODE)base);                                                        \
                PUT_PLANES(CODE, z, i);                                                                                \
            }                                                                                                          \
            return;                                                                                                    \
        }                                                                                                              \
        const size_t plane = predictor == 1 ? n : rows * length;                                                       \
        for (size_t start = 0; start < n && length > 1; start += plane) {                                              \
            const size_t flat = predictor == 1 ? n : start + length;                                                   \
            INDEPENDENT for (size_t i = start ? start : 1; i < flat; i++)                                              \
            {                                                                                                          \
                const CODE x = (CODE)((CODE)k[i] - (CODE)k[i - 1]);                                                    \
                const CODE z = ZIGZAG(CODE, 8 * sizeof(CODE), x);                                                      \
                PUT_PLANES(CODE, z, i);                                                                                \
            }                                                                                                          \
            INDEPENDENT for (size_t i = flat + 1; i < start + plane; i++)                                              \
            {                                                                                                          \
                const CODE x = (CODE)((CODE)((CODE)k[i] - (CODE)k[i - 1]) -                                            \
                                      (CODE)((CODE)k[i - length] - (CODE)k[i - length - 1]));                          \
                const CODE z = ZIGZAG(CODE, 8 * sizeof(CODE), x);                                                      \
                PUT_PLANES(CODE, z, i);                                                                                \
            }                                                                                                          \
        }                                                                                                              \
        for (size_t t = 0; t < n; t += length) {                                                                       \
            const CODE x = (CODE)((CODE)k[t] - (t ? (CODE)k[t - length] : (CODE)base));                                \
            const CODE z = ZIGZAG(CODE, 8 * sizeof(CODE), x);                                                          \
            PUT_PLANES(CODE, z, t);                                                                                    \
        }                                                                                                              \
    }

DEFINE_RESIDUALS(32_1, uint32_t, uint8_t)
DEFINE_RESIDUALS(32_2, uint32_t, uint16_t)
DEFINE_RESIDUALS(32_4, uint32_t, uint32_t)
DEFINE_RESIDUALS(64_1, uint64_t, uint8_t)
DEFINE_RESIDUALS(64_2, uint64_t, uint16_t)
DEFINE_RESIDUALS(64_4, uint64_t, uint32_t)
DEFINE_RESIDUALS(64_8, uint64_t, uint64_t)

/* ---- a row of codes from its byte planes ---- */

#define UNZIGZAG(CODE, z) ((CODE)((CODE)((z) >> 1) ^ (CODE)-(CODE)((z)&1)))
#define RAISED(CODE, byte, b) ((CODE)((CODE)(byte) << (sizeof(CODE) > (b) ? 8 * (b) : 0)))

#if defined(VECTORS)
#define VECTOR_SUMS(CODE, LANES)                                                                                       \
    typedef CODE Vector __attribute__((vector_size(16)));                                                              \
    Vector carried = (Vector){0} + carry;                                                                              \
    for (; i + (LANES) <= count; i += (LANES)) {                                                                       \
        Vector sums = {0};                                                                                             \
        if (sizeof(CODE) > 2) memcpy(&sums, tile + i, 16);                                                             \
        if (sizeof(CODE) == 1) memcpy(&sums, planes + start + i, 16);                                                  \
        if (sizeof(CODE) == 2) sums = (Vector)paired(planes + start + i, planes + step + start + i);                   \
        sums = (sums >> 1) ^ -(sums & 1);                                                                              \
        sums += SHIFTED(Vector, sums, 1);                                                                              \
        if ((LANES) > 2) sums += SHIFTED(Vector, sums, 2);                                                             \
        if ((LANES) > 4) sums += SHIFTED(Vector, sums, 4);                                                             \
        if ((LANES) > 8) sums += SHIFTED(Vector, sums, 8);                                                             \
        Vector full = sums + carried;                                                                                  \
        carried += LAST_LANE(Vector, sums, LANES);                                                                     \
        if (onto) {                                                                                                    \
            Vector above;                                                                                              \
            memcpy(&above, row + start + i, 16);                                                                       \
            full += above;                                                                                             \
        }                                                                                                              \
        memcpy(row + start + i, &full, 16);                                                                            \
    }                                                                                                                  \
    carry = carried[0];
#else
#define VECTOR_SUMS(CODE, LANES)
#endif

#define TILE 512

/* planes: the row's place in the first byte plane, the others are `step` bytes apart. Predictors 1 and 2: the running
 * sum of the differences starts at `carry`, and is added to what `row` holds when `onto`. */
#define DEFINE_ROW(NAME, CODE, LANES)                                                                                  \
    LOOP void ISA(join_##NAME)(const uint8_t *restrict planes, size_t step, size_t n, CODE *restrict out)              \
    {                                                                                                                  \
        const uint8_t *b0 = planes, *b1 = sizeof(CODE) > 1 ? b0 + step : b0;                                           \
        const uint8_t *b2 = sizeof(CODE) > 2 ? b1 + step : b0, *b3 = sizeof(CODE) > 2 ? b2 + step : b0;                \
        const uint8_t *b4 = sizeof(CODE) > 4 ? b3 + step : b0, *b5 = sizeof(CODE) > 4 ? b4 + step : b0;                \
        const uint8_t *b6 = sizeof(CODE) > 4 ? b5 + step : b0, *b7 = sizeof(CODE) > 4 ? b6 + step : b0;                \
        (void)b1, (void)b2, (void)b3, (void)b4, (void)b5, (void)b6, (void)b7;                                          \
        for (size_t i = 0; i < n; i++) {                                                                               \
            CODE z = b0[i];                                                                                            \
            if (sizeof(CODE) > 1) z |= RAISED(CODE, b1[i], 1);                                                         \
            if (sizeof(CODE) > 2) z |= RAISED(CODE, b2[i], 2) | RAISED(CODE, b3[i], 3);                                \
            if (sizeof(CODE) > 4) z |= RAISED(CODE, b4[i], 4) | RAISED(CODE, b5[i], 5);                                \
            if (sizeof(CODE) > 4) z |= RAISED(CODE, b6[i], 6) | RAISED(CODE, b7[i], 7);                                \
            out[i] = z;                                                                                                \
        }                                                                                                              \
    }                                                                                                                  \
    LOOP void ISA(row_##NAME)(const uint8_t *planes, size_t step, size_t n, int predictor, uint64_t first, bool onto,  \
                              void *codes)                                                                             \
    {                                                                                                                  \
        CODE *row = codes;                                                                                             \
        if (predictor == 0) {                                                                                          \
            ISA(join_##NAME)(planes, step, n, row);                                                                    \
            return;                                                                                                    \
        }                                                                                                              \
        CODE carry = (CODE)first;                                                                                      \
        CODE tile[TILE];                                                                                               \
        for (size_t start = 0; start < n; start += TILE) {                                                             \
            const size_t count = n - start < TILE ? n - start : TILE;                                                  \
            if (sizeof(CODE) > 2) ISA(join_##NAME)(planes + start, step, count, tile);                                 \
            size_t i = 0;                                                                                              \
            VECTOR_SUMS(CODE, LANES)                                                                                   \
            for (; i < count; i++) {                                                                                   \
                CODE z = 0;                                                                                            \
                for (size_t b = 0; b < sizeof(CODE); b++) z |= RAISED(CODE, planes[b * step + start + i], b);          \
                carry = (CODE)(carry + UNZIGZAG(CODE, z));                                                             \
                row[start + i] = onto ? (CODE)(row[start + i] + carry) : carry;                                        \
            }                                                                                                          \
        }                                                                                                              \
    }

DEFINE_ROW(1, uint8_t, 16)
DEFINE_ROW(2, uint16_t, 8)
DEFINE_ROW(4, uint32_t, 4)
DEFINE_ROW(8, uint64_t, 2)

/* ---- codes to cells ---- */

#define DEFINE_TO_FLOATS(NAME, CODE)                                                                                   \
    LOOP void ISA(to_f4_##NAME)(const void *codes, size_t n, int64_t base, int decimals, void *cells)                  \
    {                                                                                                                  \
        const CODE *restrict k = codes;                                                                                \
        float *restrict out = cells;                                                                                   \
        const float divisor = (float)POWERS[decimals], inverse = 1.0f / divisor;                                       \
        (void)inverse;                                                                                                 \
        if (sizeof(CODE) < 4 && base >= -0x1000000 && base <= 0xFF0000) {                                              \
            const int32_t start = (int32_t)base;                                                                       \
            for (size_t i = 0; i < n; i++) {                                                                           \
                const float whole = (float)(start + (int32_t)k[i]);                                                    \
                out[i] = QUOTIENT(whole, divisor, inverse);                                                            \
            }                                                                                                          \
            return;                                                                                                    \
        }                                                                                                              \
        if (sizeof(CODE) < 4 && base >= -0x40000000 && base <= 0x40000000) {                                           \
            const int32_t start = (int32_t)base;                                                                       \
            for (size_t i = 0; i < n; i++) out[i] = (float)(start + (int32_t)k[i]) / divisor;                          \
            return;                                                                                                    \
        }                                                                                                              \
        for (size_t i = 0; i < n; i++) out[i] = (float)(int64_t)((uint64_t)base + k[i]) / divisor;                     \
    }                                                                                                                  \
    LOOP void ISA(to_f8_##NAME)(const void *codes, size_t n, int64_t base, int decimals, void *cells)                  \
    {                                                                                                                  \
        const CODE *restrict k = codes;                                                                                \
        double *restrict out = cells;                                                                                  \
        const double divisor = POWERS[decimals];                                                                       \
        if (sizeof(CODE) <= 4 && base >= -0x10000000000000 && base <= 0x10000000000000) {                              \
            const uint32_t turn = sizeof(CODE) == 4 ? 0x80000000u : 0; /* vectors convert signed words alone */        \
            const double start = (double)(base + (int64_t)turn);                                                       \
            for (size_t i = 0; i < n; i++) out[i] = ((double)(int32_t)((uint32_t)k[i] ^ turn) + start) / divisor;      \
            return;                                                                                                    \
        }                                                                                                              \
        for (size_t i = 0; i < n; i++) out[i] = (double)(int64_t)((uint64_t)base + k[i]) / divisor;                    \
    }

DEFINE_TO_FLOATS(1, uint8_t)
DEFINE_TO_FLOATS(2, uint16_t)
DEFINE_TO_FLOATS(4, uint32_t)
DEFINE_TO_FLOATS(8, uint64_t)

#define DEFINE_TO_INTEGERS(NAME, CODE, CELL)                                                                           \
    LOOP void ISA(to_##NAME)(const void *codes, size_t n, int64_t base, int decimals, void *cells)                     \
    {                                                                                                                  \
        const CODE *restrict k = codes;                                                                                \
        CELL *restrict out = cells;                                                                                    \
        (void)decimals;                                                                                                \
        for (size_t i = 0; i < n; i++) out[i] = (CELL)((CELL)base + (CELL)k[i]);                                       \
    }

#define DEFINE_TO_INTEGER(NAME, CELL)                                                                                  \
    DEFINE_TO_INTEGERS(NAME##_1, uint8_t, CELL)                                                                        \
    DEFINE_TO_INTEGERS(NAME##_2, uint16_t, CELL)                                                                       \
    DEFINE_TO_INTEGERS(NAME##_4, uint32_t, CELL)                                                                       \
    DEFINE_TO_INTEGERS(NAME##_8, uint64_t, CELL)

DEFINE_TO_INTEGER(i1, uint8_t)
DEFINE_TO_INTEGER(i2, uint16_t)
DEFINE_TO_INTEGER(i4, uint32_t)
DEFINE_TO_INTEGER(i8, uint64_t)

/* ---- special cells: value where the bitmap says so; the first cell is the first bit of a byte ---- */

#define DEFINE_SPECIAL(NAME, CELL)                                                                                     \
    LOOP void ISA(special_##NAME)(const uint8_t *restrict bitmap, size_t n, const void *value, void *cells)            \
    {                                                                                                                  \
        CELL *restrict out = cells;                                                                                    \
        CELL special;                                                                                                  \
        memcpy(&special, value, sizeof special);                                                                       \
        for (size_t i = 0; i + 8 <= n; i += 8) {                                                                       \
            const CELL bits = bitmap[i / 8];                                                                           \
            if (bits == 0) continue;                                                                                   \
            for (size_t j = 0; j < 8; j++) {                                                                           \
                const CELL mask = (CELL)(0 - (bits >> j & 1));                                                         \
                out[i + j] = (out[i + j] & ~mask) | (special & mask);                                                  \
            }                                                                                                          \
        }                                                                                                              \
        for (size_t i = n & ~(size_t)7; i < n; i++)                                                                    \
            if (bitmap[i / 8] >> i % 8 & 1) out[i] = special;                                                          \
    }

DEFINE_SPECIAL(4, uint32_t)
DEFINE_SPECIAL(8, uint64_t)

/* ---- bad cells: where they are, what they hold; they get the code of the cell before ---- */

#define GROUP 16
#define STRETCH 128

#define DEFINE_MEND(NAME, CODE, WORD, MARK)                                                                            \
    LOOP void ISA(mend_##NAME)(const void *cells, size_t n, Mending *mending)                                          \
    {                                                                                                                  \
        CODE *restrict codes = (CODE *)mending->codes + mending->place;                                                \
        const WORD *restrict words = cells;                                                                            \
        WORD *restrict bits = (WORD *)mending->bits;                                                                   \
        uint32_t *restrict positions = mending->positions;                                                             \
        const uint32_t place = (uint32_t)mending->place;                                                               \
        CODE before = (CODE)mending->before;                                                                           \
        size_t found = mending->found;                                                                                 \
        size_t checked = 0; /* cells before this one were counted, and are mixed */                                    \
        for (size_t i = 0; i < n;) {                                                                                   \
            if (i >= checked) { /* most stretches are all good or all bad */                                           \
                const size_t size = n - i < STRETCH ? n - i : STRETCH;                                                 \
                WORD count = 0;                                                                                        \
                for (size_t j = 0; j < size; j++) count += codes[i + j] == (MARK);                                     \
                checked = i + size;                                                                                    \
                if (count == 0) before = codes[checked - 1];                                                           \
                if (count == size)                                                                                     \
                    for (size_t j = 0; j < size; j++) {                                                                \
                        positions[found + j] = place + (uint32_t)(i + j);                                              \
                        bits[found + j] = words[i + j];                                                                \
                        codes[i + j] = before;                                                                         \
                    }                                                                                                  \
                if (count == 0 || count == size) {                                                                     \
                    found += count;                                                                                    \
                    i = checked;                                                                                       \
                    continue;                                                                                          \
                }                                                                                                      \
            }                                                                                                          \
            const size_t stop = checked - i < GROUP ? checked : i + GROUP;                                             \
            WORD bad = 0;                                                                                              \
            if (stop == i + GROUP)                                                                                     \
                for (size_t j = 0; j < GROUP; j++) bad += codes[i + j] == (MARK);                                      \
            else                                                                                                       \
                bad = 1;                                                                                               \
            if (bad == 0) {                                                                                            \
                i = stop;                                                                                              \
                before = codes[i - 1];                                                                                 \
            } else if (bad == GROUP) {                                                                                 \
                for (size_t j = 0; j < GROUP; j++) {                                                                   \
                    positions[found + j] = place + (uint32_t)(i + j);                                                  \
                    bits[found + j] = words[i + j];                                                                    \
                    codes[i + j] = before;                                                                             \
                }                                                                                                      \
                found += GROUP;                                                                                        \
                i = stop;                                                                                              \
            }                                                                                                          \
            for (; i < stop; i++) {                                                                                    \
                const bool is_bad = codes[i] == (MARK);                                                                \
                positions[found] = place + (uint32_t)i;                                                                \
                bits[found] = words[i];                                                                                \
                found += is_bad;                                                                                       \
                before = is_bad ? before : codes[i];                                                                   \
                codes[i] = before;                                                                                     \
            }                                                                                                          \
        }                                                                                                              \
        mending->before = before;                                                                                      \
        mending->found = found;                                                                                        \
        mending->place += n;                                                                                           \
    }                                                                                                                  \
    LOOP size_t ISA(count_other_##NAME)(const void *cells, size_t n, uint64_t special)                                 \
    {                                                                                                                  \
        const WORD *restrict bits = cells;                                                                             \
        WORD other = 0;                                                                                                \
        for (size_t i = 0; i < n; i++) other += bits[i] != (WORD)special;                                              \
        return (size_t)other;                                                                                          \
    }                                                                                                                  \
    LOOP void ISA(sort_##NAME)(const Mending *mending, bool bitmap, uint64_t special, uint8_t *bitmap_out,             \
                               uint8_t *positions_out, uint8_t *bits_out)                                              \
    {                                                                                                                  \
        const WORD *bits = (const WORD *)mending->bits;                                                                \
        size_t put = 0;                                                                                                \
        for (size_t i = 0; i < mending->found; i++) {                                                                  \
            const uint32_t place = mending->positions[i];                                                              \
            if (bitmap && place % 8 == 0 && i + 8 <= mending->found && mending->positions[i + 7] == place + 7) {       \
                WORD same = 0;                                                                                         \
                for (size_t j = 0; j < 8; j++) same += bits[i + j] == (WORD)special;                                   \
                if (same == 8) { /* a byte at once: special cells mostly lie together */                               \
                    bitmap_out[place / 8] = 0xFF;                                                                      \
                    i += 7;                                                                                            \
                    continue;                                                                                          \
                }                                                                                                      \
            }                                                                                                          \
            if (bitmap && bits[i] == (WORD)special) {                                                                  \
                bitmap_out[place / 8] |= (uint8_t)(1u << place % 8);                                                   \
                continue;                                                                                              \
            }                                                                                                          \
            memcpy(positions_out + 4 * put, &place, 4);                                                                \
            memcpy(bits_out + sizeof(WORD) * put, bits + i, sizeof(WORD));                                             \
            put++;                                                                                                     \
        }                                                                                                              \
    }

DEFINE_MEND(4, int32_t, uint32_t, INT32_MIN)
DEFINE_MEND(8, int64_t, uint64_t, INT64_MIN)

/* ---- packed codes to floats ---- */

#define DEFINE_UNPACK(NAME, CELL, VALUE)                                                                               \
    LOOP void ISA(unpack_##NAME)(const void *cells, size_t n, const Conversion *how, void *values)                     \
    {                                                                                                                  \
        const CELL *restrict k = cells;                                                                                \
        VALUE *restrict out = values;                                                                                  \
        const double factor = how->factor, shift = how->has_base ? how->base : how->offset;                            \
        const CELL fill = (CELL)how->fill;                                                                             \
        if (how->has_base && how->has_fill)                                                                            \
            for (size_t i = 0; i < n; i++) {                                                                           \
                const double value = ((double)k[i] + shift) / factor;                                                  \
                out[i] = (VALUE)(k[i] == fill ? NAN : value);                                                          \
            }                                                                                                          \
        else if (how->has_base)                                                                                        \
            for (size_t i = 0; i < n; i++) out[i] = (VALUE)(((double)k[i] + shift) / factor);                          \
        else                                                                                                           \
            for (size_t i = 0; i < n; i++) {                                                                           \
                const double value = (double)k[i] / factor + shift;                                                    \
                out[i] = (VALUE)(how->has_fill && k[i] == fill ? NAN : value);                                         \
            }                                                                                                          \
    }

#define DEFINE_UNPACKS(NAME, CELL)                                                                                     \
    DEFINE_UNPACK(NAME##_f4, CELL, float)                                                                              \
    DEFINE_UNPACK(NAME##_f8, CELL, double)

DEFINE_UNPACKS(i1, int8_t)
DEFINE_UNPACKS(i2, int16_t)
DEFINE_UNPACKS(i4, int32_t)
DEFINE_UNPACKS(i8, int64_t)
DEFINE_UNPACKS(u1, uint8_t)
DEFINE_UNPACKS(u2, uint16_t)
DEFINE_UNPACKS(u4, uint32_t)
DEFINE_UNPACKS(u8, uint64_t)

/* ---- floats to packed codes: see cfdb.format.packing.Packing.pack_floats; returns how many have no code ---- */

#define RINT_SMALL(x) (((x) + ROUNDING) - ROUNDING) /* below 2**51; what is larger has no small code anyway */
#define RINT_ANY(x) ((x) < 0 ? -RINT_SIZE(fabs(x)) : RINT_SIZE(fabs(x)))
#define RINT_SIZE(size) ((size) < 0x1p52 ? ((size) + 0x1p52) - 0x1p52 : (size))
#define WORD_SMALL(x, fits) ((uint64_t)low_bits(x))
#define WORD_SIGNED(x, fits) ((uint64_t)(int64_t)((fits) ? (x) : 0.0))
#define WORD_UNSIGNED(x, fits) ((uint64_t)((fits) ? (x) : 0.0))

#define DEFINE_PACK(NAME, VALUE, CELL, RINT, WORD_OF)                                                                  \
    LOOP size_t ISA(pack_##NAME)(const void *values, size_t n, const Conversion *how, double low, double high,         \
                                 void *cells)                                                                          \
    {                                                                                                                  \
        const VALUE *restrict x = values;                                                                              \
        CELL *restrict out = cells;                                                                                    \
        const double before = how->has_base ? 0.0 : how->offset, after = how->has_base ? how->base : 0.0;              \
        const double factor = how->factor;                                                                             \
        const uint64_t fill = how->fill;                                                                               \
        uint64_t misfits = 0;                                                                                          \
        for (size_t i = 0; i < n; i++) {                                                                               \
            const double scaled = ((double)x[i] - before) * factor;                                                    \
            const double code = RINT(scaled) - after;                                                                  \
            const uint64_t fits = 0 - (uint64_t)((code >= low) & (code <= high));                                      \
            out[i] = (CELL)((WORD_OF(code, fits) & fits) | (fill & ~fits));                                            \
            misfits += 1 + fits;                                                                                       \
        }                                                                                                              \
        return (size_t)misfits;                                                                                        \
    }

#define DEFINE_PACKS(NAME, CELL, RINT, WORD_OF)                                                                        \
    DEFINE_PACK(f4_##NAME, float, CELL, RINT, WORD_OF)                                                                 \
    DEFINE_PACK(f8_##NAME, double, CELL, RINT, WORD_OF)

DEFINE_PACKS(1, uint8_t, RINT_SMALL, WORD_SMALL)
DEFINE_PACKS(2, uint16_t, RINT_SMALL, WORD_SMALL)
DEFINE_PACKS(4, uint32_t, RINT_SMALL, WORD_SMALL)
DEFINE_PACKS(i8, uint64_t, RINT_ANY, WORD_SIGNED)
DEFINE_PACKS(u8, uint64_t, RINT_ANY, WORD_UNSIGNED)

/* ---- byte shuffle ---- */

#define DEFINE_SHUFFLE(NAME, CODE)                                                                                     \
    LOOP void ISA(shuffle_##NAME)(const uint8_t *cells, size_t n, uint8_t *restrict out, size_t step)                  \
    {                                                                                                                  \
        for (size_t b = 0; b < sizeof(CODE); b++)                                                                      \
            for (size_t i = 0; i < n; i++) out[b * step + i] = cells[i * sizeof(CODE) + b];                            \
    }

DEFINE_SHUFFLE(2, uint16_t)
DEFINE_SHUFFLE(4, uint32_t)
DEFINE_SHUFFLE(8, uint64_t)

/* ---- statistics ---- */

#define SUMS 8

LOOP void ISA(summarise_f4)(const void *values, size_t n, Summary *summary)
{
    const float *x = values;
    float least[2 * SUMS], most[2 * SUMS];
    double sums[2 * SUMS] = {0};
    uint32_t missing[2 * SUMS] = {0};
    for (int lane = 0; lane < 2 * SUMS; lane++) least[lane] = INFINITY, most[lane] = -INFINITY;
    size_t i = 0;
    for (; i + 2 * SUMS <= n; i += 2 * SUMS)
        for (int lane = 0; lane < 2 * SUMS; lane++) {
            const float value = x[i + lane];
            const bool absent = value != value;
            least[lane] = value < least[lane] ? value : least[lane];
            most[lane] = value > most[lane] ? value : most[lane];
            sums[lane] += absent ? 0.0 : (double)value;
            missing[lane] += absent;
        }
    for (; i < n; i++) {
        const bool absent = x[i] != x[i];
        least[0] = x[i] < least[0] ? x[i] : least[0];
        most[0] = x[i] > most[0] ? x[i] : most[0];
        sums[0] += absent ? 0.0 : (double)x[i];
        missing[0] += absent;
    }
    for (int lane = 0; lane < 2 * SUMS; lane++) {
        summary->least = least[lane] < summary->least ? least[lane] : summary->least;
        summary->most = most[lane] > summary->most ? most[lane] : summary->most;
        summary->total += sums[lane];
        summary->missing += missing[lane];
    }
}

/* Knuth's exact addition: what a sum loses is summed beside it. */
LOOP void ISA(summarise_f8)(const void *values, size_t n, Summary *summary)
{
    const double *x = values;
    double least[SUMS], most[SUMS], sums[SUMS] = {0}, rests[SUMS] = {0};
    uint64_t missing[SUMS] = {0};
    const double scale = summary->scale;
    for (int lane = 0; lane < SUMS; lane++) least[lane] = INFINITY, most[lane] = -INFINITY;
    for (size_t i = 0; i < n; i += SUMS) {
        double last[SUMS];
        const double *block = x + i;
        if (n - i < SUMS) { /* filled up with what does not count */
            for (size_t lane = 0; lane < SUMS; lane++) last[lane] = i + lane < n ? x[i + lane] : NAN;
            block = last;
            summary->missing -= SUMS - (n - i);
        }
        for (size_t lane = 0; lane < SUMS; lane++) {
            const double value = block[lane] * scale;
            const uint64_t absent = 0 - (uint64_t)(value != value);
            const double added = absent ? 0.0 : value;
            const double sum = sums[lane] + added;
            const double seen = sum - sums[lane];
            rests[lane] += (sums[lane] - (sum - seen)) + (added - seen);
            sums[lane] = sum;
            missing[lane] -= absent;
            least[lane] = value < least[lane] ? value : least[lane];
            most[lane] = value > most[lane] ? value : most[lane];
        }
    }
    for (int lane = 0; lane < SUMS; lane++) {
        summary->least = least[lane] < summary->least ? least[lane] : summary->least;
        summary->most = most[lane] > summary->most ? most[lane] : summary->most;
        summary->parts[2 * lane] = sums[lane];
        summary->parts[2 * lane + 1] = rests[lane];
        summary->missing += missing[lane];
    }
}

#define DEFINE_SUMMARISE(NAME, CELL, WIDE)                                                                             \
    LOOP void ISA(summarise_##NAME)(const void *values, size_t n, Summary *summary)                                    \
    {                                                                                                                  \
        const CELL *x = values;                                                                                        \
        CELL least = x[0], most = x[0];                                                                                \
        WIDE sum = 0;                                                                                                  \
        for (size_t i = 0; i < n; i++) {                                                                               \
            least = x[i] < least ? x[i] : least;                                                                       \
            most = x[i] > most ? x[i] : most;                                                                          \
            sum += (WIDE)x[i];                                                                                         \
        }                                                                                                              \
        summary->bits_least = (uint64_t)(WIDE)least;                                                                   \
        summary->bits_most = (uint64_t)(WIDE)most;                                                                     \
        summary->low = (uint64_t)sum;                                                                                  \
    }

DEFINE_SUMMARISE(i1, int8_t, int64_t)
DEFINE_SUMMARISE(i2, int16_t, int64_t)
DEFINE_SUMMARISE(i4, int32_t, int64_t)
DEFINE_SUMMARISE(u1, uint8_t, uint64_t)
DEFINE_SUMMARISE(u2, uint16_t, uint64_t)
DEFINE_SUMMARISE(u4, uint32_t, uint64_t)

/* Eight bytes: the upper and the lower halves are summed apart, neither can overflow below 2**31 cells. */
#define DEFINE_SUMMARISE_8(NAME, CELL)                                                                                 \
    LOOP void ISA(summarise_##NAME)(const void *values, size_t n, Summary *summary)                                    \
    {                                                                                                                  \
        const CELL *x = values;                                                                                        \
        CELL least = x[0], most = x[0];                                                                                \
        CELL high = 0;                                                                                                 \
        uint64_t low = 0;                                                                                              \
        for (size_t i = 0; i < n; i++) {                                                                               \
            least = x[i] < least ? x[i] : least;                                                                       \
            most = x[i] > most ? x[i] : most;                                                                          \
            high += x[i] >> 32;                                                                                        \
            low += (uint32_t)x[i];                                                                                     \
        }                                                                                                              \
        summary->bits_least = (uint64_t)least;                                                                         \
        summary->bits_most = (uint64_t)most;                                                                           \
        summary->low = low;                                                                                            \
        summary->high = (uint64_t)high;                                                                                \
    }

DEFINE_SUMMARISE_8(i8, int64_t)
DEFINE_SUMMARISE_8(u8, uint64_t)

static const Loops ISA(loops) = {
    ISA(decimal_f4),
    ISA(decimal_f8),
    {ISA(count_odd_f4), ISA(count_odd_f8)},
    ISA(sum_lengths),
    ISA(differences),
    ISA(zigzag),
    {ISA(residuals_32_1), ISA(residuals_32_2), ISA(residuals_32_4), NULL},
    {ISA(residuals_64_1), ISA(residuals_64_2), ISA(residuals_64_4), ISA(residuals_64_8)},
    {ISA(row_1), ISA(row_2), ISA(row_4), ISA(row_8)},
    {ISA(to_f4_1), ISA(to_f4_2), ISA(to_f4_4), ISA(to_f4_8)},
    {ISA(to_f8_1), ISA(to_f8_2), ISA(to_f8_4), ISA(to_f8_8)},
    {{ISA(to_i1_1), ISA(to_i1_2), ISA(to_i1_4), ISA(to_i1_8)},
     {ISA(to_i2_1), ISA(to_i2_2), ISA(to_i2_4), ISA(to_i2_8)},
     {ISA(to_i4_1), ISA(to_i4_2), ISA(to_i4_4), ISA(to_i4_8)},
     {ISA(to_i8_1), ISA(to_i8_2), ISA(to_i8_4), ISA(to_i8_8)}},
    {{ISA(unpack_i1_f4), ISA(unpack_i2_f4), ISA(unpack_i4_f4), ISA(unpack_i8_f4)},
     {ISA(unpack_u1_f4), ISA(unpack_u2_f4), ISA(unpack_u4_f4), ISA(unpack_u8_f4)}},
    {{ISA(unpack_i1_f8), ISA(unpack_i2_f8), ISA(unpack_i4_f8), ISA(unpack_i8_f8)},
     {ISA(unpack_u1_f8), ISA(unpack_u2_f8), ISA(unpack_u4_f8), ISA(unpack_u8_f8)}},
    ISA(widen_i1),
    ISA(widen_i2),
    ISA(widen_i4),
    ISA(widen_u1),
    ISA(widen_u2),
    ISA(widen_u4),
    ISA(widen_i8),
    ISA(widen_u8),
    {{ISA(pack_f4_1), ISA(pack_f4_2), ISA(pack_f4_4), ISA(pack_f4_i8), ISA(pack_f4_u8)},
     {ISA(pack_f8_1), ISA(pack_f8_2), ISA(pack_f8_4), ISA(pack_f8_i8), ISA(pack_f8_u8)}},
    {ISA(special_4), ISA(special_8)},
    {ISA(mend_4), ISA(mend_8)},
    {ISA(count_other_4), ISA(count_other_8)},
    {ISA(sort_4), ISA(sort_8)},
    {NULL, ISA(shuffle_2), ISA(shuffle_4), ISA(shuffle_8)},
    {ISA(summarise_f4), ISA(summarise_f8)},
    {{ISA(summarise_i1), ISA(summarise_i2), ISA(summarise_i4), ISA(summarise_i8)},
     {ISA(summarise_u1), ISA(summarise_u2), ISA(summarise_u4), ISA(summarise_u8)}},
};
