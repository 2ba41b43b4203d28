"""The main job on real libvirt: a guest that answers, killed services, machines that others make, and nothing left."""

from pathlib import Path
from uuid import UUID

import pytest
from tests.peers.conftest import LARGE, LINKED, RealService, until

pytestmark = pytest.mark.xdist_group("libvirt")


def parts(service: RealService) -> list[Path]:
    """Copies that are not whole yet."""
    return list(service.host.vm_path.rglob(".*.part"))


def test_a_vm_from_a_template_answers_by_its_own_name_and_is_deleted_without_a_trace(service: RealService) -> None:
    made = service.client.vms.create(name="o'brien <&> 日本", template=LINKED, wait_for_guest=True)
    job = made.wait(180)
    vm = service.vm("o'brien <&> 日本")
    assert vm["guest"]["host_name"].startswith("peer-")
    assert vm["guest"]["addresses"]
    assert job.attempt == 1
    service.nothing_unlisted()
    service.client.vms.power_off(vm["id"]).wait()
    service.client.vms.delete(vm["id"]).wait()
    assert service.domains() == {}
    assert list(service.host.vm_path.iterdir()) == []


@pytest.mark.parametrize("step", ["disk", "seed", "define", "start"])
def test_a_service_killed_while_it_creates_goes_on_and_makes_one(service: RealService, step: str) -> None:
    job = service.client.vms.create(name="killed", template=LINKED)

    def reached() -> bool:
        steps = {s.name: s.state for s in job.read_again().steps}
        return steps[step] != "planned"

    until(reached, f"the step {step} begins")
    service.kill()
    service.start()
    assert service.client.jobs.get(job.id).wait(60).state == "completed"
    assert list(service.domains().values()) == ["killed"]
    assert service.vm("killed")["state"] == "running"
    service.nothing_unlisted()


def test_a_full_copy_outlives_the_killed_service_and_is_made_once(service: RealService) -> None:
    job = service.client.vms.create(name="copied", template=LARGE, clone="full", start=False)
    until(lambda: bool(parts(service)), "the copy is being written")
    service.kill()
    service.start()
    assert service.client.jobs.get(job.id).wait(60).state == "completed"
    assert parts(service) == []
    service.nothing_unlisted()


def test_a_full_copy_is_cancelled_in_the_middle_and_leaves_nothing(service: RealService) -> None:
    job = service.client.vms.create(name="unwanted", template=LARGE, clone="full", start=False)
    until(lambda: bool(parts(service)), "the copy is being written")
    service.client.jobs.cancel(job.id)
    *_, ended = service.client.jobs.get(job.id).follow()
    assert ended.state == "cancelled"
    assert list(service.host.vm_path.iterdir()) == []
    assert list(service.client.vms.list()) == []


def test_a_service_killed_while_it_deletes_leaves_nothing(service: RealService) -> None:
    service.client.vms.create(name="doomed", template=LINKED, start=False).wait()
    job = service.client.vms.delete("doomed")
    until(lambda: job.read_again().steps[1].state != "planned", "the files begin to go")
    service.kill()
    service.start()
    assert service.client.jobs.get(job.id).wait(60).state == "completed"
    assert service.domains() == {}
    assert list(service.host.vm_path.iterdir()) == []


def test_what_others_make_is_adopted_followed_missing_and_found_again(service: RealService) -> None:
    connection = service.outside()
    domain = connection.defineXML(
        "<domain type='qemu'><name>outside</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>"
        "<os><type arch='x86_64'>hvm</type></os></domain>"
    )
    known = domain.XMLDesc(0)

    def states() -> list[tuple[str, str]]:
        return [(vm["name"], vm["state"]) for vm in service.client.vms.list()]

    until(lambda: states() == [("outside", "power_off")], "it is adopted", 10)
    assert service.vm("outside")["adopted"]
    assert UUID(service.vm("outside")["facts"]["native_id"]) == UUID(domain.UUIDString())
    domain.create()
    until(lambda: states() == [("outside", "running")], "it is seen running", 10)
    domain.destroy()
    until(lambda: states() == [("outside", "power_off")], "it is seen stopped", 10)
    domain.undefine()
    until(lambda: states() == [("outside", "missing")], "it is missing", 10)
    connection.defineXML(known)
    until(lambda: states() == [("outside", "power_off")], "it is there again", 10)
    connection.close()


def test_a_silent_libvirtd_is_said_with_the_age_of_the_facts_and_heals(service: RealService) -> None:
    service.client.vms.create(name="waits", template=LINKED, start=False).wait()
    seen = service.vm("waits")["observed_at"]
    service.host.stop_libvirtd()
    until(lambda: service.vm("waits")["state"] == "host_not_responding", "the silence is noticed")
    silent = next(iter(service.client.hosts.list()))
    service.host.start_libvirtd()
    assert silent["state"] == "not_responding"
    assert service.vm("waits")["observed_at"] >= seen
    until(lambda: service.vm("waits")["state"] == "power_off", "the host is used again")
