"""The built-in pairs: a grammar, its meanings, and the sentences and pairs that it generates."""
