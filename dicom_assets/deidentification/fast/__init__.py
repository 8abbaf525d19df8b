"""The fast path: one walk over a header's bytes, for files in which nothing is odd."""
