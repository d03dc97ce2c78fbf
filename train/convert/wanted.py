"""What `callproof train convert swe` and `swe-synth` are asked for."""

from pathlib import Path
from typing import Literal, NamedTuple

from callproof.errors import UserError

Form = Literal["swe", "swe-synth"]
Mode = Literal["simple", "code-context"]
Source = Literal["file", "patch"]


class Wanted(NamedTuple):
    """What examples are to hold.

    Attributes:
        form: `swe` makes conversations, `swe-synth` instructions.
        mode: of tasks in the form `swe`: with or without the code.
        source: where the code comes from: whole files, or the lines around the fix.
        repos: folder of checkouts.
    """

    form: Form
    mode: Mode = "simple"
    source: Source = "file"
    repos: Path | None = None


def checked_options(form: Form | None, mode: Mode | None, source: Source | None, repos: Path | None) -> Wanted | None:
    """What the options of the command line ask for; None where they name no form.

    Raises:
        UserError: an option that would do nothing beside the others, or `repos` is no folder.
    """
    is_context = form == "swe" and mode == "code-context"
    options = (
        ("--mode", mode, "the form swe", form == "swe"),
        ("--source", source, "swe --mode code-context", is_context),
        ("--repos", repos, "swe --mode code-context --source file", is_context and source != "patch"),
    )
    for option, value, what, fits in options:
        if value and not fits:
            raise UserError(option, f"is for {what}", f"leave {option} out, or convert in that way")
    if repos and not repos.is_dir():
        raise UserError(repos, "is no folder", "give --repos a folder with checkouts")
    return Wanted(form, mode or "simple", source or "file", repos) if form else None
