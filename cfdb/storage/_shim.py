"""Temporary: until the pipeline has its own."""

from cfdb.format.codecs import CodecPipeline


def decode_boxes(self, payloads, starts, counts, out, targets):
    rows = zip(payloads, starts.tolist(), counts.tolist(), targets.tolist())
    for payload, start, count, target in rows:
        where = tuple(slice(t, t + c) for t, c in zip(target, count))
        self.decode_into(payload, out[(*where, ...)], tuple(slice(s, s + c) for s, c in zip(start, count)))


if not hasattr(CodecPipeline, "decode_boxes"):
    CodecPipeline.decode_boxes = decode_boxes
    CodecPipeline.encode_cells_many = lambda self, cells: [self.encode_cells(x) for x in cells]
if not hasattr(CodecPipeline, "block_shape"):
    CodecPipeline.block_shape = property(lambda self: self.shape)
