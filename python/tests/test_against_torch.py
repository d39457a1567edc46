"""Values and gradients are PyTorch's, for random weights, everywhere the two mean the same."""

from __future__ import annotations

import numpy as np
import pytest

import retrograde as rg

torch = pytest.importorskip("torch")
rnn_utils = pytest.importorskip("torch.nn.utils.rnn")

SIZES = {"B": 3, "I": 7, "H": 5, "O": 2}
TOLERANCE = {"float64": 1e-9, "float32": 1e-4}


def pair(cell: str, nonlinearity: str, dtype: str, **options):
    """The same network twice, with PyTorch's random weights scaled to be of order 0.5."""
    torch.manual_seed(3)
    kind = {"elman": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[cell]
    extra = {"nonlinearity": nonlinearity} if cell == "elman" else {}
    theirs = kind(SIZES["I"], SIZES["H"], batch_first=True, dtype=getattr(torch, dtype), **options, **extra)
    with torch.no_grad():
        for p in theirs.parameters():
            p.uniform_(-0.7, 0.7)
    made = {"elman": rg.Elman, "gru": rg.GRU, "lstm": rg.LSTM}[cell]
    ours = made(SIZES["I"], SIZES["H"], dtype=dtype, **options, **extra)
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


def run_torch(theirs, x, state, lengths):
    if lengths is None:
        return theirs(x, state)
    packed = rnn_utils.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
    y, final = theirs(packed, state)
    y, _ = rnn_utils.pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])
    return y, final


def close(ours, theirs, dtype: str, what: str):
    theirs = theirs.detach().numpy()
    scale = max(1.0, np.abs(theirs).max())
    assert ours.shape == theirs.shape, what
    assert np.abs(ours - theirs).max() <= TOLERANCE[dtype] * scale, what
    assert ours.dtype == theirs.dtype


CELLS = [("elman", "tanh"), ("elman", "relu"), ("gru", ""), ("lstm", "")]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("steps, lengths", [(1, None), (60, None), (60, [41, 60, 1]), (7, [3, 2, 6])])
@pytest.mark.parametrize("options", [
    {}, {"num_layers": 2}, {"bidirectional": True}, {"num_layers": 2, "bidirectional": True},
    {"bias": False}, {"num_layers": 2, "bidirectional": True, "bias": False},
])  # fmt: skip
@pytest.mark.parametrize("cell, nonlinearity", CELLS)
def test_outputs_states_and_all_gradients_equal_pytorch(cell, nonlinearity, options, steps, lengths, dtype):
    ours, theirs = pair(cell, nonlinearity, dtype, **options)
    rng = np.random.default_rng(5)
    blocks = options.get("num_layers", 1) * (2 if options.get("bidirectional") else 1)
    draw = lambda *shape: rng.standard_normal(shape).astype(dtype)  # noqa: E731
    x, h0, c0 = (
        draw(SIZES["B"], steps, SIZES["I"]),
        draw(blocks, SIZES["B"], SIZES["H"]),
        draw(blocks, SIZES["B"], SIZES["H"]),
    )

    tx, th, tc = (torch.tensor(a, requires_grad=True) for a in (x, h0, c0))
    ty, tfinal = run_torch(theirs, tx, (th, tc) if cell == "lstm" else th, lengths)
    y, final = ours(x, (h0, c0) if cell == "lstm" else h0, lengths)
    close(y, ty, dtype, "y")
    pairs = list(zip(final, tfinal, strict=True)) if cell == "lstm" else [(final, tfinal)]
    for got, want in pairs:
        close(got, want, dtype, "final state")

    dy = draw(*y.shape)
    dfinal = [draw(*got.shape) for got, _ in pairs]
    total = (ty * torch.tensor(dy)).sum()
    for (_, want), d in zip(pairs, dfinal, strict=True):
        total = total + (want * torch.tensor(d)).sum()
    total.backward()

    tape = ours.forward(x, (h0, c0) if cell == "lstm" else h0, lengths)
    np.testing.assert_array_equal(tape.outputs, y)
    grads = ours.backward(tape, dy, tuple(dfinal) if cell == "lstm" else dfinal[0])
    for name, p in theirs.named_parameters():
        close(grads[name], p.grad, dtype, name)
    close(grads.dx, tx.grad, dtype, "dx")
    if cell == "lstm":
        close(grads.dstate[0], th.grad, dtype, "dh0")
        close(grads.dstate[1], tc.grad, dtype, "dc0")
    else:
        close(grads.dstate, th.grad, dtype, "dh0")


def test_time_major_and_unbatched_arrays_mean_what_they_mean_in_pytorch(rng):
    ours, theirs = pair("gru", "", "float64", num_layers=2)
    x = rng.standard_normal((6, SIZES["B"], SIZES["I"]))
    time_major = rg.GRU(SIZES["I"], SIZES["H"], 2, batch_first=False, dtype="float64")
    time_major.load_state_dict(ours.state_dict())
    theirs.batch_first = False
    y, h = time_major(x)
    ty, th = theirs(torch.tensor(x))
    close(y, ty, "float64", "y")
    close(h, th, "float64", "h")
    tape = time_major.forward(x)
    assert time_major.backward(tape, np.ones_like(y)).dx.shape == x.shape
    y, h = ours(x[:, 1])
    ty, th = theirs(torch.tensor(x[:, 1]))
    close(y, ty, "float64", "unbatched y")
    close(h, th, "float64", "unbatched h")


def torch_loss(name: str, reduction: str, z, y, target, mask):
    """The losses of retrograde, over valid steps, in PyTorch's words."""
    f = torch.nn.functional
    if name == "softmax_cross_entropy":
        rows = f.cross_entropy(z[mask], target[mask], reduction="none")
    elif name == "binary_cross_entropy":
        rows = f.binary_cross_entropy_with_logits(z[mask], target[mask], reduction="none").sum(-1)
    else:
        pick = {"squared_error": f.mse_loss, "absolute_error": f.l1_loss, "huber": f.huber_loss}[name]
        rows = pick(y[mask], target[mask], reduction="none").sum(-1)
    total = rows.sum()
    outputs = 1 if name == "softmax_cross_entropy" else z.shape[-1]
    return {"sum": total, "mean_batch": total / z.shape[0], "mean": total / (rows.numel() * outputs)}[reduction]


@pytest.mark.parametrize("reduction", ["mean", "mean_batch", "sum"])
@pytest.mark.parametrize("at", ["every", "last"])
@pytest.mark.parametrize("name, activation", [
    ("squared_error", "identity"), ("squared_error", "sigmoid"), ("squared_error", "softmax"),
    ("absolute_error", "tanh"), ("huber", "identity"),
    ("softmax_cross_entropy", "softmax"), ("binary_cross_entropy", "sigmoid"),
])  # fmt: skip
def test_losses_and_their_gradients_equal_pytorch(name, activation, at, reduction, rng):
    net, theirs = pair("lstm", "", "float64", bidirectional=True)
    net = net.with_head(4, activation=activation, at=at)
    x = rng.standard_normal((3, 6, SIZES["I"]))
    lengths = [6, 2, 5]
    head = torch.nn.Linear(2 * SIZES["H"], 4, dtype=torch.float64)
    head.load_state_dict({k[5:]: torch.tensor(v) for k, v in net.state_dict().items() if k.startswith("head.")})
    states, _ = run_torch(theirs, torch.tensor(x), None, lengths)
    mask = torch.arange(6)[None] < torch.tensor(lengths)[:, None]
    if at == "last":
        states = states[torch.arange(3), torch.tensor(lengths) - 1]
        mask = torch.ones(3, dtype=torch.bool)
    z = head(states)
    act = {
        "identity": lambda v: v,
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "softmax": lambda v: v.softmax(-1),
    }
    y = act[activation](z)
    if name == "softmax_cross_entropy":
        target = torch.tensor(rng.integers(0, 4, mask.shape))
    elif name == "binary_cross_entropy":
        target = torch.tensor(rng.random((*mask.shape, 4)))
    else:
        target = torch.tensor(rng.standard_normal((*mask.shape, 4)))
    want = torch_loss(name, reduction, z, y, target, mask)
    want.backward()

    loss = rg.Loss(name, reduction)
    got, grads = net.loss_and_gradients(x, target.numpy(), loss=loss, lengths=lengths)
    assert got == pytest.approx(want.item(), rel=1e-12)
    assert net.loss(x, target.numpy(), loss=loss, lengths=lengths) == got
    for key, p in theirs.named_parameters():
        close(grads[key], p.grad, "float64", key)
    close(grads["head.weight"], head.weight.grad, "float64", "head.weight")
    close(grads["head.bias"], head.bias.grad, "float64", "head.bias")


@pytest.mark.parametrize("cell", ["elman", "gru", "lstm"])
def test_chunks_are_pytorch_with_the_state_detached_at_each_cut(cell, rng):
    net, theirs = pair(cell, "tanh", "float64", num_layers=2)
    x, target = rng.standard_normal((3, 11, SIZES["I"])), rng.standard_normal((3, 11, SIZES["H"]))
    state, total = None, 0.0
    for first in range(0, 11, 4):
        y, state = theirs(torch.tensor(x[:, first : first + 4]), state)
        total = total + ((y - torch.tensor(target[:, first : first + 4])) ** 2).sum()
        state = tuple(s.detach() for s in state) if cell == "lstm" else state.detach()
    total.backward()
    loss, grads = net.loss_and_gradients(x, target, loss=rg.Loss("squared_error", "sum"), bptt=rg.chunk(4))
    assert loss == pytest.approx(total.item(), rel=1e-12)
    for name, p in theirs.named_parameters():
        close(grads[name], p.grad, "float64", name)


@pytest.mark.parametrize("reach", [0, 2, 5, 10, 40])
def test_windows_are_pytorch_run_from_a_detached_state_for_every_output(reach, rng):
    net, theirs = pair("lstm", "", "float64")
    steps = 11
    x, target = rng.standard_normal((3, steps, SIZES["I"])), rng.standard_normal((3, steps, SIZES["H"]))
    tx, tt = torch.tensor(x), torch.tensor(target)
    total = 0.0
    for t in range(steps):
        first = max(0, t - reach)
        state = None
        if first > 0:
            _, state = theirs(tx[:, :first])
            state = tuple(s.detach() for s in state)
        y, _ = theirs(tx[:, first : t + 1], state)
        total = total + ((y[:, -1] - tt[:, t]) ** 2).sum()
    total.backward()
    _, grads = net.loss_and_gradients(x, target, loss=rg.Loss("squared_error", "sum"), bptt=rg.window(reach))
    for name, p in theirs.named_parameters():
        close(grads[name], p.grad, "float64", name)
