"""Delete a guest OS profile."""

from hostler.jobs.operation import Params
from hostler.operations.in_database import DeleteRow


class DeleteGuestOsProfileParams(Params):
    """Nothing but the guest OS profile itself."""


class DeleteGuestOsProfile(DeleteRow[DeleteGuestOsProfileParams]):
    """Delete a guest OS profile. Templates made from it keep their copy."""

    privilege = "Author"
    cmdlet = "Remove-SCGuestOSProfile"
    Params = DeleteGuestOsProfileParams
