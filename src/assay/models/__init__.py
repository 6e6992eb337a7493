"""Loads bases, adds and saves adapters, merges and exports; it knows nothing of data or losses."""
