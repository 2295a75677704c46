from typing import Any

# What they make and hold has the fields and functions that wamp.h declares.
ffi: Any
lib: Any
