"""Addresses that nobody but an attacker asks for."""

import pytest
from flask.testing import FlaskClient


@pytest.mark.parametrize("width", ["9" * 5000, "\u0663\u0662\u0660", "0320", "-320", "1_280", ""])
def test_a_picture_of_a_width_that_nobody_makes_is_not_there(client: FlaskClient, width: str) -> None:
    assert client.get(f"/media/abc-{width}.jpg").status_code == 404
