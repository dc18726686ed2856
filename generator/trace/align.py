"""Lines through the formatter: which lines before formatting each formatted line is made of.

In: a module before and after formatting. Out: for each formatted line the earlier ones. The formatter moves tokens, adds and
drops commas and parentheses and sorts imports; tokens are followed, imports by what they import.
"""

import ast
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass

_LAYOUT = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER, tokenize.ENCODING}
_OPTIONAL = {",", "(", ")"}
_WINDOW = 80

Token = tuple[str, int, int]
"""Text without quotes, first line, last line."""


@dataclass(frozen=True, slots=True)
class _Import:
    """An import statement: its lines, and what it imports with the line of each name."""

    start: int
    end: int
    names: tuple[tuple[str, int], ...]


def aligned(before: str, after: str) -> dict[int, tuple[int, ...]]:
    """Formatted line -> lines before formatting, both from 1; lines without an own token are left out."""
    found: dict[int, list[int]] = {}
    old_imports, new_imports = _imports(before), _imports(after)
    origins = {name: line for statement in old_imports for name, line in statement.names}
    for statement in new_imports:
        known = [origins[name] for name, _ in statement.names if name in origins]
        for line in range(statement.start, statement.end + 1):
            own = [origins[name] for name, at in statement.names if at == line and name in origins]
            found.setdefault(line, []).extend(own or known[:1])
    for old, new in _pairs(_tokens(before, old_imports), _tokens(after, new_imports)):
        for offset in range(new[2] - new[1] + 1):
            found.setdefault(new[1] + offset, []).append(min(old[1] + offset, old[2]))
    return {line: tuple(dict.fromkeys(lines)) for line, lines in found.items()}


def _pairs(old: list[Token], new: list[Token]) -> Iterator[tuple[Token, Token]]:
    """Tokens of both sides that are the same."""
    i = j = 0
    while i < len(old) and j < len(new):
        if old[i][0] == new[j][0]:
            yield old[i], new[j]
            i, j = i + 1, j + 1
        elif new[j][0] in _OPTIONAL:
            yield old[max(i - 1, 0)], new[j]
            j += 1
        elif old[i][0] in _OPTIONAL:
            i += 1
        else:
            i, j = _resumed(old, new, i, j)
    yield from ((old[-1], token) for token in new[j:] if old)


def _resumed(old: list[Token], new: list[Token], i: int, j: int) -> tuple[int, int]:
    """Where both sides agree again for two tokens, as near as possible."""
    for distance in range(1, _WINDOW):
        for a in range(distance + 1):
            left, right = i + a, j + distance - a
            same = [t[0] for t in old[left : left + 2]] == [t[0] for t in new[right : right + 2]]
            if same and left < len(old) and right < len(new):
                return left, right
    return i + 1, j + 1


def _tokens(text: str, imports: list[_Import]) -> list[Token]:
    skipped = {line for each in imports for line in range(each.start, each.end + 1)}
    found = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in _LAYOUT and token.start[0] not in skipped:
            plain = _plain(token.string) if token.type == tokenize.STRING else token.string
            found.append((plain, token.start[0], token.end[0]))
    return found


def _plain(text: str) -> str:
    """A string without its quotes, escapes of quotes and blanks at line ends, which the formatter may change."""
    return "\n".join(line.strip() for line in text.strip("\"'rRbBuUfF").replace("\\", "").split("\n")).strip("\"' \n")


def _imports(text: str) -> list[_Import]:
    """The imports of a module's top level, which alone are sorted."""
    found = []
    for node in ast.parse(text).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            module = f"{'.' * node.level}{node.module or ''}" if isinstance(node, ast.ImportFrom) else ""
            names = tuple((f"{module}:{alias.name}:{alias.asname}", alias.lineno) for alias in node.names)
            found.append(_Import(node.lineno, node.end_lineno or node.lineno, names))
    return found
