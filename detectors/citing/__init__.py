"""Which source a citation means, whether it exists, what it says, and how sources differ from each other."""
