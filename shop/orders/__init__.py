"""Orders, their lines as snapshots, the facts of an order, and the status that follows from them."""
