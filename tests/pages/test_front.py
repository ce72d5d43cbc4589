"""What an app keeps of placements is bounded by what is ours, not by what strangers write into an address."""

import tracemalloc

from shop.articles.placement import PlacementSigner
from shop.config import Settings
from tests.conftest import TEST_KEY, TEST_WEBHOOK_SECRET


def test_a_token_too_long_for_one_of_ours_is_not_kept() -> None:
    settings = Settings.load(stripe_secret_key=TEST_KEY, stripe_webhook_secret=TEST_WEBHOOK_SECRET)
    signer = PlacementSigner(settings.secret_keys, ())
    tracemalloc.start()
    try:
        for number in range(100):
            assert signer.verify(f"{number}.{'x' * 60_000}") is None
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert kept < 1_000_000


def test_the_longest_story_that_is_signed_comes_back() -> None:
    settings = Settings.load(stripe_secret_key=TEST_KEY, stripe_webhook_secret=TEST_WEBHOOK_SECRET)
    signer = PlacementSigner(settings.secret_keys, ())
    url, title = "https://news.example/" + "s" * 479, "\N{GRINNING FACE}" * 300
    placement = signer.verify(signer.sign(url, title, "link"))
    assert placement is not None
    assert (placement.url, placement.title) == (url, title)
