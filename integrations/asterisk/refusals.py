"""What a refused originate means: which answers prove that nothing was dialled. As measured on Asterisk 22.10."""

from __future__ import annotations

from integrations.errors import Reason
from integrations.http import Reply

NO_SUCH_ENDPOINT = "Allocation failed"  # an unknown endpoint or technology; under the key `error`, not `message`


def never_dialled(reply: Reply) -> Reason | None:
    """Why an originate was refused before anything was dialled; None where that is not proven (any other 5xx)."""
    if reply.status in {401, 403}:
        return Reason.PBX_REFUSED
    if 400 <= reply.status < 500:
        return Reason.TRUNK_REFUSED
    try:
        answer = reply.json()
    except ValueError:
        return None
    refused = reply.status == 500 and isinstance(answer, dict) and answer.get("error") == NO_SUCH_ENDPOINT
    return Reason.TRUNK_REFUSED if refused else None
