"""Pure tensor functions, one file per objective; nothing here knows a model, a batch or a file."""
