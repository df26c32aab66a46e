"""The market as tools of an MCP server: for LLM agents, by stdio and by streamable HTTP. Needs the extra `mcp`."""
