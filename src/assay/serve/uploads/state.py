"""What is said where an upload's state does not allow what was asked."""

from __future__ import annotations

from assay.serve.errors import ApiError, refuse


def refuse_state(status: str) -> ApiError:
    """400: the upload has ended."""
    told = f"The upload is {status}: it takes no parts, and cannot be completed or cancelled."
    return refuse(told, param="upload_id", code=f"upload_{status}")
