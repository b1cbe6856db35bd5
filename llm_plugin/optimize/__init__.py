"""Try many parameters, choose on the past, and say whether the best of them is to be believed."""
