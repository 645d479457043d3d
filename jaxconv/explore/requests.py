"""Read a request's body: JSON to typed values, or a sentence that names the field."""

import difflib
import json
import math
import re
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from jaxconv.explore.arguments import SIDE
from jaxconv.explore.refusals import RefusedError

_DEEPEST = 8  # arrays and objects inside each other; an image takes 3
# A string to its end, or to that of the body, in one pass; or a bracket.
_TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[\[\]{}]', re.DOTALL)
_SESSION = re.compile(r"[A-Za-z0-9-]{8,64}")


class BadRequestError(RefusedError):
    """A body or a field that is not what it must be."""

    def __init__(self, sentence: str) -> None:
        """Keep the sentence."""
        super().__init__(400, sentence)


def parse(data: bytes) -> dict[str, Any]:
    """Read a body: one JSON object in UTF-8, without NaN, infinity or double names.

    Raises:
      BadRequestError: it is none.
    """
    _check_depth(data)  # before the parser, which would recurse as deep
    try:
        body = json.loads(
            data.decode("utf-8"), parse_constant=_no_number, object_pairs_hook=_object
        )
    except BadRequestError:
        raise
    except UnicodeDecodeError:
        raise BadRequestError("The body is not in UTF-8.") from None
    except json.JSONDecodeError as error:
        raise BadRequestError(
            f"The body is no JSON: {error.msg}, at character {error.pos}."
        ) from None
    except ValueError:  # an int of thousands of digits
        raise BadRequestError("The body holds a number that is too long.") from None
    if not isinstance(body, dict):
        raise BadRequestError(f"The body must be a JSON object, got {shown(body)}.")
    return body


def _check_depth(data: bytes) -> None:
    depth = 0
    for token in _TOKENS.findall(data):
        depth += (token in (b"[", b"{")) - (token in (b"]", b"}"))
        if depth > _DEEPEST:
            raise BadRequestError(f"The body is nested deeper than {_DEEPEST} levels.")


def _no_number(word: str) -> NoReturn:
    raise BadRequestError(f"The body holds {word}, which is no number in JSON.")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise BadRequestError("The body names a field twice.")
    return found


def shown(value: Any) -> str:
    """Describe a JSON value in a few words, whatever its size.

    >>> shown([1, 2]), shown("nine"), shown(None)
    ('an array of 2', '"nine"', 'null')
    """
    if isinstance(value, list):
        return f"an array of {len(value):,}"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, int) and abs(value) >= 10**15:
        return "a larger number" if value > 0 else "a lower number"
    if isinstance(value, str) and len(value) > 40:
        return f"a string of {len(value):,} characters"
    return json.dumps(value)


class Body:
    """The fields of a request to one route, read by type.

    Every getter raises BadRequestError, in the form `route: field must be ...`.
    """

    def __init__(
        self,
        route: str,
        fields: dict[str, Any],
        known: Sequence[str],
        *,
        may_run_code: bool = False,
    ) -> None:
        """Refuse fields that the route does not know."""
        self.route, self.fields, self.may_run_code = route, fields, may_run_code
        for field in fields:
            if field not in known:
                self._unknown(field, known)

    def _unknown(self, field: str, known: Sequence[str]) -> NoReturn:
        near = difflib.get_close_matches(field, known, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"It takes {', '.join(known)}."
        if not known:
            hint = "It takes none."
        raise BadRequestError(f"{self.route}: there is no field {shown(field)}. {hint}")

    def refuse(self, field: str, wanted: str, value: Any) -> NoReturn:
        """Raise: `wanted` says what the field must be."""
        missing = field.partition("[")[0] not in self.fields
        got = "it is missing" if missing else f"got {shown(value)}"
        raise BadRequestError(f"{self.route}: {field} must be {wanted}, {got}.")

    def has(self, field: str) -> bool:
        """Whether a field is given, and not null."""
        return self.fields.get(field) is not None

    def integer(self, field: str, low: int, high: int) -> int:
        """Return a whole number from `low` to `high`."""
        value: Any = self.fields.get(field)
        if not _is_integer(value, low, high):
            self.refuse(field, f"a whole number from {low} to {high}", value)
        return value

    def integers(self, field: str, count: int, low: int, high: int) -> list[int]:
        """Return `count` whole numbers, each from `low` to `high`."""
        value = self.fields.get(field)
        wanted = f"{count} whole numbers from {low} to {high}"
        if not isinstance(value, list) or len(value) != count:
            self.refuse(field, wanted, value)
        for at, entry in enumerate(value):
            if not _is_integer(entry, low, high):
                self.refuse(f"{field}[{at}]", f"one of {wanted}", entry)
        return value

    def number(self, field: str, low: float, high: float) -> float:
        """Return a number from `low` to `high`."""
        value: Any = self.fields.get(field)
        if not _is_number(value, low, high):
            self.refuse(field, f"a number from {low:g} to {high:g}", value)
        return float(value)

    def numbers(self, field: str, least: int, most: int, size: float) -> np.ndarray:
        """Return from `least` to `most` numbers, each at most `size` in size."""
        value = self.fields.get(field)
        wanted = f"{least} to {most} numbers" if least < most else f"{most} numbers"
        if not isinstance(value, list) or not least <= len(value) <= most:
            self.refuse(field, f"an array of {wanted}", value)
        for at, entry in enumerate(value):
            if not _is_number(entry, -size, size):
                wanted = f"a number from {-size:g} to {size:g}"
                self.refuse(f"{field}[{at}]", wanted, entry)
        return np.array(value, np.float32)

    def square(self, field: str, side: int, size: float) -> np.ndarray:
        """Return `side` rows of `side` numbers, each at most `size` in size."""
        wanted = f"{side} rows of {side} numbers from {-size:g} to {size:g}"
        rows = self._rows(field, side, wanted)
        for at, row in enumerate(rows):
            for column, entry in enumerate(row):
                if not _is_number(entry, -size, size):
                    self.refuse(f"{field}[{at}][{column}]", f"one of {wanted}", entry)
        return np.array(rows, np.float32)

    def pixels(self, field: str = "pixels") -> np.ndarray:
        """Return an image: 28 rows of 28 grey levels, bright ink on dark."""
        wanted = f"{SIDE} rows of {SIDE} whole numbers from 0 to 255"
        rows = self._rows(field, SIDE, wanted)
        for at, row in enumerate(rows):
            for column, entry in enumerate(row):
                if not _is_integer(entry, 0, 255):
                    self.refuse(f"{field}[{at}][{column}]", f"one of {wanted}", entry)
        return np.array(rows, np.uint8)

    def _rows(self, field: str, side: int, wanted: str) -> list[list[Any]]:
        value = self.fields.get(field)
        if not isinstance(value, list) or len(value) != side:
            self.refuse(field, wanted, value)
        for at, row in enumerate(value):
            if not isinstance(row, list) or len(row) != side:
                self.refuse(f"{field}[{at}]", f"one of {wanted}", row)
        return value

    def text(self, field: str, most: int) -> str:
        """Return a string of 1 to `most` characters."""
        value = self.fields.get(field)
        if not isinstance(value, str) or not 0 < len(value) <= most:
            self.refuse(field, f"a string of 1 to {most:,} characters", value)
        return value

    def choice(self, field: str, options: Sequence[str]) -> str:
        """Return one of some strings."""
        value = self.fields.get(field)
        if not isinstance(value, str) or value not in options:
            self.refuse(field, f"one of {', '.join(options)}", value)
        return value

    def session(self) -> str:
        """Return the name under which the page's own weights are kept."""
        value = self.fields.get("session")
        if not isinstance(value, str) or not _SESSION.fullmatch(value):
            self.refuse("session", "8 to 64 letters, digits and hyphens", value)
        return value


def _is_integer(value: Any, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high


def _is_number(value: Any, low: float, high: float) -> bool:
    # The comparison comes first: an int may be too large for a float.
    return type(value) in (int, float) and low <= value <= high and math.isfinite(value)
