"""Calls that a model wrote as Python, `[f(a=1), g(b=[2, 3])]`, read as BFCL reads them; nothing of them is run.

A call is read by its keywords, and positional arguments beside them are lost. A name stands for its own text, a call
inside for an object or, without keywords, for its text. Sums of constants are worked out. Every unary operator counts
as a minus, since BFCL looks at none: `+5` is -5, and `not True` is -1.
"""

import ast
import operator
import warnings
from collections.abc import Callable, Iterable
from typing import Any

MAX_BITS = 4096
MAX_LENGTH = 100_000

_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.BitXor: operator.xor,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
}


class Unreadable(ValueError):
    """BFCL's handler would raise here."""


def python_calls(text: str) -> list[Any]:
    """The items of a list (or tuple or set) of calls: `{name: arguments}` each, or text for a call without keywords.

    Raises:
        Unreadable: it is none, or holds what BFCL does not read, such as a comparison or an attribute.
    """
    body = _parsed(text)
    if not isinstance(body, ast.List | ast.Tuple | ast.Set) or not all(isinstance(e, ast.Call) for e in body.elts):
        raise Unreadable("no list of calls")
    try:
        return [_value(item) for item in body.elts]
    except (TypeError, ArithmeticError, RecursionError) as error:
        raise Unreadable(str(error)) from None


def _parsed(text: str) -> ast.expr:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd escapes in strings
        try:
            return ast.parse(text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise Unreadable(str(error)) from None


def _value(node: ast.expr | None) -> Any:
    """The value of an argument, by the rules at the head of this module."""
    reader = _READERS.get(type(node))
    if reader is None:
        raise Unreadable(f"{type(node).__name__} is not read")
    return reader(node)


def _values(nodes: Iterable[ast.expr | None]) -> list[Any]:
    return [_value(node) for node in nodes]


def _minus(node: ast.UnaryOp) -> Any:
    if not isinstance(node.operand, ast.Constant) or not isinstance(node.operand.value, int | float | complex):
        raise Unreadable("a sign before something else than a number")
    return -node.operand.value


def _call(node: ast.Call) -> Any:
    if not node.keywords:
        return ast.unparse(node)
    return {_name(node.func): {keyword.arg or "**": _value(keyword.value) for keyword in node.keywords}}


def _name(function: ast.expr) -> str:
    """`a.b.c`, or what of it stands behind anything else than a name."""
    parts: list[str] = []
    while isinstance(function, ast.Attribute):
        parts.append(function.attr)
        function = function.value
    return ".".join(reversed([*parts, function.id] if isinstance(function, ast.Name) else parts))


_READERS: dict[type, Callable[[Any], Any]] = {
    ast.Constant: lambda node: "..." if node.value is ... else node.value,
    ast.UnaryOp: _minus,
    ast.List: lambda node: _values(node.elts),
    ast.Tuple: lambda node: tuple(_values(node.elts)),
    ast.Dict: lambda node: dict(zip(_values(node.keys), _values(node.values), strict=True)),
    ast.Name: lambda node: node.id,
    ast.Call: _call,
    ast.BinOp: lambda node: _computed(node),
    ast.Subscript: lambda node: f"{ast.unparse(node.value)}[{ast.unparse(node.slice)}]",
}


def _computed(node: ast.expr) -> Any:
    """The value of an expression of constants, as Python has it; too large ones are refused."""
    match node:
        case ast.Constant():
            return node.value
        case ast.List():
            return [_computed(item) for item in node.elts]
        case ast.Tuple():
            return tuple(_computed(item) for item in node.elts)
        case ast.UnaryOp(op=ast.USub()):
            return -_computed(node.operand)
        case ast.UnaryOp(op=ast.UAdd()):
            return +_computed(node.operand)
        case ast.BinOp() if operation := _OPERATORS.get(type(node.op)):
            left, right = _computed(node.left), _computed(node.right)
            _refuse_large(node.op, left, right)
            return operation(left, right)
    raise Unreadable(f"{type(node).__name__} in an expression is not read")


def _refuse_large(op: ast.operator, left: Any, right: Any) -> None:
    """Refuse what could take long: powers and repetitions without bound, and text that is formatted."""
    if isinstance(left, int) and isinstance(right, int):
        bits = left.bit_length() * right if isinstance(op, ast.Pow) else left.bit_length() + right.bit_length()
        if bits > MAX_BITS:
            raise Unreadable("a number too large")
        return
    sequences = [value for value in (left, right) if isinstance(value, str | bytes | list | tuple)]
    if sequences and (not isinstance(op, ast.Add | ast.Mult) or _length(left) * _length(right) > MAX_LENGTH):
        raise Unreadable("text or lists that are not only put together")


def _length(value: Any) -> int:
    return abs(value) if isinstance(value, int) else len(value) if hasattr(value, "__len__") else 1
