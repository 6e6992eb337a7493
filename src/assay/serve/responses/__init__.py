"""The Responses interface: items in and out, over the code that answers chat completions."""
