"""What a server says of itself while it works: lines, the ids of requests, and traces."""
