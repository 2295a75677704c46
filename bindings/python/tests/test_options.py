"""The options as a TypedDict are those of the library."""

import runpy
import typing

import pytest
from programs import BINDING

import libwamp

TOOL = runpy.run_path(str(BINDING / "tools" / "options.py"))
NAMES = list(typing.get_type_hints(libwamp.ConnectionOptions))


def test_the_module_is_fresh():
    made = TOOL["module"](TOOL["TABLE"].read_text(encoding="utf-8"))
    assert TOOL["MODULE"].read_text(encoding="utf-8") == made, "python bindings/python/tools/options.py makes it anew"


@pytest.mark.parametrize("name", NAMES)
def test_the_library_knows_it(name):
    with pytest.raises(libwamp.OptionError) as caught:
        libwamp.Connection(None if name == "transports" else "ws://127.0.0.1:1/", "realm1", **{name: [[]]})
    assert "unknown" not in caught.value.detail
    assert name in caught.value.detail


def test_there_are_as_many_as_in_the_table():
    assert len(NAMES) == len(TOOL["rows"](TOOL["TABLE"].read_text(encoding="utf-8"))) - len(TOOL["NOT_BY_NAME"])
