/* Bytes to boxes of cells. Nothing in the bytes is believed before it was checked. */

typedef struct {
    const uint8_t *data;
    size_t size;
} Bytes;

/* The part of a block that is wanted, and where it goes. */
typedef struct {
    int ndim;
    int64_t shape[MAX_AXES]; /* of the block */
    int64_t start[MAX_AXES], count[MAX_AXES];
    size_t cells;
    uint8_t *out; /* place of the first wanted cell */
    const int64_t *strides;
} Window;

typedef struct {
    int width, predictor, decimals;
    bool bitmap;
    size_t exceptions;
    int64_t base;
    uint64_t special;
    size_t planes, bits, positions, values, size; /* offsets in the body, and its size */
} IntegerBlock;

static size_t out_size(const Codec *codec, const Conversion *conversion)
{
    return conversion->wanted ? conversion->outsize : codec->itemsize;
}

/* Cells to what `out` holds. */
static void convert(const Codec *codec, const Conversion *conversion, const void *cells, size_t n, void *values)
{
    const int sign = codec->kind == KIND_UNSIGNED, size = width_index((int)codec->itemsize);
    (conversion->outsize == 4 ? loops->unpack_f4 : loops->unpack_f8)[sign][size](cells, n, conversion, values);
}

static void scatter(const uint8_t *values, size_t n, size_t itemsize, uint8_t *out, int64_t stride)
{
    for (size_t i = 0; i < n; i++) memcpy(out + (int64_t)i * stride, values + i * itemsize, itemsize);
}

/* ---- rows on their way out ---- */

typedef struct {
    const Codec *codec;
    const Conversion *conversion;
    int64_t stride;
    size_t n, outsize;
    uint8_t *cells, *values; /* scratch: a row of cells, a row of what goes out */
} Sink;

static bool open_sink(Workspace *space, const Codec *codec, const Conversion *conversion, const Window *window,
                      Sink *sink)
{
    const int last = window->ndim - 1;
    sink->codec = codec;
    sink->conversion = conversion;
    sink->stride = window->strides[last];
    sink->n = (size_t)window->count[last];
    sink->outsize = out_size(codec, conversion);
    const size_t cells = (sink->n * codec->itemsize + 15) & ~(size_t)15;
    if (!reserve(&space->line, cells + sink->n * sink->outsize)) return false;
    sink->cells = space->line.data;
    sink->values = space->line.data + cells;
    return true;
}

static bool is_direct(const Sink *sink, const uint8_t *out)
{
    return (sink->stride == (int64_t)sink->outsize || sink->n == 1) && is_aligned(out, sink->outsize);
}

/* Where the cells of a row are best put: straight in its place, or in scratch that `put_row` empties. */
static uint8_t *row_place(const Sink *sink, uint8_t *out)
{
    return !sink->conversion->wanted && is_direct(sink, out) ? out : sink->cells;
}

static void put_row(const Sink *sink, const uint8_t *cells, uint8_t *out)
{
    const uint8_t *values = cells;
    if (cells == out) return;
    if (sink->conversion->wanted) {
        uint8_t *place = is_direct(sink, out) ? out : sink->values;
        convert(sink->codec, sink->conversion, cells, sink->n, place);
        if (place == out) return;
        values = place;
    }
    if (sink->stride == (int64_t)sink->outsize)
        memcpy(out, values, sink->n * sink->outsize);
    else
        scatter(values, sink->n, sink->outsize, out, sink->stride);
}

/* ---- rows of a window ---- */

/* All axes of the block but the last, with the row they stand for. */
typedef struct {
    int64_t at[MAX_AXES];
    size_t row;
    uint8_t *out;
} RowCursor;

static void first_row(const Window *window, RowCursor *cursor)
{
    cursor->row = 0;
    cursor->out = window->out;
    for (int axis = 0; axis < window->ndim - 1; axis++) {
        cursor->at[axis] = 0;
        cursor->row = cursor->row * (size_t)window->shape[axis] + (size_t)window->start[axis];
    }
}

static bool next_row(const Window *window, RowCursor *cursor)
{
    size_t rows = 1;
    for (int axis = window->ndim - 2; axis >= 0; axis--) {
        cursor->out += window->strides[axis];
        cursor->row += rows;
        if (++cursor->at[axis] < window->count[axis]) return true;
        cursor->out -= window->count[axis] * window->strides[axis];
        cursor->row -= (size_t)window->count[axis] * rows;
        cursor->at[axis] = 0;
        rows *= (size_t)window->shape[axis];
    }
    return false;
}

/* ---- blocks of bytes ---- */

static bool is_whole(const Window *window)
{
    for (int axis = 0; axis < window->ndim; axis++)
        if (window->count[axis] != window->shape[axis]) return false;
    return true;
}

static bool lies_together(const Window *window, size_t itemsize)
{
    int64_t step = (int64_t)itemsize;
    for (int axis = window->ndim - 1; axis >= 0; axis--) {
        if (window->count[axis] != 1 && window->strides[axis] != step) return false;
        step *= window->count[axis];
    }
    return true;
}

static void unshuffle_row(const Codec *codec, const uint8_t *planes, size_t cells, size_t cell, size_t n, uint8_t *out)
{
    const size_t width = codec->width, each = codec->itemsize / width;
    const size_t step = cells * each, start = cell * each, count = n * each;
    if ((width == 2 || width == 4 || width == 8) && is_aligned(out, width)) {
        loops->row[width_index((int)width)](planes + start, step, count, 0, 0, false, out);
        return;
    }
    for (size_t i = 0; i < count; i++)
        for (size_t b = 0; b < width; b++) out[i * width + b] = planes[b * step + start + i];
}

static int decode_bytes(Workspace *space, const Codec *codec, const Conversion *conversion, Bytes block,
                        const Window *window)
{
    const bool shuffled = block.data[0] == SHUFFLED;
    const size_t itemsize = codec->itemsize, size = window->cells * itemsize;
    const uint8_t *frame = block.data + 1;
    if (!conversion->wanted && !shuffled && is_whole(window) && lies_together(window, itemsize))
        return decompress_to(space, window->out, size, frame, block.size - 1);
    Sink sink;
    if (!reserve(&space->body, size) || !open_sink(space, codec, conversion, window, &sink)) return NO_MEMORY;
    const int status = decompress_to(space, space->body.data, size, frame, block.size - 1);
    if (status != OK) return status;
    const size_t length = (size_t)window->shape[window->ndim - 1], column = (size_t)window->start[window->ndim - 1];
    RowCursor cursor;
    first_row(window, &cursor);
    do {
        const size_t cell = cursor.row * length + column;
        if (shuffled) {
            uint8_t *place = row_place(&sink, cursor.out);
            unshuffle_row(codec, space->body.data, window->cells, cell, sink.n, place);
            put_row(&sink, place, cursor.out);
            continue;
        }
        const uint8_t *cells = space->body.data + cell * itemsize;
        put_row(&sink, cells, cursor.out);
    } while (next_row(window, &cursor));
    return OK;
}

/* ---- blocks of integers ---- */

static int read_integer_header(Workspace *space, const Codec *codec, Bytes block, size_t n, IntegerBlock *head)
{
    const uint8_t *data = block.data;
    if (block.size < BLOCK_HEADER) return fail(space, "a block ends in its header");
    head->width = data[1];
    head->predictor = data[2] & 0x7F;
    head->bitmap = (data[2] & BITMAP) != 0;
    head->decimals = data[3];
    head->exceptions = read_u32(data + 4);
    head->base = (int64_t)read_u64(data + 8);
    head->special = read_u64(data + 16);
    const int width = head->width;
    if (codec->kind == KIND_OPAQUE) return fail(space, "a block of integers holds cells that are none");
    if (width != 0 && width != 1 && width != 2 && width != 4 && width != 8)
        return fail(space, "a block names an unknown width of its codes");
    if ((size_t)width > codec->itemsize) return fail(space, "a block has codes that are wider than its cells");
    if (head->predictor > 2) return fail(space, "a block names an unknown predictor");
    if (codec->kind == KIND_FLOAT ? head->decimals > (codec->itemsize == 4 ? 10 : 15) : head->decimals != INTEGERS)
        return fail(space, "a block names decimals that its cells cannot have");
    if (head->exceptions > n) return fail(space, "a block names more exceptions than it has cells");
    head->planes = 0;
    head->bits = (size_t)width * n;
    head->positions = head->bits + (head->bitmap ? (n + 7) / 8 : 0);
    head->values = head->positions + 4 * head->exceptions;
    head->size = head->values + head->exceptions * codec->itemsize;
    if (head->size == 0 && block.size != BLOCK_HEADER) return fail(space, "a block is longer than it says");
    return OK;
}

static int check_positions(Workspace *space, const uint8_t *positions, size_t count, size_t n)
{
    for (size_t i = 0; i < count; i++) {
        const uint32_t place = read_u32(positions + 4 * i);
        if (place >= n || (i && place <= read_u32(positions + 4 * i - 4)))
            return fail(space, "the exceptions of a block are out of order");
    }
    return OK;
}

static ToCells to_cells(const Codec *codec, int width)
{
    const int index = width ? width_index(width) : 0;
    if (codec->kind == KIND_FLOAT) return (codec->itemsize == 4 ? loops->to_f4 : loops->to_f8)[index];
    return loops->to_integer[width_index((int)codec->itemsize)][index];
}

/* The residual of a row's first cell: rows that are not wanted are stepped over with it. */
static uint64_t leading(const uint8_t *planes, size_t cells, size_t cell, int width)
{
    uint64_t z = 0;
    for (int b = 0; b < width; b++) z |= (uint64_t)planes[(size_t)b * cells + cell] << 8 * b;
    return (z >> 1) ^ (0 - (z & 1));
}

typedef struct {
    const uint8_t *body;
    const IntegerBlock *head;
    Row row;
    ToCells convert;
    size_t cells, length, rows; /* rows of a plane */
    size_t first, stop;         /* wanted columns */
    uint64_t before;            /* code of the first cell of the row before */
    size_t next;                /* first row that was not stepped over */
    size_t top;                 /* first row of the plane at hand */
    uint8_t *codes;
} Decoder;

static void step_over(Decoder *decoder, size_t row)
{
    for (; decoder->next < row; decoder->next++)
        decoder->before += leading(decoder->body, decoder->cells, decoder->next * decoder->length, decoder->head->width);
}

static uint64_t first_code(const uint8_t *codes, int width)
{
    uint64_t bits = codes[0];
    if (width == 2) bits |= (uint64_t)codes[1] << 8;
    if (width == 4) bits = read_u32(codes);
    return width == 8 ? read_u64(codes) : bits;
}

/* Puts the codes of one row into decoder->codes, at the columns up to the last wanted one. */
static void decode_codes(Decoder *decoder, size_t row)
{
    const IntegerBlock *head = decoder->head;
    const size_t place = row * decoder->length;
    if (head->predictor == 0) {
        decoder->row(decoder->body + place + decoder->first, decoder->cells, decoder->stop - decoder->first, 0, 0, false,
                     decoder->codes + (size_t)head->width * decoder->first);
        return;
    }
    while (row - decoder->top >= decoder->rows) decoder->top += decoder->rows;
    const bool top = head->predictor == 1 || row == decoder->top;
    if (!top) {
        if (decoder->next <= decoder->top) decode_codes(decoder, decoder->top);
        while (decoder->next < row) decode_codes(decoder, decoder->next);
    }
    step_over(decoder, row);
    decoder->row(decoder->body + place, decoder->cells, decoder->stop, head->predictor, top ? decoder->before : 0, !top,
                 decoder->codes);
    decoder->before = first_code(decoder->codes, head->width);
    decoder->next = row + 1;
}

static void put_row_of_codes(const Decoder *decoder, const Sink *sink, uint8_t *out)
{
    const IntegerBlock *head = decoder->head;
    uint8_t *place = row_place(sink, out);
    decoder->convert(decoder->codes + (size_t)head->width * decoder->first, sink->n, head->base, head->decimals, place);
    put_row(sink, place, out);
}

/* ---- special cells and exceptions ---- */

/* One cell of the given bits, as it goes out. */
static void one_value(const Codec *codec, const Conversion *conversion, uint64_t bits, uint8_t *value)
{
    if (conversion->wanted)
        convert(codec, conversion, &bits, 1, value);
    else
        memcpy(value, &bits, codec->itemsize);
}

static void put_special(const uint8_t *bitmap, size_t cell, const uint8_t *value, const Sink *sink, uint8_t *out)
{
    const size_t size = sink->outsize, n = sink->n;
    const bool quick = is_direct(sink, out) && (size == 4 || size == 8);
    for (size_t i = 0; i < n; i++) {
        const size_t place = cell + i;
        if (quick && place % 8 == 0) {
            loops->special[size == 8](bitmap + place / 8, n - i, value, out + i * size);
            return;
        }
        if (bitmap[place / 8] >> place % 8 & 1) memcpy(out + (int64_t)i * sink->stride, value, size);
    }
}

static void put_exceptions(const Codec *codec, const Conversion *conversion, const IntegerBlock *head,
                           const uint8_t *body, const Window *window)
{
    const size_t size = out_size(codec, conversion);
    for (size_t i = 0; i < head->exceptions; i++) {
        size_t cell = read_u32(body + head->positions + 4 * i);
        uint8_t *out = window->out;
        bool wanted = true;
        for (int axis = window->ndim - 1; axis >= 0 && wanted; axis--) {
            const int64_t at = (int64_t)(cell % (size_t)window->shape[axis]) - window->start[axis];
            cell /= (size_t)window->shape[axis];
            wanted = at >= 0 && at < window->count[axis];
            out += at * window->strides[axis];
        }
        if (!wanted) continue;
        uint64_t value;
        one_value(codec, conversion, read_cell(body + head->values + i * codec->itemsize, codec->itemsize),
                  (uint8_t *)&value);
        memcpy(out, &value, size);
    }
}

static int decode_integers(Workspace *space, const Codec *codec, const Conversion *conversion, Bytes block,
                           const Window *window)
{
    IntegerBlock head;
    Sink sink;
    const size_t n = window->cells;
    const int last = window->ndim - 1;
    int status = read_integer_header(space, codec, block, n, &head);
    if (status != OK) return status;
    const size_t length = (size_t)window->shape[last];
    if (!reserve(&space->body, head.size + 1) || !reserve(&space->codes, length * 8) ||
        !open_sink(space, codec, conversion, window, &sink))
        return NO_MEMORY;
    const uint8_t *body = space->body.data;
    if (head.size) {
        status = decompress_to(space, space->body.data, head.size, block.data + BLOCK_HEADER, block.size - BLOCK_HEADER);
        if (status != OK) return status;
    }
    status = check_positions(space, body + head.positions, head.exceptions, n);
    if (status != OK) return status;

    Decoder decoder = {body, &head, head.width ? loops->row[width_index(head.width)] : NULL,
                       to_cells(codec, head.width), n, length,
                       window->ndim > 1 ? (size_t)window->shape[last - 1] : 1, (size_t)window->start[last],
                       (size_t)(window->start[last] + window->count[last]), 0, 0, 0, space->codes.data};
    uint64_t special = 0;
    one_value(codec, conversion, head.special, (uint8_t *)&special);
    if (head.width == 0) memset(space->codes.data, 0, length);
    RowCursor cursor;
    first_row(window, &cursor);
    do {
        if (head.width) decode_codes(&decoder, cursor.row);
        put_row_of_codes(&decoder, &sink, cursor.out);
        if (head.bitmap)
            put_special(body + head.bits, cursor.row * length + decoder.first, (uint8_t *)&special, &sink, cursor.out);
    } while (next_row(window, &cursor));
    put_exceptions(codec, conversion, &head, body, window);
    return OK;
}

/* ---- chunks ---- */

/* Bytes of bools that are neither 0 nor 1 would do strange things in NumPy. */
static void settle_truth(const Window *window)
{
    const int last = window->ndim - 1;
    RowCursor cursor;
    first_row(window, &cursor);
    do {
        for (int64_t i = 0; i < window->count[last]; i++) {
            uint8_t *cell = cursor.out + i * window->strides[last];
            *cell = *cell != 0;
        }
    } while (next_row(window, &cursor));
}

static int decode_block(Workspace *space, const Codec *codec, const Conversion *conversion, Bytes block,
                        const Window *window)
{
    if (block.size < 1) return fail(space, "a block is empty");
    if (block.data[0] == INTEGER) return decode_integers(space, codec, conversion, block, window);
    if (block.data[0] > INTEGER) return fail(space, "a block has an unknown mode");
    return decode_bytes(space, codec, conversion, block, window);
}

typedef struct {
    int64_t start[MAX_AXES], count[MAX_AXES];
    uint8_t *out;
    const int64_t *strides;
} Target;

static int check_chunk(Workspace *space, const Codec *codec, Bytes payload, const int64_t **block, size_t *blocks)
{
    if (payload.size < CHUNK_HEADER) return fail(space, "a chunk ends in its header");
    const uint8_t *data = payload.data;
    if (data[0] != 1) return fail(space, "a chunk is of an unknown version");
    if (data[1] > 1 || data[2] || data[3]) return fail(space, "a chunk has unknown flags");
    *block = data[1] ? codec->block : codec->shape;
    *blocks = 1;
    for (int axis = 0; axis < codec->ndim; axis++)
        *blocks *= (size_t)((codec->shape[axis] - 1) / (*block)[axis] + 1);
    if (read_u32(data + 4) != *blocks) return fail(space, "a chunk has another number of blocks than its shape");
    if ((payload.size - CHUNK_HEADER) / 4 < *blocks) return fail(space, "a chunk ends in its header");
    uint64_t total = CHUNK_HEADER + 4 * (uint64_t)*blocks;
    for (size_t i = 0; i < *blocks; i++) total += read_u32(data + CHUNK_HEADER + 4 * i);
    if (total != payload.size) return fail(space, "the blocks of a chunk do not add up to its length");
    return OK;
}

/* Decodes what the target wants of one chunk. */
static int decode_chunk(Workspace *space, const Codec *codec, const Conversion *conversion, Bytes payload,
                        const Target *target)
{
    const int64_t *shape;
    size_t blocks;
    const int status = check_chunk(space, codec, payload, &shape, &blocks);
    if (status != OK) return status;
    int64_t at[MAX_AXES], first[MAX_AXES], last[MAX_AXES];
    for (int axis = 0; axis < codec->ndim; axis++) {
        if (target->count[axis] == 0) return OK;
        at[axis] = first[axis] = target->start[axis] / shape[axis];
        last[axis] = (target->start[axis] + target->count[axis] - 1) / shape[axis];
    }
    size_t reached = 0;
    const uint8_t *place = payload.data + CHUNK_HEADER + 4 * blocks;
    for (;;) {
        Window window = {codec->ndim, {0}, {0}, {0}, 1, target->out, target->strides};
        size_t number = 0;
        for (int axis = 0; axis < codec->ndim; axis++) {
            const int64_t from = at[axis] * shape[axis], start = target->start[axis];
            const int64_t stop = start + target->count[axis];
            const int64_t length = codec->shape[axis] - from < shape[axis] ? codec->shape[axis] - from : shape[axis];
            window.shape[axis] = length;
            window.start[axis] = start > from ? start - from : 0;
            window.count[axis] = (stop < from + length ? stop - from : length) - window.start[axis];
            window.cells *= (size_t)length;
            window.out += (from + window.start[axis] - start) * target->strides[axis];
            number = number * (size_t)((codec->shape[axis] - 1) / shape[axis] + 1) + (size_t)at[axis];
        }
        for (; reached < number; reached++) place += read_u32(payload.data + CHUNK_HEADER + 4 * reached);
        const Bytes block = {place, read_u32(payload.data + CHUNK_HEADER + 4 * number)};
        const int failed = decode_block(space, codec, conversion, block, &window);
        if (failed != OK) return failed;
        if (codec->truth) settle_truth(&window);
        int axis = codec->ndim - 1;
        for (; axis >= 0; axis--) {
            if (++at[axis] <= last[axis]) break;
            at[axis] = first[axis];
        }
        if (axis < 0) return OK;
    }
}
