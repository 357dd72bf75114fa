"""`gptmill serve` under load: latency, tokens a second, errors, and whether answers stay what they are alone.

    MLFLOW_TRACKING_URI=… python -m benchmarks.serve [--model models:/gptmill@champion] [--at-once 1] --json OUT

A server process of its own, asked by 1, 8 and 32 clients at once, each with a connection of its own and no
pause; 32 new tokens a prompt, one prompt a request. The latency is the client's; tokens are those that the
server's log counts. Every answer is compared with what one client alone was given for that prompt and seed.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from gptmill.serving.log import read_log

PROMPTS = ["The array is", "Return the sum of", "This class represents", "Parameters"]
NEW_TOKENS = 32
LOADS = {1: 40, 8: 160, 32: 320}  # clients → requests


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="models:/gptmill@champion")
    parser.add_argument("--at-once", type=int, default=1, help="the server's option")
    parser.add_argument("--json", type=Path, required=True)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        log = Path(scratch, "log")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        start = [sys.executable, "-c", "from gptmill.cli import main; main()", "serve", "--port", str(port)]
        start += ["--at-once", str(args.at_once)]
        server = subprocess.Popen([*start, "--model", args.model, "--log", str(log)])
        try:
            wait(port, server)
            ask_all(port, 2, 8)  # warm
            alone = {number: text for number, (_, _, text) in enumerate(ask_all(port, 1, LOADS[1])[0])}
            rows = [measure(port, clients, n, alone) for clients, n in LOADS.items()]
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(timeout=60)
        tokens = read_log(log)["new_tokens"].to_pylist()[8 + LOADS[1] :]  # sorted by time: load after load
    done = 0
    for row in rows:
        row["tokens_per_s"] = round(sum(tokens[done : done + row["requests"]]) / row.pop("seconds"), 1)
        done += row["requests"]
    args.json.write_text(json.dumps({"cores": os.cpu_count(), "loads": rows}, indent=2) + "\n")
    print("| clients | requests | p50 ms | p99 ms | tokens/s | errors | other answers than alone |")
    print("|---|---|---|---|---|---|---|")
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")


def wait(port: int, server: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/ping")
            if connection.getresponse().status == 200:
                return
        except OSError:
            assert server.poll() is None, "the server has ended"
            time.sleep(0.2)
    raise AssertionError("the server did not start")


def measure(port: int, clients: int, requests: int, alone: dict[int, str]) -> dict[str, Any]:
    answers, seconds = ask_all(port, clients, requests)
    times = [1000 * took for took, status, _ in answers if status == 200]
    return {
        "clients": clients,
        "requests": requests,
        "p50_ms": round(float(np.percentile(times, 50))),
        "p99_ms": round(float(np.percentile(times, 99))),
        "tokens_per_s": 0.0,
        "errors": sum(status != 200 for _, status, _ in answers),
        "other_answers": sum(text != alone[i % len(alone)] for i, (_, _, text) in enumerate(answers)),
        "seconds": seconds,
    }


def ask_all(port: int, clients: int, requests: int) -> tuple[list[tuple[float, int, str]], float]:
    """Seconds, status and text of each request, in their order, and how long all took."""
    found: dict[int, tuple[float, int, str]] = {}

    def client(which: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        for number in range(which, requests, clients):
            found[number] = ask(connection, number % LOADS[1])

    begin = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(client, range(clients)))
    return [found[number] for number in range(requests)], time.perf_counter() - begin


def ask(connection: http.client.HTTPConnection, number: int) -> tuple[float, int, str]:
    prompt = PROMPTS[number % len(PROMPTS)]
    body = json.dumps({"inputs": [prompt], "params": {"max_new_tokens": NEW_TOKENS, "seed": number}})
    begin = time.perf_counter()
    connection.request("POST", "/invocations", body, {"content-type": "application/json"})
    answer = connection.getresponse()
    text = answer.read().decode()
    return time.perf_counter() - begin, answer.status, text


if __name__ == "__main__":
    main()
