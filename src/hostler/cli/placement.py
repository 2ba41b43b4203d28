"""`hostler placement rate` and `hostler fleet export`: stars with their reasons, from the service or from a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from hostler.cli import output as shown
from hostler.cli import ratings, reads
from hostler.cli.exits import Exit, UsageError
from hostler.cli.session import Session

if TYPE_CHECKING:
    from hostler.domain.placement.model import Ranking, Request
    from hostler.domain.placement.what_if import Remedy


def placement_app(session: Session) -> App:
    app = App(name="placement", help="Intelligent Placement: which host suits a virtual machine, and why.")

    @app.command
    def rate(
        *,
        template: Annotated[str | None, Parameter(help="Rate for a VM of this template.")] = None,
        fleet: Annotated[Path | None, Parameter(help="Rate this exported fleet here, without the service.")] = None,
        host: Annotated[str | None, Parameter(help="Rate only this host, which is read now.")] = None,
        strength: Annotated[
            list[str] | None,
            Parameter(negative=(), help="criterion=must_meet, should_meet, favor or off; may be repeated."),
        ] = None,
        cpu_count: Annotated[int | None, Parameter(help="Processors, in place of the template's.")] = None,
        memory_mib: Annotated[int | None, Parameter(help="Memory, in place of the template's.")] = None,
        disk_mib: Annotated[int | None, Parameter(help="Disk, in place of the template's.")] = None,
        limit: Annotated[int, Parameter(help="Show so many hosts; 0 for all.")] = 20,
        output: reads.As = "table",
    ) -> int:
        """Rate every host for a VM, best first, with each term's share and each zero's reasons.

        A fleet file (`hostler fleet export`) answers what-if questions: change it, and rate again. With --fleet and
        without --template the service is not asked at all.
        """
        own = {"vcpus": cpu_count, "memory_mib": memory_mib, "disk_mib": disk_mib}
        changes = {name: value for name, value in own.items() if value is not None}
        strengths = dict(_strength(text) for text in strength or ())
        helpful: tuple[Remedy, ...] = ()
        if fleet is not None:
            if host is not None:
                raise UsageError("--host is read by the service: it goes with --template, not with --fleet.")
            ranking, helpful = _offline(fleet, _needs(session, template, changes), strengths)
        elif template is None:
            raise UsageError("hostler placement rate needs --template, or --fleet for a fleet in a file.")
        else:
            more = {"host": host} if host is not None else {}
            ranking = _asked(session, {"template": template, "strengths": strengths, **changes, **more})
        ratings.show(session, ranking, output, limit, helpful)
        return Exit.REFUSED if ranking.suggested is None else Exit.OK

    return app


def fleet_app(session: Session) -> App:
    app = App(name="fleet", help="All hosts and virtual machines, as placement sees them.")

    @app.command
    def export(*, file: Annotated[Path | None, Parameter(help="Write here, not to standard output.")] = None) -> int:
        """Write the fleet as a file that `hostler placement rate --fleet` reads."""
        data = session.client.export_fleet()
        if file is None:
            session.out.file.write(data.decode())
        else:
            file.write_bytes(data)
            session.err.print(f"The fleet is in {shown.visible(str(file))}.")
        return 0

    return app


def _strength(text: str) -> tuple[str, str]:
    code, mark, strength = text.partition("=")
    if not mark:
        raise UsageError(f"{text!r} is no strength: write criterion=must_meet, should_meet, favor or off.")
    return code, strength


def _asked(session: Session, request: dict[str, Any]) -> "Ranking":
    import msgspec

    from hostler.domain.placement.model import Ranking

    answer = session.client.rate_placement(request)
    live = answer.get("live") or {}
    if live.get("read_at"):
        session.err.print(f"The host was read now ({live['read_at']}).")
    elif live:
        problem = shown.visible(str(live.get("problem")))
        session.err.print(f"The host could not be read now, so this is of its last facts: {problem}", style="yellow")
    return msgspec.convert(answer, Ranking)


def _offline(path: Path, needs: "Request", strengths: dict[str, str]) -> tuple["Ranking", tuple["Remedy", ...]]:
    """The ranking, and the single changes after which a host that does not fit would."""
    import msgspec

    from hostler.domain.placement.fleet import decode
    from hostler.domain.placement.model import Policy
    from hostler.domain.placement.rank import rank
    from hostler.domain.placement.what_if import remedies

    snapshot = decode(path.read_bytes()).snapshot()
    ranking = rank(snapshot, needs, policy=msgspec.convert({"strengths": strengths}, Policy))
    return ranking, remedies(snapshot, ranking)


def _needs(session: Session, template: str | None, changes: dict[str, int]) -> "Request":
    import msgspec

    from hostler.domain.placement.model import DiskNeed, Request

    needs = Request() if template is None else _needs_of(session, session.client.templates.get(template))
    disk = {"disks": (DiskNeed(size_mib=changes["disk_mib"]),)} if "disk_mib" in changes else {}
    others = {name: value for name, value in changes.items() if name != "disk_mib"}
    return msgspec.structs.replace(needs, **others, **disk)


def _needs_of(session: Session, template: dict[str, Any]) -> "Request":
    import msgspec

    from hostler.domain.library.profiles import Hardware
    from hostler.domain.machines.spec import CloneKind
    from hostler.domain.placement.needs import needs_of

    disk = session.client.library_objects.get(str(template["disk_id"]))
    sizes = {name: int(disk[name]) for name in ("size_bytes", "virtual_size_bytes")}
    return needs_of(msgspec.convert(template["hardware"], Hardware), CloneKind.LINKED, **sizes)
