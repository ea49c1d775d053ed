"""What language models may do with a store: the operations as tools, their results sized and fenced.

The MCP server and the chat both use these; nothing here knows of either, nor of any vendor.
"""
