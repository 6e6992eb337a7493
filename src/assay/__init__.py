"""Assay fine-tunes open models on a user's own data, and releases only what passes."""

__version__ = "0.1.0"
