"""Programs as their authors wrote them, one a file (folder authors/): setup, loss and gradients, and a table of slips.
A slip is an edit of the source, old text to new; its recipe reads "AUTHOR + SLIP"."""

from pathlib import Path

from program import Program

FOLDER = Path(__file__).parent.parent / "authors"


def parts(author):
    """The author's code, and the table of slips below it."""
    code, _, table = (FOLDER / f"{author}.py").read_text().partition("\nSLIPS = ")
    return code, eval(table)


def prepared(author, slips=()):
    """What the author's file defines, after the slips."""
    code, table = parts(author)
    for slip in slips:
        _, *edits = table[slip]
        for old, new in zip(edits[::2], edits[1::2], strict=True):
            assert code.count(old) == 1, f"{author}: {slip}: {old!r} is there {code.count(old)} times"
            code = code.replace(old, new)
    defined = {"__name__": author}
    exec(compile(code, author, "exec"), defined)
    return defined


CORRECT = sorted(file.stem for file in FOLDER.glob("*.py"))

FAULTS = {f"{author} + {slip}": names for author in CORRECT for slip, (names, *_) in parts(author)[1].items()}


def build(rng, words):
    author, *rest = words
    defined = prepared(author, [" + ".join(rest)] if rest else [])
    parameters, batch = defined["setup"](rng)

    def run(p, d):
        loss, gradients = defined["loss_and_grads"](p, d)
        return loss, {f"d{name}": gradients[f"d{name}"] for name in [*parameters, *batch] if f"d{name}" in gradients}

    return Program(parameters, batch, run)
