"""What the judge and the doctor say: a verdict, a table of blocks, findings, and what was not tested."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from . import _core

Verdict = str  # "agrees", "differs" or "cannot tell"


@dataclass(frozen=True)
class Block:
    """One parameter's gradient: the claim against the truth."""

    name: str
    verdict: Verdict
    relative_gap: float  # largest |claimed - true| over the block's largest true entry
    allowed: float  # what rounding and the oracle's error explain, in the same measure
    wrong: int  # entries that differ
    entries: int  # of the block
    worst: str  # the worst entry, in words


@dataclass(frozen=True)
class Finding:
    """A mistake with its proof. Names are those of docs/mistakes.md."""

    name: str
    where: str
    sentence: str
    fix: str
    yours: str
    proof: str
    certainty: str  # "certain", "one of several", "likely"
    equivalents: list[dict[str, str]] = field(default_factory=list)  # mistakes that leave the very same numbers
    blocks: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        fix = f"\n  fix  {self.fix}" if self.fix else ""
        return f"{self.name} ({self.certainty}): {self.sentence}{fix}"


@dataclass(frozen=True, repr=False)
class Report:
    """`print(report)` for a terminal, the report itself in a notebook, `to_dict()` for programs."""

    verdict: Verdict
    blocks: list[Block]  # worst first
    findings: list[Finding]
    power: list[str]  # what this point or mode could not have shown
    notes: list[str]
    seconds: float
    text: str = field(repr=False)

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        names = ", ".join(finding.name for finding in self.findings)
        return f"{type(self).__name__}(verdict={self.verdict!r}{', findings: ' + names if names else ''})"

    @property
    def agrees(self) -> bool:
        """Whether the verdict is "agrees"."""
        return self.verdict == "agrees"

    def to_dict(self) -> dict[str, Any]:
        """Plain data, fit for JSON."""
        values = asdict(self)
        del values["text"]
        return values

    def _repr_html_(self) -> str:
        colour = {"agrees": "#1a7f37", "differs": "#cf222e"}
        parts = [f"<p><b style='color:{colour.get(self.verdict, '#9a6700')}'>{self.verdict}</b></p>"]
        parts += [f"<p>{html.escape(line)}</p>" for line in self._headline() if line]
        rows = "".join(
            f"<tr><td>{html.escape(b.name)}</td><td>{b.relative_gap:.1e}</td><td>{b.allowed:.0e}</td>"
            f"<td>{b.wrong} of {b.entries}</td>"
            f"<td style='color:{colour.get(b.verdict, '#9a6700')}'>{b.verdict}</td></tr>"
            for b in self.blocks
        )
        parts.append(
            "<table><tr><th>block</th><th>claim against truth</th><th>allowed</th><th>wrong</th><th>verdict</th></tr>"
            f"{rows}</table>"
        )
        for f in self.findings:
            yours = f"<br>you have <code>{html.escape(f.yours)}</code>" if f.yours else ""
            fix = f"<br>fix <code>{html.escape(f.fix)}</code>{yours}" if f.fix else ""
            parts.append(
                f"<p><b>{html.escape(f.name)}</b> ({html.escape(f.certainty)}): {html.escape(f.sentence)}"
                f"{'<br>in ' + html.escape(f.where) if f.where else ''}{fix}</p>"
            )
        parts += [f"<p><small>{html.escape(line)}</small></p>" for line in [*self.power, *self.notes]]
        return "".join(parts)

    def _headline(self) -> Sequence[str]:
        return ()


@dataclass(frozen=True, repr=False)
class CheckReport(Report):
    """The judge's verdict on a claimed gradient.

    ``verdict``: "agrees", "differs" or "cannot tell"; ``blocks``, one for each parameter, the worst first; ``line``,
    one sentence to quote; ``power``, what this mode could have missed; ``notes``; ``oracle``, what it was compared
    with; ``mode``; ``checked`` entries or directions; ``evaluations`` of the loss; ``seconds``; ``text``, as printed.
    ``findings`` is empty: the judge does not say why (`rg.doctor` does).
    """

    line: str = ""
    oracle: str = ""
    mode: str = ""
    checked: int = 0
    evaluations: int = 0

    def _headline(self) -> Sequence[str]:
        return (self.line,)

    @classmethod
    def of(cls, result: _core.CheckResult) -> CheckReport:
        """From the library's own."""
        blocks = []
        for b in result.blocks:
            scale = b.scale if b.scale > 0 else 1.0
            worst = f"{b.worst_at}: claimed {b.claimed:.10g}, true {b.true:.10g}" if b.worst_at else ""
            blocks.append(Block(b.name, b.verdict, b.relative_gap, b.allowed / scale, b.bad, b.entries, worst))
        return cls(
            verdict=result.verdict, blocks=blocks, findings=[], power=[result.power] if result.power else [],
            notes=list(result.notes), seconds=result.seconds, text=result.text(), line=result.line(),
            oracle=result.oracle, mode=result.mode, checked=result.checked, evaluations=result.evaluations,
        )  # fmt: skip


@dataclass(frozen=True, repr=False)
class Diagnosis(Report):
    """What the doctor found.

    ``verdict``: "agrees", "differs" or "cannot tell"; ``blocks``, one for each parameter; ``findings``, the mistakes
    with ``where`` they are and their ``proof``; ``ruled_out``, what it is not; ``network``, which it recognised,
    ``found_by`` what, and its ``sizes``; ``power``, what this point could not have shown; ``notes``; ``seconds``;
    ``text``, as printed.
    """

    network: str = ""
    found_by: str = ""
    sizes: str = ""
    where: str = ""
    proof: str = ""
    ruled_out: list[str] = field(default_factory=list)

    def _headline(self) -> Sequence[str]:
        return (f"{self.network}; {self.found_by}" if self.network else "", self.sizes, self.where, self.proof)

    @classmethod
    def of(cls, report: str, text: str) -> Diagnosis:
        """From the C++ report as JSON and as text."""
        data = json.loads(report)
        blocks = [
            Block(
                b["parameter"], b["verdict"], _number(b["gap"]), _number(b["allowed"]), b["wrong"], b["entries"],
                b["worst"],
            )
            for b in data["blocks"]
        ]  # fmt: skip
        findings = [
            Finding(
                f["name"], f["where"], f["sentence"], f["fix"], f["yours"], f.get("proof", data["proof"]),
                f["certainty"], f["equivalents"], f["blocks"],
            )
            for f in data["findings"]
        ]  # fmt: skip
        return cls(
            verdict=data["verdict"], blocks=blocks, findings=findings, power=data["power"], notes=data["notes"],
            seconds=data["seconds"], text=text, network=data["network"], found_by=data["found_by"],
            sizes=data["sizes"], where=data["where"], proof=data["proof"], ruled_out=data["ruled_out"],
        )  # fmt: skip


def _number(value: float | None) -> float:
    """JSON has no NaN and no infinity."""
    return float("nan") if value is None else value
