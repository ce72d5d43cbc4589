"""What the newsroom learns: what was shown, seen and opened under which story, and what was sold and refunded there."""
