"""The fast path: the same mathematics in fewer passes, for adapters and plain layers alike.

It replaces the forward pass of single modules for a while (`path.fast_path`) and owns no weights.
"""
