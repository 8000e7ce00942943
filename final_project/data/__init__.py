"""Reading, cleaning, augmenting and describing sentence pairs."""
