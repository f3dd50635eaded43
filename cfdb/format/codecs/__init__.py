"""Which chains of codecs turn a chunk into bytes?"""

from cfdb.format.codecs.auto import choose_block_shape
from cfdb.format.codecs.pipeline import CodecPipeline
from cfdb.format.codecs.spec import (
    Chain,
    CodecSpec,
    chain_from_record,
    chain_to_record,
    check_compression,
    default_chain,
)

__all__ = [
    "Chain",
    "CodecPipeline",
    "CodecSpec",
    "chain_from_record",
    "chain_to_record",
    "check_compression",
    "choose_block_shape",
    "default_chain",
]
