"""Many variants of one recipe, trained one after the other and compared."""
