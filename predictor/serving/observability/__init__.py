"""What a server says of itself while it works: lines, the names of requests, and traces."""
