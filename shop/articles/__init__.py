"""Stories: their canonical addresses, and the signed placement tokens that carry a story along to the order."""
