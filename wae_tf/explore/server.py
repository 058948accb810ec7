"""Serves the page on this machine alone, until Ctrl-C."""

from __future__ import annotations

import importlib
import logging
import os
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from wae_tf.console import interruption, progress
from wae_tf.errors import FlagError, RunError, first_line
from wae_tf.explore.explorer import Explorer

HOST = "127.0.0.1"
#: What Gradio reads when it is imported: it would ask for newer versions and count its users.
_QUIET = {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}
#: Seconds that open pages are given when the server ends; a signal is waited for 3 in all.
_LEAVE = 1


def require() -> None:
    """Sees that Gradio is there, before a model is read.

    Raises:
        FlagError: it is not, or cannot be imported.
    """
    os.environ.update(_QUIET)
    try:
        importlib.import_module("gradio")
    except Exception as error:  # missing, or broken by another package's version
        raise FlagError(
            f"--mode=explore needs gradio, which cannot be imported ({first_line(error)}): "
            "pip install 'gradio>=6,<7', which the extra [explore] of this package names."
        ) from error


def listen(port: int) -> socket.socket:
    """A socket on 127.0.0.1.

    Args:
        port: 1 to 65535; 0: any that is free.

    Raises:
        FlagError: it is no port.
        RunError: it is taken, or not for this user.
    """
    if not 0 <= port <= 65535:
        raise FlagError(f"--port={port} is no port; accepted: 1 to 65535, 0 for any that is free.")
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen()
    except OSError as error:
        listening.close()
        raise RunError(
            f"--port={port} cannot be had ({error.strerror}); give another, or 0 for any that is free."
        ) from error
    return listening


class SameOrigin:
    """An ASGI application that answers 403 to what pages of other origins send.

    Their browsers do not show them the answer, but without this what they send would be done.
    """

    def __init__(self, app: Any):
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        headers = dict(scope.get("headers", ()))
        origin = headers.get(b"origin")
        own = origin is None or origin.partition(b"://")[2] == headers.get(b"host")
        if own or scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        plain = [(b"content-type", b"text/plain")]
        await send({"type": "http.response.start", "status": 403, "headers": plain})
        await send({"type": "http.response.body", "body": b"this page answers itself alone.\n"})


def serve(explorer: Explorer, title: str, listening: socket.socket) -> None:
    """Serves the page until a signal; what was written to be downloaded goes with it.

    Args:
        explorer: the model and the data's codes.
        title: of the page.
        listening: of `listen`; closed at the end.

    Raises:
        Interrupted: a signal ended it.
        RunError: the server ended by itself.
    """
    import uvicorn

    # Its thread may still be writing as it ends.
    with tempfile.TemporaryDirectory(prefix="wae_tf_explore_", ignore_cleanup_errors=True) as name:
        os.environ["GRADIO_TEMP_DIR"] = name  # what is dropped in stays there
        from wae_tf.explore import page

        folder = Path(name)
        app = SameOrigin(page.application(page.Page(explorer, title, folder), folder))
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=_LEAVE)
        )
        # In a thread of its own: there uvicorn leaves signals alone.
        sockets = [listening]
        thread = threading.Thread(target=server.run, args=(sockets,), name="explore", daemon=True)
        thread.start()
        try:
            while not server.started and thread.is_alive():
                interruption.check()
                time.sleep(0.05)
            if thread.is_alive():
                port = listening.getsockname()[1]
                progress(f"{title}: open http://{HOST}:{port} in a browser; Ctrl-C ends it")
            while thread.is_alive():
                interruption.check()
                time.sleep(0.1)
        finally:
            # What an open page still waits for is cut off, which would be logged with tracebacks.
            logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
            server.should_exit = True
            thread.join(2 * _LEAVE)
            listening.close()
    raise RunError("the page's server ended by itself; the same command opens it again.")
