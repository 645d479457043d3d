"""Counts and lists in messages."""


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a number and what it counts.

    >>> counted(1, "batch", "batches"), counted(1000, "image")
    ('1 batch', '1,000 images')
    """
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def listed(names: list[str], most: int = 8) -> str:
    """Return the first names, and how many more there are.

    >>> listed(["a", "b", "c"], most=2)
    'a, b and 1 more'
    """
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
