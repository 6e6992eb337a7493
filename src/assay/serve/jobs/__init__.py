"""Fine-tuning jobs: a request becomes a recipe, and a worker runs it as `assay run` does."""
