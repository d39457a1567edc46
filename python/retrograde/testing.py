"""For pytest: `assert_gradient`, whose failure message is the report."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .checking import check
from .diagnosing import doctor
from .reports import CheckReport


def assert_gradient(
    loss: Callable[..., Any],
    gradient: Any,
    params: Any,
    batch: Any = (),
    *,
    diagnose: bool = True,
    **options: Any,
) -> CheckReport:
    """Fails unless the judge agrees with the gradient ("cannot tell" fails, too).

    loss, gradient, params, batch and further options as in `retrograde.check`, whose report is returned. With
    `diagnose` a gradient that differs is shown to the doctor, and the message holds both reports.
    """
    __tracebackhide__ = True
    report = check(loss, gradient, params, batch, **options)
    if report.agrees:
        return report
    message = str(report)
    if diagnose and report.verdict == "differs":
        try:
            message += "\n" + str(doctor(gradient, params, batch, loss=loss))
        except ValueError as error:  # not a network that the doctor knows
            message += f"\nThe doctor cannot help: {error}"
    raise AssertionError(message)
