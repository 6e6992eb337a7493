"""`assay serve` and `assay keys`: the first key, where it refuses to listen, and a clean end."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import openai
import pytest

import assay
from assay.cli import main
from assay.errors import EXIT_OK, EXIT_USAGE, UsageError
from assay.runs.store import find_key, list_keys, open_store
from assay.serve.run import Address, settle_keys


def test_the_first_start_shows_a_key_once_and_ends_cleanly(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(assay.__file__).parents[1])}
    environment.pop("ASSAY_API_KEY", None)
    command = [sys.executable, "-c", "from assay.cli import main; raise SystemExit(main())"]
    alone = ["--no-inference", "--no-worker"]
    for start in range(2):
        form = [] if not start else ["--json"]
        server = subprocess.Popen(
            [*command, "serve", "--port", "0", "--store", str(tmp_path / "s"), *alone, *form],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert server.stdout is not None
        try:
            line = server.stdout.readline()
            if not start:
                secret = line.removeprefix("API key (shown this once): ").strip()
                line = server.stdout.readline()
            if start:
                url, drawn = json.loads(line).values()
                assert drawn is None
            else:
                found = re.fullmatch(r"listening on (http://127\.0\.0\.1:\d+/v1)\n", line)
                assert found, line
                url = found[1]
            client = openai.OpenAI(base_url=url, api_key=secret, max_retries=0)
            with pytest.raises(openai.NotFoundError):
                client.get("/nothing", cast_to=object)
        finally:
            server.send_signal(signal.SIGTERM)
        # Ended by the signal itself, it would have left its worker and its store as they were.
        assert server.wait(20) == EXIT_OK


def test_no_other_address_without_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ASSAY_API_KEY", raising=False)
    store = open_store(tmp_path)
    with pytest.raises(UsageError, match="others reach"):
        settle_keys(store, Address("0.0.0.0"))
    assert list_keys(store) == []
    assert main(["serve", "--host", "0.0.0.0", "--store", str(tmp_path)]) == EXIT_USAGE
    monkeypatch.setenv("ASSAY_API_KEY", "my-own-key-0123456789")
    assert settle_keys(store, Address("0.0.0.0")) == ""
    assert find_key(store, "my-own-key-0123456789") is not None
    monkeypatch.delenv("ASSAY_API_KEY")
    assert settle_keys(store, Address("0.0.0.0")) == ""


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("example.org", False),
    ],
)
def test_what_is_loopback(host: str, is_loopback: bool) -> None:
    assert Address(host).is_loopback is is_loopback


def test_keys_are_made_listed_and_revoked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ["--store", str(tmp_path), "--json"]
    assert main(["keys", "create", "ci", "--scope", "train", "--scope", "infer", *where]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["scopes"] == "infer train"
    assert find_key(open_store(tmp_path), made["key"]) is not None
    assert main(["keys", "list", *where]) == 0
    assert [one["id"] for one in json.loads(capsys.readouterr().out)] == [made["id"]]
    assert main(["keys", "revoke", made["id"], *where]) == 0
    assert find_key(open_store(tmp_path), made["key"]) is None
    assert main(["keys", "revoke", made["id"], *where]) == EXIT_USAGE
