"""What the gateway knows, in SQL: SQLite, MariaDB or PostgreSQL. One process owns it; one thread of it writes."""
