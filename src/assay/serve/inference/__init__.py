"""Answers of one base and of many adapters over it: a thread that decodes, and its routes."""
