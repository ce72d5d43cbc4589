"""The verbs that move money and stock together: place, settle, sweep, ship. Each owns its transactions."""
