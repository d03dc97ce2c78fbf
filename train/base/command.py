"""`callproof train base`: the embedded base made again, or a pretrained one converted."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from callproof.errors import UserError

from ..loop.run import quiet_libraries

EMBEDDED, SMOLLM2 = Path("models/tiny"), Path("models/smollm2-135m")


def make_base(args: Namespace) -> dict[str, Any]:
    """What the command's last line says: `base_model`, and where a pretrained one comes from.

    Raises:
        UserError: options that do not go together, or what `pretrained.py` refuses.
    """
    if args.name or (args.start and (args.start.is_file() or args.start.suffix == ".gguf")):
        return _converted(args)
    if args.layers and not args.start:
        raise UserError("--layers", "says how far an earlier model grows", "name it: --from MODEL")
    from .base import train_base

    out = args.out or EMBEDDED
    train_base(out, args.start, args.layers, args.resume)
    return {"base_model": str(out)}


def _converted(args: Namespace) -> dict[str, Any]:
    if args.layers or args.resume:
        option = "--layers" if args.layers else "--resume"
        raise UserError(option, "is for the embedded base, which is trained", "leave it out: a conversion trains none")
    if args.name and args.start:
        raise UserError("--from", f"names a model beside {args.name}", "give one of them")
    if not (args.name or args.out):
        raise UserError("--out", "is not given", "name a new folder for the model")
    out = args.out or SMOLLM2
    quiet_libraries(".", hub=bool(args.name))
    from .pretrained import convert, make_published

    made = make_published(args.name, out) if args.name else convert(args.start, out)
    return {"base_model": str(out), **made}
