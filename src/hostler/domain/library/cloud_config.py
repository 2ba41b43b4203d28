"""What a Linux guest is told at its first boot, as a cloud-config document. User text stays data: no templates."""

from hostler.domain.library.profiles import GuestOs


def user_data(guest: GuestOs, host_name: str) -> dict[str, object]:
    """The cloud-config of one guest, before its serialisation."""
    document: dict[str, object] = {
        "hostname": host_name,
        "preserve_hostname": False,
        "timezone": guest.time_zone,
    }
    if guest.user_name:
        document["users"] = [
            {"name": guest.user_name, "ssh_authorized_keys": list(guest.ssh_keys), "lock_passwd": True}
        ]
    elif guest.ssh_keys:
        document["ssh_authorized_keys"] = list(guest.ssh_keys)
    return document
