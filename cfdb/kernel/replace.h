/* Chunks of which a box is new. Blocks that it does not reach are copied as they are, or are fill. */

typedef struct {
    Bytes payload;       /* the chunk so far; without data when it was never written */
    const uint8_t *cells; /* of the box */
    int64_t start[MAX_AXES], count[MAX_AXES], strides[MAX_AXES];
    const uint8_t *fill;
} Change;

static const Conversion no_conversion = {0};

/* Strides of cells of a shape that lie together. */
static void pack_strides(const int64_t *shape, int ndim, size_t itemsize, int64_t *strides)
{
    int64_t stride = (int64_t)itemsize;
    for (int axis = ndim - 1; axis >= 0; axis--) {
        strides[axis] = stride;
        stride *= shape[axis];
    }
}

static void put_fill(uint8_t *out, size_t cells, const uint8_t *fill, size_t itemsize)
{
    const size_t size = cells * itemsize;
    memcpy(out, fill, itemsize);
    for (size_t done = itemsize; done < size; done *= 2) memcpy(out + done, out, done < size - done ? done : size - done);
}

/* Puts the cells of the box that lie in a window (at, shape) of the chunk into `out`, which holds the window. */
static void put_box(const Codec *codec, const Change *change, const int64_t *at, const int64_t *shape,
                    const int64_t *strides, uint8_t *out)
{
    const int ndim = codec->ndim, last = ndim - 1;
    const size_t itemsize = codec->itemsize;
    int64_t count[MAX_AXES], row[MAX_AXES] = {0};
    const uint8_t *cells = change->cells;
    for (int axis = 0; axis < ndim; axis++) {
        const int64_t start = change->start[axis], stop = start + change->count[axis], end = at[axis] + shape[axis];
        const int64_t first = start > at[axis] ? start : at[axis];
        count[axis] = (stop < end ? stop : end) - first;
        cells += (first - start) * change->strides[axis];
        out += (first - at[axis]) * strides[axis];
    }
    for (;;) {
        if (change->strides[last] == (int64_t)itemsize)
            memcpy(out, cells, (size_t)count[last] * itemsize);
        else
            for (int64_t i = 0; i < count[last]; i++)
                memcpy(out + i * (int64_t)itemsize, cells + i * change->strides[last], itemsize);
        int axis = last - 1;
        for (; axis >= 0; axis--) {
            cells += change->strides[axis];
            out += strides[axis];
            if (++row[axis] < count[axis]) break;
            cells -= row[axis] * change->strides[axis];
            out -= row[axis] * strides[axis];
            row[axis] = 0;
        }
        if (axis < 0) return;
    }
}

/* Puts a window of the chunk together in space->whole: old cells or fill, and the box over them. */
static int put_together(Workspace *space, const Codec *codec, const Change *change, const int64_t *at, const Box *box,
                        int64_t *strides)
{
    pack_strides(box->shape, codec->ndim, codec->itemsize, strides);
    if (!reserve(&space->whole, box->cells * codec->itemsize)) return NO_MEMORY;
    if (change->payload.data == NULL) {
        put_fill(space->whole.data, box->cells, change->fill, codec->itemsize);
    } else {
        Target target;
        target.out = space->whole.data;
        target.strides = strides;
        memcpy(target.start, at, sizeof target.start);
        memcpy(target.count, box->shape, sizeof target.count);
        const int status = decode_chunk(space, codec, &no_conversion, change->payload, &target);
        if (status != OK) return status;
    }
    put_box(codec, change, at, box->shape, strides, space->whole.data);
    return OK;
}

static bool reaches(const Codec *codec, const Change *change, const int64_t *at, const int64_t *shape)
{
    for (int axis = 0; axis < codec->ndim; axis++)
        if (change->start[axis] >= at[axis] + shape[axis] || change->start[axis] + change->count[axis] <= at[axis])
            return false;
    return true;
}

/* What suits the box alone: the sample of a chunk would miss it where it is small. */
static Choice choose_for_box(const Codec *codec, const Change *change)
{
    Codec part = *codec;
    const Cells cells = {change->cells, change->strides};
    part.cells = 1;
    for (int axis = 0; axis < codec->ndim; axis++) {
        part.shape[axis] = change->count[axis];
        part.cells *= (size_t)change->count[axis];
    }
    return choose(&part, &cells);
}

/* Old cells of a block keep what suits them: its decimals at least, and its predictor when it used one. */
static int choose_for_block(Workspace *space, const Codec *codec, Bytes block, size_t n, Choice *choice)
{
    if (block.size == 0 || block.data[0] != INTEGER) return OK;
    IntegerBlock head;
    const int status = read_integer_header(space, codec, block, n, &head);
    if (status != OK) return status;
    if (!choice->accepted || head.decimals > choice->decimals) choice->decimals = head.decimals;
    if (!choice->accepted || head.width) choice->predictor = head.predictor;
    choice->accepted = true;
    return OK;
}

static int encode_whole(Workspace *space, const Codec *codec, const Change *change)
{
    const int64_t at[MAX_AXES] = {0};
    int64_t strides[MAX_AXES];
    const Box box = box_at(codec, codec->shape, at);
    const int status = put_together(space, codec, change, at, &box, strides);
    if (status != OK) return status;
    const Cells cells = {space->whole.data, strides};
    return encode_chunk(space, codec, &cells);
}

static int replace_block(Workspace *space, const Codec *codec, const Change *change, const int64_t *at, Box *box,
                         Bytes old, Choice choice)
{
    int64_t strides[MAX_AXES] = {0};
    Cells cells = {space->whole.data, strides};
    Buffer *out = &space->encoded;
    if (reaches(codec, change, at, box->shape)) {
        int status = put_together(space, codec, change, at, box, strides);
        if (status == OK && old.data) status = choose_for_block(space, codec, old, box->cells, &choice);
        if (status != OK) return status;
        cells.data = box->data = space->whole.data;
        return encode_block(space, codec, &cells, box, choice);
    }
    if (old.data == NULL) {
        cells.data = box->data = change->fill;
        if (!choice.accepted) choice = (Choice){codec->kind == KIND_FLOAT ? 0 : INTEGERS, 0, true};
        return encode_uniform(space, codec, &cells, box, choice);
    }
    if (!reserve(out, out->size + old.size)) return NO_MEMORY;
    memcpy(out->data + out->size, old.data, old.size);
    out->size += old.size;
    return OK;
}

/* Appends the changed chunk's bytes to space->encoded. */
static int replace_box(Workspace *space, const Codec *codec, const Change *change)
{
    const uint8_t *payload = change->payload.data;
    const int64_t *block = is_blocked(codec) ? codec->block : codec->shape;
    size_t blocks = count_blocks(codec, block);
    if (payload) {
        const int status = check_chunk(space, codec, change->payload, &block, &blocks);
        if (status != OK) return status;
    }
    if (codec->kind == KIND_OPAQUE || (payload && !payload[1])) return encode_whole(space, codec, change);
    Buffer *out = &space->encoded;
    const Choice choice = choose_for_box(codec, change);
    const size_t lengths = out->size + CHUNK_HEADER;
    if (!open_chunk(space, blocks, payload || is_blocked(codec))) return NO_MEMORY;
    int64_t at[MAX_AXES] = {0};
    size_t place = CHUNK_HEADER + 4 * blocks;
    for (size_t number = 0; number < blocks; number++) {
        Box box = box_at(codec, block, at);
        const size_t before = out->size, size = payload ? read_u32(payload + CHUNK_HEADER + 4 * number) : 0;
        const Bytes old = {payload ? payload + place : NULL, size};
        const int status = replace_block(space, codec, change, at, &box, old, choice);
        if (status != OK) return status;
        write_u32(out->data + lengths + 4 * number, (uint32_t)(out->size - before));
        place += size;
        next_block(codec, block, at);
    }
    return OK;
}
