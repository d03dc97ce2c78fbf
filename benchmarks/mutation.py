"""Which small faults the tests of the rooms that make our numbers would not notice.

    python -m benchmarks.mutation [--sample 80] [--seed 0] [--room gate] [--out mutants.jsonl] [--seconds 500]

A mutant is one changed expression: a comparison, an operator, a constant, a boolean, a condition, a slice, what is
returned. Each runs the tests of its room in a process of its own, forked where the third-party packages are imported
already: first those that enter the changed function, the quickest first, then all others. It is killed if a test fails,
or if they take ten seconds and five times the processor time that they take without a change ("loops"). The file of
results is gone on with, so that a long sample can be run in pieces; the last line on stdout is the count by room, and
survivors are listed before it.
"""

import argparse
import ast
import contextlib
import importlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import coverage

ROOT = Path(__file__).resolve().parents[1]
_GATE = ("checks", "gate_text", "gate_reasons", "noise", "gate")
TESTS = {
    "bench/figures": ("tests/bench/figures", "tests/bench/load/test_slo.py"),
    "callproof/scoring": ("tests/callproof/scoring",),
    "evaluate/gate": tuple(f"tests/evaluate/gate/test_{name}.py" for name in _GATE),
}
SKIPPED_TESTS = "not (depth or fast or a_second or linear_time or little_time or as_long or memory or speed)"
PACKAGES = (
    "aiohttp anyio.pytest_plugin hypothesis jsonschema numpy openai pandas pydantic pytest rich.table yaml".split()
)
WALL_LIMIT_S = 500
NO_TESTS, LOOPS = 5, -signal.SIGKILL  # exit codes: of pytest where there is none to run, and of what took too long
_COMPARISONS = {
    "Lt": "<=", "LtE": "<", "Gt": ">=", "GtE": ">", "Eq": "!=", "NotEq": "==", "Is": "is not", "IsNot": "is",
    "In": "not in", "NotIn": "in",
}  # fmt: skip
_OPERATORS = {
    "Add": "-", "Sub": "+", "Mult": "/", "Div": "*", "Pow": "*", "FloorDiv": "/", "Mod": "*", "BitAnd": "|",
    "BitOr": "&",
}  # fmt: skip


class Mutant(NamedTuple):
    """One change of a file: the bytes from `start` to `end` become `new`.

    `around`: first and last line of what the innermost function around it does, or of the file.
    """

    room: str
    file: str
    line: int
    start: int
    end: int
    old: str
    new: str
    around: tuple[int, int]

    @property
    def name(self) -> str:
        return f"{self.file}:{self.line}: {self.old} -> {self.new}"


def mutants(room: str, path: Path) -> Iterator[Mutant]:
    """Every mutant of a file; annotations, docstrings and what only types look at are left alone."""
    text = path.read_text(encoding="utf-8")
    tree, lines = ast.parse(text), text.encode().splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    ignored = set(map(id, _unrun(tree)))
    bodies = [
        (node.body[0].lineno, node.end_lineno or 0)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    for node in ast.walk(tree):
        for target, new in () if id(node) in ignored else _changes(node):
            start = starts[target.lineno - 1] + target.col_offset
            end = starts[(target.end_lineno or 0) - 1] + (target.end_col_offset or 0)
            old = text.encode()[start:end].decode()
            inside = [body for body in bodies if body[0] <= target.lineno <= body[1]]
            around = max(inside, default=(1, len(lines)))
            yield Mutant(room, str(path.relative_to(ROOT)), target.lineno, start, end, old, new, around)


def _unrun(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        notes = [getattr(node, name, None) for name in ("annotation", "returns")]
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript):
            notes += [node.value] if ast.unparse(node.value.value) in ("Literal", "Annotated", "NDArray") else []
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            notes.append(node)
        for note in notes:
            yield from ast.walk(note) if isinstance(note, ast.AST) else ()


def _changes(node: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    """(expression, what takes its place)."""
    yield from _changed_operations(node)
    match node:
        case ast.Constant(value=bool() as value):
            yield node, str(not value)
        case ast.Constant(value=int() | float() as value):
            yield node, str(value + 1) if isinstance(value, int) else repr(value * 1.5 + 0.001)
        case ast.If(test=test) | ast.IfExp(test=test) | ast.comprehension(ifs=[test]):
            if not any(isinstance(part, ast.NamedExpr) for part in ast.walk(test)):
                yield test, f"(not ({ast.unparse(test)}))"
        case ast.Call(func=ast.Name(id="max" | "min" as name) as function):
            yield function, "min" if name == "max" else "max"
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant):
            yield value, "None"
        case ast.Subscript(slice=ast.Slice(lower=lower, upper=upper), value=value) if lower or upper:
            yield node, ast.unparse(value)
        case _:
            pass


def _changed_operations(node: ast.AST) -> Iterator[tuple[ast.expr, str]]:
    match node:
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op).__name__ in _COMPARISONS:
            yield node, f"(({ast.unparse(left)}) {_COMPARISONS[type(op).__name__]} ({ast.unparse(right)}))"
        case ast.BinOp(left=left, op=op, right=right) if type(op).__name__ in _OPERATORS:
            yield node, f"(({ast.unparse(left)}) {_OPERATORS[type(op).__name__]} ({ast.unparse(right)}))"
        case ast.BoolOp(op=op, values=values):
            word = " or " if isinstance(op, ast.And) else " and "
            yield node, f"({word.join(f'({ast.unparse(value)})' for value in values)})"
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield node, f"({ast.unparse(operand)})"
        case _:
            pass


class Watch:
    """A pytest plugin: seconds of processor time by test, and the tests that enter each line of a room's files."""

    def __init__(self, room: str) -> None:
        self.seconds: dict[str, float] = {}
        self.cover = coverage.Coverage(data_file=None, include=[str(ROOT / room / "*")])
        self.cover.start()

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.cover.switch_context(nodeid)
        self.seconds[nodeid] = -time.process_time()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.seconds[nodeid] += time.process_time()

    def write(self, path: str) -> None:
        self.cover.stop()
        data = self.cover.get_data()
        files = {str(Path(file).relative_to(ROOT)): data.contexts_by_lineno(file) for file in data.measured_files()}
        Path(path).write_text(json.dumps({"seconds": self.seconds, "lines": files}))


class Tests:
    """The tests of a room as they are without a change; exits if they fail."""

    def __init__(self, room: str) -> None:
        self.paths = TESTS[room]
        with tempfile.NamedTemporaryFile() as file:
            if run_tests(list(self.paths), WALL_LIMIT_S, watched=(room, file.name)):
                sys.exit(f"error: {room}: its tests fail without any change; mend them first")
            found: dict[str, Any] = json.load(file)
        self.seconds: dict[str, float] = found["seconds"]
        self.lines: dict[str, dict[str, list[str]]] = found["lines"]

    def entering(self, mutant: Mutant) -> list[str]:
        """The tests that run a line of the innermost function around a mutant, or of its file; the quickest first."""
        first, last = mutant.around
        lines = self.lines.get(mutant.file, {})
        tests = {test for line, tests in lines.items() if first <= int(line) <= last for test in tests if test}
        return sorted(tests, key=self.seconds.__getitem__)

    def verdict(self, mutant: Mutant) -> str:
        """`killed`, `loops` or `survived`, of the mutant in place."""
        entering = self.entering(mutant)
        others = [*self.paths, *(word for test in entering for word in ("--deselect", test))]
        within = sum(self.seconds[test] for test in entering)
        for words, seconds in ((entering, within), (others, sum(self.seconds.values()) - within)):
            code = run_tests(words, round(10 + 5 * seconds)) if words else 0
            if code not in (0, NO_TESTS):
                return "loops" if code == LOOPS else "killed"
        return "survived"


def run_tests(words: list[str], limit_s: int, watched: tuple[str, str] | None = None) -> int:
    """The exit code of the tests, 0 if they pass, run in a fork of this process, which has `limit_s` of processor time.

    `watched`: a room, and the file that gets what `Watch` finds there.
    """
    child = os.fork()
    if not child:
        with tempfile.TemporaryFile() as output:
            for stream in (1, 2):
                os.dup2(output.fileno(), stream)
            import pytest

            watch = Watch(watched[0]) if watched else None
            options = ["-x", "-p", "no:cacheprovider", "-o", "timeout=0", "-k", SKIPPED_TESTS]
            code = pytest.main([*options, *words], plugins=[watch] if watch else [])
            if watch and watched:
                watch.write(watched[1])
            os._exit(int(code))
    return _ended(child, limit_s)


def _ended(child: int, limit_s: int) -> int:
    """The exit code of a process, which is killed after `limit_s` of its own processor time, or WALL_LIMIT_S.

    Its time is read from outside: a limit that the kernel sets makes the clock coarse that tests of speed look at.
    """
    began = time.monotonic()
    while not (ended := os.waitpid(child, os.WNOHANG))[0]:
        used = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[11:13]
        if sum(map(int, used)) > limit_s * os.sysconf("SC_CLK_TCK") or time.monotonic() - began > WALL_LIMIT_S:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.05)
    return os.waitstatus_to_exitcode(ended[1])


@contextlib.contextmanager
def changed(mutant: Mutant) -> Iterator[bool]:
    """The mutant in place of its file while the block runs; False where it is no Python.

    The file gets its time back, so that its compiled form stays good, which is not written while files are changed.
    """
    path = ROOT / mutant.file
    whole, times = path.read_bytes(), path.stat()
    new = whole[: mutant.start] + mutant.new.encode() + whole[mutant.end :]
    try:
        compile(new, mutant.file, "exec")
    except SyntaxError:
        yield False
        return
    try:
        path.write_bytes(new)
        yield True
    finally:
        path.write_bytes(whole)
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sample", type=int, default=80, help="mutants of each room")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--room", choices=[Path(room).name for room in TESTS], action="append")
    parser.add_argument("--out", type=Path, default=Path("mutants.jsonl"))
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so long; run again to go on")
    args = parser.parse_args()
    print(f"seed {args.seed}, {args.sample} mutants a room", file=sys.stderr)
    results = dict(map(json.loads, args.out.read_text().splitlines())) if args.out.exists() else {}
    for package in PACKAGES:
        importlib.import_module(package)
    os.chdir(ROOT)
    stop = time.monotonic() + args.seconds
    for room in TESTS:
        if not args.room or Path(room).name in args.room:
            try_room(room, args, results, stop)
    report(results)


def try_room(room: str, args: argparse.Namespace, results: dict[str, str], stop: float) -> None:
    """Add the results of a room's sampled mutants that have none yet, until the clock says `stop`."""
    every = [mutant for path in sorted((ROOT / room).glob("*.py")) for mutant in mutants(room, path)]
    chosen = random.Random(args.seed).sample(every, min(args.sample, len(every)))
    untried = [mutant for mutant in chosen if mutant.name not in results]
    print(f"{room}: {len(untried)} untried of {len(chosen)} sampled of {len(every)}", file=sys.stderr)
    if not untried or time.monotonic() > stop:
        return
    tests = Tests(room)
    sys.dont_write_bytecode = True
    for mutant in untried:
        if time.monotonic() > stop:
            return
        with changed(mutant) as valid:
            results[mutant.name] = tests.verdict(mutant) if valid else "no Python"
        with args.out.open("a") as file:
            file.write(json.dumps([mutant.name, results[mutant.name]]) + "\n")


def report(results: dict[str, str]) -> None:
    for name, verdict in results.items():
        if verdict == "survived":
            print(f"survived: {name}")
    counts = {room: [verdict for name, verdict in results.items() if name.startswith(room)] for room in TESTS}
    print(
        json.dumps(
            {
                room: {verdict: found.count(verdict) for verdict in ("killed", "loops", "survived")}
                for room, found in counts.items()
            }
        )
    )


if __name__ == "__main__":
    main()
