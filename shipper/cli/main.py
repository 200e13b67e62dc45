"""The command `shipper`: its groups, each loaded only when it is called, and the way an error is told."""

import os
import sys
import threading
from contextlib import suppress
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from shipper import __version__
from shipper.errors import ShipperError, is_interrupt
from shipper.model import Notifier

COMMANDS = {
    "run": ("shipper.cli.run:run", "Follow the files of a pipeline."),
    "demo": ("shipper.cli.demo:demo", "A simulated backend, followed live."),
    "check": ("shipper.cli.check:check", "Every mistake of a pipeline in one go."),
    "preview": ("shipper.cli.preview:preview", "Each line as it would be stored, findings marked."),
    "search": ("shipper.cli.search:search", "Find stored records, newest first."),
    "tail": ("shipper.cli.search:tail", "Show records as they are committed, after the last 10."),
    "alerts": ("shipper.cli.alerts:alerts", "Alerts, newest first."),
    "rules": ("shipper.cli.rules:rules", "List, check, test and explain rules."),
    "scan": ("shipper.cli.scan:scan", "Findings and alerts over files or -, as JSON lines."),
    "setup": ("shipper.cli.setup:setup", "Make Elasticsearch ready, and Kibana."),
    "quarantine": ("shipper.cli.quarantine:quarantine", "Rows that a sink refused: list, show, replay."),
    "tier": ("shipper.cli.tier:tier", "Older data: plan, run, status, verify, restore."),
    "hold": ("shipper.cli.hold:hold", "What nobody may delete: add, list, release."),
    "erase": ("shipper.cli.erase:erase", "Erase records in all tiers, with a certificate."),
    "status": ("shipper.cli.status:status", "Lag per file, rates, sinks, windows, tiers."),
}
"""Where each is, and its line in the help: which needs no command loaded, and so comes at once."""
DATA_HELP = "Folder that holds everything shipper writes.  [default: ./data, or $SHIPPER_DATA]"


class Settings:
    """What every command shares: the data folder, given before or behind the command's name."""

    def __init__(self) -> None:
        self.data = Path(os.environ.get("SHIPPER_DATA") or "data")

    def notifiers(self) -> list[Notifier]:
        """Those of the default pipeline, for `alerts test`."""
        # What builds a pipeline takes a third of a second to load, and the other commands do without it.
        return [*import_module("shipper.build").default_notifiers(self.data)]

    def rule_id(self, name: str) -> str:
        """The id of the default pipeline's rule of this name; what is no rule's name stays as it is."""
        return str(import_module("shipper.build").id_of_rule(name))


class Commands(click.Group):
    """Loads a command's module when it is called, and gives each command `--data`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), name)
        _accept_data(command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # The reader has gone (`| head`), that is its right. Python would complain once more while closing.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            close = get_close_matches(args[0], COMMANDS, 1)
            hint = f"did you mean {close[0]}?" if close else f"commands are: {', '.join(COMMANDS)}"
            raise click.UsageError(f"there is no command {args[0]}; {hint}", ctx) from error


def _accept_data(command: click.Command) -> None:
    if all(parameter.name != "data" for parameter in command.params):
        command.params.append(
            click.Option(
                ["--data", "data"],
                type=click.Path(file_okay=False, path_type=Path),
                expose_value=False,
                callback=_use_data,
                help=DATA_HELP,
            )
        )
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            _accept_data(inner)


def _use_data(ctx: click.Context, _: click.Parameter, value: Path | None) -> None:
    if value is not None:
        ctx.ensure_object(Settings).data = value


@click.group(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
    help="Follows a backend's JSON logs: searchable records, security alerts, secrets struck out, nothing lost.",
)
@click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), callback=_use_data, expose_value=False, help=DATA_HELP
)
@click.version_option(__version__, prog_name="shipper")
@click.pass_context
def cli(ctx: click.Context) -> None:
    ctx.ensure_object(Settings)


def main(arguments: list[str] | None = None) -> None:
    """Runs a command; every foreseen error is one line on stderr and the exit code of its kind."""
    code = run_command(arguments)
    _leave_what_is_under_way(code)
    sys.exit(code)


def _leave_what_is_under_way(code: int) -> None:
    """Python waits at its end for the threads of pools. What a command has left in them, as the upload of a day when a
    run is stopped, may get no answer for minutes: it is taken up by the next run, as after a crash."""
    if threading.active_count() == 1:
        return
    with suppress(OSError, ValueError):  # nobody reads it any more, or it is closed
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def run_command(arguments: list[str] | None = None) -> int:
    """The exit code: 0 done, 1 failed, 2 wrong usage or configuration."""
    try:
        result: Any = cli.main(args=arguments, prog_name="shipper", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except ShipperError as error:
        _tell(str(error))
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return error.exit_code
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "shipper"
        _tell(f"{error.format_message().rstrip('.')}; see: {command} --help")
        return 2
    except click.ClickException as error:
        _tell(error.format_message())
        return error.exit_code
    except (click.exceptions.Abort, KeyboardInterrupt):
        return 130
    except RuntimeError as error:
        if not is_interrupt(error):
            raise
        return 130


def _tell(message: str) -> None:
    print(f"shipper: {message}", file=sys.stderr)
