"""kill -9 of the server, its worker and a job's process at random moments: nothing lost or doubled.

A client goes on sending all the while, as OpenAI's does: the same request again until it is
answered, marked as a repetition. Every request that was answered has made one thing, and no
request has made two.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from sqlalchemy import func, select
from tests.serve.faults.fake_run import NUM_STEPS, compute_weights
from tests.serve.faults.invariants import ENDED, check_invariants

from assay.runs.store import Store, open_store
from assay.runs.store.aliases import find_alias
from assay.runs.store.files import sweep_files
from assay.runs.store.jobs import find_job
from assay.runs.store.tables import events, files, jobs
from assay.runs.store.uploads import sweep_uploads
from assay.serve.jobs.places import sweep_jobs

KEY = "sk-of-the-fault-suite-0123456789"
ALIAS = "desk@prod"
REPO = Path(__file__).parents[3]
ROWS = b"".join(
    json.dumps(
        {
            "messages": [
                {"role": "user", "content": f"Say {n}."},
                {"role": "assistant", "content": str(n)},
            ]
        }
    ).encode()
    + b"\n"
    for n in range(12)
)


class Torn:
    """A server over `folder` that is killed and started again; `url` is where it listens now."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.url = folder, ""
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        home = self.folder.parent / "home"
        given = {
            "ASSAY_API_KEY": KEY,
            "ASSAY_HOME": str(home),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.serve.faults.server", str(self.folder)],
            cwd=REPO,
            env={**os.environ, **given},
            stdout=subprocess.PIPE,
            stderr=open(self.folder.parent / "log", "a"),  # noqa: SIM115 (the child's)
            text=True,
        )
        assert self.process.stdout is not None
        self.url = json.loads(self.process.stdout.readline())["base_url"]

    def find(self, victim: str) -> list[psutil.Process]:
        """Workers below the server, or the jobs that one of them has forked."""
        assert self.process is not None
        found = []
        for child in psutil.Process(self.process.pid).children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                is_worker = "tests.serve.faults.worker" in child.cmdline()
                parent = child.parent()
                is_job = parent is not None and "forkserver" in " ".join(parent.cmdline())
                if is_worker if victim == "worker" else is_job:
                    found.append(child)
        return found

    def kill(self, victim: str) -> bool:
        """End a victim without a word, and start the server again; False where there was none."""
        assert self.process is not None
        if victim != "server":
            found = self.find(victim)
            for process in found:
                process.kill()
            return bool(found)
        below = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.process.wait()
        _, alive = psutil.wait_procs(below, timeout=60)
        assert not alive, "worker and job end with their server"
        self.start()
        return True

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) in (0, -signal.SIGTERM)


@contextmanager
def torn(folder: Path) -> Iterator[Torn]:
    made = Torn(folder)
    made.start()
    try:
        yield made
    finally:
        if made.process is not None:
            made.process.kill()
            made.process.wait()


class Sender:
    """Sends until it is told to stop; `made` has what each request was answered with."""

    def __init__(self, server: Torn, seed: int, num_jobs: int) -> None:
        self.server, self.random, self.num_jobs = server, random.Random(seed), num_jobs
        self.files: dict[str, str] = {}
        self.jobs: dict[str, str] = {}
        self.pointed = ""
        self.stopping = threading.Event()
        self.faults: list[str] = []

    def send(self, path: str, *, method: str = "POST", **body: Any) -> dict[str, Any]:
        """One request, repeated until it is answered."""
        for attempt in range(10_000):
            headers = {"authorization": f"Bearer {KEY}", "x-stainless-retry-count": str(attempt)}
            try:
                url = f"{self.server.url}{path}"
                answer = httpx.request(method, url, headers=headers, timeout=20, **body)
            except httpx.TransportError:
                time.sleep(0.1)
                continue
            if answer.status_code < 500:
                return dict(answer.json())
            self.faults.append(answer.text)
        raise AssertionError("never answered")

    def send_in_parts(self, name: str, content: bytes) -> str:
        """An upload of two parts; the id of the file that it becomes."""
        about = {"filename": name, "purpose": "fine-tune", "mime_type": "text/jsonl"}
        upload = self.send("/uploads", json={**about, "bytes": len(content)})["id"]
        halves = (content[:700], content[700:])
        sent = [self.send(f"/uploads/{upload}/parts", files={"data": half}) for half in halves]
        ids = {"part_ids": [part["id"] for part in sent]}
        return str(self.send(f"/uploads/{upload}/complete", json=ids)["file"]["id"])

    def send_job(self, file_id: str, *, seed: int) -> dict[str, Any]:
        """A job, told from all others by its metadata."""
        number = str(len(self.jobs) + 1)
        body = {"model": "tiny", "training_file": file_id, "seed": seed, "metadata": {"n": number}}
        job = self.send("/fine_tuning/jobs", json=body)
        self.jobs[number] = job["id"]
        return job

    def promote(self) -> None:
        """Point the alias at a job's model, where it has one by now."""
        job_id = self.random.choice(list(self.jobs.values()))
        model = self.send(f"/fine_tuning/jobs/{job_id}", method="GET")["fine_tuned_model"]
        if model:
            told = self.send(f"/aliases/{ALIAS}", json={"model": model})
            assert told["model"] == model, told
            self.pointed = model

    def run(self) -> None:
        number = 0
        while not self.stopping.is_set():
            number += 1
            name = f"rows-{number}.jsonl"
            content = ROWS + b"\n" * number
            if number % 3 == 0:
                self.files[name] = self.send_in_parts(name, content)
            else:
                form = {"data": {"purpose": "fine-tune"}, "files": {"file": (name, content)}}
                self.files[name] = self.send("/files", **form)["id"]
            if number <= self.num_jobs:
                job = self.send_job(self.files[name], seed=number)
                if self.random.random() < 0.2:
                    self.send(
                        f"/fine_tuning/jobs/{job['id']}/{self.random.choice(('cancel', 'pause'))}"
                    )
                    self.send(f"/fine_tuning/jobs/{job['id']}/resume")
            self.promote()
            time.sleep(self.random.uniform(0.1, 0.5))


def tear(folder: Path, *, num_kills: int, num_jobs: int, seed: int) -> None:
    """Kill at `num_kills` random moments while jobs run and files come, then check everything."""
    chance = random.Random(seed)
    with torn(folder) as server:
        store = open_store(folder)
        sender = Sender(server, seed, num_jobs)
        thread = threading.Thread(target=sender.run)
        thread.start()
        num_killed, ends = 0, time.monotonic() + 120 + 30 * num_kills
        while num_killed < num_kills and time.monotonic() < ends:
            # A moment of the work and not of the clock: a busy machine is killed in its tasks, too.
            wait_for_work(store, chance.randint(1, 12))
            time.sleep(chance.uniform(0, 0.1))
            num_killed += server.kill(chance.choice(("server", "worker", "job")))
        sender.stopping.set()
        thread.join(60)
        assert num_killed == num_kills
        assert not thread.is_alive() and not sender.faults, sender.faults
        # Who was killed often enough has failed; what comes when nobody kills any more succeeds.
        last = sender.send_job(next(iter(sender.files.values())), seed=0)["id"]
        wait_until_ended(store, within_s=180)
        sender.promote()
        server.stop()
    try:
        # What the next start removes, without the hour that it leaves to what may be under way.
        sweep_files(store, older_than_s=0)
        sweep_jobs(store, older_than_s=0)
        sweep_uploads(store, older_than_s=0)
        assert check_invariants(store) == []
        check_answers(store, sender)
        row = find_job(store, last)
        assert row is not None and row.status == "succeeded"
    finally:
        store.close()


def count_work(store: Store) -> int:
    """Files and events: what a client and a worker have done so far."""
    with store.read() as connection:
        return sum(
            connection.execute(select(func.count()).select_from(one)).scalar_one()
            for one in (files, events)
        )


def wait_for_work(store: Store, num: int, *, within_s: float = 10.0) -> None:
    """Until `num` more files or events are there; not for ever, since jobs end."""
    aim, ends = count_work(store) + num, time.monotonic() + within_s
    while count_work(store) < aim and time.monotonic() < ends:
        time.sleep(0.01)


def wait_until_ended(store: Store, *, within_s: float) -> None:
    ends = time.monotonic() + within_s
    while True:
        with store.read() as connection:
            found = {row.id: row.status for row in connection.execute(select(jobs))}
        if all(status in ENDED for status in found.values()):
            return
        assert time.monotonic() < ends, found
        time.sleep(0.2)


def check_answers(store: Store, sender: Sender) -> None:
    """What was answered is there, once; and weights are those of a run that was not torn."""
    with store.read() as connection:
        names = Counter(connection.scalars(select(files.c.filename)))
        rows = list(connection.execute(select(jobs)))
    assert {name: names[name] for name in sender.files} == dict.fromkeys(sender.files, 1)
    asked = Counter(row.metadata["n"] for row in rows)
    assert asked == dict.fromkeys(map(str, range(1, len(rows) + 1)), 1)
    assert set(sender.jobs.values()) == {row.id for row in rows}
    alias = find_alias(store, ALIAS)
    assert (alias.model if alias is not None else "") == sender.pointed
    for row in rows:
        if row.status == "succeeded":
            (weights,) = store.folder.glob(f"jobs/{row.id}/runs/*/adapter/weights")
            assert weights.read_text() == compute_weights(NUM_STEPS)
            assert row.seed % 2 == 0


def test_five_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    tear(tmp_path / "store", num_kills=5, num_jobs=3, seed=7)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_fifty_kills_lose_and_double_nothing(tmp_path: Path, seed: int) -> None:
    tear(tmp_path / "store", num_kills=10, num_jobs=8, seed=seed)
