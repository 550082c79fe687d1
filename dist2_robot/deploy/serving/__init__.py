"""The policy process: server, clients, and the loop's end of the line."""
