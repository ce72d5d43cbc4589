"""The stories of the demo newsroom, as values, in the plain source text that a newsroom's system would hold.

The source is paragraphs parted by blank lines, `## ` before a crosshead, and the shortcode `[related_story]` on a line
of its own. What stands under a story, such as merchandise, is not in the source: that is the template's business.
"""

# ruff: noqa: RUF001 (the apostrophe and the times sign of print are meant)

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import Final, Literal

RELATED_STORY: Final = "[related_story]"
SINGAPORE: Final = timezone(timedelta(hours=8))
MORNING: Final = time(6, 30, tzinfo=SINGAPORE)


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a story in reading order. `text` is empty for a related story, whose box the template fills."""

    kind: Literal["paragraph", "crosshead", "related"]
    text: str = ""


@dataclass(frozen=True, slots=True)
class Merchandise:
    """What the shop offers under a story: the product's slug, the line above it, and the words of the plain link."""

    product: str
    cta: str
    link: str


@dataclass(frozen=True, slots=True)
class Story:
    """One story. `related` is the slug of the story that `[related_story]` stands for, if it has one.

    `merchandise` None means that the desk has opted out, and nothing may be sold under it.
    """

    slug: str
    section: str
    title: str
    standfirst: str
    byline: str
    published: date
    picture: str
    picture_alt: str
    caption: str
    source: str
    related: str | None
    merchandise: Merchandise | None
    tags: tuple[str, ...] = ()

    @property
    def published_at(self) -> datetime:
        """The paper is out at half past six."""
        return datetime.combine(self.published, MORNING)

    @property
    def writers(self) -> tuple[str, ...]:
        """Their names, without the desk that the byline ends with."""
        return tuple(self.byline.partition(",")[0].split(" and "))

    @property
    def path(self) -> str:
        return f"/{self.published:%Y/%m/%d}/{self.slug}"

    @property
    def day(self) -> str:
        """As the paper prints a day: 10 June 2018."""
        return f"{self.published.day} {self.published:%B %Y}"

    def blocks(self) -> Iterator[Block]:
        """The source as blocks, in order. Every shortcode becomes one block; no markup of its own is let through."""
        for piece in self.source.strip().split("\n\n"):
            text = " ".join(piece.split())
            if text == RELATED_STORY:
                yield Block("related")
            elif text.startswith("## "):
                yield Block("crosshead", text.removeprefix("## "))
            elif text:
                yield Block("paragraph", text)


KIM_IN_DEMAND: Final = Story(
    slug="kim-jong-un-in-demand",
    section="World",
    title="Long shunned, Kim Jong-un is suddenly the man to meet",
    standfirst="Before he has even sat down with Donald Trump in Singapore, North Korea’s leader has invitations from"
    " Vladivostok to Damascus.",
    byline="Devi Ramasamy, diplomatic correspondent",
    published=date(2018, 6, 10),
    picture="kim-in-demand",
    picture_alt="Drawing: sealed envelopes fly along dotted routes towards one small lit window in a dark city skyline",
    caption="Everybody’s post, one address. Drawing: The Courier",
    source="""
For most of the years since he took power in Pyongyang, Kim Jong-un met nobody of his own rank. He did not travel, and no
one of consequence came. Now, two days before he is due to sit down with Donald Trump in Singapore, the leader of one of the
world’s loneliest states has a new difficulty: whom to see next.

The handshake planned for Tuesday, 12 June, has changed the price of his company. Governments that kept their distance while
missiles flew are asking for an hour of his time, and some of them have begun to ask in public.

## Moscow would rather not be left out

Russia sent its foreign minister. On 31 May Sergey Lavrov travelled to Pyongyang and invited Mr Kim to visit. By 4 June it
was known what message he had carried from President Vladimir Putin: would Mr Kim care to come to Vladivostok in September,
for the Eastern Economic Forum, at which Russia shows its Pacific coast to investors?

It is not the first such letter. An invitation in 2014 came to nothing. What has changed since is the standing of the guest.
Four years ago a visit to Russia would have been a favour to Mr Kim. Today it would be a favour to his host.

It would also put him in a crowded room. Japan’s prime minister, Shinzo Abe, plans to be at the forum; Xi Jinping of China
and Moon Jae-in of South Korea have been considering it. If all of them went, one port on the Sea of Japan would hold the
leaders of five of the six countries that once bargained over the North’s nuclear programme. Only the American chair would
be empty.

[related_story]

## A caller from Damascus

The most surprising request comes from further away. On 3 June, as he received the credentials of North Korea’s ambassador,
Mun Jong-nam, Syria’s president, Bashar al-Assad, said that he wanted to visit Pyongyang. Should he go, he would be the
first head of state whom Mr Kim has met inside his own country.

The two governments are old acquaintances. They have had embassies in each other’s capitals since 1966 and 1969, long before
either man was in charge. For Mr Assad, whose list of welcoming capitals is short, a band and a red carpet at any airport
would be worth the flight. For Mr Kim it is the awkward kind of invitation: it recalls the company he kept when nobody else
rang.

## A full diary is also a bargaining chip

None of these meetings has been agreed, and some may never take place. Invitations are cheap, and a leader who seldom leaves
home can disappoint a great many hosts. But a queue at the door is useful to a man who is about to negotiate. Every capital
that wants to talk to him makes it a little harder to return to the days when no capital did.

For Singapore, which has made a living out of being on speaking terms with everyone, the sight is a strange one: it is host
to a leader who had almost no friends, in the very week in which he has become popular. If Tuesday goes well, the queue will
grow. If it goes badly, Mr Kim will still fly home with more names in his address book than he brought.
""",
    related="sentosa-counts-down",
    merchandise=Merchandise("trump-kim-tee", "Buy a Trump-Kim t-shirt:", "Buy a Trump-Kim t-shirt"),
    tags=("North Korea", "Kim Jong-un", "Donald Trump", "Trump-Kim summit", "Diplomacy"),
)

BOAT_OFF_UBIN: Final = Story(
    slug="two-missing-after-boat-capsizes-off-ubin",
    section="Singapore",
    title="Two missing after boat capsizes off Pulau Ubin; 19 brought ashore",
    standfirst="A sudden squall overturned a passenger boat on Saturday evening. The search went on through the night.",
    byline="Marcus Teo and Nur Aisyah Rahmat, home desk",
    published=date(2018, 6, 9),
    picture="boat-off-ubin",
    picture_alt="Drawing: a rescue launch with one searchlight on a wide, dark, calm sea",
    caption="Search vessels stayed out after dark. Drawing: The Courier",
    source="""
Two people were still missing late on Saturday after a boat on its way back from Pulau Ubin overturned in a squall. Nineteen
others, among them the skipper and four children, were taken from the water within the hour. Three are in hospital; none is
in danger.

The boat was some 400 metres from the Changi Point jetty when the wind turned, witnesses said. “It was flat, and then it was
not,” said a kayak instructor who was on the beach with a class. He and two colleagues paddled out and held on to six
passengers until the first launch arrived.

Coast guard vessels, divers and a helicopter searched until visibility failed, and launches with searchlights went on after
dark. Ferrymen who had finished for the day came back to the jetty and joined them without being asked.

Relatives are being looked after at a community centre in Changi Village, where volunteers have brought food and blankets.
The names of the missing are being withheld at the request of their families. A number for anyone who is worried about a
passenger has been posted at both jetties.

Sailings to the island are suspended on Sunday. An inquiry will look at the weather warning that was given, and when.
""",
    related=None,
    merchandise=None,
    tags=("Accidents", "Pulau Ubin", "Search and rescue"),
)

KOPI_ALL_NIGHT: Final = Story(
    slug="kopi-stalls-keep-journalists-hours",
    section="Life",
    title="For one week only, the kopi stalls keep journalists’ hours",
    standfirst="With half the world’s press in town, some coffee shops have stopped closing. The orders have become strange.",
    byline="Jonathan Pereira, food writer",
    published=date(2018, 6, 8),
    picture="kopi-all-night",
    picture_alt="Drawing: a cup of kopi on its saucer in front of a night window with a crescent moon and lit flats",
    caption="Ten past three, and still pouring. Drawing: The Courier",
    source="""
At ten past three in the morning Mr Lim Ah Seng pulls his four-hundredth kopi of the shift, and explains condensed milk to a
Norwegian. “She asked for it without,” he says. “Then I gave her with. Now she knows.”

His stall near Beach Road used to close at nine. Since Monday it has not closed at all. Editors in Europe want their copy
before Singapore is awake, and editors in America want it after Singapore has gone to bed, so the visiting press has given
up on bed.

[related_story]

The trade has had to adapt. There is a laminated card now, with drawings, to tell a kopi-o from a kopi-c; somebody has added
“flat white = no” in marker. Toast goes out by the tray. One cameraman from Brazil has learnt to order in Hokkien and is
insufferable about it.

Mr Lim does not plan to keep the hours. On Wednesday, when the aeroplanes have gone, he will pull down the shutter at nine
and sleep until he is done. “Big meeting, small meeting,” he says, wiping the counter, “everybody wants the same cup.”
""",
    related="kim-jong-un-in-demand",
    merchandise=Merchandise("deadline-mug", "Buy the Deadline mug:", "Buy the Deadline mug"),
    tags=("Kopi", "Food", "Trump-Kim summit"),
)

SENTOSA_COUNTS_DOWN: Final = Story(
    slug="sentosa-counts-down",
    section="Singapore",
    title="An island built for holidays rehearses for history",
    standfirst="Sentosa has beaches, a cable car and, from Tuesday, the most photographed handshake of the year.",
    byline="Priscilla Goh, home desk",
    published=date(2018, 6, 7),
    picture="sentosa-counts-down",
    picture_alt="Drawing: a cable car crosses from harbour towers to a green island under a large pale sun",
    caption="The quiet way across. Drawing: The Courier",
    source="""
The gardeners were out before the sun on Thursday, trimming hedges that had been trimmed on Wednesday. On an island where
the usual emergency is a lost flip-flop, there are now barriers stacked along the verges and men in dark suits who do not
look as though they have come to swim.

The summit between Donald Trump and Kim Jong-un is to be held at a hotel on Sentosa on Tuesday. Until then the island is
trying to be two places at once: a resort in the school holidays, and a stage on which nothing may go wrong.

[related_story]

For most visitors the difference is a longer wait at the bridge. Beach bars are open. The cable car is running, and has
never had so many passengers with long lenses and no interest in the aquarium.

“We get honeymoons, we get birthdays,” said an attendant at the station, folding one family into a cabin. “This one is also
two people who have to get along.”
""",
    related="kim-jong-un-in-demand",
    merchandise=Merchandise("front-page-tote", "Buy the Front page tote:", "Buy the Front page tote"),
    tags=("Sentosa", "Trump-Kim summit", "Tourism"),
)

STORIES: Final[tuple[Story, ...]] = (KIM_IN_DEMAND, BOAT_OFF_UBIN, KOPI_ALL_NIGHT, SENTOSA_COUNTS_DOWN)
SECTIONS: Final[tuple[str, ...]] = ("World", "Singapore", "Life")
