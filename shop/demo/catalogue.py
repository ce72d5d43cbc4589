"""What the demo shop sells, as plain values: no database, no clock, nothing of the shop's own code.

Prices are integer minor units of `DEMO_CURRENCY` (cents), weights are grams packed for the post, and times are whole
days counted from the moment of seeding. Loading these values into a database is the business of whoever seeds it.
"""

# ruff: noqa: RUF001 (the apostrophe and the times sign of print are meant)

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

DEMO_CURRENCY: Final = "SGD"
ART_FOLDER: Final = Path(__file__).parent / "art"

Status = Literal["active", "draft"]


@dataclass(frozen=True, slots=True)
class DemoOption:
    """One thing a buyer chooses, and the values on offer in the order in which they are shown."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DemoVariant:
    """One thing on the shelf. `values` has one value for each option of its product, in the options' order."""

    sku: str
    values: tuple[str, ...]
    price: int
    weight_grams: int
    on_hand: int


@dataclass(frozen=True, slots=True)
class DemoImage:
    """A drawing in `ART_FOLDER`. `shows` names the option value that it depicts, as ("Colour", "Black"), if just one."""

    file: str
    alt: str
    shows: tuple[str, str] | None = None

    @property
    def path(self) -> Path:
        return ART_FOLDER / self.file


@dataclass(frozen=True, slots=True)
class DemoProduct:
    """A product with all that a seeded shop needs. `description` is Markdown.

    `publish_in_days` is counted from seeding: negative means already in the shop, positive means not yet, None means
    that no time is set, which is for drafts. `cta` is the line an article uses above the product, if it has its own.
    """

    slug: str
    title: str
    tagline: str
    description: str
    options: tuple[DemoOption, ...]
    variants: tuple[DemoVariant, ...]
    images: tuple[DemoImage, ...]
    status: Status = "active"
    publish_in_days: int | None = -14
    cta: str | None = None


def _shirts(colour: str, code: str, on_hand: Iterable[int]) -> tuple[DemoVariant, ...]:
    sizes = (("S", 165), ("M", 180), ("L", 195), ("XL", 210))
    return tuple(
        DemoVariant(f"TKT-{code}-{size}", (size, colour), 39_00, grams, left)
        for (size, grams), left in zip(sizes, on_hand, strict=True)
    )


def _only(sku: str, price: int, weight_grams: int, on_hand: int) -> tuple[DemoVariant, ...]:
    return (DemoVariant(sku, (), price, weight_grams, on_hand),)


TRUMP_KIM_TEE: Final = DemoProduct(
    slug="trump-kim-tee",
    title="Trump-Kim summit t-shirt",
    tagline="One handshake, two sets of cuffs, twelve hours of rolling coverage.",
    description="""\
On 12 June 2018 two men who had spent a year insulting each other shook hands on Sentosa, and every newsroom in Singapore
ran out of coffee. This is the shirt our desk wanted to be wearing.

The drawing is ours: one cuff with a gold link, one sleeve buttoned to the wrist, and the handshake that launched a thousand
live blogs. It takes no sides. It has been described by our political editor as “balanced to a fault”.

- 100% combed cotton, 180 g/m², pre-shrunk
- Screen-printed by hand in four water-based inks
- Straight unisex cut; if you are between sizes, take the larger one
- Machine wash at 30 °C, inside out, with colours of a similar temperament
""",
    options=(DemoOption("Size", ("S", "M", "L", "XL")), DemoOption("Colour", ("Black", "White"))),
    variants=(*_shirts("Black", "BLK", (24, 40, 36, 12)), *_shirts("White", "WHT", (18, 32, 28, 0))),
    images=(
        DemoImage(
            "trump-kim-tee-black.svg",
            "Black t-shirt printed with two clasped hands in a red and a blue half circle, above the date 12.06.2018 and"
            " the word Singapore",
            ("Colour", "Black"),
        ),
        DemoImage(
            "trump-kim-tee-white.svg",
            "White t-shirt printed with two clasped hands in a red and a blue half circle, above the date 12.06.2018 and"
            " the word Singapore",
            ("Colour", "White"),
        ),
        DemoImage(
            "trump-kim-tee-detail.svg",
            "Close view of the print: a hand from a suit sleeve with a cufflink shakes a hand from a buttoned grey sleeve",
        ),
    ),
    publish_in_days=-3,
    cta="Buy a Trump-Kim t-shirt:",
)

FRONT_PAGE_TOTE: Final = DemoProduct(
    slug="front-page-tote",
    title="Front page tote",
    tagline="Above the fold, below the shoulder.",
    description="""\
A front page with everything a front page needs: a masthead, a picture, a column that somebody cut at midnight. It reports
nothing at all, so it never goes out of date.

Big enough for a laptop, a raincoat and whatever looked good at the wet market.

- Heavy natural cotton canvas, 340 g/m²
- 38 × 42 cm with a 10 cm base and an inside pocket for keys or a press pass
- Handles long enough for the shoulder
- Spot clean, or wash cold and dry flat
""",
    options=(),
    variants=_only("TOTE-FRONT", 24_00, 310, 85),
    images=(
        DemoImage(
            "front-page-tote.svg",
            "Natural canvas tote bag printed with a newspaper front page that is headed Nothing, with a picture and columns of lines",
        ),
    ),
    publish_in_days=-60,
)

DEADLINE_MUG: Final = DemoProduct(
    slug="deadline-mug",
    title="Deadline mug",
    tagline="Five to twelve, all day long.",
    description="""\
The clock on this mug stands at five to twelve and will not be moved. Neither will the night editor.

It holds enough kopi to carry a reporter from the first draft to the third, and the handle takes all four fingers of a
tired hand.

- Glazed stoneware, 350 ml
- Dishwasher and microwave safe
- Drawing fired under the glaze, so it outlasts the story
""",
    options=(),
    variants=_only("MUG-DEADLINE", 19_50, 480, 64),
    images=(
        DemoImage(
            "deadline-mug.svg",
            "Cream stoneware mug, red inside, with a clock face that shows five minutes to twelve and steam rising from the kopi",
        ),
    ),
    publish_in_days=-60,
)

KOPI_TEA_TOWEL: Final = DemoProduct(
    slug="kopi-and-headlines-tea-towel",
    title="Kopi and headlines tea towel",
    tagline="Kopi-o for the first edition, kopi-c for the second.",
    description="""\
A kopitiam breakfast as our picture desk sees it: kopi in its thick cup, kaya toast, two soft eggs, and the paper folded
beside them.

Hang it up and it is a print. Take it down and it dries the dishes, which is more than can be said for most prints.

- 70% linen, 30% cotton, 50 × 70 cm, with a hanging loop
- Softer and more absorbent after every wash
- Machine wash at 40 °C, iron while damp
""",
    options=(),
    variants=_only("TOWEL-KOPI", 22_00, 130, 47),
    images=(
        DemoImage(
            "kopi-tea-towel.svg",
            "Hanging tea towel with a drawing of a kopi cup on its saucer, kaya toast, two eggs and a folded newspaper",
        ),
    ),
    publish_in_days=-45,
)

REPORTERS_NOTEBOOK: Final = DemoProduct(
    slug="reporters-notebook-3-pack",
    title="Reporter's notebook, 3-pack",
    tagline="For the quote you will need at eleven tonight.",
    description="""\
Top-bound, so that left-handers may take notes too, and stiff enough at the back to write standing up in a lift lobby.

Each book has a page for names and how they are really spelt. Please use it.

- Three books of 140 pages, 10 × 20 cm
- 90 g/m² paper, feint ruled or dotted; takes a fountain pen, survives a drizzle
- Double-loop wire, rounded corners, covers in red, ink blue and sand
""",
    options=(DemoOption("Ruling", ("Lined", "Dotted")),),
    variants=(
        DemoVariant("NOTE3-LINED", ("Lined",), 18_00, 420, 120),
        DemoVariant("NOTE3-DOTTED", ("Dotted",), 18_00, 420, 75),
    ),
    images=(
        DemoImage(
            "reporters-notebook.svg",
            "Three tall wire-bound notebooks, red, blue and sand, fanned out under a yellow pencil",
        ),
    ),
    publish_in_days=-90,
)

CORRECTION_ERASERS: Final = DemoProduct(
    slug="correction-eraser-set",
    title="Correction eraser set",
    tagline="We regret the error. Four times.",
    description="""\
An earlier version of this set contained three erasers. It contains four.

One for typos, one for dates, one for names, and a large one for adjectives. They share a tin with room for a pencil stub.

- Natural rubber, no PVC, does not smudge newsprint
- Tin 12 × 8 × 2 cm
- Not suitable for children under three or for the public record
""",
    options=(),
    variants=_only("ERASE-SET", 12_90, 150, 58),
    images=(
        DemoImage(
            "correction-eraser-set.svg",
            "Open red tin with four erasers, one of them worn down; the words We regret the error are stamped inside the lid",
        ),
    ),
    publish_in_days=-30,
)

INVERTED_PYRAMID_PIN: Final = DemoProduct(
    slug="inverted-pyramid-pin",
    title="Inverted pyramid enamel pin",
    tagline="The most important thing comes first.",
    description="""\
Who, what, when and where on top; background in the middle; at the bottom, the paragraph that the sub-editor will cut.

The shape of every news story ever filed, small enough for a lapel.

- Hard enamel on brass, 28 mm wide
- Two rubber clutches, so that it stays upside down the right way up
- Comes on a card that can be cut from the bottom
""",
    options=(),
    variants=_only("PIN-PYRAMID", 9_90, 25, 140),
    images=(
        DemoImage(
            "inverted-pyramid-pin.svg",
            "Enamel pin in the shape of an upside-down triangle with four bands from deep red to pale sand, on a white card",
        ),
    ),
    publish_in_days=-30,
)

MERLION_PRINT: Final = DemoProduct(
    slug="merlion-cartoon-print",
    title="Merlion editorial-cartoon print",
    tagline="It has been told to say something and is choosing its words.",
    description="""\
Every June our cartoonist draws the Merlion, and every June the Merlion has plenty to spout and nothing to say. This is the
one that readers asked for.

Printed for us in Kallang and sent flat between two boards. The frame in the picture is not included.

- Pigment print on 310 g/m² cotton paper, ready for a standard frame
- A3 (297 × 420 mm) or A2 (420 × 594 mm)
- Keep it out of direct sun, which is to say indoors
""",
    options=(DemoOption("Format", ("A3", "A2")),),
    variants=(
        DemoVariant("PRINT-MERLION-A3", ("A3",), 48_00, 380, 30),
        DemoVariant("PRINT-MERLION-A2", ("A2",), 72_00, 640, 14),
    ),
    images=(
        DemoImage(
            "merlion-print.svg",
            "Framed cartoon of the Merlion spouting an empty speech bubble instead of water, city towers behind it",
        ),
    ),
    publish_in_days=-20,
)

OFF_THE_RECORD_CAP: Final = DemoProduct(
    slug="off-the-record-cap",
    title="Off the record cap",
    tagline="You did not get it from us.",
    description="""\
A plain cap with a crossed-out microphone on the front. Put it on and people stop talking, or start.

The brim is long enough to be unidentifiable under, and the strap fits most sources.

- Washed cotton twill, unstructured, six panels
- Embroidered front, brass buckle at the back, one size
- Hand wash; dry in the shade, naturally
""",
    options=(DemoOption("Colour", ("Navy", "Stone")),),
    variants=(
        DemoVariant("CAP-OTR-NVY", ("Navy",), 29_00, 120, 33),
        DemoVariant("CAP-OTR-STN", ("Stone",), 29_00, 120, 21),
    ),
    images=(
        DemoImage(
            "off-the-record-cap-navy.svg",
            "Navy cotton cap with a crossed-out microphone embroidered on the front",
            ("Colour", "Navy"),
        ),
        DemoImage(
            "off-the-record-cap-stone.svg",
            "Stone-coloured cotton cap with a crossed-out microphone embroidered on the front",
            ("Colour", "Stone"),
        ),
    ),
    publish_in_days=-10,
)

BREAKING_NEWS_UMBRELLA: Final = DemoProduct(
    slug="breaking-news-umbrella",
    title="Breaking news umbrella",
    tagline="It is raining. More as we get it.",
    description="""\
In Singapore the weather breaks more often than the news does. Eight panels of red and white make you easy to find in a
crowd of reporters outside a hotel.

Wide enough for you and the colleague who said that it would hold off.

- Fibreglass ribs that give in a gust and come back
- 105 cm across when open, 86 cm long when closed, with a wooden crook handle
- Coated pongee, UPF 50+, for the other kind of weather
""",
    options=(),
    variants=_only("UMB-BREAKING", 45_00, 620, 26),
    images=(
        DemoImage(
            "breaking-news-umbrella.svg",
            "Open umbrella with red and white panels and a curved wooden handle, a few raindrops around it",
        ),
    ),
    publish_in_days=-7,
)

FRONT_PAGES_CALENDAR: Final = DemoProduct(
    slug="year-of-front-pages-calendar",
    title="Year of front pages desk calendar",
    tagline="Twelve front pages that never ran.",
    description="""\
A drawn front page for every month, each from a year in which nothing went wrong. Public holidays of Singapore are marked,
and so are the days on which we expect to be working anyway.

On sale once the printer has finished with it.

- Thirteen cards on a beech stand, 15 × 21 cm
- Uncoated 300 g/m² board, made for a pencil
""",
    options=(),
    variants=_only("CAL-FRONT", 26_00, 350, 200),
    images=(
        DemoImage(
            "front-pages-calendar.svg",
            "Desk calendar on a wooden stand: a drawn front page headed All is well above the empty days of July",
        ),
    ),
    publish_in_days=30,
)

EMBARGO_EYE_MASK: Final = DemoProduct(
    slug="embargo-eye-mask",
    title="Embargo eye mask",
    tagline="Not to be opened before six in the morning.",
    description="""\
For night shifts, red-eye flights and press conferences that were emails. The open eye is printed on the outside only.

- Mulberry silk outside, cotton inside, elastic strap
- Wash by hand in cool water
""",
    options=(),
    variants=_only("MASK-EMBARGO", 21_00, 45, 40),
    images=(
        DemoImage(
            "embargo-eye-mask.svg",
            "Dark blue sleeping mask with one drawn eye wide open, the other one winking",
        ),
    ),
    status="draft",
    publish_in_days=None,
)

DEMO_PRODUCTS: Final[tuple[DemoProduct, ...]] = (
    TRUMP_KIM_TEE,
    FRONT_PAGE_TOTE,
    DEADLINE_MUG,
    KOPI_TEA_TOWEL,
    REPORTERS_NOTEBOOK,
    CORRECTION_ERASERS,
    INVERTED_PYRAMID_PIN,
    MERLION_PRINT,
    OFF_THE_RECORD_CAP,
    BREAKING_NEWS_UMBRELLA,
    FRONT_PAGES_CALENDAR,
    EMBARGO_EYE_MASK,
)
