"""The sandbox under real faults, behind each of its fences by itself and behind all of them."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from assay.errors import UsageError
from assay.sandbox import client
from assay.sandbox.client import Reply, Sandbox, find_fences
from assay.sandbox.fences import NAMES, Fences
from assay.sandbox.limits import Limits

SOURCE = """
import os, socket, threading, time

def grade(sample, item):
    return globals()[item["do"]](item)

def fine(item): return 0.5
def number(item): return item["n"]
def calls(item, seen=[]): seen.append(1); return len(seen)
def loop(item):
    while True: pass
def connect(item): socket.create_connection(("127.0.0.1", item["port"]), timeout=1); return 1
def resolve(item): socket.getaddrinfo("example.com", 80); return 1
def connect_path(item):
    link = socket.socket(socket.AF_UNIX); link.connect(item["path"]); return 1
def write(item): open(item["path"], "w").write("x"); return 1
def append(item): os.close(os.open(item["path"], os.O_WRONLY)); return 1
def remove(item): os.unlink(item["path"]); return 1
def folder(item): os.mkdir(item["path"] + "-new"); return 1
def mode(item): os.chmod(item["path"], 0o777); return 1
def read(item): return len(open(item["path"]).read())
def environment(item): return len(open(f"/proc/{item['pid']}/environ").read())
def fork(item):
    for n in range(30):
        if os.fork() == 0:
            if n % 2: return -1
            time.sleep(60)
    return 1
def run(item): os.execv("/bin/true", ["true"])
def kill(item): os.kill(os.getppid(), 9); return 1
def memory(item): return len(bytearray(10 ** 10))
def leave(item): os._exit(3)
def crash(item):
    import ctypes; ctypes.string_at(0)
def shout(item):
    for _ in range(40): print("x" * 10 ** 6)
    os.write(1, b"y" * 10 ** 5)
    return 1
def thread(item):
    told = []; one = threading.Thread(target=lambda: told.append(1)); one.start(); one.join()
    return told[0]
def raise_long(item): raise ValueError("x" * 10 ** 6)
def exit(item): raise SystemExit(0)
def value(item): return eval(item["value"])
"""
LIMITS = Limits(timeout_s=20.0, memory_mb=512)
CLOSED = [
    name for name in ("namespaces", "seccomp") if name in find_fences().names
]  # Each keeps everything out by itself.

pytestmark = pytest.mark.skipif(
    not find_fences().is_closed, reason="this system has neither namespaces nor seccomp for us"
)


@pytest.fixture(scope="module", params=["all", *CLOSED])
def sandbox(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    fences = NAMES if request.param == "all" else [request.param]
    with Sandbox(SOURCE, limits=LIMITS, fences=fences) as one:
        assert one.start().names == find_fences().names & set(fences)
        yield one


def list_processes() -> set[int]:
    """Those of all sandboxes, by what they were started as; zombies have no such line."""
    found = set()
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if b"assay.sandbox.server" in place.read_bytes():
                found.add(int(place.parent.name))
    return found


def do(sandbox: Sandbox, what: str, **item: object) -> Reply:
    return sandbox.grade({}, {"do": what, **item})


def test_a_worker_serves_many_calls_and_keeps_its_names(sandbox: Sandbox) -> None:
    first = do(sandbox, "calls").value
    assert [do(sandbox, "calls").value for _ in range(3)] == [first + 1, first + 2, first + 3]
    assert do(sandbox, "thread").value == 1


def test_the_network_is_out_of_reach(sandbox: Sandbox, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        reply = do(sandbox, "connect", port=server.getsockname()[1])
    assert reply.kind == "raised"
    assert any(name in reply.detail for name in ("PermissionError", "ConnectionRefused", "OSError"))
    assert do(sandbox, "resolve").kind == "raised"


def test_no_file_is_written_changed_or_removed(sandbox: Sandbox, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("kept")
    before = kept.stat()
    for what in ("append", "remove", "folder", "mode"):
        assert do(sandbox, what, path=str(kept)).kind == "raised", what
    for path in (tmp_path / "new", Path.home() / "new", Path("/dev/shm/new")):
        assert do(sandbox, "write", path=str(path)).kind == "raised"
        assert not path.exists()
    assert (kept.read_text(), kept.stat().st_mode) == ("kept", before.st_mode)
    assert list(tmp_path.iterdir()) == [kept]


@pytest.mark.parametrize("fences", [NAMES, *([name] for name in CLOSED)])
def test_processes_are_neither_left_behind_nor_touched(fences: list[str]) -> None:
    before = list_processes()
    with Sandbox(SOURCE, limits=LIMITS, fences=fences) as one:
        do(one, "fork")
        do(one, "kill")
        # Copies of the worker neither answer in its place nor take its requests' answers.
        numbers = [do(one, "number", n=n).value for n in range(40)]
        assert numbers == [float(n) for n in range(40)]
        if "namespaces" in fences:
            assert do(one, "environment", pid=os.getpid()).kind == "raised"
        assert do(one, "fine").value == 0.5
        assert one.num_starts == 1
        started = list_processes() - before
        assert started
    until = time.monotonic() + 20
    while list_processes() & started and time.monotonic() < until:
        time.sleep(0.05)
    assert not list_processes() & started


def test_a_loop_is_ended_in_time_and_the_next_call_is_served() -> None:
    with Sandbox(SOURCE, limits=Limits(timeout_s=0.5)) as one:
        do(one, "fine")
        start = time.monotonic()
        assert do(one, "loop").kind == "timeout"
        assert time.monotonic() - start < 5
        assert do(one, "fine").value == 0.5
        assert one.num_starts == 1


@pytest.mark.parametrize(
    ("what", "kind", "detail"),
    [
        ("memory", "raised", "MemoryError"),
        ("leave", "crashed", "ended with 3"),
        ("crash", "crashed", "ended by SIGSEGV"),
        ("shout", "value", ""),
        ("exit", "raised", "SystemExit"),
    ],
)
def test_what_goes_wrong_is_told_and_ends_nothing(
    sandbox: Sandbox, what: str, kind: str, detail: str
) -> None:
    reply = do(sandbox, what)
    assert (reply.kind, detail in reply.detail) == (kind, True)
    assert do(sandbox, "fine").value == 0.5


def test_an_error_is_told_with_its_line_and_not_at_length(sandbox: Sandbox) -> None:
    reply = do(sandbox, "raise_long")
    line = SOURCE.splitlines().index('def raise_long(item): raise ValueError("x" * 10 ** 6)') + 1
    assert reply.detail.endswith(f"(line {line})")
    assert len(reply.detail) < 2_100


def test_what_a_source_tries_is_told_though_it_hides_the_error() -> None:
    quiet = """
def tries(item):
    try: return globals()[item["name"]](item)
    except OSError: return 0
"""
    with Sandbox(f"{SOURCE}\n{quiet}", limits=LIMITS) as one:
        for what, tried in (("resolve", "network"), ("fork", "processes"), ("write", "files")):
            reply = do(one, "tries", name=what, path="/tmp/new")
            assert (reply.kind, reply.value, reply.tried) == ("value", 0, (tried,))
        assert do(one, "fine").tried == ()


@pytest.mark.parametrize("value", ["float('nan')", "'1.0'", "None", "float('inf')", "[1]", "1j"])
def test_only_finite_numbers_are_values(sandbox: Sandbox, value: str) -> None:
    assert do(sandbox, "value", value=value).kind == "raised"


def test_truths_and_numbers_of_numpy_are_numbers(sandbox: Sandbox) -> None:
    assert do(sandbox, "value", value="True").value == 1
    assert do(sandbox, "value", value="__import__('numpy').float32(0.25)").value == 0.25


def test_a_program_starts_afresh_and_cannot_say_that_it_came_to_its_end() -> None:
    with Sandbox(limits=LIMITS) as one:
        assert one.run(["print(input() + '!')"], stdin="hello") == Reply(
            "finished", output="hello!\n"
        )
        assert one.run(["x = 1", "assert x == 1"]).kind == "finished"
        assert one.run(["x"]).detail.startswith("NameError")
        assert one.run(["def f(): return 2", "assert f() == 1"]).kind == "raised"
        for ends in ("raise SystemExit(0)", "import os; os._exit(0)"):
            assert one.run([ends, "assert False"]).kind in ("raised", "crashed")
        forged = (
            "import os, struct, json; body = json.dumps({'mark': 1, 'finished': True}).encode()\n"
            "for place in range(3, 12):\n"
            "    try: os.write(place, struct.pack('>I', len(body)) + body)\n"
            "    except OSError: pass\n"
            "os._exit(0)"
        )
        assert one.run([forged, "assert False"]).kind == "crashed"
        assert one.run(["while True: print('x' * 10000)"]).kind == "raised"


def test_nothing_outside_pythons_own_folders_is_read(tmp_path: Path) -> None:
    if "landlock" not in find_fences().names:
        pytest.skip("this system has no Landlock")
    secret = tmp_path / "secret"
    secret.write_text("secret")
    with Sandbox(SOURCE, limits=LIMITS) as one:
        assert do(one, "read", path=str(secret)).kind == "raised"
        assert "PermissionError" in do(one, "read", path="/etc/passwd").detail
        assert do(one, "read", path=os.__file__).kind == "value"
        assert one.run(["import os; assert 'HOME' not in os.environ"]).kind == "finished"


def test_a_source_that_fails_at_once_fails_every_call() -> None:
    with Sandbox("import nothing_of_this_name\n" + SOURCE, limits=LIMITS) as one:
        for _ in range(2):
            assert do(one, "fine").detail.startswith("ModuleNotFoundError")


def test_without_fences_nothing_runs_unless_the_operator_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(client.ALLOW_OPEN, raising=False)
    with Sandbox(SOURCE, limits=LIMITS, fences=["landlock"]) as one:
        with pytest.raises(UsageError, match="neither namespaces nor seccomp"):
            do(one, "fine")
        monkeypatch.setenv(client.ALLOW_OPEN, "1")
        assert do(one, "fine").value == 0.5
    assert client.find_problem(Fences(frozenset())) is None


def test_the_server_imports_nothing_of_assay_but_its_own_package() -> None:
    with Sandbox(limits=LIMITS) as one:
        code = (
            "import sys; print(sorted({n.split('.')[1] for n in sys.modules if n[:6] == 'assay.'}))"
        )
        assert one.run([code]).output == "['sandbox']\n"
