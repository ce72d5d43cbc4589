"""The currencies of docs.stripe.com/currencies: their smallest units, smallest charges, and how to write them."""

from shop.sandbox.refusals import Refusal


def _codes(listed: str) -> frozenset[str]:
    return frozenset(listed.split())


SUPPORTED = _codes(
    """usd aed afn all amd ang aoa ars aud awg azn bam bbd bdt bgn bhd bif bmd bnd bob brl bsd bwp byn bzd cad cdf
    chf clp cny cop crc cve czk djf dkk dop dzd egp etb eur fjd fkp gbp gel gip gmd gnf gtq gyd hkd hnl htg huf idr
    ils inr isk jmd jod jpy kes kgs khr kmf krw kwd kyd kzt lak lbp lkr lrd lsl mad mdl mga mkd mmk mnt mop mur mvr
    mwk mxn myr mzn nad ngn nio nok npr nzd omr pab pen pgk php pkr pln pyg qar ron rsd rub rwf sar sbd scr sek sgd
    shp sle sos srd std szl thb tjs tnd top try ttd twd tzs uah ugx uyu uzs vnd vuv wst xaf xcd xof xpf yer zar
    zmw"""
)
ZERO_DECIMAL = _codes("bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf")
THREE_DECIMAL = _codes("bhd jod kwd omr tnd")
LARGEST_CHARGE = 99_999_999

# Smallest charge in minor units; of the others Stripe asks the equivalent of fifty US cents.
SMALLEST_CHARGE = dict.fromkeys(("usd", "aud", "brl", "cad", "chf", "eur", "inr", "nzd", "sgd"), 50)
SMALLEST_CHARGE |= {"aed": 200, "bgn": 100, "czk": 1500, "dkk": 250, "gbp": 30, "hkd": 400, "huf": 17500, "jpy": 50}
SMALLEST_CHARGE |= {"mxn": 1000, "myr": 200, "nok": 300, "pln": 200, "ron": 200, "sek": 300, "thb": 1000, "krw": 500}

_SIGNS = {"sgd": "S$", "usd": "US$", "eur": "€", "gbp": "£", "jpy": "¥", "krw": "₩", "aud": "A$", "cad": "CA$"}
_SIGNS |= {"nzd": "NZ$", "hkd": "HK$", "inr": "₹", "myr": "RM", "php": "₱", "vnd": "₫", "brl": "R$", "twd": "NT$"}


def decimals(currency: str) -> int:
    return 0 if currency in ZERO_DECIMAL else 3 if currency in THREE_DECIMAL else 2


def check_currency(currency: str, path: str) -> str:
    """The currency in lower case. Raises Refusal for one that Stripe does not take."""
    lower = currency.lower()
    if lower not in SUPPORTED:
        listed = ", ".join(sorted(SUPPORTED))
        raise Refusal(f"Invalid currency: {lower}. Stripe currently supports these currencies: {listed}", param=path)
    return lower


def check_unit_amount(amount: int, currency: str, path: str) -> None:
    """Raises Refusal for what cannot be charged: less than nothing, or thousandths where Stripe takes hundredths."""
    if amount < 0:
        raise Refusal("Invalid non-negative integer", code="parameter_invalid_integer", param=path)
    if currency in THREE_DECIMAL and amount % 10:
        raise Refusal(f"Amounts in {currency} must have a last digit of 0: {amount}", param=path)


def written(amount: int, currency: str) -> str:
    """`amount` minor units as a reader would write them: S$49.00, ₩21,000, CHF 12.50."""
    places = decimals(currency)
    whole, rest = divmod(abs(amount), 10**places)
    figure = f"{whole:,}" + (f".{rest:0{places}d}" if places else "")
    sign = _SIGNS.get(currency, currency.upper() + "\u00a0")
    return f"{'-' if amount < 0 else ''}{sign}{figure}"
