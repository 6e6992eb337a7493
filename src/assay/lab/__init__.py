"""Builds the embedded base `tiny` from this repository alone, and the world it learns."""
