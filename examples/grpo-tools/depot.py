"""The depot: parcels of orders can be looked up, and stopped by their own numbers alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

Messages = list[dict[str, Any]]


class Depot:
    """One request. It is met once the parcel of the order is stopped, and nothing else was.

    A turn is worth 0.3 for the right order's number, 0.7 for stopping its parcel, and takes 0.3 for
    any other call; what is asked for never takes more than two calls.
    """

    def setup(self, row: Mapping[str, Any]) -> None:
        self.order, self.parcel = row["order_id"], row["parcel_id"]
        self.is_known = self.is_stopped = False

    def step(self, action: Any) -> tuple[Messages, float, bool]:
        if not action.tool_calls:
            return [], 0.0, True
        results = [self._run(call.name, call.arguments) for call in action.tool_calls]
        messages = [{"role": "tool", "content": json.dumps(told)} for told, _ in results]
        reward = sum(value for _, value in results)
        return messages, reward, self.is_stopped

    def _run(self, name: str, arguments: Mapping[str, Any]) -> tuple[dict[str, Any], float]:
        if name == "lookup_order" and arguments == {"order_id": self.order}:
            is_new, self.is_known = not self.is_known, True
            return {"order_id": self.order, "parcel_id": self.parcel}, 0.3 if is_new else -0.3
        if name == "stop_parcel" and arguments == {"parcel_id": self.parcel} and self.is_known:
            self.is_stopped = True
            return {"status": "stopped"}, 0.7
        return {"error": "there is no such thing here"}, -0.3
