"""The registry's tables, as numbered SQL files."""
