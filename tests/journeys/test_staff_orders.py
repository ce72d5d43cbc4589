"""Staff find an order that a reader has just placed, and send it."""

import re

from playwright.sync_api import Page, expect

from shop.checkout.settle import settle  # noqa: F401  placeholder
