"""A binding made of wamp.json alone: `python description.py wamp.json libwamp.so` makes a call, and says its result."""

import ctypes
import json
import sys

SCALARS = {
    "void": None,
    "int": ctypes.c_int,
    "int32_t": ctypes.c_int32,
    "uint32_t": ctypes.c_uint32,
    "int64_t": ctypes.c_int64,
    "uint64_t": ctypes.c_uint64,
    "size_t": ctypes.c_size_t,
    "double": ctypes.c_double,
}
ROLES = {
    "handle", "out_handle", "text", "json", "bytes", "buffer", "size", "value", "timeout_ms", "payload", "event", "events",
    "lens", "out", "callback", "user_data", "free",
}


class Library:
    """All that wamp.json describes, as attributes."""

    def __init__(self, description: str, library: str) -> None:
        with open(description, encoding="utf-8") as file:
            whole = json.load(file)
        loaded = ctypes.CDLL(library)
        self._types = dict(SCALARS)
        for constant in whole["constants"]:
            setattr(self, constant["name"], constant["value"])
        for struct in whole["structs"]:
            self._add_struct(struct)
        for callback in whole["callbacks"]:
            parameters = [self._type(parameter["type"]) for parameter in callback["parameters"]]
            self._types[callback["name"]] = ctypes.CFUNCTYPE(self._type(callback["returns"]["type"]), *parameters)
        for function in whole["functions"]:
            unknown = {parameter["role"] for parameter in function["parameters"]} - ROLES
            assert not unknown, (function["name"], unknown)
            native = getattr(loaded, function["name"])
            native.argtypes = [self._type(parameter["type"]) for parameter in function["parameters"]]
            native.restype = self._type(function["returns"]["type"])
            if function["returns"]["role"] == "status":
                native.errcheck = self._check
            setattr(self, function["name"], native)
        self.callback = self._types["wamp_callback_t"]
        self.event = self._types["wamp_event_t"]

    def _add_struct(self, described: dict) -> None:
        fields = [(field["name"], self._type(field["type"])) for field in described["fields"]]
        made = type(described["name"], (ctypes.Structure,), {"_fields_": fields})
        assert ctypes.sizeof(made) == described["size"], described["name"]
        for field in described["fields"]:
            assert getattr(made, field["name"]).offset == field["offset"], field["name"]
        self._types[described["name"]] = made

    def _type(self, text: str):
        words = text.replace("const ", "").replace("struct ", "").strip()
        if words == "char *":
            return ctypes.c_char_p
        if words.endswith("*"):
            return ctypes.c_void_p  # handles, and what is lent or filled
        return self._types.get(words, ctypes.c_void_p) if words.endswith("_t") else self._types[words]

    def _check(self, status: int, native, arguments) -> int:
        if status < 0:
            raise RuntimeError(f"{native.__name__}: {self.wamp_last_error().decode()}")
        return status


def main() -> None:
    wamp = Library(sys.argv[1], sys.argv[2])
    router = wamp.wamp_router_new(None)
    url = ctypes.c_char_p()
    wamp.wamp_router_listen(router, b"ws://127.0.0.1:0/ws", ctypes.byref(url))
    connection = wamp.wamp_connection_new(None)
    wamp.wamp_connection_set_string(connection, b"url", url.value)
    wamp.wamp_connection_set_string(connection, b"realm", b"realm1")
    wamp.wamp_connection_open(connection)
    session = ctypes.c_void_p()
    wamp.wamp_connection_session(connection, 60_000, ctypes.byref(session))

    @wamp.callback
    def add2(event, _user_data):
        shown = ctypes.cast(event, ctypes.POINTER(wamp.event)).contents
        args = wamp.wamp_event_args(event)
        total = sum(wamp.wamp_value_int(wamp.wamp_value_at(args, index)) for index in range(2))
        builder = wamp.wamp_builder_new(wamp.WAMP_JSON)
        wamp.wamp_builder_int(builder, total)
        wamp.wamp_invocation_yield(shown.invocation, wamp.wamp_builder_payload(builder))
        wamp.wamp_builder_free(builder)

    no_free = wamp._types["wamp_free_t"](0)
    wamp.wamp_session_register_sync(session, b"com.add2", None, add2, None, no_free, 60_000)
    builder = wamp.wamp_builder_new(wamp.WAMP_JSON)
    for number in (2, 3):
        wamp.wamp_builder_int(builder, number)
    result = ctypes.c_void_p()
    payload = wamp.wamp_builder_payload(builder)
    wamp.wamp_session_call_sync(session, b"com.add2", payload, None, 60_000, ctypes.byref(result))
    event = wamp.wamp_message_event(result)
    total = wamp.wamp_value_int(wamp.wamp_value_at(wamp.wamp_event_args(event), 0))
    wamp.wamp_message_free(result)
    wamp.wamp_builder_free(builder)
    wamp.wamp_session_release(session)
    wamp.wamp_connection_close(connection, None, None, 60_000)
    wamp.wamp_connection_free(connection)
    wamp.wamp_router_free(router)
    wamp.wamp_shutdown(60_000)
    print(f"2 + 3 = {total}")


main()
