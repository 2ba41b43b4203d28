"""The exported fleet: hosts and VMs in one JSON file, for rating offline and for what-if questions."""

from typing import Any, Literal

import msgspec

from hostler.domain.placement.model import HostSnapshot, Identity, PlacementError, VmLoad
from hostler.domain.placement.snapshot import Snapshot

FORMAT: Literal["hostler-fleet/1"] = "hostler-fleet/1"


class FleetError(PlacementError):
    """A fleet file that cannot be used; the text names the place in the file."""


class FleetVm(VmLoad, frozen=True, kw_only=True, gc=False, forbid_unknown_fields=True):
    """A VM of the fleet and its load on its host."""

    id: Identity
    name: Identity


class Fleet(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole fleet at one moment. Documented in docs/operators/fleet-format.md."""

    format: Literal["hostler-fleet/1"] = FORMAT
    hosts: tuple[HostSnapshot, ...]
    vms: tuple[FleetVm, ...] = ()

    def snapshot(self) -> Snapshot:
        """The fleet, ready to be rated."""
        return Snapshot.of(self.hosts, self.vms)


class _Head(msgspec.Struct):
    format: str


def decode(data: bytes) -> Fleet:
    """Reads a fleet file. Raises FleetError, with the place as a JSON path, for anything but a sound one."""
    try:
        head = msgspec.json.decode(data, type=_Head)
        if head.format != FORMAT:
            raise FleetError(
                f"the fleet file has the format {head.format[:60]!r}, this Hostler reads {FORMAT!r}:"
                " export it again with `hostler fleet export`"
            )
        fleet = msgspec.json.decode(data, type=Fleet)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise FleetError(
            f"the fleet file cannot be read: {error}; correct it there, or export it again with `hostler fleet export`"
        ) from error
    _refuse_contradictions(fleet)
    return fleet


def _refuse_contradictions(fleet: Fleet) -> None:
    hosts: set[str] = set()
    for index, host in enumerate(fleet.hosts):
        if host.id in hosts:
            raise FleetError(f"two hosts have the id {host.id!r}: the second is at $.hosts[{index}].id")
        hosts.add(host.id)
    vms: set[str] = set()
    for index, vm in enumerate(fleet.vms):
        if vm.host_id not in hosts:
            raise FleetError(
                f"the VM {vm.name!r} is on the host {vm.host_id!r}, which the file does not have:"
                f" correct $.vms[{index}].host_id or add the host"
            )
        if vm.id in vms:
            raise FleetError(f"two VMs have the id {vm.id!r}: the second is at $.vms[{index}].id")
        vms.add(vm.id)


def encode(fleet: Fleet) -> bytes:
    """The fleet as an indented file; the same fleet gives the same bytes."""
    return msgspec.json.format(msgspec.json.encode(fleet, order="deterministic"), indent=2) + b"\n"


def schema() -> dict[str, Any]:
    """The JSON Schema of the file; the same in every process."""
    made = {"$schema": "https://json-schema.org/draft/2020-12/schema", **msgspec.json.schema(Fleet)}
    for part in made["$defs"].values():
        for field in part.get("properties", {}).values():
            if isinstance(field.get("default"), list):
                field["default"].sort()  # from a set, whose order changes from process to process
    return made
