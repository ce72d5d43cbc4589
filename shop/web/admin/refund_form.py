"""The form of a refund: pieces of lines and the shipping, or an amount; and why."""

from collections.abc import Mapping, Sequence
from typing import Any

from wtforms import BooleanField, Form, HiddenField, StringField
from wtforms.fields.choices import SelectChoice
from wtforms.validators import Length, Optional

from shop.money import parse_amount
from shop.web.admin.forms import Chosen, WholeNumber, one_line

REASONS = (
    ("requested_by_customer", "The buyer asked for it"),
    ("duplicate", "Bought twice by mistake"),
    ("fraudulent", "Somebody else's card"),
)


class RefundForm(Form):  # type: ignore[misc]
    """What goes back to the buyer. `press` names this showing of the form: sent twice, it is one refund.

    `agreed` is the amount in minor units that the person has been shown and has agreed to; empty on the first step.
    """

    shipping = BooleanField("The shipping as well")
    amount = StringField(
        "Another amount",
        description="Instead of pieces: part of the price, for a flaw or a late parcel.",
        validators=[Optional(), Length(max=20), one_line],
    )
    restock = BooleanField("Put the pieces back on the shelf")
    reason = Chosen("Reason", choices=[SelectChoice(*pair) for pair in REASONS])
    note = StringField(
        "Note", description="For colleagues; the buyer does not see it.", validators=[Length(max=300), one_line]
    )
    press = HiddenField(validators=[Length(max=40)])
    agreed = HiddenField(validators=[Length(max=12)])

    def __init__(self, sent: Any, *, currency: str, lines: Sequence[int], **kwargs: Any) -> None:
        self.currency = currency
        self.amount_minor: int | None = None
        super().__init__(sent, **kwargs)
        self.pieces = {line: PiecesForm(sent, prefix=f"line-{line}") for line in lines}

    def validate(self, extra_validators: Any = None) -> bool:
        """Whether everything can be read; what may be given back is the rule's to say."""
        fine = super().validate(extra_validators)
        for row in self.pieces.values():
            fine = row.validate() and fine
        text = (self.amount.data or "").strip()
        if text:
            try:
                self.amount_minor = parse_amount(text, self.currency)
            except ValueError as wrong:
                self.amount.errors = [*self.amount.errors, str(wrong)]
                fine = False
        return bool(fine)

    @property
    def wrong_lines(self) -> frozenset[int]:
        """The order lines whose pieces cannot be read or were refused."""
        return frozenset(line for line, row in self.pieces.items() if row.pieces.errors)

    def chosen(self) -> Mapping[int, int]:
        """Order line id -> pieces, of those lines that any are given back of."""
        return {line: row.pieces.data for line, row in self.pieces.items() if row.pieces.data}


class PiecesForm(Form):  # type: ignore[misc]
    """How many pieces of one line."""

    pieces = WholeNumber("Pieces", validators=[Optional()])
