"""The commands about stories: the feeds that tell of them."""

from dataclasses import asdict

import click

from shop.prompt import InOrder, load_settings, open_database


@click.group(cls=InOrder)
def feeds() -> None:
    """The publisher's feeds and news sitemaps, by which the shop hears of new stories."""


@feeds.command()
@click.argument("url")
def add(url: str) -> None:
    """Ask the feed at URL from now on: RSS, Atom, a news sitemap or an index of such."""
    settings = load_settings()
    from shop.articles.feeds import add_feed

    with open_database(settings) as database, database.transaction() as session:
        feed_id = add_feed(session, url, settings.shop_publisher_hosts)
    click.echo(f"Feed {feed_id} was added. The worker asks it within a minute; `shop feeds poll` does now.")


@feeds.command("list")
def list_feeds() -> None:
    """List the feeds: when each was asked last and is asked next, and what went wrong."""
    settings = load_settings()
    from shop.articles.feeds import list_feeds

    with open_database(settings) as database, database.reading() as session:
        known = list_feeds(session)
    for feed in known:
        asked = f"{feed.asked_at:%Y-%m-%d %H:%M:%S}" if feed.asked_at else "never asked"
        state = f"due {feed.due_at:%H:%M:%S}" if feed.active else "paused"
        failed = f"  failed {feed.failures} times: {feed.error}" if feed.failures else ""
        click.echo(f"{feed.id:>4}  {asked:<19}  {state:<12}  {feed.url}{failed}")


@feeds.command()
def poll() -> int:
    """Ask every feed that is not paused, now. Ends with status 1 when one has failed; the list says why."""
    settings = load_settings()
    from shop.articles.feeds import poll_due

    with open_database(settings) as database:
        polled = poll_due(database, settings, everything=True)
    click.echo(", ".join(f"{count} {name}" for name, count in asdict(polled).items()))
    return 1 if polled.failed else 0


@feeds.command()
@click.argument("feed_id", metavar="ID", type=click.IntRange(1, 2**31 - 1))
def pause(feed_id: int) -> None:
    """Ask the feed ID no more; what it has told of stays known."""
    settings = load_settings()
    from shop.articles.feeds import pause_feed

    with open_database(settings) as database, database.transaction() as session:
        pause_feed(session, feed_id)
    click.echo(f"Feed {feed_id} is paused.")


@feeds.command()
@click.argument("feed_id", metavar="ID", type=click.IntRange(1, 2**31 - 1))
def resume(feed_id: int) -> None:
    """Ask the feed ID again, within a minute."""
    settings = load_settings()
    from shop.articles.feeds import resume_feed

    with open_database(settings) as database, database.transaction() as session:
        resume_feed(session, feed_id)
    click.echo(f"Feed {feed_id} is asked again.")


COMMANDS: tuple[click.Command, ...] = (feeds,)
