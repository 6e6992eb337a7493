"""Signs what webhooks tell, as OpenAI's client checks it (`client.webhooks.unwrap`).

Source: Standard Webhooks, "Webhook signatures": HMAC-SHA256 over ``ID.TIMESTAMP.BODY``.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence

import assay

_PREFIX = "whsec_"


def build_headers(
    identity: str, timestamp_s: int, body: str, signing: Sequence[str]
) -> dict[str, str]:
    """The headers of one telling; a signature by each of the secrets `signing`."""
    signed = f"{identity}.{timestamp_s}.{body}".encode()
    return {
        "content-type": "application/json",
        "user-agent": f"assay/{assay.__version__}",
        "webhook-id": identity,
        "webhook-timestamp": str(timestamp_s),
        "webhook-signature": " ".join(f"v1,{_sign(signed, secret)}" for secret in signing),
    }


def _sign(signed: bytes, secret: str) -> str:
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
