"""The peers of cases.cpp, one thread: NumPy and PyTorch, and ONNX Runtime for a stream; one JSON object a line.

    cases_peers.py window|lengths|stream|epoch SECONDS
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import peers  # sets the number of threads before NumPy is loaded  # isort: skip
import numpy as np
import torch

Array = Any
SECONDS = 0.2


def best(run: Callable[[], object], least: int = 3) -> float:
    """Microseconds; as best() of cases.cpp."""
    shortest, end, n, clock = 1e9, time.perf_counter() + SECONDS, -1, time.perf_counter
    while n < least or time.perf_counter() < end:
        start = clock()
        run()
        if n >= 0 or least == 0:
            shortest = min(shortest, clock() - start)
        clock = time.perf_counter if shortest < 2e-3 else time.process_time
        n += 1
    return shortest * 1e6


def row(case: str, who: str, cell: str, us: float, **more: Any) -> None:
    print(json.dumps({"case": case, "who": who, "cell": cell, "us": us} | more), flush=True)


def checks(w_ih: Array, w_hh: Array) -> list[float]:
    return peers.checks(np.ones(1), w_ih, w_hh)[2:]


def sigmoid(a: Array) -> Array:
    return 1 / (1 + np.exp(-a))


def window() -> None:
    """The backward of cases.cpp's windows: levels in PyTorch, and the double loop over outputs and steps in NumPy."""
    steps, units = 1024, 64
    w, u, b1, b2 = peers.weights("lstm", units)
    x = peers.drawn(steps * units, 5).reshape(steps, units)
    dy = peers.drawn(steps * units, 6).reshape(steps, units)
    h, c = np.zeros((steps + 1, units), np.float32), np.zeros((steps + 1, units), np.float32)
    gates = np.zeros((steps, 4, units), np.float32)
    for t in range(steps):
        i, f, g, o = (x[t] @ w.T + h[t] @ u.T + b1 + b2).reshape(4, units)
        gates[t] = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        c[t + 1] = gates[t, 1] * c[t] + gates[t, 0] * gates[t, 2]
        h[t + 1] = gates[t, 3] * np.tanh(c[t + 1])
    i, f, g, o = gates.transpose(1, 0, 2)
    tanh_c = np.tanh(c[1:])
    slopes = np.stack([g * i * (1 - i), c[:-1] * f * (1 - f), i * (1 - g * g), tanh_c * o * (1 - o)], 1)
    through = o * (1 - tanh_c * tanh_c)

    def levels(reach: int) -> tuple[Array, Array]:
        from_c, from_h = torch.from_numpy(slopes[:, :3].copy()), torch.from_numpy(slopes[:, 3].copy())
        forget, to_c, weights = torch.from_numpy(f.copy()), torch.from_numpy(through), torch.from_numpy(u)
        before, inputs, errors = torch.from_numpy(h[:-1].copy()), torch.from_numpy(x), torch.from_numpy(dy)

        def run() -> tuple[Array, Array]:
            with torch.no_grad():
                total = torch.zeros(steps, 4 * units)
                dh, dc = errors, torch.zeros(steps, units)
                for level in range(reach + 1):
                    n = steps - level
                    dc = dc + dh * to_c[:n]
                    da = torch.cat([(dc[:, None] * from_c[:n]).reshape(n, 3 * units), dh * from_h[:n]], 1)
                    total[:n] += da
                    dh, dc = (da @ weights)[1:], (dc * forget[:n])[1:]
                return total.t() @ inputs, total.t() @ before

        d_ih, d_hh = run()
        row("window", "torch", "lstm", best(run), reach=reach, checks=checks(d_ih.numpy(), d_hh.numpy()))
        return d_ih, d_hh

    def loop(reach: int) -> None:
        def run() -> tuple[Array, Array]:
            d_ih, d_hh = np.zeros_like(w), np.zeros_like(u)
            for t in range(steps):
                dh, dc = dy[t], np.zeros(units, np.float32)
                for s in range(t, max(-1, t - reach - 1), -1):
                    dc = dc + dh * through[s]
                    da = np.concatenate([(dc * slopes[s, :3]).ravel(), dh * slopes[s, 3]])
                    d_ih += np.outer(da, x[s])
                    d_hh += np.outer(da, h[s])
                    dh, dc = da @ u, dc * f[s]
            return d_ih, d_hh

        result: list[Any] = []
        us = best(lambda: result.__setitem__(slice(None), run()), 0)
        row("window", "numpy", "lstm", us, reach=reach, checks=checks(*result))

    for reach in (8, 32, 128):
        levels(reach)
        if reach < 128 or SECONDS > 0.5:
            loop(reach)


def module_of(cell: str, inputs: int, units: int) -> Any:
    module = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell](inputs, units, batch_first=True)
    if inputs == units:
        with torch.no_grad():
            for parameter, value in zip(module.parameters(), peers.weights(cell, units), strict=True):
                parameter.copy_(torch.from_numpy(value))
    return module


def lengths() -> None:
    batch, steps, units = 64, 64, 128
    counts = torch.tensor([1 + b * 37 % 64 for b in range(batch)])
    x = torch.from_numpy(peers.drawn(batch * steps * units, 5).reshape(batch, steps, units))
    dy = torch.from_numpy(peers.drawn(batch * steps * units, 6).reshape(batch, steps, units))
    pack, pad = torch.nn.utils.rnn.pack_padded_sequence, torch.nn.utils.rnn.pad_packed_sequence
    for cell in ("lstm", "gru"):
        module = module_of(cell, units, units)

        def run(module: Any = module) -> None:
            module.zero_grad(set_to_none=True)
            packed = pack(x, counts, batch_first=True, enforce_sorted=False)
            pad(module(packed)[0], batch_first=True, total_length=steps)[0].backward(dy)

        us = best(run)
        grads = [p.grad.numpy() for p in list(module.parameters())[:2]]
        row("lengths", "torch", cell, us, checks=checks(*grads))


def onnx_session(cell: str, units: int) -> Any:
    """One step with its state as input and output; None without onnx and onnxruntime."""
    try:
        import onnx
        import onnxruntime
        from onnx import helper
    except ImportError:
        return None
    w, u, b1, b2 = peers.weights(cell, units)
    blocks = {"lstm": (0, 3, 1, 2), "gru": (1, 0, 2)}[cell]  # ONNX: i, o, f, c and z, r, h

    def ordered(m: Array) -> Array:
        return np.concatenate([np.split(m, len(blocks))[k] for k in blocks])

    states = ["h", "c"] if cell == "lstm" else ["h"]
    extra = {} if cell == "lstm" else {"linear_before_reset": 1}
    values = {"w": ordered(w)[None], "u": ordered(u)[None], "b": np.concatenate([ordered(b1), ordered(b2)])[None]}
    node = helper.make_node(cell.upper(), ["x", "w", "u", "b", "", *states], ["y", *(s + "1" for s in states)],
                            hidden_size=units, **extra)  # fmt: skip
    shape = [1, 1, units]

    def info(name: str, dims: list[int]) -> Any:
        return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, dims)

    graph = helper.make_graph(
        [node], "step", [info(n, shape) for n in ["x", *states]],
        [info("y", [1, *shape]), *(info(s + "1", shape) for s in states)],
        [onnx.numpy_helper.from_array(v, n) for n, v in values.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def stream() -> None:
    for cell in ("lstm", "gru"):
        for units in (16, 64, 256):
            module = module_of(cell, units, units).eval()
            x = torch.from_numpy(peers.drawn(units, 5).reshape(1, 1, units))
            with torch.inference_mode():
                state: Any = None

                def step(module: Any = module, x: Array = x) -> None:
                    nonlocal state
                    _, state = module(x, state)

                row("stream", "torch", cell, best(lambda step=step: [step() for _ in range(20)]) / 20, units=units)
            session = onnx_session(cell, units)
            if not session:
                continue
            feed = {"x": x.numpy()} | {s: np.zeros((1, 1, units), np.float32) for s in "hc"[: 1 + (cell == "lstm")]}

            def one(session: Any = session, feed: dict[str, Array] = feed) -> None:
                results = session.run(None, feed)
                for name, value in zip("hc", results[1:], strict=False):
                    feed[name] = value

            row("stream", "onnxruntime", cell, best(lambda one=one: [one() for _ in range(20)]) / 20, units=units)


def trained(cell: str, inputs: int, units: int, outputs: int) -> Callable[..., None]:
    """A network with its head and Adam; called with x, a loss of z and what goes with it, it takes one update."""
    module, head = module_of(cell, inputs, units), torch.nn.Linear(units, outputs)
    parameters = [*module.parameters(), *head.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-3)

    def update(x: Array, loss: Callable[[Array], Array]) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss(head(module(x)[0])).backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()

    return update


def text_epoch() -> None:
    batch, steps, symbols, updates = 32, 64, 65, 49 if SECONDS < 1 else 490
    text = (torch.arange(batch * (updates * steps + 1)) ** 2 * 31 % symbols).reshape(batch, -1)
    update = trained("lstm", symbols, 128, symbols)

    def run() -> None:
        for n in range(updates):
            chunk = text[:, n * steps : (n + 1) * steps + 1]
            x, y = torch.nn.functional.one_hot(chunk[:, :-1], symbols).float(), chunk[:, 1:].flatten()
            update(x, lambda z, y=y: torch.nn.functional.cross_entropy(z.flatten(0, 1), y))

    row("text epoch", "torch", "lstm", best(run), updates=updates)


def notes_epoch() -> None:
    """Padded to the longest of each batch, the padding's loss masked: in PyTorch faster than packed sequences."""
    pieces, most, notes = 229, 8, 88
    played = [
        ((p * 7 + torch.arange(33 + p * 37 % 61)[:, None] ** 2 + torch.arange(notes) * 3) % 23 == 0).float()
        for p in range(pieces)
    ]
    update = trained("gru", notes, 46, notes)

    def run() -> None:
        for first in range(0, pieces, most):
            batch = played[first : first + most]
            x = torch.nn.utils.rnn.pad_sequence([p[:-1] for p in batch], batch_first=True)
            y = torch.nn.utils.rnn.pad_sequence([p[1:] for p in batch], batch_first=True)
            inside = torch.nn.utils.rnn.pad_sequence([torch.ones(len(p) - 1, 1) for p in batch], batch_first=True)

            def loss(z: Array, y: Array = y, inside: Array = inside) -> Array:
                each = torch.nn.functional.binary_cross_entropy_with_logits(z, y, reduction="none")
                return (each * inside).sum() / (inside.sum() * notes)

            update(x, loss)

    row("notes epoch", "torch", "gru", best(run), updates=(pieces + most - 1) // most)


def epoch() -> None:
    text_epoch()
    notes_epoch()


if __name__ == "__main__":
    SECONDS = float(sys.argv[2])
    torch.set_num_threads(1)
    {"window": window, "lengths": lengths, "stream": stream, "epoch": epoch}[sys.argv[1]]()
