"""The purging that stories need is the catalogue's: see `shop.catalog.purging`."""

from shop.catalog.purging import purge

__all__ = ["purge"]
