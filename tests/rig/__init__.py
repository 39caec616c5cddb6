"""Many hosts on one machine: each a network namespace with its own address, name, users, home and OpenSSH server."""
