"""The story that Retrograde was made for: a gradient check that fails, although the mathematics is right.

  python story.py                       the check fails; writes every_step.npz and one_output.npz
  retrograde doctor every_step.npz      names the fault
  retrograde doctor one_output.npz      names the other one, which its author never saw
  retrograde doctor --run "python story.py every_step"       the same with the program itself
"""

from __future__ import annotations

import sys

import numpy as np
from elman import Elman

NAMES = ["U", "W", "V", "B_state", "B_out"]
BATCH, STEPS, INPUTS, HIDDEN, OUTPUTS = 3, 6, 4, 5, 2


def case(name: str) -> tuple[Elman, dict[str, np.ndarray]]:
    one = name == "one_output"
    rng = np.random.default_rng(1)
    data = {
        "X": rng.normal(size=(BATCH, STEPS, INPUTS)),
        "Y": rng.normal(size=(BATCH, 1 if one else STEPS, OUTPUTS)),
        "start": rng.normal(0, 0.5, (BATCH, HIDDEN)),
    }
    return Elman(INPUTS, HIDDEN, OUTPUTS, one_output=one), data


def everything(net: Elman, data: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Parameters, batch, loss and claimed gradient: what the doctor is given."""
    parameters = {name: getattr(net, name) for name in NAMES}
    loss = np.array(net.loss_of(**data))
    return {**parameters, **data, "loss": loss, **net.backprop_through_time(**data)}


def check(net: Elman, data: dict[str, np.ndarray]) -> None:
    """The author's own check, by central differences."""
    claimed = net.backprop_through_time(**data)
    for name in NAMES:
        parameter = getattr(net, name)
        numeric = np.zeros_like(parameter)
        for i in np.ndindex(parameter.shape):
            kept = parameter[i]
            parameter[i] = kept + 1e-5
            above = net.loss_of(**data)
            parameter[i] = kept - 1e-5
            numeric[i] = (above - net.loss_of(**data)) / 2e-5
            parameter[i] = kept
        gap = np.abs(claimed["d" + name] - numeric).max() / np.abs(numeric).max()
        print(f"  {name:8} {gap:8.1e}  {'ok' if gap < 1e-6 else 'WRONG'}")


def answer(name: str, request: str, reply: str) -> None:
    """One question of the doctor: parameters and batch come in a .npz, everything goes out in another."""
    net, data = case(name)
    with np.load(request) as asked:
        for key in set(asked.files) & set(NAMES):
            setattr(net, key, asked[key])
        data = {key: asked[key] if key in asked.files else value for key, value in data.items()}
    np.savez(reply, **everything(net, data))


def main() -> None:
    if len(sys.argv) == 4:
        return answer(*sys.argv[1:])
    for name in ("every_step", "one_output"):
        net, data = case(name)
        print(f"{name}: the gradient against central differences")
        check(net, data)
        np.savez(name + ".npz", **everything(net, data))
    print("now: retrograde doctor every_step.npz; retrograde doctor one_output.npz")


if __name__ == "__main__":
    main()
