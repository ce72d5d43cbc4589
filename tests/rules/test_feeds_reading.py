"""What is read from feeds and news sitemaps, well made or not."""

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop.articles.feed_formats import MOST_STORIES, NotAFeed, read_listing
from shop.articles.feeds import read_feed
from shop.articles.story import Story
from shop.db import now
from shop.demo.newsroom import FEEDS, NewsroomSettings, create_newsroom
from shop.demo.stories import STORIES
from tests.support.feeds import SITE, atom, entry, item, listed, rss, sitemap, sitemap_index


def read(text: str | bytes, content_type: str = "application/xml", base_url: str = f"{SITE}/feed") -> list[Story]:
    return read_feed(text if isinstance(text, bytes) else text.encode(), content_type, base_url)


def only(text: str | bytes) -> Story:
    (story,) = read(text)
    return story


def test_rss_tells_title_section_author_tags_time_and_summary() -> None:
    more = (
        "<pubDate>Sun, 10 Jun 2018 06:30:00 +0800</pubDate><dc:creator>Devi Ramasamy</dc:creator>"
        f'<dc:creator>Marcus Teo</dc:creator><category domain="{SITE}/sections">World</category>'
        "<category>North Korea</category><category><![CDATA[Kim & Trump]]></category>"
        "<description>&lt;p&gt;Long &lt;b&gt;shunned&lt;/b&gt;,&lt;/p&gt;&lt;p&gt;now asked &amp;amp; wanted.&lt;/p&gt;</description>"
    )
    assert only(rss(item(f"{SITE}/2018/kim/?utm_source=rss#top", "The man to meet", more))) == Story(
        url=f"{SITE}/2018/kim",
        title="The man to meet",
        section="World",
        author="Devi Ramasamy, Marcus Teo",
        tags=("North Korea", "Kim & Trump"),
        published_at=datetime(2018, 6, 9, 22, 30, tzinfo=UTC),
        summary="Long shunned , now asked & wanted.",
    )


def test_atom_tells_the_same() -> None:
    more = (
        "<published>2018-06-10T06:30:00+08:00</published><author><name>Devi Ramasamy</name><email>d@example.com</email></author>"
        f'<author><name>Marcus Teo</name></author><category scheme="{SITE}/sections" term="world" label="World"/>'
        '<category term="north-korea" label="North Korea"/><summary>Wanted.</summary>'
    )
    assert only(atom(entry(more=more))) == Story(
        url=f"{SITE}/story",
        title="A story",
        section="World",
        author="Devi Ramasamy, Marcus Teo",
        tags=("North Korea",),
        published_at=datetime(2018, 6, 9, 22, 30, tzinfo=UTC),
        summary="Wanted.",
    )


def test_rdf_is_read_too() -> None:
    text = (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"'
        ' xmlns:dc="http://purl.org/dc/elements/1.1/"><channel rdf:about="https://www.example.com/"><title>Paper</title></channel>'
        '<item rdf:about="https://www.example.com/story"><title>A story</title><link>https://www.example.com/story</link>'
        "<dc:date>2018-06-10T06:30:00+08:00</dc:date><dc:subject>Kim</dc:subject></item></rdf:RDF>"
    )
    story = only(text)
    assert (story.url, story.title, story.tags) == (f"{SITE}/story", "A story", ("Kim",))
    assert story.published_at == datetime(2018, 6, 9, 22, 30, tzinfo=UTC)


def test_a_news_sitemap_tells_title_time_and_keywords_and_no_pictures_title() -> None:
    more = (
        "<news:publication_date>2018-06-10T06:30:00+08:00</news:publication_date>"
        "<news:keywords>North Korea, Kim , ,Trump</news:keywords>"
    )
    listing = read_listing(sitemap(listed(title="The man &amp; the map", more=more)).encode(), "", f"{SITE}/map.xml")
    assert listing.is_sitemap
    assert listing.stories == (
        Story(
            url=f"{SITE}/story",
            title="The man & the map",
            tags=("North Korea", "Kim", "Trump"),
            published_at=datetime(2018, 6, 9, 22, 30, tzinfo=UTC),
        ),
    )


def test_an_index_leads_to_its_newest_sitemaps() -> None:
    sitemaps = [
        f"<sitemap><loc>/news-{month:02}.xml</loc><lastmod>2018-{month:02}-01</lastmod></sitemap>"
        for month in (1, 12, 3, 11, 5, 10, 7)
    ]
    listing = read_listing(sitemap_index(*sitemaps, "<sitemap/>").encode(), "", f"{SITE}/map.xml")
    assert listing.stories == ()
    assert listing.sitemaps == tuple(f"{SITE}/news-{month:02}.xml" for month in (12, 11, 10, 7, 5))


def test_the_three_feeds_of_the_demo_newsroom_tell_of_the_same_stories() -> None:
    newsroom = create_newsroom(NewsroomSettings(SITE, "https://shop.example.com")).test_client()
    rss_told, atom_told, map_told = (
        read(newsroom.get(path).data, kind, SITE + path) for path, (_, kind) in FEEDS.items()
    )
    assert rss_told == atom_told
    assert {story.url: (story.title, story.section, story.author, story.tags) for story in rss_told} == {
        SITE + story.path: (story.title, story.section, ", ".join(story.writers), story.tags) for story in STORIES
    }
    assert [(story.url, story.title, story.tags, story.published_at) for story in map_told] == [
        (story.url, story.title, story.tags, story.published_at) for story in rss_told
    ]


# Words that somebody may have meant ill.


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("&lt;script&gt;alert(1)&lt;/script&gt; wins", "<script>alert(1)</script> wins"),
        ("<![CDATA[<img src=x onerror=alert(1)> wins]]>", None),
        ("Kim &amp;amp; Trump", "Kim & Trump"),
        ("Kim &amp; Trump", "Kim & Trump"),
        ("Is 3 &lt; 4?", "Is 3 < 4?"),
        ("&lt;i&gt;Ulysses&lt;/i&gt; at 100", "Ulysses at 100"),
        ("Tab\tand\n\n  line", "Tab and line"),
        ("Na\u202egin \u0085back", None),
    ],
)
def test_a_title_is_kept_as_text(written: str, kept: str | None) -> None:
    story = only(rss(item(title=written)))
    if kept is not None:
        assert story.title == kept
    assert "\n" not in story.title
    assert "\x85" not in story.title


def test_a_title_of_atom_is_what_its_type_says() -> None:
    told = read(
        atom(
            entry(f"{SITE}/1", '<title type="text">&lt;b&gt;bold&lt;/b&gt; claims</title>'),
            entry(f"{SITE}/2", '<title type="html">&lt;b&gt;bold&lt;/b&gt; claims &amp;amp; more</title>'),
            entry(
                f"{SITE}/3",
                '<title type="xhtml"><div xmlns="http://www.w3.org/1999/xhtml"><b>bold</b> claims</div></title>',
            ),
            entry(f"{SITE}/4", '<title type="html">a &lt;script&gt;alert(1)&lt;/script&gt;&lt;!-- b --&gt;c</title>'),
        )
    )
    assert {story.url[-1]: story.title for story in told} == {
        "1": "<b>bold</b> claims",
        "2": "bold claims & more",
        "3": "bold claims",
        "4": "a c",
    }


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)",
        "data:text/html,x",
        "mailto:a@example.com",
        "http://[",
        "http://user:secret@www.example.com/",
        "https://www.example.com/" + "a" * 600,
        "",
    ],
)
def test_a_link_that_is_no_address_of_a_page_is_no_story(link: str) -> None:
    assert read(rss(item(link), item())) == read(rss(item()))
    assert read(sitemap(listed(link), listed())) == read(sitemap(listed()))


def test_links_may_be_relative_to_the_feed() -> None:
    assert only(rss(item("/2018/kim"))).url == f"{SITE}/2018/kim"
    assert only(sitemap(listed("story"))).url == f"{SITE}/story"


def test_a_story_that_is_told_twice_is_one_as_first_told() -> None:
    told = read(rss(item(title="Once"), item(f"{SITE}/story/?utm_medium=x", "Twice"), item(f"{SITE}/other")))
    assert [(story.url, story.title) for story in told] == [(f"{SITE}/story", "Once"), (f"{SITE}/other", "A story")]


def test_an_address_of_mail_is_nobodys_name() -> None:
    told = read(
        rss(
            item(f"{SITE}/1", more="<author>devi@example.com</author>"),
            item(f"{SITE}/2", more="<author>devi@example.com (Devi Ramasamy)</author>"),
        )
    )
    assert [story.author for story in told] == ["", "Devi Ramasamy"]


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("Sun, 10 Jun 2018 06:30:00 EST", datetime(2018, 6, 10, 11, 30, tzinfo=UTC)),
        ("Sun, 10 Jun 2018 06:30:00 -1130", datetime(2018, 6, 10, 18, 0, tzinfo=UTC)),
        ("Sun, 10 Jun 2018 06:30:00", datetime(2018, 6, 10, 6, 30, tzinfo=UTC)),
        ("10 Jun 18 06:30 GMT", datetime(2018, 6, 10, 6, 30, tzinfo=UTC)),
        ("2018-06-10T06:30:00Z", datetime(2018, 6, 10, 6, 30, tzinfo=UTC)),
        ("2018-06-10", datetime(2018, 6, 10, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
        ("Sun, 99 Jun 2018 99:99:99 +9999", None),
        ("0000-00-00", None),
        ("9999-12-31T23:59:59Z", None),
    ],
)
def test_dates_in_odd_forms_and_zones(written: str, moment: datetime | None) -> None:
    assert only(rss(item(more=f"<pubDate>{written}</pubDate>"))).published_at == moment


def test_a_date_that_is_still_to_come_is_not_believed_beyond_tomorrow() -> None:
    soon, late = now() + timedelta(hours=1), now() + timedelta(days=40)
    told = read(
        rss(
            item(f"{SITE}/soon", more=f"<pubDate>{format_datetime(soon)}</pubDate>"),
            item(f"{SITE}/late", more=f"<pubDate>{format_datetime(late)}</pubDate>"),
        )
    )
    assert {story.url: story.published_at for story in told} == {
        f"{SITE}/soon": soon.replace(microsecond=0),
        f"{SITE}/late": None,
    }


# Files that are broken, or made to break something.


def test_of_a_broken_feed_what_can_be_read_is_read() -> None:
    assert only(rss(item(title="Kim & Trump"))).title.replace("&amp;", "&") == "Kim & Trump"
    cut = rss(item(f"{SITE}/1"), item(f"{SITE}/2"), item(f"{SITE}/3"))
    assert {story.url for story in read(cut[: cut.rindex("<item>") + 20])} >= {f"{SITE}/1", f"{SITE}/2"}
    cut = sitemap(listed(f"{SITE}/1"), listed(f"{SITE}/2"))
    assert [story.url for story in read(cut[: cut.rindex("<url>") + 20])] == [f"{SITE}/1"]
    assert f"{SITE}/1" in {story.url for story in read(sitemap(listed(f"{SITE}/1"), "<oops>", listed(f"{SITE}/2")))}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\0",
        b"not a feed",
        b"<html><body><h1>Log in</h1></body></html>",
        b"{}",
        b"<",
        b"\xff\xfe",
        b"<a/>",
        b'<?xml version="1.0" encoding="\x80"?><rss/>',
    ],
)
def test_what_is_no_feed_is_said_in_a_sentence(body: bytes) -> None:
    with pytest.raises(NotAFeed, match="no feed"):
        read(body)


def test_a_feed_without_stories_is_a_feed() -> None:
    assert read(rss()) == read(atom()) == read(sitemap()) == []


def test_a_sitemap_of_pages_is_not_taken_for_news() -> None:
    with pytest.raises(NotAFeed, match="names no news"):
        read(sitemap(f"<url><loc>{SITE}/about</loc></url>"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1", "windows-1252"])
def test_a_feed_may_be_in_another_encoding(encoding: str) -> None:
    text = rss(item(title="Café am Königsplatz")).replace("utf-8", encoding)
    assert only(text.encode(encoding)).title == "Café am Königsplatz"


def quickly(body: str | bytes, seconds: float = 5.0) -> list[Story]:
    began = time.process_time()
    try:
        return read(body)
    except NotAFeed:
        return []
    finally:
        assert time.process_time() - began < seconds


LAUGHS = "<!DOCTYPE x [<!ENTITY a0 'ha'>" + "".join(
    f"<!ENTITY a{level} '{f'&a{level - 1};' * 10}'>" for level in range(1, 10)
)


@pytest.mark.parametrize("feed", [rss(item(title="&a9;")), atom(entry(title="<title>&a9;</title>"))])
def test_entities_that_unfold_without_an_end_do_not(feed: str) -> None:
    bomb = feed.replace("?>", f"?>{LAUGHS}]>", 1)
    assert all(len(story.title) <= 300 for story in quickly(bomb))
    bomb = sitemap(listed(title="&a9;"), listed(f"{SITE}/2")).replace("?>", f"?>{LAUGHS}]>", 1)
    assert all("haha" not in story.title for story in quickly(bomb))
    long = '<!DOCTYPE x [\n<!ENTITY a "' + "ha" * 50_000 + '">]>'
    assert all(
        len(story.title) <= 300 for story in quickly(feed.replace("&a9;", "&a;" * 10_000).replace("?>", f"?>{long}", 1))
    )


def test_entities_that_lie_outside_are_not_fetched(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hush")
    for target in (secret.as_uri(), "http://127.0.0.1:9/secret"):
        for kind in (
            f'<!DOCTYPE x [<!ENTITY e SYSTEM "{target}">]>',
            f'<!DOCTYPE x SYSTEM "{target}">',
            f'<!DOCTYPE x [<!ENTITY % p SYSTEM "{target}"> %p;]>',
        ):
            for feed in (rss(item(title="a &e; b")), sitemap(listed(title="a &e; b"))):
                assert "hush" not in str(quickly(feed.replace("?>", f"?>{kind}", 1)))


def test_a_feed_that_names_a_file_or_an_address_does_not_have_it_opened(tmp_path: Path) -> None:
    file = tmp_path / "feed.xml"
    file.write_text(rss(item()))
    for name in (str(file), file.as_uri()):
        with pytest.raises(NotAFeed):
            read(name)


def test_of_ten_thousand_stories_the_newest_thousand_are_read() -> None:
    def dated(number: int) -> str:
        moment = datetime(2018, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
        return item(f"{SITE}/{number}", more=f"<pubDate>{format_datetime(moment)}</pubDate>")

    told = quickly(rss(*map(dated, range(10_000))), seconds=30)
    assert [story.url for story in told] == [f"{SITE}/{number}" for number in range(9_999, 9_999 - MOST_STORIES, -1)]
    told = quickly(sitemap(*(listed(f"{SITE}/{number}") for number in range(10_000))), seconds=30)
    assert len(told) == MOST_STORIES


def test_deep_and_long_things_are_read_or_left_but_never_hang() -> None:
    quickly(rss(item(title="x" * 2_000_000)))
    quickly(rss(item(more="<a>" * 5_000 + "</a>" * 5_000)))
    quickly(rss(item(title="&lt;b&gt;" * 20_000)))
    quickly(sitemap("<url>" * 5_000))
    quickly(rss(item(more="<category>x</category>" * 20_000)))
    assert (
        len(
            only(
                rss(item(more="<category>x</category>" * 50 + "".join(f"<category>t{n}</category>" for n in range(50))))
            ).tags
        )
        <= 20
    )


@given(
    st.one_of(
        st.binary(max_size=300),
        st.text(max_size=300).map(lambda text: rss(item(title=text)).encode("utf-8", "replace")),
        st.text(max_size=100).map(lambda text: sitemap(listed(text)).encode("utf-8", "replace")),
        st.tuples(st.integers(0, 400), st.binary(max_size=8)).map(
            lambda cut: rss(item(), item()).encode()[: cut[0]] + cut[1] + rss(item(), item()).encode()[cut[0] :]
        ),
    )
)
def test_whatever_comes_is_stories_or_a_refusal(body: bytes) -> None:
    try:
        told = read(body)
    except NotAFeed:
        return
    assert all(story.url.startswith("http") for story in told)
