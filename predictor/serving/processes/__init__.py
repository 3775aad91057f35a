"""The processes of a server, and the ports they share."""
