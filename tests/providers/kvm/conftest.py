"""A real libvirtd for this folder's tests, one a session, and a provider of it."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.providers.kvm.libvirt_host import LibvirtHost

from hostler.providers.kvm.guest_image import build_micro_guest
from hostler.providers.kvm.provider import KvmProvider


@pytest.fixture(scope="session")
def libvirt_host() -> Iterator[LibvirtHost]:
    if os.geteuid() != 0 or shutil.which("libvirtd") is None:
        pytest.skip("a libvirtd of our own needs root and the package libvirt-daemon-system")
    host = LibvirtHost()
    host.start_libvirtd()
    host.make_network()
    yield host
    host.close()


@pytest.fixture(scope="session")
def guest_image(libvirt_host: LibvirtHost) -> Path:
    return build_micro_guest(libvirt_host.folder / "library" / "micro.qcow2")


@pytest.fixture(scope="session")
def state_dir(libvirt_host: LibvirtHost) -> Path:
    """One for all, so that the acceleration is proven once."""
    return libvirt_host.folder / "state"


@pytest.fixture
async def kvm(libvirt_host: LibvirtHost, state_dir: Path) -> AsyncIterator[KvmProvider]:
    provider = KvmProvider(vm_paths=(libvirt_host.vm_path,), state_dir=state_dir, uri=libvirt_host.uri)
    yield provider
    await provider.close()
