"""What a shop tells the bank about a disputed payment."""

import stripe

from shop.sandbox.refusals import Body, Refusal, not_played

ANSWERED = {
    "needs_response": "under_review",
    "warning_needs_response": "warning_under_review",
    "appeal_needs_response": "appeal_under_review",
}
"""What becomes of a dispute that waits for the shop once its evidence is submitted."""

# Evidence that is an uploaded file at Stripe; the local Stripe has no files.
_FILES = frozenset(name for name, hint in stripe.Dispute.Evidence.__annotations__.items() if "File" in repr(hint))
LONGEST = 150_000


def add(dispute: Body, given: Body, *, submits: bool) -> None:
    """Writes the evidence into the dispute, and hands it in if it `submits`.

    Raises Refusal for a dispute that waits for none, for a file, and for more than 150,000 characters in all.
    """
    if dispute["status"] not in ANSWERED:
        message = f"This dispute has a status of {dispute['status']}: evidence can no longer be submitted."
        raise Refusal(message, param="evidence", executed=True)
    for name, value in given.items():
        if name == "enhanced_evidence":
            raise not_played(f"evidence[{name}]")
        if name in _FILES:
            raise Refusal(f"No such file upload: '{value}'", code="resource_missing", param=f"evidence[{name}]")
    said = dispute["evidence"] | {name: value or None for name, value in given.items()}
    if sum(len(value) for value in said.values() if isinstance(value, str)) > LONGEST:
        raise Refusal(f"The combined length of the evidence must be at most {LONGEST} characters.", param="evidence")
    dispute["evidence"] = said
    details = dispute["evidence_details"]
    dispute["evidence_details"] = details | {"has_evidence": bool(given) or details["has_evidence"]}
    if submits:
        dispute["status"] = ANSWERED[dispute["status"]]
        dispute["evidence_details"] |= {
            "submission_count": details["submission_count"] + 1,
            "submission_method": "manual",
        }
