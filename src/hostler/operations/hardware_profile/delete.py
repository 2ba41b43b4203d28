"""Delete a hardware profile."""

from hostler.jobs.operation import Params
from hostler.operations.in_database import DeleteRow


class DeleteHardwareProfileParams(Params):
    """Nothing but the hardware profile itself."""


class DeleteHardwareProfile(DeleteRow[DeleteHardwareProfileParams]):
    """Delete a hardware profile. Templates made from it keep their copy."""

    privilege = "Author"
    cmdlet = "Remove-SCHardwareProfile"
    Params = DeleteHardwareProfileParams
