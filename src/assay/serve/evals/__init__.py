"""Evals by OpenAI's interface: criteria that graders judge, and runs of them in the server."""
