"""A group whose first argument may be a run: it is then given to one of its verbs."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


class DefaultVerb(TyperGroup):
    """Reads ``assay GROUP RUN`` as ``assay GROUP default RUN``; with `bare`, no argument too."""

    default = ""
    bare = False

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        known = {*self.commands, *self.get_help_option_names(ctx)}
        if (args or self.bare) and not known & set(args[:1]):
            args = [self.default, *args]
        return super().parse_args(ctx, args)
