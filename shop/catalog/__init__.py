"""Products, variants, pictures, and stock. `stock` is the only writer of the stock counters."""
