/* Strings of NumPy's StringDType out of the bytes of a chunk, and back.
 *
 * The bytes are those of cfdb.format.codecs.vlen. NumPy's functions come by address, as libzstd's do: no header of
 * NumPy is needed to build. Its allocator is a lock: nothing here asks for the GIL while it is held. */
#ifndef CFDB_TEXTS_H
#define CFDB_TEXTS_H

#include "kernel.h"

typedef struct Allocator Allocator;

typedef struct {
    size_t size;
    const char *data;
} Text;

typedef struct {
    int (*load)(Allocator *, const void *, Text *);
    int (*pack)(Allocator *, void *, const char *, size_t);
    int (*pack_null)(Allocator *, void *);
    Allocator *(*acquire)(const PyObject *);
    void (*release)(Allocator *);
} Strings;

static Strings strings;

#define FIRST_STRING_SLOT 313 /* of NumPy's table of functions: load, pack, pack_null, acquire, (several), release */
#define NUMPY_ABI 0x02000000u
#define LENGTH_SIZE 4
static const uint8_t MISSING_MARK[4] = {0, 'N', 'A', 0};

/* Cells of an array of strings, visited in C order. */
typedef struct {
    const PyObject *dtype;
    uint8_t *place;
    int ndim;
    int64_t shape[MAX_AXES], strides[MAX_AXES], at[MAX_AXES];
    size_t size;
} Walk;

static inline void step(Walk *walk)
{
    for (int axis = walk->ndim - 1; axis >= 0; axis--) {
        walk->place += walk->strides[axis];
        if (++walk->at[axis] < walk->shape[axis]) return;
        walk->place -= walk->strides[axis] * walk->shape[axis];
        walk->at[axis] = 0;
    }
}

/* What is decoded: the bytes of a chunk, where its cells begin, and bits that mark the missing ones (or NULL). */
typedef struct {
    Bytes bytes;
    const int64_t *places;
    size_t count;
    const uint8_t *marks;
    bool nullable; /* whether the array knows missing cells; else they are empty */
} Chunk;

static bool is_utf8(const uint8_t *text, size_t size)
{
    size_t i = 0;
    while (i < size) {
        for (; i + 8 <= size && !(read_u64(text + i) & 0x8080808080808080u); i += 8)
            ;
        for (; i < size && text[i] < 0x80; i++)
            ;
        if (i == size) break;
        const uint8_t head = text[i];
        const size_t more = head >= 0xF0 ? 3 : head >= 0xE0 ? 2 : 1;
        if (head < 0xC2 || head > 0xF4 || size - i <= more) return false;
        for (size_t k = 1; k <= more; k++)
            if ((text[i + k] & 0xC0) != 0x80) return false;
        const uint8_t second = text[i + 1];
        if ((head == 0xE0 && second < 0xA0) || (head == 0xED && second > 0x9F) || (head == 0xF0 && second < 0x90) ||
            (head == 0xF4 && second > 0x8F))
            return false;
        i += more + 1;
    }
    return true;
}

/* Writes where the length of every cell begins, and one more place: behind the last. */
static int find_places(Workspace *space, Bytes bytes, int64_t *places, size_t count)
{
    size_t place = LENGTH_SIZE;
    if (bytes.size < LENGTH_SIZE || read_u32(bytes.data) != count)
        return fail(space, "a chunk of strings is damaged: it does not hold the cells that belong to it");
    for (size_t i = 0; i < count; i++) {
        if (bytes.size - place < LENGTH_SIZE) return fail(space, "a chunk of strings is damaged: it ends too early");
        places[i] = (int64_t)place;
        const size_t length = read_u32(bytes.data + place);
        place += LENGTH_SIZE;
        if (length > bytes.size - place)
            return fail(space, "a chunk of strings is damaged: a cell reaches beyond its end");
        place += length;
    }
    places[count] = (int64_t)place;
    return OK;
}

static int put_text(Workspace *space, Allocator *allocator, const Chunk *chunk, size_t number, void *cell)
{
    if (chunk->marks && chunk->marks[number >> 3] >> (number & 7) & 1 && chunk->nullable)
        return strings.pack_null(allocator, cell) < 0 ? NO_MEMORY : OK;
    const size_t place = (size_t)chunk->places[number], size = chunk->bytes.size;
    const bool inside = size >= LENGTH_SIZE && place <= size - LENGTH_SIZE;
    const size_t length = inside ? read_u32(chunk->bytes.data + place) : 0;
    if (!inside || length > size - LENGTH_SIZE - place)
        return fail(space, "a chunk of strings is damaged: a cell reaches beyond its end");
    const uint8_t *text = chunk->bytes.data + place + LENGTH_SIZE;
    if (chunk->marks && chunk->marks[number >> 3] >> (number & 7) & 1)
        return strings.pack(allocator, cell, "", 0) < 0 ? NO_MEMORY : OK;
    if (!is_utf8(text, length)) return fail(space, "a chunk of strings is damaged: a cell is no UTF-8");
    return strings.pack(allocator, cell, (const char *)text, length) < 0 ? NO_MEMORY : OK;
}

/* Puts the cells with these numbers (NULL: all) into those of the array. */
static int decode_texts(Workspace *space, const Chunk *chunk, const int64_t *numbers, Walk *walk)
{
    int status = OK;
    Allocator *allocator = strings.acquire(walk->dtype);
    for (size_t i = 0; i < walk->size && status == OK; i++, step(walk)) {
        const size_t number = numbers ? (size_t)numbers[i] : i;
        status = number < chunk->count ? put_text(space, allocator, chunk, number, walk->place)
                                       : fail(space, "a chunk of strings has no such cell");
    }
    strings.release(allocator);
    return status;
}

enum { BAD_TEXT = -4 };

/* Appends the cells to the workspace's encoded bytes. */
static int encode_cells(Workspace *space, Allocator *allocator, Walk *walk)
{
    Buffer *out = &space->encoded, *bits = &space->bits;
    const size_t marks = (walk->size + 7) / 8;
    bool any = false;
    if (!reserve(bits, marks) || !reserve(out, LENGTH_SIZE + 16 * walk->size)) return NO_MEMORY;
    memset(bits->data, 0, marks);
    write_u32(out->data, (uint32_t)walk->size);
    out->size = LENGTH_SIZE;
    for (size_t i = 0; i < walk->size; i++, step(walk)) {
        Text text = {0, NULL};
        const int null = strings.load(allocator, walk->place, &text);
        if (null < 0) return NO_MEMORY;
        if (null) {
            bits->data[i >> 3] |= (uint8_t)(1u << (i & 7));
            any = true;
            text.size = 0;
        }
        if (text.size > UINT32_MAX || !is_utf8((const uint8_t *)text.data, text.size)) return BAD_TEXT;
        if (!reserve(out, out->size + LENGTH_SIZE + text.size)) return NO_MEMORY;
        write_u32(out->data + out->size, (uint32_t)text.size);
        if (text.size) memcpy(out->data + out->size + LENGTH_SIZE, text.data, text.size);
        out->size += LENGTH_SIZE + text.size;
    }
    if (!any) return OK;
    if (!reserve(out, out->size + sizeof MISSING_MARK + marks)) return NO_MEMORY;
    memcpy(out->data + out->size, MISSING_MARK, sizeof MISSING_MARK);
    memcpy(out->data + out->size + sizeof MISSING_MARK, bits->data, marks);
    out->size += sizeof MISSING_MARK + marks;
    return OK;
}

static int encode_texts(Workspace *space, Walk *walk)
{
    Allocator *allocator = strings.acquire(walk->dtype);
    const int status = encode_cells(space, allocator, walk);
    strings.release(allocator);
    return status;
}

/* Which cells are least and greatest: UTF-8 is in the order of the code points. */
typedef struct {
    size_t valid, least, most;
} Extremes;

static int compare_texts(const Text *one, const Text *other)
{
    const size_t common = one->size < other->size ? one->size : other->size;
    const int order = common ? memcmp(one->data, other->data, common) : 0;
    return order ? order : (one->size > other->size) - (one->size < other->size);
}

static int summarise_texts(Walk *walk, const uint8_t *hidden, const Text *fill, Extremes *found)
{
    Text least = {0, NULL}, most = {0, NULL};
    int status = OK;
    Allocator *allocator = strings.acquire(walk->dtype);
    for (size_t i = 0; i < walk->size; i++, step(walk)) {
        Text text = {0, NULL};
        const int null = strings.load(allocator, walk->place, &text);
        if (null < 0) {
            status = NO_MEMORY;
            break;
        }
        if (null || (hidden && hidden[i]) || (fill && compare_texts(&text, fill) == 0)) continue;
        if (found->valid == 0 || compare_texts(&text, &least) < 0) least = text, found->least = i;
        if (found->valid == 0 || compare_texts(&text, &most) > 0) most = text, found->most = i;
        found->valid++;
    }
    strings.release(allocator);
    return status;
}

/* ---- what Python calls ---- */

/* connect_texts(NumPy's capsule) */
static PyObject *native_connect_texts(PyObject *self, PyObject *capsule)
{
    (void)self;
    if (corrupt_error == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "connect() comes first");
        return NULL;
    }
    void **table = PyCapsule_GetPointer(capsule, NULL);
    if (table == NULL) return NULL;
    unsigned (*version)(void);
    memcpy(&version, &table[0], sizeof version);
    if (version() != NUMPY_ABI) {
        PyErr_SetString(PyExc_ImportError, "this NumPy has another binary interface");
        return NULL;
    }
    void **slots = table + FIRST_STRING_SLOT;
    void *chosen[] = {slots[0], slots[1], slots[2], slots[3], slots[5]};
    memcpy(&strings, chosen, sizeof strings);
    Py_RETURN_NONE;
}

static bool texts_ready(void)
{
    if (strings.load == NULL) PyErr_SetString(PyExc_RuntimeError, "connect_texts() comes first");
    return strings.load != NULL;
}

/* (dtype, address, shape, strides) */
static bool read_walk(PyObject *spec, Walk *walk)
{
    PyObject *dtype, *address, *shape, *strides;
    if (!texts_ready()) return false;
    if (!PyArg_ParseTuple(spec, "OOO!O!", &dtype, &address, &PyTuple_Type, &shape, &PyTuple_Type, &strides)) return false;
    walk->dtype = dtype;
    walk->place = PyLong_AsVoidPtr(address);
    walk->ndim = (int)PyTuple_Size(shape);
    walk->size = 1;
    if (PyErr_Occurred() || walk->ndim > MAX_AXES || PyTuple_Size(strides) != walk->ndim) {
        if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "an array has a stride for every axis");
        return false;
    }
    for (int axis = 0; axis < walk->ndim; axis++) {
        walk->shape[axis] = PyLong_AsLongLong(PyTuple_GetItem(shape, axis));
        walk->strides[axis] = PyLong_AsLongLong(PyTuple_GetItem(strides, axis));
        walk->at[axis] = 0;
        walk->size *= (size_t)walk->shape[axis];
    }
    return !PyErr_Occurred();
}

static PyObject *finish_texts(Workspace *space, int status)
{
    PyObject *result = NULL;
    if (status == BAD_TEXT)
        PyErr_SetString(PyExc_ValueError, "a string is no UTF-8, or longer than 2**32 - 1 bytes");
    else
        result = status == OK ? Py_NewRef(Py_None) : raise_status(space, status);
    return result;
}

/* find_places(bytes, places): an int64 for every cell and one more */
static PyObject *native_find_places(PyObject *self, PyObject *args)
{
    PyObject *source, *target, *result = NULL;
    Py_buffer bytes, places;
    (void)self;
    if (!texts_ready() || !PyArg_ParseTuple(args, "OO", &source, &target)) return NULL;
    if (PyObject_GetBuffer(source, &bytes, PyBUF_SIMPLE) < 0) return NULL;
    if (PyObject_GetBuffer(target, &places, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE) == 0) {
        Workspace *space = take_workspace();
        if (space == NULL || places.len < 8) {
            PyErr_SetString(PyExc_ValueError, "there is a place for every cell and one more");
        } else {
            const Bytes all = {bytes.buf, (size_t)bytes.len};
            result = finish_texts(space, find_places(space, all, places.buf, (size_t)(places.len / 8 - 1)));
        }
        if (space) give_back(space);
        PyBuffer_Release(&places);
    }
    PyBuffer_Release(&bytes);
    return result;
}

static PyObject *decode_checked_texts(Chunk *chunk, const Py_buffer *views, const Py_buffer *numbers, Walk *walk)
{
    *chunk = (Chunk){{views[0].buf, (size_t)views[0].len}, views[1].buf, (size_t)(views[1].len / 8), NULL, chunk->nullable};
    if (views[2].len) chunk->marks = views[2].buf;
    if ((views[2].len && (size_t)views[2].len < (chunk->count + 7) / 8) ||
        (numbers && (size_t)numbers->len != walk->size * 8)) {
        PyErr_SetString(PyExc_ValueError, "there is a number for every cell of the array, and a mark for every cell");
        return NULL;
    }
    Workspace *space = take_workspace();
    if (space == NULL) return PyErr_NoMemory();
    int status;
    Py_BEGIN_ALLOW_THREADS
    status = decode_texts(space, chunk, numbers ? numbers->buf : NULL, walk);
    Py_END_ALLOW_THREADS
    PyObject *result = finish_texts(space, status);
    give_back(space);
    return result;
}

/* decode_texts(bytes, places, marks, numbers or None, array, nullable?) */
static PyObject *native_decode_texts(PyObject *self, PyObject *args)
{
    PyObject *objects[4], *spec;
    int nullable, taken = 0;
    Py_buffer views[4];
    Walk walk;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOOOO!p", &objects[0], &objects[1], &objects[2], &objects[3], &PyTuple_Type, &spec, &nullable))
        return NULL;
    if (!read_walk(spec, &walk)) return NULL;
    const int wanted = objects[3] == Py_None ? 3 : 4;
    while (taken < wanted && PyObject_GetBuffer(objects[taken], &views[taken], PyBUF_C_CONTIGUOUS) == 0) taken++;
    Chunk chunk = {.nullable = nullable};
    PyObject *result = NULL;
    if (taken == wanted) result = decode_checked_texts(&chunk, views, wanted == 4 ? &views[3] : NULL, &walk);
    while (taken > 0) PyBuffer_Release(&views[--taken]);
    return result;
}

/* encode_texts(array) -> bytes */
static PyObject *native_encode_texts(PyObject *self, PyObject *spec)
{
    Walk walk;
    (void)self;
    if (!read_walk(spec, &walk)) return NULL;
    if (walk.size > UINT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "a chunk has too many cells");
        return NULL;
    }
    Workspace *space = take_workspace();
    if (space == NULL) return PyErr_NoMemory();
    int status;
    Py_BEGIN_ALLOW_THREADS
    status = encode_texts(space, &walk);
    Py_END_ALLOW_THREADS
    PyObject *result = status == OK
                           ? PyBytes_FromStringAndSize((const char *)space->encoded.data, (Py_ssize_t)space->encoded.size)
                           : finish_texts(space, status);
    give_back(space);
    return result;
}

/* summarise_texts(array, hidden or None, fill or None) -> (valid, number of the least, number of the greatest) */
static PyObject *native_summarise_texts(PyObject *self, PyObject *args)
{
    PyObject *spec, *mask;
    const char *filler;
    Py_ssize_t filler_size;
    Py_buffer hidden = {0};
    Walk walk;
    (void)self;
    if (!PyArg_ParseTuple(args, "O!Oz#", &PyTuple_Type, &spec, &mask, &filler, &filler_size)) return NULL;
    if (!read_walk(spec, &walk)) return NULL;
    if (mask != Py_None && PyObject_GetBuffer(mask, &hidden, PyBUF_C_CONTIGUOUS) < 0) return NULL;
    const Text fill = {(size_t)filler_size, filler};
    Extremes found = {0, 0, 0};
    int status = OK;
    if (mask != Py_None && (size_t)hidden.len != walk.size) {
        PyErr_SetString(PyExc_ValueError, "a mask has a byte for every cell");
        PyBuffer_Release(&hidden);
        return NULL;
    }
    Py_BEGIN_ALLOW_THREADS
    status = summarise_texts(&walk, hidden.buf, filler ? &fill : NULL, &found);
    Py_END_ALLOW_THREADS
    if (mask != Py_None) PyBuffer_Release(&hidden);
    return status == OK ? Py_BuildValue("nnn", (Py_ssize_t)found.valid, (Py_ssize_t)found.least, (Py_ssize_t)found.most)
                        : PyErr_NoMemory();
}

#define TEXT_METHODS                                                                                                   \
    {"connect_texts", native_connect_texts, METH_O, NULL}, {"find_places", native_find_places, METH_VARARGS, NULL},  \
        {"decode_texts", native_decode_texts, METH_VARARGS, NULL},                                                     \
        {"encode_texts", native_encode_texts, METH_O, NULL},                                                           \
        {"summarise_texts", native_summarise_texts, METH_VARARGS, NULL},

#endif
