"""The bulk of C-STORE, in and out: blocking sockets, struct-coded command sets, no data set decoded.

Negotiation is pynetdicom's own code; see `docs/decisions/0006-a-data-plane-of-our-own.md`.
"""
