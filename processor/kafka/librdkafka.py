"""The C library beneath confluent-kafka, for what its Python side gives one object at a time only.

confluent-kafka keeps the address of its `rd_kafka_t` right after the head that every Python object has. That is not promised: so it is
used with the versions that it was tried with alone, and each client is asked whose it is before anything else is asked of it.
"""

import ctypes
from importlib.metadata import version
from typing import Any, cast

import llvmlite.binding
import numba
from confluent_kafka import Consumer, cimpl

_TRIED = ((2, 13), (2, 17))
"""Versions of confluent-kafka: from the first on, before the second."""

_address, _int = ctypes.c_void_p, ctypes.c_int
_FUNCTIONS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "rd_kafka_opaque": (_address, (_address,)),
    "rd_kafka_conf": (_address, (_address,)),
    "rd_kafka_conf_set_error_cb": (None, (_address, _address)),
    "rd_kafka_queue_new": (_address, (_address,)),
    "rd_kafka_queue_destroy": (None, (_address,)),
    "rd_kafka_queue_get_consumer": (_address, (_address,)),
    "rd_kafka_queue_length": (ctypes.c_size_t, (_address,)),
    "rd_kafka_queue_get_partition": (_address, (_address, ctypes.c_char_p, ctypes.c_int32)),
    "rd_kafka_queue_forward": (None, (_address, _address)),
    "rd_kafka_consume_batch_queue": (ctypes.c_ssize_t, (_address, _int, _address, ctypes.c_size_t)),
    "rd_kafka_message_timestamp": (ctypes.c_int64, (_address, _address)),
    "rd_kafka_message_destroy": (None, (_address,)),
    "rd_kafka_message_headers": (_int, (_address, _address)),
    "rd_kafka_header_get_all": (_int, (_address, ctypes.c_size_t, _address, _address, _address)),
}
_OF_KERNELS = ("rd_kafka_consume_batch_queue", "rd_kafka_message_timestamp", "rd_kafka_message_destroy")


def _loaded() -> ctypes.CDLL | None:
    """The library as this process has it already, its functions described; None where they are not to be had."""
    is_tried = _TRIED[0] <= tuple(map(int, version("confluent-kafka").split(".")[:2])) < _TRIED[1]
    has_compiler = not numba.config.DISABLE_JIT  # type: ignore[attr-defined] # made at import, from the environment
    if not (is_tried and has_compiler and ctypes.sizeof(_address) == 8):
        return None
    try:
        library = ctypes.CDLL(cimpl.__file__)  # what it was linked with is found through it
        for name, (answer, arguments) in _FUNCTIONS.items():
            function = getattr(library, name)
            function.restype, function.argtypes = answer, arguments
    except (OSError, AttributeError, TypeError):
        return None
    for name in _OF_KERNELS:
        found = ctypes.cast(getattr(library, name), _address).value
        llvmlite.binding.add_symbol(name, found)
    return library


_LIBRARY = _loaded()


def functions() -> ctypes.CDLL:
    """The library. Only for who has an address by `address_of`."""
    return cast("ctypes.CDLL", _LIBRARY)


def address_of(client: Consumer) -> int | None:
    """The `rd_kafka_t` of a client that is open; None if that cannot be told for sure."""
    if _LIBRARY is None or type(client) is not Consumer:
        return None
    found = _address.from_address(id(client) + object.__basicsize__).value
    return found if found and _LIBRARY.rd_kafka_opaque(found) == id(client) else None


def log_errors(address: int) -> None:
    """Errors of this client go to its logger alone. The Python function that would be told of them cannot be called from here."""
    functions().rd_kafka_conf_set_error_cb(functions().rd_kafka_conf(address), None)


def headers_of(message: int) -> list[tuple[str, str | bytes | None]]:
    """The headers of a message, in order."""
    library = functions()
    headers, name, value, size = _address(), ctypes.c_char_p(), _address(), ctypes.c_size_t()
    if library.rd_kafka_message_headers(message, ctypes.byref(headers)):
        return []  # it has none
    found: list[tuple[str, str | bytes | None]] = []
    places = ctypes.byref(name), ctypes.byref(value), ctypes.byref(size)
    while not library.rd_kafka_header_get_all(headers, len(found), *places):
        content = None if value.value is None else ctypes.string_at(value.value, size.value)
        found.append(((name.value or b"").decode(errors="backslashreplace"), content))
    return found
