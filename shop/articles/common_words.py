"""English words that say nothing of what a text is about."""

COMMON = frozenset(
    """
    a about above after again against all almost also always am an and another any anybody are around as at away back be
    because been before began being below between both but by came can cannot come comes could day days did do does
    doing done down during each early either else enough even ever every everybody everything far few find first five
    for four found from gave get gets give given gives go goes going gone good got had half has have he her here hers
    him his how however i if in into is it its itself just keep keeps kept know known last late later least left less
    let like little long look looks made make makes making many may me mean means might more most much must my near
    never new next no nobody none nor not nothing now of off often on once one only onto or other others our ours out
    over own perhaps put puts rather ready said same say says second see seen several shall she should show shows since
    six so some somebody something soon still such take taken takes tell than that the their theirs them themselves then
    there these they thing things this those though three through time times to today together told too took two under
    until up upon us use used very want wants was way we week weeks well went were what when where whether which while
    who whole whom whose why will with within without would year years yes yet you your yours
    """.split()  # noqa: SIM905
)
