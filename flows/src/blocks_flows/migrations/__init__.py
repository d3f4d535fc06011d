"""The tables of flow runs, as numbered SQL files."""
