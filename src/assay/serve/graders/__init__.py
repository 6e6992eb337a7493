"""Graders over HTTP: a description is checked, and run on one answer."""
