"""The pages of blocks: listed, made, changed, compared, tested, renamed, deleted."""
