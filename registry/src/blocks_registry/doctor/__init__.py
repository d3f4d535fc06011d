"""What is wrong with the installed plugins, why, and what to do."""
