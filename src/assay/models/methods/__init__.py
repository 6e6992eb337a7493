"""What a method makes trainable in a loaded base, beside plain low-rank adapters; no training."""
