"""What tests of several units share: a small random base, PostgreSQL, a cache of their own."""

import os
import pwd
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is slow and not wrong.
settings.register_profile("assay", deadline=None)
settings.load_profile("assay")

TINY = Path(__file__).parents[1] / "src" / "assay" / "models" / "tiny"


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No test reads or writes the cache of whoever runs it."""
    os.environ["ASSAY_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def small_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Transformers folder: a random Llama over the tokenizer and template of `tiny`."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = tmp_path_factory.mktemp("base")
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copyfile(TINY / name, folder / name)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=4096,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def _find_postgres_user() -> str | None:
    """Whom the server runs as, since it refuses root; "" for oneself, None where nobody will do."""
    if os.geteuid():
        return ""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), None)


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of an empty database of a server that was started for these tests."""
    user = _find_postgres_user()
    if not all(map(shutil.which, ("initdb", "pg_ctl"))) or user is None:
        pytest.skip("PostgreSQL (initdb, pg_ctl) is not on this machine, or nobody may run it")
    pytest.importorskip("psycopg")
    folder = Path(tmp_path_factory.mktemp("postgres"))
    # A folder of root's is closed to others, and so are those above it.
    home = Path("/tmp") / f"assay-postgres-{os.getpid()}" if user else folder
    home.mkdir(exist_ok=True)
    as_user = ["runuser", "-u", user, "--"] if user else []
    if user:
        shutil.chown(home, user)
    data = home / "data"

    def run(*command: str) -> None:
        subprocess.run([*as_user, *command], check=True, capture_output=True, cwd="/", timeout=60)

    run("initdb", "-D", str(data), "-U", "assay", "-A", "trust", "--no-sync")
    options = f"-k {home} -c listen_addresses= -c fsync=off"
    run("pg_ctl", "-D", str(data), "-o", options, "-w", "-l", str(home / "log"), "start")
    try:
        yield f"postgresql://assay@/postgres?host={home}"
    finally:
        run("pg_ctl", "-D", str(data), "-m", "immediate", "stop")
        shutil.rmtree(home, ignore_errors=True)
