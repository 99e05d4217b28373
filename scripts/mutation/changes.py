"""The changes that can be made to a file: mutmut's, and those that it lacks."""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import attrs
import libcst as cst
import libcst.matchers as m
from libcst.metadata import MetadataWrapper, WhitespaceInclusivePositionProvider
from mutmut.mutation.mutators import mutation_operators

# What says nothing at run time, or is a description for people, whose wording no test should hold.
_UNTOUCHED = (
    m.Annotation()
    | m.Import()
    | m.ImportFrom()
    | m.SimpleStatementLine(body=[m.Expr(value=m.SimpleString() | m.ConcatenatedString())])
    | m.ClassDef(bases=[m.Arg(value=m.Name("Protocol"))])
    | m.Assign(value=m.Call(func=m.Name("TypeVar") | m.Name("ParamSpec")))
    | m.FunctionDef(decorators=[m.AtLeastN(m.Decorator(m.Name("overload")), n=1)])
    | m.If(test=m.Name("TYPE_CHECKING"))
)


@attrs.frozen
class Change:
    """One change: where, the source after it, and how it reads."""

    path: str  # from the root of the project
    lines: range  # of the statement that changes
    source: str = attrs.field(repr=False)
    before: str
    after: str

    @property
    def text(self) -> str:
        """What changes, whatever stands above it in the file."""
        return f"{self.path}: {self.before} -> {self.after}"

    @property
    def key(self) -> str:
        """Names the change in the results: another one as soon as its file changes."""
        return hashlib.sha256(f"{self.path}\0{self.source}".encode()).hexdigest()

    def __str__(self) -> str:
        return self.text.replace(":", f":{self.lines.start}:", 1)


def changes_of(root: Path, path: str) -> list[Change]:
    """Every change of a file, in the order of its lines."""
    source = (root / path).read_text()
    wrapper = MetadataWrapper(cst.parse_module(source))
    collector = _Collector(path, source)
    wrapper.visit(collector)
    unique = {change.source: change for change in collector.found}
    return sorted(unique.values(), key=lambda change: change.lines.start)


class _Collector(cst.CSTVisitor):
    METADATA_DEPENDENCIES = (WhitespaceInclusivePositionProvider,)

    def __init__(self, path: str, source: str) -> None:
        super().__init__()
        self.path, self.source, self.found = path, source, list[Change]()
        self._starts = [0]
        for line in source.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._statements = list[range]()

    def on_visit(self, node: cst.CSTNode) -> bool:
        if isinstance(node, cst.BaseStatement | cst.Decorator | cst.ExceptHandler):
            self._statements.append(self._lines_of(node))
        if m.matches(node, _UNTOUCHED):
            return False
        for after in _changed(node):
            self._add(node, after)
        return True

    def on_leave(self, original_node: cst.CSTNode) -> None:
        if isinstance(original_node, cst.BaseStatement | cst.Decorator | cst.ExceptHandler):
            self._statements.pop()

    def _lines_of(self, node: cst.CSTNode) -> range:
        where = self.get_metadata(WhitespaceInclusivePositionProvider, node)
        body = getattr(node, "body", None)
        end = where.end.line
        if isinstance(body, cst.BaseSuite):  # the head alone: the statements of its body have lines of their own
            end = self.get_metadata(WhitespaceInclusivePositionProvider, body).start.line
        return range(where.start.line, end + 1)

    def _add(self, node: cst.CSTNode, after: cst.CSTNode | None) -> None:
        where = self.get_metadata(WhitespaceInclusivePositionProvider, node)
        start = self._starts[where.start.line - 1] + where.start.column
        end = self._starts[where.end.line - 1] + where.end.column
        new = "" if after is None else cst.Module([]).code_for_node(after)
        source = self.source[:start] + new + self.source[end:]
        first, last = where.start.line - 1, min(where.end.line, len(self._starts) - 1)
        tail = len(self.source) - self._starts[last]
        changed = source[self._starts[first] : len(source) - tail]
        before = self.source[self._starts[first] : self._starts[last]]
        if changed.split() != before.split() and _compiles(source):
            lines = self._statements[-1] if self._statements else range(first + 1, last + 1)
            self.found.append(Change(self.path, lines, source, *_shortest(before, changed)))


def _shortest(before: str, after: str) -> tuple[str, str]:
    """The lines that differ, each on one line."""
    old, new = before.splitlines(), after.splitlines()
    while len(old) > 1 and len(new) > 1 and old[0] == new[0]:
        del old[0], new[0]
    while len(old) > 1 and len(new) > 1 and old[-1] == new[-1]:
        del old[-1], new[-1]
    return " ".join(" ".join(old).split()), " ".join(" ".join(new).split())


def _compiles(source: str) -> bool:
    try:
        compile(source, "changed", "exec", dont_inherit=True)
    except SyntaxError:
        return False
    return True


def _changed(node: cst.CSTNode) -> Iterator[cst.CSTNode | None]:
    """What could stand instead of a node; None for nothing at all."""
    operators: Iterable[tuple[type, Callable[[Any], Iterable[cst.CSTNode | None]]]] = [*mutation_operators, *_OURS]
    for kind, operator in operators:
        if isinstance(node, kind) and not _is_prose(node):
            yield from operator(node)


def _is_prose(node: cst.CSTNode) -> bool:
    return isinstance(node, cst.SimpleString) and " " in str(node.evaluated_value)


def _drop(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    if not m.matches(node, m.Expr(value=m.Yield() | m.SimpleString() | m.Ellipsis())):
        yield cst.Pass()


def _return_none(node: cst.Return) -> Iterator[cst.CSTNode]:
    if node.value is not None and not m.matches(node.value, m.Name("None")):
        yield node.with_changes(value=cst.Name("None"), whitespace_after_return=cst.SimpleWhitespace(" "))


def _without_cause(node: cst.Raise) -> Iterator[cst.CSTNode]:
    if node.cause is not None:
        yield node.with_changes(cause=None)


def _negated(node: cst.If | cst.While | cst.IfExp) -> Iterator[cst.CSTNode]:
    if not isinstance(node.test, cst.Comparison | cst.BooleanOperation | cst.UnaryOperation):
        test = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        space = cst.SimpleWhitespace(" ")
        changed = cst.UnaryOperation(cst.Not(), test)
        yield node.with_changes(test=changed, **({} if isinstance(node, cst.IfExp) else {_SPACE[type(node)]: space}))


_SPACE: dict[type, str] = {cst.If: "whitespace_before_test", cst.While: "whitespace_after_while"}


def _one_operand(node: cst.BooleanOperation) -> Iterator[cst.CSTNode]:
    yield _in_parentheses(node.left)
    yield _in_parentheses(node.right)


def _in_parentheses(node: cst.BaseExpression) -> cst.CSTNode:
    return node.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])


def _unsliced(node: cst.Subscript) -> Iterator[cst.CSTNode]:
    if len(node.slice) == 1 and isinstance(node.slice[0].slice, cst.Slice):
        yield node.value


def _uncalled(node: cst.Call) -> Iterator[cst.CSTNode]:
    """A method that returns its object in another form, such as `strip`."""
    if isinstance(node.func, cst.Attribute) and len(node.args) < 3:
        yield node.func.value


def _one_element_less(node: cst.Tuple | cst.List | cst.Set | cst.Dict) -> Iterator[cst.CSTNode]:
    for element in node.elements if len(node.elements) > 1 else ():
        rest = [other for other in node.elements if other is not element]
        if isinstance(node, cst.Tuple) and len(rest) == 1:
            rest = [rest[0].with_changes(comma=cst.Comma())]
        yield node.with_changes(elements=rest)


def _removed(node: cst.Decorator) -> Iterator[None]:
    if not m.matches(node.decorator, m.Name("property") | m.Name("staticmethod") | m.Name("classmethod")):
        yield None


_OURS: list[tuple[Any, Callable[[Any], Iterable[cst.CSTNode | None]]]] = [
    (cst.Expr | cst.AugAssign | cst.Raise | cst.Del | cst.Assert, _drop),
    (cst.Return, _return_none),
    (cst.Raise, _without_cause),
    (cst.If | cst.While | cst.IfExp, _negated),
    (cst.BooleanOperation, _one_operand),
    (cst.Subscript, _unsliced),
    (cst.Call, _uncalled),
    (cst.Tuple | cst.List | cst.Set | cst.Dict, _one_element_less),
    (cst.Decorator, _removed),
]
