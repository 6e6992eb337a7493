"""Faults planted at known places in clean rows, with benign twins that look alike."""
