"""What `bench.py nets` shows: a line for each map, tables, a part of BENCHMARKS.md."""

import re
from collections.abc import Iterator
from typing import Any

from _report import figure
from _scaling import table, wrapped
from _terminal import geometric_mean

WHO = {"lax": "lax", "jaxconv": "jaxconv", "torch": "PyTorch"}
MAPS = ("training step", "inference")
Row = dict[str, Any]

HOW = (
    "`python scripts/bench.py nets --from-json` writes this section. Networks of "
    "`keras.applications` without weights, on 96 x 96 pixels, run on lax and, under "
    "`jaxconv.patch()`, on jaxconv; the models of `nn` run on jaxconv, and on lax they "
    "call its convolution. In PyTorch all have the same architectures and as many "
    "parameters, channels-last. All run in one process, in turn; times are medians, in "
    "milliseconds. A training step is loss, all gradients, new statistics, and plain "
    "SGD; JAX's donates its state. Compile time is that of the step, in seconds, "
    "tracing included. Peak memory, in MB, is weights and statistics, and by how much "
    "a step makes the process's resident memory grow at most; temporary memory is what "
    "XLA asks for at once. Dropout and stochastic depth are off."
)


def line(row: Row) -> str:
    """Return one map's figures in a line."""
    who = [by for by in WHO if f"{by} ms" in row]
    times = ", ".join(f"{WHO[by]} {figure(row[f'{by} ms'])}" for by in who)
    faster = ", ".join(
        f"{figure(row[f'ratio to {by}'])} times as fast as {WHO[by]}"
        for by in who
        if by != "jaxconv"
    )
    compiled, peaks = (
        " / ".join(figure(row[f"{by} {key}"]) for by in who if f"{by} {key}" in row)
        for key in ("compile s", "peak MB")
    )
    return (
        f"{row['network']}, {row['map']}: {times} ms; {faster}; compile s {compiled}; "
        f"peak MB {peaks}"
    )


def section(runs: list[Row], before: str = "") -> str:
    """Return the section on networks; of the one `before`, runs of other kinds stay."""
    _, *old = re.split(r"^### ", before, flags=re.M)
    kept = (text.partition("\n\n") for text in old)
    found = {title: text.rstrip() for title, _, text in kept}
    for run in runs:
        where = run["where"]
        said = wrapped(
            f"{where['processor']}, {where['cores']} cores, jax {where['jax']}, "
            f"PyTorch {where.get('torch', 'not installed')}; {where['date']}; load "
            f"average before {where['load before']} (quiet: about 0)."
        )
        found[_title(run)] = f"{said}\n\n{tables(run)}"
    parts = [f"### {title}\n\n{text}" for title, text in found.items()]
    return "\n\n".join(["## Networks", wrapped(HOW), *parts])


def smallest(run: Row) -> str:
    """Return README's table: the networks' steps and inference, and the means."""
    found: dict[str, dict[str, Row]] = {}
    for row in run["rows"]:
        found.setdefault(row["network"], {})[row["map"]] = row
    lines = [
        (name, *(_by_all(maps[which]) for which in MAPS))
        for name, maps in found.items()
        if not name.startswith("nn ")
    ]
    header = ("ms: jaxconv, lax, PyTorch", *MAPS)
    kept = {name for name, *_ in lines}
    means = [
        f"{which} {_mean(run, which, 'lax', kept)} times as fast as lax, "
        f"{_mean(run, which, 'torch', kept)} times as fast as PyTorch"
        for which in MAPS
    ]
    where = run["where"]
    said = (
        f"{where['processor']}, {where['cores']} cores, jax {where['jax']}, PyTorch "
        f"{where.get('torch', 'not installed')}, float32. Geometric means: "
        f"{'; '.join(means)}."
    )
    return f"\n{table(header, lines)}\n\n{wrapped(said)}\n"


def _by_all(row: Row) -> str:
    return ", ".join(figure(row.get(f"{by} ms")) for by in ("jaxconv", "lax", "torch"))


def _mean(run: Row, which: str, by: str, kept: set[str]) -> str:
    rows = (r for r in run["rows"] if r["map"] == which and r["network"] in kept)
    cells = [row[f"ratio to {by}"] for row in rows if f"ratio to {by}" in row]
    return figure(geometric_mean(cells)) if cells else "-"


def _title(run: Row) -> str:
    first = run["rows"][0]
    huge = "hugetlb=" in run["where"].get("GLIBC_TUNABLES", "")
    pages = "with huge pages" if huge else "no huge pages asked for"
    lesser = ", on AVX2" * run["where"]["processor"].endswith("AVX2)")
    return f"{first['dtype']}, {pages}{lesser}"


def tables(run: Row) -> str:
    """Return two tables, of times and of what is beside them, and the means."""
    rows = run["rows"]
    maps = list(dict.fromkeys(row["map"] for row in rows))
    found = {(row["network"], row["map"]): row for row in rows}
    names = list(dict.fromkeys(row["network"] for row in rows))
    times = [
        (
            _named(found[name, maps[0]]),
            *(cell for which in maps for cell in _times(found[name, which])),
        )
        for name in names
    ]
    header = [
        f"{which}: {title}"
        for which in maps
        for title in (*WHO.values(), "times as fast as lax", "as PyTorch")
    ]
    beside = [
        (_named(found[name, maps[0]]), *_beside(found[name, maps[0]])) for name in names
    ]
    parts = [
        table(("network, batch", *header), times),
        table(("training step, batch", *BESIDE), beside),
        "\n".join(_means(rows)),
    ]
    return "\n\n".join(parts)


def _named(row: Row) -> str:
    return f"{row['network']}, {row['batch']}"


BESIDE = (
    *(f"compile s: {who}" for who in ("lax", "jaxconv")),
    *(f"peak MB: {who}" for who in WHO.values()),
    *(f"temporary MB: {who}" for who in ("lax", "jaxconv")),
)


def _times(row: Row) -> Iterator[str]:
    keys = [f"{by} ms" for by in WHO] + ["ratio to lax", "ratio to torch"]
    return (figure(row.get(key)) for key in keys)


def _beside(row: Row) -> Iterator[str]:
    keys = [f"{by} compile s" for by in ("lax", "jaxconv")]
    keys += [f"{by} peak MB" for by in WHO]
    keys += [f"{by} temporary MB" for by in ("lax", "jaxconv")]
    return (figure(row.get(key)) for key in keys)


def _means(rows: list[Row]) -> Iterator[str]:
    """Yield for each map and peer the geometric mean of the ratios, and the least."""
    for which in dict.fromkeys(row["map"] for row in rows):
        for by in ("lax", "torch"):
            key = f"ratio to {by}"
            cells = [r[key] for r in rows if r["map"] == which and key in r]
            if cells:
                yield (
                    f"- {which}: {geometric_mean(cells):.2f} times as fast as "
                    f"{WHO[by]} on geometric average, at least {min(cells):.2f}"
                )
    steps = [row for row in rows if row["map"] == "training step"]
    for key in ("compile s", "peak MB", "temporary MB"):
        shares = [
            row[f"jaxconv {key}"] / row[f"lax {key}"]
            for row in steps
            if f"lax {key}" in row
        ]
        if shares:
            yield (
                f"- {key} of the step: {geometric_mean(shares):.2f} of lax's on "
                f"geometric average, at most {max(shares):.2f}"
            )
