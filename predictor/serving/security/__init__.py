"""Who may ask: credentials, TLS and rates, all off by default."""
