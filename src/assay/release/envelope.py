"""The signature file beside a manifest: a detached DSSE envelope; knows nothing of the payload.

Signed is DSSE's pre-authentication encoding of the payload type and the payload, so that a
signature made for one kind of file is never good for another. The envelope has one spelling: any
other bytes, even other spaces, are refused.
Source: https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import Any

from assay.errors import ReleaseError
from assay.release.keys import PublicKey, SigningKey
from assay.runs.atomic import canonical_json

PAYLOAD_TYPE = "application/vnd.assay.release+json"
ALGORITHM = "ed25519"


@dataclass(frozen=True)
class Envelope:
    """A signature of 64 bytes and the key that is said to have made it."""

    signature: bytes
    signer: PublicKey

    def covers(self, payload: bytes) -> bool:
        """Whether the signature is the signer's over `payload`."""
        return self.signer.verifies(self.signature, encode_for_signing(payload))

    def to_bytes(self) -> bytes:
        """Write the envelope in its one spelling."""
        return canonical_json(self._fields()) + b"\n"

    def _fields(self) -> dict[str, Any]:
        signature = {"keyid": self.signer.key_id, "sig": _to_base64(self.signature)}
        return {
            "algorithm": ALGORITHM,
            "payloadType": PAYLOAD_TYPE,
            "publicKey": _to_base64(self.signer.raw),
            "signatures": [signature],
        }


def sign_payload(payload: bytes, key: SigningKey) -> Envelope:
    """Sign `payload` with `key`."""
    return Envelope(key.sign(encode_for_signing(payload)), key.public)


def parse_envelope(content: bytes) -> Envelope:
    """Read a signature file.

    Raises:
        ReleaseError: it is not an envelope of ours in its one spelling.
    """
    try:
        fields = json.loads(content)
        signature = base64.b64decode(fields["signatures"][0]["sig"], validate=True)
        raw = base64.b64decode(fields["publicKey"], validate=True)
    except (ValueError, KeyError, IndexError, TypeError, binascii.Error) as error:
        raise ReleaseError("the signature file is damaged: not an envelope") from error
    envelope = Envelope(signature, PublicKey(raw))
    if len(raw) != 32 or len(signature) != 64 or envelope.to_bytes() != content:
        raise ReleaseError("the signature file is damaged: its fields are not as they were written")
    return envelope


def encode_for_signing(payload: bytes) -> bytes:
    """Return DSSE's ``PAE(payload type, payload)``: the bytes that are signed."""
    kind = PAYLOAD_TYPE.encode("ascii")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def _to_base64(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
