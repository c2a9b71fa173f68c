"""
The lint rule of threat 19: no code joins a name to the path of a stranger's tree, for that would follow its links.

    python -m tests.lint.tree_paths FOLDER...

Names below a tree are followed by :class:`~boardgrid.adapters.store.tree.TreeDir` alone. A tree's path is known here by
where it is from (an attribute ``tree``, ``order["tree"]``, ``order["root"]``, ``roots.path(...)``, a ``TreePath``), and
by what is made of that in the same function. It is not seen where it comes as a plain argument, out of a container, or
by another name: mypy refuses to join a ``TreePath``, and whoever turns one into a word answers for it.
"""

import ast
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

_KEYS = {"tree", "root"}
_WRAPPERS = {"str", "Path", "PurePath", "PosixPath", "PurePosixPath", "TreePath", "fspath", "fsencode", "repr"}
_FOLLOWING = {"joinpath", "join", "listdir", "scandir", "walk", "fwalk", "iterdir", "glob", "iglob", "rglob"}


def found(source: str) -> list[int]:
    """The numbers of the lines at which a tree's path is joined or gone through."""
    lines: set[int] = set()
    module = ast.parse(source)
    functions = [node for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    for scope in (module, *functions):
        lines.update(_Scope(scope).joins())
    return sorted(lines)


class _Scope:
    """A function, or a module as a whole."""

    def __init__(self, scope: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._nodes = list(_own(scope))
        self._names: set[str] = set()  # of variables that hold the path of a tree
        if not isinstance(scope, ast.Module):
            arguments = (*scope.args.posonlyargs, *scope.args.args, *scope.args.kwonlyargs)
            self._names = {one.arg for one in arguments if one.annotation and "TreePath" in ast.unparse(one.annotation)}
        before = -1
        while before < len(self._names):  # until nothing is made of a tree any more that was not known
            before = len(self._names)
            for node in self._nodes:
                if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr) and node.value:
                    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                    if self._is_tree(node.value):
                        self._names |= {target.id for target in targets if isinstance(target, ast.Name)}

    def joins(self) -> Iterator[int]:
        for node in self._nodes:
            match node:
                case ast.BinOp(left=left, op=ast.Div() | ast.Add() | ast.Mod(), right=right):
                    is_join = self._is_tree(left) or (self._is_tree(right) and not isinstance(node.op, ast.Add))
                case ast.JoinedStr(values=values):
                    is_join = any(self._is_begun(*pair) for pair in itertools.pairwise(values))
                case ast.Call(func=ast.Attribute(attr=name, value=whose), args=args) if name in _FOLLOWING | {"format"}:
                    is_join = self._is_tree(whose) or any(map(self._is_tree, args))
                case ast.Call(func=ast.Name(id="Path" | "PurePath"), args=[first, _, *_rest]):
                    is_join = self._is_tree(first)
                case _:
                    is_join = False
            if is_join and isinstance(node, ast.expr):
                yield node.lineno

    def _is_begun(self, value: ast.expr, after: ast.expr) -> bool:
        """``{tree}/...`` in an f-string."""
        if not (isinstance(value, ast.FormattedValue) and self._is_tree(value.value)):
            return False
        return not isinstance(after, ast.Constant) or str(after.value).startswith("/")

    def _is_tree(self, value: ast.expr) -> bool:
        match value:
            case ast.Name(id=name):
                return name in self._names
            case ast.Attribute(attr="tree"):
                return True
            case ast.Subscript(slice=ast.Constant(value=key)):
                return key in _KEYS
            case ast.Call(func=ast.Attribute(attr="path", value=whose)):
                return ast.unparse(whose).endswith("roots")
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name), args=[first, *_]) if name in _WRAPPERS:
                return name == "TreePath" or self._is_tree(first)
            case _:
                return False


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """What is in a scope, without the functions in it, which are scopes themselves."""
    for node in ast.iter_child_nodes(scope):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node
            yield from _own(node)


def main() -> int:
    places = [
        f"{file}:{line}: a name is joined to a tree's path; follow it by TreeDir"
        for folder in sys.argv[1:]
        for file in sorted(Path(folder).rglob("*.py"))
        for line in found(file.read_text())
    ]
    sys.stderr.write("".join(f"{place}\n" for place in places))
    return bool(places)


if __name__ == "__main__":
    sys.exit(main())
