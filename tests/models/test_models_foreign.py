"""Adapters of unknown origin: what may be loaded, what is refused, and that nothing is run."""

import json
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from assay.errors import ConfigError
from assay.models.adapters import add_lora, save_adapter
from assay.models.base import find_base, load_model
from assay.models.foreign import WEIGHTS, inspect_adapter, list_imports


class Hostile:
    """What a pickle runs when it is loaded."""

    def __reduce__(self):
        return os.system, ("touch was-run",)


@pytest.fixture()
def base(small_base):
    return find_base(str(small_base))


@pytest.fixture()
def adapter(base, tmp_path) -> Path:
    folder = tmp_path / "adapter"
    save_adapter(add_lora(load_model(base), rank=2, alpha=4), folder, tokenizer_folder=base.folder)
    return folder


def test_a_sound_adapter_says_what_it_is(base, adapter):
    found = inspect_adapter(adapter, base)
    assert (found.kind, found.template_unchanged) == ("LORA", True)
    weights = load_file(adapter / WEIGHTS)
    assert found.num_tensors == len(weights)
    squares = sum(float((value.double() ** 2).sum()) for value in weights.values())
    assert found.norm == pytest.approx(squares**0.5)


def test_pickles_and_code_are_refused_by_what_they_would_import_and_not_run(
    base, adapter, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (adapter / "extra.pkl").write_bytes(pickle.dumps(Hostile()))
    with zipfile.ZipFile(adapter / "adapter_model.bin", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Hostile(), protocol=2))
    (adapter / "modeling.py").write_text("print('run')")
    with pytest.raises(ConfigError) as caught:
        inspect_adapter(adapter, base)
    told = sorted(Path(problem.file).name for problem in caught.value.problems)
    assert told == ["adapter_model.bin", "extra.pkl", "modeling.py"]
    assert sum("system" in problem.got for problem in caught.value.problems) == 2
    assert not (tmp_path / "was-run").exists()


def test_a_saved_tensor_imports_what_torch_needs_alone(tmp_path):
    torch.save({"a": torch.zeros(2)}, tmp_path / "weights.pt")
    assert all(
        name.startswith(("torch", "collections")) for name in list_imports(tmp_path / "weights.pt")
    )


def test_values_that_are_not_finite_are_refused(base, adapter):
    weights = load_file(adapter / WEIGHTS)
    name = sorted(weights)[0]
    weights[name].view(-1)[0] = float("nan")
    save_file(weights, adapter / WEIGHTS)
    with pytest.raises(ConfigError, match="not finite"):
        inspect_adapter(adapter, base)


def test_a_truncated_file_a_broken_configuration_and_no_folder_are_told_at_once(
    base, adapter, tmp_path
):
    content = (adapter / WEIGHTS).read_bytes()
    (adapter / WEIGHTS).write_bytes(content[: len(content) // 2])
    (adapter / "adapter_config.json").write_text("{")
    with pytest.raises(ConfigError) as caught:
        inspect_adapter(adapter, base)
    assert len(caught.value.problems) == 2
    with pytest.raises(ConfigError, match=r"adapter_config\.json"):
        inspect_adapter(tmp_path / "nowhere", base)


def test_a_class_to_be_loaded_by_name_is_refused(base, adapter):
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"auto_mapping": {"a": "b"}}))
    with pytest.raises(ConfigError, match="auto_mapping"):
        inspect_adapter(adapter, base)


def test_another_template_beside_it_is_seen(base, adapter):
    (adapter / "chat_template.jinja").write_text("{{ messages }}")
    assert not inspect_adapter(adapter, base).template_unchanged
