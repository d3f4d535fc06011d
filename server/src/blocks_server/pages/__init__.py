"""The pages for people: rendered by the server, without scripts if need be; rights are those of the registry."""
