"""Everything on one machine: `make stack` starts it without Docker, `make verify` looks at it."""
