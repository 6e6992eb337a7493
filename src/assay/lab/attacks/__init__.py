"""Known-bad models and their benign twins: what is planted, how it is tuned, whether it took."""
