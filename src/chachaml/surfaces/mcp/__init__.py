"""The Model Context Protocol, by its official SDK: the tools, resources and prompts of a store."""
