"""Delete a template."""

from hostler.jobs.operation import Params
from hostler.operations.in_database import DeleteRow


class DeleteTemplateParams(Params):
    """Nothing but the template itself."""


class DeleteTemplate(DeleteRow[DeleteTemplateParams]):
    """Delete a template. VMs made from it stay."""

    privilege = "Author"
    cmdlet = "Remove-SCVMTemplate"
    Params = DeleteTemplateParams
