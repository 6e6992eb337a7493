"""Files: uploaded, checked at the door, listed, read and deleted."""
