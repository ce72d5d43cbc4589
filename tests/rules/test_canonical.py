"""The one form under which a story is known, whatever address leads to it."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shop.articles.addresses import URL_LIMIT, canonical, is_publisher
from shop.articles.placement import PlacementSigner

ANYTHING = st.text(st.characters())
PARTS = st.lists(st.text(st.characters(), max_size=8), max_size=4)


def addresses() -> st.SearchStrategy[str]:
    """Texts that look like a story's address more often than not."""
    hosts = st.sampled_from(
        ["news.example", "NEWS.example:443", "[2001:db8::1]", "[::1]:8080", "n\u00e9ws.example", "a@b", ""]
    )
    return st.builds(
        lambda scheme, host, path, query, end: f"{scheme}://{host}/{'/'.join(path)}?{'&'.join(query)}{end}",
        st.sampled_from(["http", "https", "HTTPS", "ftp", "javascript"]),
        hosts | st.text(st.characters(), max_size=12),
        PARTS,
        PARTS
        | st.lists(st.sampled_from(["utm_source=x", "id=1", "b=%FF", "a=+", "a", "=", "reference=7"]), max_size=4),
        st.sampled_from(["", "#top", "/", "///"]),
    )


@given(ANYTHING | addresses())
@example("https://[::1]/story")
@example("https://news.example/?a=\ud800")
@example("http://news.example:99999/")
@example("http://[/")
def test_any_text_has_one_form_or_none_and_that_form_is_its_own(text: str) -> None:
    story = canonical(text)
    if story is not None:
        assert len(story) <= URL_LIMIT
        assert canonical(story) == story
        story.encode()


@pytest.mark.parametrize(
    "same",
    [
        "https://News.Example/kim",
        "https://news.example:443/kim/",
        "https://news.example/kim?utm_source=mail&utm_medium=x",
        "https://news.example/kim?fbclid=1#comments",
        "https://news.example/kim?ref=home&amp=1",
        "http://news.example/kim",
        "https://news.example/kim/amp/",
        "https://news.example/kim/amp",
        "https://news.example/kim.amp",
        "https://amp.news.example/kim?outputType=amp",
        "https://m.news.example/kim",
        "https://mobile.news.example./kim",
        "https://news.example/%6Bim",
        "https://news.example/./2018/../kim",
        "https://news.example/2018\\..\\kim",
        "https://news.example/kim?gclid=" + "x" * 900,
        "https://\uff4eews.example/kim",
    ],
)
def test_ways_to_one_story_are_one(same: str) -> None:
    assert canonical(same) == "https://news.example/kim"


@pytest.mark.parametrize("query", ["id=1", "reference=7", "amplitude=3", "refid=2"])
def test_a_parameter_that_says_what_is_read_stays(query: str) -> None:
    assert canonical(f"https://news.example/story?{query}") == f"https://news.example/story?{query}"


@pytest.mark.parametrize(
    "own",
    [
        "https://news.example/amp",
        "https://m.example/kim",
        "https://www.news.example/kim",
        "http://127.0.0.1:8002/kim",
        "http://localhost/kim",
        "https://news.example:8443/kim",
        "https://news.example/a%2Fb",
        "https://news.example/clamp",
    ],
)
def test_what_only_looks_like_another_form_of_a_story_stays_as_it_is(own: str) -> None:
    assert canonical(own) == own


def test_a_story_in_another_alphabet_has_one_form_however_it_is_written() -> None:
    one = canonical("https://n\u00e9ws.example/\u91d1\u6b63\u6069")
    assert one == canonical("https://xn--nws-bma.example/%e9%87%91%E6%AD%A3%e6%81%a9") is not None


@pytest.mark.parametrize("end", ["", "/" + "a" * 600, "?utm_source=" + "x" * 10_000, "?id=" + "x" * 600])
def test_an_address_that_no_column_holds_is_none(end: str) -> None:
    assert (canonical(f"https://news.example/kim{end}") is None) == bool(end)


LISTED = ("www.news.example", "*.paper.example", "127.0.0.1:8002")


@pytest.mark.parametrize(
    "url", ["www.news.example", "news.example", "m.news.example", "a.paper.example", "127.0.0.1:8002"]
)
def test_a_publishers_story_is_one_under_each_of_the_publishers_hosts(url: str) -> None:
    assert is_publisher(canonical(f"http://{url}/kim") or "", LISTED)


@pytest.mark.parametrize(
    "host",
    [
        "news.example.evil.example",
        "evilnews.example",
        "paper.example",
        "evilpaper.example",
        "127.0.0.1",
        "n\u0435ws.example",  # the second letter is Cyrillic
        "news.example@evil.example",
        "www.www.news.example",
    ],
)
def test_a_host_that_looks_like_the_publishers_is_not(host: str) -> None:
    story = canonical(f"https://{host}/kim")
    assert story is None or not is_publisher(story, LISTED)


@pytest.mark.parametrize(
    "wrong", ["", "/story", "javascript:alert(1)", "https://u:p@news.example/", "https:///x", "a b"]
)
def test_what_is_no_address_of_a_story_has_none(wrong: str) -> None:
    assert canonical(wrong) is None


@pytest.mark.parametrize("end", ["\\", "%2f", "%5c", "'", '"', "<", ";", "&", "^"])
def test_a_host_that_a_browser_ends_earlier_than_we_do_is_no_publishers(end: str) -> None:
    """Browsers read "https://elsewhere.example\\.news.example/" as a page of elsewhere.example."""
    signer = PlacementSigner(("k" * 32,), ("*.news.example",))
    assert signer.sign(f"https://elsewhere.example{end}.news.example/story") == ""
    assert signer.sign("https://a.news.example/story") != ""
