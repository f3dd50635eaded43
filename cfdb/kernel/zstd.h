/* Frames in and out, and the workspaces that hold libzstd's contexts. */

static bool compressor_ready(Workspace *space, int level)
{
    if (space->compressor == NULL) {
        space->compressor = zstd.createCCtx();
        if (space->compressor == NULL) return false;
        space->level = INT32_MIN;
    }
    if (space->level != level) {
        if (zstd.isError(zstd.setParameter(space->compressor, ZSTD_C_LEVEL, level))) return false;
        space->level = level;
    }
    return true;
}

/* Appends one frame to `out`. */
static int compress_to(Workspace *space, Buffer *out, const uint8_t *data, size_t size, int level)
{
    const size_t bound = zstd.compressBound(size);
    if (zstd.isError(bound) || !reserve(out, out->size + bound)) return NO_MEMORY;
    if (!compressor_ready(space, level)) return ZSTD_FAILED;
    const size_t written = zstd.compress2(space->compressor, out->data + out->size, bound, data, size);
    if (zstd.isError(written)) return ZSTD_FAILED;
    out->size += written;
    return OK;
}

/* The frame must be all of `data` and hold exactly `size` bytes. */
static int decompress_to(Workspace *space, uint8_t *out, size_t size, const uint8_t *data, size_t length)
{
    if (zstd.contentSize(data, length) != size) return fail(space, "a frame does not hold the bytes of its block");
    if (zstd.frameSize(data, length) != length) return fail(space, "a frame does not end with its block");
    if (space->decompressor == NULL) space->decompressor = zstd.createDCtx();
    if (space->decompressor == NULL) return NO_MEMORY;
    if (zstd.decompress(space->decompressor, out, size, data, length) != size)
        return fail(space, "a compressed block is damaged");
    return OK;
}

/* Idle workspaces; only touched with the GIL held. */
static Workspace *idle;
static int idle_count;
#define MAX_IDLE 16

static void free_workspace(Workspace *space)
{
    drop_buffers(space, 0);
    if (space->compressor) zstd.freeCCtx(space->compressor);
    if (space->decompressor) zstd.freeDCtx(space->decompressor);
    free(space);
}

static Workspace *take_workspace(void)
{
    Workspace *space = idle;
    if (space == NULL) return calloc(1, sizeof *space);
    idle = space->next;
    idle_count--;
    space->problem = NULL;
    return space;
}

static void give_back(Workspace *space)
{
    if (idle_count >= MAX_IDLE) {
        free_workspace(space);
        return;
    }
    drop_buffers(space, MAX_KEPT);
    if (space->compressor && zstd.sizeofCCtx(space->compressor) > MAX_KEPT) {
        zstd.freeCCtx(space->compressor);
        space->compressor = NULL;
    }
    space->next = idle;
    idle = space;
    idle_count++;
}
