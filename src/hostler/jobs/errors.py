"""Why a call was not accepted, each with what would help."""

from hostler.providers.errors import Next

INTERNAL_ERROR = "internal_error"
"""The code of a step that raised what nobody foresaw."""


class NotAcceptedError(Exception):
    """The call was refused and nothing was changed."""

    status = 400
    code = "refused"
    next = Next.FIX_REQUEST

    def __init__(self, message: str, remedy: str = "", **detail: object) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.detail = detail


class InvalidError(NotAcceptedError):
    """A parameter is wrong in itself, or does not fit what exists."""

    status = 422
    code = "invalid"


class UnknownObjectError(NotAcceptedError):
    """No object has that id or name, or the name beside the id is not its name."""

    status = 404
    code = "not_found"


class AmbiguousError(NotAcceptedError):
    """Two or more objects have that name; the message lists their ids."""

    status = 409
    code = "ambiguous"


class ForbiddenError(NotAcceptedError):
    """The caller lacks the privilege; the message names it."""

    status = 403
    code = "forbidden"


class ConflictError(NotAcceptedError):
    """Another job holds an object of this one, or its state does not allow the action."""

    status = 409
    code = "conflict"
    next = Next.RETRY
