"""What every command line shares: commands and their help, exit statuses, logging, the libraries' caches."""

from __future__ import annotations

import argparse
import difflib
import importlib
import logging
import os
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from final_project import strict_json
from final_project.data.texts import why_unreadable
from final_project.errors import ProjectError, UsageError
from final_project.places import cache_dir
from final_project.recipe import describe_fields, dotted_fields, load_recipe
from final_project.settings import Recipe

Commands = Mapping[str, tuple[str, str]]
"""Command -> (its module, one line about it). The module has add_arguments(parser) and run(arguments); it is imported
only when the command is used, because some import torch."""

CACHES = {
    "HF_HOME": "huggingface",
    "NLTK_DATA": "nltk",
    "TORCH_EXTENSIONS_DIR": "torch_extensions",
    "TORCHINDUCTOR_CACHE_DIR": "inductor",
    "TRITON_CACHE_DIR": "triton",
    "XDG_CACHE_HOME": "xdg",
}


def run_main(main: Callable[[Sequence[str]], int | None], argv: Sequence[str] | None = None) -> int:
    """Run a command and turn its errors into one message on standard error and an exit status.

    0 done, 2 wrong use, recipe or data, 1 anything else. Only a defect of ours shows a traceback.
    """
    set_up_libraries()
    set_up_logging()
    try:
        return main(sys.argv[1:] if argv is None else argv) or 0
    except SystemExit as request:
        if isinstance(request.code, str):  # Python's own meaning of a text: print it and fail
            print(request.code, file=sys.stderr)
            return 1
        return request.code or 0
    except ProjectError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_status
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:  # a full disk, a folder without permission: the user must act, the program is right
        print(f"error: {error.filename or 'a file'}: {error.strerror or error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted; the same command resumes from the last checkpoint", file=sys.stderr)
        return 130


def run_commands(
    program: str,
    commands: Commands,
    argv: Sequence[str],
    run_stage: Callable[[Sequence[str]], int | None] | None = None,
    intermixed: bool = False,
) -> int | None:
    """Run `python -m PROGRAM [COMMAND] ...`; without a command run_stage gets the arguments, where there is a stage.

    intermixed: options may also come between positional arguments. Raises UsageError for an unknown command.
    """
    first = argv[0] if argv else ""
    if first in commands:
        module, about = commands[first]
        command = importlib.import_module(module)
        parser = Parser(prog=f"python -m {program} {first}", description=about)
        command.add_arguments(parser)
        return command.run((parser.parse_intermixed_args if intermixed else parser.parse_args)(argv[1:]))
    if first and not first.startswith("-") and "=" not in first:
        close = difflib.get_close_matches(first, commands, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        known = f" (there are {', '.join(commands)})" if commands else "; settings follow after -- as key=value"
        raise UsageError(f"python -m {program} has no command {first!r}{hint}{known}")
    if run_stage is not None:
        return run_stage(argv)
    parser = Parser(
        prog=f"python -m {program}",
        usage=f"python -m {program} COMMAND ...",
        description=list_commands(commands),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(argv)
    parser.error(f"which command? There are {', '.join(commands)}")


def list_commands(commands: Commands) -> str:
    """Help text: one line a command."""
    width = max(map(len, commands), default=0)
    lines = [f"  {name:<{width}}  {about}" for name, (_, about) in commands.items()]
    return "\n".join(["commands (COMMAND --help describes one):", *lines])


def end_process(status: int) -> NoReturn:
    """End a process that may have trained with others, at once: while Python takes itself apart, threads of the
    libraries' process groups may still ask for it, and that aborts the process now and then."""
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        os._exit(status)
    sys.exit(status)


def set_up_libraries() -> None:
    """Point the libraries' caches into cache_dir() unless the user has placed them, and keep the libraries quiet."""
    for variable, folder in CACHES.items():
        os.environ.setdefault(variable, str(cache_dir() / folder))
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    warnings.filterwarnings("ignore", category=FutureWarning, module=r"torch\.distributed")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


def set_up_logging() -> None:
    """Log lines to standard error; ranks other than the first only warn."""
    level = logging.INFO if os.environ.get("RANK", "0") == "0" else logging.WARNING
    logging.basicConfig(level=level, format="%(message)s", stream=sys.stderr, force=True)
    for chatty in ("httpx", "httpx2", "filelock", "torch.distributed", "datasets", "fsspec"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def print_json(value: Any) -> None:
    """The answer of a command, as one JSON object on standard output; in ASCII where a file's name is not UTF-8. Raises
    ArtifactError at a number that is not finite."""
    text = strict_json.dumps(value, ensure_ascii=False, sort_keys=True)
    print(strict_json.dumps(value, sort_keys=True) if why_unreadable(text) else text)


class Parser(argparse.ArgumentParser):
    """A command's arguments. Where a text or a setting that begins with a dash was taken for an option, the error says
    how to give it; subcommands inherit this."""

    given: Sequence[str] = ()

    def parse_known_args(self, args=None, namespace=None):
        self.given = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        super().error(message + self._dash_hint(message))

    def _dash_hint(self, message: str) -> str:
        """Empty where no argument before ` -- ` begins with a dash without being one of the options."""
        of_message = message.removeprefix("unrecognized arguments: ")
        given = of_message.split() if of_message != message else list(self.given)
        before = given[: given.index("--")] if "--" in given else given
        known = tuple(self._option_string_actions)
        dashed = [text for text in before if text.startswith("-") and text.split("=")[0] not in known]
        dashed = [text for text in dashed if not any(option.startswith(text.split("=")[0]) for option in known)]
        if not dashed:
            return ""
        if "expected one argument" in message:
            return f"; join a value that begins with a dash to its option: --OPTION={dashed[0]}"
        if dashed[0].startswith("--") and (close := difflib.get_close_matches(dashed[0], known, n=1, cutoff=0.8)):
            return f"; did you mean {close[0]}?"
        name, equals, _ = dashed[0].lstrip("-").partition("=")
        if equals and name in dotted_fields():
            return f"; write settings without dashes, after --, as in: -- {dashed[0].lstrip('-')}"
        return f"; write an argument that begins with a dash after --, as in: -- {dashed[0]}"


def stage_arguments(
    stage: str, about: str, *sections: str, commands: Commands | None = None
) -> argparse.ArgumentParser:
    """The parser of `python -m STAGE`: a recipe, overrides after `--`, and the settings the stage reads."""
    parser = Parser(
        prog=f"python -m {stage}", description=f"{about}\n\n{list_commands(commands)}" if commands else about
    )
    add_recipe_arguments(parser)
    add_settings_help(parser, *sections)
    return parser


def add_settings_help(parser: argparse.ArgumentParser, *sections: str) -> None:
    """Common settings of the sections below `--help`, all of them below `--help-all`."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    common = describe_fields(*sections, common_only=True)
    parser.epilog = "common settings, given after -- as key=value (--help-all lists all):\n" + common
    parser.add_argument(
        "--help-all", action=_HelpAll, nargs=0, const=sections, default=argparse.SUPPRESS,
        help="show this help message with every setting and exit",
    )  # fmt: skip


class _HelpAll(argparse.Action):
    """Prints the help with every setting of the sections in `const`."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        parser.epilog = "settings, given after -- as key=value:\n" + describe_fields(*self.const)
        parser.print_help()
        parser.exit()


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recipe", default="demo", help="name in recipes/ or a YAML file (default: demo)")
    parser.add_argument("--force", action="store_true", help="run the stage again even if it is up to date")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings, after --")


def recipe_from(arguments: argparse.Namespace) -> Recipe:
    return load_recipe(arguments.recipe, arguments.overrides)
