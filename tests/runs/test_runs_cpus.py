"""CPUs that are granted: by affinity, and by the quotas of both kinds of control groups."""

from pathlib import Path

from assay.runs.cpus import count_granted_cpus


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_the_smallest_quota_above_a_process_counts(tmp_path: Path) -> None:
    member = tmp_path / "member"
    write(member, "0::/outer/inner\n")
    root = tmp_path / "v2"
    everything = count_granted_cpus(root, member)
    assert everything >= 1
    write(root / "outer" / "inner" / "cpu.max", "max 100000\n")
    assert count_granted_cpus(root, member) == everything
    write(root / "outer" / "cpu.max", "50000 100000\n")
    assert count_granted_cpus(root, member) == 1


def test_quotas_of_the_first_kind_of_groups_count(tmp_path: Path) -> None:
    member = tmp_path / "member"
    write(member, "3:cpu,cpuacct:/job\n2:memory:/job\n")
    write(tmp_path / "cpu" / "job" / "cpu.cfs_quota_us", "20000\n")
    write(tmp_path / "cpu" / "job" / "cpu.cfs_period_us", "100000\n")
    assert count_granted_cpus(tmp_path, member) == 1
    write(tmp_path / "cpu" / "job" / "cpu.cfs_quota_us", "-1\n")
    assert count_granted_cpus(tmp_path, member) == count_granted_cpus(tmp_path, tmp_path / "none")
