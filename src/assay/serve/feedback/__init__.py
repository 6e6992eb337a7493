"""Feedback: what users say of stored completions, from which better models are tuned."""
