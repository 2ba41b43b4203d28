"""A call as a curl command for a POSIX shell."""

import json

from hostler.domain.scripts.address import address
from hostler.domain.scripts.call import Call
from hostler.domain.scripts.words import OperationWords

_TEMPLATE = """\
curl --fail-with-body -sS --request POST "$HOSTLER_URL{path}" \\
  --header 'Content-Type: application/json' --header @/dev/fd/3 --data-binary @- 3<<TOKEN <<'BODY'
Authorization: Bearer $HOSTLER_TOKEN
TOKEN
{body}
BODY
"""


def render(call: Call, words: OperationWords) -> str:
    """One command. The address and the token come from the environment, the token never through the command line.

    The body is JSON in ASCII on one line that begins with a brace: no text in it can end the here-document, and the
    address is percent-encoded: nothing in it means anything to the shell.
    """
    return _TEMPLATE.format(path=address(words.plural, call.verb, call.subject), body=json.dumps(call.arguments))
