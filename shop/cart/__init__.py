"""Carts and their lines. A cart is found by an unguessable handle; prices always come from the catalogue."""
