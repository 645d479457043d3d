"""A compiled program as XLA prints it: its instructions, and where each comes from."""

import collections
import dataclasses
import functools
import re

_INSTRUCTION = re.compile(r"^\s+(?:ROOT )?%([\w.$-]+) = (.*)$")
_COMPUTATION = re.compile(r"^(?:ENTRY )?%([\w.$-]+) \(.*\{$")
_CALLED = re.compile(r"\b(?:calls|to_apply|body|condition)=%([\w.$-]+)")
_NAME = re.compile(r"%([\w.$-]+)")
_ARRAY = re.compile(r"\b([a-z]+\d*\w*)\[([\d,]*)\]")
_LAYOUT = re.compile(r"\{[^{}]*\}")
_FIELD = re.compile(r"(\w+)=(\d+)")
_MOST_SHAPES = 4  # of operands, shown
_SECTIONS = "FileNames", "FunctionNames", "FileLocations", "StackFrames"


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One line of a program."""

    name: str
    shape: str  # with its layout, as in f32[8,16]{1,0}
    opcode: str
    operands: tuple[str, ...]
    called: tuple[str, ...]  # computations: a fusion's, a loop's, a reduction's
    rest: str  # attributes, as printed

    @property
    def op_name(self) -> str:
        """The operation of JAX and the scopes around it; empty if XLA made it."""
        return _text("op_name", self.rest)

    @property
    def target(self) -> str:
        """What a custom call runs."""
        return _text("custom_call_target", self.rest)

    @property
    def frame(self) -> int:
        """The number of the line of Python that it comes from; 0 if none."""
        found = re.search(r"stack_frame_id=(\d+)", self.rest)
        return int(found[1]) if found else 0

    @property
    def bytes(self) -> int:
        """The size of the result."""
        return sum(_size(*array) for array in _ARRAY.findall(self.shape))

    @property
    def sizes(self) -> tuple[int, ...]:
        """The sizes of the result's axes."""
        found = _ARRAY.search(self.shape)
        return tuple(map(int, found[2].split(","))) if found and found[2] else ()

    @property
    def short_shape(self) -> str:
        """The result's shape without its layout."""
        return _LAYOUT.sub("", self.shape)

    @property
    def layout(self) -> str:
        """The order of the result's axes in memory, the innermost first."""
        found = re.search(r"\{([\d,]*)", self.shape)
        return found[1] if found else ""


@dataclasses.dataclass(frozen=True)
class Program:
    """A program's computations, and the stack of each line of Python."""

    name: str
    computations: dict[str, list[Instruction]]
    stacks: dict[int, tuple[str, ...]]  # innermost first, as file:line

    @functools.cached_property
    def instructions(self) -> dict[str, Instruction]:
        """All instructions by name."""
        lists = self.computations.values()
        return {one.name: one for several in lists for one in several}

    @functools.cached_property
    def users(self) -> dict[str, list[Instruction]]:
        """Who takes an instruction's result."""
        found: dict[str, list[Instruction]] = {}
        for one in self.instructions.values():
            for name in one.operands:
                found.setdefault(name, []).append(one)
        return found

    def inside(self, instruction: Instruction) -> list[Instruction]:
        """Return what a fusion computes, nested ones too, or the instruction itself."""
        if instruction.opcode != "fusion":
            return [instruction]
        return [
            part
            for called in instruction.called
            for one in self.computations.get(called, [])
            for part in self.inside(one)
        ]

    def find(self, name: str) -> Instruction | None:
        """Return the instruction of a profiler's event, which may add what it runs."""
        return self.instructions.get(name) or self.instructions.get(
            name.partition("__")[0]
        )

    def arrays(self, instruction: Instruction) -> str:
        """Return the shapes of operands, the largest first, and of the result."""
        known = [self.instructions.get(name) for name in instruction.operands]
        given = sorted((one for one in known if one), key=lambda one: -one.bytes)
        count = collections.Counter(one.short_shape for one in given)
        words = [f"{n} x {one}" if n > 1 else one for one, n in count.items()]
        more = ", ..." if len(words) > _MOST_SHAPES else ""
        given_words = ", ".join(words[:_MOST_SHAPES])
        return f"{given_words}{more} -> {instruction.short_shape}"


def parse(text: str) -> Program:
    """Read what `compiled.as_text()` gives."""
    head = re.match(r"HloModule ([\w.$-]+)", text)
    computations: dict[str, list[Instruction]] = {}
    sections: dict[str, list[str]] = {name: [] for name in _SECTIONS}
    lines: list[str] = []
    current: list[Instruction] = []
    for line in text.splitlines():
        if line in sections:
            lines = sections[line]
        elif found := _COMPUTATION.match(line):
            current = computations[found[1]] = []
        elif found := _INSTRUCTION.match(line):
            current.append(_instruction(found[1], found[2]))
        elif line[:1].isdigit():
            lines.append(line)
    return Program(head[1] if head else "", computations, _stacks(sections))


def _instruction(name: str, text: str) -> Instruction:
    """Read an instruction: `shape opcode(operands), attributes`."""
    at = _end_of_tuple(text) if text.startswith("(") else text.index(" ")
    shape, text = text[:at], text[at + 1 :]
    opcode, _, text = text.partition("(")
    operands, _, rest = text.partition(")")
    called = tuple(_CALLED.findall(rest))
    return Instruction(
        name, shape, opcode, tuple(_NAME.findall(operands)), called, rest
    )


def _end_of_tuple(text: str) -> int:
    """Return where the parenthesis that opens the text is closed, plus 1."""
    depth = 0
    for at, letter in enumerate(text):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth == 0:
            return at + 1
    return len(text)


def _stacks(sections: dict[str, list[str]]) -> dict[int, tuple[str, ...]]:
    """Return for each frame its file:line and those of its callers."""
    names, _, locations, frames = (
        dict(_numbered(line) for line in sections[name]) for name in _SECTIONS
    )
    parents: dict[int, int] = {}
    places: dict[int, str] = {}
    for number, text in frames.items():
        fields = _fields(text)
        place = _fields(locations[fields["file_location_id"]])
        file = names[place["file_name_id"]].strip('"')
        places[number] = f"{file}:{place.get('line', 0)}"
        # XLA prints a caller's number plus 1.
        parents[number] = fields.get("parent_frame_id", 1) - 1
    stacks: dict[int, tuple[str, ...]] = {}
    for number in sorted(places):  # callers come first
        stacks[number] = (places[number], *stacks.get(parents[number], ()))
    return stacks


def _numbered(line: str) -> tuple[int, str]:
    number, _, text = line.partition(" ")
    return int(number), text


def _fields(text: str) -> dict[str, int]:
    return {name: int(value) for name, value in _FIELD.findall(text)}


def _text(field: str, text: str) -> str:
    found = re.search(rf'\b{field}="([^"]*)"', text)
    return found[1] if found else ""


def _size(dtype: str, axes: str) -> int:
    """Return the bytes of an array, such as f32[8,16]."""
    bits = re.search(r"\d+", dtype)
    each = max(1, int(bits[0]) // 8) if bits else 1
    for size in axes.split(","):
        each *= int(size) if size else 1
    return each
