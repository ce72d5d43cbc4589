"""What the shop fetches from a publisher, over real HTTP: nothing inside the network, nothing without an end."""

import gzip
import socket
import ssl
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from requests_hardened.ip_filter import get_ip_address

from shop.articles import fetching
from shop.articles.fetching import Fetched, NotFetched, Reach, fetch
from shop.config import Settings
from shop.db import now
from tests.support.publisher import Asked, Publisher, head, publishing

MB = 1_000_000
Send = Callable[[bytes], None]


@pytest.fixture
def publisher() -> Iterator[Publisher]:
    with publishing() as publisher:
        yield publisher


def fetched(publisher: Publisher, path: str, **how: Any) -> Fetched:
    return fetch(publisher.url + path, publisher.reach, **{"most_bytes": MB} | how)


def refusal(url: str, reach: Reach, **how: Any) -> str:
    with pytest.raises(NotFetched) as refused:
        fetch(url, reach, **{"most_bytes": MB} | how)
    return str(refused.value)


def test_a_page_is_fetched_with_what_caching_needs(publisher: Publisher) -> None:
    publisher.says(
        "/feed",
        "<rss/>",
        content_type="application/rss+xml",
        etag='W/"7"',
        last_modified="Sun, 10 Jun 2018 08:00:00 GMT",
        cache_control="public, max-age=600",
    )
    assert fetched(publisher, "/feed") == Fetched(
        url=publisher.url + "/feed",
        status=200,
        body=b"<rss/>",
        content_type="application/rss+xml",
        etag='W/"7"',
        last_modified="Sun, 10 Jun 2018 08:00:00 GMT",
        max_age=600,
    )
    (asked,) = publisher.asked
    assert asked.headers["user-agent"].startswith("Understory/")
    assert asked.headers["host"] == publisher.netloc
    assert {"if-none-match", "if-modified-since", "cookie", "authorization"}.isdisjoint(asked.headers)


@pytest.mark.parametrize(
    "validators",
    [{"etag": '"1"'}, {"last_modified": "Sun, 10 Jun 2018 08:00:00 GMT"}, {"etag": '"1"', "last_modified": "Sunday"}],
)
def test_what_has_not_changed_sends_its_body_once(publisher: Publisher, validators: dict[str, str]) -> None:
    publisher.keeps("/feed", b"x" * 50_000, **validators)
    first = fetched(publisher, "/feed")
    assert publisher.sent == 50_000
    again = fetched(publisher, "/feed", etag=first.etag, last_modified=first.last_modified)
    assert (again.status, again.body, publisher.sent) == (304, b"", 50_000)


def test_a_304_that_nobody_asked_for_is_no_answer(publisher: Publisher) -> None:
    publisher.says("/feed", status=304)
    assert refusal(publisher.url + "/feed", publisher.reach) == "It answered 304."


def test_a_validator_that_cannot_be_kept_whole_is_not_kept_at_all(publisher: Publisher) -> None:
    publisher.says("/feed", etag='"' + "e" * 300 + '"', last_modified="\x01", cache_control="s-maxage=60, private")
    page = fetched(publisher, "/feed")
    assert (page.etag, page.last_modified, page.max_age) == ("", "", None)


@pytest.mark.parametrize(
    ("said", "patience"),
    [("120", 120), ("", None), ("soon", None), ("-5", None), ("99999999999999999999", None)],
)
def test_a_server_that_asks_for_patience_is_heard(publisher: Publisher, said: str, patience: int | None) -> None:
    publisher.says("/feed", status=429, retry_after=said)
    with pytest.raises(NotFetched, match="answered 429") as refused:
        fetched(publisher, "/feed")
    assert refused.value.retry_after == patience


def test_patience_until_a_date_is_counted_from_now(publisher: Publisher) -> None:
    publisher.says("/feed", status=503, retry_after=format_datetime(now() + timedelta(seconds=600), usegmt=True))
    with pytest.raises(NotFetched) as refused:
        fetched(publisher, "/feed")
    assert refused.value.retry_after is not None
    assert 500 < refused.value.retry_after <= 600


# Where it may lead.


def test_redirects_within_the_publisher_are_followed_three_times(publisher: Publisher) -> None:
    publisher.says("/1", status=301, location="/2")
    publisher.says("/2", status=302, location=f"{publisher.url}/3")
    publisher.says("/3", status=307, location="//" + publisher.netloc + "/4")
    publisher.says("/4", "here")
    page = fetched(publisher, "/1")
    assert (page.body, page.url) == (b"here", publisher.url + "/4")
    publisher.says("/0", status=308, location="/1")
    assert "without end" in refusal(publisher.url + "/0", publisher.reach)


def test_a_loop_of_redirects_ends(publisher: Publisher) -> None:
    publisher.says("/a", status=302, location="/b")
    publisher.says("/b", status=302, location="/a")
    assert "without end" in refusal(publisher.url + "/a", publisher.reach)
    assert len(publisher.asked) == 4


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("http://elsewhere.example/", "not on one of the publisher's hosts"),
        ("http://{netloc}@elsewhere.example/", "not on one of the publisher's hosts"),
        ("http://elsewhere.example\\@{netloc}/", "no address"),
        ("http://169.254.169.254/latest/meta-data/", "not on one of the publisher's hosts"),
        ("http://localhost/", "inside the network"),
        ("http://localhost:6379/", "port"),
        ("file:///etc/passwd", "no address"),
        ("gopher://{netloc}/", "no address"),
        ("javascript:alert(1)", "no address"),
        ("http://[", "no address"),
        ("http://localhost:99999/", "could not be reached"),
    ],
)
def test_a_redirect_leads_nowhere_else(publisher: Publisher, location: str, said: str) -> None:
    with publishing("127.0.0.2") as inside:
        publisher.says("/feed", status=302, location=location.format(netloc=publisher.netloc))
        assert said in refusal(publisher.url + "/feed", Reach((publisher.netloc, "localhost"), neighbours=True))
        publisher.says("/feed", status=302, location=inside.url)
        assert "publisher's hosts" in refusal(publisher.url + "/feed", publisher.reach)
        assert inside.asked == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "0",
        "2130706433",
        "0x7f.1",
        "[::ffff:127.0.0.1]",
        "10.0.0.1",
        "169.254.169.254",
    ],
)
def test_nobody_is_asked_inside_the_network_whatever_his_address_is_called(host: str) -> None:
    assert "inside the network" in refusal(f"http://{host}/", Reach(()))
    assert "inside the network" in refusal(f"https://{host}/", Reach(()))


def test_only_development_asks_a_neighbour_and_only_one_that_it_names_with_its_port(publisher: Publisher) -> None:
    publisher.says("/feed", "here")
    url, port = publisher.url + "/feed", publisher.netloc.partition(":")[2]
    assert "inside the network" in refusal(url, Reach((publisher.netloc,)))
    assert "port" in refusal(url, Reach(("127.0.0.1",), neighbours=True))
    assert "port" in refusal(url, Reach((), neighbours=True))
    assert "publisher's hosts" in refusal(f"http://localhost:{port}/feed", publisher.reach)
    assert publisher.asked == []


def test_the_reach_is_that_of_the_settings() -> None:
    keys = {"stripe_secret_key": "sk_test_x", "stripe_webhook_secret": "whsec_x"}
    development = Settings.load(**keys, shop_publisher_hosts="127.0.0.1:8002")
    assert Reach.of(development) == Reach(("127.0.0.1:8002",), neighbours=True)
    production = Settings.load(
        **keys,
        shop_env="production",
        shop_publisher_hosts="www.example.com",
        shop_secret_key="k" * 40,
        shop_url="https://shop.example.com",
        shop_allow_sqlite=True,
        shop_mail_url="smtp://mail.example.com",
        shop_mail_from="shop@example.com",
    )
    assert Reach.of(production) == Reach(("www.example.com",), neighbours=False)


class Rebinding:
    """A name server that says another address each time it is asked for one name. It stands where this machine's resolver is,
    for no test can own a name on the internet; all else goes over real sockets.
    """

    def __init__(self, name: str, addresses: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.name, self.addresses, self.asked = name, addresses, 0
        self._truth = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host: Any, *rest: Any, **options: Any) -> Any:
        if host != self.name:
            return self._truth(host, *rest, **options)
        address = self.addresses[min(self.asked, len(self.addresses) - 1)]
        self.asked += 1
        return self._truth(address, *rest, **options)


@pytest.fixture
def two_faced(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Publisher, Rebinding]]:
    """An address whose name means the publisher's server first and one inside from then on."""
    port = publisher.netloc.partition(":")[2]
    with publishing("127.0.0.2", int(port)) as inside:
        publisher.says("/feed", "outside")
        inside.says("/feed", "inside")
        rebinding = Rebinding("rebinding.example", ["127.0.0.1", "127.0.0.2"], monkeypatch)
        yield f"http://rebinding.example:{port}/feed", inside, rebinding


def test_a_name_that_means_another_address_a_moment_later_leads_to_the_one_that_was_looked_at(
    two_faced: tuple[str, Publisher, Rebinding],
) -> None:
    url, inside, rebinding = two_faced
    reach = Reach((url.split("/")[2],), neighbours=True)
    assert fetch(url, reach, most_bytes=MB).body == b"outside"
    assert (rebinding.asked, inside.asked) == (1, [])


def test_control_whoever_looks_first_and_connects_by_name_is_led_inside(
    two_faced: tuple[str, Publisher, Rebinding],
) -> None:
    url, inside, _ = two_faced
    get_ip_address("rebinding.example", 80, allow_loopback=True)
    assert requests.get(url, timeout=5).text == "inside"
    assert len(inside.asked) == 1


def test_a_name_that_means_an_address_inside_is_refused_when_it_is_asked_again(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    Rebinding("rebinding.example", ["10.0.0.1"], monkeypatch)
    assert "inside the network" in refusal("http://rebinding.example/feed", Reach(("rebinding.example",)))
    publisher.says("/feed", status=302, location="http://rebinding.example/feed")
    reach = Reach((publisher.netloc, "rebinding.example"), neighbours=True)
    assert "inside the network" in refusal(publisher.url + "/feed", reach)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "feed",
        "//www.example.com/feed",
        "ftp://www.example.com/feed",
        "http://",
        "http:///feed",
        "http://user:secret@www.example.com/",
        "http://www.example.com.evil.example/",
        "http://evil.example\\.www.example.com/",
        "http://www.example.com/\r\nX-Header: 1",
        "http://www.example.com/\0",
        "http://" + "a" * 70 + ".www.example.com/",
        "http://www.example.com/" + "a" * 3000,
        "http://wwwxexample.com/",
        "http://www.example.com:22/",
        "http://www.example.com:x/",
        "http://\udcff.example/",
    ],
)
def test_what_is_no_address_of_the_publishers_is_not_asked(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Rebinding("www.example.com", ["10.0.0.1"], monkeypatch)
    assert "inside" not in refusal(url, Reach(("www.example.com", "*.www.example.com")))


def test_a_proxy_that_the_environment_names_is_not_asked(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    publisher.says("/feed", "here")
    with publishing() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert fetched(publisher, "/feed").body == b"here"
        assert proxy.asked == []


# TLS.


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> trustme.CA:
    """An authority that this machine trusts."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setattr("requests.adapters.DEFAULT_CA_BUNDLE_PATH", str(tmp_path / "ca.pem"))
    return authority


def over_tls(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_over_tls_the_certificate_is_held_against_the_name_though_the_connection_goes_to_its_address(
    authority: trustme.CA,
) -> None:
    with publishing(name="localhost", tls=over_tls(authority, "localhost")) as publisher:
        publisher.says("/feed", "here")
        assert fetched(publisher, "/feed").body == b"here"
        assert publisher.asked[0].headers["host"] == publisher.netloc


def test_over_tls_another_name_s_certificate_is_refused(authority: trustme.CA) -> None:
    with publishing(name="localhost", tls=over_tls(authority, "elsewhere.example")) as publisher:
        assert "certificate" in refusal(publisher.url + "/feed", publisher.reach)
        assert publisher.asked == []


def test_an_answer_over_tls_without_an_end_ends_too(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "SECONDS_IN_ALL", 0.5)
    with publishing(name="localhost", tls=over_tls(authority, "localhost")) as publisher:
        publisher.does("/feed", dripping(head(200)))
        assert "too long" in refusal(publisher.url + "/feed", publisher.reach)


# How much, and how long.


def dripping(start: bytes, drop: bytes = b"x") -> Callable[[Send, Asked], None]:
    """A byte every now and then, and never an end."""

    def answer(send: Send, asked: Asked) -> None:
        send(start)
        pause = threading.Event()
        while True:
            send(drop)
            pause.wait(0.02)

    return answer


@pytest.mark.parametrize(
    "start",
    [
        head(200),
        head(200, content_length="1000000"),
        head(200, transfer_encoding="chunked") + b"fffff\r\n",
        head(302, location="/elsewhere")[:-2] + b"X: ",
        b"HTTP/1.1 200 OK\r\nX: ",
        b"",
    ],
)
def test_an_answer_that_drips_ends_when_its_time_is_over(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    monkeypatch.setattr(fetching, "SECONDS_IN_ALL", 0.5)
    publisher.does("/feed", dripping(start))
    assert "too long" in refusal(publisher.url + "/feed", publisher.reach)


def test_trailers_without_an_end_end(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "SECONDS_IN_ALL", 0.5)
    start = head(200, transfer_encoding="chunked") + b"1\r\nx\r\n0\r\n"
    publisher.does("/feed", dripping(start, b"X: y\r\n"))
    assert "too long" in refusal(publisher.url + "/feed", publisher.reach)


def test_silence_ends_when_its_time_is_over(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "SECONDS_IN_ALL", 0.3)
    over = threading.Event()

    def nothing(send: Send, asked: Asked) -> None:
        over.wait(10)

    publisher.does("/feed", nothing)
    assert "too long" in refusal(publisher.url + "/feed", publisher.reach)
    over.set()


def test_slow_redirects_share_one_deadline(publisher: Publisher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "SECONDS_IN_ALL", 0.6)
    pause = threading.Event()

    def slowly(send: Send, asked: Asked) -> None:
        pause.wait(0.4)
        send(head(302, location="/feed", content_length="0"))

    publisher.does("/feed", slowly)
    assert "too long" in refusal(publisher.url + "/feed", publisher.reach)
    assert len(publisher.asked) == 2


def endless(publisher: Publisher, start: bytes, piece: bytes) -> Callable[[Send, Asked], None]:
    def answer(send: Send, asked: Asked) -> None:
        send(start)
        while True:
            send(piece)
            publisher.sent += len(piece)

    return answer


def test_an_endless_answer_is_not_read_beyond_its_limit(publisher: Publisher) -> None:
    publisher.does("/feed", endless(publisher, head(200), b"x" * 10_000))
    assert refusal(publisher.url + "/feed", publisher.reach) == "It is larger than 1 MB."
    assert publisher.sent < 20 * MB  # what lay in the sockets' buffers


def test_the_body_of_a_redirect_is_not_read(publisher: Publisher) -> None:
    publisher.does("/feed", endless(publisher, head(302, location="/there"), b"x" * 10_000))
    publisher.says("/there", "here")
    assert fetched(publisher, "/feed").body == b"here"
    publisher.does("/loop", endless(publisher, head(302, location="/loop"), b"x" * 10_000))
    assert "without end" in refusal(publisher.url + "/loop", publisher.reach)


def test_fifty_megabytes_are_refused_and_what_is_within_the_limit_is_not(publisher: Publisher) -> None:
    publisher.says("/feed", b"x" * (50 * MB))
    assert refusal(publisher.url + "/feed", publisher.reach, most_bytes=10 * MB) == "It is larger than 10 MB."
    publisher.says("/feed", b"x" * MB)
    assert len(fetched(publisher, "/feed").body) == MB
    publisher.says("/feed", b"x" * (MB + 1))
    assert "larger" in refusal(publisher.url + "/feed", publisher.reach)


def test_what_is_packed_is_unpacked(publisher: Publisher) -> None:
    text = b"<rss/>" * 10_000
    publisher.says("/feed", gzip.compress(text), content_encoding="gzip")
    assert fetched(publisher, "/feed").body == text
    assert publisher.asked[0].headers["accept-encoding"] == "gzip"


def test_a_bomb_is_not_unpacked(publisher: Publisher) -> None:
    packer = zlib.compressobj(9, wbits=31)
    nothing = bytes(MB)
    bomb = b"".join(packer.compress(nothing) for _ in range(200)) + packer.flush()
    assert len(bomb) < MB
    publisher.says("/feed", bomb, content_encoding="gzip")
    tracemalloc.start()
    assert refusal(publisher.url + "/feed", publisher.reach) == "It is larger than 1 MB."
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * MB
    publisher.says("/feed", gzip.compress(gzip.compress(bytes(MB // 2))), content_encoding="gzip, gzip")
    assert "packed in a way" in refusal(publisher.url + "/feed", publisher.reach)


@pytest.mark.parametrize("body", [b"not packed", gzip.compress(b"x" * 1000)[:-20], b""])
def test_what_cannot_be_unpacked_whole_is_no_answer(publisher: Publisher, body: bytes) -> None:
    publisher.says("/feed", body, content_encoding="gzip")
    assert "answer" in refusal(publisher.url + "/feed", publisher.reach)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1",
        b"\x00\xff" * 100,
        head(200, content_length="1000") + b"short",
        head(200, transfer_encoding="chunked") + b"zz\r\nnot chunks",
        head(200, transfer_encoding="chunked") + b"ff\r\nbroken off",
        b"HTTP/1.1 302 Found\r\n\r\n",
        head(500, content_length="0"),
        head(403, content_length="0"),
        head(206, content_length="0"),
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 5000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
    ],
)
def test_garbage_for_an_answer_is_a_refusal_with_a_reason(publisher: Publisher, answer: bytes) -> None:
    publisher.does("/feed", lambda send, _: send(answer))
    assert refusal(publisher.url + "/feed", publisher.reach).endswith(".")


def test_a_server_that_is_not_there_is_a_refusal_with_a_reason() -> None:
    with publishing() as gone:
        pass
    assert "could not be reached" in refusal(gone.url, gone.reach)
