"""The gateway as a process: sockets, TLS, servers, its log, its end."""
