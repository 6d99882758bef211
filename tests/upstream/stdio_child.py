"""A server over stdio that does one thing wrong: ``python stdio_child.py HABIT``. Stands alone: no import of ours."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

Message = dict[str, Any]


def say(message: Message) -> None:
    sys.stdout.buffer.write(json.dumps(message).encode() + b"\n")
    sys.stdout.buffer.flush()


def answer(request: Message) -> None:
    """Answer like a small handshake-era server; `echo` gives its params back."""
    if "id" not in request:
        return
    if request["method"] == "initialize":
        result: object = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "child"}}
    elif request["method"] == "echo":
        result = request["params"]
    else:
        say({"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32601, "message": "Method not found"}})
        return
    say({"jsonrpc": "2.0", "id": request["id"], "result": result})


def serve(on_call: Callable[[Message], None] = answer) -> None:
    """Answer until the input ends; `on_call` gets what is neither a greeting nor an echo."""
    for line in sys.stdin.buffer:
        request = json.loads(line)
        if "id" in request:
            (answer if request["method"] in ("initialize", "echo", "server/discover") else on_call)(request)


def die(request: Message) -> None:
    os._exit(7)


def kill_self(request: Message) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def answer_and_die(request: Message) -> None:
    say({"jsonrpc": "2.0", "id": request["id"], "result": {"last": "words"}})
    os._exit(0)


def flood(request: Message) -> None:
    try:
        sys.stdout.buffer.write(b'{"jsonrpc":"2.0","id":%d,"result":{"a":"' % request["id"])
        for _ in range(100):
            sys.stdout.buffer.write(b"x" * (1 << 20))
        sys.stdout.buffer.write(b'"}}\n')
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        os._exit(1)


def half_lines(request: Message) -> None:
    text = json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": {"text": "ä – \u2028 €"}}, ensure_ascii=False)
    for byte in text.encode() + b"\r\n\n \n":
        sys.stdout.buffer.write(bytes([byte]))
        sys.stdout.buffer.flush()


def garbage(request: Message) -> None:
    sys.stdout.buffer.write(b"Listening on stdio\n\x00\xff\xfe\n\n[]\n{\n")
    say({"jsonrpc": "2.0", "id": request["id"], "result": {}})


def close_output(request: Message) -> None:
    os.close(1)
    time.sleep(600)


def chatty(request: Message) -> None:
    sys.stderr.write(f"\x1b[31mred\x1b[0m\x07 \u202e {os.environ.get('TOKEN')}\n" + "y" * 10_000 + "\n" + "z\n" * 5_000)
    sys.stderr.flush()
    say({"jsonrpc": "2.0", "id": request["id"], "result": {}})


def tell(request: Message) -> None:
    result = {"env": dict(os.environ), "cwd": os.getcwd(), "pgid": os.getpgrp(), "pid": os.getpid(), "argv": sys.argv}
    say({"jsonrpc": "2.0", "id": request["id"], "result": result})


def with_child(request: Message) -> None:
    child = subprocess.Popen([sys.executable, "-c", STUBBORN])
    say({"jsonrpc": "2.0", "id": request["id"], "result": {"child": child.pid}})


def deaf(request: Message) -> None:
    """Read nothing any more."""
    say({"jsonrpc": "2.0", "method": "notifications/deaf"})
    time.sleep(600)


STUBBORN = "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(600)"


def main(habit: str) -> None:
    if habit == "fragile":  # dies of a first message that is not initialize
        for line in sys.stdin.buffer:
            request = json.loads(line)
            if request["method"] == "server/discover":
                os._exit(3)
            answer(request)
    elif habit == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        serve()
        time.sleep(600)
    else:
        serve(HABITS[habit])


HABITS = {
    "good": answer,
    "die": die,
    "kill_self": kill_self,
    "answer_and_die": answer_and_die,
    "flood": flood,
    "half_lines": half_lines,
    "garbage": garbage,
    "hang": lambda request: None,
    "close_output": close_output,
    "chatty": chatty,
    "tell": tell,
    "with_child": with_child,
    "deaf": deaf,
}

if __name__ == "__main__":
    main(sys.argv[1])
