"""Batches: files of requests that are answered beside others, and go on after a crash."""
