"""The proof of the gates: known-bad models and benign twins, judged by the policies."""
