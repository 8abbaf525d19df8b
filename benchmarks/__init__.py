"""Benchmarks of this project against its rivals; no part of the package."""
