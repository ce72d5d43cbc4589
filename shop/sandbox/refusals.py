"""Stripe's errors: their types, codes and wording."""

from typing import Any

Body = dict[str, Any]


class Refusal(Exception):
    """An answer other than 200, in the shape that Stripe gives it.

    `executed` says that the endpoint had begun its work, so that the answer belongs to the idempotency key;
    an answer to a request that never began (a misspelt parameter) leaves the key free, as at Stripe.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        kind: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        executed: bool = False,
        more: Body | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.kind = kind
        self.code = code
        self.param = param
        self.executed = executed
        self.more = more or {}

    def body(self) -> Body:
        error: Body = {"message": self.message, "type": self.kind}
        if self.code is not None:
            error["code"] = self.code
            error["doc_url"] = "https://stripe.com/docs/error-codes/" + self.code.replace("_", "-")
        if self.param is not None:
            error["param"] = self.param
        return {"error": error | self.more}


def declined(code: str, message: str, decline_code: str | None, charge: str | None, intent: Body) -> Refusal:
    """What a card that is declined answers: 402, with the charge that failed."""
    more: Body = {"charge": charge} if charge else {}
    if decline_code:
        more["decline_code"] = decline_code
    more |= {"payment_intent": intent, "payment_method": intent["last_payment_error"]["payment_method"]}
    return Refusal(message, status=402, kind="card_error", code=code, executed=True, more=more)


def unknown_parameters(params: list[str]) -> Refusal:
    word = "parameter" if len(params) == 1 else "parameters"
    message = f"Received unknown {word}: {', '.join(params)}"
    return Refusal(message, code="parameter_unknown", param=params[0])


def missing_parameter(param: str) -> Refusal:
    return Refusal(f"Missing required param: {param}.", code="parameter_missing", param=param)


def empty_parameter(param: str) -> Refusal:
    message = (
        f"You passed an empty string for '{param}'. We assume empty values are an attempt to unset a parameter; "
        f"however '{param}' cannot be unset. You should remove '{param}' from your request or supply a "
        "non-empty value."
    )
    return Refusal(message, code="parameter_invalid_empty", param=param)


def not_one_of(param: str, choices: tuple[str, ...]) -> Refusal:
    listed = choices[0] if len(choices) == 1 else ", ".join(choices[:-1]) + ", or " + choices[-1]
    if len(choices) == 2:
        listed = f"{choices[0]} or {choices[1]}"
    return Refusal(f"Invalid {param}: must be one of {listed}", param=param)


def too_many(param: str, most: int) -> Refusal:
    return Refusal(f"Array {param} exceeded maximum {most} allowed elements.", param=param)


def no_such(kind: str, named: str, param: str = "id") -> Refusal:
    """404 when the object is the one in the path; callers that name it in a parameter answer 400 themselves."""
    return Refusal(f"No such {kind}: '{named}'", status=404, code="resource_missing", param=param)


def not_played(param: str, what: str = "") -> Refusal:
    """Stripe knows this parameter, the local Stripe does not act on it: say so, rather than ignore it."""
    return Refusal(
        f"The local Stripe does not play `{param}` yet{': ' + what if what else ''}. It is a valid parameter at Stripe.",
        code="sandbox_not_played",
        param=param,
    )


def check_played(params: Body, *names: str) -> None:
    """Raises Refusal for the first parameter that is not one of `names`, lest it be silently ignored."""
    for name in params:
        if name not in names and name != "expand":
            raise not_played(name)


def unauthenticated(message: str) -> Refusal:
    return Refusal(message, status=401)


def key_too_long(most: int) -> Refusal:
    return Refusal(f"Invalid Idempotency-Key: must be at most {most} characters")


def key_reused(key: str) -> Refusal:
    return Refusal(
        "Keys for idempotent requests can only be used with the same parameters they were first used with. "
        f"Try using a key other than '{key}' if you meant to execute a different request.",
        kind="idempotency_error",
    )


def key_in_use(key: str) -> Refusal:
    return Refusal(
        "There is currently another in-progress request using this Stripe-Idempotency-Key (that probably means "
        f"you submitted twice, and the other request is still going through): {key}.",
        status=409,
        code="idempotency_key_in_use",
    )
