#!/usr/bin/env python3
"""The corpus of faults: hand-written backward passes in the styles of public code, each with a planted mistake, and
correct ones, written independently of the doctor.

  run.py verify                          the correct ones agree with differences, every planted mistake shows
  run.py judge PROGRAM [--style S] ...   what `retrograde doctor` says of each, and how often it is right
  run.py case STYLE RECIPE FILE.npz      one case as arrays, to look at
  run.py program STYLE RECIPE REQUEST REPLY   one case as a program (docs/doctor_protocol.md)
"""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from pathlib import Path

try:
    import numpy as np
except ImportError:
    print("NumPy is missing: THE DOCTOR WAS NOT TRIED on the corpus of hand-written faults. Install python3-numpy.")
    sys.exit(77)
from program import Program

STYLES = ["minchar", "wildml", "course", "batched", "gru", "layers", "last", "deep", "captions", "control", "authors",
          "alarms", "anything"]


def build(style: str, recipe: str, seed: int = 0) -> Program:
    rng = np.random.default_rng([zlib.crc32(f"{style}:{recipe}".encode()), seed])
    module = importlib.import_module(f"styles.{style}")
    return module.build(rng, recipe.split(" + ") if recipe else [])


def recipes(styles: list[str]) -> list[tuple[str, str, list[str] | None]]:
    """(style, recipe, names expected); None for a correct gradient."""
    out: list[tuple[str, str, list[str] | None]] = []
    for style in styles:
        module = importlib.import_module(f"styles.{style}")
        out += [(style, recipe, None) for recipe in module.CORRECT]
        out += [(style, recipe, names) for recipe, names in module.FAULTS.items()]
    return out


def arrays(program: Program) -> dict[str, np.ndarray]:
    loss, gradients = program.run(program.parameters, program.batch)
    stored = {**program.parameters, **program.batch, **gradients, **program.extra}
    return {**stored, "loss": np.array(loss)} if program.tells_loss else stored


def answer(style: str, recipe: str, request: str, reply: str) -> None:
    """The program form: takes what the request changes, runs as often as it asks, replies with everything."""
    program = build(style, recipe)
    with np.load(request) as asked:
        given = {k: asked[k] for k in asked.files}
    p = {k: given.get(k, v) for k, v in program.parameters.items()}
    d = {k: given.get(k, v) for k, v in program.batch.items()}
    for _ in range(int(given.get("calls", 1))):
        loss, gradients = program.run(p, d)
    np.savez(reply, **p, **d, **gradients, **({"loss": np.array(loss)} if program.tells_loss else {}))


def verify(styles: list[str]) -> int:
    bad = 0
    for style, recipe, names in recipes(styles):
        worst = error(build(style, recipe))
        if (worst > 1e-5) != (names is not None):
            bad += 1
            print(f"{style}: {recipe}: {'is wrong' if names is None else 'shows nothing'} ({worst:.1e})", flush=True)
    return bad


def error(program: Program) -> float:
    """The largest distance of a gradient to central differences, relative to its block."""
    point = {k: np.asarray(v, float) for k, v in {**program.parameters, **program.batch}.items()}
    loss_at = lambda at: (program.truth or program.run)({k: at[k] for k in program.parameters},
                                     {k: at[k].astype(v.dtype) for k, v in program.batch.items()})[0]
    _, gradients = program.run(program.parameters, program.batch)
    names = list(program.parameters) + [g[1:] for g in gradients if g.startswith("d") and g[1:] in program.batch]
    worst = 0.0
    for name, claim in zip(names, gradients.values(), strict=True):
        numeric = np.zeros(point[name].shape)
        for i in np.ndindex(numeric.shape):
            moved = {**point, name: point[name].copy()}
            moved[name][i] += 1e-5
            up = loss_at(moved)
            moved[name][i] -= 2e-5
            numeric[i] = (up - loss_at(moved)) / 2e-5
        worst = max(worst, float(np.abs(numeric - claim).max()) / (1e-3 + float(np.abs(numeric).max())))
    return worst


def judge_one(executable: str, program: Program, command: str, form: str, folder: str) -> tuple[dict, float]:
    hints = [word for name, role in program.hints.items() for word in ("--hint", f"{name}={role}")]
    if form == "arrays":
        case = f"{folder}/case.npz"
        np.savez(case, **arrays(program))
        words = [case]
    else:
        words = ["--run", f"{sys.executable} {Path(__file__).resolve()} program {command}"]
    start = time.monotonic()
    try:
        done = subprocess.run([executable, "doctor", "--json", *words, *hints], capture_output=True, text=True, timeout=20)
    except subprocess.TimeoutExpired:
        return {"verdict": "exit never", "findings": []}, time.monotonic() - start
    seconds = time.monotonic() - start
    if done.returncode not in (0, 3, 5):
        return {"verdict": f"exit {done.returncode}", "findings": [], "error": done.stderr.strip()}, seconds
    return json.loads(done.stdout), seconds


def score(report: dict, names: list[str] | None) -> str:
    """right, unnamed (honestly), wrong, accused (a correct gradient), silent (cannot tell), missed or failed."""
    verdict, findings = report["verdict"].replace("_", " "), report["findings"]
    if verdict.startswith("exit"):
        return "failed"
    if names is None:
        return {"agrees": "right", "differs": "accused"}.get(verdict, "silent")
    if verdict == "agrees":
        return "missed"
    if not findings:
        return "right" if all(not n or n.endswith("|") for n in names) else "unnamed"
    found = [{f["name"], *(e["name"] for e in f.get("equivalents", []))} for f in findings]
    if not names:
        return "check"  # an unforeseen reading: a person must judge it
    for name in names:
        hit = next((f for f in found if any(n in f for n in name.split("|"))), None)
        if hit is None:
            return "wrong"
        found.remove(hit)
    return "wrong" if found else "right"


def judge(arguments: argparse.Namespace) -> int:
    counts: Counter[str] = Counter()
    slowest = (0.0, "")
    chosen = [(style, recipe, names) for style, recipe, names in recipes(arguments.style or STYLES)
              if arguments.only in f"{style}: {recipe}" and not (arguments.correct and names is not None)]
    with tempfile.TemporaryDirectory() as folder:
        for style, recipe, names in chosen[:: arguments.every]:
            for seed in range(arguments.seeds):
                report, seconds = judge_one(arguments.program, build(style, recipe, seed), f'"{style}" "{recipe}"',
                                            arguments.form, folder)
                kind = score(report, names)
                counts[("correct " if names is None else "faulty ") + kind] += 1
                slowest = max(slowest, (seconds, f"{style}: {recipe}"))
                if kind != "right" or arguments.all:
                    found = ["/".join([f["name"], *(e["name"] for e in f.get("equivalents", []))]) for f in report["findings"]]
                    print(f"{kind:8} {seconds:4.1f}s {style}: {recipe} (seed {seed})\n"
                          f"         expected {names}, {report['verdict']} {found} {report.get('error', '')}", flush=True)
    faulty = sum(n for k, n in counts.items() if k.startswith("faulty"))
    correct = sum(counts.values()) - faulty
    print(f"{correct} correct: {counts['correct accused']} accused, {counts['correct silent']} cannot tell\n"
          f"{faulty} faulty: {counts['faulty right']} named rightly, {counts['faulty unnamed']} honestly unnamed\n"
          f"slowest {slowest[0]:.1f} s ({slowest[1]})")
    if counts["correct right"] + counts["correct silent"] < correct or counts["correct silent"] > 0.02 * correct:
        print("a correct gradient was accused, or too many could not be told")
        return 1
    return 0 if counts["faulty right"] >= arguments.least * faulty else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = parser.add_subparsers(dest="command", required=True)
    check = sub.add_parser("verify")
    check.add_argument("--style", action="append")
    one = sub.add_parser("judge")
    one.add_argument("program")
    one.add_argument("--style", action="append")
    one.add_argument("--only", default="", help="part of STYLE: RECIPE")
    one.add_argument("--form", default="arrays", choices=["arrays", "program"])
    one.add_argument("--every", type=int, default=1, help="take every n-th case")
    one.add_argument("--seeds", type=int, default=1, help="points to try each case at (as arrays)")
    one.add_argument("--correct", action="store_true", help="the correct ones only")
    one.add_argument("--all", action="store_true", help="show the right ones too")
    one.add_argument("--least", type=float, default=0.0, help="share of the faulty that must be named rightly")
    case = sub.add_parser("case")
    program = sub.add_parser("program")
    for p in (case, program):
        p.add_argument("style")
        p.add_argument("recipe")
    case.add_argument("file")
    program.add_argument("request")
    program.add_argument("reply")
    arguments = parser.parse_args()
    if arguments.command == "verify":
        return verify(arguments.style or STYLES)
    if arguments.command == "judge":
        return judge(arguments)
    if arguments.command == "case":
        np.savez(arguments.file, **arrays(build(arguments.style, arguments.recipe)))
        return 0
    answer(arguments.style, arguments.recipe, arguments.request, arguments.reply)
    return 0


if __name__ == "__main__":
    sys.exit(main())
