"""Uploads in parts: large files, piece by piece, joined in the order that their owner names."""
