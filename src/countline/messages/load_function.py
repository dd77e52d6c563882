"""Finds the function that ``function: 'module:name'`` names."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from difflib import get_close_matches
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

from countline.messages.faults import Loc, MessageFault

__all__ = ["load_function"]


def load_function(text: str, loc: Loc) -> Any:
    """The object that ``module:name`` or ``file.py:name`` names; modules beside the working directory are found too.

    Raises MessageFault: no such module, an error while it is imported (with its place), no such name."""
    module_name, colon, name = text.rpartition(":")
    if not colon or not name or not module_name.strip("."):
        raise MessageFault(f"'{text}' names no function", loc, "write module:function or file.py:function")
    module = _module(module_name, loc)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            names = [n for n, v in vars(module).items() if callable(v) and not n.startswith("_")]
            near = get_close_matches(name, names, 3, 0.5)
            fix = f"did you mean {near[0]}? " if near else ""
            fix += "it has: " + ", ".join(near[1:] or names[:10]) if names else "the module has no functions"
            raise MessageFault(f"there is no '{name}' in {module_name}", loc, fix)
        found = getattr(found, part)
    return found


class _AsItStands(SourceFileLoader):
    """Compiles a file anew. What Python keeps of it would be taken for current by its size and the second of its last change:
    of a file that is mended at once, with as many characters, the old form."""

    def get_code(self, fullname: str) -> Any:
        return self.source_to_code(self.get_data(self.path), self.path)


def _module(name: str, loc: Loc) -> Any:
    try:
        if name.endswith(".py"):
            spec = importlib.util.spec_from_file_location(
                Path(name).stem, name, loader=_AsItStands(Path(name).stem, name)
            )
            if spec is None or spec.loader is None or not Path(name).is_file():
                raise MessageFault(f"there is no file {name}", loc, "give the path from the working directory")
            module = importlib.util.module_from_spec(spec)
            sys.modules.setdefault(spec.name, module)
            spec.loader.exec_module(module)
            return module
        sys.path.insert(0, "")
        try:
            return importlib.import_module(name)
        finally:
            sys.path.remove("")
    except MessageFault:
        raise
    except ModuleNotFoundError as error:
        raise MessageFault(
            f"cannot import {name}: {error}", loc, "check the name, or give a path: file.py:function"
        ) from None
    except (Exception, SystemExit) as error:  # a script may end itself: that would end countline without a word
        from countline.messages.functions import place_in_user_code

        what = f"{name} fails when imported: {type(error).__name__}: {error} ({place_in_user_code(error, None)})"
        raise MessageFault(what, loc, "mend the module; `python -c 'import …'` shows the whole traceback") from None
