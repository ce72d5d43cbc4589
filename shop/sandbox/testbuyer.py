"""A buyer to fill the form with, who lives wherever the shop sends to."""

TEST_BUYER = {
    "email": "reader@example.com",
    "name": "Ada Reader",
    "line1": "1 Raffles Place",
    "line2": "#20-61",
    "city": "Singapore",
    "postal_code": "048616",
}
# A postal code and province that hold, for countries other than the test buyer's own.
_ELSEWHERE = {
    "US": {"line1": "350 Fifth Avenue", "line2": "", "city": "New York", "state": "NY", "postal_code": "10118"},
    "GB": {"line1": "221B Baker Street", "line2": "", "city": "London", "postal_code": "NW1 6XE"},
    "AU": {"line1": "1 Macquarie Street", "line2": "", "city": "Sydney", "state": "NSW", "postal_code": "2000"},
    "CA": {"line1": "290 Bremner Blvd", "line2": "", "city": "Toronto", "state": "ON", "postal_code": "M5V 3L9"},
    "MY": {"line1": "Jalan Ampang", "line2": "", "city": "Kuala Lumpur", "state": "WP", "postal_code": "50450"},
    "JP": {"line1": "1-1 Marunouchi", "line2": "", "city": "Chiyoda", "state": "Tokyo", "postal_code": "100-0005"},
    "KR": {"line1": "1 Sejong-daero", "line2": "", "city": "Seoul", "postal_code": "04524"},
    "DE": {"line1": "Unter den Linden 1", "line2": "", "city": "Berlin", "postal_code": "10117"},
    "FR": {"line1": "1 rue de Rivoli", "line2": "", "city": "Paris", "postal_code": "75001"},
}


def test_buyer(country: str) -> dict[str, str]:
    """A buyer whose address holds in `country`, as far as this page knows it."""
    return {**TEST_BUYER, "state": "", **_ELSEWHERE.get(country, {}), "country": country}
