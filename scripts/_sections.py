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


def section_of(page: str, command: str) -> str:
    """Return the command's section of a page, "" if there is none."""
    begin, end = marks(command)
    return page.partition(f"{begin}\n")[2].partition(f"\n{end}")[0]


def kept(page: str, new: str) -> str:
    """Return a new page with the old one's sections."""
    for command in COMMANDS:
        if text := section_of(page, command):
            new = with_section(new, command, text)
    return new
