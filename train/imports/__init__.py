"""From recorded logs to a domain: sessions on two sides, catalog, system prompt, and a configuration to begin with."""
