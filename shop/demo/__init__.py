"""The demo: a newsroom on an origin of its own, and a catalogue worth selling under its stories.

`catalogue` holds what the demo shop sells, as values; `art/` holds our drawings of it; `newsroom` is a small site,
separate from the shop, that carries the embed the way a real publisher would. Nothing in here imports the shop.
"""
