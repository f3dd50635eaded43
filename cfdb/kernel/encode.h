/* Chunks to bytes. The decisions are those of docs/design/007-native-kernel.md; the NumPy kernel makes the same ones. */

#define SEGMENTS 16
#define SEGMENT 128
#define EXCEPTIONS 16 /* that many odd cells never need a bitmap */
#define TRIAL_LEVEL 3
#define MAX_UNIFORM 4096 /* bytes of encoded blocks that are kept for the next ones */

typedef struct {
    const uint8_t *data;
    const int64_t *strides;
} Cells; /* of a whole chunk, in any layout */

typedef struct {
    int decimals, predictor;
    bool accepted;
} Choice;

typedef struct {
    size_t cells, length, rows; /* length: of the last axis; rows: of the last but one */
    int64_t shape[MAX_AXES];
    const uint8_t *data;
} Box;

typedef struct {
    int64_t low, high;
    size_t bad;
} Range;

static bool is_wide(const Codec *codec) { return codec->itemsize == 8; }

/* What codes of the loops lack to the integers, modulo 2**64. */
static uint64_t shift_of(const Codec *codec)
{
    if (codec->kind != KIND_UNSIGNED || codec->itemsize < 4) return 0;
    return codec->itemsize == 4 ? 0x80000000u : 0x8000000000000000u;
}

/* Codes (int32 or int64) of aligned neighbouring cells. */
static void codes_of_run(const Codec *codec, const void *x, size_t n, int decimals, void *codes, Range *range)
{
    if (is_wide(codec)) {
        if (codec->kind == KIND_FLOAT)
            range->bad += loops->decimal_f8(x, codes, n, decimals, &range->low, &range->high);
        else if (codec->kind == KIND_SIGNED)
            loops->widen_i8(x, codes, n, &range->low, &range->high);
        else
            loops->widen_u8(x, codes, n, &range->low, &range->high);
        return;
    }
    int32_t low = range->low > INT32_MAX ? INT32_MAX : (int32_t)range->low;
    int32_t high = range->high < INT32_MIN ? INT32_MIN : (int32_t)range->high;
    const bool is_signed = codec->kind == KIND_SIGNED;
    if (codec->kind == KIND_FLOAT)
        range->bad += loops->decimal_f4(x, codes, n, decimals, &low, &high);
    else if (codec->itemsize == 1)
        is_signed ? loops->widen_i1(x, codes, n, &low, &high) : loops->widen_u1(x, codes, n, &low, &high);
    else if (codec->itemsize == 2)
        is_signed ? loops->widen_i2(x, codes, n, &low, &high) : loops->widen_u2(x, codes, n, &low, &high);
    else
        is_signed ? loops->widen_i4(x, codes, n, &low, &high) : loops->widen_u4(x, codes, n, &low, &high);
    range->low = low;
    range->high = high;
}

/* ---- walking over strided cells ---- */

typedef struct {
    int ndim;
    int64_t shape[MAX_AXES], strides[MAX_AXES];
} Layout;

/* Joins axes that lie behind each other in memory, so that runs get long. */
static void join_axes(Layout *layout, const Box *box, const Codec *codec, const int64_t *strides)
{
    int used = 0;
    for (int axis = 0; axis < codec->ndim; axis++) {
        const int64_t length = box->shape[axis], stride = strides[axis];
        if (length == 1 && (used || axis + 1 < codec->ndim)) continue;
        if (used && layout->strides[used - 1] == length * stride) {
            layout->shape[used - 1] *= length;
            layout->strides[used - 1] = stride;
        } else {
            layout->shape[used] = length;
            layout->strides[used++] = stride;
        }
    }
    layout->ndim = used;
}

typedef void (*Visit)(void *context, const uint8_t *cells, size_t n);

/* Hands out the cells of a box in C order, as aligned neighbours. */
static bool visit_runs(Workspace *space, const Codec *codec, const Cells *chunk, const Box *box, Visit visit,
                       void *context)
{
    Layout layout;
    join_axes(&layout, box, codec, chunk->strides);
    const size_t itemsize = codec->itemsize;
    const int last = layout.ndim - 1;
    const int64_t length = layout.shape[last], stride = layout.strides[last];
    const size_t most = MAX_RUN;
    int64_t at[MAX_AXES] = {0};
    const uint8_t *row = box->data;
    if (!reserve(&space->line, (length < (int64_t)most ? (size_t)length : most) * itemsize)) return false;
    for (;;) {
        for (int64_t done = 0; done < length;) {
            const size_t n = (size_t)(length - done) < most ? (size_t)(length - done) : most;
            const uint8_t *cells = row + done * stride;
            if (stride == (int64_t)itemsize && is_aligned(cells, itemsize)) {
                visit(context, cells, n);
            } else {
                for (size_t i = 0; i < n; i++)
                    memcpy(space->line.data + i * itemsize, cells + (int64_t)i * stride, itemsize);
                visit(context, space->line.data, n);
            }
            done += (int64_t)n;
        }
        int axis = last - 1;
        for (; axis >= 0; axis--) {
            row += layout.strides[axis];
            if (++at[axis] < layout.shape[axis]) break;
            row -= at[axis] * layout.strides[axis];
            at[axis] = 0;
        }
        if (axis < 0) return true;
    }
}

/* Copies cells start .. start + n of the chunk, counted in C order. */
static void copy_flat(const Codec *codec, const Cells *chunk, size_t start, size_t n, uint8_t *out)
{
    const size_t itemsize = codec->itemsize;
    const int last = codec->ndim - 1;
    const int64_t length = codec->shape[last], stride = chunk->strides[last];
    int64_t column = (int64_t)(start % (size_t)length);
    size_t row = start / (size_t)length;
    while (n > 0) {
        const uint8_t *cells = chunk->data + column * stride;
        size_t rest = row++;
        for (int axis = last - 1; axis >= 0; axis--) {
            cells += (int64_t)(rest % (size_t)codec->shape[axis]) * chunk->strides[axis];
            rest /= (size_t)codec->shape[axis];
        }
        const size_t count = (size_t)(length - column) < n ? (size_t)(length - column) : n;
        if (stride == (int64_t)itemsize)
            memcpy(out, cells, count * itemsize);
        else
            for (size_t i = 0; i < count; i++) memcpy(out + i * itemsize, cells + (int64_t)i * stride, itemsize);
        out += count * itemsize;
        n -= count;
        column = 0;
    }
}

/* ---- what the sample says ---- */

/* (2 i + 1) n / 32, without overflow. */
static size_t segment_start(size_t n, size_t i) { return (2 * i + 1) * (n / 32) + (2 * i + 1) * (n % 32) / 32; }

/* NO_DECIMALS when the sampled floats are none. */
static int choose_decimals(const Codec *codec, const uint8_t *sample, size_t cells)
{
    int64_t codes[SEGMENT];
    const size_t odd = loops->count_odd[is_wide(codec)](sample, cells), sound = cells - odd;
    if (sound == 0) return 0;
    const int most = codec->itemsize == 4 ? 10 : 15;
    for (int decimals = 0; decimals <= most; decimals++) {
        Range range = {INT64_MAX, INT64_MIN, 0};
        for (size_t i = 0; i < cells && (range.bad > odd ? range.bad - odd : 0) * 32 <= sound; i += SEGMENT) {
            const size_t n = cells - i < SEGMENT ? cells - i : SEGMENT;
            codes_of_run(codec, sample + i * codec->itemsize, n, decimals, codes, &range);
        }
        if ((range.bad > odd ? range.bad - odd : 0) * 32 <= sound) return decimals;
    }
    return NO_DECIMALS;
}

typedef struct {
    int64_t integers[SEGMENT + 1];
    bool good[SEGMENT + 1];
    bool all_good;
    size_t start; /* flat cell of the first */
} Stretch;

/* Integers of cells start .. stop of the chunk; what lies before the chunk is left out. */
static void load_stretch(const Codec *codec, const Cells *chunk, int64_t start, int64_t stop, int decimals,
                         Stretch *stretch)
{
    uint64_t cells[SEGMENT + 1];
    int32_t narrow[SEGMENT + 1];
    if (start < 0) start = 0;
    stretch->start = (size_t)start;
    stretch->all_good = true;
    if (stop <= start) return;
    const size_t n = (size_t)(stop - start);
    const bool wide = is_wide(codec);
    Range range = {INT64_MAX, INT64_MIN, 0};
    copy_flat(codec, chunk, (size_t)start, n, (uint8_t *)cells);
    codes_of_run(codec, cells, n, decimals, wide ? (void *)stretch->integers : (void *)narrow, &range);
    const uint64_t shift = shift_of(codec);
    if (!wide)
        for (size_t i = 0; i < n; i++) stretch->integers[i] = (int64_t)((uint64_t)(int64_t)narrow[i] + shift);
    else if (shift)
        for (size_t i = 0; i < n; i++) stretch->integers[i] = (int64_t)((uint64_t)stretch->integers[i] + shift);
    stretch->all_good = range.bad == 0;
    if (stretch->all_good) return;
    const int64_t mark = wide ? INT64_MIN : INT32_MIN;
    for (size_t i = 0; i < n; i++) {
        stretch->good[i] = stretch->integers[i] != mark;
        if (!stretch->good[i]) stretch->integers[i] = 0;
    }
}

typedef struct {
    int64_t integers[SEGMENTS * SEGMENT]; /* of the cells that count */
    size_t counted;
    uint64_t sums[3];
} Sample;

static void count_segment(const Codec *codec, const Cells *chunk, size_t start, size_t m, int decimals, Sample *sample)
{
    const size_t length = (size_t)codec->shape[codec->ndim - 1];
    const size_t rows = codec->ndim > 1 ? (size_t)codec->shape[codec->ndim - 2] : 1;
    const int64_t first = (int64_t)start, stop = (int64_t)(start + m), up = (int64_t)length;
    Stretch here, above;
    load_stretch(codec, chunk, first - 1, stop, decimals, &here);
    load_stretch(codec, chunk, first - up - 1, stop - up, decimals, &above);
    if (here.all_good != above.all_good) {
        if (here.all_good) memset(here.good, true, sizeof here.good);
        if (above.all_good) memset(above.good, true, sizeof above.good);
    }
    const bool all_good = here.all_good && above.all_good;
    uint64_t steps[SEGMENT], planes[SEGMENT];
    size_t row = start / length, column = start % length, within = row % rows; /* row of the plane */
    size_t counted = 0;
    for (size_t t = start; t < start + m;) {
        const size_t i = t - here.start, j = t - length - above.start;
        const bool left = column > 0, over = row > 0 && (!left || within > 0), corner = left && over;
        size_t n = 1;
        if (left && all_good) {
            n = length - column < start + m - t ? length - column : start + m - t;
            loops->differences(here.integers + i, here.integers + i - 1, n, steps + counted);
            if (corner)
                for (size_t k = 0; k < n; k++)
                    planes[counted + k] =
                        steps[counted + k] - ((uint64_t)above.integers[j + k] - (uint64_t)above.integers[j + k - 1]);
            else
                memcpy(planes + counted, steps + counted, n * sizeof *planes);
            memcpy(sample->integers + sample->counted, here.integers + i, n * sizeof(int64_t));
            counted += n;
            sample->counted += n;
        } else if (all_good || (here.good[i] && (!left || here.good[i - 1]) && (!over || above.good[j]) &&
                                (!corner || above.good[j - 1]))) {
            const uint64_t above_is = over ? (uint64_t)above.integers[j] : 0;
            steps[counted] = (uint64_t)here.integers[i] - (left ? (uint64_t)here.integers[i - 1] : above_is);
            planes[counted] = corner ? steps[counted] - (above_is - (uint64_t)above.integers[j - 1]) : steps[counted];
            sample->integers[sample->counted++] = here.integers[i];
            counted++;
        }
        t += n;
        column += n;
        if (column == length) {
            column = 0;
            row++;
            if (++within == rows) within = 0;
        }
    }
    loops->zigzag(steps, counted);
    loops->zigzag(planes, counted);
    sample->sums[1] += loops->sum_lengths(steps, counted);
    sample->sums[2] += loops->sum_lengths(planes, counted);
}

static void sum_plain(const Codec *codec, Sample *sample)
{
    int64_t low = INT64_MAX, high = INT64_MIN;
    for (size_t i = 0; i < sample->counted; i += SEGMENT) {
        int64_t codes[SEGMENT];
        const size_t n = sample->counted - i < SEGMENT ? sample->counted - i : SEGMENT;
        if (codec->kind == KIND_UNSIGNED)
            loops->widen_u8((const uint64_t *)sample->integers + i, codes, n, &low, &high);
        else
            loops->widen_i8(sample->integers + i, codes, n, &low, &high);
    }
    const uint64_t base = (uint64_t)low + (codec->kind == KIND_UNSIGNED ? (uint64_t)1 << 63 : 0);
    for (size_t i = 0; i < sample->counted; i += SEGMENT) {
        uint64_t codes[SEGMENT];
        const size_t n = sample->counted - i < SEGMENT ? sample->counted - i : SEGMENT;
        for (size_t j = 0; j < n; j++) codes[j] = (uint64_t)sample->integers[i + j] - base;
        sample->sums[0] += loops->sum_lengths(codes, n);
    }
}

static Choice choose(const Codec *codec, const Cells *chunk)
{
    Choice choice = {INTEGERS, 0, false};
    if (codec->kind == KIND_OPAQUE) return choice;
    const size_t n = codec->cells;
    if (codec->kind == KIND_FLOAT) {
        uint64_t cells[SEGMENTS * SEGMENT];
        size_t count = 0;
        for (size_t i = 0; i < SEGMENTS; i++) {
            const size_t start = segment_start(n, i), m = n - start < SEGMENT ? n - start : SEGMENT;
            copy_flat(codec, chunk, start, m, (uint8_t *)cells + count * codec->itemsize);
            count += m;
        }
        choice.decimals = choose_decimals(codec, (const uint8_t *)cells, count);
        if (choice.decimals == NO_DECIMALS) return choice;
    }
    Sample sample;
    sample.counted = 0;
    sample.sums[0] = sample.sums[1] = sample.sums[2] = 0;
    for (size_t i = 0; i < SEGMENTS; i++) {
        const size_t start = segment_start(n, i), m = n - start < SEGMENT ? n - start : SEGMENT;
        count_segment(codec, chunk, start, m, choice.decimals, &sample);
    }
    sum_plain(codec, &sample);
    for (int predictor = 1; predictor < 3; predictor++)
        if (sample.sums[predictor] < sample.sums[choice.predictor]) choice.predictor = predictor;
    choice.accepted = 4 * sample.sums[choice.predictor] <= 24 * codec->itemsize * sample.counted;
    return choice;
}

/* ---- blocks of bytes ---- */

static void shuffle_bytes(const uint8_t *cells, size_t n, size_t width, uint8_t *out)
{
    if (width == 2 || width == 4 || width == 8) {
        loops->shuffle[width_index((int)width)](cells, n, out, n);
        return;
    }
    for (size_t b = 0; b < width; b++)
        for (size_t i = 0; i < n; i++) out[b * n + i] = cells[i * width + b];
}

typedef struct {
    uint8_t *out;
    size_t itemsize;
} Copy;

static void copy_run(void *context, const uint8_t *cells, size_t n)
{
    Copy *copy = context;
    memcpy(copy->out, cells, n * copy->itemsize);
    copy->out += n * copy->itemsize;
}

/* Whether the shuffled form of some cells from the middle compresses better. */
static int try_shuffle(Workspace *space, const Codec *codec, const uint8_t *cells, size_t n, bool *better)
{
    size_t m = n / 32 > 1024 ? n / 32 : 1024;
    if (m > 8192) m = 8192;
    if (m > n) m = n;
    const size_t size = m * codec->itemsize;
    const uint8_t *middle = cells + (n - m) / 2 * codec->itemsize;
    const int level = codec->level < TRIAL_LEVEL ? codec->level : TRIAL_LEVEL;
    *better = false;
    if (codec->width == 1) return OK;
    if (!reserve(&space->bits, size)) return NO_MEMORY;
    shuffle_bytes(middle, size / codec->width, codec->width, space->bits.data);
    space->trial.size = 0;
    int status = compress_to(space, &space->trial, middle, size, level);
    if (status != OK) return status;
    const size_t plain = space->trial.size;
    status = compress_to(space, &space->trial, space->bits.data, size, level);
    *better = space->trial.size - plain < plain;
    return status;
}

static int encode_bytes(Workspace *space, const Codec *codec, const Cells *chunk, const Box *box)
{
    const size_t size = box->cells * codec->itemsize;
    Buffer *out = &space->encoded;
    if (!reserve(&space->body, size)) return NO_MEMORY;
    Copy copy = {space->body.data, codec->itemsize};
    if (!visit_runs(space, codec, chunk, box, copy_run, &copy)) return NO_MEMORY;
    bool better;
    const int status = try_shuffle(space, codec, space->body.data, box->cells, &better);
    if (status != OK) return status;
    const uint8_t *bytes = space->body.data;
    if (better) {
        if (!reserve(&space->codes, size)) return NO_MEMORY;
        shuffle_bytes(bytes, size / codec->width, codec->width, space->codes.data);
        bytes = space->codes.data;
    }
    if (!reserve(out, out->size + 1)) return NO_MEMORY;
    out->data[out->size++] = better ? SHUFFLED : PLAIN;
    return compress_to(space, out, bytes, size, codec->level);
}

/* ---- blocks of integers ---- */

typedef struct {
    const Codec *codec;
    int decimals;
    uint8_t *codes;
    Range range;
} Pass;

static void codes_pass(void *context, const uint8_t *cells, size_t n)
{
    Pass *pass = context;
    codes_of_run(pass->codec, cells, n, pass->decimals, pass->codes, &pass->range);
    pass->codes += n * (is_wide(pass->codec) ? 8 : 4);
}

typedef struct {
    bool wide;
    Mending *mending;
} Repair;

static void mend_pass(void *context, const uint8_t *cells, size_t n)
{
    Mending *mending = ((Repair *)context)->mending;
    loops->mend[((Repair *)context)->wide](cells, n, mending);
}

/* The code that leading bad cells take. */
static int64_t first_good(const Codec *codec, const uint8_t *codes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int32_t narrow;
        memcpy(&narrow, codes + 4 * i, 4);
        if (is_wide(codec) && ((const int64_t *)codes)[i] != INT64_MIN) return ((const int64_t *)codes)[i];
        if (!is_wide(codec) && narrow != INT32_MIN) return narrow;
    }
    return 0;
}

typedef struct {
    bool bitmap;
    uint64_t special;
    size_t exceptions;
} Oddities;

/* False when there are too many for this form. */
static bool sort_oddities(const Codec *codec, const Mending *mending, size_t n, Oddities *odd)
{
    const size_t limit = n / 32 > EXCEPTIONS ? n / 32 : EXCEPTIONS, size = codec->itemsize;
    const uint8_t *bits = mending->bits;
    odd->bitmap = mending->found > EXCEPTIONS;
    odd->exceptions = mending->found;
    odd->special = 0;
    if (!odd->bitmap) return true;
    const uint64_t first = odd->special = read_cell(bits, size);
    odd->exceptions = loops->count_other[size == 8](bits, mending->found, first);
    if (odd->exceptions <= limit) return true;
    size_t other = 0;
    while (read_cell(bits + other * size, size) == first) other++;
    odd->special = read_cell(bits + other * size, size);
    odd->exceptions = loops->count_other[size == 8](bits, mending->found, odd->special);
    return odd->exceptions <= limit;
}

static int smallest_width(uint64_t span)
{
    if (span == 0) return 0;
    return span < 1u << 8 ? 1 : span < 1u << 16 ? 2 : span <= UINT32_MAX ? 4 : 8;
}

/* Appends the block; `fits` is false, and nothing appended, when it has too many odd cells for this form. */
static int encode_integers(Workspace *space, const Codec *codec, const Cells *chunk, const Box *box, Choice choice,
                           bool *fits)
{
    const size_t n = box->cells;
    const bool wide = is_wide(codec);
    Buffer *out = &space->encoded;
    if (!reserve(&space->codes, n * (wide ? 8 : 4))) return NO_MEMORY;
    Pass pass = {codec, choice.decimals, space->codes.data, {INT64_MAX, INT64_MIN, 0}};
    if (!visit_runs(space, codec, chunk, box, codes_pass, &pass)) return NO_MEMORY;
    Range range = pass.range;
    if (range.bad == n) range.low = range.high = 0;

    Mending mending = {0, 0, space->codes.data, NULL, NULL, 0};
    Repair repair = {wide, &mending};
    Oddities odd = {false, 0, 0};
    if (range.bad) {
        if (!reserve(&space->bad, (range.bad + 1) * 4) || !reserve(&space->bits, (range.bad + 1) * codec->itemsize)) return NO_MEMORY;
        mending.positions = (uint32_t *)space->bad.data;
        mending.bits = space->bits.data;
        mending.before = first_good(codec, space->codes.data, n);
        if (!visit_runs(space, codec, chunk, box, mend_pass, &repair)) return NO_MEMORY;
        *fits = sort_oddities(codec, &mending, n, &odd);
        if (!*fits) return OK;
    }
    *fits = true;
    const int width = smallest_width((uint64_t)range.high - (uint64_t)range.low);
    const size_t bitmap = odd.bitmap ? (n + 7) / 8 : 0;
    const size_t size = (size_t)width * n + bitmap + odd.exceptions * (4 + codec->itemsize);
    if (!reserve(&space->body, size) || !reserve(out, out->size + BLOCK_HEADER)) return NO_MEMORY;
    if (width) {
        const Residuals residuals = (wide ? loops->residuals_64 : loops->residuals_32)[width_index(width)];
        residuals(space->codes.data, n, box->length, box->rows, choice.predictor, (uint64_t)range.low,
                  space->body.data);
    }
    if (range.bad) {
        uint8_t *bits = space->body.data + (size_t)width * n, *positions = bits + bitmap;
        memset(bits, 0, bitmap);
        loops->sort[wide](&mending, odd.bitmap, odd.special, bits, positions, positions + 4 * odd.exceptions);
    }

    uint8_t *header = out->data + out->size;
    header[0] = INTEGER;
    header[1] = (uint8_t)width;
    header[2] = (uint8_t)(choice.predictor | (odd.bitmap ? BITMAP : 0));
    header[3] = (uint8_t)choice.decimals;
    write_u32(header + 4, (uint32_t)odd.exceptions);
    write_u64(header + 8, (uint64_t)range.low + shift_of(codec));
    write_u64(header + 16, odd.special);
    out->size += BLOCK_HEADER;
    return size ? compress_to(space, out, space->body.data, size, codec->level) : OK;
}

/* ---- blocks of one value ---- */

/* What is written before the bytes of each block in space->uniform, which holds those of one call and one codec. */
typedef struct {
    uint64_t bits;
    size_t cells, size;
    int decimals, predictor;
} Uniform;

typedef struct {
    size_t itemsize;
    const uint8_t *first;
    bool alike;
} Comparison;

static void compare_run(void *context, const uint8_t *cells, size_t n)
{
    Comparison *comparison = context;
    const size_t size = comparison->itemsize;
    comparison->alike = comparison->alike && memcmp(cells, comparison->first, size) == 0 &&
                        memcmp(cells, cells + size, (n - 1) * size) == 0;
}

/* Whether all cells have the same bits. */
static bool is_uniform(Workspace *space, const Codec *codec, const Cells *chunk, const Box *box)
{
    const int64_t stride = chunk->strides[codec->ndim - 1];
    for (size_t i = 1; i < box->length; i++) /* most blocks differ in their first cells */
        if (memcmp(box->data, box->data + (int64_t)i * stride, codec->itemsize) != 0) return false;
    Comparison comparison = {codec->itemsize, box->data, true};
    return visit_runs(space, codec, chunk, box, compare_run, &comparison) && comparison.alike;
}

/* Encodes the first of equal blocks, and copies its bytes for the others. */
static int encode_uniform(Workspace *space, const Codec *codec, const Cells *chunk, const Box *box, Choice choice)
{
    Buffer *out = &space->encoded, *kept = &space->uniform;
    Uniform wanted = {read_cell(box->data, codec->itemsize), box->cells, 0, choice.decimals, choice.predictor}, found;
    for (size_t at = 0; at < kept->size; at += sizeof found + found.size) {
        memcpy(&found, kept->data + at, sizeof found);
        if (found.bits != wanted.bits || found.cells != wanted.cells || found.decimals != wanted.decimals ||
            found.predictor != wanted.predictor)
            continue;
        if (!reserve(out, out->size + found.size)) return NO_MEMORY;
        memcpy(out->data + out->size, kept->data + at + sizeof found, found.size);
        out->size += found.size;
        return OK;
    }
    const size_t before = out->size;
    bool fits;
    const int status = encode_integers(space, codec, chunk, box, choice, &fits);
    if (status != OK || kept->size > MAX_UNIFORM) return status;
    wanted.size = out->size - before;
    if (!reserve(kept, kept->size + sizeof wanted + wanted.size)) return NO_MEMORY;
    memcpy(kept->data + kept->size, &wanted, sizeof wanted);
    memcpy(kept->data + kept->size + sizeof wanted, out->data + before, wanted.size);
    kept->size += sizeof wanted + wanted.size;
    return OK;
}

/* ---- chunks ---- */

static void finish_box(Box *box, int ndim)
{
    box->length = (size_t)box->shape[ndim - 1];
    box->rows = ndim > 1 ? (size_t)box->shape[ndim - 2] : 1;
    box->cells = 1;
    for (int axis = 0; axis < ndim; axis++) box->cells *= (size_t)box->shape[axis];
}

static int encode_block(Workspace *space, const Codec *codec, const Cells *chunk, const Box *box, Choice choice)
{
    if (choice.accepted && is_uniform(space, codec, chunk, box)) return encode_uniform(space, codec, chunk, box, choice);
    bool fits = false;
    const int status = choice.accepted ? encode_integers(space, codec, chunk, box, choice, &fits) : OK;
    return status != OK || fits ? status : encode_bytes(space, codec, chunk, box);
}

static size_t count_blocks(const Codec *codec, const int64_t *block)
{
    size_t blocks = 1;
    for (int axis = 0; axis < codec->ndim; axis++) blocks *= (size_t)((codec->shape[axis] - 1) / block[axis] + 1);
    return blocks;
}

/* Appends the head of a chunk to space->encoded; the lengths of its blocks are written as they come. */
static bool open_chunk(Workspace *space, size_t blocks, bool blocked)
{
    Buffer *out = &space->encoded;
    const size_t start = out->size, header = CHUNK_HEADER + 4 * blocks;
    if (!reserve(out, start + header)) return false;
    memset(out->data + start, 0, header);
    out->data[start] = 1;
    out->data[start + 1] = blocked;
    write_u32(out->data + start + 4, (uint32_t)blocks);
    out->size += header;
    return true;
}

/* The block whose first cell is `at`. */
static Box box_at(const Codec *codec, const int64_t *block, const int64_t *at)
{
    Box box = {0, 0, 0, {0}, NULL};
    for (int axis = 0; axis < codec->ndim; axis++) {
        const int64_t rest = codec->shape[axis] - at[axis];
        box.shape[axis] = rest < block[axis] ? rest : block[axis];
    }
    finish_box(&box, codec->ndim);
    return box;
}

static void next_block(const Codec *codec, const int64_t *block, int64_t *at)
{
    for (int axis = codec->ndim - 1; axis >= 0; axis--) {
        at[axis] += block[axis];
        if (at[axis] < codec->shape[axis]) break;
        at[axis] = 0;
    }
}

static bool is_blocked(const Codec *codec)
{
    return memcmp(codec->block, codec->shape, sizeof(int64_t) * (size_t)codec->ndim) != 0;
}

/* Appends the chunk's bytes to space->encoded. */
static int encode_chunk(Workspace *space, const Codec *codec, const Cells *chunk)
{
    Buffer *out = &space->encoded;
    const Choice choice = choose(codec, chunk);
    const bool blocked = choice.accepted && is_blocked(codec);
    const int64_t *block = blocked ? codec->block : codec->shape;
    const size_t blocks = count_blocks(codec, block), lengths = out->size + CHUNK_HEADER;
    if (!open_chunk(space, blocks, blocked)) return NO_MEMORY;
    int64_t at[MAX_AXES] = {0};
    for (size_t number = 0; number < blocks; number++) {
        Box box = box_at(codec, block, at);
        box.data = chunk->data;
        for (int axis = 0; axis < codec->ndim; axis++) box.data += at[axis] * chunk->strides[axis];
        const size_t before = out->size;
        const int status = encode_block(space, codec, chunk, &box, choice);
        if (status != OK) return status;
        write_u32(out->data + lengths + 4 * number, (uint32_t)(out->size - before));
        next_block(codec, block, at);
    }
    return OK;
}
