"""A recurrent layer's own unit test: an LSTM without head, all weights in one matrix [x, h, 1] x gates; the test draws
what flows back into every state and into the last cell state, and the loss is those numbers times the states."""

import numpy as np


def setup(rng):
    batch, steps, inputs, units = 3, 5, 4, 6
    return (
        {"kernel": rng.normal(0, 0.6, (inputs + units + 1, 4 * units))},
        {
            "inputs": rng.normal(0, 1, (batch, steps, inputs)),
            "first_state": rng.normal(0, 0.5, (batch, units)),
            "first_cell": rng.normal(0, 0.5, (batch, units)),
            "flow": rng.normal(0, 1, (batch, steps, units)),
            "flow_into_cell": rng.normal(0, 1, (batch, units)),
        },
    )


def squash(z):
    return 1 / (1 + np.exp(-z))


def loss_and_grads(P, B):
    kernel, xs = P["kernel"], B["inputs"]
    batch, steps, inputs = xs.shape
    units = kernel.shape[1] // 4
    h, c, memo, loss = B["first_state"], B["first_cell"], [], 0.0
    for t in range(steps):
        row = np.hstack([xs[:, t], h, np.ones((batch, 1))])
        z = row @ kernel
        i, f, o = (squash(z[:, k * units : (k + 1) * units]) for k in range(3))
        g = np.tanh(z[:, 3 * units :])
        before, c = c, f * c + i * g
        bent = np.tanh(c)
        h = o * bent
        loss += (h * B["flow"][:, t]).sum()
        memo.append((row, i, f, o, g, before, bent))
    loss += (c * B["flow_into_cell"]).sum()

    dkernel, dxs = np.zeros_like(kernel), np.zeros_like(xs)
    dh, dc = np.zeros_like(h), B["flow_into_cell"].copy()
    for t in reversed(range(steps)):
        row, i, f, o, g, before, bent = memo[t]
        dh = dh + B["flow"][:, t]
        do = dh * bent * o * (1 - o)
        dc = dc + dh * o * (1 - bent**2)
        di = dc * g * i * (1 - i)
        df = dc * before * f * (1 - f)
        dg = dc * i * (1 - g**2)
        dz = np.hstack([di, df, do, dg])
        dkernel += row.T @ dz
        drow = dz @ kernel.T
        dxs[:, t] = drow[:, :inputs]
        dh = drow[:, inputs:-1]
        dc = dc * f
    return loss, {"dkernel": dkernel, "dinputs": dxs, "dfirst_state": dh, "dfirst_cell": dc}


SLIPS = {
    "cell's flow forgotten": (
        ["final-state-gradient-dropped"],
        'np.zeros_like(h), B["flow_into_cell"].copy()',
        "np.zeros_like(h), np.zeros_like(c)",
    ),
    "flow replaces": (
        ["carry-dropped|carry-overwrites-upstream"],
        'dh = dh + B["flow"][:, t]',
        'dh = B["flow"][:, t]',
    ),
    "new cell in df": (
        ["cell-index-shifted"],
        "df = dc * before * f * (1 - f)",
        "df = dc * (f * before + i * g) * f * (1 - f)",
    ),
    "inputs' gradient of the forget gate alone": (
        ["carry-wrong-gate|carry-dropped|zero"],
        "dxs[:, t] = drow[:, :inputs]",
        "dxs[:, t] = df @ kernel[:inputs, units : 2 * units].T",
    ),
    "state's gradient before the last product": (
        ["initial-state-gradient-wrong"],
        "        dh = drow[:, inputs:-1]\n",
        "        dlast, dh = dh, drow[:, inputs:-1]\n",
        '"dfirst_state": dh',
        '"dfirst_state": dlast',
    ),
    "bent not bent": (
        ["derivative-missing"],
        "dc = dc + dh * o * (1 - bent**2)",
        "dc = dc + dh * o",
    ),
    "i and g swapped + cell's flow forgotten": (
        ["gates-swapped|gate-factor", "final-state-gradient-dropped"],
        "di = dc * g * i * (1 - i)",
        "di = dc * i * i * (1 - i)",
        'np.zeros_like(h), B["flow_into_cell"].copy()',
        "np.zeros_like(h), np.zeros_like(c)",
    ),
}
