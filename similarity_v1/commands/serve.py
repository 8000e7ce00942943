"""`serve`: a local page that explains the pairs typed into it, and the same for programs."""

from __future__ import annotations

import argparse
import dataclasses

from similarity_v1.commands.options import add_model_arguments, settings_of
from similarity_v1.serve.limits import Limits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s, this machine)")
    parser.add_argument("--port", type=_port, default=8000, help="0 takes a free one (default: %(default)s)")
    for limit in dataclasses.fields(Limits):
        about = f"{limit.metadata['about']} (default: %(default)s)"
        of_kind = _positive(type(limit.default))
        parser.add_argument(f"--{limit.name.replace('_', '-')}", type=of_kind, default=limit.default, help=about)


def run(arguments: argparse.Namespace) -> None:
    from final_project.model.decision import load_decision
    from final_project.model.folder import require_model_folder
    from similarity_v1.attribution import explainer_of
    from similarity_v1.selection import selection_of
    from similarity_v1.serve import server
    from similarity_v1.serve.app import Served, create_app

    settings = settings_of(arguments)
    require_model_folder(arguments.model)
    place = server.bind(arguments.host, arguments.port)
    served = Served(
        explain=explainer_of(arguments.model, settings).explain,
        model_name=str(arguments.model),
        method=settings.method,
        threshold=load_decision(arguments.model).threshold,
        selection=selection_of(settings),
    )
    limits = Limits(**{limit.name: getattr(arguments, limit.name) for limit in dataclasses.fields(Limits)})
    app = create_app(served, server.own_names(arguments.host, place), limits)
    server.leave(server.run(app, place))


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, found {text!r}")
    return int(text)


def _positive(kind: type):
    def number(text: str):
        try:
            value = kind(text)
        except ValueError:
            value = 0
        if not 0 < value < float("inf"):
            raise argparse.ArgumentTypeError(f"expected a number above 0, found {text!r}")
        return value

    return number
