"""Which chunks, which cells, which labels? Pure plans without I/O."""
