"""Tells secrets from what stands for one in documents: examples, placeholders, references."""

from __future__ import annotations

import math
import re
from collections import Counter
from itertools import pairwise

_PLAIN = (
    "example your placeholder dummy redacted changeme change_me replace insert xxxx fake secretkey "
    "mytoken my_secret my-secret not_a_real not-a-real"
)
# Spelled in one case: in long random keys the letters of a short word stand in some mixture.
_WORDS = re.compile(
    "|".join(form for one in _PLAIN.split() for form in (one, one.upper(), one.capitalize()))
    + r"|\*\*\*|\.\.\.|…|<[^>]*>|\$\{|\{\{|%\("
)
_RUNS = ("0123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "9876543210")
_RUN_CHARS = 7
_SEQUENCES = re.compile(
    "|".join(
        re.escape(run[start : start + _RUN_CHARS])
        for run in _RUNS
        for start in range(len(run) - _RUN_CHARS + 1)
    ),
    re.IGNORECASE,
)
# Published with the products' own documents, so nobody's secret.
_PUBLISHED = frozenset(
    "sk_test_" + body for body in ("4eC39HqLyjWDarjtT1zdp7dc", "BQokikJOvBiI2HlWgH4olfQ2")
)
_WEAK_PASSWORD = re.compile(
    r"password|passwd|pass|pwd|user|username|secret|admin|root|guest|"
    r"postgres|mysql|redis|test|mypassword|your_password|changeme|token|key|"
    r"mysecretpassword|hunter2|foobar|foo|bar|db_password|database|none|null|"
    r"pw|p|secretpassword|userpassword|rootpassword",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"^(?:\$\w+|\$\{.*|\$\(.*|<.*>|\{.*\}|\[.*\]|%\w+%?|%s|:\w+|\*+|x+|X+|\.+|_+"
    r"|(?:your|my|the)(?:[_-].*|(?:pass|pwd|secret|token|key)\w*)|.*(?:example|placeholder).*)$",
    re.IGNORECASE,
)


def is_example(value: str) -> bool:
    """Whether a key says itself that it is none: a word, a run such as 1234567, few characters."""
    if value in _PUBLISHED or _WORDS.search(value) or _SEQUENCES.search(value):
        return True
    return compute_entropy(value[-24:]) < 2.5


def is_password_example(password: str) -> bool:
    """Whether a password within a URL stands for one, or is a program's public default."""
    return any(one.fullmatch(password) for one in (_WEAK_PASSWORD, _REFERENCE))


def compute_entropy(value: str) -> float:
    """Shannon entropy of the characters, in bits per character (0 for an empty text)."""
    counts = Counter(value).values()
    return -sum(one / len(value) * math.log2(one / len(value)) for one in counts)


def is_random(value: str) -> bool:
    """Whether letters and digits alternate as in random strings, and unlike in names and words.

    Of 20 random characters in base 62 some twelve neighbours differ in class (lower case, upper
    case, digit); in an identifier such as ``get_access_token_v2`` some three. Without digits, it
    takes neighbouring capitals too: ``getUserById`` has none.
    """
    classes = "".join(
        "d" if one.isdigit() else "u" if one.isupper() else "l" for one in value if one.isalnum()
    )
    if len(classes) < 12 or len(set(classes)) < 2 or compute_entropy(value) < 3.0:
        return False
    changes = sum(one != after for one, after in pairwise(classes))
    if classes.count("d") >= 2:
        return changes >= 0.25 * (len(classes) - 1)
    capitals = sum(one == after == "u" for one, after in pairwise(classes))
    return capitals >= 3 and changes >= 0.3 * (len(classes) - 1)
