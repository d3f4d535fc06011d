"""Takes over what other systems keep: reads it, maps it to block types, plans, and writes in one change."""
