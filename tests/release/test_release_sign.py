"""Signing and verifying: whatever byte, file, signature or signer is changed is found."""

import errno
import json
import os
import random
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from assay.errors import ReleaseError, UsageError
from assay.release import (
    SigningKey,
    format_fingerprint,
    load_or_make_key,
    load_public_key,
    release_run,
    sign_release,
    verify_release,
)
from assay.release.envelope import encode_for_signing, sign_payload
from assay.runs import RunFolder, canonical_json, read_json, sha256_file, write_bytes, write_json

MakeRun = Callable[..., RunFolder]
COVERED = (
    "README.md",
    "adapter/adapter_config.json",
    "adapter/adapter_model.safetensors",
    "data/report.json",
    "evaluation.json",
    "evaluation/items.jsonl",
    "manifest.json",
    "metrics.jsonl",
    "recipe.yaml",
    "report.html",
    "tool-policy.yaml",
    "verdict.json",
)


@pytest.fixture
def released(make_run: MakeRun, key: SigningKey) -> RunFolder:
    run = make_run()
    release_run(run, key=key)
    return run


def problems(run: RunFolder) -> list[tuple[str, str]]:
    return [(one.path, one.kind) for one in verify_release(run.path).problems]


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(bytes(content))


def test_a_release_verifies_and_covers_every_file(released: RunFolder, key: SigningKey) -> None:
    found = verify_release(released.path)
    assert found.ok
    assert found.signer == key.public
    assert (found.status, found.num_files) == ("released", len(COVERED))
    assert found.outside == {"checkpoints/": 1}
    manifest = read_json(released.release)
    assert tuple(entry["path"] for entry in manifest["files"]) == COVERED
    for entry in manifest["files"]:
        path = released.path / entry["path"]
        assert entry["sha256"] == sha256_file(path)
        assert entry["size_bytes"] == path.stat().st_size
    assert manifest["recipe"] == released.recipe.read_text()
    assert manifest["base"]["name"] == "tiny"
    assert set(manifest["splits"]) == {"train", "validation", "test"}
    assert released.release.read_bytes() == canonical_json(manifest)


def test_checkpoints_of_candidates_are_outside_and_their_adapters_are_not(
    make_run: MakeRun, key: SigningKey
) -> None:
    run = make_run()
    for name in ("sweep/c1/checkpoints/step-2/a", "sweep/c1/adapter/checkpoints/a"):
        (run.path / name).parent.mkdir(parents=True)
        (run.path / name).write_bytes(b"weights")
    release_run(run, key=key)
    found = verify_release(run.path)
    assert found.num_files == len(COVERED) + 1
    assert found.outside == {"checkpoints/": 1, "sweep/*/checkpoints/": 1}
    flip(run.path / "sweep/c1/adapter/checkpoints/a", 0)
    assert problems(run) == [("sweep/c1/adapter/checkpoints/a", "changed")]


@pytest.mark.parametrize("name", COVERED)
def test_one_flipped_bit_is_found_in_each_file(released: RunFolder, name: str) -> None:
    path = released.path / name
    size = path.stat().st_size
    for at in {0, size // 2, size - 1}:
        flip(path, at)
        assert problems(released) == [(name, "changed")]
        flip(path, at)
    assert problems(released) == []


@pytest.mark.parametrize("name", ["release.json", "release.json.sig"])
def test_one_flipped_bit_is_found_in_the_signed_pair(released: RunFolder, name: str) -> None:
    path = released.path / name
    for at in range(0, path.stat().st_size, 1 if name.endswith("sig") else 97):
        flip(path, at)
        assert problems(released) == [("release.json.sig", "signature")]
        flip(path, at)
    assert problems(released) == []


@pytest.mark.parametrize("name", ["release.json", "release.json.sig"])
@pytest.mark.parametrize("tail", [b" ", b"\n", b"{}"])
def test_nothing_may_be_appended_to_the_signed_pair(
    released: RunFolder, name: str, tail: bytes
) -> None:
    path = released.path / name
    path.write_bytes(path.read_bytes() + tail)
    assert problems(released) == [("release.json.sig", "signature")]


def test_truncated_grown_removed_and_added_files_are_found(released: RunFolder) -> None:
    weights = released.adapter / "adapter_model.safetensors"
    os.truncate(weights, weights.stat().st_size - 1)
    with open(released.metrics, "ab") as file:
        file.write(b"\n")
    released.evaluation.unlink()
    write_bytes(released.adapter / "modeling.py", b"print()")
    assert sorted(problems(released)) == [
        ("adapter/adapter_model.safetensors", "changed"),
        ("adapter/modeling.py", "extra"),
        ("evaluation.json", "missing"),
        ("metrics.jsonl", "changed"),
    ]


def test_a_link_to_the_same_bytes_is_found(released: RunFolder, tmp_path: Path) -> None:
    shutil.move(released.evaluation, tmp_path / "elsewhere.json")
    released.evaluation.symlink_to(tmp_path / "elsewhere.json")
    (released.path / "more").symlink_to(tmp_path)
    assert sorted(problems(released)) == [
        ("evaluation.json", "missing"),
        ("evaluation.json", "odd"),
        ("more", "odd"),
    ]


def test_a_name_that_is_not_utf8_is_found(released: RunFolder) -> None:
    with open(os.path.join(os.fsencode(released.path), b"\xff"), "wb"):
        pass
    assert [kind for _, kind in problems(released)] == ["odd"]


def test_checkpoints_may_go_but_their_name_hides_nothing_else(released: RunFolder) -> None:
    shutil.rmtree(released.checkpoints)
    assert problems(released) == []
    write_bytes(released.path / "checkpoints-2" / "x", b"")
    write_bytes(released.adapter / "checkpoints" / "x", b"")
    assert sorted(problems(released)) == [
        ("adapter/checkpoints/x", "extra"),
        ("checkpoints-2/x", "extra"),
    ]


def test_an_export_within_the_folder_is_covered_or_found(
    released: RunFolder, key: SigningKey
) -> None:
    weights = released.path / "exports" / "merged" / "model.safetensors"
    write_bytes(weights, b"weights")
    assert problems(released) == [("exports/merged/model.safetensors", "extra")]
    release_run(released, key=key)
    assert problems(released) == []
    write_bytes(weights, b"Weights")
    assert problems(released) == [("exports/merged/model.safetensors", "changed")]


def test_a_signature_of_another_release_does_not_fit(make_run: MakeRun, key: SigningKey) -> None:
    one, two = make_run(), make_run()
    release_run(one, key=key)
    release_run(two, key=key)
    shutil.copy(two.signature, one.signature)
    assert problems(one) == [("release.json.sig", "signature")]
    shutil.copy(two.release, one.release)
    assert ("manifest.json", "changed") in problems(one)


def test_only_the_signer_that_was_asked_for_is_accepted(
    released: RunFolder, key: SigningKey, tmp_path: Path
) -> None:
    public, other = tmp_path / "public.pem", load_or_make_key(tmp_path / "other" / "key")
    public.write_text(key.public.pem)
    for accepted in (public, key.path):
        found = verify_release(released.path, key_file=accepted)
        assert found.ok and found.signer_checked
    found = verify_release(released.path, key_file=other.path)
    assert [problem.kind for problem in found.problems] == ["signer"]
    assert key.public.fingerprint in found.problems[0].detail
    # Signed anew by somebody else, it is whole, but not for those who know the signer.
    sign_release(released, key=other)
    assert verify_release(released.path).ok
    assert not verify_release(released.path, key_file=public).ok


def test_a_public_key_swapped_into_the_envelope_is_found(
    released: RunFolder, tmp_path: Path
) -> None:
    envelope = json.loads(released.signature.read_bytes())
    other = load_or_make_key(tmp_path / "other" / "key")
    foreign = json.loads(sign_payload(b"x", other).to_bytes())
    envelope["publicKey"] = foreign["publicKey"]
    envelope["signatures"][0]["keyid"] = foreign["signatures"][0]["keyid"]
    released.signature.write_bytes(canonical_json(envelope) + b"\n")
    assert problems(released) == [("release.json.sig", "signature")]


@pytest.mark.parametrize("payload", [b"[]", b"not json", b'{"files": [3, {"path": null}]}'])
def test_a_signed_but_senseless_manifest_does_not_verify(
    released: RunFolder, key: SigningKey, payload: bytes
) -> None:
    released.release.write_bytes(payload)
    released.signature.write_bytes(sign_payload(payload, key).to_bytes())
    assert ("release.json", "manifest") in problems(released)


def test_a_manifest_without_its_override_does_not_verify(
    make_run: MakeRun, key: SigningKey
) -> None:
    run = make_run(held=True)
    manifest = release_run(run, key=key, override="Only for the trial.").manifest
    payload = canonical_json({**manifest, "overrides": []})
    run.release.write_bytes(payload)
    run.signature.write_bytes(sign_payload(payload, key).to_bytes())
    assert problems(run) == [("release.json", "manifest")]


def test_a_folder_without_signature_is_no_release(make_run: MakeRun, tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match=r"no release\.json"):
        verify_release(make_run().path)
    with pytest.raises(ReleaseError, match="not a signed release"):
        verify_release(tmp_path / "nowhere")


def test_a_held_run_is_refused_by_the_names_of_its_gates(
    make_run: MakeRun, key: SigningKey
) -> None:
    run = make_run(held=True)
    with pytest.raises(ReleaseError) as caught:
        release_run(run, key=key)
    assert "retention: fail" in str(caught.value)
    assert "refusal: fail" in str(caught.value)
    assert "over_refusal" not in str(caught.value)
    assert not run.release.exists() and not run.card.exists()


def test_a_verdict_that_says_released_over_a_failed_gate_is_held(
    make_run: MakeRun, key: SigningKey
) -> None:
    run = make_run(held=True)
    write_json(run.verdict, {**read_json(run.verdict), "status": "released"})
    with pytest.raises(ReleaseError, match="retention: fail"):
        sign_release(run, key=key)


def test_an_override_stays_in_every_later_manifest(make_run: MakeRun, key: SigningKey) -> None:
    run = make_run(held=True)
    release_run(run, key=key, override="  Only for the trial.  ")
    first = read_json(run.release)["overrides"]
    assert [(entry["reason"], entry["gates"]) for entry in first] == [
        ("Only for the trial.", ["retention", "refusal"])
    ]
    assert "Only for the trial." in run.card.read_text()
    assert "Only for the trial." in run.report.read_text()
    with pytest.raises(ReleaseError, match="is held"):
        release_run(run, key=key)
    release_run(run, key=key, override="And for the fair.")
    reasons = [entry["reason"] for entry in verify_release(run.path).overrides]
    assert reasons == ["Only for the trial.", "And for the fair."]


def test_an_override_needs_a_reason_and_a_held_run(make_run: MakeRun, key: SigningKey) -> None:
    with pytest.raises(UsageError, match="needs a reason"):
        release_run(make_run(held=True), key=key, override=" ")
    with pytest.raises(UsageError, match="every required gate passed"):
        release_run(make_run(), key=key, override="why not")


def test_a_run_without_verdict_or_weights_is_refused(make_run: MakeRun, key: SigningKey) -> None:
    run = make_run()
    shutil.rmtree(run.adapter)
    with pytest.raises(ReleaseError, match="no adapter/ or model/"):
        sign_release(run, key=key)
    run.verdict.unlink()
    with pytest.raises(ReleaseError, match=r"no verdict\.json"):
        sign_release(run, key=key)


def test_a_link_cannot_be_released(make_run: MakeRun, key: SigningKey, tmp_path: Path) -> None:
    run = make_run()
    (run.adapter / "weights").symlink_to(tmp_path)
    with pytest.raises(ReleaseError, match="adapter/weights: a link"):
        sign_release(run, key=key)


def test_the_key_is_made_once_and_only_for_its_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASSAY_HOME", str(tmp_path / "home"))
    first = load_or_make_key()
    assert first.path == tmp_path / "home" / "keys" / "release.ed25519"
    assert stat.S_IMODE(first.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(first.path.parent.stat().st_mode) == 0o700
    assert [entry.name for entry in first.path.parent.iterdir()] == ["release.ed25519"]
    assert load_or_make_key().public == first.public
    first.path.chmod(0o644)
    with pytest.raises(ReleaseError, match="chmod 600"):
        load_or_make_key()


def test_a_key_is_made_where_there_are_no_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    path = tmp_path / "keys" / "release.ed25519"
    first = load_or_make_key(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    assert load_or_make_key(path).public == first.public


@pytest.mark.parametrize("has_links", [True, False])
def test_of_two_that_make_the_first_key_one_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    """The other process makes its key between our look and our link."""
    other, path = load_or_make_key(tmp_path / "other"), tmp_path / "key"

    def overtake(source: Path, target: Path) -> None:
        shutil.copy(other.path, target)
        raise FileExistsError if has_links else PermissionError

    monkeypatch.setattr(os, "link", overtake)
    assert load_or_make_key(path).public == other.public


def test_a_folder_that_cannot_hold_the_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ReleaseError, match=r"neither read nor made .* ASSAY_HOME"):
        load_or_make_key(tmp_path / "file" / "keys" / "release.ed25519")


def test_other_files_are_no_keys(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("nonsense")
    path.chmod(0o600)
    with pytest.raises(ReleaseError, match="not an Ed25519 private key"):
        load_or_make_key(path)
    for wrong in (path, tmp_path / "missing"):
        with pytest.raises(UsageError, match="no Ed25519 key"):
            load_public_key(wrong)


def test_the_fingerprint_is_sha256_of_the_raw_key_in_groups(key: SigningKey) -> None:
    raw = load_pem_public_key(key.public.pem.encode()).public_bytes_raw()
    assert raw == key.public.raw
    assert format_fingerprint("0123456789abcdef") == "0123 4567 89ab cdef"
    assert key.public.fingerprint.replace(" ", "") == key.public.key_id


def test_what_is_signed_is_the_dsse_encoding() -> None:
    private = Ed25519PrivateKey.from_private_bytes(random.Random(0).randbytes(32))
    envelope = sign_payload(b'{"a":1}', SigningKey(private, Path("unused")))
    told = b'DSSEv1 34 application/vnd.assay.release+json 7 {"a":1}'
    assert encode_for_signing(b'{"a":1}') == told
    private.public_key().verify(envelope.signature, told)
