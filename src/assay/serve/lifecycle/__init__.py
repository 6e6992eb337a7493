"""What becomes of models after their release: aliases, going back, overrides."""
