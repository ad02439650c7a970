"""What a plan's host may be shown: the API key, and the client certificate."""

from __future__ import annotations

import msgspec

from chatload.engine.api_key import NOBODY_SAID, ApiKey, KeyHosts
from chatload.loads.plan import Planned


def credentials(planned: Planned, hosts: KeyHosts) -> tuple[Planned, ApiKey, str | None]:
    """(the plan, without its client certificate where the host may not have it; the key for the host; what is withheld
    from it, in words, or None). UsageError where the key of the environment is none."""
    plan = planned.plan
    access, withheld = plan.access, hosts.withheld_words(plan.host)
    key = hosts.key_for(plan.host).sent_in(access.auth_header)
    if not access.client_cert or hosts.may_have_key(plan.host):
        return planned, key, withheld
    access = msgspec.structs.replace(access, client_cert="", client_key="")
    plan = msgspec.structs.replace(plan, access=access)
    words = withheld or f"the client certificate was not shown: {NOBODY_SAID}"
    return msgspec.structs.replace(planned, plan=plan), key, words
