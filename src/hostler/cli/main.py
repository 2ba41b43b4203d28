"""The command line as a whole: which commands there are, and what becomes of their errors."""

from collections.abc import Mapping, Sequence
from importlib import metadata

from cyclopts import App, CycloptsError

from hostler.cli import access, jobs, operations, placement, reads
from hostler.cli.exits import MEANINGS, Exit, UsageError, exit_of
from hostler.cli.generated import OPERATIONS
from hostler.cli.output import visible
from hostler.cli.session import Session
from hostler.domain.scripts.words import OperationWords


def run(
    arguments: Sequence[str],
    session: Session | None = None,
    *,
    entry_points: Mapping[str, str] | None = None,
    table: Sequence[OperationWords] = OPERATIONS,
) -> int:
    """Run one command; the exit code. What can go wrong is told on standard error."""
    session = session or Session()
    try:
        answer = build(session, entry_points or {}, table)(
            list(arguments), exit_on_error=False, error_console=session.err, console=session.out
        )
    except CycloptsError:
        return Exit.USAGE  # cyclopts has told it
    except UsageError as error:
        session.err.print(f"error: {visible(str(error))}", style="red")
        return Exit.USAGE
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        return Exit.OK  # the reader, such as head, has seen enough
    except Exception as error:  # noqa: BLE001 - the last place to tell it; a bug is raised again
        return _told(session, error)
    return int(answer) if isinstance(answer, int) else Exit.OK


def build(session: Session, entry_points: Mapping[str, str], table: Sequence[OperationWords]) -> App:
    """The parser with every command."""
    app = App(
        name="hostler",
        help="Hostler, an open virtual machine manager.",
        help_epilogue=_epilogue(entry_points),
        version=lambda: metadata.version("hostler"),
        version_flags=["--version"],
        result_action="return_value",
    )
    nouns: dict[str, App] = {}
    for words in table:
        if words.noun not in nouns:
            nouns[words.noun] = App(name=words.noun, help=f"The {words.title}s.", help_epilogue="")
            reads.add(nouns[words.noun], words.plural, words.title, session)
            app.command(nouns[words.noun])
        operations.add(nouns[words.noun], words, session)
    for more in (jobs.app(session), placement.placement_app(session), placement.fleet_app(session)):
        more.help_epilogue = ""
        app.command(more)
    access.add(app, session)
    app.register_install_completion_command()
    return app


def _epilogue(entry_points: Mapping[str, str]) -> str:
    service = "\n\n".join(f"hostler {name}: {about}" for name, about in entry_points.items())
    codes = "; ".join(f"{int(code)} {meaning}" for code, meaning in MEANINGS.items())
    return f"{service}\n\nExit codes: {codes}."


def _told(session: Session, error: Exception) -> int:
    """Tell an error of the SDK or of the user's settings; any other is a bug and goes on as it is."""
    from hostler.sdk import HostlerError

    if isinstance(error, HostlerError):
        session.err.print(f"error: {visible(error.detail)}", style="red")
        if error.remedy:
            session.err.print(f"what would help: {visible(error.remedy)}")
        if error.problem.job:
            session.err.print(f"the job: hostler job show {visible(error.problem.job)}")
        return exit_of(error)
    if isinstance(error, ValueError | OSError):
        session.err.print(f"error: {visible(str(error))}", style="red")
        return Exit.USAGE
    raise error
