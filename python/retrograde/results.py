"""What a forward leaves open, and gradients by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ._arrays import Floats
from ._layout import Layout, State, StateShape


class Gradients(Mapping[str, Floats]):
    """Gradients by parameter name, in the parameters' order and shapes.

    ``dx`` is the gradient by the input and ``dstate`` the one by the start state, each in its own form, where
    `Network.backward` made them (else None); ``flat`` holds all parameters' entries in one vector.
    """

    def __init__(self, blocks: Mapping[str, Floats], flat: Floats, dx: Floats | None = None, dstate: State = None):
        self._blocks = blocks
        self.flat = flat
        self.dx = dx
        self.dstate = dstate

    def __getitem__(self, name: str) -> Floats:
        return self._blocks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._blocks)

    def __len__(self) -> int:
        return len(self._blocks)

    def __repr__(self) -> str:
        return f"Gradients({', '.join(f'{name}: {list(g.shape)}' for name, g in self.items())})"


class Tape:
    """What one forward leaves open: outputs, states and pre-activations of every layer and step.

    Arrays come in the layout of the call's x; entries past a sequence's end are 0.
    """

    def __init__(self, core: Any, layout: Layout, states: StateShape, every: bool):
        self._core = core
        self._layout = layout
        self._states = states
        self._every = every

    @property
    def outputs(self) -> Floats:
        """y, as `net(x)` returns it."""
        return self._layout.leave(self._core.outputs(), self._every)

    @property
    def head_preactivations(self) -> Floats:
        """What the head's activation turned into y; y itself without a head."""
        return self._layout.leave(self._core.head_preactivations(), self._every)

    @property
    def final_state(self) -> State:
        """The state after each sequence's own last step."""
        h, c = self._core.final_state()
        return self._states.leave(h, c, self._layout)

    def states(self, layer: int = 0, *, reverse: bool = False) -> Floats:
        """h of one layer with the start state first: [B, T + 1, hidden].

        In the `reverse` direction entry t + 1 is the state made at step t, and entry 0 the start state.
        """
        return self._layout.leave(self._core.states(layer, reverse, 0))

    def cell_states(self, layer: int = 0, *, reverse: bool = False) -> Floats:
        """c of an LSTM's layer, like `states`, also in the `reverse` direction."""
        return self._layout.leave(self._core.states(layer, reverse, 1))

    def preactivations(self, layer: int = 0, *, reverse: bool = False) -> Floats:
        """Of one layer and direction (`reverse`), [B, T, gates · hidden].

        The gates' order is i, f, g, o for an LSTM; r, z, n for a GRU.
        A GRU with reset after the product keeps the candidate's two products apart: W x + b in its place, and
        U h + b as a fourth block.
        """
        return self._layout.leave(self._core.preactivations(layer, reverse))
