"""Samples text and scores it behind one interface; it knows no task, metric or recipe."""

from assay.generate.engine import Engine, Generation, Sampling, SequenceScore

__all__ = ["Engine", "Generation", "Sampling", "SequenceScore"]
