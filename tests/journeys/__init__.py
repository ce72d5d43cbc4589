"""Journeys of readers and staff through a real Chromium: see conftest.py."""
