"""Loss terms and transforms that keep what tuning would push aside."""
