"""What an hour of this machine costs, in whatever currency its operator counts."""

from __future__ import annotations

import math
import os

PRICE_VARIABLE = "ASSAY_PRICE_PER_HOUR"


def set_price(price: float | None) -> None:
    """Tell this process and those that it starts from now on; None leaves what is told already."""
    if price is not None:
        os.environ[PRICE_VARIABLE] = repr(price)


def read_price() -> float | None:
    """The price, where one was given that is a number."""
    try:
        price = float(os.environ.get(PRICE_VARIABLE, ""))
    except ValueError:
        return None
    return price if math.isfinite(price) and price >= 0 else None
