"""Stored chat completions: kept where a request asks for it, listed, read, deleted, judged."""
