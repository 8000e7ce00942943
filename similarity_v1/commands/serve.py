"""`serve`: a local page that explains the pairs typed into it, and the same for programs."""

from __future__ import annotations

import argparse
import dataclasses
import re

from similarity_v1.commands.options import add_model_arguments, parse_settings
from similarity_v1.serve.limits import Limits


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s, this machine)")
    parser.add_argument(
        "--port", type=_port, default=8000, help="port to listen on; 0 = any free one (default: %(default)s)"
    )
    parser.add_argument(
        "--allowed-host", type=_host_name, action="append", default=[], metavar="NAME",
        help="another host name that requests may use, such as that of a proxy; may be given several times",
    )  # fmt: skip
    parser.add_argument(
        "--root-path", type=_root_path, default="", metavar="/PATH", help="path under which a proxy shows the page"
    )
    parser.add_argument(
        "--texts", type=int, choices=(1, 2),
        help="texts that the model reads (default: 2 where its folder has a decision.json, either elsewhere)",
    )  # fmt: skip
    for limit in dataclasses.fields(Limits):
        about = f"{limit.metadata['about']} (default: %(default)s)"
        of_kind = _positive(type(limit.default))
        parser.add_argument(f"--{limit.name.replace('_', '-')}", type=of_kind, default=limit.default, help=about)


def run(arguments: argparse.Namespace) -> None:
    from final_project.model.decision import is_pair_folder, load_decision
    from final_project.model.folder import require_model_folder
    from similarity_v1.explain.from_settings import build_explainer
    from similarity_v1.rationales.selection import selection_from_settings
    from similarity_v1.serve import server
    from similarity_v1.serve.app import Served, create_app

    settings = parse_settings(arguments)
    require_model_folder(arguments.model)
    place = server.bind(arguments.host, arguments.port)
    served = Served(
        explain=build_explainer(arguments.model, settings).explain,
        model_name=str(arguments.model),
        method=settings.method,
        threshold=load_decision(arguments.model).threshold,
        selection=selection_from_settings(settings),
        texts=arguments.texts or (2 if is_pair_folder(arguments.model) else None),
    )
    limits = Limits(**{limit.name: getattr(arguments, limit.name) for limit in dataclasses.fields(Limits)})
    names = server.allowed_hosts(arguments.host, place, arguments.allowed_host)
    app = create_app(served, names, limits, arguments.root_path)
    server.leave(server.run(app, place))


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to 65535, found {text!r}")
    return int(text)


def _host_name(text: str) -> str:
    """As a Host header has it, without a port."""
    name = text.lower().rstrip(".")
    if not re.fullmatch(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?|\[[0-9a-f:.]+\]", name):
        raise argparse.ArgumentTypeError(f"expected a host's name such as pairs.example.org, found {text!r}")
    return name


def _root_path(text: str) -> str:
    path = text.rstrip("/")
    if path and not re.fullmatch(r"(/[A-Za-z0-9._~-]+)+", path):
        raise argparse.ArgumentTypeError(f"expected a path such as /pairs, found {text!r}")
    return path


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
