"""Networks drawn at random: cell, layers, sizes (equal ones and ones of 1 too), activation, loss, reduction, biases,
start states, scale and precision of the weights; and the arrays' names, axes, orientation, gate order, joined or
separate. The gradient is right. Computed batch x time x features, then every array is laid out as its author has it."""

import numpy as np
from program import Program, one_hot, sigmoid, softmax

CORRECT = ["elman", "lstm", "gru"]
FAULTS = {}

ACTIVATIONS = {
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(z.dtype)),
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * (1 - sigmoid(z))),
    "identity": (lambda z: z, np.ones_like),
    "softsign": (lambda z: z / (1 + abs(z)), lambda z: 1 / (1 + abs(z)) ** 2),
}
ORDERS = {"elman": [""], "lstm": ["ifgo", "ifog", "figo", "igfo", "fiog"], "gru": ["rzn", "zrn"]}


def build(rng, words):
    cell = words[0]
    gates = ORDERS[cell][0]
    pick = lambda *options: options[rng.integers(len(options))]
    equal = rng.random() < 0.2
    size = (lambda low, high, n=int(rng.integers(2, 6)): n) if equal else lambda low, high: int(rng.integers(low, high + 1))
    B, T, I, O, L = size(1, 5), size(1, 9), size(1, 6), size(1, 4), pick(1, 1, 1, 2)
    H = [size(1, 7) for _ in range(L)]
    form = {"cell": cell, "activation": pick("tanh", "tanh", *ACTIVATIONS) if cell == "elman" else "tanh",
            "after": rng.random() < 0.5, "keeps": rng.random() < 0.6, "last": rng.random() < 0.3, "O": O}
    form["loss"] = pick("squared", "squared", "bce", "absolute", *(["softmax"] * 2 if O > 1 else []))
    form["scale"] = pick(1, 1, 1 / B, 1 / (B * (1 if form["last"] else T)), *([0.5, 0.5 / B] if form["loss"] == "squared" else []))
    weight = pick(0.5, 0.5, 0.5, 0.5, 0.1, 1.0, 1e-3, 4.0)

    G = max(len(gates), 1)
    canonical, biases = {}, pick(0, 1, 1, 1, 2)
    for k in range(L):
        inputs = I if k == 0 else H[k - 1]
        canonical |= {("W", k): (G, H[k], inputs), ("U", k): (G, H[k], H[k])}
        canonical |= {(b, k): (G, H[k]) for b in ("b", "b2")[:biases]}
    canonical |= {("V", 0): (O, H[-1])} | ({("c", 0): (O,)} if biases else {})
    values = {key: rng.standard_normal(shape) * weight for key, shape in canonical.items()}
    layout = lay_out(rng, pick, cell, canonical, L, biases)
    axes = pick((0, 1, 2), (0, 1, 2), (1, 0, 2), (2, 0, 1), (2, 1, 0))
    x = rng.standard_normal((B, T, I))
    steps = () if form["last"] else (T,)
    y = {"squared": lambda: rng.standard_normal((B, *steps, O)), "absolute": lambda: rng.standard_normal((B, *steps, O)),
         "bce": lambda: rng.integers(0, 2, (B, *steps, O)).astype(float), "softmax": lambda: rng.integers(0, O, (B, *steps))}[form["loss"]]()
    x_name, y_name = pick(("x", "y"), ("X", "Y"), ("inputs", "targets"), ("x", "target"))
    batch = {x_name: x.transpose(axes)}
    if y.ndim == 3:
        batch[y_name] = y.transpose(axes)
    elif form["loss"] == "softmax" and not form["last"]:
        batch[y_name] = y.T if axes.index(0) > axes.index(1) else y
    else:
        batch[y_name] = y.T if y.ndim == 2 and axes.index(0) > axes.index(2) else y
    if rng.random() < 0.6 and len(set(H)) == 1:
        batch["h0"] = rng.standard_normal((L, B, H[0])[1 if L == 1 else 0 :]) * 0.5
        if cell == "lstm":
            batch["c0"] = rng.standard_normal(batch["h0"].shape) * 0.5
    single = rng.random() < 0.25
    narrow = (lambda a: a.astype(np.float32) if a.dtype.kind == "f" else a) if single else lambda a: a

    def run(p, d, cast=narrow):
        own = {key: cast(np.zeros(shape)) for key, shape in canonical.items()}
        for name, parts in layout.items():
            for key, index, where in parts:
                own[key].reshape(-1)[index] = cast(p[name]).reshape(-1)[where]
        back_axes = np.argsort(axes)
        yy = y if np.array_equal(d[y_name], batch[y_name]) else (d[y_name].transpose(back_axes) if y.ndim == 3 else np.reshape(d[y_name], y.shape))
        loss, grads = network(form, own, cast(d[x_name]).transpose(back_axes), cast(np.asarray(yy)), d.get("h0"), d.get("c0"), H)
        out = {}
        for name, parts in layout.items():
            g = np.zeros_like(parameters[name])
            for key, index, where in parts:
                g.reshape(-1)[where] = grads[key].reshape(-1)[index]
            out["d" + name] = g
        return float(loss), out

    parameters = {}
    for name, parts in layout.items():
        shape = parts[0][3]
        array = np.zeros(shape)
        for key, index, where, _ in parts:
            array.reshape(-1)[where] = values[key].reshape(-1)[index]
        parameters[name] = narrow(array)
    layout = {name: [part[:3] for part in parts] for name, parts in layout.items()}
    return Program(parameters, {k: narrow(v) for k, v in batch.items()}, run, truth=lambda p, d: run(p, d, lambda a: a))


def lay_out(rng, pick, cell, canonical, L, biases):
    """name -> [(canonical array, its flat indices, flat places in the user's array, the user's shape)]."""
    order = pick(*ORDERS[cell])
    places = [ORDERS[cell][0].index(g) for g in order] or [0]
    in_out, style = rng.random() < 0.5, pick("separate", "stacked", "stacked", "joined")
    out = {}

    def put(name, pieces, transposed):
        """pieces: 2-d arrays of (key, flat index), standing one below the other; columns are inputs."""
        shape = (sum(p[1].shape[0] for p in pieces), pieces[0][1].shape[1])
        at, parts = np.arange(shape[0] * shape[1]).reshape(shape), []
        if transposed:
            at = np.arange(shape[0] * shape[1]).reshape(shape[::-1]).T
        row = 0
        for key, index in pieces:
            parts.append((key, index.ravel(), at[row : row + len(index)].ravel(), shape[::-1] if transposed else shape))
            row += len(index)
        out[name] = parts

    def flat(key):
        return np.arange(np.prod(canonical[key])).reshape(canonical[key])

    for k in range(L):
        tail = str(k + 1) if L > 1 else ""
        W, U = flat(("W", k)), flat(("U", k))
        if style == "joined":
            name = "W" + tail
            rows = [(("W", k), W[g]) for g in places], [(("U", k), U[g]) for g in places]
            both, parts = [rows[1], rows[0]] if rng.random() < 0.5 else list(rows), []
            widths = [both[0][0][1].shape[1], both[1][0][1].shape[1]]
            n = sum(len(i) for _, i in both[0])
            shape = (n, sum(widths))
            at = np.arange(n * shape[1]).reshape(shape[::-1]).T if in_out else np.arange(n * shape[1]).reshape(shape)
            for side, pieces in enumerate(both):
                row, left = 0, widths[0] * side
                for key, index in pieces:
                    where = at[row : row + len(index), left : left + widths[side]]
                    parts.append((key, index.ravel(), where.ravel(), shape[::-1] if in_out else shape))
                    row += len(index)
            out[name] = parts
        elif style == "stacked" or cell == "elman":
            names = pick(("Wx", "Wh"), ("W_ih", "W_hh"), ("Wxh", "Whh"), ("W", "U")) if not (L > 1) else ("Wx", "Wh")
            put(names[0] + tail, [(("W", k), W[g]) for g in places], in_out)
            put(names[1] + tail, [(("U", k), U[g]) for g in places], in_out)
        else:
            for g in places:
                put("W" + ORDERS[cell][0][g] + tail, [(("W", k), W[g])], in_out)
                put("U" + ORDERS[cell][0][g] + tail, [(("U", k), U[g])], in_out)
        for b in ("b", "b2")[:biases]:
            index = flat((b, k))
            label = {"b": "b_ih" if biases == 2 else "b", "b2": "b_hh"}[b] + tail
            if style == "separate" and cell != "elman":
                for g in places:
                    name = label + ("_" if biases == 2 else "") + ORDERS[cell][0][g]
                    out[name] = [((b, k), index[g], np.arange(index.shape[1]), (index.shape[1],))]
            else:
                where = np.concatenate([index[g] for g in places])
                out[label] = [((b, k), where, np.arange(where.size), (where.size,))]
    put("Wy", [(("V", 0), flat(("V", 0)))], in_out)
    if biases:
        index = flat(("c", 0))
        out["by"] = [(("c", 0), index, np.arange(index.size), (index.size,))]
    return out


def network(form, p, x, y, h0, c0, H):
    """Loss and gradient in canonical arrays: W[k][G,H,I], x (batch, time, features)."""
    L, tapes, sequence = len(H), [], x
    for k in range(L):
        start = [np.zeros((len(x), H[k]), x.dtype) if s is None else np.asarray(s, x.dtype).reshape(L, len(x), H[k])[k] for s in (h0, c0)]
        sequence, tape = forward(form, p, k, sequence, *start)
        tapes.append(tape)
    seen = sequence[:, -1:] if form["last"] else sequence
    z = seen @ p["V", 0].T + p.get(("c", 0), 0)
    target = y[:, None] if form["last"] else y
    scale = form["scale"]
    if form["loss"] == "squared":
        loss, e = scale * ((z - target) ** 2).sum(), scale * 2 * (z - target)
    elif form["loss"] == "absolute":
        loss, e = scale * abs(z - target).sum(), scale * np.sign(z - target)
    elif form["loss"] == "bce":
        a = sigmoid(z)
        loss, e = scale * (np.logaddexp(0, z) - target * z).sum(), scale * (a - target)
    else:
        hot, a = one_hot(target, form["O"]).astype(z.dtype), softmax(z)
        top = z.max(-1, keepdims=True)
        loss = scale * (np.log(np.exp(z - top).sum(-1)) + top[..., 0] - (hot * z).sum(-1)).sum()
        e = scale * (a - hot)
    g = {key: np.zeros_like(v) for key, v in p.items()}
    g["V", 0] = np.einsum("bto,bth->oh", e, seen)
    if ("c", 0) in g:
        g["c", 0] = e.sum((0, 1))
    up = np.zeros_like(sequence)
    up[:, -seen.shape[1] :] = e @ p["V", 0]
    for k in reversed(range(L)):
        up = backward(form, p, g, k, tapes[k], up)
    return loss, g


def forward(form, p, k, x, h, c):
    W, U = p["W", k], p["U", k]
    b, b2 = (p.get((name, k), np.zeros(W.shape[:2], x.dtype)) for name in ("b", "b2"))
    tape, out = [], []
    for t in range(x.shape[1]):
        wx, uh = np.einsum("bi,ghi->gbh", x[:, t], W) + b[:, None], np.einsum("bj,ghj->gbh", h, U) + b2[:, None]
        before = h
        if form["cell"] == "elman":
            z = wx[0] + uh[0]
            h = ACTIVATIONS[form["activation"]][0](z)
            tape.append((x[:, t], before, z))
        elif form["cell"] == "lstm":
            i, f, n, o = sigmoid(wx[0] + uh[0]), sigmoid(wx[1] + uh[1]), np.tanh(wx[2] + uh[2]), sigmoid(wx[3] + uh[3])
            old, c = c, f * c + i * n
            h = o * np.tanh(c)
            tape.append((x[:, t], before, old, i, f, n, o, np.tanh(c)))
        else:
            r, u = sigmoid(wx[0] + uh[0]), sigmoid(wx[1] + uh[1])
            if form["after"]:
                n = np.tanh(wx[2] + r * uh[2])
            else:
                n = np.tanh(wx[2] + (r * h) @ U[2].T + b2[2])
            h = (1 - u) * n + u * h if form["keeps"] else (1 - u) * h + u * n
            tape.append((x[:, t], before, r, u, n, uh[2]))
        out.append(h)
    return np.stack(out, 1), tape


def backward(form, p, g, k, tape, up):
    W, U = p["W", k], p["U", k]
    dx, dh, dc = [], np.zeros_like(up[:, 0]), np.zeros_like(up[:, 0])
    for t in reversed(range(len(tape))):
        x, before, *rest = tape[t]
        dh = dh + up[:, t]
        into_h = {}  # gate -> the delta that meets the state's product, where it is another one
        if form["cell"] == "elman":
            da, direct = [dh * ACTIVATIONS[form["activation"]][1](rest[0])], 0
        elif form["cell"] == "lstm":
            old, i, f, n, o, m = rest
            dc = dc + dh * o * (1 - m**2)
            da, direct = [dc * n * i * (1 - i), dc * old * f * (1 - f), dc * i * (1 - n**2), dh * m * o * (1 - o)], 0
            dc = dc * f
        else:
            r, u, n, uh = rest
            keep, new = (u, 1 - u) if form["keeps"] else (1 - u, u)
            dn = dh * new * (1 - n**2)
            du = dh * (before - n if form["keeps"] else n - before) * u * (1 - u)
            direct = dh * keep
            if form["after"]:
                dr, into_h[2] = dn * uh * r * (1 - r), dn * r
            else:
                back = dn @ U[2]
                dr, direct = back * before * r * (1 - r), direct + back * r
            da = [dr, du, dn]
        dh = direct
        for gate, delta in enumerate(da):
            meets = into_h.get(gate, delta)
            reset_before = form["cell"] == "gru" and gate == 2 and not form["after"]
            g["W", k][gate] += delta.T @ x
            g["U", k][gate] += meets.T @ (rest[0] * before if reset_before else before)
            for name, d in (("b", delta), ("b2", meets)):
                if (name, k) in g:
                    g[name, k][gate] += d.sum(0)
            if not reset_before:
                dh = dh + meets @ U[gate]
        dx.append(sum(delta @ W[gate] for gate, delta in enumerate(da)))
    return np.stack(dx[::-1], 1)
