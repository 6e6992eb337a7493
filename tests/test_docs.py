"""The documents name things that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "assay"


def test_files_and_names_in_the_architecture_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    for name in re.findall(r"`([a-z_]+/[a-z_/]+\.py)`", text):
        assert (SOURCE / name).is_file() or (ROOT / name).is_file(), name
    for file, function in re.findall(r"`([a-z_]+/[a-z_]+\.py)` `([A-Za-z_]+)`", text):
        assert re.search(rf"(def|class) {function}\b", (SOURCE / file).read_text("utf-8")), function


def test_the_readme_stays_under_two_hundred_lines() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < 200


def test_no_text_installs_assay_from_an_index() -> None:
    texts = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *SOURCE.rglob("*.py")]
    for path in texts:
        found = re.search(r"pip install \S*\bassay\b", path.read_text("utf-8"))
        assert found is None, f"{path}: {found}"


def test_every_dependency_is_justified() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    listed = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    for requirement in (one for group in groups for one in group):
        name = re.split(r"[\[<>=]", requirement)[0]
        assert name == "assay" or name in listed, name


def test_every_objective_is_in_the_index_of_methods_and_its_files_exist() -> None:
    from typing import get_args

    from assay.config.sections.objective import OBJECTIVES, KtoConfig
    from assay.config.sections.pairs import PairLoss
    from assay.config.sections.reinforcement import GrpoVariant

    text = (ROOT / "docs" / "methods.md").read_text("utf-8")
    for name in re.findall(r"`((?:tests/)?[a-z_]+/[a-z_/]+\.py)`", text):
        assert (SOURCE / name).is_file() or (ROOT / name).is_file(), name
    index = text[text.index("# Each objective by file") :]
    losses = get_args(KtoConfig.model_fields["loss"].annotation)
    for name in {*OBJECTIVES, *get_args(PairLoss), *get_args(GrpoVariant), *losses}:
        assert f"`{name}`" in index, name


def test_every_example_that_is_named_is_there_and_its_recipe_loads() -> None:
    from assay.config import load
    from assay.errors import ConfigError

    texts = "".join(path.read_text("utf-8") for path in (ROOT / "docs").glob("*.md"))
    for name in set(re.findall(r"examples/[a-z-]+", texts)):
        assert (ROOT / name).is_dir(), name
    for recipe in sorted((ROOT / "examples").glob("*/recipe*.yaml")):
        try:
            load(recipe)
        except ConfigError as error:
            # Of some the data is made or fetched first, as their README says; all else holds.
            assert all("where no file is" in one.got for one in error.problems), recipe


def test_every_key_that_the_methods_name_is_one_of_a_recipe() -> None:
    """Keys by their dotted names, and those of blocks that are written out."""
    import yaml

    from assay.config.keys import walk_keys

    known = {key.name.replace(".*", "") for key in walk_keys()}
    blocks = {name.split(".")[0] for name in known}
    text = (ROOT / "docs" / "methods.md").read_text("utf-8")
    for name in re.findall(r"`([a-z]+(?:\.[a-z_]+)+)(?:: [^`]*)?`", text):
        assert name in known or name.split(".")[0] not in blocks, name
    shown = re.findall(r"`((?:method|objective): \{[^`]*\})`", text)
    shown += re.findall(r"```yaml\n(objective:.*?)```", text, flags=re.S)
    assert len(shown) > 5
    for one in shown:
        (block, values), *_ = yaml.safe_load(one.replace("…", "x: 1")).items()
        keys = {f"{block}.{name}" for name in values} - {f"{block}.x"}
        assert keys <= known, one
