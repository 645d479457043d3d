"""What came of checking many cases, whatever a case is."""

import dataclasses
from typing import Any


@dataclasses.dataclass(repr=False)
class Results:
    """What came of a run; subclasses also count by kind of case."""

    failures: list[Any] = dataclasses.field(default_factory=list)
    cases: int = 0
    seconds: float = 0.0
    interrupted: bool = False

    @property
    def ok(self) -> bool:
        """Whether cases were checked and none failed."""
        return not self.failures and self.cases > 0

    def __str__(self) -> str:
        """Return the result in one line."""
        found = "all hold" if self.cases else "nothing was checked"
        if self.failures:
            found = f"{len(self.failures):,} failures"
        ended = "interrupted after " if self.interrupted else ""
        return f"{ended}{self.cases:,} cases in {self.seconds:,.0f} s: {found}"

    __repr__ = __str__

    def as_json(self) -> dict[str, Any]:
        """Return them as what `json.dump` takes."""
        return {
            "ok": self.ok,
            "cases": self.cases,
            "seconds": self.seconds,
            "interrupted": self.interrupted,
        }
