"""The words that make a story sensitive, as the shop comes with them. Staff add to them and take off.

A "*" at the end stands for any ending. English, Malay, Chinese and Tamil; of Tamil the stems, before the
vowel sign or the dot that an ending takes the place of.
"""

from collections.abc import Iterable
from functools import lru_cache

from shop.articles.story import Story
from shop.articles.words import folded, words_of

WORD_LIMIT = 80

ENGLISH = """
death, deaths, dead, died, dies, dying, deadly, fatal*, killed, killing*, kills, murder*, manslaughter, homicide, suicide*,
execution, executed, massacre*, genocide, funeral*, mourn*, obituary, condolence*, casualt*, victim*, bereaved, body found,
war, wars, warfare, airstrike*, air strike, air strikes, bombing*, bombed, bomb, missile strike, shelling, invasion, invaded,
shooting, shot dead, gunman, gunmen, stabbing, stabbed, terror*, hostage*, kidnap*, abduct*, riot, riots, famine,
disaster*, tragedy, tragedies, earthquake*, tsunami*, typhoon*, cyclone*, hurricane*, landslide*, flood*, wildfire*, eruption,
explosion*, crash, crashed, crashes, derail*, shipwreck, capsiz*, drown*, collapse, collapsed, evacuat*, pandemic, outbreak*,
rape*, sexual assault, molest*, child abuse, human trafficking, torture*, refugee*
"""
MALAY = """
maut, meninggal, mati, kematian, terkorban, korban, mangsa, terbunuh, dibunuh, pembunuhan, bunuh diri, perang, peperangan, bom,
letupan, serangan, tembakan, ditembak, ditikam, bencana, gempa bumi, banjir, tanah runtuh, ribut, kebakaran, nahas, kemalangan,
lemas, tragedi, pengebumian, takziah, rogol, keganasan, pengganas
"""
CHINESE = """
死亡, 身亡, 丧生, 遇难, 遇害, 去世, 逝世, 死者, 伤亡, 罹难, 谋杀, 凶杀, 杀害, 自杀, 处决, 屠杀, 战争, 开战, 空袭, 轰炸, 炮击, 入侵, 爆炸, 枪击, 枪杀, 刺杀,
恐怖袭击, 恐袭, 人质, 绑架, 灾难, 灾害, 地震, 海啸, 台风, 洪水, 水灾, 山崩, 火灾, 空难, 坠机, 车祸, 沉船, 溺水, 溺毙, 悲剧, 悼念, 哀悼, 葬礼, 强奸, 性侵, 饥荒
"""
TAMIL = """
மரண*, இறந்த*, இறப்ப*, உயிரிழ*, பலி*, கொலை*, கொல்ல*, தற்கொலை*, படுகொலை*, போர், போரில், போரின், யுத்த*, குண்ட*, வெடிப்ப*, தாக்குதல*,
துப்பாக்கிச்சூட*, பயங்கரவாத*, பேரழிவ*, பேரிடர*, நிலநடுக்க*, பூகம்ப*, சுனாமி*, வெள்ளம்*, வெள்ளத்த*, புயல*, நிலச்சரிவ*, விபத்த*, அஞ்சலி*,
இரங்கல*, பாலியல் வன்*
"""


def word_key(word: str) -> str:
    """A word of the list, or a few, in the form in which it is kept and compared; empty if nothing of it can be compared."""
    return folded(word) if words_of(word) else ""


def guarded(changes: Iterable[tuple[str, bool]]) -> tuple[str, ...]:
    """The list in force: the shop's own with staff's `changes`, each a word that guards, or does not."""
    words = dict.fromkeys(WORDS, True) | dict(changes)
    return tuple(word for word, guards in words.items() if guards)


def is_sensitive(story: Story, words: tuple[str, ...]) -> str | None:
    """The first of `words` that the story's title, tags, section or summary has; None for a story without any."""
    text = " / ".join(" ".join(words_of(part)) for part in (story.title, *story.tags, story.section, story.summary))
    padded = f" {text} "
    return next((word for word, sought in _sought(words) if sought in padded), None)


@lru_cache(maxsize=8)
def _sought(words: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    spoken = ((word, " ".join(words_of(word))) for word in words)
    return tuple((word, f" {said}" if word.endswith("*") else f" {said} ") for word, said in spoken)


WORDS = tuple(
    dict.fromkeys(
        word_key(word) for words in (ENGLISH, MALAY, CHINESE, TAMIL) for word in words.split(",") if word.strip()
    )
)
