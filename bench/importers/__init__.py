"""Results of other load generators, each read into levels of a bench's report."""
