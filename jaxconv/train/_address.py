"""Check that the coordinator's address is valid, free and reachable."""

import errno
import socket
import time
from collections.abc import Callable


def reach(address: str, say: Callable[[str], None], wait: float, note: float) -> None:
    """Wait until something listens at the coordinator's address."""
    begin, said = time.monotonic(), False
    while True:
        try:
            with socket.create_connection(host_and_port(address), timeout=5):
                return
        except OSError as error:
            passed = time.monotonic() - begin
            if passed > wait:
                raise ValueError(
                    f"coordinator {address} cannot be reached: {_reason(error)}, for "
                    f"{wait:g} s. Is process 0 running there, with this coordinator?"
                ) from error
            if passed > note and not said:
                said = True
                say(
                    f"Waiting for the coordinator at {address}, {wait:g} s at most: "
                    f"{_reason(error)}."
                )
        time.sleep(0.5)


def check_free(address: str) -> None:
    """Raise ValueError where the coordinator could not listen: JAX would crash."""
    _, port = host_and_port(address)
    family = socket.AF_INET6 if socket.has_ipv6 else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("", port))
    except OSError as error:
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):  # say, no IPv6 here
            return
        raise ValueError(
            f"coordinator {address}: process 0 cannot listen at port {port} here: "
            f"{_reason(error)}. Choose another port."
        ) from error


def host_and_port(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdecimal() and 0 < int(port) < 2**16):
        raise ValueError(
            f"coordinator must be HOST:PORT of process 0, as in 10.0.0.1:1234, or "
            f"auto, got {address!r}."
        )
    return host.removeprefix("[").removesuffix("]"), int(port)


def _reason(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__
