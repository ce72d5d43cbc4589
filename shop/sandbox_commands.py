"""What `shop sandbox` can tell a local Stripe that is running: its controls, by HTTP. It is not imported here."""

import os
from datetime import UTC, datetime
from typing import Any

import click

_LAST = "last"


def _ask(name: str, **arguments: Any) -> Any:
    """The answer of a control. Raises ClickException when nobody answers, and when it cannot be done."""
    import requests

    from shop.config import Settings

    port = os.environ.get("SANDBOX_PORT") or Settings.model_fields["sandbox_port"].default
    url = f"http://127.0.0.1:{port}"
    try:
        answer = requests.post(f"{url}/_control/{name}", json=arguments, timeout=60)
        said = answer.json()
    except (requests.RequestException, ValueError):
        message = f"No local Stripe answers at {url}: start one by `shop sandbox` or `shop demo`, or see SANDBOX_PORT."
        raise click.ClickException(message) from None
    if not answer.ok:
        raise click.ClickException(said["error"]["message"])
    return said


def _newest(control: str, key: str, newest_first: bool = True) -> str:
    """`key`, or the id of the newest if it is `last`."""
    if key != _LAST:
        return key
    found = _ask(control)
    if not found:
        raise click.ClickException(f"There are no {control} yet.")
    return str(found[0 if newest_first else -1]["id"])


def _session(key: str) -> str:
    return _newest("sessions", key)


def _money(of: dict[str, Any], name: str) -> str:
    return f"{of[name]} {of['currency']}"


def _say_session(session: dict[str, Any]) -> None:
    click.echo(f"{session['id']}  {session['status']}  {session['payment_status']}  {_money(session, 'amount_total')}")


@click.command()
@click.option("--type", "kind", default=None, help="Only events of this type.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="How many, from the newest back.")
def events(kind: str | None, limit: int) -> None:
    """What has happened, the newest last, with how each delivery stands."""
    stand: dict[str, list[str]] = {}
    for delivery in _ask("deliveries"):
        word = "dropped" if delivery["fault"] == "drop" else delivery["state"].replace("_", " ")
        stand.setdefault(delivery["event"], []).append(f"{word} ({len(delivery['attempts'])})")
    for event in _ask("events", type=kind)[-limit:]:
        at = datetime.fromtimestamp(event["created"], UTC)
        click.echo(
            f"{at:%H:%M:%S}  {event['id']}  {event['type']}  {', '.join(stand.get(event['id'], ['no endpoint']))}"
        )


@click.command("sessions")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1), help="How many, from the newest back.")
def sessions_(limit: int) -> None:
    """The checkout sessions, the newest last. Amounts are in minor units."""
    for session in reversed(_ask("sessions")[:limit]):
        _say_session(session)


@click.command()
@click.argument("event")
def resend(event: str) -> None:
    """Deliver EVENT once more; `last` is the newest."""
    key = _newest("events", event, newest_first=False)
    _ask("resend", event_id=key)
    click.echo(f"{key} is sent once more.")


@click.command()
def deliver() -> None:
    """Try everything that is owed once, now, held or not."""
    click.echo(f"{_ask('deliver_now')} tried.")


@click.command()
def hold() -> None:
    """Deliver nothing until `release`."""
    _ask("hold_deliveries")
    click.echo("Nothing is delivered until you release it.")


@click.command()
def release() -> None:
    """Go on delivering."""
    _ask("release_deliveries")
    click.echo("Deliveries go on.")


@click.command()
@click.argument("kind")
@click.option("--times", default=1, show_default=True, type=click.IntRange(1), help="How often.")
@click.option("--type", "of", default="*", help="Only deliveries of such events: charge.*")
@click.option("--method", default="*", help="Only calls of this method: POST")
@click.option("--path", default="*", help="Only calls of this path: /v1/refunds")
def fault(kind: str, times: int, of: str, method: str, path: str) -> None:
    """Let the next deliveries or calls go wrong. docs/local-stripe.md lists each KIND."""
    planned = len(_ask("faults")["planned"])
    try:
        _ask("fail_next", n=times, kind=kind, method=method, path=path)
    except click.ClickException as no_call:
        try:
            _ask("fault_deliveries", kind=kind, n=times, type=of)
        except click.ClickException as no_delivery:
            raise click.ClickException(f"Of calls, {no_call.message}. Of deliveries, {no_delivery.message}.") from None
    for each in _ask("faults")["planned"][planned:]:
        click.echo(f"{each['kind']} for the next {each['remaining']} of {each['pattern']}")


@click.command()
@click.argument("seed", type=int)
def chaos(seed: int) -> None:
    """Draw faults under SEED for every call and delivery, until `calm`."""
    _ask("chaos", seed=seed)
    click.echo(f"Chaos under seed {seed} until `shop sandbox calm`.")


@click.command()
def calm() -> None:
    """End every fault, and deliver what is owed."""
    click.echo(f"{_ask('calm')} delivered or tried; {len(_ask('dropped'))} were dropped for good.")


@click.command()
@click.argument("minutes", type=click.IntRange(1))
def advance(minutes: int) -> None:
    """Put the clock MINUTES forward: pages expire, refunds arrive, deliveries are tried again."""
    _ask("advance", seconds=60 * minutes)
    click.echo(f"{minutes} minutes have passed.")


@click.command()
@click.argument("session")
@click.option("--card", default=None, help="A test card's number.")
@click.option("--method", default="card", show_default=True, help="card, paynow, grabpay or delayed_debit.")
@click.option("--refuse", is_flag=True, help="Say no where the bank or the app asks.")
def pay(session: str, card: str | None, method: str, refuse: bool) -> None:
    """Pay SESSION as a buyer does; `last` is the newest."""
    chosen = {"method": method, "authenticate": not refuse} | ({"card": card} if card else {})
    _say_session(_ask("pay", session_id=_session(session), **chosen))


@click.command()
@click.argument("session")
def expire(session: str) -> None:
    """End SESSION, as time would."""
    _say_session(_ask("expire", session_id=_session(session)))


@click.command()
@click.argument("session")
@click.argument("answer", type=click.Choice(["yes", "no"]))
def bank(session: str, answer: str) -> None:
    """The bank's answer to the delayed debit of SESSION."""
    _say_session(_ask("settle_delayed", session_id=_session(session), ok=answer == "yes"))


@click.command()
@click.argument("session")
@click.option("--reason", default="fraudulent", show_default=True, help="Why, in Stripe's words.")
@click.option("--inquiry", is_flag=True, help="Only ask, and take no money yet.")
def dispute(session: str, reason: str, inquiry: bool) -> None:
    """Let the buyer's bank dispute the payment of SESSION."""
    status = "warning_needs_response" if inquiry else "needs_response"
    made = _ask("dispute", session_id=_session(session), reason=reason, status=status)
    click.echo(f"{made['id']}  {made['status']}  {_money(made, 'amount')}")


@click.command()
@click.argument("dispute")
@click.argument("outcome", type=click.Choice(["won", "lost"]))
def decide(dispute: str, outcome: str) -> None:
    """The bank's decision of DISPUTE, for the shop or for the buyer."""
    decided = _ask("settle_dispute", dispute_id=_newest("disputes", dispute), won=outcome == "won")
    click.echo(f"{decided['id']}  {decided['status']}  {_money(decided, 'amount')}")


@click.command()
@click.argument("refund")
@click.argument("outcome", type=click.Choice(["arrives", "fails"]))
def refund(refund: str, outcome: str) -> None:
    """What becomes of REFUND, also of one that had succeeded."""
    settled = _ask("settle_refund", refund_id=_newest("refunds", refund), ok=outcome == "arrives")
    click.echo(f"{settled['id']}  {settled['status']}  {_money(settled, 'amount')}")


@click.command()
def balance() -> None:
    """What all movements of money sum up to, in minor units."""
    for currency, sums in _ask("balance").items():
        click.echo(f"{currency}  {'  '.join(f'{name} {amount}' for name, amount in sums.items())}")


COMMANDS: tuple[click.Command, ...] = (
    events,
    sessions_,
    resend,
    deliver,
    hold,
    release,
    fault,
    chaos,
    calm,
    advance,
    pay,
    expire,
    bank,
    dispute,
    decide,
    refund,
    balance,
)
