"""A way to read the results of a table, and the option that asks for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Way:
    """A way to read the results of a table.

    Attributes
    ----------
    what
        What it takes the rows for, in words.
    roles
        Column of this package to heading.
    words
        Column of words to what stands in every row of it.
    unused
        Options that ask for results which stand in the table too.
    """

    what: str
    roles: Mapping[str, str]
    words: Mapping[str, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()

    @property
    def option(self) -> str:
        """The option that asks for it."""
        stated = ",".join(f"{heading}={role}" for role, heading in self.roles.items())
        return f"--columns '{stated}'" if set(stated) & set(" ()[]%&;|") else f"--columns {stated}"
