"""What authors of plugins need: a package to start from, pages from classes, and what is wrong with a plugin."""
