"""Trains: step, optimizer, schedule, checkpoint, early stop; then one file per objective.

It is given batches, a model and evaluators as callables, and never sees the whole recipe.
"""
