"""How fast and how small is it, beside every peer and beside the limit? `make bench` tells, in docs/benchmarks.md."""
