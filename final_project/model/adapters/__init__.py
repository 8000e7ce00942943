"""Low-rank adapters beside an encoder's frozen weights, and how they are merged into them."""
