"""Shipping zones and rates, and the shipments that leave the house."""
