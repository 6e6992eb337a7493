"""Licences, consent and dates that a row's own columns tell."""

from __future__ import annotations

from typing import Any

from benchmarks.planted.case import Fault, Make


def set_column(**columns: Any) -> Make:
    """A row with these columns."""
    return lambda row, draw: {**row, **columns}


def _licences(rule: str, *names: str) -> list[Fault]:
    """Each name once: a licence is told at its first row."""
    return [Fault(rule, name, set_column(license=name), most=1) for name in names]


FAULTS = [
    *_licences("unknown_licence", "see the website", "Acme data terms 2", "ask Peter", "LicenseX"),
    *_licences("non_commercial_licence", "CC-BY-NC-4.0", "cc by nc sa 3.0", "research only"),
    *_licences("no_derivatives_licence", "CC-BY-ND-4.0", "CC BY-NC-ND 4.0"),
    *_licences("share_alike_licence", "CC-BY-SA-4.0", "GPL-3.0", "ODbL-1.0"),
    *(
        Fault("no_consent", str(value), set_column(consent=value))
        for value in ("no", False, "withdrawn", "Denied")
    ),
    *(
        Fault("odd_date", value, set_column(collected=value))
        for value in ("2999-01-01", "yesterday", "31.12.2024", "2024-13-01")
    ),
]
TWINS = [
    *(
        Fault("unknown_licence", name, set_column(license=name))
        for name in ("MIT", "Apache 2.0", "cc-by-4.0", "CC0", "proprietary", "BSD-3-Clause")
    ),
    *(
        Fault("no_consent", str(value), set_column(consent=value))
        for value in ("yes", True, "by contract", "not needed", "granted 2024-02-01")
    ),
    *(
        Fault("odd_date", value, set_column(collected=value))
        for value in ("2024-02-29", "2023", "2024-05-01T12:00:00Z", "2024-05-01 12:00:00")
    ),
]
