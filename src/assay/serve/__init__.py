"""The server: OpenAI's interface for files, fine-tuning and inference, and the jobs behind it."""
