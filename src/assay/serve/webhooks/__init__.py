"""Webhooks: routes of endpoints, and the task that tells them what happened."""
