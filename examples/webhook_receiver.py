"""A partner's webhook receiver: checks who sent a message, passes over repetitions, notices gaps.

    python examples/webhook_receiver.py 8099 keys.json

`keys.json` is the answer of `GET /api/v1/subscriptions/{id}/keys`. Needs cryptography only. The
address must be https on the public network: this belongs behind your TLS proxy. Numbers are kept in
memory here; a real receiver keeps them in the same transaction as the effect.
"""
# ruff: noqa: INP001, T201 - a script, which prints what it gets

import base64
import hmac
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TOLERANCE_S = 300
LARGEST = 256 * 1024


def signed_by(key: str, signature: str, message: bytes) -> bool:
    """Check one signature with one key: `whpk_` is ed25519 (v1a), `whsec_` is HMAC-SHA256 (v1)."""
    scheme, _, text = signature.partition(",")
    kind, _, secret = key.partition("_")
    try:
        raw, given = base64.b64decode(secret), base64.b64decode(text)
        if (kind, scheme) == ("whpk", "v1a"):
            Ed25519PublicKey.from_public_bytes(raw).verify(given, message)
            return True
        made = hmac.digest(raw, message, "sha256")
        return (kind, scheme) == ("whsec", "v1") and hmac.compare_digest(made, given)
    except (InvalidSignature, ValueError):
        return False


def genuine(keys: list[str], headers: dict[str, str], body: bytes, now: float) -> bool:
    """Say whether a message came from the service, and came now."""
    told = [headers.get(f"webhook-{name}", "") for name in ("id", "timestamp", "signature")]
    if not told[1].isdecimal() or abs(now - int(told[1])) > TOLERANCE_S:
        return False
    message = f"{told[0]}.{told[1]}.".encode() + body
    return any(signed_by(key, one, message) for key in keys for one in told[2].split())


class Receiver(BaseHTTPRequestHandler):
    """Answers 204 to what is genuine; whatever else it answers is tried again."""

    keys: list[str]
    number = 0

    def do_POST(self) -> None:
        """Take one message."""
        length = min(int(self.headers.get("content-length", "0")), LARGEST)
        body = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        if not genuine(self.keys, headers, body, time.time()):
            self.send_error(400)
            return
        event = json.loads(body)
        if event["number"] > Receiver.number + 1:
            print("GAP", Receiver.number, event["number"], flush=True)  # ask the API for these
        if event["type"].startswith("regul.subscription.") or event["number"] > Receiver.number:
            print(event["number"], event["type"], event.get("subject", ""), flush=True)
        Receiver.number = max(Receiver.number, event["number"])
        self.send_response(204)
        self.end_headers()


if __name__ == "__main__":
    Receiver.keys = [one["key"] for one in json.loads(Path(sys.argv[2]).read_text())["keys"]]
    HTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
