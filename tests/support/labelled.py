"""Stories, and the product that an editor would put under each: what suggestions are measured by.

Written before the ranking was, and not changed to please it. Of the products some are the demo's, the others are made up here, as
the stories are. `fits` is the slug of the one product; None says that an editor would put nothing there, often in spite of a word
that the story shares with a product.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class MadeUp:
    """A product of no shop."""

    slug: str
    title: str
    tagline: str
    description: str
    options: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True)
class Labelled:
    """A story as a feed tells of it, and what fits."""

    fits: str | None
    title: str
    section: str
    tags: tuple[str, ...]
    summary: str


PRODUCTS = (
    MadeUp(
        "moon-landing-poster",
        "Moon landing poster",
        "One small step, in four colours.",
        "The Eagle, the flag and the footprint, drawn for the anniversary of Apollo 11. Printed on heavy matt paper, 50 x 70 cm.",
    ),
    MadeUp(
        "hawker-centre-apron",
        "Hawker centre apron",
        "Chope first, cook later.",
        "A sturdy cotton apron with a packet of tissues printed on the pocket, as it lies on every table at lunch. Adjustable neck.",
        (("Colour", ("Green", "Orange")),),
    ),
    MadeUp(
        "mrt-map-socks",
        "MRT map socks",
        "Mind the gap between your toes.",
        "All the train lines of the island, knitted to the ankle. Change at Dhoby Ghaut for the other foot. 80% combed cotton.",
        (("Size", ("36-40", "41-45")),),
    ),
    MadeUp(
        "otter-plush",
        "Bishan otter plush",
        "Ten members of the family, one of them yours.",
        "A soft otter with a small fish in its paws, filled with recycled fibre. For everybody who has ever followed the Bishan family.",
    ),
    MadeUp(
        "durian-cushion",
        "Durian cushion",
        "The king of fruits, without the smell.",
        "Forty soft thorns and a husk that opens. Allowed on trains and in hotels. Removable cover.",
    ),
    MadeUp(
        "night-race-earplugs",
        "Night race earplugs",
        "Hear the commentary, not the engines.",
        "Filtered earplugs in a tin shaped like a kerb, for the grandstand at the Grand Prix or for whoever lives beside the circuit.",
    ),
    MadeUp(
        "election-bingo",
        "Election night bingo",
        "Too close to call? That is a square.",
        "Twenty cards of what pundits say before the votes are counted: swing, mandate, sample count. For a table of voters who agree on nothing.",
    ),
    MadeUp(
        "orchid-kit",
        "Orchid growing kit",
        "A national flower for the window sill.",
        "A young Vanda in a pot of charcoal and bark, with a card that says when to water. Grown in a nursery in Kranji.",
    ),
    MadeUp(
        "travel-chess-set",
        "Travel chess set",
        "Check, mate, and still in your seat.",
        "Magnetic pieces on a board that folds to the size of a passport. Comes with ten famous games to replay.",
    ),
    MadeUp(
        "old-map-jigsaw",
        "1928 island map jigsaw",
        "A thousand pieces of a place with fewer roads.",
        "A map of Singapore from before the airport, from the archive of our library. Puzzle of 1000 pieces, 68 x 48 cm.",
    ),
    MadeUp(
        "budget-piggy-bank",
        "Budget day piggy bank",
        "For what the finance minister leaves you.",
        "A ceramic pig with a red briefcase. The slot takes coins; the surplus comes out from below.",
    ),
    MadeUp(
        "crossword-book",
        "The big book of crosswords",
        "Two hundred grids, four of them fair.",
        "The best crosswords from twenty years of our back page, cryptic and quick, with a pencil in the spine.",
    ),
    MadeUp(
        "hornbill-cards",
        "City birds notecards",
        "They live here, too.",
        "Twelve cards with envelopes: hornbill, kingfisher, mynah, heron and the rest, painted by our wildlife illustrator.",
    ),
    MadeUp(
        "marathon-vest",
        "Marathon finisher running vest",
        "42.195 reasons to sit down.",
        "A light running vest for those who finished and those who will say so. Quick-drying, reflective stripes.",
        (("Size", ("S", "M", "L")),),
    ),
    MadeUp(
        "laksa-recipe-print",
        "Laksa recipe print",
        "With cockles. This is not a debate.",
        "A family recipe for Katong laksa, drawn step by step from the rempah to the bowl. Hang it beside the stove.",
    ),
    MadeUp(
        "lion-dance-ornament",
        "Lion dance ornament",
        "Brings luck, makes no noise.",
        "A small papier-mache lion's head with a jaw that moves, made by a troupe's own craftsman for Chinese New Year.",
        (("Colour", ("Red", "Gold")),),
    ),
    MadeUp(
        "eclipse-glasses",
        "Eclipse viewing glasses",
        "Look up. Now you may.",
        "Certified filters in a cardboard frame, good for the sun before, during and after totality. Pack of five.",
    ),
)

LABELLED = (
    # The demo's own products.
    Labelled("trump-kim-tee", "Long shunned, Kim Jong-un is suddenly the man to meet", "World", ("North Korea", "Kim Jong-un", "Donald Trump"), "Before he has even sat down with Donald Trump in Singapore, North Korea's leader has invitations from Vladivostok to Damascus."),
    Labelled("trump-kim-tee", "Trump and Kim shake hands on Sentosa", "World", ("Trump-Kim summit",), "The two leaders met at nine in the morning and spoke alone for 38 minutes."),
    Labelled("trump-kim-tee", "The summit that cost Singapore 20 million dollars", "Singapore", ("Trump-Kim summit", "Costs"), "Half of it went into security. What the host got for the money is harder to add up."),
    Labelled("trump-kim-tee", "A year after the handshake, Kim has tested another rocket", "World", ("North Korea", "Missiles"), "Little of what was promised at the summit in Singapore has come about."),
    Labelled("front-page-tote", "The front page that never was: how a night desk tore up its plans", "Media", ("Newspapers", "Journalism"), "At ten to midnight the splash was a football result. By half past it had been replaced."),
    Labelled("front-page-tote", "Supermarkets to charge for plastic bags from July", "Singapore", ("Environment", "Shopping"), "Shoppers are urged to bring a tote of their own. The charge is five cents for each bag."),
    Labelled("deadline-mug", "For one week only, the kopi stalls keep journalists' hours", "Life", ("Kopi", "Food"), "With half the world's press in town, some coffee shops have stopped closing. The orders have become strange."),
    Labelled("deadline-mug", "Why we miss deadlines, and what the clock does to the brain", "Science", ("Psychology", "Work"), "Researchers asked four hundred people to finish a task by noon. Most began at half past eleven."),
    Labelled("kopi-and-headlines-tea-towel", "Kaya toast and soft-boiled eggs: the breakfast that refuses to change", "Life", ("Food", "Heritage", "Kopitiam"), "A third generation takes over a kopitiam in Tiong Bahru and alters nothing but the light bulbs."),
    Labelled("kopi-and-headlines-tea-towel", "Kopi culture put forward for heritage list", "Singapore", ("Heritage", "Kopi", "Unesco"), "Roasters and stallholders speak of what makes a cup of kopi, and who still knows."),
    Labelled("reporters-notebook-3-pack", "Farewell to shorthand: the last class of reporters who learnt it", "Media", ("Journalism", "Education"), "A notebook, a pen and a hundred words a minute used to be what a reporter needed."),
    Labelled("reporters-notebook-3-pack", "In praise of handwriting in an age of screens", "Opinion", ("Stationery", "Writing"), "What is written in a notebook is remembered; what is typed is merely stored."),
    Labelled("correction-eraser-set", "We got it wrong: a year of corrections", "Media", ("Corrections", "Journalism"), "Our readers' editor counts 212 errors, most of them names, and apologises for each."),
    Labelled("inverted-pyramid-pin", "How to write the first sentence of a news story", "Media", ("Journalism", "Writing"), "The inverted pyramid has been declared dead for fifty years. It keeps putting the most important thing first."),
    Labelled("merlion-cartoon-print", "The Merlion is to get a bath, and a new view", "Singapore", ("Merlion", "Tourism"), "The statue will be behind boards for ten weeks while its spout is repaired."),
    Labelled("merlion-cartoon-print", "Cartoonists gather to draw what cannot be said", "Arts", ("Cartoons", "Press freedom"), "An editorial cartoon takes an hour to draw and a week to defend, says one of the guests."),
    Labelled("off-the-record-cap", "Off the record: who whispers to whom before a cabinet reshuffle", "Politics", ("Cabinet", "Journalism"), "A minister's aide, a microphone that was switched off and a lunch that nobody attended."),
    Labelled("breaking-news-umbrella", "Wettest December for a century brings umbrellas out, and inside out", "Singapore", ("Weather", "Rain"), "Three weeks of rain have emptied the shops of umbrellas and filled the reservoirs."),
    Labelled("breaking-news-umbrella", "Thunderstorms every afternoon until Friday, forecasters say", "Singapore", ("Weather",), "Rain will fall heavily for an hour or two, with gusts in the east of the island."),
    # Made-up products.
    Labelled("moon-landing-poster", "Fifty years on, the boot print that is still there", "Science", ("Apollo 11", "Moon", "Space"), "Two men walked on the Moon for two and a half hours. Their footprints will outlast us."),
    Labelled("moon-landing-poster", "Nasa names the crew that will land on the Moon", "Science", ("Nasa", "Space"), "Four astronauts will orbit; two will step out near the south pole."),
    Labelled("moon-landing-poster", "Auction of Apollo flight plans draws bidders from forty countries", "World", ("Auctions", "Apollo 11"), "A page with coffee stains from the landing went for more than a house."),
    Labelled("hawker-centre-apron", "New hawker centre opens in Punggol with a hundred stalls", "Singapore", ("Hawkers", "Food"), "Residents queued from six. The first dish to sell out was carrot cake."),
    Labelled("hawker-centre-apron", "Hawker culture inscribed on Unesco list", "Singapore", ("Heritage", "Hawkers"), "Cooks in their sixties wept on stage. Some wondered who would take over the stove."),
    Labelled("hawker-centre-apron", "Should it be allowed to chope a table with tissues?", "Opinion", ("Hawkers", "Manners"), "A packet of tissues on a table says more than a sign, and starts more quarrels."),
    Labelled("mrt-map-socks", "Thomson line opens: a first ride from end to end", "Singapore", ("MRT", "Transport"), "Enthusiasts boarded the first train at 5.36 with cameras and a cake."),
    Labelled("mrt-map-socks", "MRT map is redrawn as a circle, and commuters are in two minds", "Singapore", ("MRT", "Design"), "The new map bends every line to show that the rail network has become a ring."),
    Labelled("otter-plush", "Bishan otters move house, with a police escort", "Singapore", ("Otters", "Wildlife"), "The family of ten crossed four lanes of traffic at walking pace."),
    Labelled("otter-plush", "Ponds raided: owners of koi blame otters", "Singapore", ("Otters", "Wildlife"), "An otter eats a kilogram of fish a day, and does not mind what it cost."),
    Labelled("otter-plush", "Two new pups for the family at Marina Bay", "Singapore", ("Wildlife", "Otter families"), "The pups were seen swimming for the first time on Sunday, held by the neck."),
    Labelled("durian-cushion", "Durian season comes early, and cheap", "Life", ("Durian", "Food"), "A bumper crop in Pahang has halved the price of Mao Shan Wang."),
    Labelled("durian-cushion", "Why the king of fruits is banned from trains", "Life", ("Durian", "Transport", "Smell"), "A chemist counts fifty compounds in the smell of one fruit."),
    Labelled("night-race-earplugs", "Roads close from Wednesday for the Grand Prix", "Singapore", ("Formula One", "Traffic"), "The circuit is being fenced in. Buses will take other routes until Monday."),
    Labelled("night-race-earplugs", "Under the lights: the night race turns fifteen", "Sport", ("Formula One", "Night race"), "Drivers lose three kilograms in two hours. Spectators lose their hearing, if they are careless."),
    Labelled("election-bingo", "Election night, hour by hour", "Politics", ("Elections",), "When the polls close, when the sample count is due, and which seats to watch."),
    Labelled("election-bingo", "Voters go to the polls on 10 July", "Politics", ("Elections", "General election"), "Ninety-three seats are contested, more than at any time before."),
    Labelled("election-bingo", "The pundits were wrong again. Here is what they said", "Politics", ("Opinion polls", "Elections"), "A swing that nobody saw coming, a mandate that nobody can define."),
    Labelled("orchid-kit", "An orchid is named after the visiting president", "Singapore", ("Orchids", "Diplomacy"), "The hybrid, mauve with a white lip, took six years to flower."),
    Labelled("orchid-kit", "Gardeners of the twelfth floor: growing flowers in a corridor", "Life", ("Gardening", "Plants"), "Pots of orchids, basil and bougainvillea line the corridor from lift to lift."),
    Labelled("travel-chess-set", "Singapore to host the world chess championship", "Sport", ("Chess",), "Fourteen games, two players, and a hall in which nobody may cough."),
    Labelled("travel-chess-set", "Boy of nine becomes the youngest to beat a grandmaster", "Sport", ("Chess", "Children"), "He gave up a bishop on move eighteen and mate followed ten moves later."),
    Labelled("old-map-jigsaw", "Where the river used to run: maps from 1928 go online", "Singapore", ("History", "Maps", "Archives"), "The library has scanned four thousand maps of the island. Many of the roads are still tracks."),
    Labelled("old-map-jigsaw", "Jigsaw puzzles are back, and so is the missing piece", "Life", ("Hobbies", "Puzzles"), "Sales tripled last year. A club in Toa Payoh lends out puzzles of a thousand pieces and more."),
    Labelled("budget-piggy-bank", "Budget: what it means for your wallet", "Business", ("Budget", "Tax"), "The finance minister keeps the goods tax where it is and hands out vouchers."),
    Labelled("budget-piggy-bank", "Surplus of 1.7 billion surprises everybody but the minister", "Business", ("Budget", "Economy"), "Higher receipts from stamp duty left more in the purse than forecast on budget day."),
    Labelled("crossword-book", "Seven letters, starts a fight: our setter retires", "Life", ("Crosswords", "Puzzles"), "After 31 years and four thousand grids, the man behind our cryptic crossword signs off."),
    Labelled("crossword-book", "World crossword contest is won in under nine minutes", "World", ("Crosswords",), "The champion, a tax lawyer, says that she reads dictionaries for pleasure."),
    Labelled("hornbill-cards", "Hornbills nest in a school, and lessons move outside", "Singapore", ("Birds", "Wildlife"), "The pair chose a hollow in a rain tree beside the canteen."),
    Labelled("hornbill-cards", "Count of garden birds finds fewer mynahs and more kingfishers", "Science", ("Birds", "Nature"), "Volunteers watched for half an hour each in two hundred parks."),
    Labelled("marathon-vest", "Fifty thousand run the city's marathon in the rain", "Sport", ("Running", "Marathon"), "The winner finished in 2 hours 12 minutes; the last came home after sunset."),
    Labelled("marathon-vest", "How to train for your first marathon in the tropics", "Life", ("Running", "Health"), "Run before dawn, drink before you are thirsty, and buy the bigger shoes."),
    Labelled("laksa-recipe-print", "The laksa war of Katong, forty years on", "Life", ("Laksa", "Food"), "Four stalls claim to be the first. All four cut their noodles."),
    Labelled("laksa-recipe-print", "Cook at home: four bowls with coconut milk", "Life", ("Recipes", "Laksa"), "A recipe for laksa that takes an hour, most of it spent on the rempah."),
    Labelled("lion-dance-ornament", "Lion dance troupes fully booked for Chinese New Year", "Singapore", ("Chinese New Year", "Lion dance"), "A troupe performs fourteen times a day and eats twice."),
    Labelled("lion-dance-ornament", "The women under the lion's head", "Life", ("Lion dance", "Women"), "An all-female troupe from Geylang wins on the high poles."),
    Labelled("eclipse-glasses", "Ring of fire: where to watch the eclipse on Boxing Day", "Science", ("Eclipse", "Astronomy"), "The sun will be covered for two minutes. Never look without filters."),
    Labelled("eclipse-glasses", "Thousands gather on a beach to see the sun go out", "World", ("Eclipse",), "Totality lasted six minutes, and the birds fell silent."),
    # Nothing fits: people have come to harm, and a word is shared.
    Labelled(None, "Two missing after boat capsizes off Pulau Ubin; 19 brought ashore", "Singapore", ("Accidents", "Pulau Ubin"), "A sudden squall overturned a passenger boat on Saturday evening. The search went on through the night."),
    Labelled(None, "Marathon runner, 32, dies after collapsing near the finish", "Singapore", ("Marathon", "Deaths"), "He had run forty kilometres. Organisers say that help came within a minute."),
    Labelled(None, "Man killed by falling tree during rainstorm", "Singapore", ("Weather", "Accidents"), "The tree came down across a path as he walked under an umbrella."),
    Labelled(None, "Fire at hawker centre kills cook", "Singapore", ("Fires", "Hawkers"), "The blaze began at a stove after closing time. An inquiry is under way."),
    Labelled(None, "Train collision in Joo Koon injures 29", "Singapore", ("MRT", "Accidents"), "A train ran into another that stood at the platform of the station."),
    Labelled(None, "Reporter shot dead outside her home", "World", ("Press freedom", "Murder"), "She had been working on corruption in the port. Her notebook was gone."),
    Labelled(None, "North Korea frees student in a coma; he dies at home", "World", ("North Korea", "Deaths"), "Doctors say that he had been unconscious for more than a year. President Trump sent condolences."),
    Labelled(None, "Driver dies in crash during practice for the Grand Prix", "Sport", ("Formula One", "Deaths"), "The car left the track at the fastest corner of the circuit."),
    Labelled(None, "Bus with election workers hits mine, eleven killed", "World", ("Elections", "Conflict"), "They were on their way to count votes in a village near the border."),
    Labelled(None, "Otter found strangled by fishing line", "Singapore", ("Otters", "Animal cruelty"), "The animal was a mother of three from Bishan. The pups have been seen alone."),
    Labelled(None, "Girl, six, drowns at water park as lion dancers perform", "Singapore", ("Accidents", "Deaths"), "Lifeguards pulled her from the pool; the New Year show was stopped."),
    Labelled(None, "Missile strikes market in breakfast hour", "World", ("War", "Civilians"), "People had been queueing for coffee and bread. At least thirty are dead."),
    Labelled(None, "Astronaut dies at 82", "World", ("Obituaries", "Space"), "He flew around the Moon once and said that he would not have missed it for the world."),
    Labelled(None, "Elderly hawker abused by customer; video leads to arrest", "Singapore", ("Crime", "Hawkers"), "The stallholder, 78, was taken to hospital with a broken arm."),
    # Nothing fits, though a word is shared.
    Labelled(None, "Price cap on electricity to be lifted in April", "Business", ("Energy", "Regulation"), "Retailers may then charge what they like. Households are told to compare."),
    Labelled(None, "Analysts pin hopes on a weaker dollar", "Business", ("Currencies", "Markets"), "Exporters have had a thin quarter. A rate cut would help."),
    Labelled(None, "Court throws out suit over bank's print advertisements", "Business", ("Courts", "Banks"), "The judge found nothing misleading in the small letters."),
    Labelled(None, "Umbrella body for charities gets new head", "Singapore", ("Charities",), "She takes over from a banker who served for six years."),
    Labelled(None, "Pyramid scheme promised returns of 20 per cent a month", "Business", ("Fraud", "Courts"), "Four men were charged with cheating. Most of the money has not been found."),
    Labelled(None, "Chip maker to build second plant in Woodlands", "Business", ("Semiconductors", "Investment"), "The orders are there, the chief executive says; the engineers are not."),
    Labelled(None, "Parliament passes bill on data sharing between ministries", "Politics", ("Parliament", "Privacy"), "Opposition members asked for a record of who looks at what."),
    Labelled(None, "City beat Leeds with a goal in the last minute", "Sport", ("Football", "Premier League"), "A corner, a header, and the leaders stay four points ahead."),
    Labelled(None, "Banks raise rates on fixed deposits", "Business", ("Banking", "Interest rates"), "Savers get 2.1 per cent for a year, more than at any time since 2015."),
    Labelled(None, "School to drop mid-year examinations", "Singapore", ("Education",), "Teachers will have three more weeks for projects and reading."),
    Labelled(None, "Hospital wards short of nurses, union says", "Singapore", ("Health care",), "One nurse looks after twelve patients on a night shift."),
    Labelled(None, "Ministers of ten countries agree on tariff rules", "World", ("Trade", "Asean"), "The talks in Jakarta went on until two in the morning."),
    Labelled(None, "Phone maker recalls chargers that overheat", "Tech", ("Gadgets", "Recalls"), "Owners are asked to send the white ones back; black ones are safe."),
    Labelled(None, "Housing board launches 4,500 flats in five towns", "Singapore", ("Housing",), "Applications close on Monday. The smallest flats are on the ground floor."),
)  # fmt: skip
