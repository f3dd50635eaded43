/* cfdb.kernel._native: chunks to bytes and boxes of cells back, without the GIL.
 *
 * This file takes arguments from Python and checks them; the work is in encode.h and decode.h, the loops over cells in
 * rows.h. The parameters come checked from cfdb.kernel.native; payloads may be anything. */
#include <pyconfig.h>
#ifndef Py_GIL_DISABLED
#define Py_LIMITED_API 0x030B0000
#endif
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "kernel.h"
#include "loops.h"
#include "zstd.h"
#include "encode.h"
#include "decode.h"
#include "replace.h"

static PyObject *corrupt_error;

static PyObject *raise_status(const Workspace *space, int status)
{
    if (status == NO_MEMORY) return PyErr_NoMemory();
    if (status == CORRUPT) {
        PyErr_SetString(corrupt_error, space->problem);
        return NULL;
    }
    PyErr_SetString(PyExc_RuntimeError, "libzstd could not compress a chunk");
    return NULL;
}

/* ---- arguments ---- */

static bool read_lengths(PyObject *lengths, int ndim, int64_t *out)
{
    for (int axis = 0; axis < ndim; axis++) {
        out[axis] = PyLong_AsLongLong(PyTuple_GetItem(lengths, axis));
        if (PyErr_Occurred()) return false;
        if (out[axis] < 1) {
            PyErr_SetString(PyExc_ValueError, "chunks and blocks have at least one cell along every axis");
            return false;
        }
    }
    return true;
}

/* (kind, itemsize, width, level, chunk shape, block shape) */
static bool read_codec(PyObject *spec, Codec *codec)
{
    if (corrupt_error == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "connect() comes first");
        return false;
    }
    Py_ssize_t itemsize, width;
    PyObject *shape, *block;
    if (!PyArg_ParseTuple(spec, "inniO!O!", &codec->kind, &itemsize, &width, &codec->level, &PyTuple_Type, &shape,
                          &PyTuple_Type, &block))
        return false;
    const Py_ssize_t ndim = PyTuple_Size(shape);
    codec->truth = codec->kind == KIND_TRUTH && itemsize == 1;
    if (codec->truth) codec->kind = KIND_UNSIGNED;
    const bool number = codec->kind != KIND_OPAQUE;
    const bool known = itemsize == 8 || itemsize == 4 || (codec->kind != KIND_FLOAT && (itemsize == 2 || itemsize == 1));
    if (codec->kind < KIND_FLOAT || codec->kind > KIND_OPAQUE || itemsize < 1 || width < 1 || itemsize % width ||
        (number && (!known || width != itemsize)) || ndim > MAX_AXES || PyTuple_Size(block) != ndim) {
        PyErr_SetString(PyExc_ValueError, "the parameters of the codec do not belong together");
        return false;
    }
    codec->itemsize = (size_t)itemsize;
    codec->width = (size_t)width;
    codec->ndim = ndim ? (int)ndim : 1;
    codec->shape[0] = codec->block[0] = 1;
    if (!read_lengths(shape, (int)ndim, codec->shape) || !read_lengths(block, (int)ndim, codec->block)) return false;
    codec->cells = 1;
    for (int axis = 0; axis < codec->ndim; axis++) {
        if (codec->block[axis] > codec->shape[axis]) codec->block[axis] = codec->shape[axis];
        if ((uint64_t)codec->shape[axis] > MAX_CHUNK / codec->cells / codec->itemsize) {
            PyErr_SetString(PyExc_ValueError, "a chunk has more than 2 GiB");
            return false;
        }
        codec->cells *= (size_t)codec->shape[axis];
    }
    return true;
}

/* None or (base or None, factor, offset, fill or None, itemsize of the floats) */
static bool read_conversion(PyObject *spec, const Codec *codec, Conversion *conversion)
{
    memset(conversion, 0, sizeof *conversion);
    if (spec == Py_None) return true;
    PyObject *base, *fill;
    Py_ssize_t outsize;
    if (!PyArg_ParseTuple(spec, "OddOn", &base, &conversion->factor, &conversion->offset, &fill, &outsize)) return false;
    if ((codec->kind != KIND_SIGNED && codec->kind != KIND_UNSIGNED) || (outsize != 4 && outsize != 8)) {
        PyErr_SetString(PyExc_ValueError, "only integers are converted, and only to float32 and float64");
        return false;
    }
    conversion->wanted = true;
    conversion->outsize = (size_t)outsize;
    conversion->has_base = base != Py_None;
    conversion->has_fill = fill != Py_None;
    if (conversion->has_base) conversion->base = PyFloat_AsDouble(base);
    if (conversion->has_fill) conversion->fill = PyLong_AsUnsignedLongLongMask(fill);
    return !PyErr_Occurred();
}

static bool has_shape(const Py_buffer *view, const Codec *codec, bool exact)
{
    if (view->ndim == 0) return codec->ndim == 1 && codec->shape[0] == 1;
    if (view->ndim != codec->ndim) return false;
    for (int axis = 0; exact && axis < codec->ndim; axis++)
        if (view->shape[axis] != codec->shape[axis]) return false;
    return true;
}

static void copy_strides(const Py_buffer *view, int64_t *strides)
{
    strides[0] = (int64_t)view->itemsize;
    for (int axis = 0; axis < view->ndim; axis++) strides[axis] = (int64_t)view->strides[axis];
}

static void release_all(Py_buffer *views, Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count; i++) PyBuffer_Release(&views[i]);
    PyMem_Free(views);
}

/* Buffers of all members of a tuple; NULL with an exception. */
static Py_buffer *take_buffers(PyObject *members, int flags)
{
    const Py_ssize_t count = PyTuple_Size(members);
    Py_buffer *views = PyMem_Calloc((size_t)count + 1, sizeof *views);
    if (views == NULL) return (Py_buffer *)PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++) {
        if (PyObject_GetBuffer(PyTuple_GetItem(members, i), &views[i], flags) < 0) {
            release_all(views, i);
            return NULL;
        }
    }
    return views;
}

/* ---- encode ---- */

static PyObject *bytes_of_all(const Workspace *space, const size_t *ends, Py_ssize_t count)
{
    PyObject *list = PyList_New(count);
    size_t start = 0;
    for (Py_ssize_t i = 0; list != NULL && i < count; i++) {
        PyObject *bytes = PyBytes_FromStringAndSize((const char *)space->encoded.data + start, (Py_ssize_t)(ends[i] - start));
        start = ends[i];
        if (bytes == NULL || PyList_SetItem(list, i, bytes) < 0) {
            Py_DECREF(list);
            return NULL;
        }
    }
    return list;
}

static PyObject *encode_views(const Codec *codec, const Py_buffer *views, Py_ssize_t count)
{
    Workspace *space = take_workspace();
    size_t *ends = PyMem_Calloc((size_t)count + 1, sizeof *ends);
    int status = space == NULL || ends == NULL ? NO_MEMORY : OK;
    if (status == OK) {
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t i = 0; i < count && status == OK; i++) {
            int64_t strides[MAX_AXES];
            copy_strides(&views[i], strides);
            const Cells cells = {views[i].buf, strides};
            status = encode_chunk(space, codec, &cells);
            ends[i] = space->encoded.size;
        }
        Py_END_ALLOW_THREADS
    }
    PyObject *result = status == OK ? bytes_of_all(space, ends, count) : raise_status(space, status);
    PyMem_Free(ends);
    if (space) give_back(space);
    return result;
}

static PyObject *native_encode_chunks(PyObject *self, PyObject *args)
{
    PyObject *spec, *chunks;
    Codec codec = {0};
    (void)self;
    if (!PyArg_ParseTuple(args, "O!O!", &PyTuple_Type, &spec, &PyTuple_Type, &chunks)) return NULL;
    if (!read_codec(spec, &codec)) return NULL;
    Py_buffer *views = take_buffers(chunks, PyBUF_STRIDES);
    if (views == NULL) return NULL;
    const Py_ssize_t count = PyTuple_Size(chunks);
    PyObject *result = NULL;
    Py_ssize_t fitting = 0;
    while (fitting < count && (size_t)views[fitting].itemsize == codec.itemsize && has_shape(&views[fitting], &codec, true))
        fitting++;
    if (fitting == count)
        result = encode_views(&codec, views, count);
    else
        PyErr_SetString(PyExc_ValueError, "a chunk has not the shape or the type of the codec");
    release_all(views, count);
    return result;
}

/* ---- decode ---- */

typedef struct {
    const int64_t *starts, *counts, *targets;
} Boxes;

static bool boxes_fit(const Codec *codec, const Py_buffer *out, const Boxes *boxes, Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count; i++)
        for (int axis = 0; axis < codec->ndim && out->ndim; axis++) {
            const Py_ssize_t at = i * codec->ndim + axis;
            const int64_t start = boxes->starts[at], length = boxes->counts[at], target = boxes->targets[at];
            if (length < 0 || start < 0 || target < 0 || length > codec->shape[axis] ||
                start > codec->shape[axis] - length || length > out->shape[axis] ||
                target > (int64_t)out->shape[axis] - length)
                return false;
        }
    return true;
}

static int decode_all(Workspace *space, const Codec *codec, const Conversion *conversion, const Py_buffer *payloads,
                      const Py_buffer *out, const Boxes *boxes, Py_ssize_t count)
{
    int64_t strides[MAX_AXES];
    copy_strides(out, strides);
    for (Py_ssize_t i = 0; i < count; i++) {
        Target target;
        target.out = out->buf;
        target.strides = strides;
        target.start[0] = 0;
        target.count[0] = 1;
        for (int axis = 0; axis < out->ndim; axis++) {
            const Py_ssize_t at = i * codec->ndim + axis;
            target.start[axis] = boxes->starts[at];
            target.count[axis] = boxes->counts[at];
            target.out += boxes->targets[at] * strides[axis];
        }
        const Bytes payload = {payloads[i].buf, (size_t)payloads[i].len};
        const int status = decode_chunk(space, codec, conversion, payload, &target);
        if (status != OK) return status;
    }
    return OK;
}

static PyObject *decode_views(const Codec *codec, const Conversion *conversion, const Py_buffer *payloads,
                              const Py_buffer *out, const Boxes *boxes, Py_ssize_t count)
{
    Workspace *space = take_workspace();
    if (space == NULL) return PyErr_NoMemory();
    int status;
    Py_BEGIN_ALLOW_THREADS
    status = decode_all(space, codec, conversion, payloads, out, boxes, count);
    Py_END_ALLOW_THREADS
    PyObject *result = status == OK ? Py_NewRef(Py_None) : raise_status(space, status);
    give_back(space);
    return result;
}

/* views: out, starts, counts, targets */
static PyObject *decode_checked(const Codec *codec, const Conversion *conversion, PyObject *payloads,
                                const Py_buffer *views)
{
    const Py_ssize_t count = PyTuple_Size(payloads);
    const Py_buffer *out = &views[0];
    const Boxes boxes = {views[1].buf, views[2].buf, views[3].buf};
    const Py_ssize_t numbers = out->ndim ? count * codec->ndim : 0;
    for (int i = 1; i < 4; i++)
        if (views[i].len != numbers * 8) {
            PyErr_SetString(PyExc_ValueError, "starts, counts and targets have one row for every payload");
            return NULL;
        }
    if (!has_shape(out, codec, false) || (size_t)out->itemsize != out_size(codec, conversion)) {
        PyErr_SetString(PyExc_ValueError, "the destination has not the axes or the type of the chunks");
        return NULL;
    }
    if (!boxes_fit(codec, out, &boxes, count)) {
        PyErr_SetString(PyExc_ValueError, "a box reaches beyond its chunk or beyond the destination");
        return NULL;
    }
    Py_buffer *bytes = take_buffers(payloads, PyBUF_SIMPLE);
    if (bytes == NULL) return NULL;
    PyObject *result = decode_views(codec, conversion, bytes, out, &boxes, count);
    release_all(bytes, count);
    return result;
}

static PyObject *native_decode_boxes(PyObject *self, PyObject *args)
{
    PyObject *spec, *payloads, *how, *arrays[4];
    Codec codec = {0};
    Conversion conversion;
    Py_buffer views[4];
    (void)self;
    if (!PyArg_ParseTuple(args, "O!O!OOOOO", &PyTuple_Type, &spec, &PyTuple_Type, &payloads, &arrays[1], &arrays[2],
                          &arrays[0], &arrays[3], &how))
        return NULL;
    if (!read_codec(spec, &codec) || !read_conversion(how, &codec, &conversion)) return NULL;
    int taken = 0;
    for (; taken < 4; taken++) {
        const int flags = taken ? PyBUF_C_CONTIGUOUS : PyBUF_STRIDES | PyBUF_WRITABLE;
        if (PyObject_GetBuffer(arrays[taken], &views[taken], flags) < 0) break;
    }
    PyObject *result = taken == 4 ? decode_checked(&codec, &conversion, payloads, views) : NULL;
    while (taken > 0) PyBuffer_Release(&views[--taken]);
    return result;
}

/* ---- replace ---- */

/* Takes box number `i`; false when it is empty or reaches beyond the chunk. */
static bool read_change(const Codec *codec, const Py_buffer *view, const int64_t *starts, Py_ssize_t i, Change *change)
{
    if ((size_t)view->itemsize != codec->itemsize || !has_shape(view, codec, false)) return false;
    change->cells = view->buf;
    change->start[0] = 0;
    change->count[0] = 1;
    copy_strides(view, change->strides);
    for (int axis = 0; axis < view->ndim; axis++) {
        const int64_t start = change->start[axis] = starts[i * codec->ndim + axis], count = (int64_t)view->shape[axis];
        change->count[axis] = count;
        if (count < 1 || count > codec->shape[axis] || start < 0 || start > codec->shape[axis] - count) return false;
    }
    return true;
}

static PyObject *replace_views(const Codec *codec, const Py_buffer *payloads, Change *changes, Py_ssize_t count)
{
    Workspace *space = take_workspace();
    size_t *ends = PyMem_Calloc((size_t)count + 1, sizeof *ends);
    int status = space == NULL || ends == NULL ? NO_MEMORY : OK;
    if (status == OK) {
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t i = 0; i < count && status == OK; i++) {
            if (payloads[i].len) changes[i].payload = (Bytes){payloads[i].buf, (size_t)payloads[i].len};
            status = replace_box(space, codec, &changes[i]);
            ends[i] = space->encoded.size;
        }
        Py_END_ALLOW_THREADS
    }
    PyObject *result = status == OK ? bytes_of_all(space, ends, count) : raise_status(space, status);
    PyMem_Free(ends);
    if (space) give_back(space);
    return result;
}

/* views: starts, fill */
static PyObject *replace_checked(const Codec *codec, const Py_buffer *payloads, const Py_buffer *boxes,
                                 Py_ssize_t count, const Py_buffer *views)
{
    const Py_ssize_t axes = count && boxes[0].ndim == 0 ? 0 : codec->ndim;
    if (views[0].len != count * axes * 8 || (size_t)views[1].len != codec->itemsize) {
        PyErr_SetString(PyExc_ValueError, "there is one start for every box, and one cell of fill");
        return NULL;
    }
    Change *changes = PyMem_Calloc((size_t)count + 1, sizeof *changes);
    if (changes == NULL) return PyErr_NoMemory();
    Py_ssize_t fitting = 0;
    while (fitting < count && read_change(codec, &boxes[fitting], views[0].buf, fitting, &changes[fitting]))
        changes[fitting++].fill = views[1].buf;
    PyObject *result = NULL;
    if (fitting == count)
        result = replace_views(codec, payloads, changes, count);
    else
        PyErr_SetString(PyExc_ValueError, "a box is empty, reaches beyond its chunk, or has not the axes or the type of the codec");
    PyMem_Free(changes);
    return result;
}

/* (codec, payloads: empty for chunks never written, boxes, starts, fill) -> payloads */
static PyObject *native_replace_boxes(PyObject *self, PyObject *args)
{
    PyObject *spec, *payloads, *boxes, *arrays[2];
    Codec codec = {0};
    Py_buffer views[2];
    (void)self;
    if (!PyArg_ParseTuple(args, "O!O!O!OO", &PyTuple_Type, &spec, &PyTuple_Type, &payloads, &PyTuple_Type, &boxes,
                          &arrays[0], &arrays[1]))
        return NULL;
    if (!read_codec(spec, &codec)) return NULL;
    const Py_ssize_t count = PyTuple_Size(boxes);
    if (PyTuple_Size(payloads) != count) {
        PyErr_SetString(PyExc_ValueError, "there is one payload, or none, for every box");
        return NULL;
    }
    PyObject *result = NULL;
    Py_buffer *bytes = take_buffers(payloads, PyBUF_SIMPLE);
    if (bytes == NULL) return NULL;
    Py_buffer *cells = take_buffers(boxes, PyBUF_STRIDES);
    int taken = 0;
    for (; cells && taken < 2; taken++)
        if (PyObject_GetBuffer(arrays[taken], &views[taken], PyBUF_C_CONTIGUOUS) < 0) break;
    if (taken == 2) result = replace_checked(&codec, bytes, cells, count, views);
    while (taken > 0) PyBuffer_Release(&views[--taken]);
    if (cells) release_all(cells, count);
    release_all(bytes, count);
    return result;
}

/* ---- statistics and shuffle ---- */

/* (kind, scale, values) -> (missing, minimum, maximum, total or parts ...); see cfdb.kernel.native */
static PyObject *summarise_view(int kind, double scale, const Py_buffer *view)
{
    const size_t n = (size_t)(view->len / view->itemsize), itemsize = (size_t)view->itemsize;
    Summary sum = {INFINITY, -INFINITY, 0, scale, {0}, 0, 0, 0, 0, 0};
    const int index = width_index((int)itemsize);
    Py_BEGIN_ALLOW_THREADS
    if (kind == KIND_FLOAT)
        loops->summarise_float[itemsize == 8](view->buf, n, &sum);
    else
        loops->summarise_integer[kind == KIND_UNSIGNED][index](view->buf, n, &sum);
    Py_END_ALLOW_THREADS
    if (kind == KIND_FLOAT && itemsize == 4) return Py_BuildValue("Kdd(d)", (unsigned long long)sum.missing, sum.least, sum.most, sum.total);
    if (kind == KIND_FLOAT) {
        PyObject *parts = PyTuple_New(16);
        for (int i = 0; parts != NULL && i < 16; i++) PyTuple_SetItem(parts, i, PyFloat_FromDouble(sum.parts[i]));
        return parts ? Py_BuildValue("KddN", (unsigned long long)sum.missing, sum.least, sum.most, parts) : NULL;
    }
    const char *form = kind == KIND_SIGNED ? (itemsize == 8 ? "iLL(LK)" : "iLL(LL)") : "iKK(KK)";
    if (itemsize == 8) return Py_BuildValue(form, 0, sum.bits_least, sum.bits_most, sum.high, sum.low);
    return Py_BuildValue(form, 0, sum.bits_least, sum.bits_most, (uint64_t)0, sum.low);
}

static PyObject *native_summarise(PyObject *self, PyObject *args)
{
    int kind;
    double scale;
    PyObject *values, *result = NULL;
    Py_buffer view;
    (void)self;
    if (!PyArg_ParseTuple(args, "idO", &kind, &scale, &values)) return NULL;
    if (PyObject_GetBuffer(values, &view, PyBUF_C_CONTIGUOUS) < 0) return NULL;
    const Py_ssize_t size = view.itemsize;
    const bool known = kind == KIND_FLOAT ? size == 4 || size == 8 : size == 1 || size == 2 || size == 4 || size == 8;
    if (kind < KIND_FLOAT || kind > KIND_UNSIGNED || !known || view.len < size || (uint64_t)(view.len / size) >= UINT32_MAX / 2)
        PyErr_SetString(PyExc_ValueError, "statistics are of one to 2**31 numbers of 1, 2, 4 or 8 bytes");
    else
        result = summarise_view(kind, scale, &view);
    PyBuffer_Release(&view);
    return result;
}

/* (floats, codes, base or None, factor, offset, fill, signed?, lowest, highest) -> how many have no code */
static PyObject *native_pack_floats(PyObject *self, PyObject *args)
{
    PyObject *values, *codes, *base, *result = NULL;
    Conversion how = {0};
    unsigned long long fill;
    int is_signed;
    double low, high;
    Py_buffer from, to;
    (void)self;
    if (!PyArg_ParseTuple(args, "OOOddKpdd", &values, &codes, &base, &how.factor, &how.offset, &fill, &is_signed, &low,
                          &high))
        return NULL;
    how.fill = fill;
    how.has_base = base != Py_None;
    if (how.has_base) how.base = PyFloat_AsDouble(base);
    if (PyErr_Occurred() || PyObject_GetBuffer(values, &from, PyBUF_C_CONTIGUOUS) < 0) return NULL;
    if (PyObject_GetBuffer(codes, &to, PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE) == 0) {
        const Py_ssize_t size = to.itemsize, n = to.len / to.itemsize;
        if ((from.itemsize != 4 && from.itemsize != 8) || (size != 1 && size != 2 && size != 4 && size != 8) ||
            from.len / from.itemsize != n) {
            PyErr_SetString(PyExc_ValueError, "floats of 4 or 8 bytes are packed into as many integers");
        } else {
            const int index = size == 8 ? 4 - is_signed : width_index((int)size);
            size_t misfits;
            Py_BEGIN_ALLOW_THREADS
            misfits = loops->pack[from.itemsize == 8][index](from.buf, (size_t)n, &how, low, high, to.buf);
            Py_END_ALLOW_THREADS
            result = PyLong_FromSize_t(misfits);
        }
        PyBuffer_Release(&to);
    }
    PyBuffer_Release(&from);
    return result;
}

static PyObject *reorder(PyObject *args, bool back)
{
    PyObject *source, *destination, *result = NULL;
    Py_ssize_t width;
    Py_buffer from, to;
    if (!PyArg_ParseTuple(args, "OOn", &source, &destination, &width)) return NULL;
    if (PyObject_GetBuffer(source, &from, PyBUF_SIMPLE) < 0) return NULL;
    if (PyObject_GetBuffer(destination, &to, PyBUF_WRITABLE) == 0) {
        if (width < 1 || from.len != to.len || from.len % width) {
            PyErr_SetString(PyExc_ValueError, "the bytes are not whole cells of that width");
        } else {
            const size_t n = (size_t)(from.len / width);
            Codec codec = {.itemsize = (size_t)width, .width = (size_t)width};
            Py_BEGIN_ALLOW_THREADS
            if (back)
                unshuffle_row(&codec, from.buf, n, 0, n, to.buf);
            else
                shuffle_bytes(from.buf, n, (size_t)width, to.buf);
            Py_END_ALLOW_THREADS
            result = Py_NewRef(Py_None);
        }
        PyBuffer_Release(&to);
    }
    PyBuffer_Release(&from);
    return result;
}

static PyObject *native_shuffle(PyObject *self, PyObject *args)
{
    (void)self;
    return reorder(args, false);
}

static PyObject *native_unshuffle(PyObject *self, PyObject *args)
{
    (void)self;
    return reorder(args, true);
}

#include "texts.h"

/* ---- module ---- */

/* connect(addresses of libzstd's functions in the order of Zstd, error for corrupt bytes) */
static PyObject *native_connect(PyObject *self, PyObject *args)
{
    PyObject *addresses, *error;
    void *found[sizeof(Zstd) / sizeof(void *)];
    (void)self;
    if (!PyArg_ParseTuple(args, "O!O", &PyTuple_Type, &addresses, &error)) return NULL;
    if (PyTuple_Size(addresses) != (Py_ssize_t)(sizeof found / sizeof *found)) {
        PyErr_SetString(PyExc_ValueError, "an address is needed for every function of libzstd");
        return NULL;
    }
    for (size_t i = 0; i < sizeof found / sizeof *found; i++) {
        found[i] = PyLong_AsVoidPtr(PyTuple_GetItem(addresses, (Py_ssize_t)i));
        if (found[i] == NULL) {
            if (!PyErr_Occurred()) PyErr_SetString(PyExc_ValueError, "a function of libzstd has no address");
            return NULL;
        }
    }
    memcpy(&zstd, found, sizeof zstd);
    Py_XDECREF(corrupt_error);
    corrupt_error = Py_NewRef(error);
    Py_RETURN_NONE;
}

/* use_instructions(0 plain, 1 AVX2, 2 AVX-512): at most what the machine has; for tests and measurements */
static PyObject *native_use_instructions(PyObject *self, PyObject *args)
{
    int level;
    (void)self;
    if (!PyArg_ParseTuple(args, "i", &level)) return NULL;
    loops = choose_loops(level);
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"connect", native_connect, METH_VARARGS, NULL},
    {"encode_chunks", native_encode_chunks, METH_VARARGS, NULL},
    {"decode_boxes", native_decode_boxes, METH_VARARGS, NULL},
    {"replace_boxes", native_replace_boxes, METH_VARARGS, NULL},
    {"summarise", native_summarise, METH_VARARGS, NULL},
    {"pack_floats", native_pack_floats, METH_VARARGS, NULL},
    {"shuffle", native_shuffle, METH_VARARGS, NULL},
    {"unshuffle", native_unshuffle, METH_VARARGS, NULL},
    TEXT_METHODS
    {"use_instructions", native_use_instructions, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_native", NULL, -1, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__native(void)
{
    loops = choose_loops(2);
    return PyModule_Create(&definition);
}
