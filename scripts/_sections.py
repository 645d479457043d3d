"""Parts of BENCHMARKS.md that a command of `bench.py` replaces by itself."""

COMMANDS = ("nets", "devices")


def marks(command: str) -> tuple[str, str]:
    """Return the lines between which the command writes."""
    begin = f"<!-- {command}, by scripts/bench.py {command} -->"
    return begin, f"<!-- end of {command} -->"


def with_section(page: str, command: str, text: str) -> str:
    """Return the page with the command's section replaced, or put at its end."""
    begin, end = marks(command)
    marked = f"{begin}\n{text}\n{end}\n"
    before, found, rest = page.partition(begin)
    if not found:
        return f"{page.rstrip()}\n\n{marked}".lstrip()
    return before + marked + rest.partition(f"{end}\n")[2]


def kept(page: str, new: str) -> str:
    """Return a new page with the old one's sections."""
    for command in COMMANDS:
        begin, end = marks(command)
        _, found, rest = page.partition(f"{begin}\n")
        if found:
            new = with_section(new, command, rest.partition(f"\n{end}")[0])
    return new
